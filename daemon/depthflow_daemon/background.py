"""Starts a daemon in the background, finds the one that runs, and ends it. What a daemon does is `service`'s matter."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from depthflow import paths
from depthflow.errors import SystemError_
from depthflow_daemon.config import Loaded
from depthflow_daemon.database import holder

START_SECONDS = 60.0
"""A daemon that does not answer after this is told of; it may still come."""
END_SECONDS = 30.0
"""Beyond the settings' drain_seconds a daemon may take this long to end."""
_LOOK_SECONDS = 0.2
_DETACHED = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""Windows: without a console, and not ended with ours."""


@dataclass(frozen=True, slots=True)
class Started:
    """A daemon that answers."""

    pid: int
    log: Path


def running(loaded: Loaded) -> int | None:
    """The process that has the queue of these settings; None if none has."""
    return holder(loaded.settings.store_file)


def log_file(loaded: Loaded) -> Path:
    """Where a daemon that was started in the background writes its log."""
    return loaded.settings.logs.file or paths.state_dir() / "depthflowd.log"


def start(loaded: Loaded, *, seconds: float = START_SECONDS) -> Started:
    """Start a daemon that outlives us; returns when it answers.

    Raises:
        SystemError_: one runs already; or it ended at once, and says why; or it does not answer in time.
    """
    if (pid := running(loaded)) is not None:
        raise SystemError_(f"a daemon runs already: process {pid}", "depthflow daemon status tells how it is")
    log = log_file(loaded)
    command = [sys.executable, "-P", "-m", "depthflow_daemon", "--log-file", str(log)]
    if loaded.file.exists():
        command += ["--config", str(loaded.file.absolute())]
    words = paths.state_dir() / "depthflowd.out"
    words.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        news = stack.enter_context(_ear())
        environment = {**os.environ, **({"NOTIFY_SOCKET": news.name} if news else {})}
        # What it says before its log is open, and what libraries print.
        output = stack.enter_context(os.fdopen(os.open(words, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb"))
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=paths.state_dir(),
            creationflags=_DETACHED,
            start_new_session=True,
        )
        end = time.monotonic() + seconds
        while process.poll() is None:
            if news.ready() if news else running(loaded) == process.pid:
                # The child goes on; nobody waits for it here.
                process.returncode = 0
                return Started(process.pid, log)
            if time.monotonic() > end:
                raise SystemError_(
                    f"depthflowd (process {process.pid}) does not answer after {seconds:g} s", f"its log is {log}"
                )
    raise _why(process.returncode, words, log)


def stop(loaded: Loaded, *, now: bool = False) -> int | None:
    """End the daemon: it takes no more jobs, and running ones may end first unless `now`; they are given back then.

    Returns:
        The process that has ended; None if none ran.

    Raises:
        SystemError_: it may not be ended by us, or takes too long.
    """
    pid = running(loaded)
    if pid is None:
        return None
    limit = END_SECONDS + (0.0 if now else loaded.settings.drain_seconds)
    end = time.monotonic() + limit
    try:
        process = psutil.Process(pid)
        process.terminate()
        while True:
            try:
                process.wait(_LOOK_SECONDS if now else max(0.0, end - time.monotonic()))
                return pid
            except psutil.TimeoutExpired:
                if time.monotonic() >= end:
                    raise SystemError_(f"process {pid} is still ending after {limit:g} s", "try --now") from None
                process.terminate()
    except psutil.NoSuchProcess:
        return pid
    except psutil.AccessDenied:
        raise SystemError_(f"process {pid} is another user's", "ask that user, or the administrator") from None


def reload(loaded: Loaded) -> int | None:
    """Have the daemon read its settings again; its process, None if none runs.

    Raises:
        SystemError_: there is no such signal here, or it is another user's.
    """
    pid = running(loaded)
    if pid is None:
        return None
    if not hasattr(signal, "SIGHUP"):
        raise SystemError_("this system has no signal for that", "depthflow daemon stop, then start")
    try:
        os.kill(pid, signal.SIGHUP)
    except PermissionError:
        raise SystemError_(f"process {pid} is another user's", "ask that user, or the administrator") from None
    return pid


def follow(file: Path, *, lines: int, go_on: bool) -> Iterator[str]:
    """The last lines of a log, and with `go_on` those to come, over the file's being put aside.

    Raises:
        SystemError_: there is no such file.
    """
    try:
        stream = file.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SystemError_(f"{file}: {error.strerror}", "a daemon that systemd runs writes to journalctl") from None
    try:
        yield from stream.readlines()[-lines:] if lines else []
        while go_on:
            if line := stream.readline():
                yield line
                continue
            with contextlib.suppress(OSError):
                if file.stat().st_ino != os.fstat(stream.fileno()).st_ino:
                    fresh = file.open(encoding="utf-8", errors="replace")
                    yield from stream  # what came before it was put aside
                    stream.close()
                    stream = fresh
                    continue
            time.sleep(_LOOK_SECONDS)
    finally:
        stream.close()


class _Ear:
    """A socket in systemd's place, on which the daemon says that it is ready."""

    def __init__(self, listener: socket.socket, name: str) -> None:
        self.name, self._listener = name, listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)

    def ready(self) -> bool:
        """Whether it has said so, after a moment."""
        return bool(self._selector.select(_LOOK_SECONDS)) and b"READY=1" in self._listener.recv(4096).split(b"\n")


@contextlib.contextmanager
def _ear() -> Iterator[_Ear | None]:
    if not hasattr(socket, "AF_UNIX") or sys.platform == "win32":
        yield None
        return
    with (
        tempfile.TemporaryDirectory(prefix="depthflow-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener,
    ):
        listener.bind(f"{folder}/notify")
        yield _Ear(listener, f"{folder}/notify")


def _why(code: int, words: Path, log: Path) -> SystemError_:
    """What a daemon that ended at once has said."""
    lines = words.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")] or lines[-1:]
    hints = [line.strip().removeprefix("hint: ") for line in lines if line.startswith("  hint: ")]
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return SystemError_(
        f"depthflowd ended at once ({how}): {said[-1] if said else 'without a word'}",
        hints[-1] if hints else f"its log is {log}, and what it printed {words}",
    )
