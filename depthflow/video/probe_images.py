"""Reads facts from animations and still images through Pillow, which knows their timing better than ffmpeg."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from depthflow.errors import InputError
from depthflow.video.colour import exact_rate
from depthflow.video.comments import read_comment
from depthflow.video.facts import VideoFacts

_SUFFIXES = (".png", ".jpg", ".jpeg")
_FIRST = re.compile(r"(?<!\d)0*1(?!\d)")
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
"""Pillow knows more, some of which run other programs (EPS), whatever a file's suffix says."""
_MOST_PIXELS = 16384**2
"""As large as frames may be; Pillow's own limit is a third of it."""


def probe_images(path: Path) -> VideoFacts:
    """An animation, one image, or a folder of images; every frame of an animation is decoded.

    In a folder the files are counted, and the first and the last one decoded.

    Raises:
        InputError: it is not there, is no image, or is damaged.
    """
    if path.is_dir():
        return _probe_folder(path)
    from PIL import Image, UnidentifiedImageError

    from depthflow.images_decode import without_pillows_limit

    if not path.is_file():
        raise InputError(f"{path}: no such file", "check the path")
    try:
        with without_pillows_limit():
            opened = Image.open(path, formats=_FORMATS)
        with opened as image:
            if image.width * image.height > _MOST_PIXELS:
                raise InputError(f"{path}: {image.width}x{image.height} pixels are too many", "it is no file of ours")
            frames = int(getattr(image, "n_frames", 1))
            milliseconds = 0.0
            for index in range(frames):
                image.seek(index)
                image.load()
                milliseconds += float(image.info.get("duration", 0))
            # Not added up as seconds, in which ten frames a second would be 10.000000000000002.
            seconds = milliseconds / 1000
            texts = {
                str(key).lower(): value
                for key, value in image.info.items()
                if isinstance(value, str) and key != "comment"
            }
            if comment := read_comment(path):
                texts["comment"] = comment
            return VideoFacts(
                path=path,
                frames=frames,
                width=image.width,
                height=image.height,
                fps=frames / seconds if seconds > 0 else 0.0,
                duration=seconds,
                codec=(image.format or "").lower(),
                pixel_format=image.mode,
                bytes=path.stat().st_size,
                rate=exact_rate(frames / seconds) if seconds > 0 else None,
                metadata=texts,
            )
    except UnidentifiedImageError:
        raise InputError(f"{path}: is no image that can be read") from None
    except InputError:
        raise
    except Exception as error:  # on damaged data Pillow's plugins raise whatever they stumble over
        raise InputError(f"{path}: is damaged: {error}") from None


def _probe_folder(folder: Path) -> VideoFacts:
    files = _images(folder)
    if not files:
        raise InputError(f"{folder}: holds no images")
    first, last = probe_images(files[0]), probe_images(files[-1])
    if (first.width, first.height) != (last.width, last.height):
        raise InputError(f"{folder}: {files[0].name} and {files[-1].name} differ in size")
    if comment := comment_of(folder):
        first.metadata["comment"] = comment
    return replace(
        first, path=folder, frames=len(files), duration=0.0, bytes=sum(file.stat().st_size for file in files)
    )


def comment_of(folder: Path) -> str | None:
    """The comment of a sequence: that of its first image, as other images may lie in the folder too."""
    first = (file for file in _images(folder) if _FIRST.search(file.stem))
    return next((comment for file in first if (comment := read_comment(file))), None)


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES)
