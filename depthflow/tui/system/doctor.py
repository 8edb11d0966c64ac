"""What `depthflow doctor --json` found, as it is; of the check of ffmpeg, what encodes here. It judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MARKS = {"ok": ("●", "good"), "warn": ("▲", "warn"), "fail": ("✖", "bad")}
"""Status -> sign and class of its colour; the sign as well, because colours get lost."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check."""

    name: str
    status: str
    facts: tuple[tuple[str, str], ...]
    problem: str = ""
    mend: str = ""

    @property
    def summary(self) -> str:
        """The problem, else the facts that fit a line."""
        return self.problem or ", ".join(value for _, value in self.facts[:3])


def findings(report: Mapping[str, Any]) -> list[Finding]:
    """All checks of a report."""
    return [
        Finding(
            str(check["name"]),
            str(check["status"]),
            tuple((name.replace("_", " "), _words(fact)) for name, fact in check["facts"].items()),
            str(check.get("problem", "")),
            str(check.get("mend", "")),
        )
        for check in report.get("checks", ())
    ]


@dataclass(frozen=True, slots=True)
class Encoder:
    """One encoder that was tried."""

    name: str
    kind: str
    works: bool
    why: str = ""


def encoders(report: Mapping[str, Any]) -> list[Encoder]:
    """What the report's check of ffmpeg says of encoders; hardware first, then software, then what failed."""
    facts = _ffmpeg(report)
    failed = [text.partition(": ") for text in facts.get("refused", ())]
    return [
        *(Encoder(name, "hardware", True) for name in facts.get("hardware", ())),
        *(Encoder(name, "software", True) for name in facts.get("encoders", ())),
        *(Encoder(name, "refused", False, why) for name, _, why in failed),
    ]


def ffmpeg_line(report: Mapping[str, Any]) -> str:
    """Which ffmpeg it is, in a line; empty if there is none."""
    facts = _ffmpeg(report)
    return f"ffmpeg {facts['version']} ({facts['source']})  {facts['path']}" if facts.get("version") else ""


def _ffmpeg(report: Mapping[str, Any]) -> dict[str, Any]:
    for check in report.get("checks", ()):
        if check["name"] == "ffmpeg":
            return dict(check["facts"])
    return {}


def _words(fact: object) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, list):
        return ", ".join(map(str, fact)) or "none"
    return "unknown" if fact == "" else str(fact)
