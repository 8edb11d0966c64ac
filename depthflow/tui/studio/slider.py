"""The arithmetic of sliders: from values to cells and back. It draws nothing."""

from __future__ import annotations

from depthflow.tui.studio.parameters import Row


def cell_of(row: Row, value: float, width: int) -> int:
    """The cell of a slider `width` cells wide in which a value stands; the ends stand for all beyond."""
    part = (value - row.soft_low) / (row.soft_high - row.soft_low)
    return round(min(1.0, max(0.0, part)) * (width - 1))


def value_at(row: Row, cell: int, width: int) -> float | int:
    """The value of a cell, on the grid of steps."""
    part = min(1.0, max(0.0, cell / max(1, width - 1)))
    if part in (0.0, 1.0):
        return row.within(row.soft_high if part else row.soft_low)
    value = row.soft_low + part * (row.soft_high - row.soft_low)
    return row.within(round(value / row.step) * row.step)
