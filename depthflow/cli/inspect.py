"""`depthflow inspect`: what a video, an animation or a still is, and the job that made it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A video, an image, or a folder of images.")],
    job: Annotated[bool, typer.Option("--job", help="Print the job that made it, as TOML for depthflow make.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what a video is and which job made it."""
    import json
    from dataclasses import asdict

    from depthflow.jobs.embedded import job_of, read_embedded
    from depthflow.video.probe import probe

    if job:
        print(job_of(file).to_toml(), end="")
        return
    facts = probe(file, depth="count", first_frame=True)
    spec = read_embedded(facts.metadata, file)
    values = {name: value for name, value in asdict(facts).items() if name not in ("metadata", "rate")}
    values["path"] = str(facts.path)
    if as_json:
        print(json.dumps({**values, "job": None if spec is None else spec.to_dict()}, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in values.items():
        if value is not None:
            table.add_row(name.replace("_", " "), Text(_short(value)))
    if spec is not None:
        table.add_row("made from", Text(spec.photo))
        table.add_row("motion", Text(spec.motion.name))
        table.add_row("view", Text(spec.outputs[0].view.mode))
        table.add_row("job", Text("depthflow inspect --job prints it"))
    Console().print(table)


def _short(value: object) -> str:
    """A fact for people: numbers to three decimals."""
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
