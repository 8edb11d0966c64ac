"""Reads one TOML settings file and edits it as text, so that comments stay. It knows no setting by name."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w

from depthflow.errors import OutputError, UsageError

_HEADER = re.compile(r"\s*\[")
_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


def read_table(file: Path) -> dict[str, Any]:
    """The file's content; empty if there is no such file.

    Raises:
        UsageError: it cannot be read or is not TOML; the message is one line, `file:line: ...`.
    """
    return parse_text(read_text(file), file)


def with_key(file: Path, key: str, value: Any) -> str:
    """The file's text with `section.name` set to a value."""
    text = read_text(file)
    section, _, name = key.partition(".")
    table = parse_text(text, file)
    old = table.get(section, {})
    wanted = {**table, section: {**(old if isinstance(old, dict) else {}), name: value}}
    return _checked(_set_line(text, section, name, tomli_w.dumps({name: value}).strip()), wanted)


def without_key(file: Path, key: str) -> str:
    """The file's text without `section.name`, or without a whole section if there is no dot."""
    text = read_text(file)
    section, dot, name = key.partition(".")
    wanted = parse_text(text, file)
    lines = text.splitlines(keepends=True)
    if dot:
        wanted[section] = {k: v for k, v in wanted[section].items() if k != name}
        _, line = _find(lines, section, name)
    else:
        del wanted[section]
        _, line = _find(lines, "", section)
    edited = "".join(lines[:line] + lines[line + 1 :]) if line is not None else text
    return _checked(edited, wanted)


def with_tables(file: Path, wanted: dict[str, Any]) -> str:
    """The file's text made to say exactly this, table by table; what stays keeps its place and its comments."""
    text = read_text(file)
    old, new = dict(_keys(parse_text(text, file))), dict(_keys(wanted))
    for (section, name), value in old.items():
        if (section, name) not in new:
            _, line = _find(text.splitlines(keepends=True), section, name)
            text = text if line is None else "".join(_without(text, line))
        elif new[section, name] != value or type(new[section, name]) is not type(value):
            text = _set_line(text, section, name, tomli_w.dumps({name: new[section, name]}).strip())
    for (section, name), value in new.items():
        if (section, name) not in old:
            text = _set_line(text, section, name, tomli_w.dumps({name: value}).strip())
    return _checked(text, wanted)


def _keys(table: dict[str, Any], section: str = "") -> Iterator[tuple[tuple[str, str], Any]]:
    """((section, name), value) of everything that is no table, what stands before the first header first."""
    for name, value in table.items():
        if not isinstance(value, dict):
            yield (section, name), value
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{section}.{name}".lstrip("."))


def _without(text: str, line: int) -> list[str]:
    lines = text.splitlines(keepends=True)
    return lines[:line] + lines[line + 1 :]


def write_text(file: Path, text: str) -> None:
    """Write at once or not at all; a link stays a link and the file keeps its mode.

    Raises:
        OutputError: the file cannot be written.
    """
    # Dotfiles are often links into a repository; os.replace would put a plain file in the link's place.
    target = file.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            if target.exists():
                temporary.chmod(target.stat().st_mode & 0o7777)
            temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise OutputError(
            f"{file}: cannot be written: {error.strerror or error}",
            "make it writable, or name another folder in DEPTHFLOW_CONFIG_DIR",
        ) from None


def read_text(file: Path) -> str:
    """The file's text with plain line ends; empty if there is no such file. Raises UsageError: as `read_table`."""
    try:
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror or error}") from None
    try:
        # Editors on Windows put a byte order mark in front, which TOML does not allow.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{file}:{line}: not UTF-8 text", "save the file as UTF-8") from None
    return text.replace("\r\n", "\n")


def parse_text(text: str, file: Path) -> dict[str, Any]:
    """What the text says; the file is named in messages. Raises UsageError: as `read_table`."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what = str(error).splitlines()[0]
        where = _AT_LINE.search(what)
        # Without a line number the text ended too early.
        line = where[1] if where and where[1] else max(1, len(text.splitlines()))
        what = _AT_LINE.sub("", what)
        raise UsageError(
            f"{file}:{line}: not valid TOML: {what[:1].lower()}{what[1:]}",
            'a line reads key = value, under a [section]; text stands in "quotes"',
        ) from None
    except (RecursionError, ValueError) as error:  # ValueError: a number of more digits than Python reads
        what = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise UsageError(f"{file}: not valid TOML: {what}") from None


def _checked(edited: str, wanted: dict[str, Any]) -> str:
    """The edited text if it says what is wanted; else that, written anew (comments are lost then)."""
    try:
        table = tomllib.loads(edited)
    except tomllib.TOMLDecodeError:
        table = None
    return edited if table is not None and _solid(table) == _solid(wanted) else tomli_w.dumps(_solid(wanted))


def _solid(table: dict[str, Any]) -> dict[str, Any]:
    """Without empty sections: they say nothing."""
    inner = {key: _solid(value) if isinstance(value, dict) else value for key, value in table.items()}
    return {key: value for key, value in inner.items() if value != {}}


def _set_line(text: str, section: str, name: str, assignment: str) -> str:
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    end, line = _find(lines, section, name)
    if line is not None:
        lines[line] = assignment + _comment(lines[line]) + "\n"
    elif end is not None:
        lines.insert(end, assignment + "\n")
    elif not section:
        lines.insert(0, assignment + "\n")
    else:
        lines += ["\n"] if lines else []
        lines += [f"[{section}]\n", assignment + "\n"]
    return "".join(lines)


def _find(lines: list[str], section: str, name: str) -> tuple[int | None, int | None]:
    """(line after the last one of the section that says something, line that sets the name).

    The section "" is what stands before the first header. A guess by the look of the lines: a multi-line
    string can deceive it, so `_checked` compares what came out.
    """
    header = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\]\s*(#.*)?$")
    setting = re.compile(rf"\s*(?:{re.escape(name)}|\"{re.escape(name)}\")\s*=")
    inside = section == ""
    end: int | None = None
    for number, line in enumerate(lines):
        if _HEADER.match(line):
            inside = bool(header.match(line)) if section else False
            end = number + 1 if inside else end
        elif inside:
            if setting.match(line):
                return number + 1, number
            if line.strip() and not line.lstrip().startswith("#"):
                end = number + 1
    return end, None


def _comment(line: str) -> str:
    """The comment that ends a line `key = value  # why`, with the space before it."""
    for match in re.finditer(r"\s*#", line):
        with contextlib.suppress(tomllib.TOMLDecodeError):
            tomllib.loads(line[: match.start()])
            return line[match.start() :].rstrip()
    return ""
