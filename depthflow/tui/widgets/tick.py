"""A box to tick, whose mark is there or not: Textual's is there always, and only its colour tells."""

from __future__ import annotations

from textual.widgets import Checkbox


class Tick(Checkbox):
    """Compact, and readable without colours."""

    BUTTON_INNER = " "

    def __init__(self, label: str, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(label, id=id, compact=True)

    def watch_value(self) -> None:
        self.BUTTON_INNER = "X" if self.value else " "
        super().watch_value()
