"""Resizes that come faster than screens are laid out."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import FakeLink
from textual import events
from textual._compositor import Compositor, ReflowResult
from textual.geometry import Size
from textual.screen import Screen

from depthflow.tui import keys
from depthflow.tui.app import DepthFlowApp
from depthflow.tui.steady import Steady

FORMER, NOW = Size(60, 16), Size(100, 30)
PLENTY = 20
"""Layouts that no resize needs."""


@pytest.fixture
def laid_out(monkeypatch: pytest.MonkeyPatch) -> list[Size]:
    """What screens were laid out for. After too many no screen hears of its size: no timer could end the test."""
    sizes: list[Size] = []
    reflow = Compositor.reflow

    def counted(self: Compositor, parent: Any, size: Size) -> ReflowResult:
        sizes.append(size)
        result = reflow(self, parent, size)
        return result if len(sizes) < PLENTY else ReflowResult(set(), set(), set())

    monkeypatch.setattr(Compositor, "reflow", counted)
    return sizes


@pytest.mark.parametrize("key", ["f1", "f2", "f3", "f4", "f5", "ctrl+p", "question_mark"])
async def test_sizes_that_wait_in_a_queue_come_to_rest(key: str, laid_out: list[Size]) -> None:
    app = DepthFlowApp(link=FakeLink())  # type: ignore[arg-type]
    async with app.run_test(size=NOW) as pilot:
        await pilot.press(key)
        await pilot.pause()
        screen = app.screen
        laid_out.clear()
        with app.batch_update():  # as while another place is opened: what is painted waits in the queue as well
            for size in (FORMER, NOW, FORMER, NOW):
                screen.post_message(events.Resize(size, size))
                screen.post_message(events.Callback(callback=lambda: None))
            await pilot.pause()
        await pilot.pause()
        assert screen.size == app.size == NOW
        assert set(laid_out) == {NOW}
        assert len(laid_out) < PLENTY, "it is laid out again and again"


def test_all_screens_come_to_rest() -> None:
    screens = [owner for owner in keys._owners() if issubclass(owner, Screen)]
    assert len(screens) > 20
    assert [screen.__name__ for screen in screens if not issubclass(screen, Steady)] == []
