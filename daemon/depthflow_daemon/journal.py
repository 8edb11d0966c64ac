"""Follows the store's log, and tells of each line: one line in the daemon's log, and the hooks that ask for it.

Whoever changes a job (engine, watched folder, API) writes the store's log and nothing else, so that nothing is told
twice and nothing is left out.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from depthflow.errors import DepthFlowError, UsageError
from depthflow_daemon import views
from depthflow_daemon.folders import Folders
from depthflow_daemon.hooks import Happening, Hooks
from depthflow_daemon.records import Event, Job
from depthflow_daemon.store import Store

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""The store's log is looked at this often even if nobody says that something happened."""
_ENDS = ("done", "failed", "cancelled")
_STATES = {"started": "running"} | {end: end for end in _ENDS}
"""Lines that hooks are told of, and the job's state by then."""
_PAGE = 200


class Journal(threading.Thread):
    """Reads on from where the store's log ends when this is made, until `close`.

    Args:
        told: called after lines were read.
    """

    def __init__(
        self, store: Store, folders: Folders, hooks: Hooks, *, told: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(name="journal", daemon=True)
        self._store, self._folders, self._hooks, self._told = store, folders, hooks, told
        self._last = store.last_event()
        self._ended: dict[str, Counter[str]] = {}
        self._wake = threading.Event()
        self._closing = False
        self._turns = 0

    def wake(self) -> None:
        """There may be new lines."""
        self._wake.set()

    def pulse(self) -> int:
        """How often it has looked; see `vitals`."""
        self.wake()
        return self._turns

    def close(self) -> None:
        """Tell of what has happened so far, then end."""
        self._closing = True
        self.wake()
        self.join()

    def run(self) -> None:
        while True:
            closing = self._closing
            self._wake.clear()
            try:
                self._read()
                self._drained()
            except DepthFlowError as error:
                log.warning("the log of jobs cannot be read: %s", error)
            self._turns += 1
            if closing:
                return
            self._wake.wait(LOOK_SECONDS)

    def _read(self) -> None:
        while lines := self._store.events(after=self._last, limit=_PAGE):
            for line in lines:
                self._tell(line)
                self._last = line.id
            self._told()

    def _tell(self, line: Event) -> None:
        if line.job is None:
            about = f" {line.data['folder']!r}" if "folder" in line.data else ""
            log.info("%s%s", line.kind, about, extra={"event": line.kind, **line.data})
            return
        try:
            job = self._store.get(line.job)
        except UsageError:
            return  # forgotten meanwhile
        level, text = _said(line, job)
        folder = self._folders.name_of(job.source)
        # As it was then: by now the job may be farther. Read before anything is told: if the store fails just now, the
        # line comes again.
        state = _STATES.get(line.kind)
        told = None if state is None else self._about(job, folder, state)
        fields = {"job": job.id, "event": line.kind, "folder": folder, **line.data}
        log.log(level, "job %d: %s", job.id, text, extra=fields)
        if told is not None:
            self._hooks.tell(Happening("before-job" if line.kind == "started" else "after-job", told, line.at))
        if folder is not None and line.kind in _ENDS:
            self._ended.setdefault(folder, Counter())[line.kind] += 1

    def _about(self, job: Job, folder: str | None, state: str) -> dict[str, Any]:
        timings = [attempt.timings for attempt in self._store.attempts(job.id) if attempt.timings]
        return {
            "job": job.id,
            "state": state,
            "attempt": job.attempt,
            "source": job.source,
            "folder": folder,
            "preset": views.job(job).preset,
            "outputs": [output.path for output in self._store.outputs(job.id)],
            "seconds": round(sum(timings[-1].values()), 3) if timings else 0.0,
            "error": job.error or "",
        }

    def _drained(self) -> None:
        """Tell of folders whose last job has ended, and in which no photo is waited for."""
        if not self._ended:
            return
        for fact in self._folders.facts():
            ended = self._ended.get(fact.name)
            if ended is None or fact.pending:
                continue
            root = str(fact.place.root.resolve())
            if self._store.page(state=("queued", "waiting", "running"), below=root, limit=1):
                continue
            del self._ended[fact.name]
            counts = {kind: ended[kind] for kind in _ENDS}
            log.info("folder %r is drained: %d done, %d failed, %d cancelled", fact.name, *counts.values(),
                     extra={"event": "folder-drained", "folder": fact.name, **counts})  # fmt: skip
            data = {"folder": fact.name, "root": root, "output": str(fact.place.output), **counts}
            self._hooks.tell(Happening("folder-drained", data))


def _said(line: Event, job: Job) -> tuple[int, str]:
    """Level and words of a line about a job."""
    data, source = line.data, views.job(job).source
    error = str(data.get("error") or "")
    match line.kind:
        case "added":
            return logging.INFO, f"queued: {source!r}"
        case "queued" if error:
            return logging.WARNING, f"queued: {error}: {source!r}"
        case "queued":
            return logging.INFO, f"queued again: {source!r}"
        case "skipped":
            return logging.INFO, f"skipped, the same work as job {job.same_as}: {source!r}"
        case "started":
            return logging.INFO, f"started (attempt {data['attempt']}): {source!r}"
        case "done":
            return logging.INFO, f"done: {', '.join(map(repr, data.get('outputs', [])))}"
        case "waiting":
            return logging.WARNING, f"failed ({data['cause']}), tried again in {data['wait']:g} s: {error}"
        case "failed":
            return logging.WARNING, f"failed ({data['cause']}): {error}"
        case "cancelled" | "stopping" if error:
            return logging.INFO, f"{line.kind}: {error}"
        case "priority":
            return logging.INFO, f"priority {data['priority']}"
    return logging.INFO, line.kind
