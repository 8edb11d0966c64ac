"""Models, System, welcome, help and palette as pictures, at three sizes, with frozen data."""

# ruff: noqa: F811, F401 - a fixture of another module

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from system_data import Scripted, local_app, scripted
from test_tui_system_screen import cells, lines, settle, until
from textual.command import CommandList
from textual.pilot import Pilot
from textual.widgets import Input

from depthflow.client.models import Preset
from depthflow.tui import model_list

SIZES = ((80, 24), (120, 40), (200, 60))
TABS = ("overview", "doctor", "encoders", "workers", "logs", "settings")


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def size(request: pytest.FixtureRequest, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(model_list, "hub_trouble", lambda: None)
    return request.param


@pytest.mark.parametrize("tab", TABS)
def test_system(tab: str, size: tuple[int, int], snap_compare: Any) -> None:
    async def show(pilot: Pilot[None]) -> None:
        await pilot.press("f5", str(TABS.index(tab) + 1))
        await settle(pilot)
        if tab == "logs":
            await until(pilot, lambda: len(lines(pilot.app)) == 6)  # type: ignore[arg-type]
        if tab == "encoders":
            await until(pilot, lambda: cells(pilot.app, "#encoders-table"))  # type: ignore[arg-type]
            await pilot.pause()

    assert snap_compare(local_app(), terminal_size=size, run_before=show)


def test_models(size: tuple[int, int], snap_compare: Any) -> None:
    async def show(pilot: Pilot[None]) -> None:
        await pilot.press("f4")
        await settle(pilot)
        await pilot.press("down", "down")
        await pilot.pause()

    assert snap_compare(local_app(), terminal_size=size, run_before=show)


def test_welcome(size: tuple[int, int], snap_compare: Any, tmp_path: Path) -> None:
    async def show(pilot: Pilot[None]) -> None:
        await pilot.press("f5")
        pilot.app.action_welcome()  # type: ignore[attr-defined]
        await pilot.pause()

    assert snap_compare(local_app(), terminal_size=size, run_before=show)


def test_help(size: tuple[int, int], snap_compare: Any) -> None:
    async def show(pilot: Pilot[None]) -> None:
        await pilot.press("f5")
        await settle(pilot)
        await pilot.press("question_mark")
        await pilot.pause()

    assert snap_compare(local_app(), terminal_size=size, run_before=show)


def test_palette(size: tuple[int, int], snap_compare: Any) -> None:
    async def show(pilot: Pilot[None]) -> None:
        await pilot.press("f5")
        await settle(pilot)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: pilot.app.screen.query_one(CommandList).option_count)
        pilot.app.screen.query_one(Input).cursor_blink = False
        await pilot.pause()

    presets = [Preset(name="cinematic", description="slow", source="builtin")]
    assert snap_compare(local_app(presets=presets), terminal_size=size, run_before=show)
