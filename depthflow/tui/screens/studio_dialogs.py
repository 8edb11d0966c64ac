"""What the studio asks in a window of its own: a value, a preset's name, and whether to queue the job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from depthflow.errors import DepthFlowError
from depthflow.tui.steady import Modal
from depthflow.tui.studio.preset_file import preset_path, preset_toml

T = TypeVar("T")


class Dialog(Modal[T]):
    """A window over the studio; escape closes it."""

    CSS_PATH = "studio_dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close", id="dialog.close")]

    def action_close(self) -> None:
        self.dismiss(None)


class ChooseDialog(Dialog[str]):
    """One of several names."""

    def __init__(self, title: str, names: Sequence[str], now: str) -> None:
        super().__init__()
        self._title, self._names, self._now = title, names, now

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="narrow") as dialog:
            dialog.border_title = self._title
            yield OptionList(*(Option(Text(name), id=name) for name in self._names))

    def on_mount(self) -> None:
        if self._now in self._names:
            self.query_one(OptionList).highlighted = self._names.index(self._now)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)


class SaveDialog(Dialog[tuple[str, str, bool]]):
    """A preset's name and description, and whether one that is there is to be replaced."""

    def __init__(self, name: str, description: str, parts: dict[str, object]) -> None:
        super().__init__()
        self._name_now, self._description, self._parts = name, description, parts

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide") as dialog:
            dialog.border_title = "Save as a preset"
            yield Label("Name", classes="heading")
            yield Input(self._name_now, placeholder="letters, digits, - and _", id="name")
            yield Label("What it looks like, in a line", classes="heading")
            yield Input(self._description, id="description")
            yield Static(Text(preset_toml(self._parts) or "Nothing is changed: this is the default look."), id="toml")
            yield Label("", id="problem")
            with Horizontal(id="buttons"):
                yield Button("Save", variant="primary", id="save")
                yield Button("Cancel", id="cancel")

    def on_input_changed(self) -> None:
        self._say()

    def on_input_submitted(self) -> None:
        self._save()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(None) if event.button.id == "cancel" else self._save()

    def _say(self) -> bool:
        """Whether it can be saved; what stands against it is said."""
        problem, button = self.query_one("#problem", Label), self.query_one("#save", Button)
        button.label = "Save"
        try:
            path = preset_path(self.query_one("#name", Input).value)
        except DepthFlowError as error:
            problem.update(Text(f"{error}\n{error.hint}"))
            return False
        if path.exists():
            button.label = "Replace"
            problem.update(Text(f"{path.name} is there already; its comments stay"))
        else:
            problem.update(Text(str(path)))
        return True

    def _save(self) -> None:
        if self._say():
            name, description = (self.query_one(f"#{field}", Input).value for field in ("name", "description"))
            # What the button says is what is done: "Replace" was read before it was pressed.
            self.dismiss((name, description, str(self.query_one("#save", Button).label) == "Replace"))


class SubmitDialog(Dialog[str]):
    """Whether to queue the job; the answer is "stay" or "go", to the queue."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "answer('stay')", "Queue it", id="submit.stay"),
        Binding("g", "answer('go')", "Queue it and go there", id="submit.go"),
    ]

    def __init__(self, facts: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._facts = facts

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide") as dialog:
            dialog.border_title = "Make the video"
            text = Text()
            for name, value in self._facts:
                text.append(f"{name:<9}", "dim").append(f"{value}\n")
            yield Static(text, id="facts")
            with Horizontal(id="buttons"):
                yield Button("Queue it", variant="primary", id="stay")
                yield Button("Queue it, and Go there", id="go")
                yield Button("Cancel", id="cancel")

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(None if event.button.id == "cancel" else event.button.id)


class CommandDialog(Dialog[None]):
    """A command line, which is in the clipboard already."""

    def __init__(self, command: str, note: str) -> None:
        super().__init__()
        self._command, self._note = command, note

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide") as dialog:
            dialog.border_title = "The command that does the same"
            yield Static(Text(self._command), id="command")
            yield Label(self._note, id="problem")
