"""Tiny pictures of motions: the way of the camera as dots of braille. Pure numbers and text."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from depthflow.scene.camera import Camera
from depthflow.scene.motion import Motion, values

COLUMNS, ROWS = 5, 2
"""Cells of a glyph; each has 2 x 4 dots."""
SAMPLES = 96

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""What Unicode calls the dots of a cell, by row and column."""
_EMPTY = 0x2800
_SLANT = 0.55
"""How far forwards looks like right and up."""


def path(motion: Motion) -> NDArray[np.float64]:
    """(SAMPLES, 2) right and up of where the motion takes the camera over one round.

    Forwards goes to the upper right; turns count as moving to where the camera then looks, and a roll as the way of
    a point beside the middle.
    """
    plain = motion if not isinstance(motion.pivot, str) else None
    rest = Camera()
    t = np.linspace(0.0, 1.0, SAMPLES)
    from dataclasses import replace

    found = values(plain or replace(motion, pivot=0.5), rest, t)

    def of(name: str) -> NDArray[np.float64]:
        return np.broadcast_to(found[name], t.shape)

    forwards = of("z") + 0.5 * np.log(of("zoom")) - of("dolly") * 0.5
    right = of("x") + of("shift_x") + of("yaw") / 45 + of("scroll_x") + _SLANT * forwards
    up = of("y") + of("shift_y") + of("pitch") / 45 + of("scroll_y") + _SLANT * forwards
    angle = np.radians(of("roll"))
    reach = 0.12 if np.ptp(angle) > 1e-6 else 0.0
    return np.column_stack([right + reach * np.cos(angle), up + reach * np.sin(angle)])


def glyph(track: NDArray[np.float64], at: float | None = None) -> tuple[list[str], tuple[int, int] | None]:
    """(ROWS lines of COLUMNS cells, (row, column) of the cell where the camera is at the time `at`).

    Args:
        track: as `path` gives it.
        at: 0 to 1; None shows the way alone.
    """
    width, height = 2 * COLUMNS - 1, 4 * ROWS - 1
    low, span = track.min(axis=0), np.ptp(track, axis=0)
    # One scale for both, so that a circle is round: dots are as far apart upwards as sideways.
    scale = min(width / max(span[0], 1e-9), height / max(span[1], 1e-9))
    if max(span) < 1e-6:
        scale = 0.0
    middle = np.array([width, height]) / 2
    spots = np.rint((track - low - span / 2) * scale * [1, -1] + middle).astype(int)
    cells = np.full((ROWS, COLUMNS), _EMPTY)
    for x, y in {(int(x), int(y)) for x, y in spots}:
        cells[y // 4, x // 2] |= _DOTS[y % 4][x % 2]
    lines = ["".join(chr(code) for code in row) for row in cells]
    if at is None:
        return lines, None
    x, y = spots[min(SAMPLES - 1, math.floor(at * SAMPLES))]
    return lines, (int(y) // 4, int(x) // 2)


@lru_cache(256)
def of_library(name: str) -> tuple[NDArray[np.float64], str]:
    """(path, description) of a motion of the library.

    Raises:
        UsageError: there is none, or its file is wrong.
    """
    from depthflow.jobs.library import load_motion

    motion = load_motion(name)
    return path(motion), motion.description
