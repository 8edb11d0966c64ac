"""Which tasks a job consists of: one for all of it, or segments of long videos, and then their joining.

Which segments are finished is noted beside them, so that a daemon that ends in the midst of a long video goes on with
those that are missing at its next start.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthflow import __version__
from depthflow.errors import DepthFlowError
from depthflow.jobs.segments import places_of, runs
from depthflow.jobs.spec import JobSpec, OutputSpec
from depthflow.video.workfile import WorkPlace, folders_left
from depthflow_daemon.records import Job
from depthflow_daemon.running import Task

_NOTE = "pieces.json"


@dataclass(slots=True, eq=False)
class Cutting:
    """One output that is made in segments.

    Attributes:
        order: what all of its tasks have in common.
        digest: of everything that decides its segments.
        work: the hidden folder beside the output where its segments lie.
    """

    order: dict[str, Any]
    digest: str
    segments: list[Task]
    work: WorkPlace
    joining: Task | None = None

    def note(self) -> None:
        """Write down which segments are finished, for the daemon that comes after this one."""
        told = [task.outcome["done"]["segment"] for task in self.segments if task.made and task.outcome]
        file = self.work.path / _NOTE
        if not told:
            return
        with contextlib.suppress(OSError):  # then they are made again
            part = file.with_suffix(".part")
            part.write_text(json.dumps({"digest": self.digest, "segments": told}))
            part.replace(file)

    def take_over(self, left: Path) -> None:
        """Make the segments of an earlier daemon ours, if they are of the same work; the others are lost with it."""
        for told in _noted(left, self.digest):
            task = next((task for task in self.segments if task.order["first"] == told["first"]), None)
            if task is None or task.made or not all((left / Path(file).name).is_file() for file in told["files"]):
                continue
            with contextlib.suppress(OSError):
                for old, new in zip(told["files"], task.order["files"], strict=True):
                    (left / Path(old).name).replace(new)
                task.outcome = {"done": {"segment": {**told, "files": task.order["files"]}}}
        shutil.rmtree(left, ignore_errors=True)

    def join(self) -> Task | None:
        """The task that joins the segments, once all of them are there; only once."""
        if self.joining is not None or not all(task.made for task in self.segments):
            return None
        told = [task.outcome["done"]["segment"] for task in self.segments if task.outcome]
        self.joining = Task({**self.order, "kind": "join", "segments": told})
        return self.joining


def holds_pieces(folder: Path) -> bool:
    """Whether a work folder has finished segments in it."""
    return (folder / _NOTE).is_file()


def keep_pieces(output: Path) -> None:
    """What an earlier daemon left of this output is not to be taken for old: it is still to be gone on with."""
    for left in folders_left(output):
        if holds_pieces(left):
            with contextlib.suppress(OSError):
                os.utime(left)


def drop_pieces(output: Path) -> None:
    """Nobody goes on with what an earlier daemon left of this output."""
    for left in folders_left(output):
        if holds_pieces(left):
            shutil.rmtree(left, ignore_errors=True)


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
    # Before our own folder is made, which sweeps away what is old.
    left = folders_left(places[0].absolute())
    work = WorkPlace(places[0].absolute(), folder=True)
    common = {**order, "spec": spec.to_dict()}
    decides = [common, [(run.start, run.stop) for run in frames], __version__]
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
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    cutting = Cutting(common, digest, segments, work)
    for folder in left:
        cutting.take_over(folder)
    cutting.note()
    return cutting


def _noted(left: Path, digest: str) -> list[dict[str, Any]]:
    """The finished segments in a folder; none if they are of other work."""
    try:
        note = json.loads((left / _NOTE).read_text(encoding="utf-8"))
        return list(note["segments"]) if note["digest"] == digest else []
    except (OSError, ValueError, KeyError, TypeError):
        return []
