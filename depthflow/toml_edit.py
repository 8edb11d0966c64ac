"""Edits TOML as text, so that comments and layout of the rest stay. It reads no file and knows no key by name.

Every edit is compared with what was wanted: what comes out says exactly that, or it is refused.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tomli_w

from depthflow.errors import UsageError


def set_keys(text: str, section: str, changes: Mapping[str, Any]) -> str:
    """The text with keys of one table set.

    Args:
        text: valid TOML.
        section: a table's name; "" is what stands before the first header.
        changes: values; None takes a key out.
    """
    wanted = tomllib.loads(text)
    table = wanted.setdefault(section, {}) if section else wanted
    _apply(table, changes)
    if section and not table:
        del wanted[section]
    document = _Document(text)
    block = document.find([section] if section else [])
    if block is not None:
        document.set(block, changes)
    else:
        # It may be written as `section.key = ...` or `section = {...}`: then it gets a header.
        top = document.find([])
        while top is not None and (old := document.statement(top, section)) is not None:
            del document.lines[old.start : old.end]
            top = document.find([])
        document.append(tomli_w.dumps({section: {}}).strip(), table)
    return _checked(document.text, wanted)


def add_item(text: str, array: str, item: Mapping[str, Any]) -> str:
    """The text with a further `[[array]]` behind the last one, or behind the one that a comment shows."""
    wanted = tomllib.loads(text)
    wanted[array] = [*wanted.get(array, []), dict(item)]
    document = _Document(_as_blocks(text, array))
    lines = _item_lines(array, item)
    places = [document.end_of_items(array), document.end_of_sample(array), len(document.lines)]
    for place in places:
        if place is not None:
            edited = document.with_lines(place, lines)
            if _says(edited, wanted):
                return edited
    raise _cannot()


def change_item(text: str, array: str, number: int, changes: Mapping[str, Any]) -> str:
    """The text with keys of the item `number` (from 0) of `[[array]]` set; None takes a key out."""
    wanted = tomllib.loads(text)
    _apply(wanted[array][number], changes)
    document = _Document(_as_blocks(text, array))
    document.set(document.items(array)[number], changes)
    return _checked(document.text, wanted)


def remove_item(text: str, array: str, number: int) -> str:
    """The text without the item `number` (from 0); comments above and below it stay."""
    wanted = tomllib.loads(text)
    del wanted[array][number]
    if not wanted[array]:
        del wanted[array]
    document = _Document(_as_blocks(text, array))
    document.remove(document.items(array)[number], array)
    return _checked(document.text, wanted)


def line_of(text: str, key: str) -> int | None:
    """The line (from 1) that sets a dotted key such as motion.strength or outputs.1.size, else that of its table."""
    with contextlib.suppress(tomllib.TOMLDecodeError):
        tomllib.loads(text)
        return _Document(text).line_of(key.split("."))
    return None


def _apply(table: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    with contextlib.suppress(tomllib.TOMLDecodeError):
        # As text, for a nan is not equal to itself.
        return tomli_w.dumps(tomllib.loads(text)) == tomli_w.dumps(wanted) or tomllib.loads(text) == wanted
    return False


def _checked(text: str, wanted: Mapping[str, Any]) -> str:
    if not _says(text, wanted):
        raise _cannot()
    return text


def _cannot() -> UsageError:
    return UsageError("the file is written in a way that cannot be changed from here", "change it in an editor")


def _item_lines(array: str, item: Mapping[str, Any]) -> list[str]:
    return [f"[[{array}]]\n", *(f"{tomli_w.dumps({key: value}).strip()}\n" for key, value in item.items())]


def _as_blocks(text: str, array: str) -> str:
    """An array that is written as `array = [...]` becomes one of `[[array]]`, at the end of the text."""
    document = _Document(text)
    top = document.find([])
    statement = None if top is None else document.statement(top, array)
    if statement is None:
        return text
    table = tomllib.loads(text)
    del document.lines[statement.start : statement.end]
    for item in table[array]:
        document.lines[len(document.lines) :] = ["\n", *_item_lines(array, item)]
    return _checked(document.text, table)


@dataclass(frozen=True, slots=True)
class _Statement:
    """`key = value`: lines from start to before end."""

    key: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Block:
    """A header with what stands below it: lines from start to before end.

    Attributes:
        way: the names in its header; none for what stands before the first header.
        item: the header is [[...]].
    """

    way: tuple[str, ...]
    item: bool
    start: int
    end: int


class _Document:
    """Lines of valid TOML, each ended. A line begins a statement if all that is before it is TOML by itself: that tells
    headers from what looks like one in a string or list of several lines."""

    def __init__(self, text: str) -> None:
        # Not splitlines: it also splits at signs that may stand in a comment.
        self.lines = re.findall(r"[^\n]*\n|[^\n]+", text)
        if self.lines and not self.lines[-1].endswith("\n"):
            self.lines[-1] += "\n"

    @property
    def text(self) -> str:
        return "".join(self.lines)

    # -- reading ---------------------------------------------------------------------------------------------------

    def blocks(self) -> list[_Block]:
        starts: list[tuple[int, tuple[str, ...], bool]] = []
        for number, line in enumerate(self.lines):
            if line.lstrip().startswith("[") and (header := _header(line)) and self._begins(number):
                starts.append((number, *header))
        ends = [start for start, *_ in starts] + [len(self.lines)]
        top = _Block((), False, 0, ends[0])
        return [top, *(_Block(way, item, at, end) for (at, way, item), end in zip(starts, ends[1:], strict=True))]

    def find(self, way: list[str]) -> _Block | None:
        return next((block for block in self.blocks() if list(block.way) == way and not block.item), None)

    def items(self, array: str) -> list[_Block]:
        return [block for block in self.blocks() if block.item and block.way == (array,)]

    def statements(self, block: _Block) -> list[_Statement]:
        found = []
        number = block.start + (1 if block.way else 0)
        while number < block.end:
            line = self.lines[number].strip()
            end = number + 1
            if line and not line.startswith("#"):
                while not self._begins(end):
                    end += 1
                key = next(iter(tomllib.loads("".join(self.lines[number:end]))))
                found.append(_Statement(key, number, end))
            number = end
        return found

    def statement(self, block: _Block, key: str) -> _Statement | None:
        return next((each for each in self.statements(block) if each.key == key), None)

    def line_of(self, way: list[str]) -> int | None:
        """From 1; the nearest line above what cannot be found."""
        names = [step for step in way if not step.isdigit()]
        number = next((int(step) for step in way if step.isdigit()), 0)
        for length in range(len(names), -1, -1):
            alike = [block for block in self.blocks() if list(block.way) == names[:length]]
            if not alike:
                continue
            block = alike[min(number, len(alike) - 1)]
            statement = self.statement(block, names[length]) if length < len(names) else None
            if statement is not None:
                return statement.start + 1
            if length:
                return block.start + 1
        return None

    def end_of_items(self, array: str) -> int | None:
        """The line behind the last word of the array's last item, sub-tables too."""
        own = [block for block in self.blocks() if block.way[:1] == (array,)]
        return self._last_word(own[-1]) if own else None

    def end_of_sample(self, array: str) -> int | None:
        """The line behind the comment in which `[[array]]` stands, as the commented sample of settings has it."""
        sample = re.compile(rf"\s*#\s*\[\[\s*{re.escape(array)}\s*\]\]")
        at = next((number for number, line in enumerate(self.lines) if sample.match(line)), None)
        if at is None:
            return None
        while at < len(self.lines) and self.lines[at].lstrip().startswith("#"):
            at += 1
        return at

    def _last_word(self, block: _Block) -> int:
        statements = self.statements(block)
        return statements[-1].end if statements else block.start + (1 if block.way else 0)

    def _begins(self, number: int) -> bool:
        try:
            tomllib.loads("".join(self.lines[:number]))
        except tomllib.TOMLDecodeError:
            return False
        return True

    # -- changing --------------------------------------------------------------------------------------------------

    def with_lines(self, place: int, lines: list[str]) -> str:
        """The text with lines put in, set off by an empty one above and below."""
        above, below = self.lines[:place], self.lines[place:]
        before = ["\n"] if above and above[-1].strip() else []
        after = ["\n"] if below and below[0].strip() else []
        return "".join([*above, *before, *lines, *after, *below])

    def set(self, block: _Block, changes: Mapping[str, Any]) -> None:
        """Change, add and take out keys of a block."""
        for key, value in changes.items():
            # Anew each time: lines move.
            here = next(each for each in self.blocks() if (each.way, each.start) == (block.way, block.start))
            old = self.statement(here, key)
            assignment = "" if value is None else tomli_w.dumps({key: value}).strip()
            if old is None:
                if value is not None:
                    self._insert(here, assignment)
            elif value is None:
                del self.lines[old.start : old.end]
            else:
                first = self.lines[old.start]
                indent = first[: len(first) - len(first.lstrip())]
                remark = _comment(first) if old.end == old.start + 1 else ""
                self.lines[old.start : old.end] = [f"{indent}{assignment}{remark}\n"]

    def append(self, header: str, changes: Mapping[str, Any]) -> None:
        lines = [f"{tomli_w.dumps({key: value}).strip()}\n" for key, value in changes.items() if value is not None]
        if lines:
            self.lines = _Document(self.with_lines(len(self.lines), [f"{header}\n", *lines])).lines

    def remove(self, block: _Block, array: str) -> None:
        """Take out a block and its sub-tables, up to their last words."""
        blocks = self.blocks()
        at = blocks.index(block)
        end = at + 1
        while end < len(blocks) and blocks[end].way[:1] == (array,) and blocks[end].way != (array,):
            end += 1
        for each in reversed(blocks[at:end]):
            del self.lines[each.start : self._last_word(each)]
        if block.start and not self.lines[block.start - 1].strip():
            while block.start < len(self.lines) and not self.lines[block.start].strip():
                del self.lines[block.start]
            if block.start == len(self.lines):
                del self.lines[block.start - 1]

    def _insert(self, block: _Block, assignment: str) -> None:
        place = self._last_word(block)
        statements = self.statements(block)
        first = self.lines[statements[-1].start] if statements else ""
        indent = first[: len(first) - len(first.lstrip())]
        lines = [f"{indent}{assignment}\n"]
        if not statements and not block.way:
            # Behind the remarks that a file begins with.
            while place < block.end and self.lines[place].lstrip().startswith("#"):
                place += 1
            lines = [
                *(["\n"] if place else []),
                *lines,
                *(["\n"] if self.lines[place:][:1] not in ([], ["\n"]) else []),
            ]
        self.lines[place:place] = lines


def _header(line: str) -> tuple[tuple[str, ...], bool] | None:
    """The names in a header, and whether it is one of an array; None if the line is something else."""
    try:
        node: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    way: list[str] = []
    while isinstance(node, dict) and node:
        key, node = next(iter(node.items()))
        way.append(key)
    return (tuple(way), isinstance(node, list)) if way else None


def _comment(line: str) -> str:
    """The comment that ends a line `key = value  # why`, with the space before it."""
    for match in re.finditer(r"\s*#", line):
        with contextlib.suppress(tomllib.TOMLDecodeError):
            tomllib.loads(line[: match.start()])
            return line[match.start() :].rstrip()
    return ""
