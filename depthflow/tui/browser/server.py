"""The web server of `depthflow tui --browser`: one page, its files, and a websocket to an app of its own.

textual-serve brings the page's script and speaks with the app; it has neither access control nor limits. Here nothing
is answered without the token, and the page asks for nothing that this server does not have.
"""

from __future__ import annotations

import asyncio
import html
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import quote

import textual_serve
from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.http_exceptions import HttpProcessingError
from textual_serve.download_manager import DownloadManager

from depthflow.errors import SystemError_, UsageError
from depthflow.tui.browser.access import Access, is_loopback
from depthflow.tui.browser.session import MOST_CELLS, Session, understood

MOST_SESSIONS = 4
"""Pages that may be open at once; each is a process."""
MOST_BYTES = 1 << 18
"""Of one message of a page; a long paste is one."""
HEARTBEAT_S = 15.0
"""A page that does not answer for this long is gone."""
KEPT_S = 20.0
"""An app whose page is gone waits this long for the same tab to load it again."""

_PAGE = files("depthflow.tui.browser") / "page"
_THEIRS = Path(textual_serve.__file__).parent / "static"
_FILES = {
    "page.js": (_PAGE / "page.js", "text/javascript"),
    "page.css": (_PAGE / "page.css", "text/css"),
    "textual.js": (_THEIRS / "js" / "textual.js", "text/javascript"),
    "xterm.css": (_THEIRS / "css" / "xterm.css", "text/css"),
    "mono.ttf": (_THEIRS / "fonts" / "RobotoMono-VariableFont_wght.ttf", "font/ttf"),
    "mono-italic.ttf": (_THEIRS / "fonts" / "RobotoMono-Italic-VariableFont_wght.ttf", "font/ttf"),
}
"""All there is below /static."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "depthflow",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# The terminal's script makes style sheets as it runs; nothing else is written into the page.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CLOSED = "default-src 'none'; frame-ancestors 'none'; sandbox"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def argv_of(server: str | None) -> list[str]:
    """Starts the app for the daemon at that address; modules in the current folder are not taken for ours."""
    return [sys.executable, "-P", "-m", "depthflow.tui.browser.child", *([server] if server else [])]


class BrowserServer:
    """Serves an app to whoever has the token.

    Args:
        argv: starts the app.
        host, port: where to listen; port 0 takes a free one.
        sessions: apps that may run at once.
        kept: seconds that an app waits for its page to be loaded again.

    Raises:
        SystemError_: it cannot listen there.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        sessions: int = MOST_SESSIONS,
        kept: float = KEPT_S,
    ) -> None:
        self._argv, self._most, self._kept = tuple(argv), sessions, kept
        bound = "127.0.0.1" if host == "localhost" else host
        self._socket = _listening(bound, port)
        self.access = Access(bound, self._socket.getsockname()[1])
        self.sessions: set[Session] = set()
        self._downloads = DownloadManager()
        # No log of requests: it would have the token.
        self._runner = web.AppRunner(self._application(), access_log=None, logger=_faults(), shutdown_timeout=1.0)

    async def start(self) -> None:
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    async def close(self) -> None:
        """End all apps, and the server."""
        self._most = 0
        await asyncio.gather(*(session.stop() for session in self.sessions))
        await self._runner.cleanup()
        self._socket.close()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.on_response_prepare.append(self._sign)
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/ws", self._websocket),
                web.get("/ws/{tab:[0-9a-f]{32}}", self._websocket),
                web.get("/download/{key}", self._download),
                web.get("/static/{name}", self._file),
            ]
        )
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets those through who may see anything at all."""
        access, host = self.access, request.headers.getall("Host", [])
        origin = request.headers.get("Origin")
        if len(host) != 1 or not access.is_ours(host[0]):
            raise web.HTTPForbidden(text="this is not the address that was printed\n")
        if origin is not None and not access.is_same_origin(origin, host[0]):
            raise web.HTTPForbidden(text="another page asks\n")
        if not (self._shows_token(request) or access.is_session(request.cookies.get(access.cookie, ""))):
            raise web.HTTPForbidden(text="open the address that `depthflow tui --browser` printed\n")
        return await handler(request)

    def _shows_token(self, request: web.Request) -> bool:
        return request.path == "/" and self.access.is_token(request.query.get("token", ""))

    async def _sign(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(_HEADERS)
        response.headers.setdefault("Content-Security-Policy", _CLOSED)

    async def _page(self, request: web.Request) -> web.Response:
        host = request.host
        text = Template((_PAGE / "index.html").read_text(encoding="utf-8"))
        response = web.Response(text=text.substitute(host=html.escape(host)), content_type="text/html")
        response.headers["Content-Security-Policy"] = _POLICY.format(host=host)
        if self._shows_token(request):
            access = self.access
            response.set_cookie(access.cookie, access.session, path="/", httponly=True, samesite="Strict")
        return response

    async def _file(self, request: web.Request) -> web.Response:
        file, kind = _FILES.get(request.match_info["name"], (None, ""))
        if file is None:
            raise web.HTTPNotFound
        return web.Response(body=file.read_bytes(), content_type=kind)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        """A file that the app hands over: to be saved, never to be shown as a page of ours."""
        key = request.match_info["key"]
        try:
            download = await self._downloads.get_download_metadata(key)
        except KeyError:
            raise web.HTTPNotFound from None
        name = quote(download.file_name, safe="", errors="replace")
        response = web.StreamResponse(headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"})
        response.content_type = "application/octet-stream"
        await response.prepare(request)
        async for chunk in self._downloads.download(key):
            await response.write(chunk)
        await response.write_eof()
        return response

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if "Origin" not in request.headers:
            raise web.HTTPForbidden(text="a page of this server must ask\n")
        tab = request.match_info.get("tab", "")
        known = next((each for each in self.sessions if tab and each.tab == tab and not each.ended), None)
        if known is None:
            self._make_room()
        page = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MOST_BYTES)
        session = known or Session(self._argv, self._downloads, tab=tab)
        self.sessions.add(session)
        size = _size(request.query.get("width"), 80), _size(request.query.get("height"), 24)
        wanted = False
        try:
            await page.prepare(request)
            if known is None:
                session.page = page
                await session.start(*size)
            else:
                await session.attach(page, *size)
            if session.pid is not None:
                wanted = await _listen(page, session)
        finally:
            # Else another page of the tab shows it already.
            if session.page in (page, None) and await session.forsaken(self._kept if wanted and tab else 0.0):
                await session.stop()
                self.sessions.discard(session)
        return page

    def _make_room(self) -> None:
        """For one more; apps that wait for their page give way.

        Raises:
            HTTPServiceUnavailable: there is none.
        """
        if len(self.sessions) >= self._most:
            waiting = [session for session in self.sessions if session.page is None and not session.ended]
            if not waiting:
                raise web.HTTPServiceUnavailable(text=f"{self._most} pages are open already\n")
            waiting[0].stop_soon()


async def _listen(page: web.WebSocketResponse, session: Session) -> bool:
    """Pass on what the page says until it is gone; whether it may come back."""
    async for message in page:
        try:
            if message.type is not WSMsgType.TEXT:
                raise ValueError("not text")
            said = understood(message.data)
        except ValueError:
            await page.close(code=WSCloseCode.POLICY_VIOLATION)
            return False
        match said.kind:
            case "stdin":
                await session.send_bytes(said.text.encode())
            case "resize":
                await session.set_terminal_size(said.width, said.height)
            case "ping":
                await page.send_json(["pong", said.text])
            case "blur":
                await session.blur()
            case _:
                await session.focus()
    return page.close_code in (None, WSCloseCode.OK, WSCloseCode.GOING_AWAY, WSCloseCode.ABNORMAL_CLOSURE)


def _faults() -> logging.Logger:
    """A log of what goes wrong here; of requests that are none, which it would quote, it is silent."""
    log = logging.getLogger(__name__)
    log.addFilter(_is_ours)
    return log


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _size(text: str | None, default: int) -> int:
    return min(max(int(text), 1), MOST_CELLS) if text and text.isdecimal() and len(text) < 6 else default


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SystemError_(f"cannot listen on {host}, port {port}: {reason}", "--port 0 takes a free port") from error


def serve(server: str | None = None, *, host: str = "127.0.0.1", port: int = 0, allow_remote: bool = False) -> None:
    """Serve the interface until interrupted.

    Args:
        server: the daemon's address, for the apps; None finds the user's own.
        allow_remote: `host` may be one that others reach.

    Raises:
        UsageError: others reach `host`. SystemError_: it cannot listen there.
    """
    if not is_loopback(host) and not allow_remote:
        raise UsageError(
            f"others can reach {host}, and plain HTTP shows them the token",
            "leave --host out and use `ssh -L`, or say --allow-remote",
        )
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(server, host, port))


async def _serve(server: str | None, host: str, port: int) -> None:
    running = BrowserServer(argv_of(server), host=host, port=port)
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows; there Ctrl+C ends asyncio.run
            loop.add_signal_handler(number, over.set)
    await running.start()
    if not is_loopback(host):
        print("warning: plain HTTP: whoever sees the traffic has the token, and all that you may do", file=sys.stderr)
    print(f"open {running.access.url}\nCtrl+C ends it", flush=True)
    try:
        await over.wait()
    finally:
        await running.close()
