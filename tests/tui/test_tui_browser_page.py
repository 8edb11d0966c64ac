"""The page in a real browser: it shows the app, takes its keys, and asks for nothing beyond this machine."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from chromium import page
from PIL import Image

from depthflow.tui.browser.server import BrowserServer, argv_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Debian's Chromium")


async def test_the_app_in_a_browser(tmp_path: Path) -> None:
    server = BrowserServer(argv_of("http://127.0.0.1:9"))
    await server.start()
    async with page(tmp_path / "profile") as shown:
        await shown.open(server.access.url)
        await shown.until(lambda: b"System" in shown.frames and b"Palette" in shown.frames)
        # What was written to the terminal is drawn with the next pictures.
        await shown.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
        assert await shown.value("location.href") == f"http://127.0.0.1:{server.access.port}/"
        assert await shown.value("document.cookie") == "", "no script reads the cookie"
        assert await shown.value("document.body.className") == "-loaded -first-byte"
        assert await shown.value("document.fonts.check('16px \"Roboto Mono\"')")
        await _is_drawn(await shown.picture())
        before = len(shown.frames)
        await shown.press("F3", 114)
        await shown.until(lambda: b"Folders" in shown.frames[before:])
        places = [urlsplit(address) for address in shown.requests]
        errors = [line for line in shown.console if line.startswith("error")]
    await server.close()
    assert {place.scheme for place in places} == {"http", "ws"}
    assert {place.netloc for place in places} == {f"127.0.0.1:{server.access.port}"}
    assert {"/", "/static/textual.js", "/static/mono.ttf"} <= {place.path for place in places}
    assert any(place.path.startswith("/ws/") for place in places)
    assert [place.query for place in places if "token" in place.query] == [f"token={server.access.token}"]
    assert errors == []


async def _is_drawn(picture: bytes) -> None:
    """The masthead with letters on the first line, the footer on the last one."""
    with Image.open(io.BytesIO(picture)) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    top, middle, bottom = pixels[:18], pixels[200:300, :60], pixels[-60:]
    assert np.ptp(middle, axis=(0, 1)).max() < 10, "nothing is at the side of an empty queue"
    for part in (top, bottom):
        assert len(np.unique(part.reshape(-1, 3), axis=0)) > 20, "letters, with smooth edges"
    assert not (np.median(top, axis=(0, 1)) == np.median(middle, axis=(0, 1))).all()


async def test_the_end_of_the_app_is_said(tmp_path: Path) -> None:
    server = BrowserServer(argv_of("http://127.0.0.1:9"))
    await server.start()
    async with page(tmp_path / "profile") as shown:
        await shown.open(server.access.url)
        await shown.until(lambda: b"Palette" in shown.frames)
        closed = "new Promise(done => { const look = () => document.body.classList.contains('-closed') ? done(1) "
        waiting = asyncio.create_task(shown.value(closed + ": requestAnimationFrame(look); look(); })"))
        (session,) = server.sessions
        await session.stop()
        assert await waiting == 1
        assert await shown.value("document.getElementById('closed').checkVisibility()")
        before = len(shown.frames)
        await shown.value("document.getElementById('again').click()")
        await shown.until(lambda: b"Palette" in shown.frames[before:])
    await server.close()


async def test_a_page_that_is_loaded_again_shows_the_same_app(tmp_path: Path) -> None:
    server = BrowserServer(argv_of("http://127.0.0.1:9"))
    await server.start()
    async with page(tmp_path / "profile") as shown:
        await shown.open(server.access.url)
        await shown.until(lambda: b"Palette" in shown.frames)
        await shown.press("F3", 114)
        await shown.until(lambda: b"Scan" in shown.frames)
        (session,) = server.sessions
        before = len(shown.frames)
        await shown.reload()
        await shown.until(lambda: all(word in shown.frames[before:] for word in (b"Queue", b"Scan", b"Palette")))
        assert server.sessions == {session}
        before = len(shown.frames)
        await shown.press("F4", 115)
        await shown.until(lambda: b"Networks" in shown.frames[before:])
    await server.close()
