"""A sheet that asks for a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, DirectoryTree, Static

from depthflow.tui.steady import Modal


class FolderTree(DirectoryTree):
    """Folders only; hidden ones are left out."""

    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [path for path in paths if not path.name.startswith(".") and _is_folder(path)]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


class ChooseFolder(Modal[Path | None]):
    """A folder that is there; escape gives None.

    Args:
        title: what it is for.
        start: where to begin.
    """

    CSS_PATH = "sheets.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Cancel", id="choose.cancel"),
        Binding("ctrl+s", "choose", "Choose", id="choose.choose"),
        Binding("backspace", "up", "Up", id="choose.up"),
    ]

    def __init__(self, title: str, start: Path) -> None:
        super().__init__()
        self._title, self._start = title, start

    def compose(self) -> ComposeResult:
        with Vertical(classes="folder-sheet tall") as sheet:
            sheet.border_title = Text(self._title)
            sheet.border_subtitle = "enter opens · backspace goes up · ctrl+s chooses · esc"
            yield Static(id="chosen", classes="muted")
            yield FolderTree(self._start)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Choose", id="yes", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one(FolderTree).focus()
        self._show()

    def on_tree_node_highlighted(self) -> None:
        self._show()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self.action_choose()
        else:
            self.dismiss(None)

    def action_choose(self) -> None:
        self.dismiss(self._chosen)

    def action_up(self) -> None:
        tree = self.query_one(FolderTree)
        tree.path = Path(tree.path).parent

    def _show(self) -> None:
        self.query_one("#chosen", Static).update(Text(str(self._chosen), no_wrap=True, overflow="ellipsis"))

    @property
    def _chosen(self) -> Path:
        tree = self.query_one(FolderTree)
        node = tree.cursor_node
        return Path(tree.path) if node is None or node.data is None else node.data.path
