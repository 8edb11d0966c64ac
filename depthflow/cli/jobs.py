"""`depthflow jobs`: the daemon's jobs as a table, once or live."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from depthflow.cli.server import AsJson, Server, TokenFile, connected, print_json, states_of

if TYPE_CHECKING:
    from rich.console import Group

    from depthflow.client import Client
    from depthflow.client.models import Job, JobState

LOOK_SECONDS = 1.0
PAGE = 200


def jobs(
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="queued, waiting, running, done, failed, cancelled or skipped; may be given again.",
        ),
    ] = None,
    folder: Annotated[str | None, typer.Option(metavar="NAME", help="Only those of this watched folder.")] = None,
    search: Annotated[str, typer.Option(metavar="TEXT", help="Only those with this text in the photo's path.")] = "",
    oldest: Annotated[bool, typer.Option("--oldest", help="Oldest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 30,
    all_: Annotated[bool, typer.Option("--all", help="All, however many.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep the table up to date until Ctrl-C.")] = False,
    as_json: AsJson = False,
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """List the daemon's jobs, newest first."""
    from depthflow.errors import UsageError

    if watch and (as_json or not sys.stdout.isatty()):
        raise UsageError("--watch is for a terminal", "depthflow tail --json tells programs what happens")
    listing = Listing(states_of(state or ()), folder, search, oldest, None if all_ else limit)
    with connected(server, token_file) as client:
        if as_json:
            for job in listing.jobs(client):
                print_json(job)
        elif watch:
            _watch(client, listing)
        else:
            from rich.console import Console

            Console().print(listing.picture(client))


@dataclass(frozen=True, slots=True)
class Listing:
    """Which jobs are asked for."""

    states: list[JobState]
    folder: str | None
    search: str
    oldest: bool
    limit: int | None

    def jobs(self, client: Client) -> Iterator[Job]:
        return islice(
            client.jobs(
                state=self.states or None,
                folder=self.folder,
                search=self.search,
                sort="oldest" if self.oldest else "newest",
                limit=min(self.limit or PAGE, PAGE),
            ),
            self.limit,
        )

    def picture(self, client: Client) -> Group:
        """The table, and a line about all jobs."""
        from rich.console import Group
        from rich.text import Text

        from depthflow.cli.job_table import job_table, summary

        jobs, system = list(self.jobs(client)), client.system()
        line = summary(system.jobs, paused=system.paused, draining=system.draining)
        if not jobs and any(system.jobs.values()):
            line = f"none of these; {line}"
        return Group(*([job_table(jobs)] if jobs else []), Text(line, style="dim"))


def _watch(client: Client, listing: Listing) -> None:
    """The table until Ctrl-C; a daemon that is away for a while is waited for."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from depthflow.errors import ServerError

    shown = listing.picture(client)
    with suppress(KeyboardInterrupt), Live(shown, console=Console(), auto_refresh=False) as live:
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                shown = listing.picture(client)
                live.update(shown, refresh=True)
            except ServerError as error:
                live.update(Group(shown, Text(error.message, style="yellow")), refresh=True)
