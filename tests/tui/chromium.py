"""A Chromium without a window, driven through its own DevTools protocol; all that it asks for is noted."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--window-size=900,600",
)


def program() -> str:
    """Where it is; skips the test where it is not, but not in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        assert not os.environ.get("CI"), "chromium is needed in CI: make test-packages"
        pytest.skip("chromium is not installed: make test-packages")
    return found


_KEYBOARD = """new Promise(done => {
  const look = () => document.activeElement?.classList.contains("xterm-helper-textarea")
    ? done() : requestAnimationFrame(look);
  look();
})"""


class Page:
    """One page, and all that it sent and got.

    Attributes:
        requests: addresses, of whatever kind, in order.
        frames: what came over its websockets, joined.
        console: what it said there, errors above all.
        loads: how many times it was loaded.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.requests: list[str] = []
        self.frames = b""
        self.console: list[str] = []
        self.loads = 0
        self._socket, self._numbers = socket, itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._session = ""
        self._news = asyncio.Condition()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the browser."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        await self._socket.send_json(message | ({"sessionId": self._session} if self._session else {}))
        return await self._answers[number]

    async def open(self, url: str) -> None:
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Network", "Runtime", "Log", "Page"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)

    async def reload(self) -> None:
        """Load the page anew; what comes from now on is the new one's."""
        loads = self.loads
        await self.call("Page.reload")
        await self.until(lambda: self.loads > loads)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something that it got makes it true."""
        async with self._news:
            await self._news.wait_for(true)

    async def value(self, script: str) -> Any:
        """What a script in the page gives."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def press(self, key: str, code: int) -> None:
        """Press a key of this name and number, once the terminal has the keyboard: that is after its first byte."""
        await self.value(_KEYBOARD)
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code)

    async def picture(self) -> bytes:
        """PNG of what it shows."""
        return base64.b64decode((await self.call("Page.captureScreenshot"))["data"])

    async def listen(self) -> None:
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                answer = self._answers.pop(said["id"])
                if "error" in said:
                    answer.set_exception(RuntimeError(f"{said['error']}"))
                else:
                    answer.set_result(said["result"])
                continue
            async with self._news:
                self._hear(said["method"], said["params"])
                self._news.notify_all()

    def _hear(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self.loads += 1
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Network.webSocketCreated":
                self.requests.append(params["url"])
            case "Network.webSocketFrameReceived":
                data = params["response"]["payloadData"]
                self.frames += base64.b64decode(data) if params["response"]["opcode"] == 2 else data.encode()
            case "Runtime.consoleAPICalled":
                self.console.append(f"{params['type']}: {params['args']}")
            case "Runtime.exceptionThrown":
                self.console.append(f"error: {params['exceptionDetails']}")
            case "Log.entryAdded":
                self.console.append(f"{params['entry']['level']}: {params['entry']}")


@asynccontextmanager
async def page(profile: Path) -> AsyncIterator[Page]:
    """A page of a new browser, whose folder is `profile`."""
    process = await asyncio.create_subprocess_exec(
        program(),
        *_FLAGS,
        f"--user-data-dir={profile}",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "HOME": str(profile)},
    )
    assert process.stderr is not None
    try:
        address = ""
        while not address.startswith("DevTools listening on "):
            line = await process.stderr.readline()
            assert line, "chromium ended"
            address = line.decode().strip()
        rest = asyncio.create_task(process.stderr.read())
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(address.removeprefix("DevTools listening on "), max_msg_size=0) as socket,
        ):
            made = Page(socket)
            listening = asyncio.create_task(made.listen())
            yield made
            listening.cancel()
        rest.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
