"""`depthflow presets` and `depthflow motions`: lists, shows and previews the library, and prints its schemas."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from depthflow.jobs.library import Kind

presets = typer.Typer(help="Named looks: motion, camera and output together.", no_args_is_help=True)
motions = typer.Typer(help="Ways for the camera to move.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A name, or a .toml file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print a Markdown table, as in docs/motions.md.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="FILE", help=".gif, .webp, .mp4: moving; .png, .jpg: a contact sheet. Else NAME.gif."
    ),
]
PhotoOption = Annotated[
    Path | None, typer.Option("--photo", metavar="FILE", help="A photo of yours; else the sample that ships.")
]
Side = Annotated[int, typer.Option("--side", min=32, max=1920, help="Longer side of a frame in pixels.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]


def rows(kind: Kind, *, warn: Callable[[str], None] = lambda _: None) -> list[dict[str, Any]]:
    """What is worth knowing of every motion or preset, in order of the names.

    Args:
        warn: told which files are left out, and why.
    """
    from depthflow.errors import DepthFlowError
    from depthflow.jobs.library import misnamed, names

    found: list[dict[str, Any]] = []
    for name, path in names(kind).items():
        try:
            found.append({"name": name, **_row(kind, path), "path": str(path)})
        except DepthFlowError as error:
            warn(f"{name} is left out: {error.message}")
    for file, reason in misnamed(kind).items():
        warn(f"{file} is left out: {reason}")
    return found


def _row(kind: Kind, path: Path) -> dict[str, Any]:
    from depthflow.jobs.library import apply_preset, load_motion, load_preset, motion_of
    from depthflow.jobs.spec import JobSpec

    if kind == "motions":
        motion = load_motion(str(path))
        return {"description": motion.description, "relief": motion.relief, "loop": motion.loop}
    preset = load_preset(str(path))
    spec = JobSpec.parse(apply_preset({"photo": "-"}, preset))
    motion = motion_of(spec)
    return {
        "description": preset.description,
        "motion": spec.motion.name,
        "relief": motion.relief if spec.camera.relief is None else spec.camera.relief,
        "loop": (motion.loop if spec.motion.loop is None else spec.motion.loop) and spec.timeline is None,
        "seconds": spec.outputs[0].duration,
    }


def markdown(kind: Kind) -> str:
    """The table of docs/motions.md."""
    columns = [c for c in rows(kind)[0] if c not in ("description", "path")]
    lines = [f"| {' | '.join((*columns, 'what it does'))} |", f"|{'---|' * (len(columns) + 1)}"]
    for row in rows(kind):
        cells = [f"`{row['name']}`", *(_cell(row[c]) for c in columns[1:])]
        lines.append(f"| {' | '.join((*cells, row['description']))} |")
    return "\n".join(lines)


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "loop" if value else "one way"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _list(kind: Kind, as_json: bool, as_markdown: bool) -> None:
    if as_json:
        import json

        print(json.dumps(rows(kind, warn=_note), indent=2, ensure_ascii=False))
        return
    if as_markdown:
        print(markdown(kind))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "relief", "", "what it does", box=None, pad_edge=False, header_style="bold")
    for row in rows(kind, warn=_note):
        table.add_row(row["name"], _cell(row["relief"]), _cell(row["loop"]), row["description"])
    Console().print(table)


def _show(kind: Kind, name: str) -> None:
    from depthflow.jobs.library import find, load_motion, load_preset

    path = find(kind, name)
    (load_motion if kind == "motions" else load_preset)(str(path))
    print(f"# {path}")
    print(path.read_text(encoding="utf-8"), end="")


def _preview(kind: Kind, name: str, output: Path | None, photo: Path | None, side: int, overwrite: bool) -> None:
    from depthflow.api import build_spec
    from depthflow.cli.render import cancelling
    from depthflow.jobs.preview import make_preview, sample_photo

    source = str(photo or sample_photo())
    if kind == "motions":
        spec = build_spec(source, motion={"name": name, "strength": 1.0})
    else:
        spec = build_spec(source, preset=name)
    path = output or Path(f"{Path(name).stem}.gif")
    with cancelling() as cancel:
        print(make_preview(spec, path, side=side, overwrite=overwrite, cancel=cancel))


def _schema(schema: dict[str, Any]) -> None:
    import json

    print(json.dumps(schema, indent=2, ensure_ascii=False))


@presets.command("list")
def list_presets(as_json: AsJson = False, as_markdown: Markdown = False) -> None:
    """List all presets."""
    _list("presets", as_json, as_markdown)


@presets.command("show")
def show_preset(name: Name) -> None:
    """Print one preset's file."""
    _show("presets", name)


@presets.command("preview")
def preview_preset(
    name: Name, output: Output = None, photo: PhotoOption = None, side: Side = 320, overwrite: Overwrite = False
) -> None:
    """Render a preset small: an animation, or a contact sheet."""
    _preview("presets", name, output, photo, side, overwrite)


@motions.command("list")
def list_motions(as_json: AsJson = False, as_markdown: Markdown = False) -> None:
    """List all motions."""
    _list("motions", as_json, as_markdown)


@motions.command("show")
def show_motion(name: Name) -> None:
    """Print one motion's file."""
    _show("motions", name)


@motions.command("preview")
def preview_motion(
    name: Name, output: Output = None, photo: PhotoOption = None, side: Side = 320, overwrite: Overwrite = False
) -> None:
    """Render a motion small: an animation, or a contact sheet."""
    _preview("motions", name, output, photo, side, overwrite)


@motions.command("schema")
def motion_file_schema(
    timeline: Annotated[bool, typer.Option("--timeline", help="Of a timeline file instead.")] = False,
) -> None:
    """Print the JSON schema of a motion file."""
    from depthflow.jobs.spec import motion_schema, timeline_schema

    _schema(timeline_schema() if timeline else motion_schema())
