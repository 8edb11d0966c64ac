"""Write a trained checkpoint as ONNX with fp16 weights and free height and width, and prove it equal to torch.

The graph computes in float32 (CPUs have no fast fp16): each weight is stored in half precision behind a Cast,
which ONNX Runtime folds away when it loads the model.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from network import CELL, DepthNet, fitted, fold
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[2]
OPSET = 17
RATIO, SHARE = 0.6, 0.75  # of the smaller view: its sides, and its part in the large shapes
CHECKED_SIZES = ((320, 480), (480, 320), (128, 1024), (32, 32), (288, 288))


def halve_weights(model: onnx.ModelProto, smallest: int = 256) -> None:
    """Store float32 initialisers of at least `smallest` numbers as float16 and cast them back in the graph."""
    graph, casts = model.graph, []
    for item in list(graph.initializer):
        values = numpy_helper.to_array(item)
        if values.dtype != np.float32 or values.size < smallest:
            continue
        if np.abs(values).max() > 6e4:
            raise ValueError(f"weight {item.name} does not fit half precision")
        name = item.name
        item.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], f"{name}_cast", to=TensorProto.FLOAT))
    for node in reversed(casts):
        graph.node.insert(0, node)


def _moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and mean absolute deviation of each map (N, 1, H, W)."""
    mean = values.mean((2, 3), keepdim=True)
    return mean, (values - mean).abs().mean((2, 3), keepdim=True).clamp_min(1e-3)


class TwoViews(nn.Module):
    """Fine shapes as a network sees them in the picture; large ones half from a smaller mirror image.

    A network is steadier about large things in pictures of the size that it was mostly trained on, and averaging with
    the mirror image makes it steadier still; but two maps never agree to the pixel, so that their mean has soft
    outlines. Only what is left of the difference in cells of CELL pixels is therefore taken over.
    """

    def __init__(self, net: DepthNet, ratio: float = RATIO, share: float = SHARE) -> None:
        """`ratio`: of the smaller view's sides; `share`: of it in the large shapes, 0..1."""
        super().__init__()
        self.net, self.ratio, self.share = net, ratio, share

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[2], image.shape[3]
        # Multiples of 32, at least 32, by whole numbers alone, which the exported graph can follow.
        percent = round(100 * self.ratio)
        size = [(side // 32 * percent + 99) // 100 * 32 for side in (height, width)]
        there = self.net(image).unsqueeze(1)
        small = F.interpolate(image.flip(-1), size, mode="bilinear", align_corners=False)
        back = self.net(small).unsqueeze(1).flip(-1)
        coarse = F.avg_pool2d(there, CELL)
        grid = [height // CELL, width // CELL]
        other = F.interpolate(F.avg_pool2d(back, CELL // 2), grid, mode="bilinear", align_corners=False)
        (mean, spread), (other_mean, other_spread) = _moments(coarse), _moments(other)
        change = (other - other_mean) * (spread / other_spread) + mean - coarse
        return fitted(there, self.share * change)[:, 0]


def to_onnx(net: nn.Module) -> onnx.ModelProto:
    """Graph `image` (N, 3, H, W) float32 RGB in 0..1 -> `disparity` (N, H, W) float32, larger = nearer."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():  # deprecation notices, and one on padding for each strided convolution
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(),
            (torch.rand(1, 3, 256, 384),),
            buffer,
            dynamo=False,  # the older exporter folds batch norms into the convolutions, and needs no onnxscript
            opset_version=OPSET,
            input_names=["image"],
            output_names=["disparity"],
            dynamic_axes={"image": {0: "n", 2: "h", 3: "w"}, "disparity": {0: "n", 1: "h", 2: "w"}},
        )
    model = onnx.load_from_string(buffer.getvalue())
    del model.graph.value_info[:]
    halve_weights(model)
    model.producer_name, model.producer_version = "depthflow", ""
    model.doc_string = "RGB in 0..1, sides multiples of 32; disparity: larger = nearer, free scale and shift."
    onnx.checker.check_model(model)
    return model


def check(net: nn.Module, path: Path, tolerance: float = 0.02) -> float:
    """Largest difference to torch over several sizes, as a share of the output's spread; raises above it."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst, random = 0.0, np.random.default_rng(0)
    for height, width in CHECKED_SIZES:
        coarse = random.random((1, 3, height // 16, width // 16), dtype=np.float32)
        image = coarse.repeat(16, 2).repeat(16, 3)
        (found,) = session.run(["disparity"], {"image": image})
        with torch.inference_mode():
            wanted = net(torch.from_numpy(image)).numpy()
        if found.shape != wanted.shape or not np.isfinite(found).all():
            raise SystemExit(f"{height}x{width}: shape {found.shape}, wanted {wanted.shape}, or not finite")
        worst = max(worst, float(np.abs(found - wanted).max() / max(np.ptp(wanted), 1e-6)))
    if worst > tolerance:
        raise SystemExit(f"ONNX differs from torch by {worst:.4f} of the output's range (allowed {tolerance})")
    return worst


def load(checkpoint: Path, layout: Path | None = None) -> TwoViews:
    """The network of a checkpoint, with the layout of another, and with both views, ready to use."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    net = DepthNet(state["variant"]).eval()
    if state["folded"]:
        fold(net)
    net.load_state_dict(state["average"])
    if not state["folded"]:
        fold(net)  # or the exporter would store each convolution once for each view
    if layout:
        net.add_layout(torch.load(layout, map_location="cpu", weights_only=True))
    return TwoViews(net).eval()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=ROOT / ".cache" / "training" / "run" / "checkpoint.pt")
    parser.add_argument("--layout", type=Path, help="checkpoint of a layout that goes with it")
    parser.add_argument("--out", type=Path, default=ROOT / "models" / "builtin.onnx")
    options = parser.parse_args(arguments)
    net = load(options.checkpoint, options.layout)
    onnx.save(to_onnx(net), options.out)
    worst = check(net, options.out)
    size = options.out.stat().st_size
    print(f"{options.out.name}: {size / 1e6:.2f} MB, differs from torch by at most {worst:.5f} of the range")
    print(f"sha256 {hashlib.sha256(options.out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
