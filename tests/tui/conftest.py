"""What holds for all tests of the interface: nothing on the screen changes by itself as time goes by."""

from __future__ import annotations

import asyncio

import pytest
import textual.app
import textual.pilot
from textual._context import active_app
from textual.notifications import Notification
from textual.widgets import Input, TextArea

from depthflow.tui.widgets import motions


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


@pytest.fixture(autouse=True)
def motions_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that takes longer for a step than until the next one would never come to rest."""
    monkeypatch.setattr(motions, "RATE", 1.0)


@pytest.fixture(autouse=True)
def pilots_wait_for_what_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's own take a process that gets no CPU time for one that has nothing left to do."""
    monkeypatch.setattr(textual.app, "wait_for_idle", _at_rest)
    monkeypatch.setattr(textual.pilot, "wait_for_idle", _at_rest)


async def _at_rest(*_: float) -> None:
    """Until no message waits and nothing is to be laid out or painted; not until threads, processes and timers end."""
    app = active_app.get()
    while True:
        await _nothing_runs()
        if app._resize_timer is not None:
            app._check_resize()
        elif app.is_running and app.screen._update_timer._active.is_set():
            app.screen._on_timer_update()
        else:
            return


async def _nothing_runs() -> None:
    """Until the event loop has nothing to run. It looks at files and clocks once more in each turn."""
    await asyncio.sleep(0.001)
    while asyncio.get_running_loop()._ready:  # type: ignore[attr-defined]
        await asyncio.sleep(0)
