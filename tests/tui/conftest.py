"""What holds for all tests of the interface: nothing on the screen changes by itself as time goes by."""

from __future__ import annotations

import pytest
from textual.notifications import Notification
from textual.widgets import Input, TextArea


@pytest.fixture(autouse=True)
def notes_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said is still to be read on a machine that is busy for longer than it stands there."""
    monkeypatch.setattr(Notification, "time_left", 3600.0)
    monkeypatch.setattr(Notification, "has_expired", False)


@pytest.fixture(autouse=True)
def cursors_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor that blinks is in a picture, or is not."""
    monkeypatch.setattr(Input, "_toggle_cursor", lambda _: None)
    monkeypatch.setattr(TextArea, "_toggle_cursor_blink_visible", lambda _: None)
