"""The table of jobs: draws only the rows that are seen, so that ten thousand cost what forty do. It asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from depthflow.client.models import Job
from depthflow.tui.columns import Column, bar, laid_out
from depthflow.tui.joblist import CYCLE, JobList, share, state_of

_MARK = 2
"""Cells before the first column, for the mark of what is selected."""
_CUT = "…"
_OF_PROGRESS = ("bar", "percent", "rate", "left")


def now() -> datetime:
    """The time that ages are counted to; tests set another."""
    return datetime.now(UTC)


def fit(text: str, cells: int, *, right: bool = False) -> str:
    """The text in so many cells, its middle cut out if it is longer: the end of a photo's name tells most."""
    length = cell_len(text)
    if length > cells:
        if cells <= 4:
            return set_cell_size(text, cells)
        tail = (cells - 1) // 2
        end = text
        while cell_len(end) > tail:
            end = end[1:]
        return set_cell_size(set_cell_size(text, cells - 1 - cell_len(end)) + _CUT + end, cells)
    room = " " * (cells - length)
    return room + text if right else text + room


def cut(text: str, cells: int) -> str:
    """The text in so many cells, its end cut off if it is longer."""
    text = " ".join(text.split())
    if cell_len(text) > cells:
        text = set_cell_size(text, cells - 1) + _CUT
    return set_cell_size(text, cells)


def _instead(job: Job) -> str:
    """Why it waits or failed is worth more than an empty bar."""
    if job.state == "running" or (job.state == "queued" and not job.error):
        return ""
    return job.error or (f"the same as #{job.same_as}" if job.same_as else "")


class TableHead(Widget):
    """The names of the columns; a click sorts by one, a second click turns the order round."""

    DEFAULT_CSS = """
    TableHead { height: 1; background: $boost; color: $text-muted; text-style: bold; }
    """

    def __init__(self, table: JobTable) -> None:
        super().__init__()
        self._table = table

    def render_line(self, y: int) -> Strip:
        jobs, style = self._table.jobs, self.rich_style
        segments = [Segment(" " * _MARK, style)]
        for column, width in self._table.columns:
            title = column.title
            if column.sort == jobs.sort.name and column.title:
                title += "▼" if jobs.backwards else "▲"
            segments += [Segment(fit(title, width, right=column.right), style), Segment(" ", style)]
        return Strip(segments).adjust_cell_length(self.size.width, style)

    def on_click(self, event: events.Click) -> None:
        x = _MARK
        for column, width in self._table.columns:
            if x <= event.x < x + width + 1 and column.sort:
                self._table.sort_by(column.sort)
                return
            x += width + 1


class JobTable(ScrollView, can_focus=True):
    """Jobs in rows, one of them under the cursor, any of them selected. The cursor stays with its job.

    Attributes:
        jobs: which, and in what order.
        columns: what is shown of each, and its cells.
        cursor: the number of the job under the cursor; None if there is none.
        chosen: numbers of the jobs that are selected.
    """

    DEFAULT_CSS = """
    JobTable {
        height: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; overflow-y: auto;
        & .jobtable--row { color: $foreground; }
        & .jobtable--dim { color: $text-muted; }
        & .jobtable--cursor { background: $primary 45%; text-style: bold; }
        & .jobtable--cursor-blurred { background: $primary 22%; }
        & .jobtable--chosen { background: $primary 14%; }
        & .jobtable--mark { color: $accent; text-style: bold; }
        & .jobtable--running { color: $accent; text-style: bold; }
        & .jobtable--done { color: $success; }
        & .jobtable--failed { color: $error; }
        & .jobtable--waiting { color: $warning; }
        & .jobtable--queued { color: $foreground; }
        & .jobtable--bar { color: $accent; }
        & .jobtable--rest { color: $foreground 18%; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"jobtable--{name}"
        for name in (
            "row", "dim", "cursor", "cursor-blurred", "chosen", "mark",
            "running", "done", "failed", "waiting", "queued", "bar", "rest",
        )
    }  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", id="queue.up", show=False),
        Binding("down,j", "move(1)", "Down", id="queue.down", show=False),
        Binding("pageup", "page(-1)", "Page up", id="queue.page-up", show=False),
        Binding("pagedown", "page(1)", "Page down", id="queue.page-down", show=False),
        Binding("home,g", "end(0)", "First", id="queue.first", show=False),
        Binding("end,G", "end(-1)", "Last", id="queue.last", show=False),
        Binding("space", "choose", "Select", id="queue.select", show=False),
        Binding("shift+up", "stretch(-1)", "Select upwards", id="queue.select-up", show=False),
        Binding("shift+down", "stretch(1)", "Select downwards", id="queue.select-down", show=False),
        Binding("ctrl+a", "choose_all", "Select all that are shown", id="queue.select-all", show=False),
    ]

    class Moved(Message):
        """Another job is under the cursor."""

    class Chosen(Message):
        """Others are selected, or they are shown in another order."""

    class Opened(Message):
        """A job was clicked twice."""

    def __init__(self, jobs: JobList, *, clock: Callable[[], datetime] = now) -> None:
        super().__init__()
        self.jobs = jobs
        self.columns: list[tuple[Column, int]] = []
        self.cursor: int | None = None
        self.chosen: set[int] = set()
        self._clock = clock
        self._last_row = 0
        self._touched = False
        self._width = 0
        self._styles_of: dict[str, Style] = {}

    # -- what it shows ---------------------------------------------------------------------------------------------

    def changed(self, numbers: Iterable[int] | None) -> None:
        """The book has news of these jobs; None: of any."""
        numbers = None if numbers is None else set(numbers)
        if self.jobs.update(numbers) or numbers is None:
            self.rearranged()
            return
        top, bottom = self.scroll_offset.y, self.scroll_offset.y + self.size.height
        for number in numbers:
            row = self.jobs.row(number)
            if row is not None and top <= row < bottom:
                self.refresh(Region(0, row - top, self.size.width, 1))

    def rearranged(self) -> None:
        """Rows have come, gone or moved: the cursor keeps its job, or its row if the job is gone."""
        follows = self.cursor is not None and self._seen(self._last_row)
        if not self._touched:
            # Nobody has chosen a job yet: the first one is meant, whichever that is.
            self._last_row = 0
            self._set_cursor(self.jobs.number(0))
        elif self.cursor is None or self.cursor not in self.jobs:
            self._set_cursor(self.jobs.number(max(0, min(self._last_row, len(self.jobs) - 1))))
        self.virtual_size = Size(self.size.width, len(self.jobs))
        row = None if self.cursor is None else self.jobs.row(self.cursor)
        if row is not None and row != self._last_row:
            self._last_row = row
            if follows:
                self._show(row)
        self.refresh()

    def sort_by(self, name: str) -> None:
        """In this order; the other way round if it is so already."""
        again = self.jobs.sort.name == name
        self.jobs.set(sort=name, backwards=not self.jobs.backwards if again else False)
        self._ordered()

    def next_sort(self) -> None:
        place = CYCLE.index(self.jobs.sort.name) if self.jobs.sort.name in CYCLE else -1
        self.jobs.set(sort=CYCLE[(place + 1) % len(CYCLE)], backwards=False)
        self._ordered()

    def turn_round(self) -> None:
        self.jobs.set(backwards=not self.jobs.backwards)
        self._ordered()

    def _ordered(self) -> None:
        self.rearranged()
        if self.cursor is not None and (row := self.jobs.row(self.cursor)) is not None:
            self._show(row)
        self.post_message(self.Chosen())

    def targets(self) -> list[Job]:
        """The jobs that a command means: those that are selected and shown, else the one under the cursor."""
        numbers = [number for number in self.jobs if number in self.chosen] if self.chosen else []
        rows = numbers or ([] if self.cursor is None else [self.cursor])
        found = (self.jobs.job(row) for number in rows if (row := self.jobs.row(number)) is not None)
        return [job for job in found if job is not None]

    # -- moving ----------------------------------------------------------------------------------------------------

    def go(self, number: int) -> None:
        """Put the cursor on a job, if it is shown."""
        row = self.jobs.row(number)
        if row is not None:
            self._go_row(row)

    def _go_row(self, row: int) -> None:
        row = max(0, min(row, len(self.jobs) - 1))
        number = self.jobs.number(row)
        if number is None:
            return
        self._touched = True
        before, self._last_row = self._last_row, row
        self._set_cursor(number)
        top = self.scroll_offset.y
        for changed in {before, row}:
            self.refresh(Region(0, changed - top, self.size.width, 1))
        self._show(row)

    def _set_cursor(self, number: int | None) -> None:
        if number != self.cursor:
            self.cursor = number
            self.post_message(self.Moved())

    def _seen(self, row: int) -> bool:
        return self.scroll_offset.y <= row < self.scroll_offset.y + self.size.height

    def _show(self, row: int) -> None:
        top, height = self.scroll_offset.y, self.size.height
        if row < top:
            self.scroll_to(y=row, animate=False)
        elif row >= top + height > top:
            self.scroll_to(y=row - height + 1, animate=False)

    def action_move(self, rows: int) -> None:
        self._go_row(self._last_row + rows)

    def action_page(self, pages: int) -> None:
        self._go_row(self._last_row + pages * max(1, self.size.height - 1))

    def action_end(self, row: int) -> None:
        self._go_row(row if row >= 0 else len(self.jobs) - 1)

    # -- selecting -------------------------------------------------------------------------------------------------

    def action_choose(self) -> None:
        if self.cursor is not None:
            self.chosen ^= {self.cursor}
            self.action_move(1)
            self._rechosen()

    def action_stretch(self, rows: int) -> None:
        """Select the job under the cursor, and the one that it moves to."""
        before = self.cursor
        self.action_move(rows)
        self.chosen |= {number for number in (before, self.cursor) if number is not None}
        self._rechosen()

    def action_choose_all(self) -> None:
        everything = set(self.jobs)
        self.chosen = set() if everything and everything <= self.chosen else everything
        self._rechosen()

    def choose_none(self) -> None:
        self.chosen = set()
        self._rechosen()

    def _rechosen(self) -> None:
        self.refresh()
        self.post_message(self.Chosen())

    def on_click(self, event: events.Click) -> None:
        row = self.scroll_offset.y + event.y
        number = self.jobs.number(row)
        if number is None:
            return
        if event.shift and self.cursor is not None:
            low, high = sorted((self._last_row, row))
            self.chosen |= {found for each in range(low, high + 1) if (found := self.jobs.number(each)) is not None}
        elif event.ctrl or event.x < _MARK:
            self.chosen ^= {number}
        self._go_row(row)
        self._rechosen()
        if event.chain == 2:
            self.post_message(self.Opened())

    # -- drawing ---------------------------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        self._lay_out()
        self.virtual_size = Size(self.size.width, len(self.jobs))
        if self.cursor is not None and (row := self.jobs.row(self.cursor)) is not None:
            self._show(row)

    def _lay_out(self) -> None:
        """Columns for the width there is beside a scroll bar, which comes and goes without a word."""
        width = self.scrollable_content_region.width
        if width != self._width:
            self._width, self.columns = width, laid_out(width - _MARK)
            for head in self.screen.query(TableHead):
                head.refresh()

    def notify_style_update(self) -> None:
        self._styles_of.clear()
        super().notify_style_update()

    def _style(self, name: str) -> Style:
        """What a component changes: the colour of letters, or of what lies behind them, as mixed with what is below."""
        if name not in self._styles_of:
            whole = self.get_component_rich_style(f"jobtable--{name}")
            behind = name in ("cursor", "cursor-blurred", "chosen")
            part = Style(bgcolor=whole.bgcolor) if behind else Style(color=whole.color)
            self._styles_of[name] = whole if name == "row" else part + Style(bold=whole.bold or None)
        return self._styles_of[name]

    def render_line(self, y: int) -> Strip:
        self._lay_out()
        row = self.scroll_offset.y + y
        job = self.jobs.job(row)
        if job is None:
            return Strip.blank(self.size.width, self.rich_style)
        return self._strip(job)

    def _strip(self, job: Job) -> Strip:
        base = self._style("row")
        chosen, here = job.id in self.chosen, job.id == self.cursor
        dim = self._style("dim") if job.state in ("cancelled", "skipped") or job.held else Style()
        segments = [Segment("▌ " if chosen else "  ", self._style("mark"))]
        at = self._clock()
        said = _instead(job)
        skipped: tuple[str, ...] = ()
        for column, width in self.columns:
            if column.name in skipped:
                continue
            if column.name == "bar" and said:
                skipped = _OF_PROGRESS
                room = sum(cells + 1 for each, cells in self.columns if each.name in skipped) - 1
                style = self._style("failed" if job.state == "failed" else "dim")
                segments.append(Segment(cut(said, room), style))
            elif column.name == "bar":
                segments += self._bar(job, width)
            else:
                text = fit(column.text(job, at), width, right=column.right)
                segments.append(Segment(text, self._cell_style(column, job) + dim))
            segments.append(Segment(" ", None))
        over = Style()
        if chosen:
            over += self._style("chosen")
        if here:
            over += self._style("cursor" if self.has_focus else "cursor-blurred")
        strip = Strip(Segment.apply_style(segments, base, over))
        return strip.adjust_cell_length(self.size.width, base + over)

    def _cell_style(self, column: Column, job: Job) -> Style:
        if column.name == "state":
            state = state_of(job)
            kinds = {"stopping": "running", "held": "dim", "cancelled": "dim", "skipped": "dim"}
            return self._style(kinds.get(state, state))
        return Style() if column.name in ("name", "percent") else self._style("dim")

    def _bar(self, job: Job, width: int) -> list[Segment]:
        if job.state != "running":
            return [Segment(" " * width)]
        done, rest = bar(share(job), width)
        return [Segment(done, self._style("bar")), Segment(rest, self._style("rest"))]
