"""Models: to be built."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from depthflow.tui.screens.base import Place


class ModelsScreen(Place):
    PLACE = "models"
    HELP = "# Models"

    def body(self) -> ComposeResult:
        yield Static("Models")
