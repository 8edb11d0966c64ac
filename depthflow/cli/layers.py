"""`depthflow layers`: a photo's layers as files. It parses and prints; depthflow.jobs.layers does the work."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def layers(
    photo: Annotated[str, typer.Argument(metavar="PHOTO", help="Photo, http(s) address, or - for standard input.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder. Else NAME-layers beside the photo.", metavar="FOLDER")
    ] = None,
    count: Annotated[int | None, typer.Option("--layers", help="1 to 3; fewer where nothing is uncovered.")] = None,
    fill: Annotated[
        str | None,
        typer.Option("--fill", help="What invents the background: classic, or an installed one.", metavar="NAME"),
    ] = None,
    motion: Annotated[
        str | None, typer.Option("--motion", help="How far it reaches decides the cuts.", metavar="NAME|FILE")
    ] = None,
    strength: Annotated[float | None, typer.Option("--strength", help="How far it moves; 1 is as written.")] = None,
    relief: Annotated[float | None, typer.Option("--relief", help="How deep the scene is; 0 flat, 1 deep.")] = None,
    fov: Annotated[float | None, typer.Option("--fov", help="Degrees across the longer side.")] = None,
    preset: Annotated[str | None, typer.Option("--preset", help="A named look.", metavar="NAME|FILE")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Depth network: a name, or an .onnx file.", metavar="NAME|FILE")
    ] = None,
    depth: Annotated[
        Path | None, typer.Option("--depth", help="Depth map of the photo instead.", metavar="FILE")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")] = False,
) -> None:
    """Save what a photo is cut into: layers and their depth as PNG, the mask of what is invented, NPZ and glTF.

    layers.glb opens in Blender and other 3D programs, with the camera that sees the photo.
    """
    from depthflow import memory
    from depthflow.api import export_layers
    from depthflow.cli.render import cancelling

    memory.keep_freed()
    folder = output or _beside(photo)
    notes: list[str] = []
    with cancelling() as cancel:
        files = export_layers(
            photo,
            folder,
            layers=count,
            fill=fill,
            motion=motion,
            strength=strength,
            relief=relief,
            fov=fov,
            preset=preset,
            model=model,
            depth=depth,
            overwrite=overwrite,
            warn=notes.append,
            cancel=cancel,
        )
    if as_json:
        print(json.dumps({"folder": str(folder), "files": [file.name for file in files], "notes": notes}))
    elif not quiet:
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
        print(f"{folder}: {', '.join(file.name for file in files)}")


def _beside(photo: str) -> Path:
    from depthflow.images import name_of
    from depthflow.paths import expanded

    name = f"{name_of(photo)}-layers"
    return Path(name) if photo == "-" or "://" in photo else expanded(photo).parent / name
