"""Stands before the application: who may speak, from where, and how often. Pure ASGI, so that streams pass through."""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from prometheus_client import Counter
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from depthflow_daemon.api.problems import problem

OPEN_PATHS = ("/healthz",)
"""What needs no token."""
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_CLIENTS = 4096
"""Clients whose pace is remembered; the longest silent one is forgotten."""
_FAILURES_PER_SECOND = 1.0
_FAILURES_AT_ONCE = 10.0


class Pace:
    """A token bucket for each client.

    Args:
        per_second: requests in the long run.
        at_once: requests that may come together.
    """

    def __init__(self, per_second: float, at_once: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._full, self._clock = per_second, at_once, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Seconds to wait until the client may ask again; 0 if it may now, which counts."""
        left = self._now(client)
        if left < 1.0:
            return (1.0 - left) / self._rate
        self._left[client] = left - 1.0, self._clock()
        self._left.move_to_end(client)
        while len(self._left) > _CLIENTS:
            self._left.popitem(last=False)
        return 0.0

    def wait(self, client: str) -> float:
        """As `take`, without counting."""
        return max(0.0, (1.0 - self._now(client)) / self._rate)

    def _now(self, client: str) -> float:
        left, at = self._left.get(client, (self._full, self._clock()))
        return min(self._full, left + (self._clock() - at) * self._rate)


class Paced:
    """Answers 429 to clients that ask too often, and counts answers."""

    def __init__(self, app: ASGIApp, *, per_second: float, counter: Counter) -> None:
        self._app, self._pace, self._counter = app, Pace(per_second, max(1.0, 2 * per_second)), counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else "other"

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._counter.labels(method, str(message["status"])).inc()
            await send(message)

        wait = self._pace.take(client_of(scope))
        if wait > 0.0:
            await _too_often(wait)(scope, receive, counted)
        else:
            await self._app(scope, receive, counted)


_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS")


class Sized:
    """Answers 413 to bodies that are too large, before the application sees anything of them.

    Args:
        limit: bytes.
        free: methods and paths that look after themselves.
    """

    def __init__(self, app: ASGIApp, *, limit: int, free: frozenset[tuple[str, str]]) -> None:
        self._app, self._limit, self._free = app, limit, free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) in self._free:
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "")
        body, gone, more = bytearray(), False, True
        large = said.isdigit() and int(said) > self._limit
        while more and not gone and not large:
            message = await receive()
            gone, more = message["type"] != "http.request", message.get("more_body", False)
            body += message.get("body", b"")
            large = len(body) > self._limit
        if large:
            response = problem(413, f"the request is larger than {self._limit} bytes", headers={"Connection": "close"})
            await response(scope, receive, send)
            return
        parts: list[Message] = [{"type": "http.disconnect" if gone else "http.request", "body": bytes(body)}]

        async def again() -> Message:
            return parts.pop() if parts else await receive()

        await self._app(scope, again, send)


class Guarded:
    """Lets TCP clients in that know the token.

    Loopback is no proof of who asks: other users of the machine and the pages of a browser get there too. A page that
    has its name pointed at loopback (DNS rebinding) is told apart by the Host that it asks for.

    Args:
        hosts: names by which the daemon may be asked for, without ports; None allows all.
    """

    def __init__(self, app: ASGIApp, *, token: str, hosts: tuple[str, ...] | None) -> None:
        self._app, self._token, self._hosts = app, token.encode(), hosts
        self._failures = Pace(_FAILURES_PER_SECOND, _FAILURES_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        if self._hosts is not None and _host_of(headers.get("host", "")) not in self._hosts:
            await problem(403, "this daemon is not called so", hint="ask for localhost")(scope, receive, send)
            return
        if scope["path"] in OPEN_PATHS and scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        client = client_of(scope)
        if (wait := self._failures.wait(client)) > 0.0:
            await _too_often(wait)(scope, receive, send)
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
            self._failures.take(client)
            response = problem(
                401,
                "the token is missing or wrong",
                hint="send it as `Authorization: Bearer TOKEN`",
                headers={"WWW-Authenticate": 'Bearer realm="depthflow"'},
            )
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


def client_of(scope: Scope) -> str:
    """Whose pace counts: an IP address, or everybody at the Unix socket, which is one user."""
    client = scope.get("client")
    return client[0] if client else "local"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def hosts_of(host: str) -> tuple[str, ...] | None:
    """The names by which a daemon that listens there may be asked for; any beyond loopback, where the token guards."""
    if not is_loopback(host):
        return None
    bare = host.strip("[]")
    return (*_LOCAL_NAMES, f"[{bare}]" if ":" in bare else bare)


def _host_of(text: str) -> str:
    if text.startswith("["):
        return text.partition("]")[0].lower() + "]"
    return text.partition(":")[0].lower().rstrip(".")


def _too_often(wait: float) -> Response:
    seconds = max(1, round(wait + 0.5))
    return problem(429, "too many requests", hint=f"wait {seconds} s", headers={"Retry-After": str(seconds)})
