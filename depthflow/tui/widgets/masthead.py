"""The top of every place: where one can go, and how the daemon is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from depthflow.tui.link import LinkState
from depthflow.tui.places import PLACES

if TYPE_CHECKING:
    from depthflow.client.models import System
    from depthflow.tui.app import DepthFlowApp
    from depthflow.tui.link import Link

WIDE = 120
"""Cells from which on places and daemon share a line."""
BARS = "▁▂▃▄▅▆▇█"
DIM = "$foreground 60%"


class Tab(Static):
    """A place to go to, with its key."""

    def __init__(self, name: str, title: str, key: str, *, here: bool) -> None:
        super().__init__(Content.assemble((key.upper(), "dim"), " ", title), classes="here" if here else "")
        self.tooltip = next(row.text for row in PLACES if row.name == name)
        self._place = name

    async def on_click(self) -> None:
        await self.run_action(f"app.go('{self._place}')")


class Masthead(Widget):
    """Tabs and the state of the daemon, on one line or on two."""

    DEFAULT_CSS = """
    Masthead {
        height: 2; background: $panel; layout: vertical;
        & #places { width: auto; height: 1; }
        & Tab { width: auto; padding: 0 1; color: $text-muted; }
        & Tab.here { background: $primary; color: $text; text-style: bold; }
        & Tab:hover { background: $boost; }
        & #daemon { width: 1fr; height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    }
    Masthead.wide { height: 1; layout: horizontal; }
    Masthead.wide #daemon { text-align: right; }
    """

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place
        self._said = Content("")

    def compose(self) -> ComposeResult:
        with Horizontal(id="places"):
            for row in PLACES:
                yield Tab(row.name, row.title, row.key, here=row.name == self._place)
        yield Static(id="daemon")

    def on_mount(self) -> None:
        app = cast("DepthFlowApp", self.app)
        # A frame's progress changes nothing here that the next look at the daemon does not tell.
        for signal in (app.link_changed, app.system_changed):
            signal.subscribe(self, lambda _: self._show())
        self._show()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(self.app.size.width >= WIDE, "wide")
        self._show()

    def _show(self) -> None:
        said = daemon_line(cast("DepthFlowApp", self.app).link, self.app.size.width)
        if said != self._said:
            self._said = said
            self.query_one("#daemon", Static).update(said)


def daemon_line(link: Link, width: int) -> Content:
    """How the daemon is, in about so many cells as there are; the most important comes first."""
    if link.state is not LinkState.ONLINE or link.system is None:
        style = "bold $text-error" if link.state is LinkState.OFFLINE else "$text-warning"
        return Content.assemble((f"○ {link.state.value}", style), (f"  {link.why}" if link.why else "", DIM))
    system = link.system
    parts = [_state(system), *_jobs(system)]
    rates = list(link.rates)
    if any(rates):
        shown = 24 if width >= 160 else 12 if width < WIDE or width >= 140 else 6
        parts.append(Content.assemble((sparkline(rates[-shown:]), "$accent"), f" {rates[-1]:.1f} fps"))
    busy = sum(worker.state == "busy" for worker in system.workers)
    if system.workers and (width >= 140 or width < WIDE):
        parts.append(Content.assemble(f"{busy}/{len(system.workers)}", (" workers", DIM)))
    free = system.disk_free_bytes
    if free is not None and (width >= 140 or width < WIDE):
        low = free < 2_000_000_000
        parts.append(Content.assemble((f"{free / 1e9:.0f} GB", "bold $text-warning" if low else ""), (" free", DIM)))
    if system.renderer and width >= 160:
        parts.append(Content.styled(short(system.renderer), DIM))
    return Content("  ").join(parts)


def _state(system: System) -> Content:
    if system.draining:
        return Content.styled("● ending", "bold $text-warning")
    if system.paused:
        return Content.styled("‖ paused", "bold $text-warning")
    return Content.styled("● online", "$text-success")


def _jobs(system: System) -> list[Content]:
    waiting = system.jobs["queued"] + system.jobs["waiting"]
    said = [(system.jobs["running"], "running"), (waiting, "queued")]
    return [Content.assemble(f"{count}", (f" {word}", DIM)) for count, word in said]


def short(renderer: str) -> str:
    """The part of a renderer's name before its details."""
    return renderer.partition("(")[0].strip()[:24]


def sparkline(values: Sequence[float]) -> str:
    """One cell a value, the largest as high as a cell."""
    top = max(values, default=0.0)
    if top <= 0:
        return BARS[0] * len(values)
    return "".join(BARS[min(len(BARS) - 1, int(value / top * (len(BARS) - 0.01)))] for value in values)
