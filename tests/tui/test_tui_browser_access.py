"""Nobody gets anything of the page without its token, from another site, or under another name."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from depthflow.errors import SystemError_, UsageError
from depthflow.tui.browser import server as serving
from depthflow.tui.browser.access import Access, is_loopback
from depthflow.tui.browser.server import BrowserServer, argv_of
from depthflow.tui.browser.session import Said, understood

NOWHERE = "http://127.0.0.1:9"
"""A daemon's address where none is: the app is offline, and starts none."""
ROUTES = [
    *("/", "/ws", "/download/some-key", "/static/textual.js", "/static/page.js", "/static/xterm.css"),
    *("/static/mono.ttf", "/static/", "/static", "/static/../server.py", "/favicon.ico", "/nothing/here", "//", "/%2e"),
]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]


@pytest.fixture
async def served() -> AsyncIterator[BrowserServer]:
    made = BrowserServer(argv_of(NOWHERE), sessions=2)
    await made.start()
    yield made
    await made.close()


def root(served: BrowserServer) -> str:
    return f"http://127.0.0.1:{served.access.port}"


@pytest.fixture
async def stranger() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


@pytest.fixture
async def owner(served: BrowserServer) -> AsyncIterator[aiohttp.ClientSession]:
    """Has opened the printed address, as a browser does."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        async with client.get(served.access.url) as answer:
            assert answer.status == 200
        yield client


@pytest.mark.parametrize("path", ROUTES)
async def test_without_the_token_every_route_is_refused(
    served: BrowserServer, stranger: aiohttp.ClientSession, path: str
) -> None:
    cookie = served.access.cookie
    for query, headers in (
        ("", {}),
        ("?token=", {}),
        ("?token=wrong", {}),
        (f"?token={served.access.token[:-1]}", {}),
        (f"?token={served.access.session}", {}),
        ("", {"Cookie": f"{cookie}="}),
        ("", {"Cookie": f"{cookie}=wrong"}),
        ("", {"Cookie": f"{cookie}={served.access.token}"}),
        ("", {"Cookie": f"other={served.access.session}"}),
        ("", {"Authorization": f"Bearer {served.access.token}"}),
    ):
        for method in METHODS:
            async with stranger.request(method, f"{root(served)}{path}{query}", headers=headers) as answer:
                assert answer.status == 403, (method, query, headers)
                assert "Set-Cookie" not in answer.headers
    assert not served.sessions


@pytest.mark.parametrize("path", [path for path in ROUTES if path not in ("/", "//", "/%2e")])
async def test_the_token_opens_the_page_alone(
    served: BrowserServer, stranger: aiohttp.ClientSession, path: str
) -> None:
    async with stranger.get(f"{root(served)}{path}?token={served.access.token}") as answer:
        assert answer.status == 403


async def test_a_websocket_needs_the_cookie(served: BrowserServer, stranger: aiohttp.ClientSession) -> None:
    for address in (f"{root(served)}/ws", f"{root(served)}/ws?token={served.access.token}"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await stranger.ws_connect(address, headers={"Origin": root(served)})
        assert caught.value.status == 403
    assert not served.sessions


async def test_the_token_is_shown_once_and_a_cookie_after_that(
    served: BrowserServer, stranger: aiohttp.ClientSession
) -> None:
    async with stranger.get(served.access.url) as answer:
        assert answer.status == 200
        page = await answer.text()
        header = answer.headers["Set-Cookie"]
    value = header.split(";")[0].partition("=")[2]
    assert {part.strip() for part in header.split(";")[1:]} == {"HttpOnly", "Path=/", "SameSite=Strict"}
    for text in (page, header):
        assert served.access.token not in text
    cookie = {"Cookie": f"{served.access.cookie}={value}"}
    for path, status in (("/", 200), ("/static/page.js", 200), ("/static/mono.ttf", 200), ("/nothing", 404)):
        async with stranger.get(f"{root(served)}{path}", headers=cookie) as answer:
            assert answer.status == status, path


async def test_there_are_these_files_and_no_list_of_them(served: BrowserServer, owner: aiohttp.ClientSession) -> None:
    for path in (
        "/static",
        "/static/",
        "/static/..%2fserver.py",
        "/static/%2e%2e%2f__init__.py",
        "/static/js/textual.js",
    ):
        async with owner.get(root(served) + path) as answer:
            assert answer.status == 404, path
    for name in serving._FILES:
        async with owner.get(f"{root(served)}/static/{name}") as answer:
            assert answer.status == 200, name
            assert len(await answer.read()) > 100


async def test_what_every_answer_says(served: BrowserServer, owner: aiohttp.ClientSession) -> None:
    for path in ("/", "/static/page.js", "/nothing"):
        async with owner.get(root(served) + path) as answer:
            headers = answer.headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        for word in policy.replace(";", " ").split():
            assert "*" not in word, "everything is named"
            assert "://" not in word or word == f"ws://127.0.0.1:{served.access.port}"


async def test_the_page_names_no_other_place(served: BrowserServer, owner: aiohttp.ClientSession) -> None:
    for path in ("/", "/static/page.js", "/static/page.css", "/static/xterm.css"):
        async with owner.get(root(served) + path) as answer:
            text = await answer.text()
        for scheme in ("http:", "https:", '"//', "url(//"):
            for line in text.splitlines():
                assert scheme not in line or line.lstrip().startswith("*"), line


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.evil.example:{port}",
        "127.0.0.1:1",
        "127.0.0.1",
        "evil@127.0.0.1:{port}",
        "192.168.1.1:{port}",
        "0.0.0.0:{port}",
        "",
        "[::1:{port}",
        "127.0.0.1:{port}/",
    ],
)
async def test_another_host_is_refused(served: BrowserServer, owner: aiohttp.ClientSession, host: str) -> None:
    """As after a name was made to point here (DNS rebinding), even with the cookie."""
    name = host.format(port=served.access.port)
    cookie = {"Cookie": f"{served.access.cookie}={served.access.session}", "Host": name}
    for path in ("/", f"/?token={served.access.token}", "/static/page.js", "/ws", "/nothing"):
        async with owner.get(root(served) + path, headers=cookie) as answer:
            assert answer.status == 403, (name, path)


async def test_its_own_names_are_accepted(served: BrowserServer, owner: aiohttp.ClientSession) -> None:
    for name in ("localhost", "LOCALHOST", "127.0.0.1", "[::1]"):
        headers = {
            "Host": f"{name}:{served.access.port}",
            "Cookie": f"{served.access.cookie}={served.access.session}",
        }
        async with owner.get(root(served), headers=headers) as answer:
            assert answer.status == 200, name
            assert f"ws://{name}:{served.access.port}/ws" in await answer.text()


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1", "http://localhost:{port}", ""],
)
async def test_a_page_of_another_origin_is_refused(
    served: BrowserServer, owner: aiohttp.ClientSession, origin: str
) -> None:
    for path in ("/ws", "/", "/static/page.js"):
        headers = {"Origin": origin.format(port=served.access.port)}
        async with owner.get(root(served) + path, headers=headers) as answer:
            assert answer.status == 403, path


async def test_a_websocket_without_an_origin_is_refused(served: BrowserServer, owner: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await owner.ws_connect(f"{root(served)}/ws")
    assert caught.value.status == 403


async def test_no_log_has_the_token(
    served: BrowserServer,
    owner: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    async with owner.get(served.access.url) as answer:
        assert answer.status == 200
    async with owner.get(f"{root(served)}/nothing?token={served.access.token}") as answer:
        assert answer.status == 404
    reader, writer = await asyncio.open_connection("127.0.0.1", served.access.port)
    writer.write(f"GET /?token={served.access.token} HTTP/9.9\r\nbroken\r\n\r\n".encode())
    assert b"400" in await reader.read()
    writer.close()
    out, err = capfd.readouterr()
    for secret in (served.access.token, served.access.session):
        assert secret not in caplog.text + out + err + repr(served.access)


def test_secrets_are_new_each_time() -> None:
    first, second = Access("127.0.0.1", 1), Access("127.0.0.1", 1)
    assert len({first.token, first.session, second.token, second.session}) == 4
    assert all(len(each) >= 43 for each in (first.token, first.session)), "256 bits"


@pytest.mark.parametrize(
    ("host", "only"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.9.9.9", True)]
)
def test_loopback_is_known(host: str, only: bool) -> None:
    assert is_loopback(host) is only


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", "localhost.example.org", ""])  # noqa: S104
def test_elsewhere_needs_the_flag(host: str) -> None:
    with pytest.raises(UsageError, match="plain HTTP") as caught:
        serving.serve(host=host)
    assert "--allow-remote" in caught.value.hint


def test_bound_elsewhere_digits_and_own_names_are_accepted() -> None:
    access = Access("0.0.0.0", 8000)  # noqa: S104
    assert access.url.startswith(f"http://{socket.gethostname()}:8000/?token=")
    for host in ("192.168.1.5:8000", "[fe80::1]:8000", "localhost:8000", f"{socket.gethostname()}:8000"):
        assert access.is_ours(host), host
    for host in ("evil.example:8000", "192.168.1.5", "192.168.1.5:80", "192.168.1.5.evil.example:8000"):
        assert not access.is_ours(host), host


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemError_, match=f"port {port}"):
            BrowserServer(["true"], port=port)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ('["stdin", "aä\\u001b"]', Said("stdin", "aä\x1b")),
        ('["resize", {"width": 80, "height": 24}]', Said("resize", width=80, height=24)),
        ('["ping", "123"]', Said("ping", "123")),
        ('["focus"]', Said("focus")),
        ('["blur"]', Said("blur")),
    ],
)
def test_messages_of_the_page(message: str, said: Said) -> None:
    assert understood(message) == said


@pytest.mark.parametrize(
    "message",
    [
        *("", "null", "{}", "[]", '"stdin"', "[1]", '["stdin"]', '["stdin", 1]', '["stdin", "a", "b"]', '["other"]'),
        *('["stdin", "\\ud800"]', '["ping", 1]', f'["ping", "{"9" * 99}"]', '["focus", 1]', "[" * 100_000),
        *(f'["resize", {size}]' for size in ("null", "[80, 24]", '{"width": 80}', '{"width": true, "height": 24}')),
        *(f'["resize", {{"width": {n}, "height": 24}}]' for n in ("0", "-1", "1001", "1e999", "80.5", '"80"', "NaN")),
    ],
)
def test_other_messages_are_refused(message: str) -> None:
    with pytest.raises(ValueError):
        understood(message)
