"""`depthflow tail`: what happens to jobs, line by line as it happens."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from depthflow.cli.server import AsJson, Server, TokenFile, connected, print_json

if TYPE_CHECKING:
    from depthflow.client.models import Event, Job, ProgressEvent, StateEvent


def tail(
    number: Annotated[
        int | None, typer.Argument(metavar="JOB", help="Only this one, from its beginning until it has ended.")
    ] = None,
    as_json: AsJson = False,
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Follow what happens to all jobs until Ctrl-C, or to one until it has ended: then its end is the exit code.

    When the daemon is started again meanwhile, nothing is left out but progress.
    """
    lines = _Lines()
    last: Job | None = None
    with connected(server, token_file) as client:
        try:
            for event in client.events(number):
                if as_json:
                    print_json(event)
                else:
                    lines.print(event)
                last = event.job if event.kind == "state" else last
        except KeyboardInterrupt:
            if number is not None:
                raise
            return
        if last is not None and last.state in ("failed", "cancelled"):
            from depthflow.cli.following import end_of

            sys.exit(end_of(client.job(last.id)).exit_code)


class _Lines:
    """One line an event; of progress one for each stage, and for each tenth of the frames."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._said: dict[int, tuple[str, int]] = {}

    def print(self, event: Event) -> None:
        if event.kind == "progress":
            self._progress(event)
        elif event.kind == "state":
            self._state(event)
        else:
            print(f"{event.at.astimezone():%H:%M:%S}  the queue is {event.what}", flush=True)

    def _state(self, event: StateEvent) -> None:
        from depthflow.cli.job_table import name_of

        job = event.job
        self._names[job.id] = name_of(job)
        why = f": {job.error}" if job.error and event.what in ("failed", "waiting") else ""
        print(f"{event.at.astimezone():%H:%M:%S}  {job.id} {self._names[job.id]}: {event.what}{why}", flush=True)

    def _progress(self, event: ProgressEvent) -> None:
        progress = event.progress
        rendering = progress.stage == "render" and bool(progress.total)
        tenth = 10 * progress.done // (progress.total or 1) if rendering else 0
        if progress.warning:
            words = f"note: {progress.note}"
        elif self._said.get(event.job) == (progress.stage, tenth):
            return
        elif rendering:
            words = f"render {10 * tenth} %{f', {progress.rate:.1f} frames/s' if progress.done else ''}"
        else:
            words = progress.stage
        self._said[event.job] = (progress.stage, tenth)
        print(f"          {event.job} {self._names.get(event.job, '')}: {words}", flush=True)
