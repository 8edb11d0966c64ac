"""Reads TOML files that people write by hand: of limited size, and wrong in one line. It knows no key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from depthflow.errors import UsageError


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
    hint = "it is a text file of lines such as key = value, below a [section]"
    try:
        data = read(path, max_bytes + 1)
        if len(data) > max_bytes:
            raise UsageError(f"{path}: larger than {max_bytes} bytes, which no {what} is", hint)
        # Some editors begin a file with a mark of its encoding.
        return tomllib.loads(data.decode("utf-8-sig"))
    except UsageError:
        raise
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file in UTF-8", hint) from None
    except RecursionError:
        raise UsageError(f"{path}: not valid TOML: nested too deep", hint) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", "look at its permissions") from None
    except ValueError as error:  # also numbers of more digits than Python reads
        raise UsageError(f"{path}: not valid TOML: {error}", hint) from None
