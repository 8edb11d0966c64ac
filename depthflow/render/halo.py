"""Finds what of the far side beside a cut belongs to the near side: blur, ringing, hair. Numbers only, no GL.

A photo's edges are wider than its depth map's. What of the near side's colour lies beyond the cut would stay behind as
an outline when the near side moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthflow.opencv import cv2
from depthflow.render.fill import U8, Hole, Mask

_CLEAR = 5.5
"""Depth pixels beyond the cut where there are none."""
_WINDOW = 15
"""Depth pixels, each way, of the far side that a halo is held against."""
_LEVELS = 6.0
"""Levels by which it differs from that at least, ..."""
_SIGMAS = 5.0
"""... and standard deviations: on a busy background nobody sees it, and much that stands out is background itself."""
_SHARE = 0.05
"""Of that window, what the far side has at least."""


@dataclass(frozen=True, slots=True)
class Rim:
    """The far side beside a cut.

    Attributes:
        at: (N,) flat indices.
        beyond: (N,) flat index of the far side farther out, where no halo reaches.
    """

    at: NDArray[np.intp]
    beyond: NDArray[np.intp]


def rim(there: Mask, near: NDArray[np.int32]) -> Rim:
    """Of what lies beside a cut, what lies farther out: away from the near side.

    Args:
        there: (h, w) the rim.
        near: (h, w) flat index of the near side's nearest pixel.
    """
    height, width = there.shape
    at = np.flatnonzero(there)
    start = np.stack(np.divmod(near.ravel()[at].astype(np.intp), width))
    out = np.stack(np.divmod(at, width)) - start
    end = np.rint(start + out * (_CLEAR / np.maximum(np.hypot(*out), 1.0))).astype(np.intp)
    row, column = np.clip(end[0], 0, height - 1), np.clip(end[1], 0, width - 1)
    return Rim(at, row * width + column)


def with_halo(hole: Hole, rim: Rim, photo: U8) -> Hole:
    """The hole and what of its rim stands out from the far side round it.

    Args:
        photo: (H, W, 3) uint8 sRGB.
    """
    height, width = shape = hole.mask.shape
    beside = hole.mask | hole.strange
    beside.ravel()[rim.at] = True
    clear = cv2.erode((~beside).view(np.uint8), np.ones((3, 3), np.uint8))
    small = photo if photo.shape[:2] == shape else cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    known, window = cv2.copyTo(small, clear), (_WINDOW, _WINDOW)
    share = cv2.boxFilter(clear, cv2.CV_32F, window).ravel()[rim.at]
    weight = np.maximum(share, 1e-6)[:, None]
    mean = cv2.boxFilter(known, cv2.CV_32F, window).reshape(-1, 3)[rim.at] / weight
    square = cv2.sqrBoxFilter(known, cv2.CV_32F, window).reshape(-1, 3)[rim.at] / weight
    spread = np.sqrt(np.maximum(square - mean * mean, 0.0)).max(axis=1)
    off = np.abs(small.reshape(-1, 3)[rim.at] - mean).max(axis=1)
    halo = np.zeros(shape, np.uint8)
    halo.ravel()[rim.at] = (off > np.maximum(_LEVELS, _SIGMAS * spread)) & (share > _SHARE)
    # With what is next to it: a pixel of the photo may lie between one of the halo and one beside it.
    found = cv2.dilate(halo, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))).ravel()[rim.at] > 0
    mask, far = hole.mask.copy(), hole.far.copy()
    mask.ravel()[rim.at[found]] = True
    far.ravel()[rim.at[found]] = rim.beyond[found]
    return Hole(mask, hole.strange, hole.depth, far)
