"""Watch folders, queue and engine in one process, from its start to its signal to end."""

from __future__ import annotations

import hashlib
import logging
import signal
import threading
import time
from pathlib import Path
from types import FrameType

from depthflow import paths
from depthflow.video.workfile import sweep
from depthflow_daemon.config import EngineSettings
from depthflow_daemon.engine import Engine
from depthflow_daemon.intake import Intake
from depthflow_daemon.rules import WatchFolder
from depthflow_daemon.store import Store
from depthflow_daemon.watch import Watcher

log = logging.getLogger(__name__)

DRAIN_SECONDS = 60.0


class Service:
    """The daemon without its API.

    Args:
        folders: what to watch.
        store: where the queue lies.
        workers: how many jobs at once.
        once: end when there is nothing left to do.
    """

    def __init__(self, folders: list[WatchFolder], store: Path, *, workers: int = 1, once: bool = False) -> None:
        self._folders, self._path, self._workers, self._once = folders, store, workers, once
        self._wake = threading.Event()
        self._signals = 0
        self._engine: Engine | None = None

    def run(self) -> None:
        """Until a signal: the first one drains (what runs may end within a minute), the second one gives it back.

        Raises:
            StoreError: see `Database`.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        with Store(self._path) as store:
            self._sweep(store)
            watcher: Watcher
            intake = Intake(self._folders, store, changed=self._wake.set, rescan=lambda folder: watcher.rescan(folder))
            places = [place for folder in self._folders for place in (folder.output, folder.archive)]
            watcher = Watcher([folder.root for folder in self._folders], intake.seen, exclude=places)
            engine = self._engine = Engine(store, EngineSettings(workers=self._workers), ended=intake.ended)
            with watcher:
                engine.start()
                if self._once:
                    watcher.sync(3600)
                log.info("watching %s", ", ".join(repr(str(folder.root)) for folder in self._folders))
                self._loop(store, intake, engine)
            log.info("ending: what runs may end first; a second signal gives it back")
            engine.close(DRAIN_SECONDS if self._signals < 2 else 0.0)
        log.info("ended")

    def _loop(self, store: Store, intake: Intake, engine: Engine) -> None:
        while not self._signals:
            self._wake.clear()
            wait = intake.step()
            engine.wake()
            if self._once and not len(intake) and not _open(store):
                return
            self._wake.wait(wait)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        self._wake.set()
        if self._signals > 1 and self._engine is not None:
            self._engine.drain(time.monotonic())

    def _sweep(self, store: Store) -> None:
        """Queue again what the last daemon left, and remove its half-made files."""
        for job in store.recover():
            log.warning("job %d: %s: %s", job.id, job.state, job.error)
            for output in store.outputs(job.id):
                sweep(Path(output.path).parent, stale_seconds=0.0)


def _open(store: Store) -> int:
    counts = store.counts()
    return counts["queued"] + counts["waiting"] + counts["running"]


def store_for(folder: Path) -> Path:
    """Where the queue of one watched folder lies if nobody says it."""
    name = hashlib.sha256(str(folder.resolve()).encode(errors="surrogateescape")).hexdigest()[:16]
    return paths.state_dir() / f"watch-{name}.db"


def start_log() -> None:
    """One line an event, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    ours = logging.getLogger("depthflow_daemon")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
