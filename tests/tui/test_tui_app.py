"""The application as a whole: every place opens, and the daemon's state shows."""

from __future__ import annotations

import asyncio

import pytest
from fakes import FakeLink

from depthflow.tui.app import DepthFlowApp
from depthflow.tui.places import PLACES


@pytest.mark.parametrize("row", PLACES, ids=lambda row: row.name)
async def test_a_key_goes_to_every_place(row: object) -> None:
    app = DepthFlowApp(link=FakeLink())  # type: ignore[arg-type]
    async with app.run_test() as pilot:
        await pilot.press(row.key)  # type: ignore[attr-defined]
        assert app.current_mode == row.name  # type: ignore[attr-defined]
        assert type(app.screen).__name__ == row.screen  # type: ignore[attr-defined]


async def test_the_link_is_closed_at_the_end() -> None:
    link = FakeLink()
    app = DepthFlowApp(link=link)  # type: ignore[arg-type]
    async with app.run_test():
        assert not link.closed
    assert link.closed


async def test_a_stream_that_is_given_up_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    async with DepthFlowApp(link=FakeLink()).run_test():  # type: ignore[arg-type]
        loop = asyncio.get_running_loop()
        given_up: asyncio.Future[None] = loop.create_future()
        given_up.cancel()
        loop.call_soon(given_up.set_result, None)
        await asyncio.sleep(0)
        assert not caplog.records
        loop.call_soon(int, "one")
        await asyncio.sleep(0)
        assert "invalid literal" in str(caplog.records[0].exc_info)
