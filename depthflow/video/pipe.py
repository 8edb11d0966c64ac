"""One running ffmpeg that is fed frames: writes to it, listens to its log, and ends it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence

from depthflow.errors import FFmpegError, OutputError
from depthflow.video import ffmpeg

LOG_LINES = 40
_PIPE_BYTES = 1 << 20
"""The largest pipe an ordinary Linux process may ask for: fewer switches between us and ffmpeg."""


class FramePipe:
    """ffmpeg with raw frames on its standard input.

    A thread drains its error stream, so it can never block on a full one.

    Raises:
        FFmpegError: ffmpeg cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.command = list(command)
        self._process = ffmpeg.spawn(command, stdin=subprocess.PIPE)
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._thread = threading.Thread(target=self._drain, name="ffmpeg-log", daemon=True)
        self._thread.start()
        if sys.platform == "linux" and self._process.stdin is not None:
            import fcntl

            with contextlib.suppress(OSError):
                fcntl.fcntl(self._process.stdin, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

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
            FFmpegError, OutputError: it has died; the message carries its last lines.
        """
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - spawned with a pipe
        try:
            while data:
                # The stream is unbuffered: one call may take only a part.
                data = data[stdin.write(data) :]
        except (OSError, ValueError):
            self._process.wait()
            self._thread.join(timeout=5)
            raise self.failure() from None

    def finish(self) -> None:
        """End the input and wait until ffmpeg has written everything.

        Raises:
            FFmpegError, OutputError: it failed.
        """
        self._end_input()
        status = self._process.wait()
        self._thread.join(timeout=5)
        if status != 0:
            raise self.failure()

    def kill(self) -> None:
        """Stop it at once and wait for its end; calling it again does nothing."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                self._process.kill()
        self._process.wait()
        self._end_input()
        self._thread.join(timeout=5)
        if self._process.stderr is not None and not self._thread.is_alive():
            self._process.stderr.close()

    def failure(self) -> FFmpegError | OutputError:
        """What its log and its exit status say."""
        return failure(self._process.returncode, self.log)

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
