"""One page's app: a process of its own, begun without a shell, and ended for certain. It knows no web server."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
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


class Session(AppService):
    """The app of one page.

    Args:
        argv: starts it.
        write_bytes, write_str: send to the page; they may raise ConnectionResetError once it is gone.
        close: ends the connection with the page.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        write_bytes: Callable[[bytes], Awaitable[None]],
        write_str: Callable[[str], Awaitable[None]],
        close: Callable[[], Awaitable[object]],
        downloads: DownloadManager,
    ) -> None:
        async def closed() -> None:
            await close()

        super().__init__("", write_bytes=write_bytes, write_str=write_str, close=closed, download_manager=downloads)
        self._argv = tuple(argv)
        self._gone = False
        self._ending: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Of the app's process; None before it was begun."""
        return None if self._process is None else self._process.pid

    async def start(self, width: int, height: int) -> None:
        """Begin the app, with that many columns and rows; not if it was to end meanwhile."""
        async with self._starting:
            if self._ending is None:
                await super().start(width, height)

    async def run(self) -> None:
        """Pass on what the app says until it ends; then there is nothing more to see."""
        await super().run()
        await self.remote_close()

    async def stop(self) -> None:
        """End the app, by the end of its input; by force if that does not help. Whoever asks waits until it has."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

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

    async def on_data(self, payload: bytes) -> None:
        """Also what nobody sees any more is taken: an app that cannot write cannot end."""
        if not self._gone:
            try:
                await super().on_data(payload)
            except ConnectionResetError:
                self._gone = True

    async def on_meta(self, data: bytes) -> None:
        """Only addresses of the web are opened in the browser."""
        meta = json.loads(data)
        if self._gone or (meta["type"] == "open_url" and urlsplit(str(meta["url"])).scheme not in ("http", "https")):
            return
        try:
            await super().on_meta(data)
        except ConnectionResetError:
            self._gone = True

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        ours = {"TEXTUAL_DRIVER": DRIVER, "TEXTUAL_FPS": "30", "TERM": "xterm-256color"}
        return {**super()._build_environment(width, height), **ours}

    async def _open_app_process(self, width: int = 80, height: int = 24) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        # A session of its own: Ctrl+C in the server's terminal is the server's matter.
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=self._build_environment(width, height),
            start_new_session=os.name != "nt",
        )
        self._stdin = self._process.stdin
        return self._process
