"""The library's motions with a tiny picture of each; the one with the cursor moves."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import work
from textual.app import RenderResult
from textual.timer import Timer
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from depthflow.errors import DepthFlowError
from depthflow.tui.studio import glyph

RATE = 12.0
ROUND_S = 3.0


class MotionList(OptionList):
    """Motions by name. Moving the cursor posts OptionHighlighted with the motion's name as the id."""

    DEFAULT_CSS = """
    MotionList {
        border: none; padding: 0; background: $surface; scrollbar-size-vertical: 1;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    MotionList:focus { border: none; }
    MotionList > .motions--way { color: $text-muted; }
    MotionList > .motions--camera { color: $accent; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"motions--way", "motions--camera"}

    def __init__(self) -> None:
        super().__init__(id="motions", markup=False)
        self._names: list[str] = []
        self._at = 0.0
        self._timer: Timer | None = None

    def on_mount(self) -> None:
        self._timer = self.set_interval(1 / RATE, self._move, pause=True)
        self._load()

    @work(thread=True, exclusive=True)
    def _load(self) -> None:
        """Read the library: a file each, which takes a moment."""
        from depthflow.jobs.library import names

        known = []
        for name in names("motions"):
            try:
                glyph.of_library(name)
            except DepthFlowError:
                continue  # a file of the user's that is wrong; `depthflow motions list` tells why
            known.append(name)
        self.app.call_from_thread(self._show, known)

    def _show(self, known: list[str]) -> None:
        self._names = known
        self.clear_options()
        self.add_options([Option(self._prompt(name), id=name) for name in known])
        if self._wanted in known:
            self.highlighted = known.index(self._wanted)

    _wanted = ""

    def choose(self, name: str) -> None:
        """The cursor to this one, as soon as it is there."""
        self._wanted = name
        if name in self._names and self.highlighted != self._names.index(name):
            self.highlighted = self._names.index(name)

    def on_focus(self) -> None:
        if self._timer is not None:
            self._timer.resume()

    def on_blur(self) -> None:
        if self._timer is not None:
            self._timer.pause()

    def _move(self) -> None:
        if self.highlighted is None or not self.is_on_screen or not self.screen.is_current:
            return
        self._at = (self._at + 1 / RATE / ROUND_S) % 1.0
        name = self._names[self.highlighted]
        self.replace_option_prompt(name, self._prompt(name, self._at))

    def _prompt(self, name: str, at: float | None = None) -> RenderResult:
        track, description = glyph.of_library(name)
        lines, spot = glyph.glyph(track, at)
        way, camera = (self.get_component_rich_style(f"motions--{which}").color for which in ("way", "camera"))
        text = Text(no_wrap=True, overflow="ellipsis")
        for row, (line, words, style) in enumerate(zip(lines, (name, description), ("bold", "dim"), strict=True)):
            start = len(text)
            text.append(f" {line}", Style(color=way))
            if spot is not None and spot[0] == row:
                text.stylize(Style(color=camera, bold=True), start + 1 + spot[1], start + 2 + spot[1])
            text.append(f"  {words}", style)
            text.append("\n" if row == 0 else "")
        return text
