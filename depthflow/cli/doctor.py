"""`depthflow doctor`: prints what depthflow.doctor found. It judges nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from depthflow.doctor import Check

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="NAME",
            help="Only this check (repeatable): python, packages, system, gl, onnx, models, ffmpeg, disk, settings.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check OpenGL, ONNX Runtime, ffmpeg, models and settings, and say how to mend what is broken.

    Exit code 0 if nothing failed (warnings are no failure), else 4.
    """
    from depthflow.doctor import run_checks
    from depthflow.errors import SystemError_

    checks = run_checks(only)
    good = all(check.status != "fail" for check in checks)
    if as_json:
        _print_json(checks, good)
    else:
        _print_text(checks)
    if not good:
        raise typer.Exit(SystemError_.exit_code)


def _print_json(checks: list[Check], good: bool) -> None:
    import json
    from dataclasses import asdict

    from depthflow import __version__

    report = {"version": __version__, "ok": good, "checks": [asdict(check) for check in checks]}
    typer.echo(json.dumps(report, indent=2, ensure_ascii=False))


def _print_text(checks: list[Check]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for check in checks:
        # The word as well as the colour: colours get lost in logs and on some eyes.
        console.print(Text.assemble((f"{check.status:<5}", _STYLES[check.status]), (check.name, "bold")))
        rows = [(name.replace("_", " "), _words(fact), "") for name, fact in check.facts.items()]
        if check.problem:
            rows += [("problem", check.problem, _STYLES[check.status]), ("mend", check.mend, "bold")]
        _print_rows(console, rows)
    bad = [check.name for check in checks if check.status == "fail"]
    console.print(Text(f"broken: {', '.join(bad)}" if bad else "nothing is broken", "bold red" if bad else "green"))


def _words(fact: object) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, list):
        return ", ".join(map(str, fact)) or "none"
    return "unknown" if fact == "" else str(fact)


def _print_rows(console: Console, rows: list[tuple[str, str, str]]) -> None:
    """(name, text, style) in two columns on a terminal; elsewhere one unbroken line each, for grep and copying."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    if not console.is_terminal:
        for name, text, _ in rows:
            console.print(Text(f"     {name}: {text}"), soft_wrap=True)
        return
    table = Table.grid(padding=(0, 1))
    table.add_column(min_width=16)
    table.add_column(overflow="fold")
    for name, text, style in rows:
        table.add_row(Text(name, "dim"), Text(text, style))
    console.print(Padding(table, (0, 0, 0, 5)))
