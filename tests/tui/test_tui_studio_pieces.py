"""The studio's small pieces without a screen: sliders, lines of a list, pictures of motions, frames."""

from __future__ import annotations

import numpy as np
import pytest

from depthflow.jobs.library import names
from depthflow.scene.component import Component
from depthflow.scene.motion import Motion
from depthflow.tui.studio import glyph, photos
from depthflow.tui.studio.lines import Heading, lines_of
from depthflow.tui.studio.parameters import about, rows
from depthflow.tui.studio.slider import cell_of, value_at

SLIDERS = [row for row in rows().values() if row.slides]


@pytest.mark.parametrize("row", SLIDERS, ids=lambda row: row.path)
@pytest.mark.parametrize("width", [4, 17, 60])
def test_a_cell_of_a_slider_has_a_value_in_that_cell(row: object, width: int) -> None:
    assert value_at(row, 0, width) == pytest.approx(row.soft_low)  # type: ignore[arg-type, attr-defined]
    assert value_at(row, width - 1, width) == pytest.approx(row.soft_high)  # type: ignore[arg-type, attr-defined]
    for cell in range(width):
        value = value_at(row, cell, width)  # type: ignore[arg-type]
        assert row.checked(value) == value  # type: ignore[attr-defined]
        # Within half a step: some sliders have fewer steps than cells.
        slack = row.step / (row.soft_high - row.soft_low) * (width - 1) / 2 + 1  # type: ignore[attr-defined]
        assert abs(cell_of(row, value, width) - cell) <= slack  # type: ignore[arg-type]
    assert cell_of(row, row.low - 1, width) == 0  # type: ignore[arg-type, attr-defined]
    assert cell_of(row, row.high + 1, width) == width - 1  # type: ignore[arg-type, attr-defined]


def test_groups_open_and_close() -> None:
    effects = [row for row in rows().values() if row.section == "Effects"]
    closed = lines_of(effects, lambda _: False)
    assert all(isinstance(line, Heading) for line in closed)
    assert sum(len(line.rows) for line in closed if isinstance(line, Heading)) == len(effects)
    opened = lines_of(effects, lambda title: title == "Fog")
    at = next(i for i, line in enumerate(opened) if isinstance(line, Heading) and line.title == "Fog")
    assert [line.path for line in opened[at + 1 : at + 4] if not isinstance(line, Heading)] == [
        "effects.fog.density",
        "effects.fog.start",
        "effects.fog.colour",
    ]
    plain = lines_of([row for row in rows().values() if row.section == "Camera"], lambda _: False)
    assert not any(isinstance(line, Heading) for line in plain)
    assert about("Fog") == "Fog that hides what is far."
    assert about("") == ""


def dots(lines: list[str]) -> set[tuple[int, int]]:
    """(x, y) of the dots of braille, by the table of Unicode."""
    order = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]
    return {
        (2 * column + dx, 4 * row + dy)
        for row, line in enumerate(lines)
        for column, cell in enumerate(line)
        for bit, (dx, dy) in enumerate(order)
        if (ord(cell) - 0x2800) >> bit & 1
    }


def test_a_circle_is_round() -> None:
    waves = (Component("x", "sine", 0.1), Component("y", "cosine", 0.1))
    lines, _ = glyph.glyph(glyph.path(Motion(waves)))
    seen = dots(lines)
    middle = np.mean([min(p[0] for p in seen), max(p[0] for p in seen)]), 3.5
    for x, y in seen:
        assert np.hypot(x - middle[0], y - middle[1]) == pytest.approx(3.5, abs=0.75)
    assert len(seen) >= 16


def test_right_is_right_and_up_is_up() -> None:
    right = glyph.path(Motion((Component("x", "linear", 1.0),), loop=False))
    assert dots(glyph.glyph(right)[0]) == {(x, dots(glyph.glyph(right)[0]).pop()[1]) for x in range(10)}
    assert glyph.glyph(right, 0.0)[1][1] == 0  # type: ignore[index]
    assert glyph.glyph(right, 0.999)[1][1] == glyph.COLUMNS - 1  # type: ignore[index]
    up = glyph.path(Motion((Component("y", "linear", 1.0),), loop=False))
    assert glyph.glyph(up, 0.0)[1][0] == 1  # type: ignore[index]
    assert glyph.glyph(up, 0.999)[1][0] == 0  # type: ignore[index]


@pytest.mark.parametrize("name", names("motions"))
def test_every_motion_has_a_picture(name: str) -> None:
    track, description = glyph.of_library(name)
    assert description
    lines, spot = glyph.glyph(track, 0.5)
    assert [len(line) for line in lines] == [glyph.COLUMNS] * glyph.ROWS
    assert spot is not None
    assert (len(dots(lines)) == 1) == (name == "still")


@pytest.mark.parametrize(
    ("room", "aspect", "wanted"),
    [((80, 80), 2.0, (80, 40)), ((80, 40), 0.5, (20, 40)), ((4000, 2000), 2.0, (1024, 512)), ((4, 4), 1.0, (8, 8))],
)
def test_frames_fill_their_room(room: tuple[int, int], aspect: float, wanted: tuple[int, int]) -> None:
    assert photos.frame_in(room, aspect) == wanted


def test_two_pictures_stand_beside_each_other() -> None:
    left, right = np.full((10, 30, 3), 9, np.uint8), np.full((40, 60, 3), 200, np.uint8)
    both = photos.beside(left, right)
    assert both.shape == (40, 121, 3)
    assert (both[:, :60] == 9).all()
    assert (both[:, 60] == 0).all()
    assert (both[:, 61:] == 200).all()
