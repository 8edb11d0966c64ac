"""Which jobs are shown, and in what order: a book's jobs through a filter and a sort. It draws nothing.

An update costs what has changed, not what there is: rows are kept sorted by their keys, and moved by bisection.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from depthflow.client.models import Job
from depthflow.tui.jobbook import JobBook

Key = tuple[Any, ...]

_NUMBER = re.compile(r"#(\d+)")
_RANKS = {"running": 0, "queued": 1, "waiting": 2}
_SHARE = 8
"""If more than one in so many rows changed, sorting all anew is faster than moving each."""


def state_of(job: Job) -> str:
    """Its state in a word for people: a job that is held back, or is being stopped, is said to be."""
    if job.stopping:
        return "stopping"
    return "held" if job.held and job.state in ("queued", "waiting") else job.state


def name_of(job: Job) -> str:
    """The photo's name without its folders."""
    return job.source.rstrip("/").rpartition("/")[2] or job.source


def share(job: Job) -> float | None:
    """How much of its stage a running job has done, 0 to 1; None where it cannot be known."""
    now = job.progress
    if job.state != "running" or now is None or not now.total:
        return None
    return min(1.0, now.done / now.total)


def rate(job: Job) -> float:
    """Frames a second; 0 unless it is being drawn."""
    now = job.progress
    return now.rate if job.state == "running" and now is not None and now.stage == "render" else 0.0


def seconds_left(job: Job) -> float | None:
    """Until it is drawn, at the rate so far; None where it cannot be known."""
    now = job.progress
    if not rate(job) or now is None or now.total is None:
        return None
    return max(0, now.total - now.done) / now.rate


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of jobs.

    Attributes:
        key: what to sort by, smallest first; among equals the newest comes first.
    """

    name: str
    title: str
    key: Callable[[Job], Key]


def _turn(job: Job) -> Key:
    """What goes on, then what comes next in the order in which it will, then what has ended, the latest first."""
    rank = _RANKS.get(job.state, 3) + (1 if job.held else 0) if not job.ended else 9
    if job.state == "running":
        return rank, job.id
    return (rank, -job.changed_at.timestamp()) if job.ended else (rank, -job.priority, job.id)


def _known(value: float | None) -> Key:
    return (value is None, value or 0.0)


SORTS = {
    sort.name: sort
    for sort in (
        Sort("turn", "whose turn it is", _turn),
        Sort("newest", "newest first", lambda job: ()),
        Sort("name", "name", lambda job: (name_of(job).casefold(),)),
        Sort("state", "state", lambda job: (state_of(job),)),
        Sort("preset", "preset", lambda job: ((job.preset or "\uffff").casefold(),)),
        Sort("priority", "priority", lambda job: (-job.priority,)),
        Sort("stage", "stage", lambda job: ("\uffff" if job.progress is None else job.progress.stage,)),
        Sort("progress", "progress", lambda job: (-(share(job) or -1.0),)),
        Sort("rate", "frames a second", lambda job: (-rate(job),)),
        Sort("left", "time left", lambda job: _known(seconds_left(job))),
        Sort("attempt", "attempts", lambda job: (-job.attempt,)),
    )
}
CYCLE = ("turn", "newest", "name", "state", "preset", "priority", "progress")
"""The orders that one key goes through."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which jobs are meant.

    Attributes:
        text: all its words must be in name, folder, preset, motion or error; #12 is the job of that number.
        states: only these (`state_of`); empty for all.
        folder: only those from this watched folder; None for all.
    """

    text: str = ""
    states: frozenset[str] = frozenset()
    folder: str | None = None

    def __bool__(self) -> bool:
        return bool(self.text.strip() or self.states or self.folder is not None)

    def toggled(self, state: str) -> Query:
        return replace(self, states=self.states ^ {state})

    def matcher(self) -> Callable[[Job], bool]:
        words = self.text.casefold().split()
        states = self.states

        def matches(job: Job) -> bool:
            if states and state_of(job) not in states:
                return False
            if self.folder is not None and job.folder != self.folder:
                return False
            if not words:
                return True
            said = " ".join((job.source, job.folder or "", job.preset or "", job.motion or "", job.error or ""))
            said = said.casefold()
            return all(word in said or _is_number(word, job) for word in words)

        return matches


def _is_number(word: str, job: Job) -> bool:
    found = _NUMBER.fullmatch(word)
    return found is not None and int(found[1]) == job.id


class JobList:
    """Rows of a table: the jobs of a book that a query means, in an order.

    Attributes:
        query, sort, backwards: as they were set.
    """

    def __init__(self, book: JobBook) -> None:
        self._book = book
        self.query = Query()
        self.sort = SORTS["turn"]
        self.backwards = False
        self._matches = self.query.matcher()
        self._keys: dict[int, Key] = {}
        self._rows: list[Key] = []
        self.fill()

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[int]:
        """The jobs' numbers from the first row to the last."""
        rows = reversed(self._rows) if self.backwards else self._rows
        return (-key[-1] for key in rows)

    def __contains__(self, number: int) -> bool:
        return number in self._keys

    def job(self, row: int) -> Job | None:
        """The job in a row; None beyond the last one."""
        number = self.number(row)
        return None if number is None else self._book.get(number)

    def number(self, row: int) -> int | None:
        if not 0 <= row < len(self._rows):
            return None
        return -int(self._rows[-1 - row if self.backwards else row][-1])

    def row(self, number: int) -> int | None:
        """Where a job is; None if it is not among them."""
        key = self._keys.get(number)
        if key is None:
            return None
        place = bisect_left(self._rows, key)
        return len(self._rows) - 1 - place if self.backwards else place

    def set(self, *, query: Query | None = None, sort: str | None = None, backwards: bool | None = None) -> None:
        """Show others, or in another order."""
        if query is not None:
            self.query, self._matches = query, query.matcher()
        if backwards is not None:
            self.backwards = backwards
        if sort is not None:
            self.sort = SORTS[sort]
        if query is not None or sort is not None:
            self.fill()

    def fill(self) -> None:
        """Look at all jobs anew."""
        key, matches = self._key, self._matches
        self._keys = {job.id: key(job) for job in self._book if matches(job)}
        self._rows = sorted(self._keys.values())

    def update(self, numbers: Iterable[int] | None) -> bool:
        """These jobs are new, changed or gone (None: any); whether rows have come, gone or moved."""
        numbers = None if numbers is None else list(numbers)
        if numbers is None or len(numbers) > 64 + len(self._rows) // _SHARE:
            before = self._rows
            self.fill()
            return before != self._rows
        moved = False
        for number in numbers:
            job = self._book.get(number)
            old = self._keys.get(number)
            new = self._key(job) if job is not None and self._matches(job) else None
            if new == old:
                continue
            moved = True
            if old is not None:
                del self._rows[bisect_left(self._rows, old)]
                del self._keys[number]
            if new is not None:
                insort(self._rows, new)
                self._keys[number] = new
        return moved

    def _key(self, job: Job) -> Key:
        return (*self.sort.key(job), -job.id)
