"""Runs the program on a pseudo-terminal, as people see it. Linux only."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from running import COMMAND, environment

_ON_OUR_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes standard input the controlling terminal, so that its keys send signals; then becomes the program."""


@contextmanager
def on_terminal(*args: str | Path, cwd: Path, **more: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The program on a terminal of its own, 100 columns wide, and our end of that terminal.

    Args:
        more: added to its environment.
    """
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 100))
    env = environment(TERM="xterm-256color", **more)
    for name in ("COLUMNS", "NO_COLOR"):
        del env[name]
    command = [sys.executable, "-c", _ON_OUR_TERMINAL, COMMAND, *map(str, args)]
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, words: bytes) -> bytes:
    """What the terminal shows until these words have come, or until the program is gone."""
    seen = b""
    while words not in seen or not words:
        try:
            more = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        seen += more
    return seen


def plain(shown: str) -> str:
    """The text without colours and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
