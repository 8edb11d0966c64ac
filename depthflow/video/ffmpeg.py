"""Finds ffmpeg and starts it; it knows the program, and nothing of what is made with it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path

from depthflow.errors import FFmpegError

_HINT = "pip install imageio-ffmpeg, or install ffmpeg itself (apt, dnf, brew, winget), or set DEPTHFLOW_FFMPEG"

POLL_SECONDS = 0.1
"""How often somebody who waits for ffmpeg looks whether to go on waiting."""

_POINTER = re.compile(r"(?<=[\w:/]) @ 0x[0-9a-f]+(?=\])")
_UNWINDING = re.compile(
    r"Task finished with error code|Terminating thread with return code|Nothing was written into output file"
    r"|Conversion failed!|Could not open encoder before EOF|Error closing file"
)

_listing = threading.Lock()

QUIET = ("-hide_banner", "-nostats", "-loglevel", "warning")
"""Options that leave only warnings and errors on the error stream."""


def ffmpeg_path() -> str:
    """The ffmpeg to use: see `ffmpeg_paths`.

    Raises:
        FFmpegError: there is none, or DEPTHFLOW_FFMPEG names no program.
    """
    return ffmpeg_paths()[0]


def ffmpeg_paths() -> list[str]:
    """All ffmpegs of this machine, the preferred one first.

    A program named by DEPTHFLOW_FFMPEG or IMAGEIO_FFMPEG_EXE is the only one. Otherwise the system's comes
    first and the static build of imageio-ffmpeg second: some distributions leave x264 and x265 out of theirs.

    Raises:
        FFmpegError: there is none.
    """
    for variable in ("DEPTHFLOW_FFMPEG", "IMAGEIO_FFMPEG_EXE"):
        if wanted := os.environ.get(variable):
            found = shutil.which(wanted)
            if found is None:
                raise FFmpegError(
                    f"{variable} is {wanted!r}, which is no program that can be run",
                    f"unset {variable}, so that the system's ffmpeg or imageio-ffmpeg's is taken, or name another",
                )
            return [found]
    paths = [path for path in (shutil.which("ffmpeg"), _bundled()) if path]
    if not paths:
        raise FFmpegError("ffmpeg is not installed", _HINT)
    return list(dict.fromkeys(paths))


@lru_cache(maxsize=1)
def _bundled() -> str | None:
    """imageio-ffmpeg's own build, else what it finds; None if it finds nothing or is not installed."""
    try:
        import imageio_ffmpeg

        for file in sorted(Path(imageio_ffmpeg.__file__).with_name("binaries").glob("ffmpeg-*")):
            if found := shutil.which(file):
                return str(found)
        # It would first have that build print its version, in a process of its own.
        path = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError, OSError):
        return None
    return shutil.which(str(path))


@lru_cache(maxsize=8)
def ffmpeg_version(path: str) -> str:
    """Its version, such as "7.1.1".

    Raises:
        FFmpegError: it does not run.
    """
    result = run_ffmpeg([path, "-version"], timeout_s=20)
    words = result.stdout.split(maxsplit=3)
    if result.returncode != 0 or words[:2] != ["ffmpeg", "version"]:
        raise FFmpegError(f"{path} does not run: {last_lines(result.stderr)}", _HINT)
    return words[2].removeprefix("n")


def encoder_names(path: str) -> frozenset[str]:
    """Encoders that this ffmpeg was built with; whether they work here is another question.

    Raises:
        FFmpegError: it does not run.
    """
    with _listing:  # one that is being listed already is waited for
        return _listed(path)


@lru_cache(maxsize=8)
def _listed(path: str) -> frozenset[str]:
    result = run_ffmpeg([path, "-hide_banner", "-encoders"], timeout_s=20)
    if result.returncode != 0:
        raise FFmpegError(f"{path} does not run: {last_lines(result.stderr)}", _HINT)
    _, _, table = result.stdout.partition("------")
    return frozenset(line.split()[1] for line in table.splitlines() if len(line.split()) > 1)


def warm() -> None:
    """Have the preferred ffmpeg list its encoders on a thread of its own; who asks next waits, and hears of trouble."""

    def ask() -> None:
        with suppress(FFmpegError):
            encoder_names(ffmpeg_path())

    threading.Thread(target=ask, name="ffmpeg-warm", daemon=True).start()


def spawn(
    command: Sequence[str], *, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start ffmpeg apart from our terminal, its error stream on a pipe.

    In a session of its own, Ctrl-C in the terminal does not reach it before we have decided what to do.
    It still ends when we die: its standard input then comes to an end.

    Raises:
        FFmpegError: it cannot be started.
    """
    # SVT-AV1 writes its own banner past ffmpeg's log level; 1 leaves its errors.
    environment = {**os.environ, "SVT_LOG": "1"}
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    try:
        return subprocess.Popen(
            list(command),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
            start_new_session=sys.platform != "win32",
            creationflags=flags,
        )
    except OSError as error:
        raise FFmpegError(f"{command[0]} cannot be started: {error.strerror or error}", _HINT) from error


def run_ffmpeg(
    command: Sequence[str],
    *,
    timeout_s: float | None = None,
    data: bytes | None = None,
    poll: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ffmpeg to its end and give back what it wrote; its exit status is for the caller to judge.

    Args:
        timeout_s: seconds after which it is killed; None waits for ever.
        data: bytes for its standard input.
        poll: called every tenth of a second; if it raises, ffmpeg is killed.

    Raises:
        FFmpegError: it cannot be started, or the time is over.
    """
    stdin = subprocess.DEVNULL if data is None else subprocess.PIPE
    process = spawn(command, stdin=stdin, stdout=subprocess.PIPE)
    try:
        while True:
            try:
                out, err = process.communicate(data, timeout=timeout_s if poll is None else POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if poll is None:
                    raise
                poll()
    except subprocess.TimeoutExpired:
        raise FFmpegError(f"{command[0]} did not end within {timeout_s:g} s") from None
    finally:
        _end(process)
    return _completed(command, process, out, err)


def run_together(
    *commands: Sequence[str], poll: Callable[[], None] = lambda: None
) -> list[subprocess.CompletedProcess[str]]:
    """Run several ffmpegs at once, as `run_ffmpeg` does one; what they wrote, in their order.

    Args:
        poll: as for `run_ffmpeg`.

    Raises:
        FFmpegError: one cannot be started.
    """
    with ExitStack() as stack:
        processes = []
        for command in commands:
            processes.append(spawn(command, stdout=subprocess.PIPE))
            stack.callback(_end, processes[-1])
        return [
            _completed(command, process, *_heard(process, poll))
            for command, process in zip(commands, processes, strict=True)
        ]


def _heard(process: subprocess.Popen[bytes], poll: Callable[[], None]) -> tuple[bytes, bytes]:
    while True:
        try:
            return process.communicate(timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            poll()


def kill(process: subprocess.Popen[bytes]) -> None:
    """Stop an ffmpeg that `spawn` started at once, with what it may have started itself, and wait for its end."""
    if process.poll() is None:
        # DEPTHFLOW_FFMPEG may name a script, whose programs would live on. It leads a group of its own.
        with suppress(OSError):
            if sys.platform != "win32":
                os.killpg(process.pid, signal.SIGKILL)
        with suppress(OSError):
            process.kill()
    process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    kill(process)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _completed(
    command: Sequence[str], process: subprocess.Popen[bytes], out: bytes, err: bytes
) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess(
        list(command), process.returncode, out.decode(errors="replace"), err.decode(errors="replace")
    )


def last_lines(log: str, count: int = 4) -> str:
    """The end of a log as one line, without what ffmpeg says while it unwinds, which hides the cause."""
    lines = [_POINTER.sub("", line).strip() for line in log.splitlines() if line.strip()]
    lines = [line for line in lines if not _UNWINDING.search(line)] or lines
    return "; ".join(lines[-count:]) or "it said nothing"
