"""Help over a screen: its own words, and the keys that hold there, as they are now."""

from __future__ import annotations

from collections import defaultdict
from inspect import cleandoc
from typing import Any, ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Markdown, Static

from depthflow.tui.steady import Modal


class HelpScreen(Modal[None]):
    """A sheet over the screen that it explains."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,escape,q", "dismiss", "Close", id="help.close"),
        Binding("down,j", "scroll(1)", "Down", id="help.down", show=False),
        Binding("up,k", "scroll(-1)", "Up", id="help.up", show=False),
        Binding("pagedown,space", "scroll(10)", "Page down", id="help.page_down", show=False),
        Binding("pageup", "scroll(-10)", "Page up", id="help.page_up", show=False),
    ]

    def __init__(self, about: Screen[Any]) -> None:
        """`about`: the screen that is on top now."""
        super().__init__()
        self._text = cleandoc(about.HELP or f"# {about.title or 'Help'}")
        self._groups = _groups(about)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="sheet", classes="dialog", can_focus=False) as sheet:
            sheet.border_title = "Help"
            sheet.border_subtitle = "? or esc closes"
            yield Markdown(self._text)
            for title, rows in self._groups:
                yield Static(Text(title), classes="title")
                yield Static(_table(rows), classes="keys")

    def action_scroll(self, rows: int) -> None:
        self.query_one("#sheet").scroll_relative(y=rows, animate=False)

    def on_click(self) -> None:
        if self.get_widget_at(*self.app.mouse_position)[0] is self:
            self.dismiss()


def _groups(screen: Screen[Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """(title, (keys, what they do)) of what holds on a screen now: the focused widget, the screen, everywhere."""
    rows: dict[str, dict[tuple[str, str], list[str]]] = {"Here": {}, "In this place": {}, "Everywhere": {}}
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.system or not (binding.description or binding.tooltip):
            continue
        text = ": ".join(filter(None, (binding.description, binding.tooltip)))
        keys = rows[_where(active, screen)].setdefault((binding.action, text), [])
        shown = screen.app.get_key_display(binding)
        if shown not in keys:
            keys.append(shown)
    return [
        (title, [(" ".join(keys), text) for (_, text), keys in found.items()]) for title, found in rows.items() if found
    ]


def _where(active: ActiveBinding, screen: Screen[Any]) -> str:
    own = defaultdict(lambda: "Here", {screen: "In this place", screen.app: "Everywhere"})
    general = active.node is screen and (active.binding.id or "").startswith("app.")
    return "Everywhere" if general else own[active.node]


def _table(rows: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(min_width=12, no_wrap=True, style="bold")
    table.add_column(ratio=1)
    for keys, text in rows:
        table.add_row(Text(keys), Text(text))
    return table
