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

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

RADIUS = 4
"""Pixels around a jump, at every level; at the first this must reach over a network's ramp."""
JUMP_LOW, JUMP_HIGH = 0.02, 0.05
"""Steps below the first are left soft, above the second fully sharpened; parts of the depth range."""
COLOUR_SIGMA = 8.0
"""Colours as far apart as this (8-bit Lab) still count as much alike; grows with the contrast around."""
SHARPNESS = 3.0
"""Slope of the step between both sides, per vote share."""
_CHUNK = 8192


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
    if high - low < JUMP_LOW:
        return _resize(depth, width, height)
    # The photo is shrunk once to the grid; the coarser levels are made from that.
    picture = _shrunk(guide, width, height)
    for level in _levels(depth.shape[1], depth.shape[0], width, height):
        depth = _snap(_resize(depth, *level), _shrunk(picture, *level))
    return np.clip(depth, low, high)


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
    """Least and largest depth within a disc."""
    import cv2

    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.erode(depth, disc), np.float32), np.asarray(cv2.dilate(depth, disc), np.float32)


def _snap(depth: F32, picture: U8) -> F32:
    """Sharpen the jumps of one level; depth (h, w) and picture (h, w, 3) have one size."""
    import cv2

    far, near = _range(depth, RADIUS)
    wide_far, wide_near = _range(depth, 2 * RADIUS)
    spread = near - far
    jump = 2 * spread - (wide_near - wide_far)
    rows, columns = np.nonzero(jump > JUMP_LOW)
    if rows.size == 0:
        return depth
    strength = np.clip((jump[rows, columns] - JUMP_LOW) / (JUMP_HIGH - JUMP_LOW), 0, 1)
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    # Colour and depth side by side: one gather per voter. The border repeats.
    stack = np.concatenate([lab.astype(np.float32), depth[:, :, None]], axis=2)
    stack = np.pad(stack, ((RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0)), mode="edge")
    stride = stack.shape[1]
    flat = stack.reshape(-1, 4)
    centre = (rows + RADIUS) * stride + columns + RADIUS
    taps, nearness = _taps(stride)
    result = depth.copy()
    for start in range(0, centre.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        r, c = rows[part], columns[part]
        new = _vote(flat, centre[part], taps, nearness, far[r, c], near[r, c])
        old = depth[r, c]
        result[r, c] = old + strength[part] * (new - old)
    return result


def _taps(stride: int) -> tuple[NDArray[np.int64], F32]:
    """Offsets of the voters in the flat picture, every second pixel of a disc, and their weight by distance."""
    grid = range(-RADIUS, RADIUS + 1)
    spots = [(y, x) for y in grid for x in grid if (x + y) % 2 == 0 and x * x + y * y <= (RADIUS + 0.5) ** 2]
    offsets = np.array([y * stride + x for y, x in spots], np.int64)
    square = np.array([x * x + y * y for y, x in spots], np.float32)
    return offsets, np.exp(-square / (2 * (0.6 * RADIUS) ** 2)).astype(np.float32)


def _vote(flat: F32, centre: NDArray[np.int64], taps: NDArray[np.int64], nearness: F32, far: F32, near: F32) -> F32:
    """New depth of n pixels from the votes of t voters around each."""
    around = flat[centre[:, None] + taps]
    own = flat[centre]
    square = ((around[:, :, :3] - own[:, None, :3]) ** 2).sum(axis=2)
    # Where everything around differs, as in foliage, likeness is relative.
    width = 2 * COLOUR_SIGMA**2 + 0.5 * square.mean(axis=1, keepdims=True)
    weight = np.exp(-square / width) * nearness
    values = around[:, :, 3]
    side = (values - far[:, None]) / (near - far)[:, None]
    # Who stands in the middle of the ramp knows nothing.
    sure = np.clip(np.abs(2 * side - 1), 0.02, 1) ** 2
    weight *= sure
    for_near = weight * np.clip(side, 0, 1)
    total = weight.sum(axis=1) + 1e-12
    share = for_near.sum(axis=1) / total
    for_far = weight - for_near
    level_near = (for_near * values).sum(axis=1) / (for_near.sum(axis=1) + 1e-12)
    level_far = (for_far * values).sum(axis=1) / (for_far.sum(axis=1) + 1e-12)
    step = np.clip((share - 0.5) * SHARPNESS + 0.5, 0, 1)
    return (level_far + step * (level_near - level_far)).astype(np.float32)
