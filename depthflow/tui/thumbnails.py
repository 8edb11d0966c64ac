"""Small pictures for the screen: of a photo here, or of a PNG that the daemon sent. For threads: it takes its time."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from depthflow.errors import DepthFlowError, PhotoError
from depthflow.images import check_photo, load_photo

SIDE = 320
"""Pixels of the longer side; as much as half blocks of the largest terminals show."""
MOST_PIXELS = 60_000_000
"""A photo that cannot be decoded smaller than it is, as JPEG can, is not decoded beyond this for a look at it."""


@dataclass(frozen=True)
class Thumbnail:
    """A photo as one looks at it.

    Attributes:
        image: RGB, at most SIDE pixels a side; None if it was not decoded.
        size: (width, height) of the photo in pixels.
        bytes: of its file.
        problem: why it cannot be used; empty if it can.
    """

    image: Image.Image | None
    size: tuple[int, int]
    bytes: int
    problem: str = ""


def of_photo(path: Path) -> Thumbnail:
    """A look at a photo; what is wrong with it is said in `problem`."""
    try:
        size, count = check_photo(path), path.stat().st_size
    except (DepthFlowError, OSError) as error:
        return Thumbnail(None, (0, 0), 0, str(error))
    try:
        return Thumbnail(_small(path, size), size, count)
    except (DepthFlowError, OSError, ValueError, Image.DecompressionBombError) as error:
        return Thumbnail(None, size, count, str(error))


def _small(path: Path, size: tuple[int, int]) -> Image.Image | None:
    if path.suffix.lower() in (".jpg", ".jpeg", ".jpe", ".jfif"):
        with Image.open(path, formats=("JPEG",)) as opened:
            opened.draft("RGB", (2 * SIDE, 2 * SIDE))
            if opened.width * opened.height > MOST_PIXELS:
                return None
            image = ImageOps.exif_transpose(opened.convert("RGB"))
    elif size[0] * size[1] > MOST_PIXELS:
        return None
    else:
        image = Image.fromarray(load_photo(path).over().pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return image


def of_png(data: bytes) -> Image.Image:
    """What the daemon sent.

    Raises:
        PhotoError: it is no PNG.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as opened:
            opened.thumbnail((SIDE, SIDE))
            return opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise PhotoError(f"the daemon sent no picture: {error}") from None
