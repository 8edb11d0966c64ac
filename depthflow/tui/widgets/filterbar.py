"""The line above the table: states to choose from, what is searched for, and how the rows are ordered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from depthflow.tui.columns import ICONS
from depthflow.tui.joblist import JobList, Query

if TYPE_CHECKING:
    from depthflow.client.models import JobState

STATES = ("running", "queued", "waiting", "done", "failed", "cancelled", "skipped")
"""In the order of the keys 1 to 7."""
WIDE = 110
"""Cells from which on states have names, and not their signs only."""


def say(where: Static, said: Content) -> None:
    """Show this, if it is not what is shown already: an update draws, and may lay out the whole screen."""
    if where.content != said:
        where.update(said)


class Chip(Static):
    """One state, with how many jobs are in it; a click shows only these, or these too."""

    def __init__(self, state: str) -> None:
        super().__init__(id=f"chip-{state}")
        self.state = state
        self.tooltip = "All jobs" if state == "all" else f"Only what is {state}"

    class Pressed(Message):
        """It was clicked."""

        def __init__(self, state: str) -> None:
            super().__init__()
            self.state = state

    def on_click(self) -> None:
        self.post_message(self.Pressed(self.state))


class Search(Input):
    """What is searched for; escape empties it."""

    class Left(Message):
        """Enter or escape was pressed."""

    async def on_key(self, event: events.Key) -> None:
        if event.key in ("escape", "down", "enter"):
            event.stop()
            event.prevent_default()
            if event.key == "escape":
                self.value = ""
            self.post_message(self.Left())


class FilterBar(Horizontal):
    """Chips of states, then the search, then the order."""

    DEFAULT_CSS = """
    FilterBar {
        height: 1; background: $panel;
        & Chip { width: auto; padding: 0 1; color: $text-muted; }
        & Chip:hover { background: $boost; }
        & Chip.on { background: $primary; color: $text; text-style: bold; }
        & Search { width: 1fr; min-width: 12; margin: 0 1; background: $boost; display: none; }
        & #order { width: 1fr; text-align: right; padding: 0 1; color: $text-muted; }
    }
    """

    class Asked(Message):
        """Others are to be shown."""

        def __init__(self, query: Query) -> None:
            super().__init__()
            self.query = query

    def __init__(self, jobs: JobList) -> None:
        super().__init__()
        self._jobs = jobs

    def compose(self) -> ComposeResult:
        yield Chip("all")
        for state in STATES:
            yield Chip(state)
        yield Search(placeholder="name, folder, preset, error, #12", compact=True, id="search")
        yield Static(id="order")

    def begin_search(self) -> None:
        search = self.query_one(Search)
        search.display = True
        self.screen.set_focus(search)  # at once: the next key is meant for it

    def toggle(self, state: str) -> None:
        query = self._jobs.query
        self.ask(replace(query, states=frozenset()) if state == "all" else query.toggled(state))

    def ask(self, query: Query) -> None:
        self.post_message(self.Asked(query))

    def clear(self) -> None:
        search = self.query_one(Search)
        search.value, search.display = "", False
        self.ask(Query())

    def show(self, counts: Mapping[JobState, int], total: int, chosen: int) -> None:
        """Say how many there are of each state, and how many are selected."""
        query, wide = self._jobs.query, self.app.size.width >= WIDE
        for chip in self.query(Chip):
            state = chip.state
            count = total if state == "all" else counts.get(cast("JobState", state), 0)
            word = state if wide or state == "all" else ICONS[state]
            text = f"{ICONS[state]} {word} {count}" if wide and state != "all" else f"{word} {count}"
            on = state in query.states or (state == "all" and not query)
            say(chip, Content(text))
            chip.set_class(on, "on")
            chip.display = on or state == "all" or count > 0
        said = [f"{chosen} selected"] if chosen else []
        said += [f"folder {query.folder}"] if query.folder is not None else []
        said += [f"{len(self._jobs)} of {total}"] if query else []
        said.append(f"{'↑' if self._jobs.backwards else '↓'} {self._jobs.sort.title}")
        say(self.query_one("#order", Static), Content(" · ".join(said)))

    def on_chip_pressed(self, event: Chip.Pressed) -> None:
        event.stop()
        self.toggle(event.state)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.ask(replace(self._jobs.query, text=event.value))

    def on_search_left(self, event: Search.Left) -> None:
        search = self.query_one(Search)
        search.display = bool(search.value)
