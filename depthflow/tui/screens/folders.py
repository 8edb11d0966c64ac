"""Folders: to be built."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from depthflow.tui.screens.base import Place


class FoldersScreen(Place):
    PLACE = "folders"
    HELP = "# Folders"

    def body(self) -> ComposeResult:
        yield Static("Folders")
