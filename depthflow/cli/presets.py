"""`depthflow presets` and `depthflow motions`: lists and shows the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from depthflow.jobs.library import Kind

presets = typer.Typer(help="Named looks: motion, camera and output together.", no_args_is_help=True)
motions = typer.Typer(help="Ways for the camera to move.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A name, or a .toml file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _list(kind: Kind, as_json: bool) -> None:
    from depthflow.jobs.library import load_motion, load_preset, names

    load = load_motion if kind == "motions" else load_preset
    rows = {name: (load(str(path)).description, path) for name, path in names(kind).items()}
    if as_json:
        import json

        found = [{"name": name, "description": text, "path": str(path)} for name, (text, path) in rows.items()]
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "what it does", box=None, pad_edge=False, header_style="bold")
    for name, (text, _) in rows.items():
        table.add_row(name, text)
    Console().print(table)


def _show(kind: Kind, name: str) -> None:
    from depthflow.jobs.library import find, load_motion, load_preset

    path = find(kind, name)
    (load_motion if kind == "motions" else load_preset)(str(path))
    print(f"# {path}")
    print(path.read_text(encoding="utf-8"), end="")


@presets.command("list")
def list_presets(as_json: AsJson = False) -> None:
    """List all presets."""
    _list("presets", as_json)


@presets.command("show")
def show_preset(name: Name) -> None:
    """Print one preset's file."""
    _show("presets", name)


@motions.command("list")
def list_motions(as_json: AsJson = False) -> None:
    """List all motions."""
    _list("motions", as_json)


@motions.command("show")
def show_motion(name: Name) -> None:
    """Print one motion's file."""
    _show("motions", name)
