"""`depthflow submit`: photos into the daemon's queue, with the options of `render`."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from depthflow.cli.job_options import Wanted, takes_job_options
from depthflow.cli.panels import TALK, option
from depthflow.cli.server import DAEMON, Server, TokenFile, connected, greet

if TYPE_CHECKING:
    from depthflow.cli.show import Display
    from depthflow.client.models import Job


@takes_job_options
def submit(
    wanted: Wanted,
    wait: Annotated[
        bool, option(DAEMON, "--wait", help="Show progress until the videos are there; --output waits too.")
    ] = False,
    priority: Annotated[
        int, typer.Option("--priority", min=-100, max=100, help="Higher goes first.", rich_help_panel=DAEMON)
    ] = 0,
    held: Annotated[bool, option(DAEMON, "--held", help="Let it not begin until `depthflow resume JOB`.")] = False,
    window: Annotated[
        str, option(DAEMON, "--window", help="Times of day at which it may begin: 22:00-06:00.", metavar="TIMES")
    ] = "",
    server: Server = None,
    token_file: TokenFile = None,
    as_json: Annotated[bool, option(TALK, "--json", help="One JSON object a line on standard output.")] = False,
    quiet: Annotated[bool, option(TALK, "-q", "--quiet", help="Errors only.")] = False,
) -> None:
    """Queue photos with the daemon, to be made into parallax videos.

    The daemon reads photos where they are if it may (its `roots`, on this machine), and writes beside them, or where
    --output says; otherwise they are sent to it, and --output fetches the results.
    """
    from depthflow.cli.orders import Queued, QueuedJson, Sender, Sent, order_of
    from depthflow.cli.show import display
    from depthflow.cli.tasks import Task, never, run_all
    from depthflow.errors import UsageError

    waits = wait or wanted.named
    if waits and held:
        raise UsageError("a job that is held does not begin, and would be waited for", "leave out --held, or --wait")
    with connected(server, token_file) as client:
        sender = Sender(client, greet(client), {"priority": priority, "hold": held, "window": window})
        orders = [order_of(sender, wanted, item) for item in wanted.items]
        if not waits:
            queued: Display[Job] = QueuedJson() if as_json else Queued(quiet=quiet)
            tasks = [
                Task(each.photo, partial(sender.send, each), each.there if wanted.batch else never) for each in orders
            ]
            try:
                run_all(tasks, queued, batch=wanted.batch)
            finally:
                queued.close()
            return
        shown = display(as_json=as_json, quiet=quiet)
        sent = [Sent(sender, each, batch=wanted.batch) for each in orders]
        if as_json:
            told = QueuedJson()
            for number, each in enumerate(sent, start=1):
                if each.job is not None:
                    told.begin(each.order.photo, number, len(sent))
                    told.finished(each.order.photo, each.job)
        try:
            run_all([Task(each.order.photo, each.finish, each.there) for each in sent], shown, batch=wanted.batch)
        except KeyboardInterrupt:
            numbers = " ".join(str(each.job.id) for each in sent if each.job is not None)
            print(f"what is queued goes on; to stop it: depthflow cancel {numbers}", file=sys.stderr)
            raise
        finally:
            shown.close()
