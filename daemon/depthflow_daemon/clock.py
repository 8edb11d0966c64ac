"""Where the daemon takes time from: one clock for people, one for decisions, and a name for this boot."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def _boot_id() -> str:
    """Names this boot of the machine; where the system has no name for it, each process counts as a boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Clock:
    """Where the store takes time from; tests have their own.

    Attributes:
        wall: seconds since 1970, may jump.
        steady: seconds since any point within this boot, never jumps.
        boot: names the boot.
    """

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    boot: Callable[[], str] = _boot_id
