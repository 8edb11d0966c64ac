"""Names of results from a template such as "{preset}/{stem}-{size}"; it looks at no files."""

from __future__ import annotations

import string
from collections.abc import Mapping

from depthflow.errors import UnknownNameError, UsageError

WORDS = ("stem", "ext", "preset", "motion", "format", "size", "n")
MAX_BYTES = 200
"""Of each part of a name, since file systems take 255 and endings come behind it."""
_FORBIDDEN = '<>:"\\|?*\0'


def check_template(template: str) -> None:
    """Raises UsageError: unknown words, or a name that could leave its folder or that some system cannot have."""
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise UsageError(f"{template!r} is no template: {error}", "write it as {stem}-{size}") from None
    for _, word, spec, conversion in pieces:
        if word is None:
            continue
        if word not in WORDS:
            raise UnknownNameError("word", word, WORDS)
        if spec or conversion:
            raise UsageError(f"{template!r}: {{{word}}} takes no format", f"write {{{word}}} alone")
    fill(template, dict.fromkeys(WORDS, "x"))


def fill(template: str, values: Mapping[str, str]) -> str:
    """A relative path without suffix, its parts joined by "/".

    Raises:
        UsageError: the values make no name of it.
    """
    # A value never adds folders or leads out of them.
    safe = {key: "".join("_" if c in "/" + _FORBIDDEN else c for c in value) for key, value in values.items()}
    name = template.format_map(safe)
    for part in name.split("/"):
        if part.strip(" .") == "" or part.startswith(".") or any(c in _FORBIDDEN for c in part):
            raise UsageError(f"{template!r} makes {name!r}, which is no name for a file", "write it as {stem}-{size}")
    return name


def fitting(name: str) -> str:
    """A relative path whose parts are no longer than MAX_BYTES in UTF-8, cut between two characters."""
    return "/".join(_cut(part) for part in name.split("/"))


def _cut(part: str) -> str:
    if len(part.encode()) <= MAX_BYTES:
        return part
    return part.encode()[:MAX_BYTES].decode(errors="ignore").rstrip(" .")
