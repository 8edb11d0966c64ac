"""Progress events and the token that cancels a job; the one way in which long work talks to whoever waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from depthflow.errors import Cancelled

Stage = Literal["load", "depth", "prepare", "render", "publish", "done"]


@dataclass(frozen=True, slots=True)
class Progress:
    """One event of one job.

    Attributes:
        stage: what is being done now.
        done: finished units of this stage (frames while rendering).
        total: units of this stage, None where it cannot be known.
        seconds: wall time since the stage began.
        note: a few words for people; also warnings, which are events with `warning` set.
        warning: the note tells of something that is not as asked for.
    """

    stage: Stage
    done: int = 0
    total: int | None = None
    seconds: float = 0.0
    note: str = ""
    warning: bool = False

    @property
    def rate(self) -> float:
        """Units per second so far; 0 before anything is done."""
        return self.done / self.seconds if self.seconds > 0 else 0.0


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """A report that goes nowhere."""


class CancelToken:
    """Set from any thread or signal handler; the work looks at it between frames."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise Cancelled if somebody asked for it."""
        if self._event.is_set():
            raise Cancelled("stopped on request")


class StageClock:
    """Reports one stage, at most `per_second` times a second, always the first and the last unit."""

    def __init__(self, report: Report, stage: Stage, total: int | None = None, per_second: float = 10.0) -> None:
        self._report, self.stage, self._total = report, stage, total
        self._gap = 1.0 / per_second
        self._start = time.monotonic()
        self._last = -1.0
        self.update(0)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def update(self, done: int, note: str = "") -> None:
        now = self.seconds
        if done not in (0, self._total) and now - self._last < self._gap:
            return
        self._last = now
        self._report(Progress(self.stage, done, self._total, now, note))

    def warn(self, note: str) -> None:
        self._report(Progress(self.stage, 0, self._total, self.seconds, note, warning=True))
