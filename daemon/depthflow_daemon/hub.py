"""Tells whoever listens what happens to jobs: states from the store's log, progress as the workers tell it.

A listener reads states from the log at its own pace, so that a slow one misses none and costs no memory; of progress it
gets the latest word of each job. Nothing is queued for anybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from depthflow.client import models
from depthflow.client.models import Progress, ProgressEvent, QueueEvent, StateEvent
from depthflow.errors import DepthFlowError, UsageError
from depthflow_daemon import views
from depthflow_daemon.records import FINAL, Event, Job
from depthflow_daemon.store import Store

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""The log is looked at this often even if nobody says that something happened."""
_PAGE = 100


class Hub:
    """Where progress comes together. All but `listen` may be called from any thread."""

    folder_of: Callable[[str], str | None] = staticmethod(lambda _: None)
    """The watched folder that a source lies in."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._progress: dict[int, tuple[int, Progress]] = {}
        self._told = self._changes = 0
        self._listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._on_end: list[Callable[[Job], None]] = []
        self._closed = False

    def progress(self, job: int, data: Mapping[str, Any]) -> None:
        """A running job moved on; `data` is a `depthflow.progress.Progress` as a dict."""
        progress = views.progress(data)
        with self._guard:
            self._told += 1
            self._progress[job] = (self._told, progress)
            self._wake()

    def changed(self) -> None:
        """The store's log may have new lines."""
        with self._guard:
            self._changes += 1
            self._wake()

    def ended(self, job: Job) -> None:
        """A job has come to an end, or waits for its next try: its progress is over."""
        with self._guard:
            self._progress.pop(job.id, None)
        for told in self._on_end:
            try:
                told(job)
            except DepthFlowError as error:
                # A store that fails just now must not keep the others from hearing of it.
                log.warning("job %d: its end is not told to all: %s", job.id, error)
        self.changed()

    def on_end(self, told: Callable[[Job], None]) -> None:
        """Tell somebody of every job that has ended, or waits; to be called before anything runs."""
        self._on_end.append(told)

    def latest(self, job: int) -> Progress | None:
        """The last word of a job that runs."""
        with self._guard:
            found = self._progress.get(job)
        return None if found is None else found[1]

    def close(self) -> None:
        """End all streams."""
        with self._guard:
            self._closed = True
            self._wake()

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def view(self, job: Job) -> models.Job:
        """A job as clients see it, with its progress."""
        latest = self.latest(job.id) if job.state == "running" else None
        return views.job(job, latest, self.folder_of(job.source))

    async def listen(
        self, job: int | None = None, *, after: int | None = None, beat_seconds: float = math.inf
    ) -> AsyncGenerator[StateEvent | ProgressEvent | QueueEvent | None]:
        """What happens from now on; of one job what happened before too, and it ends when the job has.

        Args:
            after: what happened behind this line of the log; events that carry an id say it.
            beat_seconds: None comes when nothing happened for so long.
        """
        loop, awake = asyncio.get_running_loop(), asyncio.Event()
        with self._guard:
            self._listeners[awake] = loop
        try:
            if after is None:
                after = 0 if job is not None else await asyncio.to_thread(self._store.last_event)
            told = changes = -1
            lines: list[StateEvent | QueueEvent] = []
            look, beaten = loop.time(), loop.time()
            while not self._closed:
                awake.clear()
                if changes != self._changes or loop.time() >= look:
                    changes, look = self._changes, loop.time() + LOOK_SECONDS
                    over, last, lines = await asyncio.to_thread(self._lines, job, after)
                    for line in lines:
                        yield line
                    if last > after:
                        after, changes = last, -1  # there may be more
                        continue
                    if over:
                        return
                news, told = self._news(job, told)
                for event in news:
                    yield event
                if news or lines:
                    beaten, lines = loop.time(), []
                elif loop.time() >= beaten + beat_seconds:
                    beaten = loop.time()
                    yield None
                pause = min(look, beaten + beat_seconds) - loop.time()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(awake.wait(), max(0.0, pause))
        finally:
            with self._guard:
                self._listeners.pop(awake, None)

    def _lines(self, job: int | None, after: int) -> tuple[bool, int, list[StateEvent | QueueEvent]]:
        """Whether the job had ended before the log was read, the last line that was read, and what is to be told."""
        over = False
        if job is not None:
            try:
                over = self._store.get(job).state in FINAL
            except UsageError:
                over = True  # forgotten meanwhile
        lines = self._store.events(after=after, job=job, limit=_PAGE)
        told = [event for line in lines if (event := self._event(line)) is not None]
        return over, lines[-1].id if lines else after, told

    def _event(self, line: Event) -> StateEvent | QueueEvent | None:
        at = views.when(line.at)
        if line.job is None:
            return QueueEvent(id=line.id, at=at, what=line.kind)
        try:
            return StateEvent(id=line.id, at=at, what=line.kind, job=self.view(self._store.get(line.job)))
        except UsageError:
            return None  # the job was forgotten

    def _news(self, job: int | None, told: int) -> tuple[list[ProgressEvent], int]:
        with self._guard:
            found = [
                (number, ProgressEvent(job=each, progress=progress))
                for each, (number, progress) in self._progress.items()
                if number > told and job in (None, each)
            ]
            return [event for _, event in sorted(found, key=lambda pair: pair[0])], self._told

    def _wake(self) -> None:
        for event, loop in list(self._listeners.items()):
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # its loop is closed
                del self._listeners[event]
