"""How the daemon's log is written: text or JSON, to a terminal, a journal or a file; it decides nothing about what."""

from __future__ import annotations

import copy
import json
import logging
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO, TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

from depthflow.errors import OutputError, UsageError
from depthflow_daemon.config import LogSettings

log = logging.getLogger(__name__)

FLOOD_SECONDS = 60.0
"""A warning that was told is only counted for so long."""
_FLOOD_KINDS = 1000
_PRIORITIES = ((logging.ERROR + 1, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))
"""From this level on, the syslog priority."""
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_secrets: set[str] = set()


def hide(secret: str) -> None:
    """Have this text never stand in the log."""
    if secret:
        _secrets.add(secret)


def secret_in(file: Path) -> str:
    """A file's first line, which stands in no log from now on.

    Raises:
        UsageError: it cannot be read, or there is nothing in it.
    """
    try:
        secret = file.read_text(encoding="utf-8").partition("\n")[0].strip()
        if sys.platform != "win32" and file.stat().st_mode & 0o077:
            log.warning("%s: other users can open it: chmod 600", file)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a text file in UTF-8"
        raise UsageError(f"{file}: cannot be read: {why}") from None
    if not secret:
        raise UsageError(f"{file}: its first line is empty", "write a secret there, such as `openssl rand -hex 32`")
    hide(secret)
    return secret


class _Lines(ABC, logging.Formatter):
    """One line a record, and behind it those of its exception; no secrets."""

    def format(self, record: logging.LogRecord) -> str:
        text = self.line(record)
        for secret in _secrets:
            # As it stands, as repr writes it, and as JSON writes both.
            for plain in (secret, repr(secret)[1:-1]):
                text = text.replace(plain, "***").replace(json.dumps(plain)[1:-1], "***")
        return text

    @abstractmethod
    def line(self, record: logging.LogRecord) -> str: ...

    def trace(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


class TextLines(_Lines):
    """Time, level, message."""

    def line(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M:%S")
        return f"{at} {self.body(record)}"

    def body(self, record: logging.LogRecord) -> str:
        text = f"{record.levelname} {_one_line(record.getMessage())}"
        trace = self.trace(record)
        return f"{text}\n{trace}" if trace else text


class JournalLines(TextLines):
    """As systemd's journal takes it: a priority before each line, and no time, which the journal knows."""

    def line(self, record: logging.LogRecord) -> str:
        number = next(number for level, number in _PRIORITIES if record.levelno >= level)
        return "\n".join(f"<{number}>{line}" for line in self.body(record).split("\n"))


class JsonLines(_Lines):
    """An object a line: at, level, logger, message, and whatever the event is about (job, event, folder, ...)."""

    def line(self, record: logging.LogRecord) -> str:
        about = {key: value for key, value in vars(record).items() if key not in _OWN}
        fields: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **about,
        }
        if trace := self.trace(record):
            fields["exception"] = trace
        return json.dumps(fields, default=str)


@dataclass(slots=True)
class _Told:
    until: float
    record: logging.LogRecord
    more: int = 0


class Flood(logging.Filter):
    """Lets a warning or error pass once, and counts its like until the time is over; then tells how many there were.

    Args:
        tell: writes a record past this filter.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        tell: Callable[[logging.LogRecord], object],
        *,
        seconds: float = FLOOD_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._tell, self._seconds, self._clock = tell, seconds, clock
        self._told: dict[tuple[str, int, str], _Told] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = self._clock()
        self._count_up(now)
        if record.levelno < logging.WARNING:
            return True
        key = (record.name, record.levelno, record.getMessage())
        told = self._told.get(key)
        if told is not None:
            told.more += 1
            return False
        if len(self._told) < _FLOOD_KINDS:
            self._told[key] = _Told(now + self._seconds, record)
        return True

    def finish(self) -> None:
        """Tell what has been counted so far."""
        self._count_up(float("inf"))

    def _count_up(self, now: float) -> None:
        # Oldest first, since all wait equally long.
        while self._told:
            key = next(iter(self._told))
            told = self._told[key]
            if told.until > now:
                return
            del self._told[key]
            if told.more:
                again = copy.copy(told.record)
                again.exc_info = None
                again.msg, again.args = f"{told.record.getMessage()} (and {told.more} times more)", None
                self._tell(again)


class Log:
    """Where everything goes that is logged, from here to `close`.

    Args:
        stream: instead of standard error.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, settings: LogSettings, *, stream: TextIO | None = None) -> None:
        self._handler = _file(settings) if settings.file else logging.StreamHandler(stream)
        plain = TextLines if settings.file or not in_journal() else JournalLines
        self._handler.setFormatter(JsonLines() if settings.format == "json" else plain())
        self._flood = Flood(self._emit)
        self._handler.addFilter(self._flood)
        level = getattr(logging, settings.level.upper())
        self._levels = {name: logging.getLogger(name).level for name in ("", "depthflow_daemon")}
        root = logging.getLogger()
        root.addHandler(self._handler)
        # Libraries speak up when something is wrong.
        root.setLevel(max(level, logging.WARNING))
        logging.getLogger("depthflow_daemon").setLevel(level)
        # A disk that is full must not fill standard error with traces.
        logging.raiseExceptions = False

    def _emit(self, record: logging.LogRecord) -> None:
        self._handler.emit(record)

    def close(self) -> None:
        self._flood.finish()
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def in_journal(environ: Mapping[str, str] = os.environ, handle: int = 2) -> bool:
    """Whether standard error is systemd's journal, which JOURNAL_STREAM says by device and inode."""
    try:
        found = os.fstat(handle)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class _PrivateFile(RotatingFileHandler):
    """Nobody but its owner reads it."""

    def _open(self) -> TextIOWrapper:
        opened = os.open(self.baseFilename, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        return TextIOWrapper(FileIO(opened, "a"), encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _file(settings: LogSettings) -> logging.Handler:
    path = settings.file or Path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _PrivateFile(path, maxBytes=settings.max_bytes, backupCount=settings.keep)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written: {error.strerror}", "name another file in logs.file, or leave it out"
        ) from None


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")
