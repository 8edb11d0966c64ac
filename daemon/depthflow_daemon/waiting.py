"""Why a photo that was seen is not queued yet, in words. It looks at no file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from depthflow_daemon.stable import Waited

Kind = Literal["writing", "sentinel", "unreadable", "rules", "paused", "taken"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A photo that is waited for.

    Attributes:
        seconds: since its last change, or since it was seen.
        why: for people.
    """

    path: Path
    seconds: float
    kind: Kind
    why: str


def waiting(found: Waited) -> Waiting:
    """What a photo that has not settled yet waits for."""
    kind, why = _why(found)
    return Waiting(found.path, found.seconds, kind, why)


def paused(found: Waiting) -> Waiting:
    """The same in a folder that is paused."""
    return Waiting(found.path, found.seconds, "paused", "the folder is paused")


def _why(found: Waited) -> tuple[Kind, str]:
    settle = found.settle
    if found.out:
        return "taken", "it is being queued"
    if found.looks:
        times = "once" if found.looks == 1 else f"{found.looks} times"
        # The path stands beside it.
        reason = found.reason.removeprefix(f"{found.path}: ")
        return "unreadable", f"not readable yet, tried {times}: {reason}"
    if settle.mode == "sentinel":
        return "sentinel", f"waits for {found.path.name}{settle.sentinel}"
    if settle.mode == "rename":
        return "writing", f"seen {_span(found.seconds)} ago; looked at in a moment"
    if found.changed:
        return "writing", f"still being written: changed {_span(found.seconds)} ago; {_quiet(settle.seconds)}"
    return "writing", f"seen {_span(found.seconds)} ago; {_quiet(settle.seconds)}"


def _quiet(seconds: float) -> str:
    return f"taken after {seconds:g} s without a change"


def _span(seconds: float) -> str:
    seconds = max(0.0, seconds)
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
