"""Curves as braille and easing as a glyph: numbers to characters. It knows no colours and no widgets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""Bits of a braille character by row and column of its dots."""
BLANK = "\u2800"


def braille(values: Array, rows: int, low: float, high: float) -> list[str]:
    """A curve drawn with dots.

    Args:
        values: (2 * columns,) one for each column of dots; what is not finite is left out.
        rows: lines of text; each is four dots high.
        low, high: values of the lowest and the highest dot.

    Returns:
        `rows` texts of `columns` braille characters, the highest first.
    """
    columns, height = len(values) // 2, rows * 4
    cells = np.zeros((rows, columns), np.int64)
    span = high - low
    with np.errstate(invalid="ignore"):
        places = (
            (high - values) / span * (height - 1)
            if span > 0
            else np.where(np.isfinite(values), (height - 1) / 2, np.nan)
        )
        dots = np.clip(np.rint(places), 0, height - 1)
    before = None
    for x in range(columns * 2):
        if not np.isfinite(dots[x]):
            before = None
            continue
        here = int(dots[x])
        # A steep piece is joined to what came before it.
        first, last = (
            (here, here)
            if before is None or before == here
            else (
                min(here, before + (before < here) - (before > here)),
                max(here, before + (before < here) - (before > here)),
            )
        )
        for dot in range(first, last + 1):
            cells[dot // 4, x // 2] |= _DOTS[dot % 4, x % 2]
        before = here
    return ["".join(chr(0x2800 + int(cell)) for cell in line) for line in cells]
