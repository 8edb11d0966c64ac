"""Has jobs made: takes them from the store, gives their pieces to workers, and tells the store what became of them.

The store is the truth: workers, scheduler and this process may end at any moment, and nothing is lost or done twice.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from depthflow.errors import DepthFlowError, StoreError
from depthflow.video.workfile import sweep
from depthflow_daemon.cluster import Cluster, Seat, Work
from depthflow_daemon.config import EngineSettings
from depthflow_daemon.gpus import Gpu, find_gpus
from depthflow_daemon.leases import LEASE_SECONDS, MAX_CRASHES
from depthflow_daemon.orphans import end_orphans
from depthflow_daemon.own_cluster import OwnCluster, worker_count
from depthflow_daemon.pieces import holds_pieces, tasks_of
from depthflow_daemon.records import Job
from depthflow_daemon.running import RunningJob, Task
from depthflow_daemon.store import Store

log = logging.getLogger(__name__)

GRACE_SECONDS = 20.0
"""A worker that was told to stop is ended by force after this."""
_LOOK_SECONDS = 0.5
_SOON_SECONDS = 0.1
"""While a worker is being waited for."""
_SEATS_SECONDS = 1.0
_SLEEP_SECONDS = 30.0
"""Windows open without anybody telling."""
_START_SECONDS, _FAR_SECONDS = 60.0, 600.0
"""How long workers may be missing, of this machine and of others, before jobs are given back."""
_PATIENCE = 3
"""Questions that a busy scheduler may leave unanswered."""
_CLOCK_SECONDS = 1.0
"""The wall clock may be set back so far before anybody minds."""
_AGAIN_SECONDS = 10.0
"""After a scheduler that failed."""
_STORE_SECONDS = 2.0
"""After a store that failed: its disk may have room again at any moment."""


class Engine:
    """Makes jobs with Dask workers, which are started when there is work and ended when there is none for a while.

    Args:
        store: where jobs come from.
        settings: how many workers, and where.
        ended: told of every job that has ended, from the engine's thread.
        progress: told of every progress event, likewise; at most ten times a second for each job.
        work: what workers are told to do, instead of `worker.work`.
        gpus: lists those of this machine.
    """

    def __init__(
        self,
        store: Store,
        settings: EngineSettings | None = None,
        *,
        ended: Callable[[Job], None] = lambda _: None,
        progress: Callable[[int, dict[str, Any]], None] = lambda *_: None,
        work: Work | None = None,
        gpus: Callable[[], Sequence[Gpu]] = find_gpus,
    ) -> None:
        self._store, self._ended, self._progress, self._work = store, ended, progress, work
        self._settings = settings or EngineSettings()
        self._find_gpus = gpus
        self._gpus: Sequence[Gpu] = ()
        self._wanted = worker_count(self._settings, ())
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._end: float | None = None
        self._cluster: Cluster | None = None
        self._seats: dict[str, Seat] = {}
        self._jobs: list[RunningJob] = []
        self._tasks: dict[str, tuple[RunningJob, Task]] = {}
        self._looked = self._counted = self._used = self._expired = 0.0
        self._seated = time.monotonic()
        self._unanswered = 0
        self._not_before = 0.0
        self._ahead = time.time() - time.monotonic()
        self._complained = ""
        self._turns = self._restarts = 0
        self._renderer: str | None = None

    # -- from any thread -------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()
        self.wake()

    def wake(self) -> None:
        """There may be something to take."""
        self._queue.put(lambda: None)

    def expect(self) -> None:
        """There will be something to take in a moment: workers of this machine are started meanwhile."""
        if self._cluster is None and not self._settings.address:
            self._queue.put(self._begin)

    def pulse(self) -> int:
        """How often it has gone round; see `vitals`."""
        self.wake()
        return self._turns

    def drain(self, end: float) -> None:
        """Take no more jobs, and give back at `end` (monotonic clock) what still runs; does not wait for it."""
        self._end = end if self._end is None else min(self._end, end)
        self.wake()

    def close(self, drain_seconds: float) -> None:
        """Take no more jobs; give those back that are not done in time."""
        self.drain(time.monotonic() + drain_seconds)
        self._thread.join()

    def workers(self) -> list[dict[str, Any]]:
        """The worker processes that there are now."""
        # A seat may be given up at any moment by the engine's thread: it is looked at once.
        seats = ((running, task.seat) for running in self._jobs[:] for task in running.tasks[:])
        busy = {seat.address: running.job.id for running, seat in seats if seat is not None}
        return [
            {
                "name": seat.name,
                "kind": "render",
                "pid": seat.pid,
                "state": "busy" if seat.address in busy else "idle",
                "job": busy.get(seat.address),
                "memory_bytes": seat.memory,
            }
            for seat in list(self._seats.values())
        ]

    def facts(self) -> dict[str, Any]:
        """The engine itself, for people."""
        cluster = self._cluster
        return {
            "kind": "dask",
            "address": self._settings.address or "local",
            "state": "stopped" if cluster is None else "running" if cluster.alive else "starting",
            "workers": self._wanted if not self._settings.address else len(self._seats),
            "memory_limit": self._settings.memory_limit,
            "segment_seconds": self._settings.segment_seconds,
            "restarts": self._restarts,
            "renderer": self._renderer,
        }

    # -- the engine's thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        end_orphans()
        self._share_out()
        try:
            while self._end is None or self._jobs:
                try:
                    self._turns += 1
                    self._turn()
                    self._complained = ""
                except Exception as error:
                    # A store that fails (disk full) must not end the engine.
                    self._complain(error)
                    pause = _STORE_SECONDS if isinstance(error, StoreError) else _AGAIN_SECONDS
                    self._not_before = time.monotonic() + pause
        finally:
            self._leave()

    def _share_out(self) -> None:
        if self._settings.address:
            return
        try:
            self._gpus = self._find_gpus()
        except DepthFlowError as error:
            log.warning("the GPUs cannot be listed: %s", error)
        self._wanted = worker_count(self._settings, self._gpus)
        if len(self._gpus) > 1:
            log.info("%d workers on %d GPUs: %s", self._wanted, len(self._gpus), "; ".join(map(str, self._gpus)))

    def _turn(self) -> None:
        self._listen()
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._look(now)
        for running in [running for running in self._jobs if running.verdict and not running.live]:
            self._settle(running)
        if now >= self._not_before:
            self._take()
            self._dispatch()
        self._rest()

    def _listen(self) -> None:
        """Wait until somebody says something, or it is time to look; then hear everything."""
        try:
            self._queue.get(timeout=self._patience())()
            while True:
                self._queue.get_nowait()()
        except queue.Empty:
            pass

    def _patience(self) -> float:
        now = time.monotonic()
        if self._jobs:
            return _SOON_SECONDS if self._cluster and any(running.waiting for running in self._jobs) else _LOOK_SECONDS
        if self._not_before > now:
            # Whoever woke us meanwhile will not do it again.
            return self._not_before - now
        wait = self._store.seconds_to_next()
        longest = _SLEEP_SECONDS if wait is None else min(_SLEEP_SECONDS, wait)
        if self._cluster is not None:
            if not self._seats:
                return _SEATS_SECONDS
            longest = min(longest, self._used + self._settings.idle_seconds - now)
        return max(0.0, longest)

    def _complain(self, error: Exception) -> None:
        """Each trouble once, however often it is met again."""
        text = f"{type(error).__name__}: {error}"
        if text == self._complained:
            return
        self._complained = text
        if isinstance(error, DepthFlowError):
            log.error("engine: %s%s; trying again", error, f" ({error.hint})" if error.hint else "")
        else:
            log.exception("engine: trying again")

    def _rest(self) -> None:
        """Workers that have had nothing to do for long end."""
        now = time.monotonic()
        if self._jobs:
            self._used = now
        elif self._cluster is not None and now - self._used >= self._settings.idle_seconds:
            self._leave()

    def _leave(self) -> None:
        cluster, self._cluster, self._seats = self._cluster, None, {}
        if cluster is not None:
            cluster.close()

    # -- jobs in ---------------------------------------------------------------------------------------------------

    def _take(self) -> None:
        while self._end is None and self._has_room():
            job = self._store.take(self._settings.address or "local")
            if job is None:
                return
            tasks, cuttings = tasks_of(job, self._settings.segment_seconds)
            # Workers of one machine share the cache of depth maps: one fills it, then the others begin.
            running = RunningJob(job, tasks, cuttings, one_first=not self._settings.address)
            if kept := sum(task.made for task in tasks):
                log.info("job %d: %d of %d pieces were made before the last end", job.id, kept, len(tasks))
                running.complete()
            self._jobs.append(running)

    def _begin(self) -> None:
        if self._end is None and time.monotonic() >= self._not_before:
            self._join().grow(1)

    def _has_room(self) -> bool:
        """A worker would have nothing to do otherwise."""
        pieces = sum(running.open for running in self._jobs)
        if not self._settings.address:
            return pieces < self._wanted
        if not self._jobs and self._store.counts()["queued"]:
            self._join()
            self._count(time.monotonic())
        return pieces < len(self._seats)

    # -- tasks out -------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        waiting = [(running, task) for running in self._jobs for task in running.waiting]
        if not waiting:
            return
        cluster = self._join()
        busy = {task.seat.address for running in self._jobs for task in running.live if task.seat}
        cluster.grow(min(self._wanted, len(busy) + len(waiting)))
        if len(self._seats) <= len(busy):
            self._count(time.monotonic())
        free = [seat for address, seat in self._seats.items() if address not in busy]
        for (running, task), seat in zip(waiting, free, strict=False):
            task.name = f"{cluster.topic}-{running.job.id}-{running.job.attempt}-{secrets.token_hex(4)}"
            task.seat, task.pid, task.done, task.began = seat, seat.pid, 0, False
            self._tasks[task.name] = running, task
            cluster.submit(task.name, task.order, seat)

    def _join(self) -> Cluster:
        if self._cluster is None:
            kind = Cluster if self._settings.address else OwnCluster
            cluster = kind(self._settings, self._work, self._heard, self._task_ended, self._gpus)
            cluster.open()
            self._cluster, self._used = cluster, time.monotonic()
        return self._cluster

    # -- what workers say ------------------------------------------------------------------------------------------

    def _heard(self, message: dict[str, Any]) -> None:
        self._queue.put(partial(self._told, message))

    def _told(self, message: dict[str, Any]) -> None:
        running, task = self._tasks.get(message["task"], (None, None))
        if running is None or task is None:
            return
        self._renderer = message.get("renderer", self._renderer)
        if "began" in message:
            task.began, task.pid = True, message["pid"]
        elif "outcome" in message:
            task.outcome = message["outcome"]
        elif running.verdict is None and (event := running.progress(task, message["progress"])):
            self._progress(running.job.id, event)

    def _task_ended(self, name: str, why: str) -> None:
        self._queue.put(partial(self._over, name, why))

    def _over(self, name: str, why: str) -> None:
        """A task has come to an end: as it should, or with its worker, or with the scheduler."""
        running, task = self._tasks.pop(name, (None, None))
        if running is None or task is None:
            return
        seat, task.seat = task.seat, None
        if self._cluster is not None:
            self._cluster.forget(name)
        if task.outcome is not None:
            self._outcome(running, task.outcome)
        elif why == "lost":
            running.decide("released")
            if self._cluster is not None:
                self._lose("the scheduler is gone")
        else:
            self._died(running, task, seat, why)

    def _outcome(self, running: RunningJob, outcome: dict[str, Any]) -> None:
        if "failed" in outcome:
            running.decide(outcome["failed"]["kind"], outcome["failed"]["error"])
        elif "stopped" in outcome:
            running.decide("released")
        elif running.complete():
            running.decide("done")

    def _died(self, running: RunningJob, task: Task, seat: Seat | None, why: str) -> None:
        """The worker ended, and not the task."""
        began, task.began = task.began, False
        if why == "":
            # It told somebody else, if the scheduler was started anew: then this is nobody's fault.
            self._count(time.monotonic())
            if self._cluster is None:
                return
            why = "the worker told nothing"
        elif why == "died":
            how = self._cluster.last_words(task.pid) if self._cluster is not None else ""
            why = "the worker died" + (f" ({how})" if how else "")
            self._restarts += 1
            if seat is not None:
                # Nothing is given to it until it is seen again.
                self._seats.pop(seat.address, None)
        log.warning("job %d: %s", running.job.id, why)
        self._clear_up(running)
        task.deaths += 1
        # A piece is made once more by another worker, so that the loss of one costs no more than that.
        patience = 1 if task.order["kind"] == "make" else 2
        if (began and task.deaths >= patience) or task.deaths >= MAX_CRASHES:
            running.decide("crash", why)

    def _clear_up(self, running: RunningJob) -> None:
        """End what a dead worker left running, and remove what it left lying."""
        end_orphans()
        for output in self._store.outputs(running.job.id):
            sweep(Path(output.path).parent, stale_seconds=0.0, spare=holds_pieces)

    # -- what the engine looks at ----------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        if self._cluster is not None and not self._cluster.alive:
            self._lose("the scheduler is gone")
            return
        ahead = time.time() - time.monotonic()
        if ahead < self._ahead - _CLOCK_SECONDS and self._cluster is not None and not self._settings.address:
            # Dask reckons with the wall clock: it would sit still until the old time comes again.
            self._lose("the clock was set back", again=0.0)
        self._ahead = ahead
        if self._cluster is not None and (self._jobs or not self._seats) and now - self._counted >= _SEATS_SECONDS:
            self._count(now)
        self._miss_workers(now)
        for running in self._jobs:
            self._keep(running, now)
            if running.verdict is not None and running.live:
                self._end_tasks(running, now)
        if now - self._expired > LEASE_SECONDS / 4:
            self._expired = now
            # What was taken when something went wrong before it was begun: nobody else gives it back.
            for job in self._store.expire(spare={running.job.id for running in self._jobs}):
                self._ended(job)

    def _miss_workers(self, now: float) -> None:
        """Jobs are not kept where no worker comes for them."""
        if self._seats or self._cluster is None or not self._jobs:
            self._seated = now
        elif now - self._seated > (_FAR_SECONDS if self._settings.address else _START_SECONDS):
            self._lose("there are no workers")

    def _keep(self, running: RunningJob, now: float) -> None:
        """Say that it is being worked on, and hear whether it still should be."""
        job = running.job
        if now - running.beaten > LEASE_SECONDS / 4:
            if self._store.beat(job.id, job.attempt) == "lost":
                running.verdict = None
                running.decide("lost")
            running.beaten = now
        if running.verdict is None and (
            self._store.get(job.id).stopping or (self._end is not None and now >= self._end)
        ):
            running.decide("released")

    def _end_tasks(self, running: RunningJob, now: float) -> None:
        verdict, cluster = running.verdict, self._cluster
        if verdict is None or cluster is None:
            return
        for task in running.live:
            if task.seat is None:
                continue
            if not verdict.asked:
                cluster.stop(task.name, task.seat)
            elif now - verdict.since > GRACE_SECONDS:
                log.warning("job %d: worker %s does not stop and is ended", running.job.id, task.seat.name)
                cluster.kill(task.seat, task.pid)
        if not verdict.asked or now - verdict.since > GRACE_SECONDS:
            # Asked once, ended by force as often as it takes.
            verdict.asked, verdict.since = True, now

    def _count(self, now: float) -> None:
        """Which workers there are, and which tasks have lost theirs without Dask telling."""
        cluster = self._cluster
        if cluster is None:
            return
        self._counted = now
        try:
            self._seats = cluster.seats()
        except OSError as error:
            self._unanswered += 1
            if self._unanswered >= _PATIENCE:
                self._lose(f"the scheduler does not answer: {error}")
            return
        self._unanswered = 0
        if not cluster.alive:
            self._lose("the scheduler is another one", again=0.0)
            return
        for name, (_, task) in list(self._tasks.items()):
            if task.seat is not None and task.seat.address not in self._seats:
                self._over(name, "died")

    def _lose(self, why: str, again: float = _AGAIN_SECONDS) -> None:
        """The scheduler is gone: what was running is nobody's fault, and is done again.

        Args:
            again: after so many seconds another one is looked for.
        """
        log.warning("engine: %s; running jobs are given back", why)
        self._leave()
        for name in list(self._tasks):
            self._over(name, "lost")
        for running in self._jobs:
            running.decide("released")
        self._not_before = time.monotonic() + again

    # -- jobs out --------------------------------------------------------------------------------------------------

    def _settle(self, running: RunningJob) -> None:
        """Tell the store; if that fails it is told again later."""
        job, verdict = running.job, running.verdict
        if verdict is None:
            return
        if verdict.kind == "done":
            self._store.finish(job.id, job.attempt, facts=running.facts, timings=running.timings)
        elif verdict.kind == "released":
            self._store.release(job.id, job.attempt)
        elif verdict.kind in ("transient", "permanent", "crash"):
            self._store.fail(job.id, job.attempt, verdict.error, verdict.kind)
        after = self._store.get(job.id)
        self._jobs.remove(running)
        if self._end is None or after.state != "queued":
            # Else its pieces wait for the daemon that comes after this one.
            running.discard()
        if job.attempt > 1:
            # An encoder that was only starting when its worker died has made its file after that was cleared up.
            self._clear_up(running)
        if verdict.kind != "lost":
            self._ended(after)
