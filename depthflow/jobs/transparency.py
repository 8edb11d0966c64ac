"""Transparent photos: they are drawn as two opaque pictures, colour and opacity, and put together frame by frame.

Colour times opacity over black, and opacity as grey: what the renderer does to pixels (filtering, layers over each
other, soft edges, black bars) is linear in them, so both come out as one transparent picture would.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depthflow.images import Photo
from depthflow.opencv import cv2

U8 = NDArray[np.uint8]

_REACH = 5
"""Pixels across which colour flows into what is transparent, so that halved chroma brings no dark rim."""


def colour_and_opacity(photo: Photo) -> tuple[U8, U8]:
    """(H, W, 3) colour times opacity, and (H, W, 3) opacity as grey."""
    alpha = photo.alpha if photo.alpha is not None else np.full(photo.pixels.shape[:2], 255, np.uint8)
    share = alpha[:, :, None].astype(np.float32) / 255
    return np.rint(photo.pixels * share).astype(np.uint8), np.repeat(alpha[:, :, None], 3, 2)


def put_together(colour: U8, opacity: U8) -> U8:
    """One (H, W, 4) RGBA frame, not premultiplied, of the frames (H, W, 3 or 4) of both pictures."""
    alpha = np.ascontiguousarray(opacity[:, :, 0])
    near_colour = cv2.blur(colour[:, :, :3].astype(np.float32), (_REACH, _REACH))
    near_alpha = cv2.blur(alpha.astype(np.float32), (_REACH, _REACH))
    clear = alpha == 0
    top = np.where(clear[:, :, None], near_colour, colour[:, :, :3])
    share = np.where(clear, near_alpha, alpha)[:, :, None]
    frame = np.empty((*alpha.shape, 4), np.uint8)
    frame[:, :, :3] = np.clip(np.rint(top * 255.0 / np.maximum(share, 1e-3)), 0, 255)
    frame[:, :, 3] = alpha
    return frame


def taken_apart(frame: U8) -> U8:
    """One (H, W, 4) RGBA frame, not premultiplied, of one that is."""
    return put_together(frame, frame[:, :, 3:])
