"""Several jobs one after the other: what is shown of each, and what their failures mean together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from depthflow.cli.show import Display
from depthflow.errors import BatchError, Cancelled, DepthFlowError, told
from depthflow.jobs.pipeline import Result
from depthflow.jobs.spec import JobSpec
from depthflow.progress import CancelToken, Report

T = TypeVar("T")


def never() -> Path | None:
    """For tasks that are always done."""
    return None


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """One photo to be dealt with.

    Attributes:
        run: does it, and tells of its progress.
        there: the result, if it is there already and may stay; looked at just before.
    """

    photo: str
    run: Callable[[Report], T]
    there: Callable[[], Path | None] = never


def here(photo: str, job: JobSpec, cancel: CancelToken, *, batch: bool) -> Task[Result]:
    """A job made by this process; in a batch one whose file is there already is passed over."""
    from depthflow.api import make_job

    def run(report: Report) -> Result:
        return make_job(job, report=report, cancel=cancel)

    return Task(photo, run, partial(result_there, job) if batch else never)


def run_all(tasks: Sequence[Task[T]], shown: Display[T], *, batch: bool) -> None:
    """Do all tasks in turn; in a batch one that fails does not stop the others.

    Raises:
        DepthFlowError: the error of the only one. BatchError: see `raise_failures`.
    """
    failures: list[DepthFlowError] = []
    for number, task in enumerate(tasks, start=1):
        if (done := task.there()) is not None:
            shown.skipped(task.photo, done)
            continue
        shown.begin(task.photo, number, len(tasks))
        try:
            result = task.run(shown.report)
        except (Cancelled, BrokenPipeError):
            raise
        except (DepthFlowError, OSError) as raised:
            error = told(raised)
            if not batch and not shown.for_programs:
                raise error from None
            shown.failed(task.photo, error)
            if not batch:
                sys.exit(error.exit_code)
            failures.append(error)
        else:
            shown.finished(task.photo, result)
    raise_failures(failures, len(tasks))


def raise_failures(failures: Sequence[DepthFlowError], count: int) -> None:
    """Say at the end of a batch that not all is well.

    Raises:
        BatchError: some or all failed; if all did for like reasons, with the exit code of these.
    """
    if 0 < len(failures) < count:
        raise BatchError(f"{len(failures)} of {count} photos failed, the others are done")
    if failures:
        nothing = BatchError(f"none of the {count} photos could be made")
        codes = {failure.exit_code for failure in failures}
        # Nothing was made, and for one reason: that reason's code says more than "some failed".
        nothing.exit_code = codes.pop() if len(codes) == 1 else BatchError.exit_code
        raise nothing


def result_there(job: JobSpec) -> Path | None:
    """The result of a job, if it is there and may not be replaced."""
    from depthflow.jobs.view import files_of
    from depthflow.video.formats import format_for

    output = job.outputs[0]
    if output.path is None or output.overwrite:
        return None
    files = files_of(Path(output.path), output.view, format_for(output.path, output.format))
    return files[0] if all(file.exists() for file in files) else None
