"""What all places share: the masthead, the footer, and news of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Footer

from depthflow.tui.link import Link
from depthflow.tui.widgets.masthead import Masthead

if TYPE_CHECKING:
    from depthflow.tui.app import DepthFlowApp


class Place(Screen[None]):
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
        yield Footer()

    def body(self) -> ComposeResult:
        """Its widgets."""
        raise NotImplementedError

    def action_help(self) -> None:
        if self.query("HelpPanel"):
            self.app.action_hide_help_panel()
        else:
            self.app.action_show_help_panel()
