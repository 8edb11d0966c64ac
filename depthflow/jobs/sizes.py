"""Frame sizes: what people write, and the pixels that come of it for a given photo. Pure numbers."""

from __future__ import annotations

import re
from typing import Literal

from depthflow.errors import UsageError

Fit = Literal["crop", "pad", "fit", "fill"]

MAX_SIDE = 16384
"""No side is longer: the usual GL_MAX_TEXTURE_SIZE."""

NAMES = {
    "hd": (1280, 720),
    "fullhd": (1920, 1080),
    "2k": (2560, 1440),
    "4k": (3840, 2160),
    "8k": (7680, 4320),
    "square": (1080, 1080),
    "portrait": (1080, 1350),
    "story": (1080, 1920),
}

_BOX = re.compile(r"(\d{0,5})x(\d{0,5})")
_LINES = re.compile(r"(\d{2,5})p")


def check_size(text: str) -> str:
    """The size in its canonical spelling.

    Raises:
        UsageError: (a ValueError) not a size, or too large.
    """
    size = text.strip().lower().replace("×", "x")
    if size in NAMES or size == "photo":
        return size
    if match := _LINES.fullmatch(size):
        sides = [int(match[1])]
    elif (match := _BOX.fullmatch(size)) and (match[1] or match[2]):
        sides = [int(side) for side in match.groups() if side]
    else:
        raise UsageError(
            f"size {text!r} is not understood",
            f"write 1920x1080, 1920x, x1080, 1080p, photo, or one of {', '.join(NAMES)}",
        )
    if not all(2 <= side <= MAX_SIDE for side in sides):
        raise UsageError(f"size {text!r}: each side must be 2 to {MAX_SIDE} pixels")
    return size


def _even(side: float) -> int:
    """Sides that follow from an aspect ratio are even, as most video formats want them."""
    return max(2, 2 * round(side / 2))


def frame_size(size: str, photo: tuple[int, int], fit: Fit = "crop") -> tuple[int, int]:
    """Pixels (width, height) of the frame, before a format asks for even numbers.

    `1080p` names the shorter side and keeps the photo's aspect ratio, so that a portrait photo stays one;
    `1920x` and `x1080` keep it too; `photo` is the photo's own size. A box is taken as it is, but with
    fit="fit" it shrinks to the photo's aspect ratio.

    Args:
        size: what `check_size` accepts.
        photo: (width, height) of the photo in pixels.
    """
    size = check_size(size)
    photo_width, photo_height = photo
    aspect = photo_width / photo_height
    if size == "photo":
        box = photo
    elif size.endswith("p"):
        short = int(size[:-1])
        box = (_even(short * aspect), short) if aspect >= 1 else (short, _even(short / aspect))
    elif size in NAMES:
        box = NAMES[size]
    else:
        left, right = size.split("x")
        if left and right:
            box = (int(left), int(right))
        else:
            box = (int(left), _even(int(left) / aspect)) if left else (_even(int(right) * aspect), int(right))
    width, height = box
    if fit == "fit":
        scale = min(width / photo_width, height / photo_height)
        width, height = _even(photo_width * scale), _even(photo_height * scale)
    # An extreme panorama keeps its aspect ratio but not its size.
    shrink = min(1.0, MAX_SIDE / max(width, height))
    return max(2, round(width * shrink)), max(2, round(height * shrink))
