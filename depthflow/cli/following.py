"""Waits for submitted jobs as `render` waits for its own: the same words, bars and exit codes."""

from __future__ import annotations

from os.path import commonprefix
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, cast

from depthflow.errors import DepthFlowError, InputError, OutputError, ServerError

if TYPE_CHECKING:
    from depthflow.client import Client
    from depthflow.client.models import Job, JobDetail
    from depthflow.jobs.pipeline import Made, Result
    from depthflow.progress import Report, Stage


def follow(client: Client, job: Job, report: Report) -> JobDetail:
    """Wait for a job, or for the one that did its work already, and tell of its progress.

    Raises:
        DepthFlowError: it failed or was cancelled.
    """
    from depthflow.progress import Progress

    number = job.same_as if job.state == "skipped" and job.same_as is not None else job.id
    told = None
    for now in client.follow(number):
        if now.progress is not None and now.progress != told:
            told = now.progress
            report(
                Progress(
                    cast("Stage", told.stage), told.done, told.total, told.seconds, told.note, warning=told.warning
                )
            )
    detail = client.job(number)
    if detail.state != "done":
        raise end_of(detail)
    return detail


def end_of(detail: JobDetail) -> DepthFlowError:
    """Why a job is not done, with the exit code that `render` has for the same."""
    if detail.state != "failed":
        error = DepthFlowError(f"job {detail.id} was {detail.state}", f"depthflow retry {detail.id} queues it again")
        error.exit_code = 130
        return error
    why = detail.error or "it failed"
    # What the daemon does not try again is the fault of the photo or of the job.
    permanent = bool(detail.attempts) and detail.attempts[-1].outcome == "permanent"
    kind = InputError if permanent else ServerError
    return kind(f"job {detail.id}: {why}", f"depthflow show {detail.id} tells more")


def fetch(client: Client, detail: JobDetail, target: Path, *, overwrite: bool) -> list[Path]:
    """Save what a job made: one file under this name, several beside it, named after it.

    Returns:
        The files in the order of the job's outputs.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target.parent}: cannot be made: {error.strerror}", "choose another place") from error
    made = [output for output in detail.outputs if output.made]
    names = [PurePath(output.path) for output in made]
    # Of a_left.mp4 and a_right.mp4, what they have in common gives way to the target's name.
    common = commonprefix([name.stem for name in names]).rstrip("_-")  # noqa: RUF071 - of names, by letters
    places = [target.with_name(f"{target.stem}{name.stem.removeprefix(common)}{name.suffix}") for name in names]
    if len(made) == 1:
        places = [target]
    return [
        client.download(detail.id, output.number, place, overwrite=overwrite)
        for output, place in zip(made, places, strict=True)
    ]


def result_of(detail: JobDetail, files: list[Path] | None = None) -> Result:
    """A finished job as the pipeline would have given it.

    Args:
        files: where its outputs were saved, if they were fetched.
    """
    from depthflow.jobs.pipeline import Result
    from depthflow.jobs.spec import JobSpec

    made = [output for output in detail.outputs if output.made]
    places = files or [Path(output.path) for output in made]
    timings = dict(detail.attempts[-1].timings) if detail.attempts else {}
    spec = JobSpec.parse(detail.spec, source=f"job {detail.id}")
    return Result(spec, tuple(_made(place, o.facts) for place, o in zip(places, made, strict=True)), timings, ())


def _made(path: Path, facts: dict[str, Any]) -> Made:
    from depthflow.jobs.pipeline import Made

    return Made(
        path=path,
        format=str(facts.get("format", path.suffix.lstrip("."))),
        frames=int(facts.get("frames", 0)),
        width=int(facts.get("width", 0)),
        height=int(facts.get("height", 0)),
        fps=float(facts.get("fps", 0.0)),
        bytes=int(facts.get("bytes", 0)),
        encoder=str(facts.get("encoder", "")),
        seconds=float(facts.get("seconds", 0.0)),
    )
