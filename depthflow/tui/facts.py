"""What the pane beside the table says of a job, as lines of styled text. It asks nobody and knows no widget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from textual.content import Content

from depthflow.client.models import Job, JobDetail, LogLine, Output
from depthflow.tui.columns import ICONS, age, bar, span
from depthflow.tui.joblist import rate, seconds_left, share, state_of

STYLES = {
    "running": "bold $accent", "stopping": "bold $accent", "done": "bold $success", "failed": "bold $error",
    "waiting": "bold $warning",
}  # fmt: skip
DIM = "$foreground 60%"
BAR_MOST = 48
"""Cells of the longest bar of a stage."""


def lines(parts: Iterable[Content]) -> Content:
    return Content("\n").join(parts)


def headline(job: Job, now: datetime) -> Content:
    """State, number, since when, and why if something is wrong."""
    state = state_of(job)
    said = [Content.assemble(
        (f"{ICONS.get(state, ' ')} {state}", STYLES.get(state, "bold")), (f"  #{job.id}", DIM),
        (f"  added {age(job.added_at, now)}", DIM), *_more(job),
    )]  # fmt: skip
    if job.error:
        said.append(Content.styled(job.error, "$text-error" if job.state == "failed" else "$text-warning"))
    if job.same_as:
        said.append(Content.styled(f"the same as #{job.same_as}, which has its result", DIM))
    return lines(said)


def _more(job: Job) -> list[tuple[str, str]]:
    words = [f"attempt {job.attempt}"] if job.attempt > 1 else []
    words += [f"priority {job.priority:+}"] if job.priority else []
    words += [f"window {job.window}"] if job.window else []
    return [(f"  {word}", DIM) for word in words]


def progress(job: Job, width: int) -> Content:
    """The bar of a running job, and how long it will take."""
    now = job.progress
    if job.state != "running" or now is None:
        return Content("")
    done, rest = bar(share(job), max(8, width - 1))
    words = [now.stage, f"{now.done}/{now.total}" if now.total else "", f"{rate(job):.1f} fps" if rate(job) else ""]
    if (left := seconds_left(job)) is not None:
        words.append(f"{span(left)} left")
    if now.note:
        words.append(now.note)
    said = Content.styled(" · ".join(word for word in words if word), "$text-warning" if now.warning else DIM)
    return lines([Content.assemble((done, "$accent"), (rest, "$foreground 18%")), said])


def look(spec: dict[str, Any], job: Job) -> Content:
    """What is to be made, in two lines."""
    motion, depth = spec.get("motion", {}), spec.get("depth", {})
    first = [job.preset or "no preset", f"motion {motion.get('name', job.motion or '?')}"]
    if motion.get("strength", 1.0) != 1.0:
        first.append(f"×{motion['strength']:g}")
    source = "depth map" if depth.get("file") else depth.get("model", "builtin")
    said = [Content(" · ".join([*first, f"depth {source}"]))]
    for output in spec.get("outputs", []):
        words = [output.get("size", ""), f"{output.get('fps', 0):g} fps", f"{output.get('duration', 0):g} s"]
        if output.get("loops", 1) > 1:
            words.append(f"{output['loops']} passes")
        words.append(output.get("format") or "")
        said.append(Content.styled(" · ".join(word for word in words if word), DIM))
    return lines(said)


def stages(timings: dict[str, float], width: int) -> Content:
    """Seconds of each stage, as bars to one scale."""
    whole = sum(timings.values())
    if whole <= 0:
        return Content("")
    room = max(4, min(BAR_MOST, width - 19))
    longest = max(timings.values())
    said = []
    for name, seconds in timings.items():
        full = "█" * round(room * seconds / longest) or "▏"
        said.append(Content.assemble((f"{name:<9.9}", DIM), (full.ljust(room), "$accent 70%"), f"{seconds:8.2f} s"))
    return lines(said)


def outputs(files: Sequence[Output]) -> Content:
    """Each file and what is known of it."""
    said = []
    for file in files:
        said.append(Content.assemble((f"{file.number} ", DIM), (file.path, "" if file.made else DIM)))
        facts = "  " + " · ".join(_facts(file.facts)) if file.made else "  not made yet"
        said.append(Content.styled(facts, DIM))
    return lines(said)


def _facts(facts: dict[str, Any]) -> list[str]:
    words = []
    if facts.get("width") and facts.get("height"):
        words.append(f"{facts['width']}×{facts['height']}")
    for key, text in (("frames", "{} frames"), ("fps", "{:g} fps")):
        if isinstance(facts.get(key), int | float):
            words.append(text.format(facts[key]))
    size = facts.get("bytes")
    return [*words, size_text(size)] if isinstance(size, int) else words


def size_text(count: int) -> str:
    """Bytes for people."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def log(said: Sequence[LogLine], now: datetime) -> Content:
    """What happened, the latest first."""
    rows = []
    for line in reversed(said):
        data = ", ".join(f"{key} {value}" for key, value in line.data.items() if not isinstance(value, dict | list))
        at = line.at.astimezone(now.tzinfo)
        time = f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%d %b %H:%M}"
        kind = STYLES.get(line.kind, "")
        rows.append(Content.assemble((f"{time} ", DIM), (line.kind, kind), (f" {data}" if data else "", DIM)))
    return lines(rows)


def timings(detail: JobDetail) -> dict[str, float]:
    """Of the last attempt that has some."""
    return next((attempt.timings for attempt in reversed(detail.attempts) if attempt.timings), {})
