"""What the store gives out: jobs, attempts, outputs, events; frozen, and without any behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["queued", "waiting", "running", "done", "failed", "cancelled", "skipped"]
STATES: tuple[State, ...] = ("queued", "waiting", "running", "done", "failed", "cancelled", "skipped")
FINAL: tuple[State, ...] = ("done", "failed", "cancelled", "skipped")
OPEN: tuple[State, ...] = ("queued", "waiting", "running")


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the queue.

    Attributes:
        id: rises with every job that is added, and is never used again.
        key: see `identity.job_key`; one job a key, but for skipped ones.
        state: queued (may be taken), waiting (for its next try), running, or one of FINAL.
        source: what it was made from, for people and for its outputs' names.
        spec: a JobSpec as JSON.
        note: JSON of whoever added it, about what the spec does not say; the store does not read it.
        priority: higher goes first; within a priority the older one.
        held: not to be taken until it is released.
        window: times of day at which it may begin (see `schedule`), empty for always.
        attempt: how often it was taken; whoever works on it proves with this number that it is still theirs.
        crashes, retries, orphaned: attempts that ended with the worker, by a transient error, with the daemon.
        stopping: it was cancelled while running, and its worker has not said yet that it stopped.
        worker: who works on it.
        same_as: the job that did this one's work already.
        error: why it failed or waits, for people.
        added_at, changed_at: wall-clock seconds since 1970.
    """

    id: int
    key: str
    state: State
    source: str
    spec: str
    note: str
    priority: int
    held: bool
    window: str
    attempt: int
    crashes: int
    retries: int
    orphaned: int
    stopping: bool
    worker: str | None
    same_as: int | None
    error: str | None
    added_at: float
    changed_at: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a job; `outcome` is None while it runs, timings are seconds per stage."""

    attempt: int
    worker: str
    started_at: float
    ended_at: float | None
    outcome: str | None
    error: str | None
    timings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Output:
    """One file of a job; `facts` (frames, width, bytes and so on) is None until it is made."""

    path: str
    facts: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log; ids rise, with gaps, and never come twice."""

    id: int
    at: float
    job: int | None
    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StageTime:
    """What a stage took over several jobs: how many had it, and seconds of all together and of the slowest."""

    jobs: int
    seconds: float
    slowest: float
