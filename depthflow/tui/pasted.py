"""Paths in what was pasted or dropped onto a terminal, as terminals and file managers write them. It opens no file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from depthflow.paths import expanded

MOST = 1 << 16
"""Characters that are looked at; a whole book may be on the clipboard."""
_DRIVE = re.compile(r"^[A-Za-z]:[\\/]")


def paths_in(text: str, there: Callable[[Path], bool] = Path.exists) -> list[Path]:
    """The files and folders that a text names, each once, in its order; what is not there is passed over.

    Known are: several lines, file:// addresses, quotes, spaces escaped by a backslash, and plain paths with spaces in
    them, which are one path if the whole line is one, else several.

    Args:
        there: whether a path is there.
    """
    found: dict[Path, None] = {}
    for line in text[:MOST].replace("\0", "\n").splitlines():
        found.update((path.absolute(), None) for path in _in_line(line.strip(), there))
    return list(found)


def _in_line(line: str, there: Callable[[Path], bool]) -> list[Path]:
    if not line or line.startswith("#"):  # lists of addresses may have comments
        return []
    whole = _path(line)
    if _is_there(whole, there):
        return [whole]
    paths = [_path(word) for word in _words(line)]
    return [path for path in paths if _is_there(path, there)]


def _words(line: str) -> list[str]:
    """As a shell would take the line apart; at spaces, if a quote is left open."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    if _DRIVE.match(line.lstrip("'\"")):
        lexer.escape = ""
    try:
        return list(lexer)
    except ValueError:
        return line.split()


def _path(word: str) -> Path:
    if word.startswith("file:"):
        try:
            parts = urlsplit(word)
        except ValueError:
            return Path(word)
        path = unquote(parts.path)
        return Path(path[1:] if _DRIVE.match(path[1:]) else path)
    return expanded(word)


def _is_there(path: Path, there: Callable[[Path], bool]) -> bool:
    try:
        return there(path)
    except (OSError, ValueError):  # too long, a NUL
        return False
