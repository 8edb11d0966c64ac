"""`depthflow make`: makes what a job file describes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from depthflow.jobs.spec import JobSpec


def _schema(asked: bool) -> None:
    if asked:
        import json

        from depthflow.jobs.spec import json_schema

        typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        raise typer.Exit


def make(
    jobs: Annotated[
        list[Path], typer.Argument(metavar="JOB", help="Job files: .toml, .json, or - for standard input.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", callback=_schema, is_eager=True, help="Print the JSON schema of a job file.")
    ] = False,
) -> None:
    """Make what job files describe (depthflow render --print-job writes one)."""
    from depthflow import memory
    from depthflow.cli.render import cancelling
    from depthflow.cli.show import display
    from depthflow.cli.tasks import here, run_all

    memory.keep_freed()
    specs = [_load(path) for path in jobs]
    shown = display(as_json=as_json, quiet=quiet)
    with cancelling() as cancel:
        try:
            batch = len(specs) > 1
            run_all([here(spec.photo, spec, cancel, batch=batch) for spec in specs], shown, batch=batch)
        finally:
            shown.close()


def _load(path: Path) -> JobSpec:
    from depthflow.jobs.spec import JobSpec, load_spec

    if str(path) != "-":
        return load_spec(path)
    text = sys.stdin.read()
    parse = JobSpec.from_json if text.lstrip().startswith("{") else JobSpec.from_toml
    return parse(text, source="standard input")
