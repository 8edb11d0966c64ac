"""Welcome: the first steps."""

from __future__ import annotations

from textual.screen import ModalScreen


class WelcomeScreen(ModalScreen[None]):
    """To be built."""
