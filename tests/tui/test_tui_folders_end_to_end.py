"""The folders screen with a real daemon: a folder is added, a photo dropped, waits, is made, and is counted."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from houses import House
from textual.pilot import Pilot
from textual.widgets import Input, Static

from depthflow.tui.app import DepthFlowApp
from depthflow.tui.folders.edit import EditFolder
from depthflow.tui.folders.panes import Empty, FolderList, Pane
from depthflow.tui.screens.asking import Confirm

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="sockets"),
    pytest.mark.gl,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]

RULES = '[settle]\nmode = "sentinel"\nseconds = 0\n[output]\nsize = "64x48"\nfps = 8\nduration = 0.5\n'


async def test_from_an_empty_list_to_a_video(
    house: House, photo: Path, depth_map: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.file.write_text("# mine\n[engine]\nworkers = 1   # one\n")
    for name, value in house.env.items():
        monkeypatch.setenv(name, value)
    await asyncio.to_thread(house.start)
    drop = house.root / "drop"
    app = DepthFlowApp(f"unix://{house.socket}", private=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f3")
        await until(pilot, lambda: "No folder is watched yet" in shown(pilot, "#empty-title"))
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, EditFolder))
        sheet = app.screen
        sheet.query_one("#in", Input).value = str(drop)
        sheet.query_one("#out", Input).value = str(house.root / "videos")
        await until(pilot, lambda: "there is no such folder" in shown(pilot, "#verdict"))
        await pilot.click("#create")
        await until(pilot, lambda: "✓ drop: the folder is made" in shown(pilot, "#verdict"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is not sheet)
        await until(pilot, lambda: app.screen.query_one(FolderList).chosen == "drop")
        assert house.file.read_text().startswith("# mine\n[engine]\nworkers = 1   # one\n\n[[folders]]\n")
        assert drop.is_dir()

        (drop / ".depthflow.toml").write_text(RULES)
        shutil.copy(depth_map, drop / "cat.depth.png")
        shutil.copy(photo, drop / "cat.png")
        await until(pilot, lambda: "waits for cat.png.done" in pane(pilot, "waiting"))
        await until(pilot, lambda: "✓ valid" in pane(pilot, "rules"))
        assert "1 waiting" in shown(pilot, "#facts").replace("◔ ", "")

        (drop / "cat.png.done").touch()
        await until(pilot, lambda: "✓ 1 done" in shown(pilot, "#facts"))
        await until(pilot, lambda: "✓ done     cat.png" in pane(pilot, "log"))
        assert (house.root / "videos" / "cat.mp4").stat().st_size > 0

        await pilot.press("p")
        await until(pilot, lambda: "paused" in shown(pilot, "#facts"))
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: bool(app.screen.query(Empty)) and app.screen.query_one(Empty).display)
        assert house.file.read_text() == "# mine\n[engine]\nworkers = 1   # one\n"
        assert (drop / "cat.png").exists()
    assert (await asyncio.to_thread(house.does, "stop", "--now")).code == 0


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Let the interface go on until something holds; the timeout of the test ends what never does."""
    while not holds():
        await asyncio.sleep(0.05)
        await pilot.pause()  # a sheet is there before what is in it


def shown(pilot: Pilot[None], selector: str) -> str:
    return str(pilot.app.screen.query_one(selector, Static).render())


def pane(pilot: Pilot[None], name: str) -> str:
    return str(pilot.app.screen.query_one(f"#{name}", Pane).query_one(Static).render())
