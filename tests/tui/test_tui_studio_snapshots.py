"""How the studio looks, at three sizes and in three states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import FakePreviews
from studio_scene import a_link, a_photo
from test_tui_system_screen import until
from textual.pilot import Pilot
from textual.screen import Screen

from depthflow.tui.app import DepthFlowApp
from depthflow.tui.screens.studio import StudioScreen
from depthflow.tui.screens.studio_dialogs import SaveDialog
from depthflow.tui.widgets.motions import MotionList


@pytest.fixture(autouse=True)
def still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No clock decides what is seen."""
    monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setattr(StudioScreen, "_rate", lambda _: 15.0)


def scene(
    folder: Path, *keys: str, tab: str = "Camera", dialog: type[Screen[Any]] = StudioScreen, typed: str = ""
) -> tuple[DepthFlowApp, Any]:
    """After keys on a tab, and what was typed into the dialog that they opened."""
    app = DepthFlowApp(link=a_link(FakePreviews()))  # type: ignore[arg-type]

    async def play(pilot: Pilot[None]) -> None:
        await app.open_in_studio(a_photo(folder, (32, 20)))
        screen = app.screen
        assert isinstance(screen, StudioScreen)
        await until(pilot, lambda: screen._frame is not None and screen.query_one(MotionList).option_count)
        screen._show_tab(tab)
        await pilot.pause()
        await pilot.press(*keys)
        await until(pilot, lambda: isinstance(app.screen, dialog) and app.screen.focused is not None)
        await pilot.press(*typed)
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
    app, play = scene(tmp_path, "end", "s", dialog=SaveDialog, typed="a/b")
    assert snap_compare(app, run_before=play, terminal_size=(80, 24))
