"""The tab Workers: the processes that make jobs."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import DataTable, Static

from depthflow.client.models import System
from depthflow.tui.system.overview import worker_cells
from depthflow.tui.system.tab import SystemTab
from depthflow.tui.widgets.fitted_table import FittedTable

_STATES = {"busy": "success", "idle": "primary", "starting": "warning"}


class WorkersTab(SystemTab):
    def compose(self) -> ComposeResult:
        yield Static("", id="workers-line", classes="muted")
        yield FittedTable(id="workers-table", cursor_type="row", classes="panel")

    def on_mount(self) -> None:
        table = self.query_one("#workers-table", DataTable)
        table.border_title = "Workers"
        table.add_columns("worker", "state", "job", "photo", "process", "memory")

    def system_is(self, system: System) -> None:
        engine = system.engine
        words = [f"engine {engine.get('state', '?')}"]
        if "workers" in engine:
            words.append(f"up to {engine['workers']} workers")
        restarts = engine.get("restarts", 0)
        words.append(f"{restarts} {'restart' if restarts == 1 else 'restarts'}")
        if engine.get("memory_limit"):
            words.append(f"memory limit {engine['memory_limit']}")
        self.query_one("#workers-line", Static).update(Text(" · ".join(words)))
        table = self.query_one("#workers-table", DataTable)
        row = table.cursor_row
        table.clear()
        for worker in system.workers:
            name, state, number, process, memory = worker_cells(worker)
            job = self.flow.link.jobs.get(worker.job) if worker.job is not None else None
            photo = job.source.rpartition("/")[2] if job is not None else ""
            style = self.colour(_STATES[state]) if state in _STATES else ""
            cells = (Text(number), Text(photo), Text(process, justify="right"), Text(memory, justify="right"))
            table.add_row(Text(name, "bold"), Text(state, style), *cells)
        table.move_cursor(row=row)
        table.border_subtitle = "" if system.workers else "none now: they start with the first job"
