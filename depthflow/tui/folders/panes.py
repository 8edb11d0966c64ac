"""The panes of the folders screen. They show what they are given and ask nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.visual import VisualType
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from depthflow.client.models import Folder
from depthflow.tui.folders.words import Colours, card


class FolderList(OptionList):
    """The watched folders, two lines each; the option's id is the name."""

    def show(self, folders: Sequence[Folder], colours: Colours, home: Path | None) -> None:
        """These; the cursor stays where it was, or goes to the first."""
        names = [folder.name for folder in folders]
        cards = [card(folder, colours, home=home) for folder in folders]
        if names == [option.id for option in self.options]:
            for name, prompt in zip(names, cards, strict=True):
                self.replace_option_prompt(name, _visual(prompt))
            return
        before = self.chosen
        self.set_options([Option(_visual(prompt), id=name) for name, prompt in zip(names, cards, strict=True)])
        if names:
            self.highlighted = names.index(before) if before in names else 0

    @property
    def chosen(self) -> str | None:
        option = self.highlighted_option
        return None if option is None else option.id

    def choose(self, name: str) -> None:
        names = [option.id for option in self.options]
        if name in names:
            self.highlighted = names.index(name)


def _visual(prompt: object) -> VisualType:
    return prompt  # type: ignore[return-value] # a rich renderable is one


class Pane(VerticalScroll, can_focus=True):
    """A framed text that can be scrolled."""

    def __init__(self, title: str, name: str) -> None:
        super().__init__(id=name, classes="pane")
        self.title_text = title
        self._text = Text()
        self.border_title = title

    def compose(self) -> ComposeResult:
        yield Static()

    def show(self, text: Text, *, count: int | None = None) -> None:
        if text == self._text:
            return
        self._text = text
        self.query_one(Static).update(text)
        self.border_title = self.title_text if count is None else f"{self.title_text} ({count})"


class Empty(Vertical):
    """What stands where there is no folder: what a folder is for, and what to do."""

    def compose(self) -> ComposeResult:
        yield Static(id="empty-title")
        yield Static(id="empty-text")

    def show(self, lines: Iterable[str]) -> None:
        title, *rest = lines
        self.query_one("#empty-title", Static).update(Text(title, justify="center"))
        self.query_one("#empty-text", Static).update(Text("\n".join(rest), justify="center"))
