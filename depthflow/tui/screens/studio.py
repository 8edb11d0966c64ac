"""Studio: to be built."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from depthflow.tui.screens.base import Place


class StudioScreen(Place):
    PLACE = "studio"
    HELP = "# Studio"

    def body(self) -> ComposeResult:
        yield Static("Studio")
