"""Reads TOML files that people write by hand: of limited size, and wrong in one line. It knows no key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from depthflow.errors import UsageError

_HINT = "it is a text file of lines such as key = value, below a [section]"


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit)


def read_toml(path: Path, *, max_bytes: int, what: str, read: Callable[[Path, int], bytes] = _read) -> dict[str, Any]:
    """The content of a file.

    Args:
        max_bytes: the time that TOML takes grows with the square of a key's parts.
        what: kind of file, for the message: "rule file".
        read: reads at most so many bytes of it.

    Raises:
        UsageError: not there, too large, not UTF-8 or not TOML; one line that begins with the path.
    """
    return parse_toml(read_text(path, max_bytes=max_bytes, what=what, read=read), str(path))


def read_text(path: Path, *, max_bytes: int, what: str, read: Callable[[Path, int], bytes] = _read) -> str:
    """A file's text. Args, Raises: as `read_toml`."""
    try:
        data = read(path, max_bytes + 1)
        if len(data) > max_bytes:
            raise UsageError(f"{path}: larger than {max_bytes} bytes, which no {what} is", _HINT)
        # Some editors begin a file with a mark of its encoding.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file in UTF-8", _HINT) from None
    except OSError as error:
        why = f"there is no such {what}" if isinstance(error, FileNotFoundError) else error.strerror
        raise UsageError(f"{path}: cannot be read: {why}", "check the path, and its permissions") from None


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """What a text says; `source` begins the message of what is wrong with it.

    Raises:
        UsageError: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise UsageError(f"{source}: not valid TOML: nested too deep", _HINT) from None
    except ValueError as error:  # also numbers of more digits than Python reads
        raise UsageError(f"{source}: not valid TOML: {error}", _HINT) from None
