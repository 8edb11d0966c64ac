"""The top of every place: where one can go, and how the daemon is."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static

from depthflow.tui.link import LinkState
from depthflow.tui.places import PLACES

if TYPE_CHECKING:
    from depthflow.tui.app import DepthFlowApp


class Tab(Static):
    """A place to go to, with its key."""

    def __init__(self, name: str, title: str, key: str, *, here: bool) -> None:
        super().__init__(Text.assemble((key.upper(), "dim"), " ", title), classes="here" if here else "")
        self.tooltip = next(row.text for row in PLACES if row.name == name)
        self._place = name

    async def on_click(self) -> None:
        await self.run_action(f"app.go('{self._place}')")


class Masthead(Horizontal):
    """Tabs and the state of the daemon."""

    DEFAULT_CSS = """
    Masthead { height: 1; background: $panel; }
    Masthead Tab { width: auto; padding: 0 1; }
    Masthead Tab.here { background: $primary; color: $text; text-style: bold; }
    Masthead Tab:hover { background: $boost; }
    Masthead #daemon { width: 1fr; text-align: right; padding: 0 1; }
    """

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place

    def compose(self) -> ComposeResult:
        for row in PLACES:
            yield Tab(row.name, row.title, row.key, here=row.name == self._place)
        yield Static(id="daemon")

    def on_mount(self) -> None:
        app = cast("DepthFlowApp", self.app)
        for signal in (app.link_changed, app.system_changed, app.jobs_changed):
            signal.subscribe(self, lambda _: self._show())
        self._show()

    def _show(self) -> None:
        link = cast("DepthFlowApp", self.app).link
        daemon = self.query_one("#daemon", Static)
        if link.state is not LinkState.ONLINE or link.system is None:
            daemon.update(Text(f"{link.state.value} {link.why}".strip(), "bold", overflow="ellipsis", no_wrap=True))
            return
        system = link.system
        words = [f"{system.jobs['queued']} queued", f"{system.jobs['running']} running"]
        if link.jobs.rate:
            words.append(f"{link.jobs.rate:.1f} frames/s")
        daemon.update(Text(" · ".join(words), overflow="ellipsis", no_wrap=True))
