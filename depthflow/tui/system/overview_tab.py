"""The tab Overview: the daemon, its machine, its queue and its limits at one glance."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from depthflow.client.models import System
from depthflow.tui.system import overview
from depthflow.tui.system.tab import SystemTab, grid
from depthflow.tui.units import bar

_STATES = {"running": "success", "paused": "warning", "draining": "warning"}
_JOBS = {"running": "primary", "done": "success", "failed": "error", "waiting": "warning"}
_BAR = 14


class OverviewTab(SystemTab):
    def compose(self) -> ComposeResult:
        with VerticalScroll(id="cards"):
            for name, title in (
                ("daemon", "Daemon"), ("machine", "Machine"), ("jobs", "Jobs"), ("limits", "Accepted"),
            ):  # fmt: skip
                card = Static(id=f"card-{name}", classes="panel")
                card.border_title = title
                yield card

    def system_is(self, system: System) -> None:
        link = self.flow.link
        rows = overview.daemon_rows(system, str(link.client.address), private=link.private)
        styles = {"state": f"bold {self.colour(_STATES[overview.state(system)])}"}
        self._card("daemon").update(grid(rows, styles))
        self._card("machine").update(grid(overview.machine_rows(system)))
        self._card("jobs").update(self._jobs(overview.job_rows(system)))
        self._card("limits").update(grid(overview.limit_rows(system)))

    def _card(self, name: str) -> Static:
        return self.query_one(f"#card-{name}", Static)

    def _jobs(self, rows: list[tuple[str, int]]) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=10, style="dim")
        table.add_column(justify="right", min_width=5)
        table.add_column()
        most = max(count for _, count in rows) or 1
        for name, count in rows:
            style = self.colour(_JOBS[name]) if name in _JOBS else "dim"
            table.add_row(name, Text(f"{count:,}"), Text(bar(count / most, _BAR) if count else "", style))
        return table
