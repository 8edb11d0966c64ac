"""`depthflow show`: everything that the daemon knows of one job."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from depthflow.cli.server import AsJson, Server, TokenFile, connected, print_indented

if TYPE_CHECKING:
    from rich.table import Table

    from depthflow.client.models import Attempt, JobDetail


def show(
    number: Annotated[int, typer.Argument(metavar="JOB", help="Its number.")],
    as_job: Annotated[
        bool, typer.Option("--job", help="Print the job as TOML, as `depthflow make` and `render --print-job` have it.")
    ] = False,
    as_json: AsJson = False,
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Show all that is known of a job: state, results, attempts with their timings, and what happened."""
    with connected(server, token_file) as client:
        detail = client.job(number)
    if as_json:
        print_indented(detail)
    elif as_job:
        import tomli_w

        print(tomli_w.dumps(detail.spec), end="")
    else:
        _print(detail)


def _print(detail: JobDetail) -> None:
    from rich.console import Console
    from rich.text import Text

    from depthflow.cli.job_table import state_text

    console = Console()
    console.print(Text.assemble((f"job {detail.id}: ", "bold"), state_text(detail)), soft_wrap=True)
    console.print(_facts(detail))
    if detail.outputs:
        console.print(_outputs(detail))
    if detail.attempts:
        console.print(_attempts(detail.attempts))
    if detail.log:
        console.print(_log(detail))
    console.print(Text(f"\nthe same here: depthflow show {detail.id} --job | depthflow make -", style="dim"))


def _facts(detail: JobDetail) -> Table:
    from rich.text import Text

    from depthflow.cli.job_table import left, look_of, span

    now = datetime.now(UTC)
    progress = detail.progress
    rows: dict[str, str] = {
        "photo": detail.source,
        "folder": detail.folder or "",
        "look": look_of(detail),
        "priority": f"{detail.priority:+d}" if detail.priority else "",
        "window": detail.window,
        "added": f"{_when(detail.added_at)} ({span((now - detail.added_at).total_seconds())} ago)",
        "changed": _when(detail.changed_at),
        "worker": detail.worker or "",
        "error": detail.error or "",
    }
    if progress is not None:
        of = "" if progress.total is None else f" {progress.done} of {progress.total}"
        rows["progress"] = f"{progress.stage}{of}, {progress.rate:.1f}/s"
        rows["progress"] += f", {left(progress)} left" if left(progress) else ""
    table = _grid("")
    for name, value in rows.items():
        if value:
            table.add_row(name, Text(value, style="red" if name == "error" else ""))
    return table


def _outputs(detail: JobDetail) -> Table:
    from rich.text import Text

    table = _grid("\nresults")
    for output in detail.outputs:
        table.add_row(str(output.number), Text(f"{output.path}{_made(output.facts) if output.made else ' (not made)'}"))
    return table


def _made(facts: dict[str, Any]) -> str:
    """The facts of a file that people look for first."""
    from depthflow.cli.show import bytes_text

    known = [
        f"{facts['width']}x{facts['height']}" if "width" in facts and "height" in facts else "",
        f"{facts['frames']} frames at {facts['fps']:g}/s" if facts.get("frames", 1) != 1 and "fps" in facts else "",
        bytes_text(facts["bytes"]) if "bytes" in facts else "",
        str(facts.get("encoder", "")),
        f"{facts['seconds']:.1f} s" if "seconds" in facts else "",
    ]
    return ": " + ", ".join(part for part in known if part) if any(known) else ""


def _attempts(attempts: list[Attempt]) -> Table:
    from rich.text import Text

    table = _grid("\nattempts")
    for each in attempts:
        took = "" if each.ended_at is None else f" after {(each.ended_at - each.started_at).total_seconds():.1f} s"
        stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in each.timings.items())
        text = f"{_when(each.started_at)}, {each.outcome or 'runs'}{took}, worker {each.worker}"
        table.add_row(str(each.attempt), Text("\n".join(line for line in (text, stages, each.error or "") if line)))
    return table


def _log(detail: JobDetail) -> Table:
    from rich.text import Text

    table = _grid("\nlog")
    for line in detail.log:
        known = {key: value for key, value in line.data.items() if value not in (None, "", 0, 0.0)}
        data = ", ".join(f"{key} {' '.join(map(str, v)) if isinstance(v, list) else v}" for key, v in known.items())
        table.add_row(_when(line.at), Text(f"{line.kind}  {data}" if data else line.kind))
    return table


def _grid(title: str) -> Table:
    from rich.table import Table

    table = Table(
        box=None, show_header=False, pad_edge=False, title=title or None, title_justify="left", title_style="bold"
    )
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _when(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
