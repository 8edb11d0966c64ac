"""The studio with scripted previews, for its tests: a photo, a daemon, and nothing that a clock decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fakes import FakeLink, FakePreviews, job
from PIL import Image
from textual.pilot import Pilot

from depthflow.client.models import Preset, PresetDetail
from depthflow.jobs import library
from depthflow.tui.app import DepthFlowApp
from depthflow.tui.screens.studio import StudioScreen
from depthflow.tui.studio.model import StudioModel

PRESETS = ("cinematic", "dramatic", "gentle")


def a_photo(folder: Path, size: tuple[int, int] = (96, 64)) -> str:
    """A picture that is darker to the left and bluer downwards."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    pixels = np.stack([x * 255 // size[0], x * 160 // size[0], y * 255 // size[1]], axis=-1).astype(np.uint8)
    path = folder / "lake.png"
    Image.fromarray(pixels).save(path)
    return str(path)


def _preset(name: str) -> PresetDetail:
    known = library.load_preset(name)
    return PresetDetail(name=name, description=known.description, source="builtin", parts=known.parts)


def a_link(previews: FakePreviews, **answers: Any) -> FakeLink:
    listed = [
        Preset(name=name, description=library.load_preset(name).description, source="builtin") for name in PRESETS
    ]
    given = {"presets": listed, "preset": _preset, "submit": lambda *_, **__: job(8), **previews.answers}
    return FakeLink(**{**given, **answers})


class Studio:
    """A studio that runs."""

    def __init__(self, app: DepthFlowApp, pilot: Pilot[None], link: FakeLink, previews: FakePreviews) -> None:
        self.app, self.pilot, self.link, self.previews = app, pilot, link, previews

    @property
    def screen(self) -> StudioScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, StudioScreen)
        return screen

    @property
    def model(self) -> StudioModel:
        return self.screen.model

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, true: Callable[[], object]) -> None:
        """As many turns of the event loop as it takes."""
        async with asyncio.timeout(60):
            while not true():
                await self.pilot.pause()

    def row(self, y: int) -> str:
        """A line of the screen."""
        return self.app.screen._compositor.render_strips()[y].text

    def text(self) -> str:
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())


@asynccontextmanager
async def studio(
    folder: Path, *, size: tuple[int, int] = (120, 40), photo: bool = True, **answers: Any
) -> AsyncGenerator[Studio]:
    previews = FakePreviews()
    link = a_link(previews, **answers)
    app = DepthFlowApp(link=link)  # type: ignore[arg-type]
    async with app.run_test(size=size) as pilot:
        await pilot.press("f2")
        run = Studio(app, pilot, link, previews)
        await run.until(lambda: run.screen.query_one("#motions").option_count)  # type: ignore[attr-defined]
        if photo:
            await app.open_in_studio(a_photo(folder))
            await run.until(lambda: run.screen._frame is not None)
        yield run
