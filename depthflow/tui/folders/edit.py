"""The sheet that adds a watched folder or changes one: it says while one types what would come of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.timer import Timer
from textual.widgets import Button, Input, Label, Select, Static

from depthflow.client.models import Folder
from depthflow.errors import DepthFlowError
from depthflow.paths import expanded, is_folder
from depthflow.tui import commands
from depthflow.tui.folders.asking import ChooseFolder
from depthflow.tui.folders.words import found_words
from depthflow.tui.steady import Modal
from depthflow.tui.widgets.pathfield import PathField
from depthflow.tui.widgets.tick import Tick

PAUSE_S = 0.4
"""After the last key until what was typed is tried."""
NONE = ""
"""No preset."""


class EditFolder(Modal[dict[str, Any] | None]):
    """What `depthflow daemon folders add` or `set` said once it is done; escape gives None.

    Args:
        presets: names to choose from.
        folder: the one to change; None adds one.
        start: where the browser begins.
    """

    CSS_PATH = "sheets.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Cancel", id="folder.cancel"),
        Binding("ctrl+s", "save", "Save", id="folder.save", priority=True),
        Binding("ctrl+o", "browse", "Browse", id="folder.browse", priority=True),
    ]

    def __init__(self, presets: Sequence[str], *, folder: Folder | None = None, start: Path | None = None) -> None:
        super().__init__()
        self._folder, self._start = folder, start or Path.home()
        known = [*presets]
        if folder is not None and folder.preset and folder.preset not in known:
            known.append(folder.preset)  # a path, or one that is gone
        self._presets = [("none: your settings hold", NONE), *((name, name) for name in known)]
        self._guessed = {"out": "", "name": ""}
        self._pause: Timer | None = None
        self._tried: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        folder = self._folder
        with Vertical(classes="folder-sheet") as sheet:
            sheet.border_title = "Watch a folder" if folder is None else Text(f"Folder {folder.name}")
            sheet.border_subtitle = "tab completes · ctrl+o browse · ctrl+s save · esc"
            with VerticalScroll(classes="fields"):
                for key, label, value, hint in (
                    ("in", "Photos", "" if folder is None else folder.root, "where photos are dropped"),
                    ("out", "Results", "" if folder is None else folder.output, "where videos go"),
                ):
                    with Horizontal(classes="field"):
                        yield Label(label)
                        yield PathField(value, placeholder=hint, id=key)
                        yield Button("…", id=f"browse-{key}", compact=True, tooltip="Choose a folder")
                with Horizontal(classes="field"):
                    yield Label("Name")
                    yield Input("" if folder is None else folder.name, placeholder="in lists", id="name", compact=True)
                with Horizontal(classes="field"):
                    yield Label("Preset")
                    chosen = NONE if folder is None or not folder.preset else folder.preset
                    yield Select(self._presets, value=chosen, allow_blank=False, id="preset", compact=True)
                with Horizontal(classes="field", id="create-row"):
                    yield Label("")
                    yield Tick("make the photos' folder if it is not there", id="create")
            yield Static(id="verdict")
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Watch it" if folder is None else "Save", id="yes", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one("#create-row").display = False
        self.query_one("#in", Input).focus()
        self._say("Type or choose a folder. Every photo that is dropped into it becomes a video.", "muted")
        if self._folder is not None:
            self._try_soon()

    # -- what is typed ---------------------------------------------------------------------------------------------

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "in" and self._folder is None:
            self._guess(event.value.strip())
        self._try_soon()

    def on_select_changed(self) -> None:
        self._try_soon()

    def on_checkbox_changed(self) -> None:
        self._try_soon()

    def on_input_submitted(self) -> None:
        self.action_save()

    def _guess(self, photos: str) -> None:
        """Results beside the photos, as long as nobody says anything else."""
        field = self.query_one("#out", Input)
        if field.value == self._guessed["out"]:
            plain = photos.rstrip("/")
            self._guessed["out"] = f"{plain}-videos" if plain not in ("", "~", ".") else ""
            field.value = self._guessed["out"]

    def action_browse(self) -> None:
        at = "out" if self.focused is not None and self.focused.id in ("out", "browse-out") else "in"
        self._browse(at)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "browse-in" | "browse-out":
                self._browse(event.button.id.removeprefix("browse-"))
            case "yes":
                self.action_save()
            case _:
                self.dismiss(None)

    def _browse(self, key: str) -> None:
        field = self.query_one(f"#{key}", Input)
        typed = expanded(field.value.strip()) if field.value.strip() else self._start
        start = next((place for place in (typed, *typed.parents) if is_folder(place)), self._start)

        def chosen(place: Path | None) -> None:
            if place is not None:
                field.value = str(place)
            field.focus()

        title = "Where photos are dropped" if key == "in" else "Where results go"
        self.app.push_screen(ChooseFolder(title, start), chosen)

    # -- what would come of it -------------------------------------------------------------------------------------

    def _command(self) -> tuple[str, ...]:
        """What does it; empty while something is missing."""
        photos, results, name = (self.query_one(f"#{key}", Input).value.strip() for key in ("in", "out", "name"))
        preset = str(self.query_one("#preset", Select).value)
        if not photos or not results:
            return ()
        create = ("--create",) if self.query_one("#create", Tick).value else ()
        if self._folder is None:
            named = ("--name", name) if name else ()
            look = ("--preset", preset) if preset else ()
            return ("daemon", "folders", "add", *named, *look, *create, "--", photos, results)
        old, changes = self._folder, []
        for option, value, before in (("--in", photos, old.root), ("--out", results, old.output)):
            changes += [option, value] if value != before else []
        changes += ["--name", name] if name and name != old.name else []
        if preset != (old.preset or NONE):
            changes += ["--preset", preset] if preset else ["--no-preset"]
        return ("daemon", "folders", "set", old.name, *changes, *create) if changes else ()

    def _try_soon(self) -> None:
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE_S, self.try_now)

    @work(exclusive=True, group="try")
    async def try_now(self) -> None:
        """Say what would come of what is typed."""
        command = self._command()
        if not command or command == self._tried:
            return
        result = await commands.run(*_with(command, "--dry-run", "--json"))
        try:
            found = result.data()
        except DepthFlowError as error:
            self._complain(error)
            return
        self._tried = command
        words = found_words(found["found"]) if found.get("there") else "the folder is made, and empty"
        name = self.query_one("#name", Input)
        name.placeholder = found["name"]
        self._say(f"✓ {found['name']}: {words}.", "good")

    @work(exclusive=True, group="save")
    async def action_save(self) -> None:
        command = self._command()
        if not command:
            if self._folder is not None:
                self.dismiss(None)  # nothing was changed
            else:
                self._say("✗ Both folders are needed: where photos are dropped, and where videos go.", "bad")
            return
        self._tried = command  # what would come of it is no question any more
        result = await commands.run(*_with(command, "--json"))
        try:
            self.dismiss(result.data())
        except DepthFlowError as error:
            self._complain(error)

    def _complain(self, error: DepthFlowError) -> None:
        hint = error.hint
        if hint == "--create makes it":
            hint = "tick the box to have it made, or choose another"
            self.query_one("#create-row").display = True
        self._tried = ()
        self._say(f"✗ {error.message}" + (f"\n  {hint}" if hint else ""), "bad")

    def _say(self, text: str, kind: str) -> None:
        verdict = self.query_one("#verdict", Static)
        verdict.update(Text(text))
        verdict.set_classes(kind)


def _with(command: tuple[str, ...], *options: str) -> tuple[str, ...]:
    """Options behind the command's name: what is behind -- is none."""
    return (*command[:3], *options, *command[3:])
