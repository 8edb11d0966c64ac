"""Lines of the daemon's log: read, filtered, kept in a book of limited length. It opens no file."""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass

LEVELS = ("debug", "info", "warning", "error")
KEPT = 5000
_TEXT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ([A-Z]+) (.*)")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line.

    Attributes:
        level: one of LEVELS; a line that says none, such as one of a traceback, has that of the line before it.
    """

    at: str
    level: str
    text: str


class LogBook:
    """The last lines, and those of them that are wanted."""

    def __init__(self, kept: int = KEPT) -> None:
        self._lines: deque[LogLine] = deque(maxlen=kept)
        self.level = "debug"
        self.wanted = ""

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, text: str) -> LogLine:
        """Take in one line, in text or in JSON, as the daemon writes it."""
        line = self._read(text)
        self._lines.append(line)
        return line

    def shown(self) -> list[LogLine]:
        """Those of at least `level` that contain `wanted`, whatever its case."""
        return [line for line in self._lines if self.wants(line)]

    def wants(self, line: LogLine) -> bool:
        return LEVELS.index(line.level) >= LEVELS.index(self.level) and self.wanted.lower() in line.text.lower()

    def clear(self) -> None:
        self._lines.clear()

    def _read(self, text: str) -> LogLine:
        if text.startswith("{"):
            try:
                data = json.loads(text)
                at = str(data["at"]).replace("T", " ")[:19]
                return LogLine(at, _level(str(data["level"])), str(data["message"]))
            except (ValueError, KeyError, TypeError):
                pass  # a line of something else that begins with a brace
        if found := _TEXT.match(text):
            return LogLine(found[1], _level(found[2]), found[3])
        return LogLine("", self._lines[-1].level if self._lines else "info", text)


def _level(word: str) -> str:
    word = {"critical": "error", "warn": "warning"}.get(word.lower(), word.lower())
    return word if word in LEVELS else "info"
