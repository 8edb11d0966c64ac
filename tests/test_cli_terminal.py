"""What people see on a terminal: bars, the result, and that the key Ctrl-C works; on a pseudo-terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import COMMAND, LONG, SHORT, environment, listing, pixels, processes_with

pytestmark = [
    pytest.mark.gl,
    pytest.mark.skipif(sys.platform != "linux", reason="needs pseudo-terminals and /proc"),
]

_ON_OUR_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes standard input the controlling terminal, so that its keys send signals; then becomes the program."""


@contextmanager
def on_terminal(*args: str | Path, cwd: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The program on a terminal of its own, 100 columns wide, and our end of that terminal."""
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 100))
    env = environment(TERM="xterm-256color")
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


def test_bars_run_and_the_result_stays(photo: Path) -> None:
    with on_terminal("render", photo.name, *SHORT, "--size", "65x49", cwd=photo.parent) as (process, terminal):
        shown = read_until(terminal, b"").decode()
        assert process.wait(timeout=60) == 0
    assert "\x1b[" in shown
    for words in ("Loading photo", "Estimating depth", "Building mesh", "Rendering", "Checking file", "━", "4/4"):
        assert words in shown, words
    assert "note: mp4 needs an even width and height: 65x49 becomes 64x48" in shown
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert re.search(r"✓ photo\.mp4: 64x48, 4 frames at 8/s, \d+ kB, libx264, ", plain)
    # The bars are gone at the end: the cursor is shown again, and the last line is the result.
    assert plain.strip().splitlines()[-1].strip().startswith("✓ photo.mp4")
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")
    assert len(pixels(photo.with_suffix(".mp4"))) == 4


def test_quiet_is_quiet_on_a_terminal_too(photo: Path, depth_map: Path) -> None:
    arguments = ("render", photo.name, "--depth", depth_map, *SHORT, "--quiet")
    with on_terminal(*arguments, cwd=photo.parent) as (process, terminal):
        assert read_until(terminal, b"") == b""
        assert process.wait(timeout=60) == 0


def test_an_error_is_not_buried_in_bars(photo: Path) -> None:
    with on_terminal("render", "none.png", *SHORT, cwd=photo.parent) as (process, terminal):
        shown = read_until(terminal, b"").decode()
        assert process.wait(timeout=60) == 3
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).strip().splitlines()
    assert [line.strip() for line in lines[-2:]] == ["error: none.png is not there", "hint: check the path"]
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l"), "the cursor is back"


def test_the_key_ctrl_c_stops_a_render(photo: Path, depth_map: Path) -> None:
    folder = photo.parent
    arguments = ("render", photo, "-o", "long.mp4", "--depth", depth_map, *LONG)
    with on_terminal(*arguments, cwd=folder) as (process, terminal):
        read_until(terminal, b"fps")  # the bar shows a rate as soon as frames come
        os.write(terminal, b"\x03")
        shown = read_until(terminal, b"").decode()
        assert process.wait(timeout=60) == 130
    assert "stopped; nothing half-written is left" in shown
    assert "Traceback" not in shown
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l"), "the cursor is back"
    assert list(listing(folder)) == ["photo.png"]
    assert processes_with(str(folder)) == []
