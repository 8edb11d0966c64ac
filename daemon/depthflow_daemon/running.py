"""A job while it is being made: the tasks that it consists of, and what they have told together.

It speaks neither with the store nor with workers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from depthflow.video.workfile import WorkPlace
from depthflow_daemon.cluster import Seat
from depthflow_daemon.leases import Failure
from depthflow_daemon.records import Job

_GAP_SECONDS = 0.1
"""Between two progress events of a job."""


@dataclass(slots=True, eq=False)
class Task:
    """What one worker does at a stretch.

    Attributes:
        order: see `worker.work`.
        frames: of the job that it makes.
        name: of this try; empty before the first one.
        seat: the worker that has it, None if none has.
        began: the worker has said so; one that dies before does not die of it.
        pid: of the worker.
        done: frames so far.
        deaths: workers that died of it.
        outcome: what the worker said at its end.
    """

    order: dict[str, Any]
    frames: int = 0
    name: str = ""
    seat: Seat | None = None
    began: bool = False
    pid: int | None = None
    done: int = 0
    deaths: int = 0
    outcome: dict[str, Any] | None = None

    @property
    def made(self) -> bool:
        return self.outcome is not None and "done" in self.outcome


@dataclass(slots=True)
class Verdict:
    """What is to be told to the store once no worker has a piece of the job any more.

    Attributes:
        kind: "done"; "released"; "lost", which tells nothing as the job is another's; or how it failed.
        since: when they were told, or ended by force; monotonic clock.
        asked: workers have been told to stop.
    """

    kind: Failure | Literal["done", "released", "lost"]
    error: str = ""
    since: float = field(default_factory=time.monotonic)
    asked: bool = False


class Joined(Protocol):
    """Something that is put together of tasks when they are done."""

    @property
    def work(self) -> WorkPlace: ...
    def note(self) -> None: ...
    def join(self) -> Task | None: ...


class RunningJob:
    """One attempt at one job.

    Args:
        tasks: with which it begins.
        cuttings: outputs that are joined of some of them.
        one_first: the others wait until one of them has the depth.
    """

    def __init__(
        self, job: Job, tasks: list[Task], cuttings: Sequence[Joined] = (), *, one_first: bool = False
    ) -> None:
        self.job, self.tasks, self._cuttings, self._one_first = job, tasks, cuttings, one_first
        self.verdict: Verdict | None = None
        self.beaten = self._began = time.monotonic()
        self._told = 0.0
        self._stage = ""
        self._notes: set[str] = set()

    @property
    def waiting(self) -> list[Task]:
        """Tasks that no worker has."""
        if self.verdict:
            return []
        waiting = [task for task in self.tasks if task.seat is None and task.outcome is None]
        return waiting[: 0 if self.live else 1] if self._one_first else waiting

    @property
    def open(self) -> int:
        """Tasks that are not done."""
        return sum(not task.made for task in self.tasks)

    @property
    def live(self) -> list[Task]:
        return [task for task in self.tasks if task.seat is not None]

    def complete(self) -> bool:
        """Whether nothing is left to do; what has become possible is among the tasks then."""
        for cutting in self._cuttings:
            cutting.note()
        more = [task for cutting in self._cuttings if (task := cutting.join()) is not None]
        self.tasks.extend(more)
        return not more and all(task.made for task in self.tasks)

    def discard(self) -> None:
        """Remove its pieces."""
        for cutting in self._cuttings:
            cutting.work.discard()

    def decide(self, kind: Failure | Literal["done", "released", "lost"], error: str = "") -> None:
        """What becomes of it, unless that is decided already; what is done is done, though it was to stop."""
        if self.verdict is None or (kind == "done" and self.verdict.kind == "released"):
            self.verdict = Verdict(kind, error)

    @property
    def facts(self) -> dict[str, Any]:
        """Of every file that was made, by its path."""
        return {path: facts for task in self.tasks if task.made for path, facts in _done(task).get("facts", {}).items()}

    @property
    def timings(self) -> dict[str, float]:
        """Seconds per stage, of all workers together."""
        total: dict[str, float] = {}
        for task in self.tasks:
            for stage, seconds in _done(task).get("timings", {}).items():
                total[stage] = total.get(stage, 0.0) + seconds
        return total

    def progress(self, task: Task, told: dict[str, Any]) -> dict[str, Any] | None:
        """What a task's event says about the job; None if nothing that is worth telling."""
        if told.get("stage") in ("prepare", "render", "publish", "done"):
            self._one_first = False
        if told.get("warning"):
            new = told["note"] not in self._notes
            self._notes.add(told["note"])
            return told if new else None
        if len(self.tasks) == 1:
            return told
        if told.get("stage") == "render":
            task.done = min(told.get("done", 0), task.frames)
        return self._together(str(told.get("stage", "")), told)

    def _together(self, stage: str, told: dict[str, Any]) -> dict[str, Any] | None:
        """Events of several tasks as one stage after another."""
        total = sum(task.frames for task in self.tasks)
        done = sum(task.frames if task.made else task.done for task in self.tasks)
        if done == total:
            return told if stage in ("publish", "done") else None
        stage = "render" if done or stage not in ("load", "depth", "prepare") else stage
        now = time.monotonic()
        if stage == self._stage and now - self._told < _GAP_SECONDS:
            return None
        self._told, self._stage = now, stage
        if stage != "render":
            return told
        return {**told, "stage": stage, "done": done, "total": total, "seconds": now - self._began}


def _done(task: Task) -> dict[str, Any]:
    found: dict[str, Any] = (task.outcome or {}).get("done", {})
    return found
