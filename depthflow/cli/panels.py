"""The groups in which `--help` lists the options of large commands."""

from __future__ import annotations

from typing import Any

import typer

OUTPUT, SCENE, EFFECTS, DEPTH = "Output", "Motion and camera", "Effects", "Depth"
MACHINE, TALK = "Machine", "What is printed"


def option(panel: str, *names: str, help: str, metavar: str | None = None) -> Any:  # noqa: A002
    """A typer option in one of these groups."""
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel)
