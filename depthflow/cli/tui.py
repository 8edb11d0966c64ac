"""`depthflow` and `depthflow tui`: open the terminal interface. What it shows is known to `depthflow.tui`."""

from __future__ import annotations

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
) -> None:
    """Open the terminal interface: queue, studio, folders, models, system. It starts a daemon if none runs."""
    if browser:
        _check("textual_serve")
        from depthflow.tui.browser.server import serve

        serve(server, host=host or "127.0.0.1", port=port or 0, allow_remote=allow_remote)
        return
    if host is not None or port is not None or allow_remote:
        raise UsageError("--host, --port and --allow-remote belong to --browser", "depthflow tui --browser")
    open_app(server)


def open_app(server: str | None = None) -> None:
    """Raises RuntimeMissingError: the extra `tui` is not installed."""
    _check("textual")
    from depthflow.tui.app import DepthFlowApp

    DepthFlowApp(server).run()


def _check(package: str) -> None:
    if find_spec(package) is None:
        raise RuntimeMissingError(
            "the terminal interface is not installed",
            "pip install 'depthflow-studio[tui]'; `depthflow --help` lists the commands that work without it",
        )
