"""Draws the README's pictures of the terminal interface: `python docs/screens.py`, with the sample photo.

A daemon of its own draws the preview and makes clips. Needs Chromium and a monospaced font.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PIL import Image
from textual.pilot import Pilot

if TYPE_CHECKING:
    from depthflow.tui.screens.studio import StudioScreen

IMAGES = Path(__file__).parent / "images"
SIZE = (140, 40)
CHROMIUM = [shutil.which("chromium") or "chromium"]


async def until(pilot: Pilot[None], there: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not there():
            await pilot.pause(0.1)


def save(pilot: Pilot[None], name: str, folder: Path) -> None:
    """As a browser draws it: it alone puts every word where the picture says."""
    drawn = re.sub(r"@font-face \{.*?\}", "", pilot.app.export_screenshot(), flags=re.DOTALL)  # from another host
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn).groups()  # type: ignore[union-attr]
    page = folder / f"{name}.html"
    page.write_text(f"<meta charset=utf-8><body style='margin:0'>{drawn}", encoding="utf-8")
    target = IMAGES / f"tui-{name}.png"
    window = f"--window-size={round(float(width))},{round(float(height))}"
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking")
    subprocess.run(
        [*CHROMIUM, *flags, f"--user-data-dir={folder / 'browser'}", window, f"--screenshot={target}", page.as_uri()],
        check=True, capture_output=True,
    )  # fmt: skip
    with Image.open(target) as image:
        image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.LANCZOS).quantize(256).save(target)
    print(target)


async def draw(folder: Path) -> None:
    from depthflow import paths
    from depthflow.tui.app import DepthFlowApp
    from depthflow.tui.link import LinkState

    photo = shutil.copy(paths.data("config", "samples", "boats.jpg"), folder / "boats.jpg")
    app = DepthFlowApp()
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.link.state is LinkState.ONLINE)
        await app.open_in_studio(photo, {"motion": {"name": "orbital", "strength": 1.4}, "camera": {"zoom": 1.05}})
        studio = cast("StudioScreen", app.screen)
        await until(pilot, lambda: studio._frame is not None)
        await pilot.press("right_square_bracket")
        await pilot.pause(1)
        save(pilot, "studio", folder)
        for preset in ("cinematic", "dreamy", "snowfall", "orbital"):
            await app.link.client.submit(photo, preset=preset, spec={"outputs": [{"path": f"{folder}/{preset}.mp4"}]})
        await app.go("queue")
        await until(pilot, lambda: app.link.jobs.rate > 0)
        await pilot.press("home")
        await pilot.pause(2)
        save(pilot, "queue", folder)
        for job in list(app.link.jobs):
            if not job.ended:
                await app.link.client.cancel(job.id)


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        for name in ("config", "state", "cache", "runtime"):
            os.environ[f"DEPTHFLOW_{name.upper()}_DIR"] = str(Path(made) / name)
        folder = Path(made) / "photos"
        folder.mkdir()
        os.chdir(folder)
        asyncio.run(draw(folder))


if __name__ == "__main__":
    sys.exit(main())
