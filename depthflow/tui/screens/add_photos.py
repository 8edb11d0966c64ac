"""Chooses photos: a path that completes itself, a browser of folders, a look at the photo, and how they are made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.suggester import Suggester
from textual.types import CSSPathType
from textual.widgets import Button, DirectoryTree, Input, Select, Static
from textual.widgets._directory_tree import DirEntry
from textual.widgets.tree import TreeNode

from depthflow.images import is_photo_name
from depthflow.tui import thumbnails
from depthflow.tui.facts import size_text
from depthflow.tui.pasted import paths_in
from depthflow.tui.screens.queue_sheets import Sheet
from depthflow.tui.widgets.picture import Picture

_LISTED = 5000
"""Names of a folder that are looked through for a completion."""


class PathCompleter(Suggester):
    """Goes on with the name of a photo or a folder that was begun."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(completed, value) if value else None


def completed(value: str) -> str | None:
    """The first photo or folder whose path begins so; None if there is none."""
    folder, slash, start = value.rpartition("/")
    try:
        place = Path(folder + slash or ".").expanduser()
        entries = [entry for entry, _ in zip(place.iterdir(), range(_LISTED), strict=False)]
        names = sorted(
            entry.name + ("/" if entry.is_dir() else "") for entry in entries
            if entry.name.startswith(start) and (start or not entry.name.startswith("."))
            and (is_photo_name(entry.name) or entry.is_dir())
        )  # fmt: skip
    except (OSError, RuntimeError):
        return None
    return folder + slash + names[0] if names else None


class PhotoTree(DirectoryTree):
    """Folders and the photos in them; photos can be marked."""

    ICON_NODE, ICON_NODE_EXPANDED, ICON_FILE = "▸ ", "▾ ", "  "

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark", id="browser.mark"),
        Binding("backspace,left", "up", "Up a folder", id="browser.up"),
        Binding("right", "open", "Into the folder", id="browser.open", show=False),
    ]

    class Marked(Message):
        """Others are marked."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, id="tree")
        self.marked: dict[Path, None] = {}

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [path for path in paths if not path.name.startswith(".") and (is_photo_name(path.name) or _is_dir(path))]

    def render_label(self, node: TreeNode[DirEntry], base_style: Style, style: Style) -> Text:
        label = super().render_label(node, base_style, style)
        if node.data is not None and node.data.path in self.marked:
            label = label.copy()
            label.stylize("bold")
            label.append(" ✓", "bold green")
        return label

    def action_mark(self) -> None:
        node = self.cursor_node
        if node is None or node.data is None:
            return
        path = node.data.path
        if path in self.marked:
            del self.marked[path]
        else:
            self.marked[path] = None
        self._invalidate()
        self.refresh()
        self.post_message(self.Marked())
        self.action_cursor_down()

    def action_open(self) -> None:
        node = self.cursor_node
        if node is not None and node.allow_expand and not node.is_expanded:
            node.expand()

    def action_up(self) -> None:
        """Close the folder; above its top, the folder above."""
        node = self.cursor_node
        if node is not None and node.is_expanded and node is not self.root:
            node.collapse()
        elif node is not None and node.parent is not None and node.parent is not self.root:
            self.move_cursor(node.parent)
        else:
            self.path = Path(self.path).absolute().parent


class AddPhotos(Sheet):
    """The answer is (paths, preset), or None.

    Args:
        presets: names to choose from.
        preset: the one that is chosen at first; None for none.
        photo: where to begin; None for the user's pictures.
    """

    TITLE_TEXT = "Add photos"
    CSS_PATH: ClassVar[CSSPathType | None] = ["queue_sheets.tcss", "add_photos.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "submit", "Add", id="add.submit"),
        Binding("ctrl+l", "path", "Write a path", id="add.path", show=False, priority=True),
        Binding("tab", "complete", "Complete", id="add.complete", show=False, priority=True),
    ]

    def __init__(self, presets: Sequence[str], preset: str | None, photo: Path | None = None) -> None:
        super().__init__()
        self._presets, self._preset = list(presets), preset if preset in presets else None
        self._photo = photo

    def compose(self) -> ComposeResult:
        with Vertical(classes="sheet") as sheet:
            sheet.border_subtitle = "space marks · enter adds · tab completes"
            yield Input(
                "" if self._photo is None else str(self._photo), compact=True, id="path", suggester=PathCompleter(),
                placeholder="/ or ctrl+l: a path, or several; photos and folders",
            )  # fmt: skip
            with Horizontal(id="look"):
                yield PhotoTree(beginning(self._photo))
                with Vertical(id="preview"):
                    yield Picture(id="picture")
                    yield Static(id="facts")
            with Horizontal(id="bottom"):
                yield Select(
                    [(name, name) for name in self._presets], prompt="preset: as in settings", compact=True,
                    id="preset", value=self._preset if self._preset else Select.NULL,
                )  # fmt: skip
                yield Static(id="marked")
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Add (ctrl+s)", id="submit", variant="primary", compact=True)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#path" if self._photo else "#tree").focus()
        if self._photo is not None:
            self._look_at(self._photo)

    # -- looking ---------------------------------------------------------------------------------------------------

    @on(DirectoryTree.NodeHighlighted)
    def _highlighted(self, event: DirectoryTree.NodeHighlighted[DirEntry]) -> None:
        if event.node.data is not None:
            self._look_at(event.node.data.path)

    @on(Input.Changed, "#path")
    def _typed(self, event: Input.Changed) -> None:
        if event.value.strip():
            self._look_at(Path(event.value.strip()).expanduser())

    @work(exclusive=True, group="look")
    async def _look_at(self, path: Path) -> None:
        """Show the photo, once the cursor stands still; a folder shows nothing but its name."""
        await asyncio.sleep(0.1)
        is_photo = is_photo_name(path.name) and await asyncio.to_thread(path.is_file)
        found = await asyncio.to_thread(thumbnails.of_photo, path) if is_photo else None
        if not self.is_current:  # it was closed meanwhile
            return
        picture, said = self.query_one("#picture", Picture), self.query_one("#facts", Static)
        if found is None:
            picture.set_image(None)
            said.update(Content(path.name))
            return
        picture.set_image(found.image)
        facts = (
            f"{path.name}  {found.size[0]}×{found.size[1]}  {size_text(found.bytes)}" if found.size[0] else path.name
        )
        said.update(Content.assemble(facts, (f"\n{found.problem}" if found.problem else "", "$text-error")))

    @on(PhotoTree.Marked)
    def _marked(self) -> None:
        count = len(self.query_one(PhotoTree).marked)
        self.query_one("#marked", Static).update(f"{count} marked" if count else "")

    # -- choosing --------------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """A path can be begun anywhere but in a field."""
        path = self.query_one("#path", Input)
        if event.character in ("/", "~") and not isinstance(self.focused, Input):
            event.stop()
            path.value = event.character
            path.select_on_focus = False  # or the next key would take the place of this one
            self.set_focus(path)
            path.cursor_position = 1

    def action_path(self) -> None:
        self.set_focus(self.query_one("#path"))  # at once: the next key is meant for it

    def action_complete(self) -> None:
        """Tab completes a path that was begun, and goes on to the next field else."""
        path = self.query_one("#path", Input)
        if not (path.has_focus and path.value):
            self.focus_next()
        elif path._suggestion != path.value and path._suggestion.startswith(path.value):
            path.action_cursor_right()  # at once: the next key is meant for the whole path
        else:
            self._go_on(path.value)

    @work(exclusive=True, group="complete")
    async def _go_on(self, value: str) -> None:
        """What was suggested may be of a key ago, or still on its way."""
        path = self.query_one("#path", Input)
        found = await asyncio.to_thread(completed, value)
        named: list[Path] = await asyncio.to_thread(paths_in, value)
        if path.value != value:
            return  # typed on meanwhile
        if found is not None and found != value:
            path.value = found
            path.cursor_position = len(found)
        elif found is not None or named:
            self.focus_next()
        else:
            self.app.bell()

    @on(DirectoryTree.FileSelected)
    def _selected(self, event: DirectoryTree.FileSelected) -> None:
        marked = self.query_one(PhotoTree).marked
        self._answer([*marked] if marked else [event.path])

    @on(Input.Submitted, "#path")
    def _entered(self) -> None:
        self.action_submit()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "submit":
            self.action_submit()
        else:
            self.dismiss(None)

    @work(exclusive=True, group="submit")
    async def action_submit(self) -> None:
        """What is marked, and what the path names; else what is under the cursor."""
        tree, text = self.query_one(PhotoTree), self.query_one("#path", Input).value.strip()
        typed = await asyncio.to_thread(paths_in, text) if text else []
        if not self.is_current:
            return
        if text and not typed:
            self.query_one("#facts", Static).update(Content.styled(f"{text}: is not there", "$text-error"))
            return
        node = tree.cursor_node
        under = [node.data.path] if node is not None and node.data is not None and node is not tree.root else []
        self._answer([*tree.marked, *typed] or under)

    def _answer(self, paths: list[Path]) -> None:
        if not paths:
            self.query_one("#facts", Static).update(Content.styled("mark photos with space first", "$text-warning"))
            return
        chosen = self.query_one("#preset", Select).value
        self.dismiss((list(dict.fromkeys(paths)), None if chosen is Select.NULL else str(chosen)))


def beginning(photo: Path | None) -> Path:
    """The folder that the browser begins in: the photo's, else where the user's pictures are, else where we are."""
    if photo is not None and photo.parent.is_dir():
        return photo.parent
    here, pictures = Path.cwd(), Path.home() / "Pictures"
    return here if here != Path.home() or not pictures.is_dir() else pictures


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
