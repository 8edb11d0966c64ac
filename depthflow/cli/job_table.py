"""Jobs of the daemon as a table on a terminal; it asks nobody for anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import PurePath

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from depthflow.client.models import Job, JobState, Progress

STYLES: dict[str, str] = {
    "queued": "cyan",
    "waiting": "yellow",
    "running": "bold blue",
    "done": "green",
    "failed": "bold red",
    "cancelled": "magenta",
    "skipped": "dim",
}
_WORDS = {"load": "photo", "depth": "depth", "prepare": "mesh", "render": "frames", "publish": "checking"}


def job_table(jobs: Iterable[Job], now: datetime | None = None) -> Table:
    """One row a job."""
    now = now or datetime.now(UTC)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "state", "photo", "look", "progress", "fps", "left", "try", "age"):
        right = name in ("id", "fps", "left", "try", "age")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "photo", overflow="fold")
    for job in jobs:
        progress = job.progress if job.state == "running" else None
        table.add_row(
            str(job.id),
            state_text(job),
            Text(name_of(job)),
            Text(look_of(job)),
            _progress(progress),
            "" if progress is None or progress.stage != "render" else f"{progress.rate:.1f}",
            "" if progress is None else left(progress),
            str(job.attempt or ""),
            span((now - job.added_at).total_seconds()),
        )
    return table


def state_text(job: Job) -> Text:
    """The state, and what keeps the job from going on."""
    word = "stopping" if job.stopping else job.state
    text = Text(word, style=STYLES.get(job.state, ""))
    open_ = job.state in ("queued", "waiting")
    for more in ("held" if job.held and open_ else "", job.window if open_ else "", _same(job), _priority(job)):
        if more:
            text.append(f" {more}", style="dim")
    return text


def _same(job: Job) -> str:
    return "" if job.same_as is None else f"as {job.same_as}"


def _priority(job: Job) -> str:
    return f"{job.priority:+d}" if job.priority and not job.ended else ""


def name_of(job: Job) -> str:
    """The photo's name, with the watched folder's before it."""
    name = PurePath(job.source).name or job.source
    return f"{job.folder}: {name}" if job.folder else name


def look_of(job: Job) -> str:
    """Preset and motion, as far as they are known."""
    return " · ".join(name for name in (job.preset, job.motion) if name)


def _progress(progress: Progress | None) -> Table | Text:
    if progress is None:
        return Text("")
    words = _WORDS.get(progress.stage, progress.stage)
    if progress.stage != "render" or not progress.total:
        return Text(words, style="dim")
    line = Table.grid(padding=(0, 1))
    line.add_row(
        ProgressBar(total=progress.total, completed=progress.done, width=12),
        f"{100 * progress.done // progress.total} %",
    )
    return line


def left(progress: Progress) -> str:
    """How long the frames that are left will take."""
    if progress.stage != "render" or not progress.total or not progress.rate:
        return ""
    return span(max(0, progress.total - progress.done) / progress.rate)


def span(seconds: float) -> str:
    """A span of time in one unit or two: 12 s, 3 m, 2 h 10 m, 5 d."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} m"
    return f"{whole // 86400} d"


def summary(counts: Mapping[JobState, int], *, paused: bool, draining: bool) -> str:
    """How many jobs are in each state, in one line."""
    known = [f"{count} {state}" for state, count in counts.items() if count]
    parts = [", ".join(known) or "no jobs", *(["the queue is paused"] if paused else [])]
    return "; ".join([*parts, *(["the daemon is ending"] if draining else [])])
