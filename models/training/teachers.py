"""The two teacher networks at any picture size.

Nothing here is shipped: teachers label photos once (see prepare.py) and are forgotten.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from PIL import Image

GENERAL = "tcmonodepth_small_192x320.onnx"
INDOOR = "fastdepth_nyu_224x224.onnx"
GENERAL_AREA = 192 * 320  # pixels: the size that the general teacher was exported for


def _session(model: onnx.ModelProto | str, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # one arena for each picture shape fills 5 GB a worker
    blob = model if isinstance(model, str) else model.SerializeToString()
    return ort.InferenceSession(blob, options, providers=["CPUExecutionProvider"])


def _tensor(image: Image.Image, height: int, width: int) -> np.ndarray:
    """(1, 3, height, width) float32 in 0..255."""
    pixels = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS), np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def _fit(image: Image.Image, area: float) -> tuple[int, int]:
    """Height and width of about `area` pixels in the picture's own shape, multiples of 32, at least 96."""
    width, height = image.size
    scale = (area / (width * height)) ** 0.5
    return max(3, round(height * scale / 32)) * 32, max(3, round(width * scale / 32)) * 32


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BICUBIC))


class General:
    """TCMonoDepth-small for any size.

    The file fixes 192x320, but only in the constants of its reshapes and resizes: rewritten for another size it
    sees a portrait photo without squashing it, which is the largest gain in label quality of all (a squashed
    portrait gives a blurred vertical ramp).
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._path, self._threads = folder / GENERAL, threads
        self._sessions: dict[tuple[int, int], ort.InferenceSession] = {}

    def _for_size(self, height: int, width: int) -> ort.InferenceSession:
        if (height, width) not in self._sessions:
            model = onnx.load(self._path)
            graph = model.graph
            constants = {n.input[3] for n in graph.node if n.op_type == "Resize" and len(n.input) > 3}
            constants |= {n.input[1] for n in graph.node if n.op_type == "Reshape"}
            for item in graph.initializer:
                if item.name in constants and (shape := numpy_helper.to_array(item).copy()).size >= 3:
                    if shape.size == 3:  # channels, 2, height x width
                        shape[-1] = shape[-1] * height * width // GENERAL_AREA
                    else:  # ..., height, width
                        shape[-2], shape[-1] = shape[-2] * height // 192, shape[-1] * width // 320
                    item.CopyFrom(numpy_helper.from_array(shape, item.name))
            for value in (graph.input[0], graph.output[0]):
                value.type.tensor_type.shape.dim[2].dim_value = height
                value.type.tensor_type.shape.dim[3].dim_value = width
            del graph.value_info[:]
            self._sessions[height, width] = _session(model, self._threads)
        return self._sessions[height, width]

    def __call__(self, image: Image.Image, area: float = 1.0, flip: bool = True) -> np.ndarray:
        """Relative inverse depth (H, W) float32 at the photo's size; `area` in units of 192 x 320 pixels."""
        height, width = _fit(image, area * GENERAL_AREA)
        session, x = self._for_size(height, width), _tensor(image, height, width)
        out = session.run(None, {"input": x})[0][0, 0]
        if flip:
            out = (out + session.run(None, {"input": np.ascontiguousarray(x[..., ::-1])})[0][0, 0, :, ::-1]) / 2
        return _resized(out, image.size)


class Indoor:
    """FastDepth (NYU Depth v2), which takes any size by itself."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._session = _session(str(folder / INDOOR), threads)

    def __call__(self, image: Image.Image, area: float = 1.0) -> np.ndarray:
        """Inverse metres (H, W) float32 at the photo's size; `area` in units of 224 x 288 pixels."""
        height, width = _fit(image, area * 224 * 288)
        x = _tensor(image, height, width) / 255
        out = self._session.run(None, {"input": x})[0][0, 0]
        out = (out + self._session.run(None, {"input": np.ascontiguousarray(x[..., ::-1])})[0][0, 0, :, ::-1]) / 2
        return _resized(1 / np.clip(out, 0.3, 12.0), image.size)
