"""How many jobs of each watched folder are in each state; counted anew only when something happened."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from depthflow_daemon.records import State
from depthflow_daemon.store import Store

LOOK_SECONDS = 60.0
"""What is forgotten leaves no line in the log; so often it is counted anyway."""


class Tally:
    """Safe to use from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._key: tuple[int, tuple[str, ...]] = (-1, ())
        self._until = 0.0
        self._counts: list[dict[State, int]] = []

    def of(self, folders: Sequence[str]) -> list[dict[State, int]]:
        """For each of some folders, none within another, how many jobs are in each state; all states are there."""
        with self._guard:
            key = self._store.last_event(), tuple(folders)
            if key != self._key or time.monotonic() > self._until:
                self._counts = self._store.counts_below(folders)
                self._key, self._until = key, time.monotonic() + LOOK_SECONDS
            return self._counts
