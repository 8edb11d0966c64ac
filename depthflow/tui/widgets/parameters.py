"""A list of parameters with sliders, choices and switches, each a line. Values are the model's; this shows and asks.

One widget draws all of them: a hundred sliders as widgets of their own would take a second to appear.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from depthflow.errors import DepthFlowError
from depthflow.tui.studio.lines import Heading, Line, lines_of
from depthflow.tui.studio.model import StudioModel
from depthflow.tui.studio.parameters import Row, Value
from depthflow.tui.studio.slider import cell_of, value_at

LABEL, VALUE, UNIT = 14, 9, 5
"""Cells of the columns; the slider has the rest."""
BURST_S = 0.8
"""Steps that follow each other sooner are one for undo."""
FINE, COARSE = 0.1, 10


class ParameterList(ScrollView, can_focus=True):
    """Parameters of a model.

    Args:
        clock: seconds, for what belongs to one gesture.
    """

    DEFAULT_CSS = """
    ParameterList { height: 1fr; background: $surface; scrollbar-size-vertical: 1; }
    ParameterList > .parameters--label { color: $text-muted; }
    ParameterList > .parameters--changed { color: $accent; text-style: bold; }
    ParameterList > .parameters--value { color: $text; }
    ParameterList > .parameters--auto { color: $text-muted; text-style: italic; }
    ParameterList > .parameters--track { color: $surface-lighten-2; }
    ParameterList > .parameters--filled { color: $primary; }
    ParameterList > .parameters--thumb { color: $primary; text-style: bold; }
    ParameterList > .parameters--heading { color: $text-primary; text-style: bold; }
    ParameterList > .parameters--cursor { background: $boost; }
    ParameterList:focus > .parameters--cursor { background: $primary 25%; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "parameters--label",
        "parameters--changed",
        "parameters--value",
        "parameters--auto",
        "parameters--track",
        "parameters--filled",
        "parameters--thumb",
        "parameters--heading",
        "parameters--cursor",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", id="parameters.up", show=False),
        Binding("down,j", "move(1)", "Down", id="parameters.down", show=False),
        Binding("pageup", "page(-1)", "Page up", id="parameters.page_up", show=False),
        Binding("pagedown", "page(1)", "Page down", id="parameters.page_down", show=False),
        Binding("left", "nudge(-1)", "Less", id="parameters.less", show=False),
        Binding("right", "nudge(1)", "More", id="parameters.more", show=False),
        Binding("shift+left", f"nudge(-{FINE})", "A little less", id="parameters.less_fine", show=False),
        Binding("shift+right", f"nudge({FINE})", "A little more", id="parameters.more_fine", show=False),
        Binding("ctrl+left", f"nudge(-{COARSE})", "Much less", id="parameters.less_coarse", show=False),
        Binding("ctrl+right", f"nudge({COARSE})", "Much more", id="parameters.more_coarse", show=False),
        Binding("home", "end(False)", "Least", id="parameters.least", show=False),
        Binding("end", "end(True)", "Most", id="parameters.most", show=False),
        Binding("enter", "edit", "Set", id="parameters.set"),
        Binding("space", "flip", "Switch it", id="parameters.switch", show=False),
        Binding("backspace,delete", "reset", "Reset", id="parameters.reset"),
    ]

    class Highlighted(Message):
        """Another line has the cursor."""

        def __init__(self, line: Line | None) -> None:
            super().__init__()
            self.line = line

    class Edit(Message):
        """A value is to be typed or chosen; `begun` is what was typed already."""

        def __init__(self, row: Row, begun: str = "") -> None:
            super().__init__()
            self.row, self.begun = row, begun

    class Refused(Message):
        """A value is not allowed."""

        def __init__(self, error: DepthFlowError) -> None:
            super().__init__()
            self.error = error

    def __init__(self, model: StudioModel, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(id="parameters")
        self._model, self._clock = model, clock
        self._rows: tuple[Row, ...] = ()
        self._titled = False
        self._lines: list[Line] = []
        self._folded: dict[str, bool] = {}
        self._cursor = 0
        self._gesture: tuple[str, int] = ("", 0)
        self._last = -BURST_S
        self._dragged: Row | None = None

    # -- what is shown -------------------------------------------------------------------------------------

    def show(self, rows: Iterable[Row], *, titled: bool = False) -> None:
        """Show these, from the top."""
        self._rows, self._titled = tuple(rows), titled
        self._cursor = 0
        self._lay()
        self.scroll_to(0, 0, animate=False)
        self.post_message(self.Highlighted(self.line))

    def update(self) -> None:
        """Values are others."""
        self._lay()

    @property
    def line(self) -> Line | None:
        """The one with the cursor."""
        return self._lines[self._cursor] if self._cursor < len(self._lines) else None

    @property
    def row(self) -> Row | None:
        return self.line if isinstance(self.line, Row) else None

    def go_to(self, path: str) -> None:
        """The cursor to a parameter, whose group opens."""
        for row in self._rows:
            if row.path == path and row.heading:
                self._folded[row.heading] = False
        self._lay()
        for index, line in enumerate(self._lines):
            if isinstance(line, Row) and line.path == path:
                self._go(index)

    def on_resize(self) -> None:
        self._lay()  # while it is hidden it has no width

    def _lay(self) -> None:
        self._lines = lines_of(self._rows, self._is_open, titled=self._titled)
        self._cursor = min(self._cursor, max(0, len(self._lines) - 1))
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._lines))
        self.refresh()

    def _is_open(self, title: str) -> bool:
        if title in self._folded:
            return not self._folded[title]
        # Groups of what is off stay out of the way.
        own = [row.path for row in self._rows if row.heading and title.endswith(row.heading)]
        return self._titled or any(self._model.get(path) != _off(path) for path in own)

    # -- keys ----------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        self._go(self._cursor + by)

    def action_page(self, by: int) -> None:
        self._go(self._cursor + by * max(1, self.size.height - 1))

    def action_nudge(self, steps: float) -> None:
        line = self.line
        if isinstance(line, Heading):
            self._open(line, steps > 0)
        elif line is not None and line.slides:
            self._put(line, line.nudged(self._model.effective(line.path), steps), self._burst(line))
        elif line is not None and (values := _values(line)):
            now = values.index(self._model.get(line.path)) if self._model.get(line.path) in values else 0
            self._put(line, values[(now + (1 if steps > 0 else -1)) % len(values)], self._burst(line))

    def action_end(self, most: bool) -> None:
        if self.row is not None and self.row.slides:
            self._put(self.row, self.row.within(self.row.soft_high if most else self.row.soft_low))

    def action_flip(self) -> None:
        """A switch is turned over; on other lines the key is somebody else's."""
        row = self.row
        if row is None or row.kind != "flag" or row.optional:
            raise SkipAction
        self.action_edit()

    def action_edit(self) -> None:
        line = self.line
        if isinstance(line, Heading):
            self._open(line, not line.open)
        elif line is not None and line.kind == "flag":
            values = _values(line)
            self._put(line, values[(values.index(self._model.get(line.path)) + 1) % len(values)])
        elif line is not None:
            self.post_message(self.Edit(line))

    def action_reset(self) -> None:
        line = self.line
        if line is not None:
            paths = [row.path for row in line.rows] if isinstance(line, Heading) else [line.path]
            self._model.reset(paths)

    def on_key(self, event: events.Key) -> None:
        # A digit begins a number.
        if self.row is not None and self.row.slides and event.character and event.character in "0123456789.-":
            event.stop()
            self.post_message(self.Edit(self.row, event.character))

    # -- mouse ---------------------------------------------------------------------------------------------

    def on_mouse_down(self, event: events.MouseDown) -> None:
        index = event.y + self.scroll_offset.y
        if index >= len(self._lines):
            return
        self._go(index)
        line = self._lines[index]
        left, width = self._track
        if isinstance(line, Heading):
            self._open(line, not line.open)
        elif line.slides and left <= event.x < left + width:
            self._gesture = (line.path, self._gesture[1] + 1)
            self._dragged = line
            self.capture_mouse()
            self._drag(event.x)
        elif event.x >= left:
            self.action_edit()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._dragged is not None:
            self._drag(event.x)

    def on_mouse_up(self) -> None:
        if self._dragged is not None:
            self._dragged = None
            self.release_mouse()

    def _drag(self, x: int) -> None:
        left, width = self._track
        assert self._dragged is not None  # noqa: S101 - asked by both callers
        self._put(self._dragged, value_at(self._dragged, x - left, width), self._gesture)

    # -- values --------------------------------------------------------------------------------------------

    def _put(self, row: Row, value: Value, gesture: tuple[str, int] | None = None) -> None:
        try:
            self._model.put(row.path, value, gesture=gesture)
        except DepthFlowError as error:
            self.post_message(self.Refused(error))

    def _burst(self, row: Row) -> tuple[str, int]:
        """One gesture, as long as steps of one parameter follow each other quickly."""
        now = self._clock()
        path, number = self._gesture
        if path != row.path or now - self._last > BURST_S:
            self._gesture = (row.path, number + 1)
        self._last = now
        return self._gesture

    def _open(self, heading: Heading, open_it: bool) -> None:
        self._folded[heading.title] = not open_it
        self._lay()

    def _go(self, index: int) -> None:
        index = min(max(0, index), max(0, len(self._lines) - 1))
        if index != self._cursor:
            self._cursor = index
            self.refresh()
            self.post_message(self.Highlighted(self.line))
        self.scroll_to_region(Region(0, index, 1, 1), animate=False, force=True)

    # -- drawing -------------------------------------------------------------------------------------------

    @property
    def _track(self) -> tuple[int, int]:
        """(first cell, width) of the sliders."""
        left = 2 + LABEL
        return left, max(4, self.scrollable_content_region.width - left - VALUE - UNIT - 1)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        index = y + self.scroll_offset.y
        base = self.rich_style
        if index >= len(self._lines):
            return Strip.blank(width, base)
        line = self._lines[index]
        segments = self._heading(line) if isinstance(line, Heading) else self._row(line)
        if index == self._cursor:
            base += Style(bgcolor=self.get_component_rich_style("parameters--cursor").bgcolor)
        styled = [Segment(text, base + style) for text, style in segments]
        return Strip(styled).adjust_cell_length(width, base)

    def _look(self, name: str) -> Style:
        style = self.get_component_rich_style(f"parameters--{name}")
        return Style(color=style.color, bold=style.bold, italic=style.italic)

    def _heading(self, line: Heading) -> list[tuple[str, Style]]:
        changed = sum(row.path in self._model.changed for row in line.rows)
        mark = [(f"  {changed} changed", self._look("changed"))] if changed and not line.open else []
        about = (f"  {line.about}", self._look("label"))
        return [(f"{'▾' if line.open else '▸'} {line.title}", self._look("heading")), *(mark or [about])]

    def _row(self, row: Row) -> list[tuple[str, Style]]:
        changed = row.path in self._model.changed
        value = self._model.get(row.path)
        label = f"{row.label[: LABEL - 1]:<{LABEL}}"
        made = [
            ("● " if changed else "  ", self._look("changed")),
            (label, self._look("value" if changed else "label")),
        ]
        _, width = self._track
        quiet = self._look("auto")
        loud = self._look("changed" if changed else "value")
        shown = row.shown(value)
        if row.slides:
            made += self._slider(row, width)
            if value is None:
                known = self._model.effective(row.path)
                shown = "auto" if known is None else f"~{row.shown(known)}"
            text = f"{shown[: VALUE - 1]:>{VALUE}}"
            return [
                *made,
                (text, quiet if value is None else loud),
                (f" {row.unit if len(row.unit) <= UNIT else '':<{UNIT}}", self._look("label")),
            ]
        room = width + VALUE + UNIT
        if row.kind == "flag" and not row.optional:
            switch = ("──●", self._look("filled")) if value else ("●──", self._look("track"))
            return [*made, switch, (f" {shown}", loud)]
        if row.kind == "colour" and isinstance(value, str):
            return [*made, ("■■ ", Style(color=value)), (shown, loud)]
        if _values(row):
            return [
                *made,
                ("‹ ", self._look("track")),
                (shown, quiet if value is None else loud),
                (" ›", self._look("track")),
            ]
        shown = shown if len(shown) <= room else f"…{shown[-room + 1 :]}"
        return [*made, (shown or "-", quiet if value in (None, "") else loud)]

    def _slider(self, row: Row, width: int) -> list[tuple[str, Style]]:
        """Filled up to the thumb; a notch stands where the preset has it."""
        value, base = self._model.effective(row.path), self._model.base(row.path)
        track, filled, thumb = self._look("track"), self._look("filled"), self._look("thumb")
        if not isinstance(value, int | float):
            return [("─" * width, track)]
        at = cell_of(row, value, width)
        cells = [("━", filled)] * at + [("●", thumb)] + [("─", track)] * (width - at - 1)
        if isinstance(base, int | float) and row.path in self._model.changed:
            notch = cell_of(row, base, width)
            if notch != at:
                cells[notch] = ("┃", filled if notch < at else track)
        return _joined(cells)


def _joined(cells: list[tuple[str, Style]]) -> list[tuple[str, Style]]:
    made: list[tuple[str, Style]] = []
    for text, style in cells:
        if made and made[-1][1] is style:
            made[-1] = (made[-1][0] + text, style)
        else:
            made.append((text, style))
    return made


def _values(row: Row) -> list[Value]:
    """All that it may be, where those are few."""
    if row.kind == "flag":
        return [None, True, False] if row.optional else [False, True]
    return [*([None] if row.optional and row.choices else []), *row.choices]


def _off(path: str) -> Value:
    from depthflow.tui.studio.parameters import rows

    return rows()[path].default
