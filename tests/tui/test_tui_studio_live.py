"""The studio with a real daemon: its stream, drawn by a real process, reaches the screen and follows the keys."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from depthflow.tui.app import DepthFlowApp
from depthflow.tui.screens.studio import StudioScreen
from depthflow.tui.widgets.parameters import ParameterList
from depthflow.tui.widgets.picture import Picture

pytestmark = pytest.mark.gl


async def until(pilot: Pilot[None], true: Callable[[], object]) -> None:
    for _ in range(3000):
        if true():
            return
        await pilot.pause(0.02)
    raise AssertionError("it never came")


async def test_a_real_preview_moves_and_follows_the_keys(photo: Path, depth_map: Path) -> None:
    from daemon_api import daemon

    with daemon() as running:
        shutil.copy(depth_map, running.root / "cat.depth.png")
        cat = str(shutil.copy(photo, running.root / "cat.png"))
        app = DepthFlowApp(f"unix://{running.socket}", private=False)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: app.link.system)
            await app.open_in_studio(cat)
            screen = app.screen
            assert isinstance(screen, StudioScreen)
            seen: set[bytes] = set()

            def moved() -> bool:
                if screen._frame is not None:
                    seen.add(screen._frame.pixels)
                return len(seen) >= 3

            await until(pilot, moved)
            assert screen.query_one(Picture).painted >= 3
            assert screen.model.effective("camera.relief") is not None  # the daemon told what the motion suggests
            screen.query_one(ParameterList).go_to("motion.strength")
            await pilot.press("home")
            player = screen._player
            assert player is not None
            await until(pilot, lambda: player.revision > 1 and screen._frame.revision == player.revision)  # type: ignore[union-attr]
            seen.clear()
            numbers = set()

            def stands() -> bool:
                assert screen._frame is not None
                seen.add(screen._frame.pixels)
                numbers.add(screen._frame.number)
                return len(numbers) >= 3

            await until(pilot, stands)
            assert len(seen) == 1  # it plays, and without strength nothing moves
            await pilot.press("v")
            await until(pilot, lambda: screen._frame.revision == player.revision and is_grey(screen))
            (preview,) = running.core.previews._running
            await pilot.press("f1")
            shown = running.core.previews.get(preview)
            await until(pilot, lambda: shown is not None and not shown.viewers)
        assert not running.core.previews._running


def is_grey(screen: StudioScreen) -> bool:
    assert screen._frame is not None
    pixels = screen._frame.pixels
    return screen.view == "depth" and pixels[0::3] == pixels[1::3] == pixels[2::3]
