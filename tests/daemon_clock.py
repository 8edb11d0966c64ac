"""A clock that tests turn by hand, instead of the daemon's own."""

from __future__ import annotations

from dataclasses import dataclass

from depthflow_daemon.clock import Clock


@dataclass
class HandClock:
    """Times in seconds; `pass_` lets both clocks run."""

    wall: float = 1_800_000_000.0
    steady: float = 5000.0
    boot: str = "first"

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.steady, lambda: self.boot)
