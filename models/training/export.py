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
from network import DepthNet, fold
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
OPSET = 17
CHECKED_SIZES = ((256, 384), (384, 256), (128, 1024), (288, 288))


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


class Mirrored(nn.Module):
    """The mean of what a network sees in a picture and in its mirror image: steadier than either, twice the work."""

    def __init__(self, net: DepthNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        there, back = self.net(torch.cat([image, image.flip(-1)])).chunk(2)
        return (there + back.flip(-1)) / 2


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


def load(checkpoint: Path) -> Mirrored:
    """The averaged network of a checkpoint with its mirror image, ready to use."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    net = DepthNet(state["variant"]).eval()
    if state["folded"]:
        fold(net)
    net.load_state_dict(state["average"])
    return Mirrored(net).eval()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=ROOT / ".cache" / "training" / "run" / "checkpoint.pt")
    parser.add_argument("--out", type=Path, default=ROOT / "models" / "builtin.onnx")
    options = parser.parse_args(arguments)
    net = load(options.checkpoint)
    onnx.save(to_onnx(net), options.out)
    worst = check(net, options.out)
    size = options.out.stat().st_size
    print(f"{options.out.name}: {size / 1e6:.2f} MB, differs from torch by at most {worst:.5f} of the range")
    print(f"sha256 {hashlib.sha256(options.out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
