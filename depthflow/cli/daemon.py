"""`depthflow daemon ...`: looks after depthflowd. What a daemon does is known to the package depthflow_daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from depthflow.errors import RuntimeMissingError

app = typer.Typer(help="Start, stop and look after depthflowd, the daemon.", no_args_is_help=True)

File = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings.", show_default="the user's depthflowd.toml")
]


def needs_extra() -> None:
    """Raises RuntimeMissingError: the extra `daemon` is not installed."""
    from importlib.util import find_spec

    for name in ("distributed", "fastapi", "uvicorn", "watchdog"):
        if find_spec(name) is None:
            raise RuntimeMissingError(f"{name} is not installed", "pip install 'depthflow-studio[daemon]'")


@app.command()
def config(
    file: Annotated[Path | None, typer.Argument(help="For --check.", show_default="the user's depthflowd.toml")] = None,
    check: Annotated[bool, typer.Option("--check", help="Say what is wrong in a settings file.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of a settings file.")] = False,
    path: Annotated[bool, typer.Option("--path", help="Print where your settings file is; it need not exist.")] = False,
) -> None:
    """Print a commented sample of the daemon's settings, or check yours."""
    import json

    from depthflow_daemon import config

    if check:
        loaded = config.load(file)
        there = "valid" if loaded.file.exists() else "not there: the defaults hold"
        typer.echo(f"{loaded.file} is {there}; {len(loaded.settings.folders)} watched folders")
    elif schema:
        typer.echo(json.dumps(config.json_schema(), indent=2))
    elif path:
        typer.echo(config.settings_file())
    else:
        typer.echo(config.sample().read_text(encoding="utf-8"), nl=False)
