"""A field for a path, which tab completes: from the names that are there, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input

from depthflow.paths import expanded

Wanted = Callable[[Path], bool]
"""Whether a file is offered, by its name; folders always are, for the file may lie in them."""

_LISTED = 5000
"""Names of a folder that are looked through for a completion."""


class PathField(Input):
    """Compact, with what tab would make of it in grey.

    Args:
        value: to begin with.
        wanted: files that are offered; none for folders alone.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", "Complete", id="path.complete", show=False)]

    def __init__(self, value: str = "", *, wanted: Wanted = lambda _: False, **more: Any) -> None:
        super().__init__(value, compact=True, suggester=_Completer(wanted), **more)
        self._wanted = wanted

    def action_complete(self) -> None:
        """Complete what was begun; go on to the next field if it is whole, or empty."""
        if not self.value:
            self.screen.focus_next()
        elif self._suggestion != self.value and self._suggestion.startswith(self.value):
            self.action_cursor_right()  # at once: the next key is meant for the whole path
        else:
            self._go_on(self.value)

    @work(exclusive=True, group="complete")
    async def _go_on(self, value: str) -> None:
        """What was suggested may be of a key ago, or still on its way."""
        found = await asyncio.to_thread(completed, value, self._wanted)
        whole = await asyncio.to_thread(_is_there, value)
        if self.value != value:
            return  # typed on meanwhile
        if found is not None and found != value:
            self.value = found
            self.cursor_position = len(found)
        elif found is not None or whole:
            self.screen.focus_next()
        else:
            self.app.bell()


class _Completer(Suggester):
    """Goes on with what was typed."""

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._wanted = wanted

    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(completed, value, self._wanted) if value else None


def completed(value: str, wanted: Wanted) -> str | None:
    """The first path that begins so, a folder with a slash; None if there is none."""
    folder, slash, start = value.rpartition("/")
    try:
        place = expanded(folder + slash or ".")
        entries = [entry for entry, _ in zip(place.iterdir(), range(_LISTED), strict=False)]
        names = sorted(
            entry.name + ("/" if entry.is_dir() else "") for entry in entries
            if entry.name.startswith(start) and (start or not entry.name.startswith("."))
            and (entry.is_dir() or wanted(entry))
        )  # fmt: skip
    except (OSError, RuntimeError):
        return None
    return folder + slash + names[0] if names else None


def _is_there(value: str) -> bool:
    """Also of several paths, and quoted ones."""
    from depthflow.tui.pasted import paths_in

    return bool(paths_in(value))
