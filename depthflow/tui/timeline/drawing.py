"""How the timeline looks: a view of the model becomes lines of styled text. It changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from depthflow.tui.timeline.model import TimelineModel
from depthflow.tui.timeline.pickers import glyph
from depthflow.tui.timeline.plot import BLANK, braille
from depthflow.tui.timeline.scale import Scale

T = TypeVar("T")

CSS = """
TimelineEditor {
    height: 1fr; min-height: 4; background: $surface; color: $text;
    & .timeline--ruler { color: $text-muted; background: $panel; }
    & .timeline--time { color: $text; background: $panel; text-style: bold; }
    & .timeline--name { color: $text-muted; }
    & .timeline--name-here { color: $text; background: $surface-lighten-1; text-style: bold; }
    & .timeline--value { color: $text-accent; }
    & .timeline--lane-here { background: $surface-lighten-1; }
    & .timeline--curve { color: $text-muted; }
    & .timeline--curve-here { color: $text-success; }
    & .timeline--key { color: $text-primary; text-style: bold; }
    & .timeline--key-here { color: $accent; text-style: bold reverse; }
    & .timeline--playhead { color: $warning; text-style: bold; }
    & .timeline--playhead-lane { background: $warning-muted; }
    & .timeline--problem { color: $text-error; }
    & .timeline--status { color: $text; background: $panel; }
    & .timeline--hint { color: $text-muted; background: $panel; }
}
TimelineEditor:focus .timeline--time { color: $warning; }
"""

COMPONENTS = (
    *("timeline--ruler", "timeline--time", "timeline--name", "timeline--name-here", "timeline--value"),
    *("timeline--lane-here", "timeline--curve", "timeline--curve-here", "timeline--key", "timeline--key-here"),
    *("timeline--playhead", "timeline--playhead-lane", "timeline--problem", "timeline--status", "timeline--hint"),
)

_TALL = 10
"""Lines that the chosen track gets at most."""
_SAMPLES = 200
"""Times at which a curve is looked at for its least and greatest value."""
_MARKS = {"set": " ", "add": "+", "multiply": "×"}
_AFTER_MARKS = {"hold": " ", "loop": "↻", "mirror": "⇄"}


@dataclass(frozen=True)
class View:
    """What is to be seen.

    Attributes:
        names: columns of names and values, left of the lanes.
        height: lines in all: the ruler, the tracks, a line of words.
        top: the first track in view.
        track, key: the chosen ones; no key: None.
        problem: shown in place of the tracks.
    """

    model: TimelineModel
    scale: Scale
    names: int
    height: int
    top: int
    track: int
    key: int | None
    playhead: float
    still: bool
    in_frames: bool
    problem: str

    @property
    def room(self) -> int:
        """Lines for tracks."""
        return max(1, self.height - (2 if self.height >= 3 else 1))

    @property
    def tall(self) -> int:
        """Lines of the chosen track: what the others leave."""
        return max(1, min(_TALL, self.room - (len(self.model.rows) - 1)))

    def settled_top(self) -> int:
        """The first track in view such that the chosen one is in view, moved as little as needed."""
        count = len(self.model.rows)
        fits = max(1, self.room - self.tall + 1)
        top = min(self.top, self.track)
        top = max(top, self.track - fits + 1)
        return max(0, min(top, count - fits))

    def place(self, y: int) -> tuple[int, int] | None:
        """(track, line within it) of a line of the widget."""
        line = y - 1
        if not 0 <= line < self.room:
            return None
        for row in range(self.top, len(self.model.rows)):
            lines = self.tall if row == self.track else 1
            if line < lines:
                return row, line
            line -= lines
        return None

    def row_at(self, y: int) -> int | None:
        place = self.place(y)
        return None if place is None else place[0]

    def lines_of(self, row: int) -> int:
        return self.tall if row == self.track else 1


class Drawing:
    """Draws a view.

    Args:
        style: looks by name; what lies on something else takes the ink of one and the paper of the other.
        plots: curves that were drawn before, to be found again.
    """

    def __init__(self, view: View, style: Callable[[str], Style], plots: dict[Any, Any]) -> None:
        self._view, self._style, self._plots = view, style, plots

    def _ink(self, name: str) -> Style:
        style = self._style(name)
        return Style(color=style.color, bold=style.bold, reverse=style.reverse)

    def _paper(self, name: str) -> Style:
        return Style(bgcolor=self._style(name).bgcolor)

    def line(self, y: int, width: int, base: Style) -> Strip:
        """One line of the widget."""
        view = self._view
        if y == 0:
            cells = self._ruler()
        elif y == view.height - 1 and view.height >= 3:
            return self._words(width)
        elif (place := view.place(y)) is not None:
            cells = self._track(*place)
        elif y == 1 and not view.model.rows:
            text = view.problem or "no tracks yet: + adds one for a parameter"
            return _fitted([Segment(f" {text}", base + self._ink("problem" if view.problem else "name"))], width, base)
        else:
            return Strip.blank(width, base)
        return _fitted(cells, width, base)

    # -- ruler -----------------------------------------------------------------------------------------------------

    def _ruler(self) -> list[Segment]:
        view, scale = self._view, self._view.scale
        frame = view.model.frame(view.playhead)
        sign = "■" if view.still else "▶"
        loop = " ↻" if view.model.loop else ""
        head = f" {sign} {view.playhead:.2f} s  f{frame}/{view.model.frames - 1}{loop}"
        unit = 1 / view.model.fps if view.in_frames else 1.0
        line = [" "] * scale.columns
        # The labels last: they cover dots.
        for seconds, labelled in sorted(scale.ticks(unit), key=lambda tick: tick[1]):
            label = f"{round(seconds / unit)}" if view.in_frames else f"{abs(seconds):.4g}s"
            column = scale.column(seconds)
            for offset, letter in enumerate(f"╵{label}" if labelled else "·"):
                if 0 <= column + offset < scale.columns:
                    line[column + offset] = letter
        time, ruler, marks = self._style("time"), self._style("ruler"), {}
        column = scale.column(view.playhead)
        if 0 <= column < scale.columns:
            line[column], marks[column] = "▼", ruler + self._ink("playhead")
        return [Segment(f"{head:<{view.names}}"[: view.names], time), *_pieces(line, ruler, marks)]

    # -- tracks ----------------------------------------------------------------------------------------------------

    def _track(self, index: int, line: int) -> list[Segment]:
        here = index == self._view.track
        paper = self._paper("name-here" if here else "name")
        bar = Segment("▌" if here else " ", paper + self._ink("key"))
        name = self._name(index, here, paper) if line == 0 else self._about(index, line, paper)
        return [bar, *name, *self._lane(index, line, here)]

    def _name(self, index: int, here: bool, paper: Style) -> list[Segment]:
        """Name, marks and the value at the playhead."""
        view, row = self._view, self._view.model.rows[index]
        now = "" if row.problem else _number(view.model.value(index, view.playhead))
        marks = f"{_MARKS[row.mode]}{_AFTER_MARKS[row.after]}"
        room = max(0, view.names - 7 - len(now))
        name = f"{_cut(row.name, room):<{room}} {marks} "
        return [
            Segment(name, paper + self._ink("name-here" if here else "name")),
            Segment(f"{now} ", paper + self._ink("value")),
            Segment(" ", self._paper("name")),
        ]

    def _about(self, index: int, line: int, paper: Style) -> list[Segment]:
        """Beside the tall curve: its unit and easing, and what its top and bottom are."""
        view, row = self._view, self._view.model.rows[index]
        low, high = self._bounds(index)
        last = view.lines_of(index) - 1
        edge = f"▾ {_number(low)}" if line == last else f"▴ {_number(high)}" if line == 1 else ""
        edge = "" if row.problem else edge
        words = {1: row.parameter.unit, 2: row.easing}.get(line, "") if line < last else ""
        room = max(0, view.names - 4 - len(edge))
        text = f" {_cut(words, room):<{room}}{edge} "
        return [Segment(text, paper + self._ink("name")), Segment(" ", self._paper("name"))]

    def _bounds(self, index: int) -> tuple[float, float]:
        """The least and the greatest value of the track over the clip, and of its keys."""
        row, model = self._view.model.rows[index], self._view.model

        def bounds() -> tuple[float, float]:
            inside = [spot.value for spot in row.keys if spot.seconds <= model.end]
            values = [*model.curve(index, np.linspace(0, model.end, _SAMPLES)), *inside]
            return (0.0, 0.0) if row.problem else (float(min(values)), float(max(values)))

        return self._kept(index, ("bounds",), bounds)

    def _plot(self, index: int) -> list[str]:
        view, lines = self._view, self._view.lines_of(index)

        def plot() -> list[str]:
            drawn = braille(view.model.curve(index, view.scale.dots()), lines, *self._bounds(index))
            return [line.replace(BLANK, " ") for line in drawn]

        return self._kept(index, ("plot", view.scale, lines), plot)

    def _kept(self, index: int, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What was made of that track before, if it is still the same."""
        row = self._view.model.rows[index]
        kept = self._plots.get((index, *key))
        if kept is None or kept[0] is not row:
            kept = self._plots[index, *key] = row, make()
        made: T = kept[1]
        return made

    def _lane(self, index: int, line: int, here: bool) -> list[Segment]:
        view, scale, row = self._view, self._view.scale, self._view.model.rows[index]
        paper = self._paper("lane-here" if here else "name")
        if row.problem:
            text = f" {row.problem}" if line == 0 else ""
            return [Segment(f"{text[: scale.columns]:<{scale.columns}}", paper + self._ink("problem"))]
        ink = paper + self._ink("curve-here" if here else "curve")
        letters, marks = list(self._plot(index)[line]), {}
        bounds, lines = self._bounds(index), view.lines_of(index)
        key, chosen = paper + self._ink("key"), paper + self._ink("key-here")
        for number, spot in enumerate(row.keys):
            if _line_of(spot.value, bounds, lines) == line:
                column = scale.column(spot.seconds)
                place = min(max(column, 0), scale.columns - 1)
                letters[place] = "‹" if column < 0 else "›" if column >= scale.columns else "◆"
                marks[place] = chosen if here and number == view.key else key
        column = scale.column(view.playhead)
        if 0 <= column < scale.columns:
            marks[column] = marks.get(column, ink) + self._paper("playhead-lane")
        return _pieces(letters, ink, marks)

    # -- words -----------------------------------------------------------------------------------------------------

    def _words(self, width: int) -> Strip:
        view, status, hint = self._view, self._style("status"), self._style("hint")
        if view.problem or not view.model.rows:
            return _fitted([Segment(" + track   space play   ? help", hint)], width, hint)
        row = view.model.rows[view.track]
        unit = f" {row.parameter.unit}" if row.parameter.unit and row.mode != "multiply" else ""
        if view.key is None:
            text = f" {row.name} {_number(view.model.value(view.track, view.playhead))}{unit}"
            return _fitted([Segment(text, status), Segment(f"   {row.parameter.text}", hint)], width, hint)
        spot = row.keys[view.key]
        parts = [f" ◆ {view.key + 1}/{len(row.keys)}", f"{_number(spot.value)}{unit}", f"at {spot.at}"]
        if view.key + 1 < len(row.keys):
            parts.append(f"{glyph(spot.easing, 6)} {spot.easing}{'' if spot.own else ' (track)'}")
        if spot.hold:
            parts.append(f"holds {spot.hold:g} s")
        return _fitted([Segment("   ".join(parts), status)], width, hint)


def _line_of(value: float, bounds: tuple[float, float], lines: int) -> int:
    """The line of a track that a value is drawn on."""
    low, high = bounds
    part = 0.5 if high <= low else (high - value) / (high - low)
    return min(int(min(max(part, 0.0), 1.0) * lines), lines - 1)


def _cut(words: str, room: int) -> str:
    """What is longer than there is room says so."""
    return words if len(words) <= room else f"{words[: room - 1]}…" if room else ""


def _number(value: float) -> str:
    return f"{value:.4g}"


def _pieces(letters: Sequence[str], style: Style, marks: Mapping[int, Style]) -> list[Segment]:
    """A line in one style, but for the columns that have their own."""
    pieces, begin = [], 0
    for column in sorted(marks):
        pieces += [Segment("".join(letters[begin:column]), style), Segment(letters[column], marks[column])]
        begin = column + 1
    return [*pieces, Segment("".join(letters[begin:]), style)]


def _fitted(pieces: list[Segment], width: int, rest: Style) -> Strip:
    return Strip(pieces).adjust_cell_length(width, rest)
