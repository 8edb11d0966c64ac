"""What people see on a terminal: bars, the result, and that the key Ctrl-C works; on a pseudo-terminal."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from running import LONG, SHORT, listing, pixels, processes_with
from terminals import on_terminal, plain, read_until

pytestmark = [
    pytest.mark.gl,
    pytest.mark.skipif(sys.platform != "linux", reason="needs pseudo-terminals and /proc"),
]


def test_bars_run_and_the_result_stays(photo: Path) -> None:
    with on_terminal("render", photo.name, *SHORT, "--size", "65x49", cwd=photo.parent) as (process, terminal):
        shown = read_until(terminal, b"").decode()
        assert process.wait(timeout=60) == 0
    assert "\x1b[" in shown
    for words in ("Loading photo", "Estimating depth", "Building mesh", "Rendering", "Checking file", "━", "4/4"):
        assert words in shown, words
    assert "note: mp4 needs an even width and height: 65x49 becomes 64x48" in shown
    text = plain(shown)
    assert re.search(r"✓ photo\.mp4: 64x48, 4 frames at 8/s, \d+ kB, libx264, ", text)
    # The bars are gone at the end: the cursor is shown again, and the last line is the result.
    assert text.strip().splitlines()[-1].strip().startswith("✓ photo.mp4")
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
    lines = plain(shown).strip().splitlines()
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
