"""System: to be built."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from depthflow.tui.screens.base import Place


class SystemScreen(Place):
    PLACE = "system"
    HELP = "# System"

    def body(self) -> ComposeResult:
        yield Static("System")
