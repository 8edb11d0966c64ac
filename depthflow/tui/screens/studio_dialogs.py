"""What the studio asks in a window of its own: a photo, a value, a preset's name, and whether to queue the job."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, DirectoryTree, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from depthflow.errors import DepthFlowError
from depthflow.tui.steady import Modal
from depthflow.tui.studio.preset_file import preset_path, preset_toml
from depthflow.tui.widgets.picture import Picture

T = TypeVar("T")
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".bmp", ".jp2", ".gif")
)


class Dialog(Modal[T]):
    """A window over the studio; escape closes it."""

    CSS_PATH = "studio_dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close", id="dialog.close")]

    def action_close(self) -> None:
        self.dismiss(None)


class Photos(DirectoryTree):
    """Folders, and what may be a photo."""

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        for path in paths:
            if not path.name.startswith(".") and (path.suffix.lower() in SUFFIXES or path.is_dir()):
                yield path


class PhotoDialog(Dialog[str]):
    """Which photo: a path, one of the last ones, or one from the folders; the answer is its path."""

    def __init__(self, recent: Sequence[str], folder: Path, load: Callable[[str], object]) -> None:
        super().__init__()
        self._recent, self._folder, self._load = list(recent), folder, load

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide") as dialog:
            dialog.border_title = "Choose a photo"
            placeholder = "Path of a photo; or paste one" + ("; enter takes the last one" if self._recent else "")
            yield Input(placeholder=placeholder, id="path")
            with Horizontal(id="choice"):
                with Vertical(id="from"):
                    if self._recent:
                        yield Label("Last photos", classes="heading")
                        yield OptionList(
                            *(Option(Text(_short(path), no_wrap=True), id=path) for path in self._recent), id="recent"
                        )
                    yield Photos(self._folder, id="tree")
                yield Picture(id="seen")
            yield Label("", id="problem")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._take(event.value)
        elif self._recent:  # the one that is shown
            chosen = self.query_one("#recent", OptionList).highlighted or 0
            self._take(self._recent[chosen])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._take(str(event.option_id))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self._see(str(event.option_id))

    def on_directory_tree_file_selected(self, event: DirectoryTree.FileSelected) -> None:
        self._take(str(event.path))

    def on_tree_node_highlighted(self, event: DirectoryTree.NodeHighlighted[object]) -> None:
        entry = event.node.data
        path = getattr(entry, "path", None)
        if path is not None and Path(path).suffix.lower() in SUFFIXES:
            self._see(str(path))

    @work(thread=True, exclusive=True)
    def _see(self, path: str) -> None:
        try:
            image = self._load(path)
        except DepthFlowError:
            image = None
        self.app.call_from_thread(self._seen, image)

    def _seen(self, image: object) -> None:
        if self.is_attached:
            self.query_one("#seen", Picture).set_image(image)  # type: ignore[arg-type]

    def _take(self, text: str) -> None:
        path = _unquoted(text)
        if Path(path).expanduser().is_file():
            self.dismiss(str(Path(path).expanduser().absolute()))
        else:
            self.query_one("#problem", Label).update(Text(f"{path}: there is no such file"))


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
            problem.update(Text(f"{error}. {error.hint}"))
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


def _short(path: str) -> str:
    """Its end: the name says more than the folder."""
    return path if len(path) <= 46 else f"…{path[-45:]}"


def _unquoted(text: str) -> str:
    """A path as it is dropped onto a terminal: quoted, escaped, or as file:// address."""
    text = text.strip()
    if text.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        return unquote(urlsplit(text).path)
    if Path(text).expanduser().is_file():
        return text
    try:
        words = shlex.split(text)
    except ValueError:
        return text
    return words[0] if len(words) == 1 else text
