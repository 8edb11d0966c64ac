"""The keys at the bottom: as many as there is room for, and none of them cut."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

LAST = ("help", "command_palette")
"""Actions whose keys always have their place at the end: they tell of all the others."""


class KeyBar(Footer):
    """Textual's footer, but what does not fit whole is left out, the last of the bindings first."""

    def compose(self) -> ComposeResult:
        self._fitted = self.app.size.width
        keys = [key for key in super().compose() if isinstance(key, FooterKey)]
        last = [key for key in keys if key.action.removeprefix("app.") in LAST]
        left = self._fitted - sum(map(_width, last)) - 2  # the line before the palette, and the space after it
        for key in keys:
            if key not in last:
                if _width(key) > left:
                    break
                left -= _width(key)
                yield key
        yield from last

    def on_resize(self, event: events.Resize) -> None:
        if self.app.size.width != self._fitted:
            self.call_after_refresh(self.recompose)


def _width(key: FooterKey) -> int:
    """Cells, with the spaces round the key and after its words."""
    from rich.cells import cell_len

    return cell_len(key.key_display) + cell_len(key.description) + 3
