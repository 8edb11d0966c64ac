"""The places of the interface, as one table: whoever adds a screen adds a row. It builds none of them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from depthflow.tui.screens.base import Place


@dataclass(frozen=True, slots=True)
class Row:
    """One place.

    Attributes:
        name: what modes, key ids and messages call it.
        title: for people.
        key: what goes there from anywhere.
        text: what it is for, in a line.
        module, screen: where its class is; imported when somebody goes there.
    """

    name: str
    title: str
    key: str
    text: str
    module: str
    screen: str

    def load(self) -> None:
        """Import it, so that going there takes no time."""
        import_module(self.module)

    def open(self) -> Place:
        """A new screen of it."""
        screen = cast("type[Place]", getattr(import_module(self.module), self.screen))
        return screen()


_SCREENS = "depthflow.tui.screens"

PLACES = (
    Row("queue", "Queue", "f1", "Jobs: what waits, runs and is done", f"{_SCREENS}.queue", "QueueScreen"),
    Row("studio", "Studio", "f2", "Tune a look with a live moving preview", f"{_SCREENS}.studio", "StudioScreen"),
    Row("folders", "Folders", "f3", "Watched folders", f"{_SCREENS}.folders", "FoldersScreen"),
    Row("models", "Models", "f4", "Depth networks", f"{_SCREENS}.models", "ModelsScreen"),
    Row("system", "System", "f5", "Machine, workers, encoders, logs, settings", f"{_SCREENS}.system", "SystemScreen"),
)
