"""The photo of the studio: small pixels to look at, and its true size. It blocks: not for the event loop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depthflow.tui.studio.player import NARROWEST, WIDEST

SIDE = 960
"""Longer side of what is looked at, pixels."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A photo to look at.

    Attributes:
        pixels: (H, W, 3) uint8 sRGB, the longer side at most SIDE.
        size: (width, height) of the photo itself.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]


def load(path: str) -> Seen:
    """Raises PhotoError: it is missing, unreadable, no photo, damaged or too large."""
    from PIL import Image

    from depthflow.images import load_photo

    photo = load_photo(Path(path))
    image = Image.fromarray(photo.pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return Seen(np.asarray(image), photo.size)


def frame_in(room: tuple[int, int], aspect: float) -> tuple[int, int]:
    """(width, height) of the frame of that aspect ratio that a preview is asked for, to fill room of these pixels."""
    width = min(room[0], room[1] * aspect)
    scale = min(1.0, WIDEST / max(width, width / aspect))
    return _side(width * scale), _side(width / aspect * scale)


def beside(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two pictures of one height, with a dark line between them; the left one takes the right one's size."""
    from PIL import Image

    height, width = right.shape[:2]
    scaled = np.asarray(Image.fromarray(left).resize((width, height), Image.Resampling.BILINEAR))
    return np.hstack([scaled, np.zeros((height, max(1, width // 60), 3), np.uint8), right])


def _side(pixels: float) -> int:
    return min(WIDEST, max(NARROWEST, round(pixels)))
