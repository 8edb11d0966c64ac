"""`depthflow models pull` and `remove`: networks from Hugging Face, and away again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from depthflow.cli.models.common import say, tried

if TYPE_CHECKING:
    from depthflow.depth.registry import ModelInfo


def pull_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of `depthflow models list`.")],
    accept: Annotated[
        bool, typer.Option("--accept-licence", help="Do not ask about a licence that forbids commercial use.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Fetch it even if it is here.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")] = False,
) -> None:
    """Fetch networks from Hugging Face; what was interrupted goes on where it stopped.

    The licence is shown first. HF_HUB_OFFLINE=1 forbids the network, HF_ENDPOINT names another server.
    """
    from depthflow.cli.render import cancelling
    from depthflow.depth.hub import pull
    from depthflow.depth.installed import write_pulled
    from depthflow.depth.registry import find_model, load_registry

    models = load_registry()
    wanted = [find_model(name, models) for name in dict.fromkeys(names)]
    for info in wanted:
        _agree(info, accept=accept, quiet=quiet)
    for info in wanted:
        if info.source == "builtin":
            say(f"{info.name}: ships with the program", quiet=quiet)
            continue
        with cancelling() as cancel, _bar(quiet=quiet) as report:
            pulled = pull(info, report=report, cancel=cancel, again=again)
        write_pulled(info, pulled)
        fetched = find_model(info.name)
        trial = tried(fetched, quiet=quiet)
        if trial is not None:
            write_pulled(info, pulled.model_copy(update={"verified": not trial.notes}))
        say(f"{info.name}: {fetched.path()} ({pulled.size_mb:g} MB, sha256 {pulled.sha256[:16]}…)", quiet=quiet)


def remove_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Networks in the models folder.")],
) -> None:
    """Delete networks from the models folder; nothing outside of it."""
    from depthflow.depth.installed import remove
    from depthflow.depth.registry import find_model, load_registry

    models = load_registry()
    for info in [find_model(name, models) for name in dict.fromkeys(names)]:
        print(f"{info.name}: removed, {remove(info) / 1e6:.1f} MB are free again")


def _agree(info: ModelInfo, *, accept: bool, quiet: bool) -> None:
    """Show the licence; where it forbids commercial use, go on only with a yes.

    Raises:
        UsageError: nobody can be asked, or the answer is no.
    """
    from depthflow.errors import UsageError

    note = f" {info.licence_note}" if info.licence_note else ""
    say(
        f"{info.name}: {info.size_mb:g} MB, licence {info.licence}, commercial use: {info.commercial_use}.{note}",
        quiet=quiet,
    )
    if info.commercial_use != "no" or accept or info.available():
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"the licence of model {info.name!r} ({info.licence}) forbids commercial use",
            "if that is fine: --accept-licence",
        )
    if not typer.confirm("The licence forbids commercial use. Fetch it?", default=False, err=True):
        raise UsageError(f"model {info.name!r} was not fetched", "depth-anything-v2-small allows commercial use")


class _bar:  # noqa: N801 - a context manager, used like a function
    """A progress bar on stderr: bytes, rate, time left; nothing where nobody watches."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, file: str, done: int, total: int | None) -> None:
        if file not in self._tasks:
            self._tasks[file] = self._progress.add_task(file, total=total)
        self._progress.update(self._tasks[file], completed=done, total=total)
