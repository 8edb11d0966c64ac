"""What a check returns, and how one asks a process that may crash or hang. It knows no check by name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from depthflow.errors import DepthFlowError

Status = Literal["ok", "warn", "fail"]
Fact = str | int | float | bool | list[str]
Facts = dict[str, Fact]


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        status: ok; warn: it works, but not as well as it could; fail: something does not work.
        facts: what is here, by name; the same names wherever they can be known.
        problem: one line, empty exactly if the status is ok.
        mend: one line, what to do about it; empty exactly if the status is ok.
    """

    name: str
    status: Status
    facts: Facts
    problem: str = ""
    mend: str = ""

    def __post_init__(self) -> None:
        # Drivers and loaders complain over several lines.
        for text in ("problem", "mend"):
            object.__setattr__(self, text, " ".join(getattr(self, text).split()))


def failed(name: str, error: DepthFlowError, facts: Facts | None = None) -> Check:
    """A check that ended in one of our own errors, whose hint is the mend."""
    mend = error.hint or "see the message; depthflow config show lists what is set"
    return Check(name, "fail", facts or {}, error.message, mend)


@dataclass(frozen=True)
class Answer:
    """What a process said.

    Attributes:
        lines: the JSON objects among the lines of its output, in order.
        trouble: how it died, in words; empty if it ended by itself, whatever its exit code.
        log: the last line of its error stream.
    """

    lines: tuple[dict[str, Any], ...]
    trouble: str = ""
    log: str = ""


def ask(arguments: Sequence[str], timeout_s: float) -> Answer:
    """Run this Python with some arguments and collect the JSON lines that it prints.

    A process of its own, because drivers crash and hang: what it said before that is not lost.

    Args:
        timeout_s: seconds after which it is killed.
    """
    # Drivers write what they like to standard output, so only lines that are JSON objects count.
    try:
        done = subprocess.run(
            [sys.executable, "-P", *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return Answer(_objects(late.stdout), f"did not answer within {timeout_s:g} s", _last(late.stderr))
    trouble = ""
    if done.returncode < 0:
        trouble = f"crashed ({_signal(-done.returncode)})"
    elif os.name == "nt" and done.returncode > 0xFFFF:
        # An unhandled exception on Windows ends with its NTSTATUS, such as 0xC0000005.
        trouble = f"crashed ({done.returncode:#x})"
    return Answer(_objects(done.stdout), trouble, _last(done.stderr))


def _objects(output: bytes | None) -> tuple[dict[str, Any], ...]:
    found = []
    for line in (output or b"").decode(errors="replace").splitlines():
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return tuple(found)


def _last(output: bytes | None) -> str:
    lines = [line.strip() for line in (output or b"").decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
