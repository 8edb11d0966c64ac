"""The engine's workers on this machine: a Dask cluster of processes that nobody else can reach, one a GPU."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from depthflow import paths
from depthflow_daemon.cluster import CALL_SECONDS, Cluster, Ended, Heard, Seat, Work
from depthflow_daemon.config import EngineSettings
from depthflow_daemon.gpus import Gpu, least_busy

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0
"""Between two reports of a worker on its memory. That it is gone is seen by its connection, at once."""
_SYNC_SECONDS = 60.0
"""So often Dask's cluster tells its scheduler about itself, which nobody reads."""
_WORDS_SECONDS = 1.0
"""The scheduler may hear of a worker's end before its nanny does."""
_BURY_SECONDS = 60.0
"""The longest time between two starts of workers that die while they start."""


class OwnCluster(Cluster):
    """Workers on this machine, each with a nanny that replaces it when it dies; nobody else can reach them."""

    local = True

    def __init__(
        self, settings: EngineSettings, work: Work | None, heard: Heard, ended: Ended, gpus: Sequence[Gpu] = ()
    ) -> None:
        super().__init__(settings, work, heard, ended, gpus)
        self._dask: Any = None
        self._taken: dict[Any, Gpu] = {}
        self._temporary: Any = None
        self._nannies = _Nannies()
        self._buried, self._bury_after = 0, 0.0

    def _scheduler(self) -> Any:
        import distributed
        import distributed.scheduler

        # Dask has no setting for it. Heartbeats twice a second and the cluster's report once took half of what an idle
        # daemon did (0.77 % of a core, 0.38 % without), and three quarters of what an idle worker did.
        dask_scheduler: Any = distributed.scheduler
        dask_scheduler.heartbeat_interval = lambda workers: HEARTBEAT_SECONDS
        local_cluster: Any = distributed.LocalCluster
        place = paths.state_dir() / "engine"
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._dask = local_cluster(
            n_workers=0,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            security=self._security(),
            memory_limit=_memory(self._settings, worker_count(self._settings, self._gpus)),
            # Without an address Dask takes port 8787; nothing is served there.
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            scheduler_sync_interval=_SYNC_SECONDS,
            worker_dashboard_address=None,
            local_directory=str(place),
            silence_logs=logging.CRITICAL,
        )
        if self._gpus:
            self._dask.new_worker_spec = partial(self._with_gpu, self._dask.new_worker_spec)
        self._nannies.listen()
        return self._dask

    def _with_gpu(self, plain: Callable[[], dict[Any, Any]]) -> dict[Any, Any]:
        """What Dask starts next, with the GPU that the fewest workers have; its nanny replaces it on the same one."""
        ((name, spec),) = plain().items()
        there = [gpu for other, gpu in self._taken.items() if other in self._dask.worker_spec]
        gpu = self._taken[name] = least_busy(self._gpus, there)
        return {name: {**spec, "options": {**spec["options"], "env": gpu.environment}}}

    def _security(self) -> Any:
        import distributed

        security: Any = distributed.Security
        # Made anew for each cluster, in memory only: without it any user of this machine could run code in it.
        self._temporary = self._temporary or security.temporary()
        return self._temporary

    def _hint(self) -> str:
        return "see the log above; `depthflow doctor` looks at what they need"

    def close(self) -> None:
        super().close()
        dask, self._dask = self._dask, None
        if dask is not None:
            with contextlib.suppress(Exception):
                dask.close(timeout=CALL_SECONDS)
        self._nannies.close()

    def grow(self, count: int) -> None:
        self._bury()
        if count > len(self._dask.worker_spec):
            self._dask.scale(count)

    def _bury(self) -> None:
        """Forget nannies whose worker died while it started: Dask counts them for ever as if they would come."""
        now = time.monotonic()
        dead = [name for name, nanny in list(self._dask.workers.items()) if nanny.status.name in ("failed", "closed")]
        if not dead or now < self._bury_after:
            return
        log.warning("a worker ended while it was starting; another one is started")
        # Where none can start at all, they are tried less and less often.
        self._buried += 1
        self._bury_after = now + min(2.0**self._buried, _BURY_SECONDS)
        for name in dead:
            self._dask.workers.pop(name, None)
            self._dask.worker_spec.pop(name, None)

    def seats(self) -> dict[str, Seat]:
        found = super().seats()
        if found:
            self._buried = 0
        return found

    def _pid(self, nanny: str) -> int | None:
        for one in list(self._dask.workers.values()):
            if getattr(one, "address", None) == nanny:
                return one.pid if isinstance(one.pid, int) else None
        return None

    def kill(self, seat: Seat, pid: int | None) -> None:
        pid = pid or seat.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)

    def last_words(self, pid: int | None) -> str:
        return self._nannies.words_of(pid)


class _Nannies(logging.Handler):
    """What the nannies log of workers that ended: nothing else tells how."""

    _LINE = re.compile(r"Worker process (\d+) (?:was killed by (signal \d+)|exited with (status \d+))")
    _MEMORY = re.compile(r"\(pid=(\d+)\) exceeded")

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.said: dict[int, str] = {}
        self._loggers = [logging.getLogger("distributed.nanny"), logging.getLogger("distributed.nanny.memory")]

    def listen(self) -> None:
        for logger in self._loggers:
            logger.addHandler(self)
            logger.setLevel(logging.INFO)
            logger.propagate = False

    def close(self) -> None:
        for logger in self._loggers:
            logger.removeHandler(self)
        super().close()

    def words_of(self, pid: int | None) -> str:
        """What became of a process that has ended just now."""
        end = time.monotonic() + _WORDS_SECONDS
        while pid is not None and pid not in self.said and time.monotonic() < end:
            time.sleep(0.02)
        return self.said.get(pid or 0, "")

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if found := self._MEMORY.search(text):
            self.said[int(found[1])] = "it took more memory than it may"
        elif found := self._LINE.search(text):
            self.said.setdefault(int(found[1]), found[2] or found[3].replace("status", "exit code"))


def worker_count(settings: EngineSettings, gpus: Sequence[Gpu]) -> int:
    """How many workers this machine gets: as many as are asked for, or one a GPU."""
    return max(1, len(gpus)) if settings.workers == "auto" else settings.workers


def _memory(settings: EngineSettings, workers: int) -> int:
    """Bytes that one of so many workers may take; 0 is no limit."""
    if settings.memory_limit == "none":
        return 0
    if settings.memory_limit == "auto":
        from distributed.system import MEMORY_LIMIT

        return int(MEMORY_LIMIT * 0.9 / workers)
    from dask.utils import parse_bytes

    return int(parse_bytes(settings.memory_limit))
