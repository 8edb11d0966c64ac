"""`depthflow` and `depthflow tui`: open the terminal interface. What it shows is known to `depthflow.tui`."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from depthflow.cli.panels import option
from depthflow.cli.server import Server
from depthflow.errors import RuntimeMissingError, UsageError

BROWSER = "In a browser"

Browser = Annotated[
    bool, option(BROWSER, "--browser", help="Serve it to a browser on this machine; the address is printed.")
]
Host = Annotated[
    str | None, option(BROWSER, "--host", metavar="ADDRESS", help="Where to listen; 127.0.0.1 if not given.")
]
Port = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65535, help="Where to listen; a free one if not given.", rich_help_panel=BROWSER),
]
Remote = Annotated[
    bool, option(BROWSER, "--allow-remote", help="Let --host be one that others reach: plain HTTP shows the token.")
]


def tui(
    server: Server = None,
    browser: Browser = False,
    host: Host = None,
    port: Port = None,
    allow_remote: Remote = False,
    keys: Annotated[bool, typer.Option("--keys", help="Print all keys and what they are called in tui.toml.")] = False,
) -> None:
    """Open the terminal interface: queue, studio, folders, models, system. It starts a daemon if none runs."""
    if (host is not None or port is not None or allow_remote) and not browser:
        raise UsageError("--host, --port and --allow-remote belong to --browser", "depthflow tui --browser")
    if keys:
        print_keys()
    elif browser:
        _check("textual_serve")
        from depthflow.tui.browser.server import serve

        serve(server, host=host or "127.0.0.1", port=port or 0, allow_remote=allow_remote)
    else:
        open_app(server)


def open_app(server: str | None = None) -> None:
    """Raises RuntimeMissingError: the extra `tui` is not installed. UsageError: it cannot be shown here."""
    _check("textual")
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
    _check("textual")
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


def _check(package: str) -> None:
    if find_spec(package) is None:
        raise RuntimeMissingError(
            "the terminal interface is not installed",
            "pip install 'depthflow-studio[tui]'; `depthflow --help` lists the commands that work without it",
        )
