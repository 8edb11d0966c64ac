"""Small sheets that ask for one thing: a path, or whether something is to be done that cannot be undone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from depthflow.paths import expanded, is_file, is_folder
from depthflow.tui.steady import Modal
from depthflow.tui.widgets.pathfield import PathField


class Confirm(Modal[bool]):
    """Yes or no; escape is no.

    Args:
        title, text: what it is about, and what cannot be undone.
        yes: what the button does.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", "No", id="confirm.no"),
        Binding("y", "answer(True)", "Yes", id="confirm.yes"),
    ]

    def __init__(self, title: str, text: str, *, yes: str) -> None:
        super().__init__()
        self._title, self._text, self._yes = title, text, yes

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as sheet:
            sheet.border_title = Text(self._title)  # brackets in a name are no markup
            yield Static(Text(self._text))
            with Horizontal(classes="buttons"):
                yield Button("No (esc)", id="no", compact=True)
                yield Button(f"{self._yes} (y)", id="yes", variant="error", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


class AskPath(Modal[Path | None]):
    """A path of something that is there; escape gives None.

    Args:
        title, text: what it is for.
        folder: a folder is wanted, not a file.
        suffix: what the file's name has to end with, such as ".onnx"; empty for any.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Cancel", id="path.cancel"),
    ]

    def __init__(self, title: str, text: str, *, value: str = "", folder: bool = False, suffix: str = "") -> None:
        super().__init__()
        self._title, self._text, self._value = title, text, value
        self._folder, self._suffix = folder, suffix

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as sheet:
            sheet.border_title = Text(self._title)  # brackets in a name are no markup
            sheet.border_subtitle = "tab completes · enter · esc"
            yield Static(Text(self._text), classes="muted")
            yield PathField(self._value, wanted=self._is_wanted)
            yield Static(id="problem", classes="bad")

    def on_input_changed(self) -> None:
        self.query_one("#problem", Static).update("")

    def _is_wanted(self, path: Path) -> bool:
        return not self._folder and path.name.lower().endswith(self._suffix)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._check(event.value.strip().strip("'\""))

    @work(exclusive=True)
    async def _check(self, text: str) -> None:
        path = expanded(text)
        found = await asyncio.to_thread(is_folder if self._folder else is_file, path)
        if not text or not found:
            kind = "folder" if self._folder else "file"
            self.query_one("#problem", Static).update(Text(f"there is no such {kind}"))
        elif self._suffix and path.suffix.lower() != self._suffix:
            self.query_one("#problem", Static).update(Text(f"a file whose name ends with {self._suffix} is wanted"))
        else:
            self.dismiss(path.absolute())
