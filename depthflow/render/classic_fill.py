"""The program's own fill: large shapes from a pyramid, texture mirrored at the cut. No network, no GL.

Large shapes come from pulling and pushing known pixels through a pyramid (Gortler, Grzeszczuk, Szeliski, Cohen: The
Lumigraph, SIGGRAPH 1996, section 3.4.2), texture from mirroring the far side at the cut, because smooth colour alone
looks like fog.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthflow.opencv import cv2
from depthflow.render.fill import F32, U8, Hole

_CLEAR = 4.0
"""Depth pixels beyond the cut where the far side's own colour begins."""
_FINE = 0.003
"""Of the longer side: what is finer counts as texture, what is coarser as shape."""
_ALIKE = 0.1
"""Difference of depth at which a pixel still counts as part of the same background."""
_STRANGER = 0.01
"""Weight of pixels at quite another depth: they lend colour only where no others are."""
_LEVELS = 6
"""Depths, at most, for which the background is carried on."""
_TOO_LONG = 32767
_SHAPE, _DETAIL = 0.6, 0.85
"""Shares of the mirrored far side in what is invented, of its shapes and of its texture.

Chosen on the Middlebury motorcycle (benchmarks/novel_view.py): more texture looks livelier and errs more, less of it
is fog.
"""


def fill(photo: U8, hole: Hole) -> U8:
    """The photo with what is hidden invented (a `depthflow.render.fill.Fill`)."""
    height, width = photo.shape[:2]
    h, w = hole.mask.shape
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    lent = (~cv2.dilate((hole.mask | hole.strange).astype(np.uint8), ellipse).astype(bool)).astype(np.float32)
    if not lent.any():
        lent = np.ones_like(lent)  # near things wherever one looks: better their colour than none
    small = photo if (h, w) == (height, width) else cv2.resize(photo, (w, h), interpolation=cv2.INTER_AREA)
    known = small.astype(np.float32)
    shapes = _shapes(known, lent, hole)
    coarse = cv2.GaussianBlur(known, (0, 0), max(0.5, _FINE * max(h, w)))
    # Mirror at the nearest far pixel; a step further, so that its own soft edge is not taken. A pixel of the photo may
    # lie between one of the hole and one beside it.
    near = cv2.dilate(hole.mask.view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
    rows, cols = np.nonzero(near)
    far_rows, far_cols = np.divmod(hole.far[near], w)
    dy, dx = (far_rows - rows).astype(np.float32), (far_cols - cols).astype(np.float32)
    further = 1 + _CLEAR / np.maximum(np.hypot(dx, dy), 1e-3)
    map_x, map_y = (np.zeros((h, w), np.float32) for _ in "xy")
    map_x[near], map_y[near] = dx * further + far_cols, dy * further + far_rows
    usable = cv2.remap(lent, map_x, map_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)
    np.copyto(usable, 1.0, where=~hole.mask)  # beside the hole is the photo itself
    usable = cv2.GaussianBlur(np.asarray(usable, np.float32), (0, 0), 2.0)
    # Everything else only where the photo has the hole.
    wanted = np.flatnonzero(hole.mask_at(width, height))
    here = (wanted % width + 0.5) / width, (wanted // width + 0.5) / height
    there = (_sample(map_x, *here) + 0.5) / w, (_sample(map_y, *here) + 0.5) / h
    base, smooth, mirrored = _sample(shapes, *here), _sample(coarse, *there), _sample(photo, *there)
    share = _sample(usable, *here)[:, None]
    invented = base + share * (_SHAPE * (smooth - base) + _DETAIL * (mirrored - smooth))
    picture = photo.copy()
    picture.reshape(-1, 3)[wanted] = np.clip(invented + 0.5, 0, 255)
    return picture


def _shapes(known: F32, lent: F32, hole: Hole) -> F32:
    """(h / 2, w / 2, C): the known carried into the hole, from what stands about as far away as that."""
    half = (known.shape[1] + 1) // 2, (known.shape[0] + 1) // 2
    deep = hole.depth[hole.mask]
    low, high = float(deep.min()), float(deep.max())
    levels = np.linspace(low, high, 1 + min(_LEVELS - 1, math.ceil((high - low) / _ALIKE)))
    known, lent, depth = (_halved(m, half) for m in (known * _each(lent, known), lent, hole.depth))
    known /= _each(np.maximum(lent, 1e-6), known)
    total, within = np.zeros_like(known), np.clip(depth, low, high)
    for level in levels:
        alike = np.exp(-0.5 * ((depth - level) / _ALIKE) ** 2)
        carried = _push_pull(known, lent * np.maximum(alike, _STRANGER))
        if len(levels) == 1:
            return carried
        near = np.clip(1 - np.abs(within - np.float32(level)) / np.float32(levels[1] - levels[0]), 0, 1)
        total += carried * _each(near, known)
    return total


def _halved(image: Any, size: tuple[int, int]) -> F32:
    """Averaged down to (width, height), about half of each."""
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _sample(image: Any, x: NDArray[np.floating], y: NDArray[np.floating]) -> F32:
    """(N,) or (N, C) bilinear samples of an image; beyond the border it goes on mirrored.

    Args:
        x, y: (N,) places from the left and the top, 1 is the whole image.
    """
    # OpenCV takes no picture of that many rows or columns: the list is folded, and a panorama is halved.
    while max(image.shape[:2]) >= _TOO_LONG:
        image = _halved(image, (-(-image.shape[1] // 2), -(-image.shape[0] // 2)))
    folded = -(-len(x) // 4096) * 4096
    map_x, map_y = (
        np.pad((m * size - 0.5).astype(np.float32), (0, folded - len(m))).reshape(-1, 4096)
        for m, size in ((x, image.shape[1]), (y, image.shape[0]))
    )
    taken = cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(taken.reshape(-1, *image.shape[2:])[: len(x)], np.float32)


def _each(values: F32, image: F32) -> F32:
    """(h, w) as often as the image has channels: numpy is slow where the last axis is short and stretched."""
    return np.asarray(cv2.merge((values,) * image.shape[2]), np.float32)


def _push_pull(image: F32, weight: F32) -> F32:
    """Fill where weight is 0 from where it is 1, coarse to fine."""
    height, width = weight.shape
    each = _each(weight, image)
    weighted = image * each
    if min(height, width) <= 2:
        total = max(float(weight.sum()), 1e-6)
        mean = weighted.sum((0, 1)) / total
        return np.where(each > 0, image, mean).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    small_weight = _halved(weight, half)
    small = _halved(weighted, half)
    small = np.asarray(small / _each(np.maximum(small_weight, 1e-6), small), np.float32)
    coarse = _push_pull(small, np.minimum(small_weight * 2, 1).astype(np.float32))
    large = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(weighted + large * (1 - each), np.float32)
