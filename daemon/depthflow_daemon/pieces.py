"""Which tasks a job consists of: one for all of it, or segments of long videos, and then their joining."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from depthflow.errors import DepthFlowError
from depthflow.jobs.segments import places_of, runs
from depthflow.jobs.spec import JobSpec, OutputSpec
from depthflow.video.workfile import WorkPlace
from depthflow_daemon.records import Job
from depthflow_daemon.running import Task


@dataclass(slots=True, eq=False)
class Cutting:
    """One output that is made in segments.

    Attributes:
        order: what all of its tasks have in common.
        work: the hidden folder beside the output where its segments lie.
    """

    order: dict[str, Any]
    segments: list[Task]
    work: WorkPlace
    joining: Task | None = None

    def join(self) -> Task | None:
        """The task that joins the segments, once all of them are there; only once."""
        if self.joining is not None or not all(task.made for task in self.segments):
            return None
        told = [task.outcome["done"]["segment"] for task in self.segments if task.outcome]
        self.joining = Task({**self.order, "kind": "join", "segments": told})
        return self.joining


def tasks_of(job: Job, seconds: float) -> tuple[list[Task], list[Cutting]]:
    """The tasks with which a job begins, and the outputs that are to be joined later.

    Args:
        seconds: of video in a segment, about; 0 cuts nothing.
    """
    note = json.loads(job.note)
    order = {
        "kind": "make",
        "job": job.id,
        "spec": json.loads(job.spec),
        "content": note.get("content", ""),
        "digests": note.get("digests", {}),
    }
    try:
        return _cut(order, JobSpec.parse(order["spec"]), seconds)
    except (DepthFlowError, OSError):
        # The worker meets the same trouble, and says so.
        return [Task(order)], []


def _cut(order: dict[str, Any], spec: JobSpec, seconds: float) -> tuple[list[Task], list[Cutting]]:
    cuttings: list[Cutting] = []
    whole: list[OutputSpec] = []
    try:
        for output in spec.outputs:
            frames = runs(output, seconds)
            if len(frames) == 1:
                whole.append(output)
            else:
                cuttings.append(_cutting(order, spec.only(output), frames))
    except BaseException:
        for cutting in cuttings:
            cutting.work.discard()
        raise
    if not cuttings:
        return [Task(order)], []
    tasks = [task for cutting in cuttings for task in cutting.segments]
    if whole:
        rest = spec.model_copy(update={"outputs": tuple(whole)})
        tasks.append(Task({**order, "spec": rest.to_dict()}, sum(len(output.shown) for output in whole)))
    return tasks, cuttings


def _cutting(order: dict[str, Any], spec: JobSpec, frames: list[range]) -> Cutting:
    (output,) = spec.outputs
    places = places_of(spec, output)
    work = WorkPlace(places[0].absolute(), folder=True)
    common = {**order, "spec": spec.to_dict()}
    segments = [
        Task(
            {
                **common,
                "kind": "segment",
                "first": run.start,
                "last": run.stop,
                "files": [str(work.path / f"{n}-{run.start:07d}{place.suffix}") for n, place in enumerate(places)],
            },
            len(run),
        )
        for run in frames
    ]
    return Cutting(common, segments, work)
