"""`depthflow cancel`, `retry`, `priority`, `pause` and `resume`: what people change about jobs, queue and folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from depthflow.cli.server import (
    All,
    AsJson,
    Numbers,
    Server,
    States,
    TokenFile,
    chosen,
    connected,
    for_each,
    print_json,
)

if TYPE_CHECKING:
    from depthflow.client import Client

What = Annotated[
    list[str] | None,
    typer.Argument(metavar="JOB|FOLDER", help="Numbers of jobs, names of watched folders; none is the whole queue."),
]


def cancel(
    numbers: Numbers = None,
    all_: All = False,
    state: States = None,
    as_json: AsJson = False,
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Stop jobs; one that runs stops between two frames. --all: whatever has not ended."""
    with connected(server, token_file) as client:
        wanted = chosen(client, numbers, all_, state, ("queued", "waiting", "running"))
        for_each(wanted, client.cancel, as_json=as_json)


def retry(
    numbers: Numbers = None,
    all_: All = False,
    state: States = None,
    as_json: AsJson = False,
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Queue jobs again that failed, were cancelled or wait. --all: whatever failed."""
    with connected(server, token_file) as client:
        for_each(chosen(client, numbers, all_, state, ("failed",)), client.retry, as_json=as_json)


def priority(
    numbers: Numbers = None,
    to: Annotated[
        int, typer.Option("--to", min=-100, max=100, help="-100 to 100; higher goes first, 0 is usual.")
    ] = 10,
    all_: All = False,
    state: States = None,
    as_json: AsJson = False,
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Let jobs go before others, or after them. --all: whatever has not begun."""
    with connected(server, token_file) as client:
        wanted = chosen(client, numbers, all_, state, ("queued", "waiting"))
        for_each(wanted, lambda number: client.change(number, priority=to), as_json=as_json)


def pause(what: What = None, as_json: AsJson = False, server: Server = None, token_file: TokenFile = None) -> None:
    """Let no job begin, take no photos from a folder, or hold single jobs back; what runs goes on."""
    with connected(server, token_file) as client:
        _pause(client, what or [], True, as_json=as_json)


def resume(what: What = None, as_json: AsJson = False, server: Server = None, token_file: TokenFile = None) -> None:
    """The opposite of pause."""
    with connected(server, token_file) as client:
        _pause(client, what or [], False, as_json=as_json)


def _pause(client: Client, what: list[str], paused: bool, *, as_json: bool) -> None:
    word = "paused" if paused else "resumed"
    if not what:
        (client.pause if paused else client.resume)()
        if as_json:
            print_json(client.system())
        else:
            print(f"the queue is {word}")
        return
    numbers = [int(each) for each in what if each.isascii() and each.isdigit()]
    for name in (each for each in what if not (each.isascii() and each.isdigit())):
        folder = (client.pause_folder if paused else client.resume_folder)(name)
        if as_json:
            print_json(folder)
        else:
            print(f"{folder.name}: {word} ({folder.root})")
    if numbers:
        for_each(numbers, lambda number: client.change(number, hold=paused), as_json=as_json)
