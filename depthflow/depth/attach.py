"""Gives near things back what a network cut off them: roof tips, rims, ears that it put at the background's depth.

A piece on the far side of a jump belongs to the near thing if it touches it and has its colours rather than those of
the background around it. Both are told apart by mean and variance of each side's colours in windows (a quadratic
discriminant), because things have more than one colour. What looks like both stays where the network saw it. Where
the new edge lies to the pixel is for `depthflow.depth.refine` to find.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depthflow.opencv import cv2

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]

SIDE = 512
"""Longest side of the grid on which pieces are looked for, pixels."""
REACH = 0.06
"""Part of the longer side by which a thing may go on beyond its edge."""
JUMP = 0.08
"""Depth between both sides from which an edge counts."""
ALIKE = 0.15
"""Difference of depth up to which a pixel counts as part of the thing, or of the background, at the edge."""
PIXEL, PIECE = 4.0, 6.0
"""How much better the near side's colours have to fit, for a pixel and for a piece in the mean; see `_misfit`."""
NOISE = np.float32(25.0)
"""Variance of colour (8-bit Lab) that tells nothing."""


def attached(depth: F32, picture: U8) -> F32:
    """The depth map with what was cut off near things brought to their depth.

    Args:
        depth: (h, w) float32 in [0, 1], 1 = nearest, its jumps steep.
        picture: (h, w, 3) uint8 sRGB.
    """
    height, width = depth.shape
    scale = min(1.0, SIDE / max(depth.shape))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small, view = (np.asarray(cv2.resize(m, size, interpolation=cv2.INTER_AREA)) for m in (depth, picture))
    taken, near = _pieces(small.astype(np.float32), view.astype(np.uint8))
    if not taken.any():
        return depth
    share = cv2.resize(taken.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    there = cv2.resize(near, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.where(share > 0.5, np.maximum(there, depth), depth).astype(np.float32)


def _pieces(depth: F32, picture: U8) -> tuple[Mask, F32]:
    """What belongs to near things though it lies behind them, and the depth of the nearest one's edge."""
    edge, near, far = _edges(depth)
    if not edge.any():
        return edge, near
    distance, of = _nearest(edge)
    near, far = near.ravel()[of], far.ravel()[of]
    reach = max(4, round(REACH * max(depth.shape)))
    thing = depth >= (near + far) / 2
    asked = np.flatnonzero((distance <= reach) & ~thing)
    # Pixels along the edge are mixed; on its far side they may be the very pieces.
    surely_near = np.where(thing & (depth <= near + ALIKE), np.clip(distance / 4, 0.1, 1), 0)
    surely_far = np.where(~thing & (depth <= far + ALIKE), np.clip(2 * (distance - 1) / reach, 0.02, 1), 0)
    lab = np.asarray(cv2.cvtColor(cv2.GaussianBlur(picture, (0, 0), 0.7), cv2.COLOR_RGB2LAB), np.float32)
    colours = lab.reshape(-1, 3)[asked]
    fits_near = _misfit(colours, lab, surely_near.astype(np.float32), reach | 1, of.ravel()[asked])
    fits_far = _misfit(colours, lab, surely_far.astype(np.float32), reach | 1, asked)
    score = np.zeros(depth.size, np.float32)
    score[asked] = fits_far - fits_near
    score = np.asarray(cv2.GaussianBlur(score.reshape(depth.shape), (0, 0), 1.0), np.float32)
    return _touching(edge, (distance <= reach) & ~thing, score), near


def _edges(depth: F32) -> tuple[Mask, F32, F32]:
    """The near sides of all jumps, and the depth before and behind them."""
    wide, close = np.ones((5, 5), np.uint8), np.ones((3, 3), np.uint8)
    far, near = np.asarray(cv2.erode(depth, wide), np.float32), np.asarray(cv2.dilate(depth, wide), np.float32)
    steep = cv2.dilate(depth, close) - cv2.erode(depth, close) > JUMP / 2
    return np.asarray(steep & (near - far > JUMP) & (depth >= (near + far) / 2)), near, far


def _nearest(mask: Mask) -> tuple[F32, Index]:
    """(h, w) distance to the nearest pixel of the mask, and that pixel's flat index."""
    distance, labels = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    index = np.zeros(int(labels.max()) + 1, np.intp)
    flat = np.flatnonzero(mask)
    index[labels.ravel()[flat]] = flat
    return np.asarray(distance, np.float32), index[labels]


def _misfit(colours: F32, lab: F32, weight: F32, window: int, where: Index) -> F32:
    """(N,): -2 log of the density of colours (N, 3) by mean and variance of each channel in the windows round `where`.

    Constants that all such densities share are left out.
    """
    sums = cv2.blur(np.dstack([weight, *(plane * weight for plane in cv2.split(lab))]), (window, window))
    squares = cv2.blur(lab * lab * weight[..., None], (window, window)).reshape(-1, 3)[where]
    sums = sums.reshape(-1, 4)[where]
    total = sums[:, :1] + np.float32(1e-6)
    mean = sums[:, 1:] / total
    variance = np.maximum(squares / total - mean * mean, 0) + NOISE
    misfit: F32 = ((colours - mean) ** 2 / variance + np.log(variance)).sum(1)
    return misfit


def _touching(edge: Mask, asked: Mask, score: F32) -> Mask:
    """The pieces of high score that touch an edge."""
    square = np.ones((3, 3), np.uint8)
    likely = asked & (score > PIXEL)
    likely = asked & cv2.morphologyEx((likely | edge).astype(np.uint8), cv2.MORPH_CLOSE, square).astype(bool)
    count, piece = cv2.connectedComponents(likely.astype(np.uint8), connectivity=4)
    area = np.maximum(np.bincount(piece.ravel(), minlength=count), 1)
    good = np.bincount(piece.ravel(), score.ravel(), count) / area > PIECE
    touches = np.zeros(count, bool)
    touches[piece[cv2.dilate(edge.astype(np.uint8), square).astype(bool)]] = True
    good &= touches
    good[0] = False
    return np.asarray(good[piece])
