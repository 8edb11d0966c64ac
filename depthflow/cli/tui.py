"""`depthflow` and `depthflow tui`: open the terminal interface. What it shows is known to `depthflow.tui`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from depthflow.cli.server import Server
from depthflow.errors import RuntimeMissingError, UsageError


def tui(
    server: Server = None,
    keys: Annotated[bool, typer.Option("--keys", help="Print all keys and what they are called in tui.toml.")] = False,
) -> None:
    """Open the terminal interface: queue, studio, folders, models, system. It starts a daemon if none runs."""
    if keys:
        print_keys()
    else:
        open_app(server)


def open_app(server: str | None = None) -> None:
    """Raises RuntimeMissingError: the extra `tui` is not installed. UsageError: it cannot be shown here."""
    _needs_extra()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the terminal interface needs a terminal", "`depthflow --help` lists the commands for scripts")
    if os.environ.get("TERM", "") in ("dumb", "unknown"):
        raise UsageError(
            f"this terminal (TERM={os.environ['TERM']}) cannot move its cursor, which the interface needs",
            "take another terminal, or the commands: depthflow --help",
        )
    from depthflow.tui.app import DepthFlowApp

    DepthFlowApp(server, welcome=True).run()


def print_keys() -> None:
    """Raises RuntimeMissingError: the extra `tui` is not installed."""
    _needs_extra()
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from depthflow.tui.keys import all_keys
    from depthflow.tui.preferences import Preferences

    preferences = Preferences()
    preferences.load()
    table = Table("id", "keys", "what it does", box=None, pad_edge=False, header_style="bold")
    for key in all_keys():
        own = preferences.keys.get(key.id)
        table.add_row(Text(key.id), Text(own or key.shown, "bold" if own else ""), Text(key.text))
    console = Console()
    console.print(table)
    console.print(Text(f'\nYour own: a line such as "queue.pause" = "f9" below [keys] in {preferences.file}', "dim"))


def _needs_extra() -> None:
    from importlib.util import find_spec

    if find_spec("textual") is None:
        raise RuntimeMissingError(
            "the terminal interface is not installed",
            "pip install 'depthflow-studio[tui]'; `depthflow --help` lists the commands that work without it",
        )
