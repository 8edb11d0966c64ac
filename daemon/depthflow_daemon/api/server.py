"""Runs the API in a thread of the daemon: binds its sockets so that nobody else gets in, serves, and ends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn

from depthflow.errors import SystemError_, UsageError
from depthflow_daemon.api.app import create_app
from depthflow_daemon.api.guards import Guarded, hosts_of
from depthflow_daemon.core import Core

log = logging.getLogger(__name__)

STOP_SECONDS = 5.0
"""Answers that have begun may end within this."""
_CONNECTIONS = 512
_BACKLOG = 1024


class Server:
    """The API on a Unix socket, on TCP, or on both.

    Args:
        core: what it is about.
        unix: the socket's path; None opens none.
        listen: host and port for TCP; port 0 takes a free one; None opens none.
        token: what TCP clients must send.

    Raises:
        UsageError: TCP without a token.
    """

    def __init__(
        self, core: Core, *, unix: Path | None = None, listen: tuple[str, int] | None = None, token: str | None = None
    ) -> None:
        if listen is not None and not token:
            raise UsageError(
                f"api.listen: {listen[0]} needs a token, on loopback too: other users and web pages get there",
                "set api.token_file or DEPTHFLOW_TOKEN, or use the Unix socket alone",
            )
        self._core, self._unix, self._listen, self._token = core, unix, listen, token or ""
        self._servers: list[_Uvicorn] = []
        self._sockets: list[socket.socket] = []
        self._inode: int | None = None
        self._thread: threading.Thread | None = None
        self._ended: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns = 0

    def pulse(self) -> int:
        """How often its loop has gone round when it was asked to; see `vitals`."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._turn)
        return self._turns

    def _turn(self) -> None:
        self._turns += 1

    @property
    def port(self) -> int | None:
        """The TCP port that is listened on."""
        ports = [one.getsockname()[1] for one in self._sockets if one.family != getattr(socket, "AF_UNIX", None)]
        return ports[0] if ports else None

    def start(self) -> None:
        """Returns when requests are answered.

        Raises:
            SystemError_: a socket cannot be bound, or another daemon answers there.
        """
        app = create_app(self._core)
        try:
            if self._unix is not None:
                bound = bind_unix(self._unix)
                self._inode = self._unix.lstat().st_ino
                self._sockets.append(bound)
                self._servers.append(_Uvicorn(_config(app), bound))
            if self._listen is not None:
                host, _ = self._listen
                bound = _bind_tcp(*self._listen)
                self._sockets.append(bound)
                self._servers.append(_Uvicorn(_config(Guarded(app, token=self._token, hosts=hosts_of(host))), bound))
        except BaseException:
            self._close_sockets()
            raise
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)
        self._thread.start()
        for server in self._servers:
            server.ready.wait()
        if self._ended is not None:
            raise SystemError_(f"the API cannot be served: {self._ended}")
        for one in self._sockets:
            log.info("the API listens on %s", one.getsockname())

    def stop(self) -> None:
        """Take no more requests, end all streams, and let answers that have begun end."""
        self._core.hub.close()
        self._core.previews.close()
        self._core.examiner.close()
        for server in self._servers:
            server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_SECONDS + 5.0)
        self._close_sockets()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await asyncio.gather(*(server.serve(sockets=[server.bound]) for server in self._servers))

        try:
            asyncio.run(serve())
        except BaseException as error:  # a SystemExit too is how uvicorn says that it cannot begin
            self._ended = error
            log.exception("the API has ended")
        finally:
            for server in self._servers:
                server.ready.set()

    def _close_sockets(self) -> None:
        for one in self._sockets:
            one.close()
        self._sockets = []
        if self._unix is not None and self._inode is not None:
            with contextlib.suppress(OSError):
                # Another daemon's socket may lie there by now.
                if self._unix.lstat().st_ino == self._inode:
                    self._unix.unlink()
        self._inode = None


class _Uvicorn(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, bound: socket.socket) -> None:
        super().__init__(config)
        self.bound = bound
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _config(app: Any) -> uvicorn.Config:
    # Its own log lines would name clients and addresses; ours tell of jobs, and faults are logged by `problems`.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=round(STOP_SECONDS),
    )


def bind_unix(path: Path) -> socket.socket:
    """A listening Unix socket that only this user can open, from its first moment on.

    Raises:
        SystemError_: another daemon answers there, something else lies there, or it cannot be made.
    """
    if not hasattr(socket, "AF_UNIX") or sys.platform == "win32":
        raise SystemError_("there are no Unix sockets here", 'set api.socket = "none" and api.listen')
    import fcntl

    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        guard = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Two daemons that start together must not take each other's socket for a stale one.
            fcntl.flock(guard, fcntl.LOCK_EX)
            _clear(path)
            with contextlib.suppress(OSError):
                os.fchmod(bound.fileno(), 0o600)  # Linux gives the file this mode as it makes it
            bound.bind(str(path))
            path.chmod(0o600)
            bound.listen(_BACKLOG)
        finally:
            os.close(guard)
    except OSError as error:
        bound.close()
        if isinstance(error, SystemError_):
            raise
        hint = "choose a shorter path with api.socket" if "too long" in str(error) else "choose another api.socket"
        raise SystemError_(f"{path}: no socket can be made here: {error.strerror or error}", hint) from error
    return bound


def _clear(path: Path) -> None:
    """Remove a socket that nobody answers at."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise SystemError_(f"{path}: lies there already and is no socket", "choose another api.socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ETIMEDOUT) and not isinstance(error, TimeoutError):
                raise
    raise SystemError_(f"{path}: another daemon answers here", "stop that one first, or choose another api.socket")


def _bind_tcp(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            if sys.platform != "win32":
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(_BACKLOG)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise SystemError_(
            f"{host}:{port}: cannot be listened on: {error.strerror or error}", "choose another api.listen"
        ) from error
    return bound
