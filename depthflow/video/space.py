"""Says before any work that a disk has no room for a file, as far as that can be known."""

from __future__ import annotations

import shutil
from pathlib import Path

from depthflow.errors import OutputError
from depthflow.video.formats import FormatInfo

_LEAST = 1 << 16
"""Bytes without which nothing can be written at all."""

_MASTER_LEAST, _MASTER = 1.5, 10.0
"""Bits a pixel of the lossless file that a second pass reads: Huffman codes take one a sample, photos this many."""


def check_space(path: Path, format_: FormatInfo, size: tuple[int, int], frames: int, *, again: bool) -> str:
    """A note if the file will probably not fit on its disk; empty if it will, or if that cannot be known.

    Args:
        again: frames are encoded more than once, and kept without loss meanwhile.

    Raises:
        OutputError: it cannot fit.
    """
    folder = path.absolute().parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return ""
    pixels = size[0] * size[1] * frames
    again = again or format_.name == "gif"
    least = max(_LEAST, round(pixels * _MASTER_LEAST / 8) if again else 0)
    likely = round(pixels * (format_.bits + (_MASTER if again else 0)) / 8)
    if free < least:
        raise OutputError(
            f"{path}: the disk is full: {_text(free)} are free, and it takes at least {_text(least)}",
            "free some space, or write to another disk",
        )
    if free < likely:
        return f"{path}: the disk has only {_text(free)} left, and such a clip takes about {_text(likely)}"
    return ""


def _text(count: int) -> str:
    for unit, power in (("GB", 10**9), ("MB", 10**6)):
        if count >= power:
            return f"{count / power:.1f} {unit}"
    return f"{count / 1000:.0f} kB"
