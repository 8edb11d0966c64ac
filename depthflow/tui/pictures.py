"""How this terminal shows pictures: asked once, before the interface has the terminal for itself.

All is asked with one write, and what every terminal answers (its attributes) is asked last: when that is there, the
others have answered or never will. Nobody waits for a terminal that knows nothing, and no answer comes too late.
"""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from depthflow.errors import UsageError

Way = Literal["half", "kitty", "sixel"]
PREFERENCES = ("auto", "half", "kitty", "sixel")
VARIABLE = "DEPTHFLOW_PICTURES"

_QUESTION = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[>q\x1b[16t\x1b[c"
_PATIENCE_S = 0.5
"""For the answer of a terminal at the other end of a slow line."""
_MOST = 4096
_LEAST = 2
"""Pixels of a cell's side; less is no answer."""
_KITTY = re.compile(rb"\x1b_Gi=31;OK\x1b\\")
_NAME = re.compile(rb"\x1bP>\|(kitty|ghostty)\W+(\d+)\.(\d+)")
_CELL = re.compile(rb"\x1b\[6;(\d{1,4});(\d{1,4})t")
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")


@dataclass(frozen=True, slots=True)
class Pictures:
    """How pictures are shown.

    Attributes:
        way: half blocks, or pictures by the protocol of Kitty or of Sixel.
        cell: (width, height) of a cell, pixels.
    """

    way: Way = "half"
    cell: tuple[int, int] = (8, 16)


def preference(wanted: str | None = None) -> str:
    """What is asked for here, else by the environment, else auto.

    Raises:
        UsageError: no such way.
    """
    wanted = wanted or os.environ.get(VARIABLE) or "auto"
    if wanted not in PREFERENCES:
        raise UsageError(f"pictures cannot be shown by {wanted!r}", f"known: {', '.join(PREFERENCES)}")
    return wanted


def find(wanted: str | None = None) -> Pictures:
    """How this terminal shows pictures.

    Args:
        wanted: see `preference`; a way that is named is taken, whether the terminal says that it knows it or not.
    """
    wish = preference(wanted)
    if wish == "half" or "TEXTUAL_DRIVER" in os.environ or "NO_COLOR" in os.environ:
        return Pictures()
    told = understood(_ask(), _window_cell())
    return told if wish == "auto" else Pictures(wish, told.cell)  # type: ignore[arg-type]


def understood(answer: bytes, cell: tuple[int, int] | None = None) -> Pictures:
    """What a terminal's answer says.

    Args:
        cell: (width, height) of a cell in pixels as the system knows it, for a terminal that does not tell.
    """
    sizes = _CELL.search(answer)
    if sizes and min(int(sizes[1]), int(sizes[2])) >= _LEAST:
        cell = int(sizes[2]), int(sizes[1])
    attributes = _ATTRIBUTES.search(answer)
    if _KITTY.search(answer) and _has_placeholders(answer):
        return Pictures("kitty", cell or Pictures().cell)
    # A Sixel has pixels, not cells: it would lie over its neighbours, or leave what was there before.
    if cell and attributes and b"4" in attributes[1].split(b";"):
        return Pictures("sixel", cell)
    return Pictures("half", cell or Pictures().cell)


def _has_placeholders(answer: bytes) -> bool:
    """Cells can show parts of a picture: Kitty since 0.28, and Ghostty.

    Others that take pictures by Kitty's protocol (older Kitty, Konsole, WezTerm) print those cells as strange letters.
    """
    name = _NAME.search(answer)
    return name is not None and (name[1] == b"ghostty" or (int(name[2]), int(name[3])) >= (0, 28))


def _ask() -> bytes:
    """The terminal's answer; empty where there is no terminal, or it says nothing."""
    if sys.platform == "win32" or not (sys.__stdin__ and sys.__stdout__):
        return b""
    with suppress(OSError, ValueError):
        if sys.__stdin__.isatty() and sys.__stdout__.isatty():
            return _asked(sys.__stdin__.fileno(), sys.__stdout__.fileno())
    return b""


def _window_cell() -> tuple[int, int] | None:
    """(width, height) of a cell in pixels, as most terminals tell the system."""
    if sys.platform == "win32" or not sys.__stdout__:
        return None
    import fcntl
    import struct
    import termios

    with suppress(OSError, ValueError):
        size = fcntl.ioctl(sys.__stdout__.fileno(), termios.TIOCGWINSZ, bytes(8))
        rows, columns, width, height = struct.unpack("4H", size)
        if rows and columns and min(width // columns, height // rows) >= _LEAST:
            return width // columns, height // rows
    return None


def _asked(source: int, target: int) -> bytes:
    import select
    import termios
    import tty

    before = termios.tcgetattr(source)
    tty.setcbreak(source, termios.TCSANOW)
    try:
        os.write(target, _QUESTION.encode())
        answer, end = b"", time.monotonic() + _PATIENCE_S
        while not _ATTRIBUTES.search(answer) and len(answer) < _MOST:
            ready, _, _ = select.select([source], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                break
            answer += os.read(source, 256)
        return answer
    finally:
        termios.tcsetattr(source, termios.TCSANOW, before)
