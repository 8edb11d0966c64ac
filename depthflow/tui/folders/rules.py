"""The sheets that change the rules of a folder: as a form, and as the text of its `.depthflow.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Input, Label, Select, Static, TextArea

from depthflow.errors import DepthFlowError
from depthflow.tui import commands
from depthflow.tui.folders.words import RulesHere
from depthflow.tui.screens.asking import Confirm
from depthflow.tui.steady import Modal

UNSAID = ""
"""The file says nothing: what is above it holds."""
AFTER = (
    ("keep it where it is", "keep"),
    ("move it to the archive", "archive"),
    ("delete it", "delete"),
)
SETTLE = (
    ("unchanged for some seconds", "quiet"),
    ("at once: it is renamed when it is whole", "rename"),
    ("when photo.jpg.done lies beside it", "sentinel"),
)
EMPTY = """# Rules for the photos in this folder and below it; docs/daemon.md has all keys.
# preset = "cinematic"
# after = "keep"              # or archive, delete: what becomes of a photo once its results are there

# [output]
# fps = 25
"""


class DeletesPhotos:
    """Words for the one rule that cannot be undone."""

    TITLE = "Delete photos?"
    TEXT = (
        "Each photo of this folder is deleted for good once its videos are there and were decoded to their end. "
        "That cannot be undone: keep a copy elsewhere, or take the archive."
    )


class RulesForm(Modal[dict[str, Any] | None]):
    """What `depthflow daemon folders rules` said once it is done; escape gives None."""

    CSS_PATH = "sheets.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Cancel", id="rules.cancel"),
        Binding("ctrl+s", "save", "Save", id="rules.save", priority=True),
    ]

    def __init__(self, rules: RulesHere, presets: Sequence[str]) -> None:
        super().__init__()
        self._rules = rules
        known = [*presets, *([rules.preset] if rules.preset and rules.preset not in presets else [])]
        self._presets = [("as the folder is watched", UNSAID), *((name, name) for name in known)]

    def compose(self) -> ComposeResult:
        rules = self._rules
        with Vertical(classes="folder-sheet") as sheet:
            sheet.border_title = Text(f"Rules of {rules.folder}")
            sheet.border_subtitle = "ctrl+s save · esc"
            with VerticalScroll(classes="fields"):
                with Horizontal(classes="field"):
                    yield Label("Preset")
                    yield _select(self._presets, rules.preset, "preset")
                with Horizontal(classes="field"):
                    yield Label("Photo, when done")
                    yield _select([("not said: keep it", UNSAID), *AFTER], rules.after, "after")
                with Horizontal(classes="field"):
                    yield Label("Files to make")
                    yield Input(
                        ", ".join(rules.outputs or ()),
                        placeholder="mp4; several as mp4, gif",
                        id="outputs",
                        compact=True,
                    )
                with Horizontal(classes="field"):
                    yield Label("A photo is whole")
                    mode = rules.settle.get("mode")
                    yield _select([("not said: unchanged for 5 s", UNSAID), *SETTLE], mode, "mode")
                with Horizontal(classes="field"):
                    yield Label("Seconds of quiet")
                    seconds = rules.settle.get("seconds")
                    yield Input("" if seconds is None else f"{seconds:g}", placeholder="5", id="seconds", compact=True)
            others = (
                f"Besides, the file says: {', '.join(rules.other)}. That stays (t edits it)." if rules.other else ""
            )
            yield Static(Text(others), id="others", classes="muted")
            yield Static(id="verdict")
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Save", id="yes", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one("#preset").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self.action_save()
        else:
            self.dismiss(None)

    def on_input_submitted(self) -> None:
        self.action_save()

    @work(exclusive=True, group="sheet")
    async def action_save(self) -> None:
        changes = self._changes()
        if not changes:
            self.dismiss(None)
            return
        deletes = self._value("after") == "delete" and self._rules.after != "delete"
        if deletes and not await self.app.push_screen_wait(
            Confirm(DeletesPhotos.TITLE, DeletesPhotos.TEXT, yes="Delete them")
        ):
            return
        result = await commands.run("daemon", "folders", "rules", self._rules.folder, "--json", *changes)
        try:
            if result.code:
                raise result.trouble
            self.dismiss(result.data())
        except DepthFlowError as error:
            _say(self, error, self._rules.file)

    def _changes(self) -> list[str]:
        """Options of the command for what is not as the file has it."""
        rules, changes = self._rules, []
        seconds = rules.settle.get("seconds")
        for key, value, before in (
            ("preset", self._value("preset"), rules.preset or UNSAID),
            ("after", self._value("after"), rules.after or UNSAID),
            ("settle.mode", self._value("mode"), rules.settle.get("mode") or UNSAID),
            ("settle.seconds", self._value("seconds"), UNSAID if seconds is None else f"{seconds:g}"),
        ):
            if value != before:
                changes += ["--set", f"{key}={value}"] if value else ["--unset", key]
        formats = [each for each in self._value("outputs").replace(",", " ").split() if each]
        if formats != list(rules.outputs or ()):
            changes += ["--outputs", ",".join(formats)]
        return changes

    def _value(self, key: str) -> str:
        widget = self.query_one(f"#{key}")
        if isinstance(widget, Select):
            return str(widget.value)
        return widget.value.strip() if isinstance(widget, Input) else ""


class RulesText(Modal[dict[str, Any] | None]):
    """The same as a text; a mistake is told with its line, and not saved."""

    CSS_PATH = "sheets.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="text.cancel", priority=True),
        Binding("ctrl+s", "save", "Save", id="text.save", priority=True),
    ]

    def __init__(self, rules: RulesHere) -> None:
        super().__init__()
        self._rules = rules
        self._begun = rules.text if rules.there else EMPTY

    def compose(self) -> ComposeResult:
        with Vertical(classes="folder-sheet tall") as sheet:
            sheet.border_title = Text(self._rules.file)
            sheet.border_subtitle = "ctrl+s save · esc"
            yield TextArea(self._begun, show_line_numbers=True, soft_wrap=False, id="text", compact=True)
            yield Static(id="verdict")

    def on_mount(self) -> None:
        self.query_one(TextArea).focus()
        if self._rules.wrong is not None:
            message, hint, line = self._rules.wrong
            self._point_at(message, hint, line)

    @work(exclusive=True, group="sheet")
    async def action_cancel(self) -> None:
        changed = self.query_one(TextArea).text != self._begun
        if not changed or await self.app.push_screen_wait(
            Confirm("Throw the changes away?", "What you typed is not saved.", yes="Throw away")
        ):
            self.dismiss(None)

    @work(exclusive=True, group="sheet")
    async def action_save(self) -> None:
        text = self.query_one(TextArea).text
        if (
            _after(text) == "delete"
            and _after(self._rules.text) != "delete"
            and not await self.app.push_screen_wait(Confirm(DeletesPhotos.TITLE, DeletesPhotos.TEXT, yes="Delete them"))
        ):
            return
        result = await commands.run("daemon", "folders", "rules", self._rules.folder, "--json", "--write", data=text)
        try:
            found = result.data()
        except DepthFlowError as error:
            _say(self, error, self._rules.file)
            return
        if (wrong := found["wrong"]) is None:
            self.dismiss(found)
        else:
            self._point_at(wrong["message"], wrong["hint"], wrong["line"])

    def _point_at(self, message: str, hint: str, line: int | None) -> None:
        where = "" if line is None else f"line {line}: "
        _say(self, DepthFlowError(f"{where}{message.removeprefix(f'{self._rules.file}: ')}", hint), self._rules.file)
        if line is not None:
            self.query_one(TextArea).move_cursor((line - 1, 0), center=True)


def _after(text: str) -> Any:
    try:
        return tomllib.loads(text).get("after")
    except tomllib.TOMLDecodeError:
        return None


def _select(options: Sequence[tuple[str, str]], value: str | None, name: str) -> Select[str]:
    known = [key for _, key in options]
    return Select(options, value=value if value in known else UNSAID, allow_blank=False, id=name, compact=True)


def _say(sheet: Modal[Any], error: DepthFlowError, file: str) -> None:
    verdict = sheet.query_one("#verdict", Static)
    message = error.message.removeprefix(f"{file}: ")
    verdict.update(Text(f"✗ {message}" + (f"\n  {error.hint}" if error.hint else "")))
    verdict.set_classes("bad")
