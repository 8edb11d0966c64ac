"""The tab Logs: follows the daemon's log while it is looked at; filters by level and words."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, RichLog, Static

from depthflow.errors import DepthFlowError
from depthflow.tui import commands
from depthflow.tui.system.log_lines import KEPT, LEVELS, LogBook, LogLine
from depthflow.tui.system.tab import ELSEWHERE, SystemTab

_LAST = "500"
_DRAW_S = 0.1
"""Lines that come within this are drawn at once."""
_COLOURS = {"warning": "warning", "error": "error"}


class LogsTab(SystemTab):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "hold", "Hold", id="logs.hold"),
        Binding("l", "level", "Level", id="logs.level"),
        Binding("slash", "search", "Search", id="logs.search", key_display="/", priority=True),
        Binding("escape", "leave_search", "Back", id="logs.back", show=False),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.book = LogBook()
        self._fresh: list[LogLine] = []
        self._held = False
        self._drawing = False

    def compose(self) -> ComposeResult:
        with Horizontal(id="logs-bar", classes="toolbar"):
            yield Static(id="logs-state")
            yield Input(placeholder="search", id="logs-search", compact=True)
        yield RichLog(id="log", max_lines=KEPT, wrap=False, highlight=False, markup=False, classes="panel")

    def on_mount(self) -> None:
        self.query_one("#log").border_title = "Log of the daemon"
        self._tell()

    def opened(self) -> None:
        self.query_one("#log").focus()
        if self.local:
            self.follow()
        else:
            self._say(ELSEWHERE.format("depthflow daemon logs -f"))

    def closed(self) -> None:
        self.workers.cancel_group(self, "logs")

    def again(self) -> None:
        self.opened()

    @work(exclusive=True, group="logs")
    async def follow(self) -> None:
        self.book.clear()
        self._redraw()
        try:
            async for text in commands.lines("daemon", "logs", "-n", _LAST, "-f"):
                self.take(text)
        except DepthFlowError as error:
            self._say(f"{error.message}\n{error.hint}")

    def take(self, text: str) -> None:
        """One more line."""
        line = self.book.put(text)
        if self._held or not self.book.wants(line):
            return
        self._fresh.append(line)
        if not self._drawing:
            self._drawing = True
            self.set_timer(_DRAW_S, self._draw_fresh)

    def _draw_fresh(self) -> None:
        self._drawing = False
        fresh, self._fresh = self._fresh, []
        for line in fresh:
            self._write(line)
        self._tell()

    def _redraw(self) -> None:
        self._fresh = []
        self.query_one("#log", RichLog).clear()
        for line in self.book.shown():
            self._write(line)
        self._tell()

    def _write(self, line: LogLine) -> None:
        style = self.colour(_COLOURS[line.level]) if line.level in _COLOURS else ""
        mark = f"{line.level:<8}" if line.at else " " * 8
        text = Text.assemble((f"{line.at:<19} ", "dim"), (mark, style or "dim"), (line.text, style))
        if self.book.wanted:
            text.highlight_words([self.book.wanted], "reverse", case_sensitive=False)
        self.query_one("#log", RichLog).write(text, scroll_end=not self._held)

    def _say(self, words: str) -> None:
        log = self.query_one("#log", RichLog)
        log.clear()
        log.write(Text(words.strip(), "dim"))

    def _tell(self) -> None:
        held = "held" if self._held else "following"
        shown = len(self.book.shown())
        count = f"{shown} of {len(self.book)} lines" if shown != len(self.book) else f"{shown} lines"
        level = f"{self.book.level} and above" if self.book.level != LEVELS[0] else "all levels"
        self.query_one("#logs-state", Static).update(Text(f"{held} · {level} · {count}"))

    def action_hold(self) -> None:
        """Stop what runs through, to read; the second time go on with what has come meanwhile."""
        self._held = not self._held
        if self._held:
            self._tell()
        else:
            self._redraw()

    def action_level(self) -> None:
        self.book.level = LEVELS[(LEVELS.index(self.book.level) + 1) % len(LEVELS)]
        self._redraw()

    def action_search(self) -> None:
        self.screen.set_focus(self.query_one("#logs-search"))

    def action_leave_search(self) -> None:
        self.query_one("#log").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.book.wanted = event.value
        self._redraw()

    def on_input_submitted(self) -> None:
        self.action_leave_search()
