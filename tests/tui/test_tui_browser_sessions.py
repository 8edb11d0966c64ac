"""The app behind a page: a real process that speaks over the websocket, and ends when it should."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from running import COMMAND
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from depthflow.client import AsyncClient
from depthflow.errors import ServerError
from depthflow.tui.browser.server import MOST_BYTES, BrowserServer, argv_of
from depthflow.tui.browser.session import Session

NOWHERE = "http://127.0.0.1:9"
"""A daemon's address where none is: the app is offline, and starts none."""
QUIT = ["stdin", "\x11"]
KEY_F3 = "\x1bOR"
TAB = "a" * 32

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@asynccontextmanager
async def serving(*argv: str, sessions: int = 2, kept: float = 60.0) -> AsyncIterator[BrowserServer]:
    made = BrowserServer(argv or argv_of(NOWHERE), sessions=sessions, kept=kept)
    await made.start()
    yield made
    await made.close()


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Callable[..., aiohttp.client._BaseRequestContextManager]]:  # type: ignore[type-arg]
    """What opens websockets, of a tab if one is named, after the printed address was opened."""
    root = address.partition("/?")[0]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        async with client.get(address) as answer:
            assert answer.status == 200

        def open_page(tab: str = "", width: int = 90) -> aiohttp.client._BaseRequestContextManager:  # type: ignore[type-arg]
            address = f"{root}/ws{tab and '/'}{tab}?width={width}&height=20"
            return client.ws_connect(address, headers={"Origin": root}, max_msg_size=0)

        yield open_page


async def read_until(page: aiohttp.ClientWebSocketResponse, *words: bytes) -> bytes:
    """What the page gets, until all these words have come."""
    read = b""
    while not all(word in read for word in words):
        message = await page.receive()
        assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
        read += message.data if isinstance(message.data, bytes) else message.data.encode()
    return read


async def read_to_the_end(page: aiohttp.ClientWebSocketResponse) -> int | None:
    async for _ in page:
        pass
    return page.close_code


def alive(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_app_speaks_and_ends_by_its_key() -> None:
    async with serving() as server, opened(server.access.url) as open_page:
        async with open_page() as page:
            await read_until(page, b"Queue", b"Studio")
            (session,) = server.sessions
            assert alive(session.pid)
            assert session.pid != os.getpid()
            await page.send_json(["resize", {"width": 60, "height": 20}])
            await page.send_json(["focus"])
            await page.send_json(["ping", "7"])
            await read_until(page, b'["pong", "7"]')
            await page.send_json(QUIT)
            assert await read_to_the_end(page) == 1000
            pid = session.pid
        await session.stop()
        assert not alive(pid)


async def test_the_app_ends_with_its_page() -> None:
    async with serving() as server, opened(server.access.url) as open_page:
        async with open_page() as page:
            await read_until(page, b"Queue")
            (session,) = server.sessions
        await session.stop()
        assert not alive(session.pid)


async def test_a_page_that_is_loaded_again_finds_its_app() -> None:
    async with serving() as server, opened(server.access.url) as open_page:
        async with open_page(TAB) as page:
            await read_until(page, b"Queue")
            await page.send_json(["stdin", KEY_F3])
            await read_until(page, b"Scan")
            (session,) = server.sessions
        async with open_page(TAB, width=70) as page:
            # All of it, also what was on the page before: places, keys, the mouse, and where the cursor is.
            await read_until(page, b"Queue", b"Scan", b"\x1b[?1003h", b"\x1b[?2004h", b"\x1b[?1049h")
            assert server.sessions == {session}
            await page.send_json(QUIT)
            assert await read_to_the_end(page) == 1000
        await session.stop()
        assert not alive(session.pid)
        async with open_page(TAB) as page:
            await read_until(page, b"Queue")
            assert session not in server.sessions


async def test_the_page_that_was_loaded_last_has_the_app() -> None:
    async with serving(sessions=1) as server, opened(server.access.url) as open_page, open_page(TAB) as first:
        await read_until(first, b"Queue")
        async with open_page(TAB) as second:
            await read_until(second, b"Queue")
            await read_to_the_end(first)
            (session,) = server.sessions
            assert alive(session.pid)
            await second.send_json(["ping", "7"])
            await read_until(second, b'["pong", "7"]')


async def test_another_tab_has_an_app_of_its_own_and_takes_the_place_of_one_that_waits() -> None:
    async with serving(sessions=2) as server, opened(server.access.url) as open_page, open_page(TAB) as page:
        await read_until(page, b"Queue")
        (waits,) = server.sessions
        async with open_page("b" * 32) as other:
            await read_until(other, b"Queue")
            assert len({session.pid for session in server.sessions}) == 2
            await page.close()
            async with open_page("c" * 32) as third:
                await read_until(third, b"Queue")
                await waits.stop()
                assert not alive(waits.pid)


async def test_an_app_to_which_no_page_comes_back_ends() -> None:
    async with serving(kept=0.1) as server, opened(server.access.url) as open_page:
        async with open_page(TAB) as page:
            await read_until(page, b"Queue")
            (session,) = server.sessions
        while alive(session.pid):
            await asyncio.sleep(0.02)
        assert session.ended


async def test_the_app_ends_with_its_server() -> None:
    async with serving() as server, opened(server.access.url) as open_page, open_page() as page:
        await read_until(page, b"Queue")
        (session,) = server.sessions
        await server.close()
        assert not alive(session.pid)
        await read_to_the_end(page)
        with pytest.raises(aiohttp.ClientConnectionError):
            await open_page()


async def test_what_was_to_end_before_it_began_does_not_begin() -> None:
    session = Session(argv_of(NOWHERE), DownloadManager())
    await session.stop()
    await session.start(80, 24)
    assert session.pid is None
    at_once = Session(argv_of(NOWHERE), DownloadManager())
    await asyncio.gather(at_once.start(80, 24), at_once.stop())
    assert at_once.pid is None or not alive(at_once.pid)


async def test_pages_are_few_and_apps_that_ended_leave_room() -> None:
    async with serving(sessions=1) as server, opened(server.access.url) as open_page:
        async with open_page() as page:
            await read_until(page, b"Queue")
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await open_page()
            assert caught.value.status == 503
            (session,) = server.sessions
            await page.send_json(QUIT)
            await read_to_the_end(page)
        await session.stop()
        async with open_page() as page:
            await read_until(page, b"Queue")


@pytest.mark.parametrize(
    ("send", "code"),
    [
        (lambda page: page.send_str("{}"), 1008),
        (lambda page: page.send_str('["stdin", 5]'), 1008),
        (lambda page: page.send_bytes(b'["focus"]'), 1008),
        (lambda page: page.send_json(["stdin", "x" * MOST_BYTES]), 1009),
    ],
    ids=["no envelope", "wrong kind", "bytes", "too long"],
)
async def test_what_is_no_message_ends_the_page(send: Callable[..., object], code: int) -> None:
    async with serving() as server, opened(server.access.url) as open_page, open_page() as page:
        await read_until(page, b"Queue")
        (session,) = server.sessions
        await send(page)  # type: ignore[misc]
        assert await read_to_the_end(page) == code
        await session.stop()
        assert not alive(session.pid)


async def test_a_file_is_handed_over_to_be_saved() -> None:
    """A command of the palette makes a picture of the screen."""
    async with serving() as server, opened(server.access.url) as open_page, open_page() as page:
        await read_until(page, b"Queue")
        await page.send_json(["stdin", "\x10"])
        await read_until(page, b"Search")
        await page.send_json(["stdin", "picture of the screen\r"])
        got = await read_until(page, b"deliver_file_start")
        key = got.rpartition(b'"deliver_file_start", "')[2].partition(b'"')[0].decode()
        root = server.access.url.partition("/?")[0]
        client = aiohttp.ClientSession(cookies={server.access.cookie: server.access.session})
        async with client, client.get(f"{root}/download/{key}") as answer:
            assert answer.status == 200
            assert answer.content_type == "application/octet-stream"
            assert answer.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''")
            assert "sandbox" in answer.headers["Content-Security-Policy"]
            assert b"<svg" in await answer.read()
            async with client.get(f"{root}/download/{key}") as again:
                assert again.status == 404


async def test_a_program_that_is_no_app_closes_the_page(capfd: pytest.CaptureFixture[str]) -> None:
    argv = [sys.executable, "-c", "import sys; sys.exit('no such thing')"]
    async with serving(*argv) as server, opened(server.access.url) as open_page, open_page() as page:
        assert await read_to_the_end(page) == 1000
    assert "no such thing" in capfd.readouterr().err


async def test_an_app_that_is_gone_before_it_is_heard_closes_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppService cancels what reads the errors, and stumbles over it if that has not begun."""
    closed = []

    class Shown:
        async def close(self) -> None:
            closed.append(self)

    async def stumbles(self: AppService) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(AppService, "run", stumbles)
    session = Session(argv_of(NOWHERE), DownloadManager())
    session.page = Shown()  # type: ignore[assignment]
    with pytest.raises(asyncio.CancelledError):
        await session.run()
    assert closed == [session.page]


async def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    mark = tmp_path / "made"
    argv = [sys.executable, "-c", "pass", f"; touch {mark}", f"$(touch {mark})"]
    async with serving(*argv) as server, opened(server.access.url) as open_page, open_page() as page:
        await read_to_the_end(page)
    assert not mark.exists()


# -- the command ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def command(*args: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """`depthflow tui --browser`, and the address that it printed."""
    process = await asyncio.create_subprocess_exec(
        COMMAND, "tui", "--browser", *args, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        assert line.startswith("open http://127.0.0.1:"), line
        yield process, line.split()[1]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_ends_in_peace(number: int) -> None:
    async with command("--server", NOWHERE) as (process, address), opened(address) as open_page, open_page() as page:
        await read_until(page, b"Queue")
        process.send_signal(number)
        await read_to_the_end(page)
        out, err = await process.communicate()
        assert process.returncode == 0, err
        assert address.partition("token=")[2].encode() not in out + err


async def test_an_app_and_its_private_daemon_end_though_the_server_was_killed() -> None:
    async with command() as (process, address), opened(address) as open_page, open_page() as page:
        await read_until(page, b" queued")
        async with AsyncClient() as client:
            daemon = (await client.system()).pid
            process.kill()
            await process.wait()
            while alive(daemon):
                await asyncio.sleep(0.05)
            with pytest.raises(ServerError):
                await client.health()
