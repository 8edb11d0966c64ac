"""What all places share: the masthead, the footer, and news of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Static

from depthflow.tui.link import Link
from depthflow.tui.steady import Steady
from depthflow.tui.widgets.keybar import KeyBar
from depthflow.tui.widgets.masthead import Masthead

if TYPE_CHECKING:
    from depthflow.tui.app import DepthFlowApp

LEAST = (60, 16)
"""A terminal with fewer columns or rows shows nothing but a request."""


class Place(Steady[None]):
    """A screen with masthead and footer around `body`.

    A place hears of the daemon by signals: `self.flow.jobs_changed.subscribe(self, callback)` in `on_mount`, likewise
    `link_changed` and `system_changed`.
    """

    PLACE: ClassVar[str]
    """Its name in `places.PLACES`."""
    HELP: ClassVar[str | None]
    """Markdown that `?` shows."""
    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark", "help", "Help", id="app.help")]

    @property
    def flow(self) -> DepthFlowApp:
        return cast("DepthFlowApp", self.app)

    @property
    def link(self) -> Link:
        return self.flow.link

    def compose(self) -> ComposeResult:
        yield Masthead(self.PLACE)
        with Container(id="body"):
            yield from self.body()
        yield KeyBar()
        yield Static(id="too-small")

    def body(self) -> ComposeResult:
        """Its widgets."""
        raise NotImplementedError

    def on_resize(self, event: events.Resize) -> None:
        columns, rows = event.size
        tiny = columns < LEAST[0] or rows < LEAST[1]
        self.set_class(tiny, "-tiny")
        if tiny:
            self.query_one("#too-small", Static).update(
                f"A little more room, please:\n{LEAST[0]} columns and {LEAST[1]} rows, here are {columns} and {rows}."
            )

    def action_help(self) -> None:
        from depthflow.tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self))
