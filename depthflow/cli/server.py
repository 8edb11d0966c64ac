"""The options that name a daemon, and the client that speaks with it; all commands about jobs have them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from depthflow.cli.panels import TALK, option

if TYPE_CHECKING:
    from pydantic import BaseModel

    from depthflow.client import Client
    from depthflow.client.models import Job, JobState, System
    from depthflow.errors import DepthFlowError

T = TypeVar("T")
DAEMON = "Daemon"

Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar="DEPTHFLOW_SERVER",
        metavar="ADDRESS",
        help="unix:///path, http://host:port; else your own.",
        rich_help_panel=DAEMON,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar="DEPTHFLOW_TOKEN_FILE",
        metavar="FILE",
        help="Holds the token of a daemon on TCP; or put it into DEPTHFLOW_TOKEN.",
        rich_help_panel=DAEMON,
    ),
]
AsJson = Annotated[bool, option(TALK, "--json", help="One JSON object a line.")]
Numbers = Annotated[list[int] | None, typer.Argument(metavar="JOB", help="Numbers of jobs.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All jobs that are in the states of --state.")]
States = Annotated[
    list[str] | None, typer.Option("--state", metavar="STATE", help="With --all: only these; may be given again.")
]


def connected(server: str | None, token_file: Path | None) -> Client:
    """A client of the daemon that is meant; the token from the environment, else from the file."""
    import os

    from depthflow.client import Client
    from depthflow.client.address import read_token
    from depthflow.paths import expanded

    token = None if os.environ.get("DEPTHFLOW_TOKEN") or token_file is None else read_token(expanded(token_file))
    return Client(server, token=token)


def greet(client: Client) -> System:
    """The daemon's own facts; said if it is of another version than this program."""
    from depthflow import __version__

    system = client.system()
    if system.version != __version__:
        print(f"note: the daemon is version {system.version}, this program {__version__}", file=sys.stderr)
    return system


def states_of(names: Iterable[str]) -> list[JobState]:
    """States by their names, also several in one text with commas.

    Raises:
        UnknownNameError: there is no such state.
    """
    from typing import get_args

    from depthflow.client.models import JobState
    from depthflow.errors import UnknownNameError

    known: tuple[JobState, ...] = get_args(JobState)
    found: list[JobState] = []
    for name in (part.strip() for text in names for part in text.split(",")):
        match = next((state for state in known if state == name), None)
        if match is None:
            raise UnknownNameError("state", name, known)
        found.append(match)
    return found


def chosen(
    client: Client, numbers: list[int] | None, all_: bool, states: list[str] | None, usual: tuple[JobState, ...]
) -> list[int]:
    """The jobs that a command is to deal with.

    Args:
        usual: what --all stands for without --state.

    Raises:
        UsageError: neither jobs nor --all, or both.
    """
    from depthflow.errors import UsageError

    if bool(numbers) == all_ or (states and not all_):
        raise UsageError("name jobs by their numbers, or say --all", "depthflow jobs lists them; --all --state failed")
    if numbers:
        return list(dict.fromkeys(numbers))
    return [job.id for job in client.jobs(state=states_of(states) if states else usual, sort="oldest")]


def for_each(numbers: list[int], act: Callable[[int], Job], *, as_json: bool) -> None:
    """Deal with jobs one after the other, and show what became of them; one that is refused stops no others.

    Raises:
        DepthFlowError: of the only job. BatchError: some or all of several were refused.
    """
    from depthflow.errors import BatchError, DepthFlowError, ServerError

    done: list[Job] = []
    refused: list[DepthFlowError] = []
    for number in numbers:
        try:
            job = act(number)
        except ServerError:
            raise
        except DepthFlowError as error:
            if len(numbers) == 1:
                raise
            refused.append(error)
            print(f"error: {error.message}", file=sys.stderr)
            continue
        done.append(job)
        if as_json:
            print_json(job)
    if not as_json and (done or not refused):
        show_table(done, nothing="no jobs")
    if refused:
        raise BatchError(f"{len(refused)} of {len(numbers)} jobs were refused", "depthflow jobs shows their states")


def print_json(answer: BaseModel) -> None:
    print(answer.model_dump_json(), flush=True)


def print_indented(answer: BaseModel) -> None:
    print(json.dumps(answer.model_dump(mode="json"), indent=2, ensure_ascii=False))


def show_table(jobs: list[Job], *, nothing: str) -> None:
    """The table that all these commands have in common."""
    from rich.console import Console

    from depthflow.cli.job_table import job_table

    console = Console()
    if jobs:
        console.print(job_table(jobs))
    else:
        print(nothing, file=sys.stderr)
