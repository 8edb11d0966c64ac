"""Photo to network input and network output to depth map: pure functions on numpy arrays, no runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from depthflow.errors import DepthError

if TYPE_CHECKING:
    from depthflow.depth.registry import InputRule, Meaning, OutputRule

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

PERCENTILE = 0.5
"""Percent of the pixels that may be cut off at each end of the range: a few wild ones must not flatten the scene."""
LOW, HIGH = PERCENTILE, 100 - PERCENTILE


def input_size(width: int, height: int, rule: InputRule, size: int | None = None) -> tuple[int, int]:
    """(width, height) of the tensor for a photo of width x height pixels.

    `side` is scaled to `size`; then the whole is enlarged until no side is below min_size, as far as
    max_size lets it; what still is out of bounds (a panorama of 1:30) is bounded on its own, at the cost of
    its aspect. Last, each side is rounded to the nearest multiple.

    Args:
        size: overrides the rule's size.
    """
    if rule.resize == "stretch" and rule.fixed is not None:
        return rule.fixed[1], rule.fixed[0]
    short, long = min(width, height), max(width, height)
    scale = (size or rule.size) / (long if rule.side == "long" else short)
    scale = max(scale, min(rule.min_size / short, rule.max_size / long))

    def fitted(length: int) -> int:
        bounded = min(max(length * scale, rule.min_size), rule.max_size)
        most = max(rule.max_size // rule.multiple, 1)
        least = min(-(-rule.min_size // rule.multiple), most)
        return min(max(int(bounded / rule.multiple + 0.5), least), most) * rule.multiple

    return fitted(width), fitted(height)


def resample(pixels: U8, width: int, height: int, how: str) -> U8:
    """Resize (H, W, 3) uint8; "area" averages exactly where it shrinks, the others are antialiased too."""
    if how == "area":
        from depthflow.opencv import cv2

        rows, columns = pixels.shape[:2]
        # INTER_AREA turns into something else for both axes as soon as one grows: then axis by axis.
        both = width <= columns and height <= rows
        for size in ((width, height),) if both else ((width, rows), (width, height)):
            shrinks = size[0] < pixels.shape[1] or size[1] < pixels.shape[0]
            way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=way), np.uint8)
        return pixels
    from PIL import Image

    kernel = Image.Resampling.BICUBIC if how == "bicubic" else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(pixels).resize((width, height), kernel))


def to_tensor(pixels: U8, rule: InputRule, size: tuple[int, int]) -> NDArray[Any]:
    """(H, W, 3) uint8 RGB -> (1, 3, h, w) or (1, h, w, 3); x = (pixel in `range` - mean) / std.

    Args:
        size: (w, h) as input_size gives it.
    """
    small = resample(pixels, size[0], size[1], rule.filter)
    low, high = rule.range
    gain = (high - low) / 255.0 / np.asarray(rule.std, np.float64)
    shift = (low - np.asarray(rule.mean, np.float64)) / np.asarray(rule.std, np.float64)
    x = small.astype(np.float32) * gain.astype(np.float32) + shift.astype(np.float32)
    if rule.channels == "BGR":
        x = x[:, :, ::-1]
    if rule.layout == "NCHW":
        x = x.transpose(2, 0, 1)
    return np.ascontiguousarray(x[None], np.dtype(rule.dtype))


def to_plane(output: NDArray[Any], name: str) -> F32:
    """The network's output as (h, w) float32.

    Raises:
        DepthError: it is no single picture of one channel.
    """
    plane = np.squeeze(np.asarray(output, np.float32))
    if plane.ndim < 2 and output.ndim >= 3:
        # A picture one pixel high or wide was squeezed too: its last two axes, or NHWC's middle ones.
        plane = np.asarray(output, np.float32).reshape(
            output.shape[-3:-1] if output.shape[-1] == 1 else output.shape[-2:]
        )
    if plane.ndim != 2 or plane.size == 0:
        shape = "x".join(map(str, output.shape))
        raise DepthError(f"model {name!r} gave a tensor of {shape}, not one depth map", "use a depth network")
    return plane


def to_disparity(plane: F32, rule: OutputRule) -> F32:
    """Raw output -> inverse depth of unknown scale and shift, larger = nearer; the undefined is NaN.

    metres, centimetres: 1 / value; what is not positive is undefined. depth (relative, larger = farther): the
    same, but values are floored at 1/20 of their 99.5th percentile, since such networks give about 0 to
    the nearest pixel and its inverse would flatten all others.
    """
    x = plane.astype(np.float32)
    if rule.clip is not None:
        x = np.clip(x, *rule.clip)
    if rule.meaning == "disparity":
        return np.where(np.isfinite(x), x, np.nan).astype(np.float32)
    return _inverse(x, rule.meaning)


def _inverse(x: F32, meaning: Meaning) -> F32:
    finite = np.isfinite(x)
    if meaning == "depth" and finite.any():
        floor = np.percentile(x[finite], HIGH) / 20.0
        x = np.maximum(x, floor) if floor > 0 else x
    # +inf metres is a legitimate sky: 1/inf = 0.
    good = (x > 0) & ~np.isnan(x)
    unit = 100.0 if meaning == "centimetres" else 1.0
    with np.errstate(over="ignore"):
        inverse = np.divide(unit, x, out=np.full(x.shape, np.nan, np.float32), where=good)
    return np.where(np.isinf(inverse), np.nan, inverse).astype(np.float32)


def normalise(disparity: F32, low: float = LOW, high: float = HIGH) -> F32:
    """Inverse depth -> depth map in [0, 1] between two percentiles (0 to 100); constant input gives a flat 0.5.

    Undefined pixels (NaN) take the median of the others.

    Raises:
        DepthError: more than half of the pixels are undefined.
    """
    filled = defined(disparity)
    values = filled if filled is disparity else disparity[np.isfinite(disparity)]
    bottom, top = (float(v) for v in np.percentile(values, (low, high)))
    if top - bottom <= _noise(bottom, top):
        # Nearly everything is one plane; a small thing before it still counts.
        bottom, top = float(values.min()), float(values.max())
    if top - bottom <= _noise(bottom, top):
        return np.full(disparity.shape, 0.5, np.float32)
    scaled = (filled.astype(np.float64) - bottom) / (top - bottom)
    return np.clip(scaled, 0.0, 1.0).astype(np.float32)


def defined(disparity: F32) -> F32:
    """The same with the median of the defined pixels where it is undefined (NaN or infinite).

    Raises:
        DepthError: more than half of the pixels are undefined.
    """
    finite = np.isfinite(disparity)
    share = float(finite.mean())
    if share < 0.5:
        raise DepthError(f"{1 - share:.0%} of the depth values are not finite", "try --provider cpu, or another model")
    if share == 1.0:
        return disparity
    return np.where(finite, disparity, np.median(disparity[finite])).astype(np.float32)


def toned(depth: F32, *, far: float = 0.0, near: float = 1.0, gamma: float = 1.0) -> F32:
    """A depth map with its ends cut off and its middle moved: ((clip(d, far, near) - far) / (near - far)) ** gamma.

    Args:
        depth: (H, W) float32 in [0, 1], 1 = nearest.
        far, near: 0 <= far < near <= 1; what lies beyond is as far, or as near, as that.
        gamma: above 0; above 1 moves the middle away, below 1 nearer.
    """
    if (far, near) != (0.0, 1.0):
        depth = np.clip((depth - np.float32(far)) * np.float32(1 / (near - far)), 0, 1)
    return depth if gamma == 1.0 else np.asarray(depth ** np.float32(gamma), np.float32)


def _noise(low: float, high: float) -> float:
    """Differences up to this are rounding of float32, not relief."""
    return 1e-6 * max(abs(low), abs(high))
