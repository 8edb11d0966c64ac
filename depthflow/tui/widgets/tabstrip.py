"""Tabs in one line; their names get shorter where there is little room. They show nothing but themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget


class TabStrip(Widget):
    """Names side by side, one of which is chosen.

    Args:
        names: of the tabs.
        short: the same, shorter.
    """

    DEFAULT_CSS = """
    TabStrip { height: 1; background: $panel; color: $text-muted; }
    TabStrip > .tabs--here { background: $primary; color: $text; text-style: bold; }
    TabStrip > .tabs--mark { color: $accent; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"tabs--here", "tabs--mark"}
    chosen: reactive[str] = reactive("")

    class Chosen(Message):
        """Another tab was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, names: Sequence[str], short: Sequence[str]) -> None:
        super().__init__(id="tabs")
        self.names = tuple(names)
        self._short = tuple(short)
        self._marked: frozenset[str] = frozenset()
        self.set_reactive(TabStrip.chosen, self.names[0])

    def mark(self, names: frozenset[str]) -> None:
        """Dot these: something in them was changed."""
        if names != self._marked:
            self._marked = names
            self.refresh()

    def beside(self, by: int) -> str:
        """The name of the tab so many on."""
        return self.names[(self.names.index(self.chosen) + by) % len(self.names)]

    def _shown(self) -> list[str]:
        """What stands for each tab, with the spaces around it."""
        for names, around in ((self.names, 2), (self.names, 1), (self._short, 1)):
            pad = " " * around
            made = [f"{pad}{name}{pad}" for name in names]
            if sum(map(len, made)) <= self.size.width:
                return made
        return [f" {name[:3]} " for name in self._short]

    def render_line(self, y: int) -> Strip:
        here = self.get_component_rich_style("tabs--here")
        mark = Style(color=self.get_component_rich_style("tabs--mark").color)
        segments = []
        for name, text in zip(self.names, self._shown(), strict=True):
            style = self.rich_style + here if name == self.chosen else self.rich_style
            if name in self._marked:
                segments += [Segment(text[:-1], style), Segment("•", style + mark if name != self.chosen else style)]
            else:
                segments.append(Segment(text, style))
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        at = 0
        for name, text in zip(self.names, self._shown(), strict=True):
            at += len(text)
            if event.x < at:
                self.post_message(self.Chosen(name))
                return
