"""Edge-aware upsampling: brings a network's soft depth map to the photo's edges; needs no network itself.

Networks draw a depth jump as a ramp several of their pixels wide and a little beside the object's outline. A
renderer turns such a ramp into a rubber skirt, so the ramp is replaced by a step where the photo has its edge:

1. Where is a jump? With R(r) the range of depth within radius r, J = 2 R(r) - R(2r) is the height of a step
   and zero on any slope, however steep: a step has the same range in both windows, a slope has twice as much.
2. Which side is a pixel of the ramp on? Pixels around it that are clearly near or clearly far vote, with the
   weight of their likeness in colour (a joint bilateral vote; Kopf et al., "Joint bilateral upsampling", 2007,
   gives the idea of guiding by the photo). Equal colours leave the edge in the middle of the ramp.
3. The pixel takes the depth of its side: the mean of those who voted for it.

From the network's resolution up to the working grid in steps of at most two, each time the same few pixels
around the jumps only: smooth depth stays smooth, and no texture of the photo gets into it. Before the last step pieces
that the network cut off near things are given back to them (`depthflow.depth.attach`). In the end ripples far lower
than any jump are smoothed (bilateral filter; Tomasi and Manduchi, 1998).

Before that, ramps too wide for such a vote (round hair, fur, a dandelion's head) are narrowed at the network's
resolution. There single pixels are poor witnesses, since a strand of hair looks like what is behind it; instead the
colours of both sides are told apart by a plane in colour space, fitted in a window around every pixel and averaged
over windows, as the guided filter does it (He et al., "Guided image filtering", 2010). Where colour tells nothing the
ramp itself decides, as in the vote.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

RADII = (4,)
"""Pixels around a jump at the network's own resolution, pass by pass: they must reach over its ramps."""
RADIUS = 3
"""Pixels around a jump at the later levels, where it is a few pixels wide already."""
JUMP_LOW, JUMP_HIGH = 0.025, 0.07
"""Steps below the first are left soft, above the second fully sharpened; parts of the depth range."""
COLOUR_SIGMA = np.float32(5.0)
"""Colours as far apart as this (8-bit Lab) still count as much alike; grows with the contrast around."""
WIDE_RADIUS = 8
"""Pixels around a jump that is too wide for RADII; also twice the standard deviation of the fit's window."""
WIDE_JUMP = (0.08, 0.16)
"""As JUMP_LOW and JUMP_HIGH, for wide ramps: in so large a window every curve looks a little like a step."""
WIDE_STEEP = (0.25, 0.45)
"""A ramp that anywhere rises by more than this part of its height within three pixels is not wide."""
WIDE_BETWEEN = (0.02, 0.1)
"""Part of a window that may lie level between near and far: then there are three things, and no ramp."""
COLOUR_NOISE = np.float32(30.0)
"""Variance of colour (8-bit Lab) that is no evidence in the fit."""
RIPPLE = 0.01
"""Differences between neighbouring pixels of the result that are no shape: smoothed, by twice as much at most."""
SHARPNESS = np.float32(3.0)
"""Slope of the step between both sides, per vote share."""
_TINY, _SMALL = np.float32(1e-12), np.float32(1e-6)
_CHUNK = 4096  # twenty voters of four floats: stays in the second-level cache


def refine(depth: F32, guide: U8, size: tuple[int, int] | None = None) -> F32:
    """Upsample a depth map to the working grid, its jumps moved to the photo's edges.

    Args:
        depth: (h, w) float32 in [0, 1], 1 = nearest; it covers the same view as the guide.
        guide: (H, W, 3) uint8, sRGB.
        size: (width, height) of the result; None: the guide's.

    Returns:
        (height, width) float32 in [0, 1]; never outside the range of the input.
    """
    from depthflow.depth.attach import attached

    width, height = size or (guide.shape[1], guide.shape[0])
    depth = np.ascontiguousarray(depth, np.float32)
    low, high = float(depth.min()), float(depth.max())
    # The photo is shrunk once to the grid; the coarser levels are made from that.
    picture = _shrunk(guide, width, height)
    levels = _levels(depth.shape[1], depth.shape[0], width, height)
    for i, level in enumerate(levels):
        depth, view = _resize(depth, *level), _shrunk(picture, *level)
        if i == 0:
            depth = _narrowed(depth, view)
        if i == len(levels) - 1:
            depth = attached(depth, view)
        for radius in (RADIUS,) if i else RADII:
            depth = _snap(depth, view, radius)
    # Cubic enlargement may overshoot by a little.
    kept: F32 = np.clip(_calmed(depth), low, high)
    return kept


def _calmed(depth: F32) -> F32:
    """Depth without the ripples that networks draw everywhere: what bends less needs fewer triangles."""
    from depthflow.opencv import cv2

    for _ in range(2):
        depth = np.asarray(cv2.bilateralFilter(depth, 7, RIPPLE, 2.0), np.float32)
    return depth


def _levels(w: int, h: int, width: int, height: int) -> list[tuple[int, int]]:
    """Sizes from the network's up to the grid, each at most twice the one before."""
    steps = max(0, math.ceil(math.log2(max(width / w, height / h, 1.0)) - 1e-6))
    sizes = [(min(w, width), min(h, height))] if steps else []
    for i in range(1, steps):
        part = i / steps
        sizes.append((round(w * (width / w) ** part), round(h * (height / h) ** part)))
    return [*sizes, (width, height)]


def _resize(depth: F32, width: int, height: int) -> F32:
    """Smooth where it is smooth (cubic), without overshoot at jumps (there it stays close to linear)."""
    from depthflow.opencv import cv2

    if depth.shape == (height, width):
        return depth
    if width < depth.shape[1] and height < depth.shape[0]:
        return np.asarray(cv2.resize(depth, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    linear = cv2.resize(depth, (width, height), interpolation=cv2.INTER_LINEAR)
    cubic = cv2.resize(depth, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(cubic, linear - np.float32(0.005), linear + np.float32(0.005)).astype(np.float32)


def _shrunk(picture: U8, width: int, height: int) -> U8:
    from depthflow.opencv import cv2

    rows, columns = picture.shape[:2]
    if (columns, rows) == (width, height):
        return picture
    how = cv2.INTER_AREA if width <= columns and height <= rows else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def _range(depth: F32, radius: int) -> tuple[F32, F32]:
    """Least and largest depth within a square window."""
    from depthflow.opencv import cv2

    # A square is separable, which makes it ten times as fast as a disc.
    square = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return np.asarray(cv2.erode(depth, square), np.float32), np.asarray(cv2.dilate(depth, square), np.float32)


def _ramps(depth: F32, radius: int, jumps: tuple[float, float] = (JUMP_LOW, JUMP_HIGH)) -> tuple[F32, F32, F32, F32]:
    """(far, near, strength, steepness): depth on both sides of the jump around a pixel, how much of a ramp it stands
    on, and which part of the jump lies within its three pixels.

    The strength is 0 off the ramp, on plateaus beside one and on slopes, 1 on the ramp of a clear jump.
    """
    # Beyond the border a slope goes on as it is (odd reflection): were the windows cut there, the large one
    # would lose more of its range than the small one, and every slope would end in a jump.
    margin = 2 * radius
    wider = np.asarray(np.pad(depth, margin, mode="reflect", reflect_type="odd"), np.float32)
    inner = (slice(margin, -margin), slice(margin, -margin))
    far, near = (plane[inner] for plane in _range(wider, radius))
    wide_far, wide_near = (plane[inner] for plane in _range(wider, margin))
    close_far, close_near = (plane[inner] for plane in _range(wider, 1))
    spread = near - far
    jump = 2 * spread - (wide_near - wide_far)
    strength = _rise(jump, *jumps)
    # Pixels between two jumps, on a plateau of their own, must stay there: only who stands on a ramp moves. A
    # straight ramp as wide as the window rises by 1/radius of the spread within the close window.
    share = (close_near - close_far) / (spread + np.float32(1e-6))
    strength *= _rise(share, 0.4 / radius, 1.0 / radius)
    return far, near, strength, share


def _rise(x: F32, low: float, high: float) -> F32:
    """0 below low, 1 above high, straight between."""
    risen: F32 = np.clip((x - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return risen


def _wide_ramps(depth: F32) -> tuple[F32, F32, F32]:
    """(far, near, strength) as _ramps gives it, of wide ramps between two things only."""
    from depthflow.opencv import cv2

    far, near, strength, share = _ramps(depth, WIDE_RADIUS, WIDE_JUMP)
    if not (strength > 0).any():
        return far, near, strength
    steepest = cv2.dilate(share, np.ones((WIDE_RADIUS + 1, WIDE_RADIUS + 1), np.uint8))
    strength *= 1 - _rise(np.asarray(steepest, np.float32), *WIDE_STEEP)
    spread = near - far
    middle = np.clip(np.float32(1.5) - np.float32(4.5) * np.abs((depth - far) / (spread + _SMALL) - 0.5), 0, 1)
    level = middle * (1 - _rise(share, 0.3 / WIDE_RADIUS, 1.0 / WIDE_RADIUS)) * (spread > JUMP_LOW)
    between = cv2.blur(level.astype(np.float32), (2 * WIDE_RADIUS + 1, 2 * WIDE_RADIUS + 1))
    strength *= 1 - _rise(np.asarray(between, np.float32), *WIDE_BETWEEN)
    return far, near, strength


def _narrowed(depth: F32, picture: U8) -> F32:
    """Sharpen wide ramps; depth (h, w) and picture (h, w, 3) have one size."""
    from depthflow.opencv import cv2

    far, near, strength = _wide_ramps(depth)
    if not (strength > 0.02).any():
        return depth
    spread = near - far
    side = np.clip((depth - far) / (spread + _SMALL), 0, 1)
    # Plateaus beside a jump are witnesses, the middle of a ramp is not.
    weight = (2 * side - 1) ** 2 * _rise(spread, JUMP_LOW, JUMP_HIGH) + np.float32(1e-4)
    lab = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB), np.float32)
    share = _share_by_colour(side, weight, lab)
    step = np.clip((share - np.float32(0.5)) * SHARPNESS + np.float32(0.5), 0, 1)
    for_near, for_far = weight * weight * side, weight * weight * (1 - side)
    sums = _blurred(_halved(np.stack([for_near, for_near * depth, for_far, for_far * depth], axis=2)), WIDE_RADIUS / 4)
    levels = np.stack([sums[:, :, 1] / (sums[:, :, 0] + _TINY), sums[:, :, 3] / (sums[:, :, 2] + _TINY)], axis=2)
    levels = _resize_linear(levels.astype(np.float32), depth.shape[1], depth.shape[0])
    voted = levels[:, :, 1] + step * (levels[:, :, 0] - levels[:, :, 1])
    return np.asarray(cv2.medianBlur((depth + strength * (voted - depth)).astype(np.float32), 3), np.float32)


def _blurred(planes: F32, sigma: float) -> F32:
    """Weighted mean around every pixel of (h, w) or (h, w, channels)."""
    from depthflow.opencv import cv2

    return np.asarray(cv2.GaussianBlur(planes, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)


def _share_by_colour(side: F32, weight: F32, lab: F32) -> F32:
    """How near each pixel is, 0 to 1, from its colour: side ~ slope . colour + offset, fitted by weights around it.

    The fit is smooth, so it is made at half the size (He and Sun, "Fast guided filter", 2015) and used at the full one.

    Args:
        side: (h, w), 0 on the far side, 1 on the near one.
        weight: (h, w), how much a pixel is sure of its side.
        lab: (h, w, 3) float32 colours.
    """
    planes = _planes(*(_halved(plane) for plane in (side, weight, lab)))
    planes = _resize_linear(planes, side.shape[1], side.shape[0])
    line = np.clip((planes[:, :, :3] * lab).sum(axis=2) + planes[:, :, 3], 0, 1)
    share: F32 = planes[:, :, 4] * line + (1 - planes[:, :, 4]) * side
    return share


def _halved(plane: F32) -> F32:
    from depthflow.opencv import cv2

    size = max(1, plane.shape[1] // 2), max(1, plane.shape[0] // 2)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def _resize_linear(planes: F32, width: int, height: int) -> F32:
    from depthflow.opencv import cv2

    return np.asarray(cv2.resize(planes, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _planes(side: F32, weight: F32, lab: F32) -> F32:
    """(h, w, 5): the plane in colour space around every pixel (slope of three, offset), and its R squared."""

    def window(planes: F32) -> F32:
        return _blurred(planes, WIDE_RADIUS / 4)

    w = weight[:, :, None]
    total = window(weight)[:, :, None]
    mean, mean_side = window(w * lab) / total, window(weight * side)[:, :, None] / total
    pairs = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    squares = np.stack([weight * lab[:, :, i] * lab[:, :, j] for i, j in pairs], axis=2)
    a, d, f, b, c, e = np.moveaxis(window(squares) / total, 2, 0) - [mean[:, :, i] * mean[:, :, j] for i, j in pairs]
    with_side = window(w * lab * side[:, :, None]) / total - mean * mean_side
    a, d, f = a + COLOUR_NOISE, d + COLOUR_NOISE, f + COLOUR_NOISE
    # Cramer's rule for the symmetric matrix ((a b c) (b d e) (c e f)).
    rows = (
        (d * f - e * e, c * e - b * f, b * e - c * d),
        (c * e - b * f, a * f - c * c, b * c - a * e),
        (b * e - c * d, b * c - a * e, a * d - b * b),
    )
    determinant = a * rows[0][0] + b * rows[0][1] + c * rows[0][2]
    slope = np.stack([sum(row[i] * with_side[:, :, i] for i in range(3)) / determinant for row in rows], axis=2)
    variance = np.maximum(window(weight * side * side)[:, :, None] / total - mean_side**2, np.float32(1e-6))
    # How much of the difference between both sides colour explains: R squared.
    trust = np.clip((slope * with_side).sum(axis=2, keepdims=True) / variance, 0, 1)
    offset = mean_side - (slope * mean).sum(axis=2, keepdims=True)
    # Every pixel lies in many windows: their planes are averaged, those that explain more counting more.
    believed = total * trust + _SMALL
    planes: F32 = np.concatenate([slope, offset, trust], axis=2) * believed
    return window(planes) / window(believed[:, :, 0])[:, :, None]


def _snap(depth: F32, picture: U8, radius: int) -> F32:
    """Sharpen the jumps of one level; depth (h, w) and picture (h, w, 3) have one size."""
    from depthflow.opencv import cv2

    far, near, strength, _ = _ramps(depth, radius)
    rows, columns = np.nonzero(strength > 0.02)
    if rows.size == 0:
        return depth
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    padded = [np.pad(plane, radius, mode="edge").astype(np.float32) for plane in (*cv2.split(lab), depth)]
    stride = padded[0].shape[1]
    planes = [plane.ravel() for plane in padded]
    taps, nearness = _taps(radius, stride)
    centre = (rows + radius) * stride + columns + radius
    low, high, force, old = (a[rows, columns] for a in (far, near, strength, depth))

    def chunk(start: int) -> F32:
        part = slice(start, start + _CHUNK)
        new = _vote(planes, centre[part], taps, nearness, low[part], high[part])
        return (old[part] + force[part] * (new - old[part])).astype(np.float32)

    starts = range(0, centre.size, _CHUNK)
    result = depth.copy()
    if len(starts) < 3:
        result[rows, columns] = np.concatenate([chunk(start) for start in starts])
    else:
        # numpy lets go of the interpreter's lock inside these chunks.
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            result[rows, columns] = np.concatenate(list(pool.map(chunk, starts)))
    # Single pixels that voted otherwise than all around them are specks.
    return np.asarray(cv2.medianBlur(result, 3), np.float32)


def _taps(radius: int, stride: int) -> tuple[NDArray[np.int64], F32]:
    """Offsets of the voters in the flat picture, thinned out to some twenty, and their weight by distance."""
    step = 2 if radius > 4 else 1
    grid = range(-radius, radius + 1, step)
    spots = [(y, x) for y in grid for x in grid if x * x + y * y <= (radius + 0.5) ** 2]
    if len(spots) > 30:
        spots = [(y, x) for y, x in spots if (x + y) // step % 2 == 0]
    offsets = np.array([y * stride + x for y, x in spots], np.int64)
    square = np.array([x * x + y * y for y, x in spots], np.float32)
    return offsets[:, None], np.exp(-square / (2 * (0.6 * radius) ** 2)).astype(np.float32)[:, None]


def _vote(
    planes: list[F32],
    centre: NDArray[np.int64],
    taps: NDArray[np.int64],
    nearness: F32,
    far: F32,
    near: F32,
) -> F32:
    """New depth of n pixels from the votes of t voters around each; arrays are (t, n)."""
    index = centre + taps
    square = np.zeros(index.shape, np.float32)
    for plane in planes[:3]:
        difference = plane.take(index, mode="clip")
        difference -= plane[centre]
        difference *= difference
        square += difference
    values = planes[3].take(index, mode="clip")
    side = values - far
    side /= near - far
    # Where everything around differs, as in foliage, likeness is relative.
    square *= np.float32(-1) / (2 * COLOUR_SIGMA**2 + np.float32(0.5) * square.mean(axis=0))
    weight = np.exp(square, out=square)
    weight *= nearness
    # Who stands in the middle of the ramp knows nothing.
    sure = np.clip(np.abs(2 * side - 1), np.float32(0.1), np.float32(1))
    sure *= sure
    weight *= sure
    for_near = weight * side
    weight -= for_near  # what is left is for the far side
    votes_near, votes_far = for_near.sum(axis=0) + _TINY, weight.sum(axis=0) + _TINY
    # For the depths themselves only the plateaus count: the foot of a ramp would leave a halo.
    for_near *= sure
    weight *= sure
    total_near, total_far = for_near.sum(axis=0) + _TINY, weight.sum(axis=0) + _TINY
    for_near *= values
    weight *= values
    level_near = for_near.sum(axis=0) / total_near
    level_far = weight.sum(axis=0) / total_far
    share = votes_near / (votes_near + votes_far)
    step = np.clip((share - np.float32(0.5)) * SHARPNESS + np.float32(0.5), 0, 1)
    voted: F32 = level_far + step * (level_near - level_far)
    return voted
