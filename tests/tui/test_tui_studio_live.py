"""The studio with a real daemon: its stream, drawn by a real process, reaches the screen and follows the keys."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot

from depthflow.tui.app import DepthFlowApp
from depthflow.tui.screens.studio import StudioScreen
from depthflow.tui.screens.studio_preview import RATE
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
            await pilot.press("ctrl+q")  # it is looked at no more, and ended all the same
            await until(pilot, lambda: not app.is_running)
        assert not running.core.previews._running


async def test_a_real_preview_stands_at_the_playhead_and_shows_the_keys(photo: Path, depth_map: Path) -> None:
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
            player = screen._player
            assert player is not None
            await until(pilot, lambda: screen._frame is not None)
            await pilot.press("t")
            editor = screen._editor
            assert editor is not None
            await until(pilot, lambda: editor.playhead > 0)  # it plays, and the playhead goes with it

            async def shown_at(key: str, number: int) -> bytes:
                await pilot.press(key)
                await until(
                    pilot,
                    lambda: screen._frame.number == number and screen._frame.revision == player.revision
                    and player._shown == player._wish,
                )  # fmt: skip
                assert screen._frame is not None
                return screen._frame.pixels

            last = round(5.0 * RATE) - 1
            await shown_at("home", 0)
            before = await shown_at("end", last)
            screen.model.put("timeline", {"tracks": [{"parameter": "zoom", "keys": [
                {"at": "0s", "value": 1.0}, {"at": "100%", "value": 2.0}]}]})  # fmt: skip
            await pilot.pause()
            zoomed = await shown_at("end", last)
            await pilot.press("ctrl+z")
            after = await shown_at("end", last)
            # How fine the photo was read depends on the size that was asked for first.
            assert apart(after, before) < 10 < 30 < apart(zoomed, before)
            assert not editor.model.rows


def apart(one: bytes, other: bytes) -> float:
    """How different two pictures are, of 255."""
    pixels = [np.frombuffer(each, np.uint8).astype(np.int16) for each in (one, other)]
    return float(np.abs(pixels[0] - pixels[1]).mean())


def is_grey(screen: StudioScreen) -> bool:
    assert screen._frame is not None
    pixels = screen._frame.pixels
    return screen.view == "depth" and pixels[0::3] == pixels[1::3] == pixels[2::3]
