"""Looks for photos: a path that completes itself, a browser of folders, and a look at each photo."""

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
from textual.types import CSSPathType
from textual.widgets import DirectoryTree, Input, OptionList, Static
from textual.widgets._directory_tree import DirEntry
from textual.widgets.option_list import Option
from textual.widgets.tree import TreeNode

from depthflow.images import is_photo_name
from depthflow.paths import expanded, is_file, is_folder
from depthflow.tui import thumbnails
from depthflow.tui.facts import size_text
from depthflow.tui.pasted import paths_in
from depthflow.tui.screens.queue_sheets import Sheet
from depthflow.tui.widgets.pathfield import PathField
from depthflow.tui.widgets.picture import Picture


class PhotoTree(DirectoryTree):
    """Folders and the photos in them.

    Args:
        path: the folder on top.
        marks: photos can be marked.
    """

    ICON_NODE, ICON_NODE_EXPANDED, ICON_FILE = "▸ ", "▾ ", "  "

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark", id="browser.mark"),
        Binding("backspace,left", "up", "Up a folder", id="browser.up"),
        Binding("right", "open", "Into the folder", id="browser.open", show=False),
    ]

    class Marked(Message):
        """Others are marked."""

    def __init__(self, path: Path, *, marks: bool) -> None:
        super().__init__(path, id="tree")
        self.marked: dict[Path, None] = {}
        self._marks = marks

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._marks if action == "mark" else super().check_action(action, parameters)

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [
            path for path in paths if not path.name.startswith(".") and (is_photo_name(path.name) or is_folder(path))
        ]

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


class PhotoBrowser(Sheet):
    """What both sheets share that look for photos.

    Args:
        photo: where to begin; None for the user's pictures.
    """

    CSS_PATH: ClassVar[CSSPathType | None] = ["queue_sheets.tcss", "photo_browser.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "path", "Write a path", id="browser.path", show=False, priority=True),
    ]

    def __init__(self, photo: Path | None) -> None:
        super().__init__()
        self._photo = photo

    @property
    def folders(self) -> PhotoTree:
        return self.query_one(PhotoTree)

    def field(self, placeholder: str) -> PathField:
        value = "" if self._photo is None else str(self._photo)
        return PathField(value, id="path", wanted=lambda path: is_photo_name(path.name), placeholder=placeholder)

    def seen(self) -> ComposeResult:
        """A look at the photo, and what is known of it."""
        with Vertical(id="preview"):
            yield Picture(id="picture")
            yield Static(id="facts")

    def say(self, text: str, style: str = "$text-error") -> None:
        self.workers.cancel_group(self, "look")  # what is still being looked at would take its place
        self.query_one("#facts", Static).update(Content.styled(text, style))

    @on(DirectoryTree.NodeHighlighted)
    def _highlighted(self, event: DirectoryTree.NodeHighlighted[DirEntry]) -> None:
        if event.node.data is not None and self.folders.has_focus:
            self.look_at(event.node.data.path)

    @on(Input.Changed, "#path")
    def _typed(self, event: Input.Changed) -> None:
        if event.value.strip():
            self.look_at(expanded(event.value.strip()))

    @work(exclusive=True, group="look")
    async def look_at(self, path: Path) -> None:
        """Show the photo, once the cursor stands still; a folder shows nothing but its name."""
        await asyncio.sleep(0.1)
        is_photo = is_photo_name(path.name) and await asyncio.to_thread(is_file, path)
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


class ChoosePhoto(PhotoBrowser):
    """One photo; the answer is its path, or None.

    Args:
        recent: paths that were chosen last; enter alone takes the first.
        photo: in whose folder the browser begins.
    """

    TITLE_TEXT = "Choose a photo"

    def __init__(self, recent: Sequence[str], photo: Path | None) -> None:
        super().__init__(None)
        self._recent, self._beginning = list(recent), beginning(photo)

    def compose(self) -> ComposeResult:
        with Vertical(classes="sheet") as sheet:
            sheet.border_subtitle = "enter chooses · tab completes · esc"
            yield self.field("a path, or paste one" + ("; enter takes the last one" if self._recent else ""))
            with Horizontal(id="look"):
                with Vertical(id="from"):
                    if self._recent:
                        yield OptionList(*(Option(_ending(path), id=path) for path in self._recent), id="recent")
                    yield PhotoTree(self._beginning, marks=False)
                yield from self.seen()

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#path").focus()

    @on(OptionList.OptionHighlighted)
    def _recent_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self.look_at(Path(str(event.option_id)))

    @on(OptionList.OptionSelected)
    def _recent_selected(self, event: OptionList.OptionSelected) -> None:
        self._answer(str(event.option_id))

    @on(DirectoryTree.FileSelected)
    def _selected(self, event: DirectoryTree.FileSelected) -> None:
        self._answer(str(event.path))

    @on(Input.Submitted, "#path")
    def _entered(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._answer(event.value.strip())
        elif self._recent:  # the one that is shown
            self._answer(self._recent[self.query_one("#recent", OptionList).highlighted or 0])

    @work(exclusive=True, group="answer")
    async def _answer(self, text: str) -> None:
        found = [path for path in await asyncio.to_thread(paths_in, text) if not is_folder(path)]
        if not self.is_current:
            return
        if found:
            self.dismiss(str(found[0]))
        else:
            self.say(f"{text}: there is no such photo")


def _ending(path: str) -> Text:
    """The name says more than the folder."""
    name, folder = Path(path).name, str(Path(path).parent)
    return Text.assemble(name, (f"  {folder}", "dim"), no_wrap=True, overflow="ellipsis")


def beginning(photo: Path | None) -> Path:
    """The folder that the browser begins in: the photo's, else where the user's pictures are, else where we are."""
    if photo is not None and photo.parent.is_dir():
        return photo.parent
    here, pictures = Path.cwd(), Path.home() / "Pictures"
    return here if here != Path.home() or not pictures.is_dir() else pictures
