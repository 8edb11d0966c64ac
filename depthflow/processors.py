"""How many processors this process may use."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable() -> int:
    """Those it is not kept from; a container's share rounded, at least 1. The machine's own may be far more."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = _QUOTA.read_text().split()[:2]
        count = min(count, round(int(quota) / int(period)))  # without a quota it is a word
    return max(1, count)
