"""Keeps the daemon small: forgets old jobs, removes uploads that no job knows, work files of dead processes, and
pieces of long videos with which nobody goes on."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from depthflow.errors import DepthFlowError
from depthflow.video.workfile import sweep
from depthflow_daemon.config import RetentionSettings
from depthflow_daemon.core import Core
from depthflow_daemon.pieces import drop_pieces, keep_pieces

log = logging.getLogger(__name__)

EVERY_SECONDS = 1800.0
"""More often than `workfile.STALE_SECONDS`: pieces of jobs that wait are kept from becoming old."""


class Upkeep(threading.Thread):
    """Goes round at the daemon's start, and every half hour.

    Args:
        core: the daemon's parts.
        results: folders, with all that is below them, in which work files may have been left.
    """

    def __init__(self, core: Core, settings: RetentionSettings, results: Callable[[], list[Path]]) -> None:
        super().__init__(name="upkeep", daemon=True)
        self._core, self._settings, self._results = core, settings, results
        self._over = threading.Event()

    def close(self) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.is_set():
            try:
                self.once()
            except (DepthFlowError, OSError) as error:
                log.warning("clearing up failed: %s", error)
            self._over.wait(EVERY_SECONDS)

    def once(self) -> None:
        """Everything that there is to do now."""
        settings = self._settings
        gone = self._core.store.prune(days=settings.days or None, jobs=settings.jobs, events=settings.events)
        if gone:
            log.info("%d old jobs are forgotten", gone, extra={"event": "pruned", "jobs": gone})
        self._core.prune()
        for job in self._core.store.begun():
            for output in self._core.store.outputs(job.id):
                keep_pieces(Path(output.path))
        for path in self._core.store.given_up():
            drop_pieces(Path(path))
        for place in self._results():
            for folder, _, _ in os.walk(place):
                if self._over.is_set():
                    return
                sweep(Path(folder))
