"""`depthflow render`: photos in, videos out. The options say the jobs, the pipeline makes them."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from depthflow.cli.job_options import Wanted, takes_job_options
from depthflow.cli.panels import TALK, option

if TYPE_CHECKING:
    from depthflow.cli.show import Display
    from depthflow.jobs.spec import JobSpec
    from depthflow.progress import CancelToken

PATIENCE_S = 2.0
"""A second Ctrl-C within this time after the first is the same impatience: it would only disturb the clearing up."""


@takes_job_options
def render(
    wanted: Wanted,
    as_json: Annotated[bool, option(TALK, "--json", help="One JSON object a line on standard output.")] = False,
    quiet: Annotated[bool, option(TALK, "-q", "--quiet", help="Errors only.")] = False,
    print_job: Annotated[
        bool, option(TALK, "--print-job", help="Print the job as TOML and make nothing (see depthflow make).")
    ] = False,
) -> None:
    """Make photos into parallax videos."""
    from depthflow.cli.show import display
    from depthflow.errors import UsageError

    if print_job:
        if len(wanted.items) > 1:
            raise UsageError(
                f"--print-job is for one photo, and these are {len(wanted.items)}", "run it for each of them"
            )
        print(wanted.job(wanted.items[0]).to_toml())
        return
    shown = display(as_json=as_json, quiet=quiet)
    with cancelling() as cancel:
        try:
            run_all([(item.photo, wanted.job(item)) for item in wanted.items], shown, cancel, batch=wanted.batch)
        finally:
            shown.close()


def run_all(jobs: list[tuple[str, JobSpec]], shown: Display, cancel: CancelToken, *, batch: bool) -> None:
    """Make all jobs in turn; in a batch one that fails does not stop the others.

    Raises:
        DepthFlowError: the error of the only job.
        BatchError: some or all of several failed; if all did for like reasons, with the exit code of these.
    """
    from depthflow.api import make_job
    from depthflow.errors import BatchError, Cancelled, DepthFlowError

    failures: list[DepthFlowError] = []
    for number, (photo, job) in enumerate(jobs, start=1):
        if batch and (done := _done_already(job)) is not None:
            shown.skipped(photo, done)
            continue
        shown.begin(photo, number, len(jobs))
        try:
            result = make_job(job, report=shown.report, cancel=cancel)
        except Cancelled:
            raise
        except DepthFlowError as error:
            if not batch and not _machine_readable(shown):
                raise
            shown.failed(photo, error)
            if not batch:
                sys.exit(error.exit_code)
            failures.append(error)
        else:
            shown.finished(photo, result)
    if 0 < len(failures) < len(jobs):
        raise BatchError(f"{len(failures)} of {len(jobs)} photos failed, the others are done")
    if failures:
        nothing = BatchError(f"none of the {len(jobs)} photos could be made")
        codes = {failure.exit_code for failure in failures}
        # Nothing was made, and for one reason: that reason's code says more than "some failed".
        nothing.exit_code = codes.pop() if len(codes) == 1 else BatchError.exit_code
        raise nothing


def _done_already(job: JobSpec) -> Path | None:
    """The result of a job, if it is there and may not be replaced."""
    from depthflow.jobs.view import files_of
    from depthflow.video.formats import format_for

    output = job.outputs[0]
    if output.path is None or output.overwrite:
        return None
    files = files_of(Path(output.path), output.view, format_for(output.path, output.format))
    return files[0] if all(file.exists() for file in files) else None


def _machine_readable(shown: Display) -> bool:
    from depthflow.cli.show import JsonLines

    return isinstance(shown, JsonLines)


@contextmanager
def cancelling() -> Iterator[CancelToken]:
    """A token that Ctrl-C, SIGTERM and a closed terminal set; a later one no longer waits for the end of a step."""
    from depthflow.progress import CancelToken

    token = CancelToken()
    asked = 0.0

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if not token.cancelled:
            asked = time.monotonic()
            token.cancel()
        elif time.monotonic() - asked >= PATIENCE_S:
            raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    # Under nohup the closing of the terminal is ignored, and stays so.
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield token
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
