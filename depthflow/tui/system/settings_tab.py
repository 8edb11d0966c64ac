"""The tab Settings: every key with its value and origin; what is typed is checked at once and written as TOML."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.widgets import DataTable, Input, Static

from depthflow import paths
from depthflow.errors import DepthFlowError
from depthflow.tui.system import entries
from depthflow.tui.system.entries import Entry
from depthflow.tui.system.tab import SystemTab, grid
from depthflow.tui.widgets.fitted_table import FittedTable


class SettingsTab(SystemTab):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "Edit", id="settings.edit"),
        Binding("delete,backspace", "reset", "Reset to default", id="settings.reset"),
        Binding("slash", "search", "Search", id="settings.search", key_display="/", priority=True),
        Binding("escape", "back", "Back", id="settings.back", show=False),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._all: list[Entry] = []
        self._shown: list[Entry] = []

    def compose(self) -> ComposeResult:
        with Container(id="settings-halves"):
            with Vertical(id="settings-left", classes="panel") as left:
                left.border_title = "Settings"
                yield Input(placeholder="search", id="settings-search", compact=True)
                yield FittedTable(id="settings-table", cursor_type="row")
            with Vertical(id="setting", classes="panel"):
                yield Static(id="setting-text")
                yield Input(id="value", compact=True)
                yield Static(id="value-problem")

    def on_mount(self) -> None:
        self.query_one("#settings-table", DataTable).add_columns("setting", "value", "from")
        self.query_one("#settings-left").border_subtitle = str(paths.user_config_file())

    def opened(self) -> None:
        self.query_one("#settings-table").focus()
        self.read()

    def again(self) -> None:
        self.read()

    @work(exclusive=True, group="settings")
    async def read(self) -> None:
        try:
            self._all = await asyncio.to_thread(entries.read_entries)
        except DepthFlowError as error:
            self.flow.complain(error)
            return
        self._fill()

    @property
    def entry(self) -> Entry | None:
        """The setting under the cursor."""
        row = self.query_one("#settings-table", DataTable).cursor_row
        return self._shown[row] if 0 <= row < len(self._shown) else None

    def _fill(self) -> None:
        table = self.query_one("#settings-table", DataTable)
        kept = self.entry.key if self.entry is not None else ""
        self._shown = entries.matching(self._all, self.query_one("#settings-search", Input).value)
        table.clear()
        for entry in self._shown:
            style = f"bold {self.colour('accent')}" if entry.changed else ""
            value = Text(entries.as_typed(entry.value), style, overflow="ellipsis")
            table.add_row(Text(entry.key, style), value, Text(entry.origin if entry.changed else "", "dim"))
        rows = [entry.key for entry in self._shown]
        table.move_cursor(row=rows.index(kept) if kept in rows else 0)
        changed = sum(entry.changed for entry in self._all)
        self.query_one("#settings-left").border_title = f"Settings · {changed} changed" if changed else "Settings"
        self._show_entry()

    def on_data_table_row_highlighted(self) -> None:
        self._show_entry()

    def on_data_table_row_selected(self) -> None:
        self.action_edit()

    def _show_entry(self) -> None:
        entry, text, field = self.entry, self.query_one("#setting-text", Static), self.query_one("#value", Input)
        self.query_one("#setting").border_title = entry.key if entry else "Nothing is found"
        field.display = entry is not None
        self.query_one("#value-problem", Static).update("")
        if entry is None:
            text.update("")
            return
        rows = [("default", entries.as_typed(entry.default))]
        if entry.changed:
            rows.append(("from", "your file" if entry.origin == "file" else entry.origin))
        if entry.allowed:
            rows.insert(0, ("allowed", entry.allowed))
        text.update(Group(Text(entry.text), Text(), grid(rows, label=8)))
        with field.prevent(Input.Changed):
            field.value = entries.as_typed(entry.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "settings-search":
            self._fill()
        elif self.entry is not None:
            self._judge(self.entry, event.value)

    def _judge(self, entry: Entry, text: str) -> bool:
        """Say whether a text would do."""
        problem = entries.wrong(entry.key, text)
        words = problem or "enter writes it, esc leaves it"
        style = self.colour("error" if problem else "success")
        self.query_one("#value-problem", Static).update(Text(words, style))
        self.query_one("#value").set_class(bool(problem), "wrong")
        return not problem

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "settings-search":
            self.action_back()
        elif self.entry is not None and self._judge(self.entry, event.value):
            self.write(self.entry.key, event.value)

    @work(exclusive=True, group="settings")
    async def write(self, key: str, text: str | None) -> None:
        """Write a value into the user's file; None takes the key out of it."""
        from depthflow.settings import set_value, unset_value

        try:
            if text is None:
                done = await asyncio.to_thread(unset_value, key)
                said = f"{key} has its default again" if done else f"{key} was not in your file"
            else:
                value = await asyncio.to_thread(set_value, key, text)
                said = f"{key} = {value}"
            self._all = await asyncio.to_thread(entries.read_entries)
        except DepthFlowError as error:
            self.flow.complain(error)
            return
        if variable := entries.overruled(key):
            self.app.notify(f"{said}, but {variable} is set and wins", severity="warning", markup=False)
        else:
            self.app.notify(said, markup=False)
        self.query_one("#settings-table").focus()
        self._fill()

    def action_edit(self) -> None:
        if self.entry is not None:
            field = self.query_one("#value", Input)
            field.focus()
            self._judge(self.entry, field.value)

    def action_reset(self) -> None:
        if self.entry is not None:
            self.write(self.entry.key, None)

    def action_search(self) -> None:
        self.screen.set_focus(self.query_one("#settings-search"))

    def action_back(self) -> None:
        self.query_one("#settings-table").focus()
        self._show_entry()
