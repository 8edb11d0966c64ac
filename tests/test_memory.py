"""What is freed is used again: counted in pages that the system had to hand out."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

PAGES = 12 * (16 << 20) // os.sysconf("SC_PAGESIZE") if sys.platform == "linux" else 0
"""Of twelve pictures of 16 MB."""

SCRIPT = """
import resource, threading
import numpy as np
from depthflow.memory import keep_freed

if {kept}:
    keep_freed()

def twelve_pictures():
    for _ in range(12):
        first, second = np.empty(4 << 20, np.float32), np.empty(4 << 20, np.float32)
        first[:] = second[:] = 1

before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(2):
    thread = threading.Thread(target=twelve_pictures)
    thread.start()
    thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_taken(*, kept: bool) -> int:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(kept=kept)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0"},
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="of glibc")
def test_freed_memory_is_used_again_by_every_thread() -> None:
    assert pages_taken(kept=True) < PAGES / 2 < pages_taken(kept=False)
