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
around the jumps only: smooth depth stays smooth, and no texture of the photo gets into it.
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
SHARPNESS = np.float32(3.0)
"""Slope of the step between both sides, per vote share."""
_TINY = np.float32(1e-12)
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
    width, height = size or (guide.shape[1], guide.shape[0])
    depth = np.ascontiguousarray(depth, np.float32)
    low, high = float(depth.min()), float(depth.max())
    # The photo is shrunk once to the grid; the coarser levels are made from that.
    picture = _shrunk(guide, width, height)
    for i, level in enumerate(_levels(depth.shape[1], depth.shape[0], width, height)):
        depth, view = _resize(depth, *level), _shrunk(picture, *level)
        for radius in (RADIUS,) if i else RADII:
            depth = _snap(depth, view, radius)
    # Cubic enlargement may overshoot by a little.
    kept: F32 = np.clip(depth, low, high)
    return kept


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
    import cv2

    if depth.shape == (height, width):
        return depth
    if width < depth.shape[1] and height < depth.shape[0]:
        return np.asarray(cv2.resize(depth, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    linear = cv2.resize(depth, (width, height), interpolation=cv2.INTER_LINEAR)
    cubic = cv2.resize(depth, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(cubic, linear - np.float32(0.005), linear + np.float32(0.005)).astype(np.float32)


def _shrunk(picture: U8, width: int, height: int) -> U8:
    import cv2

    rows, columns = picture.shape[:2]
    if (columns, rows) == (width, height):
        return picture
    how = cv2.INTER_AREA if width <= columns and height <= rows else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def _range(depth: F32, radius: int) -> tuple[F32, F32]:
    """Least and largest depth within a square window."""
    import cv2

    # A square is separable, which makes it ten times as fast as a disc.
    square = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return np.asarray(cv2.erode(depth, square), np.float32), np.asarray(cv2.dilate(depth, square), np.float32)


def _ramps(depth: F32, radius: int) -> tuple[F32, F32, F32]:
    """(far, near, strength): depth on both sides of the jump around a pixel, and how much of a ramp it stands on.

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
    strength = _rise(jump, JUMP_LOW, JUMP_HIGH)
    # Pixels between two jumps, on a plateau of their own, must stay there: only who stands on a ramp moves. A
    # straight ramp as wide as the window rises by 1/radius of the spread within the close window.
    share = (close_near - close_far) / (spread + np.float32(1e-6))
    strength *= _rise(share, 0.4 / radius, 1.0 / radius)
    return far, near, strength


def _rise(x: F32, low: float, high: float) -> F32:
    """0 below low, 1 above high, straight between."""
    risen: F32 = np.clip((x - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return risen


def _snap(depth: F32, picture: U8, radius: int) -> F32:
    """Sharpen the jumps of one level; depth (h, w) and picture (h, w, 3) have one size."""
    import cv2

    far, near, strength = _ramps(depth, radius)
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
