"""The tabs Doctor and Encoders: what `depthflow doctor` finds on this machine. One run serves both."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.console import Group
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import DataTable, Static

from depthflow.client.models import System
from depthflow.errors import DepthFlowError
from depthflow.tui import commands
from depthflow.tui.system import doctor
from depthflow.tui.system.tab import ELSEWHERE, SystemTab, grid
from depthflow.tui.widgets.fitted_table import FittedTable

_COLOURS = {"good": "success", "warn": "warning", "bad": "error"}


class DoctorTab(SystemTab):
    """Runs the doctor when it is first looked at."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("c", "copy", "Copy the mend", id="doctor.copy")]

    class Reported(Message):
        """The doctor has spoken."""

        def __init__(self, report: dict[str, Any]) -> None:
            super().__init__()
            self.report = report

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._findings: list[doctor.Finding] = []
        self._asked = False

    def compose(self) -> ComposeResult:
        yield Static("", id="doctor-line", classes="muted")
        yield FittedTable(id="checks", cursor_type="row", zebra_stripes=False, classes="panel")
        with VerticalScroll(id="check", classes="panel", can_focus=False):
            yield Static(id="check-text")

    def on_mount(self) -> None:
        table = self.query_one("#checks", DataTable)
        table.border_title = "Checks"
        table.show_header = False
        table.add_columns("", "check", "what it found")
        self.query_one("#check").border_title = "Details"

    def opened(self) -> None:
        if not self._asked:
            self.again()

    def again(self) -> None:
        self._asked = True
        self.examine()

    @work(exclusive=True, group="doctor")
    async def examine(self) -> None:
        line = self.query_one("#doctor-line", Static)
        line.update("looking at this machine…")
        self.query_one("#checks").loading = True
        try:
            report = (await commands.run("doctor", "--json")).data()
        except DepthFlowError as error:
            self.flow.complain(error)
            line.update(Text(error.message, self.colour("error")))
        else:
            self.show(report)
        self.query_one("#checks").loading = False

    def show(self, report: dict[str, Any]) -> None:
        """Show a report of `depthflow doctor --json`."""
        self._findings = doctor.findings(report)
        bad = sum(found.status == "fail" for found in self._findings)
        doubtful = sum(found.status == "warn" for found in self._findings)
        words = f"{len(self._findings)} checks of this machine: "
        words += f"{bad} broken, {doubtful} to look at" if bad or doubtful else "nothing is broken"
        here = "" if self.local else "; the daemon is on another one"
        self.query_one("#doctor-line", Static).update(words + here)
        table = self.query_one("#checks", DataTable)
        table.clear()
        for found in self._findings:
            sign, colour = doctor.MARKS.get(found.status, ("?", "warn"))
            style = self.colour(_COLOURS[colour])
            table.add_row(Text(sign, style), Text(found.name, "bold"), Text(found.summary))
        first = next((row for row, found in enumerate(self._findings) if found.status != "ok"), 0)
        table.move_cursor(row=first)
        self.post_message(self.Reported(report))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        if event.cursor_row < len(self._findings):
            found = self._findings[event.cursor_row]
            self.query_one("#check").border_title = found.name
            self.query_one("#check-text", Static).update(self._details(found))

    def _details(self, found: doctor.Finding) -> Group:
        label = max([len(name) for name, _ in found.facts] + [10])
        parts: list[Any] = []
        if found.problem:
            style = self.colour("error" if found.status == "fail" else "warning")
            parts += [Text(found.problem, style), Text(f"→ {found.mend}  (c copies it)", "bold"), Text()]
        return Group(*parts, grid(found.facts, label=min(label, 24)))

    def action_copy(self) -> None:
        row = self.query_one("#checks", DataTable).cursor_row
        found = self._findings[row] if row < len(self._findings) else None
        if found is None or not found.mend:
            self.app.notify("There is nothing to mend here.")
            return
        self.app.copy_to_clipboard(found.mend)
        self.app.notify("Copied.")


class EncodersTab(SystemTab):
    """Encoders that were tried: of this machine with reasons, of one elsewhere by name."""

    def compose(self) -> ComposeResult:
        yield Static("", id="encoders-line", classes="muted")
        with Vertical():
            yield FittedTable(id="encoders-table", cursor_type="row", classes="panel")

    def on_mount(self) -> None:
        table = self.query_one("#encoders-table", DataTable)
        table.border_title = "Encoders"
        table.add_columns("", "encoder", "kind", "why not")

    def opened(self) -> None:
        if not self.local:
            self.ask()

    @work(exclusive=True, group="encoders")
    async def ask(self) -> None:
        try:
            system: System = await self.flow.link.client.system(encoders=True)
        except DepthFlowError as error:
            self.flow.complain(error)
            return
        self._fill([doctor.Encoder(name, "tried there", True) for name in system.encoders])
        self.query_one("#encoders-line", Static).update(ELSEWHERE.format("depthflow doctor --only ffmpeg"))

    def show(self, report: dict[str, Any]) -> None:
        """Show what a report of the doctor says of encoders."""
        if self.local:
            self._fill(doctor.encoders(report))
            self.query_one("#encoders-line", Static).update(Text(doctor.ffmpeg_line(report), overflow="ellipsis"))

    def _fill(self, encoders: list[doctor.Encoder]) -> None:
        table = self.query_one("#encoders-table", DataTable)
        table.clear()
        for encoder in encoders:
            sign, style = ("●", self.colour("success")) if encoder.works else ("✖", self.colour("error"))
            cells = (encoder.name, encoder.kind, encoder.why)
            table.add_row(Text(sign, style), *(Text(cell) for cell in cells))
        works = [encoder for encoder in encoders if encoder.works]
        hardware = sum(encoder.kind == "hardware" for encoder in works)
        table.border_subtitle = f"{len(works)} encode here" + (f", {hardware} in hardware" if hardware else "")
