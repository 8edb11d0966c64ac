"""Chooses photos for the queue, and how they are made."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, DirectoryTree, Input, Select, Static

from depthflow.tui.pasted import paths_in
from depthflow.tui.screens.photo_browser import PhotoBrowser, PhotoTree, beginning


class AddPhotos(PhotoBrowser):
    """The answer is (paths, preset), or None.

    Args:
        presets: names to choose from.
        preset: the one that is chosen at first; None for none.
        photo: where to begin; None for the user's pictures.
    """

    TITLE_TEXT = "Add photos"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "submit", "Add", id="add.submit"),
    ]

    def __init__(self, presets: Sequence[str], preset: str | None, photo: Path | None = None) -> None:
        super().__init__(photo)
        self._presets, self._preset = list(presets), preset if preset in presets else None

    def compose(self) -> ComposeResult:
        with Vertical(classes="sheet") as sheet:
            sheet.border_subtitle = "space marks · enter adds · tab completes"
            yield self.field("/ or ctrl+l: a path, or several; photos and folders")
            with Horizontal(id="look"):
                yield PhotoTree(beginning(self._photo), marks=True)
                yield from self.seen()
            with Horizontal(id="bottom"):
                yield Select(
                    [(name, name) for name in self._presets], prompt="preset: as in settings", compact=True,
                    id="preset", value=self._preset if self._preset else Select.NULL,
                )  # fmt: skip
                yield Static(id="marked")
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Add (ctrl+s)", id="submit", variant="primary", compact=True)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#path" if self._photo else "#tree").focus()
        if self._photo is not None:
            self.look_at(self._photo)

    @on(PhotoTree.Marked)
    def _marked(self) -> None:
        count = len(self.folders.marked)
        self.query_one("#marked", Static).update(f"{count} marked" if count else "")

    # -- choosing --------------------------------------------------------------------------------------------------

    @on(DirectoryTree.FileSelected)
    def _selected(self, event: DirectoryTree.FileSelected) -> None:
        marked = self.folders.marked
        self._answer([*marked] if marked else [event.path])

    @on(Input.Submitted, "#path")
    def _entered(self) -> None:
        self.action_submit()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "submit":
            self.action_submit()
        else:
            self.dismiss(None)

    @work(exclusive=True, group="submit")
    async def action_submit(self) -> None:
        """What is marked, and what the path names; else what is under the cursor."""
        tree, text = self.folders, self.query_one("#path", Input).value.strip()
        typed = await asyncio.to_thread(paths_in, text) if text else []
        if not self.is_current:
            return
        if text and not typed:
            self.say(f"{text}: is not there")
            return
        node = tree.cursor_node
        under = [node.data.path] if node is not None and node.data is not None and node is not tree.root else []
        self._answer([*tree.marked, *typed] or under)

    def _answer(self, paths: list[Path]) -> None:
        if not paths:
            self.say("mark photos with space first", "$text-warning")
            return
        chosen = self.query_one("#preset", Select).value
        self.dismiss((list(dict.fromkeys(paths)), None if chosen is Select.NULL else str(chosen)))
