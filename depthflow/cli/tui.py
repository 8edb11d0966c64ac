"""`depthflow` and `depthflow tui`: open the terminal interface. What it shows is known to `depthflow.tui`."""

from __future__ import annotations

from depthflow.cli.server import Server
from depthflow.errors import RuntimeMissingError


def tui(server: Server = None) -> None:
    """Open the terminal interface: queue, studio, folders, models, system. It starts a daemon if none runs."""
    open_app(server)


def open_app(server: str | None = None) -> None:
    """Raises RuntimeMissingError: the extra `tui` is not installed."""
    from importlib.util import find_spec

    if find_spec("textual") is None:
        raise RuntimeMissingError(
            "the terminal interface is not installed",
            "pip install 'depthflow-studio[tui]'; `depthflow --help` lists the commands that work without it",
        )
    from depthflow.tui.app import DepthFlowApp

    DepthFlowApp(server).run()
