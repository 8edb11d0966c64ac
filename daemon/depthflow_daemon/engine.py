"""Has jobs rendered: takes them from the store, gives each to a worker process, and tells the store what became of it.

This is the engine of one machine. Whatever takes its place (a farm) has the same three verbs: start, wake, close.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from depthflow_daemon.leases import LEASE_SECONDS
from depthflow_daemon.records import Job
from depthflow_daemon.store import Store

log = logging.getLogger(__name__)

IDLE_SECONDS = 120.0
"""A worker without work ends after this, and gives its memory back."""
GRACE_SECONDS = 20.0
"""A worker that was told to stop is ended by force after this."""
_LOOK_SECONDS = 0.5
_SLEEP_SECONDS = 30.0
"""Windows open without anybody telling."""

Command = list[str]
WORKER: Command = [sys.executable, "-m", "depthflow_daemon.worker"]


class LocalEngine:
    """Some worker processes on this machine.

    Args:
        store: where jobs come from.
        workers: how many at once.
        ended: told of every job that has ended, from a thread of the engine.
        progress: told of every progress event, likewise.
        command: starts a worker that speaks as `worker.py` does.
    """

    def __init__(
        self,
        store: Store,
        *,
        workers: int = 1,
        ended: Callable[[Job], None] = lambda _: None,
        progress: Callable[[int, dict[str, Any]], None] = lambda *_: None,
        command: Command = WORKER,
    ) -> None:
        self._slots = [_Slot(f"local-{n}", store, ended, progress, command) for n in range(workers)]

    def start(self) -> None:
        for slot in self._slots:
            slot.start()

    def wake(self) -> None:
        """There may be something to take."""
        for slot in self._slots:
            slot.wake.set()

    def close(self, drain_seconds: float) -> None:
        """Take no more jobs; give those back that are not done in time."""
        self.drain(time.monotonic() + drain_seconds)
        for slot in self._slots:
            slot.join()

    def drain(self, end: float) -> None:
        """Take no more jobs, and give back at `end` (monotonic clock) what still runs; does not wait for it."""
        for slot in self._slots:
            slot.drain(end)


class _Slot(threading.Thread):
    """One worker process and the thread that speaks with it."""

    def __init__(
        self,
        name: str,
        store: Store,
        ended: Callable[[Job], None],
        progress: Callable[[int, dict[str, Any]], None],
        command: Command,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.wake = threading.Event()
        self._store, self._ended, self._progress, self._command = store, ended, progress, command
        self._end: float | None = None
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def drain(self, end: float) -> None:
        """Take no more; `end` is when what runs is given back, on the monotonic clock."""
        self._end = end if self._end is None else min(self._end, end)
        self.wake.set()

    def run(self) -> None:
        try:
            while self._end is None:
                try:
                    self._next()
                except Exception:
                    # A store that fails (disk full) must not end the engine.
                    log.exception("%s: trying again", self.name)
                    self.wake.wait(10.0)
        finally:
            self._stop_worker()

    def _next(self) -> None:
        self.wake.clear()
        job = self._store.take(self.name)
        if job is not None:
            self._work(job)
            self._ended(self._store.get(job.id))
            return
        wait = self._store.seconds_to_next()
        if self._process is None:
            self.wake.wait(min(_SLEEP_SECONDS, wait if wait is not None else _SLEEP_SECONDS))
        elif not self.wake.wait(min(IDLE_SECONDS, wait if wait is not None else IDLE_SECONDS)) and wait is None:
            self._stop_worker()

    # -- one job ---------------------------------------------------------------------------------------------------

    def _work(self, job: Job) -> None:
        log.info("job %d: started (attempt %d): %r", job.id, job.attempt, job.source)
        note = json.loads(job.note)
        if self._process is None or self._process.poll() is not None:
            self._stop_worker()
            self._start_worker()
        self._send(job=job.id, attempt=job.attempt, spec=json.loads(job.spec), content=note.get("content", ""))
        heard = beaten = time.monotonic()
        asked: float | None = None
        while True:
            try:
                line = self._lines.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                line = None
            now = time.monotonic()
            if line == "":
                self._died(job)
                return
            if line is not None:
                heard = now
                if self._told(job, json.loads(line)):
                    return
            if now - beaten > LEASE_SECONDS / 4:
                beaten = now
                if self._store.beat(job.id, job.attempt) == "lost":
                    self._kill()
                    return
            if asked is None and (self._store.get(job.id).stopping or (self._end is not None and now >= self._end)):
                asked = now
                self._send(cancel=job.id)
            if now - heard > LEASE_SECONDS or (asked is not None and now - asked > GRACE_SECONDS):
                self._kill()
                if asked is not None:
                    self._store.release(job.id, job.attempt)
                else:
                    self._store.fail(job.id, job.attempt, "the worker hung and was ended", "crash")
                return

    def _told(self, job: Job, message: dict[str, Any]) -> bool:
        """Whether this was the job's last message."""
        if message.get("job") != job.id:
            return False
        if "progress" in message:
            self._progress(job.id, message["progress"])
            return False
        if "done" in message:
            done = message["done"]
            self._store.finish(job.id, job.attempt, facts=done["facts"], timings=done["timings"])
            log.info("job %d: done", job.id)
        elif "failed" in message:
            failed = message["failed"]
            self._store.fail(job.id, job.attempt, failed["error"], failed["kind"])
            log.warning("job %d: failed (%s): %s", job.id, failed["kind"], failed["error"])
        else:
            self._store.release(job.id, job.attempt)
            log.info("job %d: given back", job.id)
        return True

    def _died(self, job: Job) -> None:
        process, self._process = self._process, None
        code = None
        if process is not None:
            code = process.wait()
            _end(process)
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        self._store.fail(job.id, job.attempt, f"the worker died ({how})", "crash")
        log.warning("job %d: the worker died (%s)", job.id, how)

    # -- the process -----------------------------------------------------------------------------------------------

    def _send(self, **message: Any) -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its end is read from its output

    def _start_worker(self) -> None:
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True
        )

        def read() -> None:
            assert process.stdout is not None  # noqa: S101
            for line in process.stdout:
                lines.put(line)
            lines.put("")

        threading.Thread(target=read, daemon=True).start()
        self._process, self._lines = process, lines

    def _stop_worker(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None  # noqa: S101
        try:
            process.stdin.close()
            process.wait(GRACE_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            _end(process)

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """By force, with the encoders that it started."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
