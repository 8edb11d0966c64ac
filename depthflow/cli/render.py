"""`depthflow render`: photos in, videos out. The options say the jobs, the pipeline makes them."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

from depthflow.cli.job_options import Wanted, takes_job_options
from depthflow.cli.panels import TALK, option

if TYPE_CHECKING:
    from depthflow.progress import CancelToken

PATIENCE_S = 2.0
"""A second Ctrl-C within this time after the first is the same impatience: it would only disturb the clearing up."""


def _first() -> None:
    """What takes another process a while begins before the modules that a job needs are loaded."""
    from depthflow import memory
    from depthflow.video import ffmpeg

    memory.keep_freed()
    ffmpeg.warm()


@partial(takes_job_options, first=_first)
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
    from depthflow.cli.tasks import here, run_all
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
            tasks = [here(item.photo, wanted.job(item), cancel, batch=wanted.batch) for item in wanted.items]
            run_all(tasks, shown, batch=wanted.batch)
        finally:
            shown.close()


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
