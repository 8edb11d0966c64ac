"""Models: depth networks, what their licences allow, and what they can do here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import DataTable, Static

from depthflow.errors import Cancelled, DepthFlowError
from depthflow.progress import CancelToken
from depthflow.tui import commands, model_list
from depthflow.tui.link import LinkChanged, LinkState
from depthflow.tui.model_list import FREE, Fetched, Row
from depthflow.tui.screens.asking import AskPath, Confirm
from depthflow.tui.screens.base import Place
from depthflow.tui.system.tab import grid
from depthflow.tui.units import bar, size, span
from depthflow.tui.widgets.fitted_table import FittedTable

_COLOURS = {"good": "success", "warn": "warning", "bad": "error"}
_BAR = 20
_TELL_S = 0.1
RUNS = "3"
"""Timed photos of a bench."""
ELSEWHERE = "These are the networks of a daemon on another machine: fetch, remove and choose them there."


class ModelsScreen(Place):
    PLACE = "models"
    CSS_PATH = "models.tcss"
    HELP = """
    # Models

    The networks that see depth in a photo. One ships with the program; the others are fetched when you want them.

    The column *commercial* says what the licence allows: mind it before you sell what you made. A network whose licence
    forbids commercial use is fetched only after you agreed.

    `enter` fetches a network, or makes it the default if it is here. What was stopped goes on where it was.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "fetch", "Fetch", id="models.fetch"),
        Binding("d", "default", "Make default", id="models.default"),
        Binding("v", "verify", "Verify", tooltip="Read the file, and try it", id="models.verify"),
        Binding("b", "bench", "Bench", tooltip="Time it on this machine", id="models.bench"),
        Binding("i", "import", "Import", tooltip="Add an .onnx file of your own", id="models.import"),
        Binding("x,delete", "remove", "Remove", id="models.remove"),
        Binding("escape", "stop", "Stop fetching", id="models.stop", show=False),
        Binding("r", "again", "Look again", id="models.again", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Row] = []
        self._default = ""
        self._said: dict[str, Any] = {}
        """By name, what a bench or a check of a network came to."""
        self._cancel: CancelToken | None = None
        self._fetching = ""
        self._fetched: Fetched | None = None

    def body(self) -> ComposeResult:
        with Container(id="halves"):
            yield FittedTable(id="models", cursor_type="row", classes="panel")
            with VerticalScroll(id="details", classes="panel", can_focus=False):
                yield Static(id="details-text")
        yield Static(id="activity")

    def on_mount(self) -> None:
        table = self.query_one("#models", DataTable)
        table.border_title = "Networks"
        table.add_columns("", "name", "here", "size", "commercial", "licence")
        table.focus()
        self.flow.link_changed.subscribe(self, self._link)
        self.flow.theme_changed_signal.subscribe(self, lambda _: self._fill())
        self.read()

    def _link(self, news: LinkChanged) -> None:
        if news.state is LinkState.ONLINE and not self.local:
            self.read()

    @property
    def local(self) -> bool:
        """The networks are those of this machine."""
        return self.link.client.address.socket is not None

    @property
    def row(self) -> Row | None:
        """The network under the cursor."""
        number = self.query_one("#models", DataTable).cursor_row
        return self._rows[number] if 0 <= number < len(self._rows) else None

    # -- what is shown ---------------------------------------------------------------------------------------------

    @work(exclusive=True, group="models")
    async def read(self) -> None:
        try:
            if self.local:
                self._rows, self._default = await asyncio.to_thread(model_list.local_rows)
            else:
                self._rows = [model_list.remote_row(each) for each in await self.link.client.depth_models() or ()]
        except DepthFlowError as error:
            self.flow.complain(error)
            return
        self._fill()

    def _fill(self) -> None:
        table = self.query_one("#models", DataTable)
        number = table.cursor_row
        table.clear()
        for row in self._rows:
            word, colour = FREE[row.commercial]
            mark = Text("●", self._colour("accent")) if row.name == self._default else Text(" ")
            here = Text("yes", self._colour("success")) if row.here else Text("-", "dim")
            megabytes = Text(size(row.size_mb * 1e6) if row.size_mb else "?", justify="right")
            free = Text(word, self._colour(_COLOURS[colour]))
            table.add_row(mark, Text(row.name, "bold" if row.here else ""), here, megabytes, free, Text(row.licence))
        table.move_cursor(row=number)
        here_now = sum(row.here for row in self._rows)
        table.border_subtitle = f"{here_now} of {len(self._rows)} here · ● default" if self.local else "elsewhere"
        self._show_details()

    def on_data_table_row_highlighted(self) -> None:
        self._show_details()

    def on_data_table_row_selected(self) -> None:
        if self.row is not None:
            (self.action_default if self.row.here else self.action_fetch)()

    def _show_details(self) -> None:
        row = self.row
        if row is None:
            return
        self.query_one("#details").border_title = row.title or row.name
        word, colour = FREE[row.commercial]
        rows = [("licence", row.licence or "not stated"), ("commercial", word), *row.facts]
        parts: list[Any] = [Text(row.quality)] if row.quality else []
        if row.name in self._said:  # it was asked for just now, and is to be seen without scrolling
            parts += [Text(), self._said[row.name]]
        parts += [Text(), grid(rows, {"commercial": self._colour(_COLOURS[colour])}, label=11)]
        if row.note:
            parts += [Text(), Text(row.note, "dim")]
        if row.get and self.local:
            how = "enter fetches it" if row.fetched_from_hub else row.get
            parts += [Text(), Text(how, self._colour("primary"))]
        if not self.local:
            parts += [Text(), Text(ELSEWHERE, self._colour("warning"))]
        self.query_one("#details-text", Static).update(Group(*parts))

    def _activity(self, words: str | Text) -> None:
        shown = self.query_one("#activity", Static)
        shown.update(words)
        shown.set_class(bool(words), "busy")

    def _colour(self, name: str) -> str:
        return self.app.theme_variables[f"text-{name}"]

    # -- what can be done ------------------------------------------------------------------------------------------

    def _may(self, row: Row | None, *, here: bool | None = None) -> bool:
        """Whether something can be done to a network; says why not."""
        if row is None:
            return False
        if not self.local:
            self.notify(ELSEWHERE, severity="warning")
        elif here and not row.here:
            self.notify(f"{row.name} is not on this computer: {row.get}", severity="warning", markup=False)
        else:
            return True
        return False

    def action_again(self) -> None:
        self.read()

    def action_fetch(self) -> None:
        row = self.row
        if row is None or not self._may(row):
            return
        if row.here:
            self.notify(f"{row.name} is here.", markup=False)
        elif not row.fetched_from_hub:
            self.notify(row.get, title=f"{row.name} is not fetched from a hub", severity="warning", markup=False)
        elif self._cancel is not None:
            self.notify(f"{self._fetching} is being fetched; esc stops it", severity="warning", markup=False)
        elif (trouble := model_list.hub_trouble()) is not None:
            self.flow.complain(trouble)
        elif row.needs_consent:
            text = f"Licence {row.licence}: it forbids commercial use. {row.note}\n\nFetch {row.name} all the same?"
            self.app.push_screen(
                Confirm("Not for commercial use", text, yes="I agree, fetch it"),
                lambda yes: self._fetch(row.name) if yes else None,
            )
        else:
            self._fetch(row.name)

    def _fetch(self, name: str) -> None:
        self._cancel, self._fetching, self._fetched = CancelToken(), name, None
        self._activity(f"{name}: asking the hub…")
        self.fetch(name, self._cancel)

    @work(group="fetch")
    async def fetch(self, name: str, cancel: CancelToken) -> None:
        timer = self.set_interval(_TELL_S, self._show_fetched)

        def tell(fetched: Fetched) -> None:
            self._fetched = fetched

        try:
            await asyncio.to_thread(model_list.fetch, name, tell, cancel)
        except Cancelled:
            self.notify(f"{name}: stopped; what has come is kept, and goes on next time", markup=False)
        except DepthFlowError as error:
            self.flow.complain(error)
        else:
            self.notify(f"{name} is here", markup=False)
            self.check(name)
        finally:
            cancel.cancel()  # the thread, if the interface ends
            timer.stop()
            self._cancel = None
        self._activity("")
        self.read()

    def _show_fetched(self) -> None:
        fetched = self._fetched
        if fetched is None:
            return
        total = f" of {size(fetched.total)}" if fetched.total else ""
        words = [f"{size(fetched.done)}{total}", f"{size(fetched.rate)}/s"]
        if fetched.seconds_left is not None:
            words.append(f"{span(fetched.seconds_left)} left")
        drawn = bar(fetched.share, _BAR) if fetched.share is not None else ""
        self._activity(
            Text.assemble(
                (f" {self._fetching} ", "bold"), (drawn, self._colour("primary")), f"  {' · '.join(words)} · esc stops"
            )
        )

    def action_stop(self) -> None:
        if self._cancel is not None:
            self._cancel.cancel()

    def action_default(self) -> None:
        if self.row is not None and self._may(self.row, here=True):
            self.choose(self.row.name)

    @work(exclusive=True, group="choose")
    async def choose(self, name: str) -> None:
        try:
            await asyncio.to_thread(model_list.choose, name)
        except DepthFlowError as error:
            self.flow.complain(error)
            return
        self.notify(f"{name} is the default now: new jobs of this machine use it.", markup=False)
        self.read()

    def action_verify(self) -> None:
        if self.row is not None and self._may(self.row, here=True):
            self.check(self.row.name)

    @work(group="check")
    async def check(self, name: str) -> None:
        self._activity(f"{name}: reading it, and trying it on a photo…")
        try:
            (found,) = (await commands.run("models", "verify", name, "--json")).data()
        except DepthFlowError as error:
            self.flow.complain(error)
        else:
            style = self._colour("success" if found["ok"] else "error")
            self._said[name] = Text.assemble(("verified " if found["ok"] else "failed ", style), str(found["text"]))
            severity = "information" if found["ok"] else "error"
            self.notify(str(found["text"]), title=name, severity=severity, markup=False)  # type: ignore[arg-type]
        self._activity("")
        self._show_details()

    def action_bench(self) -> None:
        if self.row is not None and self._may(self.row, here=True):
            self.bench(self.row.name)

    @work(exclusive=True, group="bench")
    async def bench(self, name: str) -> None:
        self._activity(f"{name}: timing it on every provider that is here…")
        try:
            rows = (await commands.run("models", "bench", name, "--runs", RUNS, "--json")).data()
        except DepthFlowError as error:
            self.flow.complain(error)
        else:
            self._said[name] = timings(rows)
        self._activity("")
        self._show_details()

    def action_import(self) -> None:
        if not self.local:
            self.notify(ELSEWHERE, severity="warning")
            return
        text = "Path of an .onnx file. It is tried on a photo first, then copied into the models folder."
        start = f"{self.flow.preferences.folder}/"
        self.app.push_screen(AskPath("Import a network", text, value=start, suffix=".onnx"), self._import)

    def _import(self, file: Path | None) -> None:
        if file is not None:
            self.take(file)

    @work(exclusive=True, group="import")
    async def take(self, file: Path) -> None:
        self._activity(f"{file.name}: trying it on a photo…")
        result = await commands.run("models", "import", str(file))
        self._activity("")
        if result.code:
            self.flow.complain(result.trouble)
        else:
            self.notify(result.stdout.strip() or f"{file.name} is here", markup=False)
            self.read()

    def action_remove(self) -> None:
        row = self.row
        if row is None or not self._may(row, here=True):
            return
        if row.source == "builtin":
            self.notify(f"{row.name} ships with the program: it cannot be removed.", severity="warning", markup=False)
            return
        text = f"{row.name}, {size(row.size_mb * 1e6)}, is deleted from the models folder. {_back(row)}"

        def answer(yes: bool | None) -> None:
            if yes:
                self.remove_row(row.name)

        self.app.push_screen(Confirm("Remove a network", text, yes="Remove"), answer)

    @work(exclusive=True, group="remove")
    async def remove_row(self, name: str) -> None:
        try:
            freed = await asyncio.to_thread(model_list.remove, name)
        except DepthFlowError as error:
            self.flow.complain(error)
            return
        if name == self._default:
            self.notify(f"{name} was the default: choose another one.", severity="warning", markup=False)
        self.notify(f"{name} is gone, {size(freed)} are free again.", markup=False)
        self._said.pop(name, None)
        self.read()


def _back(row: Row) -> str:
    return "It can be fetched again." if row.fetched_from_hub else "It can't be fetched: keep the file you made it of."


def timings(rows: list[dict[str, Any]]) -> Group:
    """What `depthflow models bench --json` gives, as a table; milliseconds."""
    failed = [Text(f"{one['provider']} failed: {one['error']}") for one in rows if one["error"]]
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for heading in ("provider", "map", "load", "first", "median", "best"):
        table.add_column(heading, justify="left" if heading == "provider" else "right")
    for one in (row for row in rows if not row["error"]):
        times = [Text(f"{one[f'{key}_ms']:.0f}") for key in ("load", "first", "median", "best")]
        table.add_row(Text(str(one["provider"])), Text("x".join(map(str, one["size"]))), *times)
    return Group(table, Text("milliseconds a photo, without refinement", "dim"), *failed)
