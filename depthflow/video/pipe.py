"""One running ffmpeg that is fed frames: writes to it, listens to its log, and ends it."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence

from depthflow.errors import FFmpegError, OutputError
from depthflow.video import ffmpeg

LOG_LINES = 40
_PIPE_BYTES = 1 << 20
"""The largest pipe an ordinary Linux process may ask for: fewer switches between us and ffmpeg."""


class FramePipe:
    """ffmpeg with raw frames on its standard input.

    A thread drains its error stream, so it can never block on a full one.

    Args:
        poll: called every tenth of a second while we wait for ffmpeg; what it raises ends the waiting. On Windows a
            write cannot be waited for in that way.

    Raises:
        FFmpegError: ffmpeg cannot be started.
    """

    def __init__(self, command: Sequence[str], poll: Callable[[], None] = lambda: None) -> None:
        self.command = list(command)
        self._poll = poll
        self._process = ffmpeg.spawn(command, stdin=subprocess.PIPE)
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._thread = threading.Thread(target=self._drain, name="ffmpeg-log", daemon=True)
        self._thread.start()
        if sys.platform == "linux" and self._process.stdin is not None:
            import fcntl

            with contextlib.suppress(OSError):
                fcntl.fcntl(self._process.stdin, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._room = None
        if sys.platform != "win32" and self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
            self._room = select.poll()
            self._room.register(self._process.stdin, select.POLLOUT)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        """The last lines of its log."""
        return "\n".join(self._log)

    def write(self, data: memoryview) -> None:
        """Hand over bytes; waits while ffmpeg is busy.

        Raises:
            FFmpegError, OutputError: it has died; the message carries its last lines. And what `poll` raises.
        """
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - spawned with a pipe
        while data:
            try:
                # The stream is unbuffered: one call may take only a part, or none where the pipe is full.
                data = data[stdin.write(data) or 0 :]
            except (OSError, ValueError):
                self._wait()
                raise self.failure() from None
            while data and self._room is not None and not self._room.poll(1000 * ffmpeg.POLL_SECONDS):
                self._poll()

    def finish(self) -> None:
        """End the input and wait until ffmpeg has written everything.

        Raises:
            FFmpegError, OutputError: it failed. And what `poll` raises.
        """
        self._end_input()
        if self._wait() != 0:
            raise self.failure()

    def kill(self) -> None:
        """Stop it at once and wait for its end; calling it again does nothing."""
        ffmpeg.kill(self._process)
        self._end_input()
        self._thread.join(timeout=5)
        if self._process.stderr is not None and not self._thread.is_alive():
            self._process.stderr.close()

    def failure(self) -> FFmpegError | OutputError:
        """What its log and its exit status say."""
        return failure(self._process.returncode, self.log)

    def _wait(self) -> int:
        """The exit status, once it has ended."""
        # Its error stream ends with it, and the end of a thread is told at once; a process is asked ever again.
        while self._thread.is_alive() and self._process.poll() is None:
            self._thread.join(timeout=ffmpeg.POLL_SECONDS)
            self._poll()
        while True:
            try:
                status = self._process.wait(timeout=ffmpeg.POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                self._poll()
        self._thread.join(timeout=5)
        return status

    def _end_input(self) -> None:
        # Closing flushes nothing, as the stream is unbuffered, but a broken pipe may be reported again.
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _drain(self) -> None:
        stream = self._process.stderr
        assert stream is not None  # noqa: S101 - spawned with a pipe
        rest = b""
        with contextlib.suppress(OSError, ValueError):
            while chunk := stream.read(4096):
                *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
                self._log.extend(line.decode(errors="replace").strip() for line in lines if line.strip())
                rest = rest[-4096:]
        if rest.strip():
            self._log.append(rest.decode(errors="replace").strip())


def failure(status: int | None, log: str) -> FFmpegError | OutputError:
    """The error for an ffmpeg that ended badly."""
    if "No space left on device" in log or "Disk quota exceeded" in log:
        return OutputError("the disk is full", "free some space, or write to another disk")
    how = f"was killed by signal {-status}" if status is not None and status < 0 else f"ended with status {status}"
    return FFmpegError(f"ffmpeg {how}: {ffmpeg.last_lines(log, 6)}")
