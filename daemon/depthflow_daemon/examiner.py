"""Has files looked at by a process of its own: whether they are whole photos. It decides nothing about them.

What people drop into folders or send is decoded there and never by the daemon: a file that is meant to fill the memory,
to crash a decoder or to keep it busy ends that process alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from depthflow import images
from depthflow.errors import PhotoError
from depthflow.images import Limits
from depthflow_daemon.stable import UnreadableError, check_photo

SECONDS = 45.0
"""Reading a file may take this long, and so may decoding it: together less than the 120 s of the unit's watchdog.

24 megapixels took 1.0 s on two busy cores.
"""
IDLE_SECONDS = 30.0
"""Without a file to look at, the process ends after this, and gives its memory back."""
_END_SECONDS = 1.0
_HARMLESS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
"""Headers that are read by Python code; those of HEIC, AVIF and others are taken apart by C libraries."""
_FROM_OUTSIDE = (-signal.SIGTERM, -getattr(signal, "SIGKILL", signal.SIGTERM))


class Examiner:
    """`stable.check_photo` in a process that is started when it is needed, and kept for the next file.

    Safe to use from any thread; one file is looked at at a time.
    """

    def __init__(self, *, command: tuple[str, ...] = ()) -> None:
        self._seconds = SECONDS
        self._command = command or (sys.executable, "-P", "-m", "depthflow_daemon.examiner")
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def warm(self) -> None:
        """There will be a file to look at: the process starts meanwhile."""
        with self._guard, contextlib.suppress(OSError):
            self._started()

    def check(self, path: Path) -> str:
        """As `stable.check_photo`, which raises the same.

        Raises:
            PhotoError: also for a file of which the process dies, or that it is not done with in time.
        """
        return str(self._answer(str(path), {"file": str(path)})["content"])

    def check_header(self, path: Path, *, limits: Limits, label: str) -> None:
        """As `images.check_photo`, which raises the same; what this program's own code reads is read here.

        Raises:
            PhotoError: also for a file of which the process dies, or that it is not done with in time.
        """
        with contextlib.suppress(OSError), path.open("rb") as file:  # else it is said in the usual way
            if not file.read(8).startswith(_HARMLESS):
                header = {"label": label, "max_bytes": limits.max_bytes, "max_pixels": limits.max_pixels}
                self._answer(label, {"file": str(path), "header": header})
                return
        images.check_photo(path, limits=limits, label=label)

    def close(self) -> None:
        """End the process; it is started again if there is something to look at."""
        with self._guard:
            self._end()

    @property
    def pid(self) -> int | None:
        """Of the process, if there is one."""
        return None if self._process is None else self._process.pid

    # -- pieces ----------------------------------------------------------------------------------------------------

    def _answer(self, label: str, order: dict[str, Any]) -> dict[str, Any]:
        """What it says of a file. Raises PhotoError: as `check`."""
        try:
            with self._guard:
                answer = self._ask(label, order)
                if "died" in answer:
                    # It may have been idle too long just now, or killed by somebody: not this file's fault yet.
                    answer = self._ask(label, order)
        except OSError as error:
            raise UnreadableError(f"{label}: the process that looks at it cannot be started: {error}") from error
        if "died" in answer:
            how = _how(answer["died"])
            if answer["died"] in _FROM_OUTSIDE:
                # Decoders crash by other signals: somebody did it, or the system for want of memory.
                raise UnreadableError(f"{label}: the process that looked at it was ended from outside ({how})")
            raise PhotoError(f"{label}: the decoder died of it ({how})", "save it anew with another program")
        if "error" not in answer:
            return answer
        known = UnreadableError if answer.get("unreadable") else PhotoError
        raise known(answer["error"], answer.get("hint", ""))

    def _ask(self, label: str, order: dict[str, Any]) -> dict[str, Any]:
        """The same as it comes; "died" if it died of it."""
        process = self._started()
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        late = threading.Event()
        was_read = "header" in order
        try:
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
            answer = self._line(process, late)
            if answer == {"read": True}:
                was_read = True
                answer = self._line(process, late)
            return answer
        except (OSError, ValueError):
            code = self._end()
        if not late.is_set():
            return {"died": code}
        if was_read:
            return {"error": f"{label}: took longer than {self._seconds:g} s to decode", "hint": "save it anew"}
        return {"error": f"{label}: could not be read within {self._seconds:g} s", "unreadable": True}

    def _line(self, process: subprocess.Popen[bytes], late: threading.Event) -> dict[str, Any]:
        """The next thing it says; it is ended, and `late` set, if that takes too long."""
        assert process.stdout is not None  # noqa: S101 - it is a pipe

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._seconds, end)
        timer.daemon = True
        timer.start()
        try:
            said: dict[str, Any] = json.loads(process.stdout.readline())
            return said
        finally:
            timer.cancel()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            # Its standard error is ours: what a library says there is in the daemon's log. A Ctrl-C is for the daemon.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=sys.platform != "win32",
            )
        return self._process

    def _end(self) -> int:
        """Its exit code; it is ended if it still runs."""
        process, self._process = self._process, None
        if process is None:
            return 0
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # what was not written yet cannot be any more
                if pipe is not None:
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Without orders it ends by itself, and one that died is gone in a moment.
            process.wait(_END_SECONDS)
        process.kill()
        return process.wait()


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def main() -> None:
    """The process: an order on each line of standard input, an answer on each line of standard output, both JSON."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    # What a library prints is no answer.
    os.dup2(2, 1)
    with contextlib.suppress(OSError):
        # Where the memory is full, it is this process that has to go.
        Path("/proc/self/oom_score_adj").write_text("1000")
    while line := _next(sys.stdin.buffer):
        answers.write(_line(_said(json.loads(line), lambda: answers.write(_line({"read": True})))))


def _next(orders: IO[bytes]) -> bytes:
    """The next line; empty when there will be none."""
    if sys.platform != "win32" and not select.select([orders], [], [], IDLE_SECONDS)[0]:
        return b""
    return orders.readline()


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said).encode() + b"\n"


def _said(order: dict[str, Any], was_read: Callable[[], object]) -> dict[str, Any]:
    path, header = Path(order["file"]), order.get("header")
    try:
        if header is None:
            return {"content": check_photo(path, was_read=was_read)}
        limits = Limits(max_bytes=header["max_bytes"], max_pixels=header["max_pixels"])
        images.check_photo(path, limits=limits, label=header["label"])
        return {}
    except PhotoError as error:
        return {"error": error.message, "hint": error.hint, "unreadable": isinstance(error, UnreadableError)}
    except MemoryError:
        return {"error": f"{path}: there is not enough memory to decode it", "unreadable": True}


if __name__ == "__main__":
    main()
