"""A table whose columns are as wide as what is in them, whenever it is painted."""

from __future__ import annotations

from rich.text import Text
from textual.geometry import Size
from textual.widgets import DataTable


class FittedTable(DataTable[Text]):
    """Textual's table, without cells that stay cut.

    Textual measures new rows when it is idle. A table painted before that keeps the picture of its cells at the width
    of the columns' titles, even when the columns have grown.
    """

    def watch_virtual_size(self, before: Size, after: Size) -> None:
        if before.width != after.width:
            self.notify_style_update()

    # Of rows that are chosen as a whole, home and end mean the first and the last one, not the first and last column.

    def action_scroll_home(self) -> None:
        self.action_scroll_top()

    def action_scroll_end(self) -> None:
        self.action_scroll_bottom()
