"""Which piece of the clip is in view, and which column is which time. It knows no widget."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_LEAST = 8
"""Frames that are in view at least."""
_LABEL = 9
"""Columns that a label of the ruler needs."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Columns of a lane and seconds of the clip.

    Attributes:
        columns: of the lane.
        length: seconds of the clip.
        first: seconds at the left edge.
        span: seconds in view, from the middle of the first column to that of the last.
    """

    columns: int
    length: float
    first: float
    span: float

    @classmethod
    def whole(cls, columns: int, length: float) -> Scale:
        length = max(length, 1e-6)
        return cls(max(columns, 2), length, 0.0, length)

    def seconds(self, column: float) -> float:
        return self.first + column / (self.columns - 1) * self.span

    def column(self, seconds: float) -> int:
        """May lie out of view: below 0, or `columns` and more."""
        return round((seconds - self.first) / self.span * (self.columns - 1))

    def sees(self, seconds: float) -> bool:
        return 0 <= self.column(seconds) < self.columns

    def dots(self) -> NDArray[np.float64]:
        """(2 * columns,) times of the columns of dots, two in each column."""
        return self.first + (np.arange(self.columns * 2) - 0.5) / (2 * (self.columns - 1)) * self.span

    def zoomed(self, by: float, around: float, fps: float) -> Scale:
        """Closer (above 1) or farther, so that the time `around` stays where it is."""
        span = min(max(self.span / by, min(_LEAST / fps, self.length)), self.length)
        first = around - (around - self.first) * span / self.span
        return replace(self, first=min(max(0.0, first), self.length - span), span=span)

    def showing(self, seconds: float) -> Scale:
        """Moved as little as needed to have that time in view."""
        first = min(self.first, max(seconds, 0.0))
        first = max(first, min(seconds, self.length) - self.span)
        return replace(self, first=first)

    def resized(self, columns: int) -> Scale:
        return replace(self, columns=max(columns, 2))

    def ticks(self, unit: float = 1.0) -> list[tuple[float, bool]]:
        """(seconds, it has a label) of the ruler's marks in view.

        Args:
            unit: marks stand at round multiples of this many seconds.
        """
        least = self.span / unit * _LABEL / self.columns
        step = next(
            each * 10.0**power
            for power in range(-4, 7)
            for each in (1, 2, 5)
            if each * 10.0**power >= least * (1 - 1e-9)
        )
        if unit != 1.0:  # whole frames
            step = max(1.0, step)
        minor = step / (5 if str(step).strip("0.")[:1] in "15" else 4) * unit
        count = np.arange(np.ceil(self.first / minor - 1e-9), np.floor((self.first + self.span) / minor + 1e-9) + 1)
        parts = round(step * unit / minor)
        return [(float(n * minor), int(n) % parts == 0) for n in count]
