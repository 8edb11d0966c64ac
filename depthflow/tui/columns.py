"""The columns of the table of jobs: which there is room for, and what a job says in each. It draws nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from depthflow.client.models import Job
from depthflow.tui.joblist import name_of, rate, seconds_left, share, state_of

ICONS = {
    "running": "▸",
    "stopping": "▸",
    "queued": "○",
    "held": "‖",
    "waiting": "↻",
    "done": "✓",
    "failed": "✗",
    "cancelled": "–",
    "skipped": "≡",
}
"""One cell each, in every font that has box drawing."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        width: its cells.
        most: cells that it may grow to where there is room; the same as width if it does not grow.
        needs, until: widths of the table from which on, and up to which, it is shown.
        sort: the order that a click on its head sorts by; empty if there is none.
        text: what it says of a job at a time; the bar has none.
    """

    name: str
    title: str
    width: int
    needs: int
    sort: str
    text: Callable[[Job, datetime], str]
    most: int = 0
    until: int = 1000
    right: bool = False


def span(seconds: float) -> str:
    """A length of time in at most six cells: 8 s, 3:07, 2 h 5, 4 d."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02}"
    return f"{hours // 24} d"


def age(then: datetime, now: datetime) -> str:
    """How long ago, in at most six cells."""
    seconds = max(0.0, (now - then).total_seconds())
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {word}"
    return "now"


def _state(job: Job, now: datetime) -> str:
    word = state_of(job)
    return f"{ICONS.get(word, ' ')} {word}"


def _state_or_stage(job: Job, now: datetime) -> str:
    """Where there is no room for both."""
    return f"{ICONS['running']} {_stage(job, now)}" if state_of(job) == "running" and job.progress else _state(job, now)


def _stage(job: Job, now: datetime) -> str:
    return job.progress.stage if job.state == "running" and job.progress is not None else ""


def _percent(job: Job, now: datetime) -> str:
    done = share(job)
    return "" if done is None else f"{done:.0%}"


def _rate(job: Job, now: datetime) -> str:
    return f"{rate(job):.1f}" if rate(job) else ""


def _left(job: Job, now: datetime) -> str:
    left = seconds_left(job)
    return "" if left is None else span(left)


COLUMNS = (
    Column("state", "State", 11, 0, "state", _state_or_stage, until=91),
    Column("state", "State", 11, 92, "state", _state),
    Column("id", "#", 6, 104, "newest", lambda job, _: str(job.id), right=True),
    Column("name", "Photo", 14, 0, "name", lambda job, _: name_of(job), most=70),
    Column("preset", "Preset", 11, 60, "preset", lambda job, _: job.preset or "", most=18),
    Column("folder", "Folder", 12, 150, "", lambda job, _: job.folder or "", most=20),
    Column("stage", "Stage", 8, 92, "stage", _stage),
    Column("bar", "Progress", 8, 70, "progress", lambda job, _: "", most=40),
    Column("percent", "%", 4, 0, "progress", _percent, right=True),
    Column("rate", "fps", 6, 92, "rate", _rate, right=True),
    Column("left", "Left", 6, 64, "left", _left, right=True),
    Column("attempt", "Try", 3, 112, "attempt", lambda job, _: str(job.attempt or ""), right=True),
    Column(
        "priority", "Prio", 4, 98, "priority", lambda job, _: f"{job.priority:+}" if job.priority else "", right=True
    ),
    Column("age", "Age", 6, 76, "newest", lambda job, now: age(job.added_at, now), right=True),
)
"""From left to right."""


def laid_out(width: int, columns: Sequence[Column] = COLUMNS) -> list[tuple[Column, int]]:
    """The columns that there is room for, each with its cells; together with a gap of one between them they fill it."""
    shown = [column for column in columns if column.needs <= width <= column.until]
    cells = {column.name: column.width for column in shown}
    room = width - sum(cells.values()) - (len(shown) - 1)
    growing = [column for column in shown if column.most > column.width]
    # The photo's name takes most of what is left, the others some of it, and then what is left of that.
    for weights in ({"name": 5, "bar": 3, "preset": 1, "folder": 1}, {"name": 1}):
        total = sum(weights.get(column.name, 0) for column in growing)
        given = room
        for column in growing if total and room > 0 else ():
            more = min(given * weights.get(column.name, 0) // total, column.most - cells[column.name])
            cells[column.name] += more
            room -= more
    if "name" in cells:
        cells["name"] = max(1, cells["name"] + room)
    return [(column, cells[column.name]) for column in shown]


def bar(done: float | None, width: int) -> tuple[str, str]:
    """What is done and what is left of a bar, by half cells; all is left where it cannot be known."""
    halves = 0 if done is None else round(done * width * 2)
    full, half = divmod(halves, 2)
    return "━" * full + "╸" * half, "─" * (width - full - half)
