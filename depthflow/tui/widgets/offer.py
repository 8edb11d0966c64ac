"""The bar that asks, when photos were dropped or pasted, whether to make them, and how."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Select, Static

from depthflow.images import is_photo_name


class Offer(Horizontal):
    """Photos to be added, once enter is pressed; escape forgets them.

    Attributes:
        paths: photos and folders; empty while the bar is hidden.
    """

    DEFAULT_CSS = """
    Offer {
        height: 1; background: $primary 30%; display: none; padding: 0 1;
        & Static { width: 1fr; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & Select { width: 24; }
        & Button { margin-left: 1; }
    }
    """

    class Taken(Message):
        """They are to be made."""

        def __init__(self, paths: Sequence[str], preset: str | None) -> None:
            super().__init__()
            self.paths, self.preset = paths, preset

    class Closed(Message):
        """They are not."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def compose(self) -> ComposeResult:
        yield Static(id="offer-text")
        yield Select[str]([], prompt="no preset", compact=True, id="offer-preset")
        yield Button("Add (enter)", id="offer-add", variant="primary", compact=True)
        yield Button("No (esc)", id="offer-no", compact=True)

    def show(self, paths: Sequence[str], presets: Sequence[str], preset: str | None) -> None:
        """Ask about these, besides those that are asked about already."""
        self.paths = list(dict.fromkeys([*self.paths, *paths]))
        select = self.query_one(Select)
        before = select.value if self.display else preset
        select.set_options([(name, name) for name in presets])
        if before in presets:
            select.value = before
        self.query_one("#offer-text", Static).update(Content(described(self.paths)))
        self.display = True
        self.screen.set_focus(self.query_one("#offer-add"))  # at once: the next key is meant for it

    def close(self) -> None:
        self.paths = []
        self.display = False
        self.post_message(self.Closed())

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        paths = self.paths
        if event.button.id == "offer-add" and paths:
            chosen = self.query_one(Select).value
            self.post_message(self.Taken(paths, None if chosen is Select.NULL else str(chosen)))
        self.close()


def described(paths: Sequence[str]) -> str:
    """Such as "Add 3 photos: cat.jpg, dog.png, …"; a folder is none, so then there are "3 paths"."""
    names = [path.rstrip("/").rpartition("/")[2] + ("" if is_photo_name(path) else "/") for path in paths]
    kind = "photos" if all(map(is_photo_name, paths)) else "paths"
    return f"Add {names[0]}" if len(names) == 1 else f"Add {len(names)} {kind}: {', '.join(names)}"
