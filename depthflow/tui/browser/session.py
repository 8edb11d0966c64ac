"""A page's app: a process of its own, begun without a shell, and ended for certain. It knows no web server."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

END_S = 40.0
"""What the app gets to end: a private daemon gives its running jobs back first."""
TERMINATE_S = 5.0
"""What it gets after it was told so by a signal."""
MOST_CELLS = 1000
"""Columns, and rows, that a page may ask for."""
DRIVER = "depthflow.tui.browser.child:BrowserDriver"
SHOW = "show"
"""Tells the driver that another terminal shows the app from now on."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a page said: `kind` is stdin, resize, ping, blur or focus; the rest as the kind needs it."""

    kind: str
    text: str = ""
    width: int = 0
    height: int = 0


def understood(message: str) -> Said:
    """A message of a page.

    Raises:
        ValueError: it is none.
    """
    try:
        envelope = json.loads(message)
    except RecursionError:
        raise ValueError("nested too deep") from None
    match envelope:
        case ["stdin", str(text)]:
            text.encode()
            return Said("stdin", text)
        case ["ping", str(text)] if len(text) <= 40:
            return Said("ping", text)
        case ["resize", {"width": width, "height": height}] if _cells(width) and _cells(height):
            return Said("resize", width=width, height=height)
        case ["blur" | "focus" as kind]:
            return Said(kind)
    raise ValueError("not a message of the page")


def _cells(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_CELLS


class Page(Protocol):
    """Where an app is seen. Once it is gone, sending may raise ConnectionResetError."""

    async def send_bytes(self, data: bytes) -> None: ...

    async def send_str(self, data: str) -> None: ...

    async def close(self) -> object:
        """End the connection with the page."""


class Session(AppService):
    """An app, and the page that shows it, if one does.

    Args:
        argv: starts it.
        tab: names the tab of the browser whose pages it belongs to, one after the other.

    Attributes:
        page: the one that shows it now; what the app says without one is lost, and `attach` has it said again.
    """

    def __init__(self, argv: Sequence[str], downloads: DownloadManager, *, tab: str = "") -> None:
        super().__init__(
            "", write_bytes=self._write_bytes, write_str=self._write_str, close=self._close, download_manager=downloads
        )
        self.tab = tab
        self.page: Page | None = None
        self._argv = tuple(argv)
        self._gone = False
        self._shown = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Of the app's process; None before it was begun."""
        return None if self._process is None else self._process.pid

    @property
    def ended(self) -> bool:
        """The app has ended, or is about to."""
        return self._ending is not None or (self._task is not None and self._task.done())

    async def attach(self, page: Page, width: int, height: int) -> None:
        """Show the app on another page, from the beginning; the page before is closed."""
        before, self.page = self.page, page
        self._shown.set()
        if before is not None:
            await before.close()
        await self.set_terminal_size(width, height)
        await self.send_meta({"type": SHOW})

    async def forsaken(self, seconds: float) -> bool:
        """Its page is gone: whether no other one shows it within so many seconds, or it ends meanwhile."""
        self.page, shown = None, self._shown
        shown.clear()
        waiting = asyncio.create_task(shown.wait())
        both = {waiting} if self._task is None else {waiting, self._task}
        await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return self.ended or not shown.is_set()

    async def start(self, width: int, height: int) -> None:
        """Begin the app, with that many columns and rows; not if it was to end meanwhile."""
        async with self._starting:
            if self._ending is None:
                await super().start(width, height)

    async def run(self) -> None:
        """Pass on what the app says until it ends; then there is nothing more to see."""
        try:
            await super().run()
        finally:  # it is cut short if the app was gone before it was listened to
            await self.remote_close()

    async def stop(self) -> None:
        """End the app, by the end of its input; by force if that does not help. Whoever asks waits until it has."""
        await asyncio.shield(self.stop_soon())

    def stop_soon(self) -> asyncio.Task[None]:
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        return self._ending

    async def _end(self) -> None:
        async with self._starting:
            task, process = self._task, self._process
        if task is None or process is None:
            return
        self._gone = True
        await self._download_manager.cancel_app_downloads(app_service_id=self.app_service_id)
        self.stdin.close()
        for seconds, force in ((END_S, process.terminate), (TERMINATE_S, process.kill), (None, None)):
            done, _ = await asyncio.wait({task}, timeout=seconds)
            if done or force is None:
                break
            if process.returncode is None:
                force()
        await process.wait()

    # Also what nobody sees is taken: an app that cannot write cannot end.

    async def _write_bytes(self, data: bytes) -> None:
        if self.page is not None and not self._gone:
            with suppress(ConnectionResetError):
                await self.page.send_bytes(data)

    async def _write_str(self, data: str) -> None:
        if self.page is not None and not self._gone:
            with suppress(ConnectionResetError):
                await self.page.send_str(data)

    async def _close(self) -> None:
        if self.page is not None:
            await self.page.close()

    async def on_meta(self, data: bytes) -> None:
        """Only addresses of the web are opened in the browser."""
        meta = json.loads(data)
        if self._gone or (meta["type"] == "open_url" and urlsplit(str(meta["url"])).scheme not in ("http", "https")):
            return
        await super().on_meta(data)

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        ours = {"TEXTUAL_DRIVER": DRIVER, "TEXTUAL_FPS": "30", "TERM": "xterm-256color"}
        return {**super()._build_environment(width, height), **ours}

    async def _open_app_process(self, width: int = 80, height: int = 24) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        # Errors go where the server's go, at once: AppService would lose those of an app that ends at once.
        # A session of its own: Ctrl+C in the server's terminal is the server's matter.
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=pipe,
            stdout=pipe,
            stderr=None,
            env=self._build_environment(width, height),
            start_new_session=os.name != "nt",
        )
        self._process.stderr = asyncio.StreamReader()
        self._process.stderr.feed_eof()
        self._stdin = self._process.stdin
        return self._process
