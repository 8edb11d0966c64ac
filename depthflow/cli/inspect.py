"""`depthflow inspect`: what a video is, and the job that made it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_MARK = "DepthFlow "


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A video, an animation, or a folder of images.")],
    job: Annotated[bool, typer.Option("--job", help="Print the job that made it, as TOML for depthflow make.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what a video is and which job made it."""
    import json
    from dataclasses import asdict

    from depthflow.errors import InputError, UsageError
    from depthflow.jobs.spec import JobSpec
    from depthflow.video.probe import probe

    facts = probe(file, depth="count", first_frame=True)
    comment = facts.metadata.get("comment", "")
    spec = None
    if comment.startswith(_MARK):
        try:
            spec = JobSpec.from_json(comment.removeprefix(_MARK), source=str(file))
        except UsageError as error:
            raise InputError(f"the job in {error.message}", "it was made by another version") from None
    if job:
        if spec is None:
            raise InputError(f"{file}: carries no job", "DepthFlow writes one into mp4, mov, mkv and webm")
        print(spec.to_toml(), end="")
        return
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
            table.add_row(name.replace("_", " "), Text(str(value)))
    if spec is not None:
        table.add_row("made from", Text(spec.photo))
        table.add_row("motion", Text(spec.motion.name))
        table.add_row("job", Text("depthflow inspect --job prints it"))
    Console().print(table)
