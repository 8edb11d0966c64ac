"""How the studio looks, at three sizes and in three states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import FakePreviews
from studio_scene import a_link, a_photo
from textual.pilot import Pilot

from depthflow.tui.app import DepthFlowApp
from depthflow.tui.screens.studio import StudioScreen


@pytest.fixture(autouse=True)
def still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No clock decides what is seen."""
    monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setattr(StudioScreen, "_rate", lambda _: 15.0)


def scene(folder: Path, *keys: str, tab: str = "Camera") -> tuple[DepthFlowApp, Any]:
    app = DepthFlowApp(link=a_link(FakePreviews()))  # type: ignore[arg-type]

    async def play(pilot: Pilot[None]) -> None:
        await app.open_in_studio(a_photo(folder, (32, 20)))
        screen = app.screen
        assert isinstance(screen, StudioScreen)
        for _ in range(500):
            await pilot.pause(0.01)
            if screen._frame is not None and screen.query_one("#motions").option_count:  # type: ignore[attr-defined]
                break
        screen._show_tab(tab)
        await pilot.pause()
        await pilot.press(*keys)
        for _ in range(5):
            await pilot.pause()
        screen._show_status()
        await pilot.pause()

    return app, play


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=str)
def test_looks(tmp_path: Path, snap_compare: Any, size: tuple[int, int]) -> None:
    app, play = scene(tmp_path, "right", "right", "down", "down", "2", "enter")
    assert snap_compare(app, run_before=play, terminal_size=size)


def test_looks_of_motions(tmp_path: Path, snap_compare: Any) -> None:
    app, play = scene(tmp_path, "down", "end", tab="Motion")
    assert snap_compare(app, run_before=play, terminal_size=(80, 24))


def test_looks_of_the_search(tmp_path: Path, snap_compare: Any) -> None:
    app, play = scene(tmp_path, "slash", *"focus", "enter")
    assert snap_compare(app, run_before=play, terminal_size=(80, 24))


def test_looks_of_saving(tmp_path: Path, snap_compare: Any) -> None:
    app, play = scene(tmp_path, "end", "s", *"a/b")
    assert snap_compare(app, run_before=play, terminal_size=(80, 24))
