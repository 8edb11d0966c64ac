"""The Dask workers that the engine gives tasks to, of a scheduler elsewhere; `own_cluster` starts its own.

It knows workers and tasks, and neither jobs nor the store. A task is given to one worker by name and never moves to
another: who lost it says so, and whoever gave it decides.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from depthflow.errors import RuntimeMissingError, SystemError_
from depthflow_daemon.config import EngineSettings
from depthflow_daemon.gpus import Gpu

CONNECT_SECONDS = 10.0
CALL_SECONDS = 10.0

Heard = Callable[[dict[str, Any]], None]
Ended = Callable[[str, str], None]
Work = Callable[[dict[str, Any]], None]

_DASK = {
    # Attempts are the store's matter: Dask would let a poison task end four workers before anybody hears of it.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.worker-ttl": "60s",
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    # No pages: neither the dashboard nor any other.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # What Dask does beside the work: measured 3.7 % of a core and 3.2 % a worker with its defaults.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.system-monitor.disk": False,
    # Where gilknocker is installed it would look a thousand times a second.
    "distributed.admin.system-monitor.gil.enabled": False,
    # What it remembers of everything that it did: 8 MB more for every 300 jobs, until there are 1,000 of each.
    "distributed.admin.low-level-log-length": 100,
    # Nothing of ours lies in Dask's memory that could be moved to a disk.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    # Ten times a second otherwise: an idle daemon took 1.05 % of a core, and takes 0.65.
    "distributed.worker.memory.monitor-interval": "500ms",
    # It would be set in the daemon's own environment too.
    "distributed.nanny.pre-spawn-environ": {},
    "logging": {"distributed": "critical", "distributed.client": "critical", "tornado.application": "critical"},
}


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker: one task at a time, whatever number of threads it has.

    Attributes:
        memory: bytes that it holds.
        pid: None where that is not known, on another machine.
    """

    address: str
    name: str
    memory: int
    pid: int | None


class Cluster:
    """A connection to a Dask scheduler.

    Attributes:
        topic: with which the names of all tasks begin; nobody else has it.

    Args:
        heard: told of every message of a task; from another thread.
        ended: told the name of a task that has come to an end, and why if not as it should; from another thread.
        gpus: that workers of this machine share out among themselves.
    """

    def __init__(
        self, settings: EngineSettings, work: Work | None, heard: Heard, ended: Ended, gpus: Sequence[Gpu] = ()
    ) -> None:
        self._settings, self._work, self._heard, self._ended = settings, work, heard, ended
        self._gpus = gpus
        self.topic = f"depthflow-{secrets.token_hex(8)}"
        self._client: Any = None
        self._scheduler_id = ""
        self._other = False
        self._futures: dict[str, Any] = {}
        # What asks a worker may have to wait for it.
        self._calls = ThreadPoolExecutor(1, thread_name_prefix="engine-calls")

    def open(self) -> None:
        """Connect, which takes a second or two.

        Raises:
            RuntimeMissingError: Dask or what it needs is not installed. SystemError_: nobody answers.
        """
        try:
            self._connect()
        except ImportError as error:
            raise RuntimeMissingError(
                f"{error.name or error} is not installed", "pip install 'depthflow-studio[daemon]'"
            ) from None
        except (OSError, TimeoutError, RuntimeError) as error:
            self.close()
            raise SystemError_(f"the engine's workers cannot be reached: {error}", self._hint()) from None

    def _connect(self) -> None:
        # Else the processes of workers look for Python's own modules in the current folder first.
        os.environ["PYTHONSAFEPATH"] = "1"
        import dask

        dask.config.set(_DASK)
        import distributed

        from depthflow_daemon import worker

        dask_client: Any = distributed.Client
        self._client = dask_client(
            self._scheduler(), security=self._security(), set_as_default=False, timeout=CONNECT_SECONDS
        )
        self._work = self._work or worker.work
        self._client.subscribe_topic(self.topic, lambda event: self._heard(event[1]))
        self._client.register_plugin(worker.Manners(self.topic, local=self.local))
        self._scheduler_id = self._identity()["id"]

    def _identity(self) -> dict[str, Any]:
        client = self._client
        said: dict[str, Any] = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=CALL_SECONDS)
        return said

    local = False

    def _scheduler(self) -> Any:
        return self._settings.address

    def _hint(self) -> str:
        return f"is a scheduler running at {self._settings.address}? see docs/farm.md"

    def _security(self) -> Any:
        import distributed

        asked = self._settings
        if asked.tls_ca is None:
            return None
        security: Any = distributed.Security
        return security(
            tls_ca_file=str(asked.tls_ca),
            tls_client_cert=str(asked.tls_cert),
            tls_client_key=str(asked.tls_key),
            require_encryption=True,
        )

    def close(self) -> None:
        """Leave; calling it again does nothing. What runs is told to stop."""
        self._futures.clear()
        client, self._client = self._client, None
        if client is not None:
            if not self.local and not self._other and client.status == "running":
                with contextlib.suppress(Exception):
                    client.unregister_worker_plugin(self.topic)
            with contextlib.suppress(Exception):
                client.close(timeout=CALL_SECONDS)
        self._calls.shutdown(wait=False, cancel_futures=True)

    @property
    def alive(self) -> bool:
        """The scheduler is there, as far as is known; after a loss it is made anew, not mended."""
        return self._client is not None and self._client.status == "running" and not self._other

    def grow(self, count: int) -> None:
        """There is work for so many workers."""

    def seats(self) -> dict[str, Seat]:
        """The workers that are there now, by address; none if the scheduler is not the one that was connected to.

        Dask connects again by itself, but to a scheduler that was started anew it tells nothing of whom we listen to.

        Raises:
            OSError: the scheduler is not there.
        """
        said = self._identity()
        self._other = said["id"] != self._scheduler_id
        if self._other:
            return {}
        return {
            address: Seat(
                address,
                str(about["name"]),
                int((about.get("metrics") or {}).get("memory", 0)),
                self._pid(about.get("nanny") or ""),
            )
            for address, about in said["workers"].items()
            if about.get("status") == "running"
        }

    def _pid(self, nanny: str) -> int | None:
        return None

    def submit(self, task: str, order: dict[str, Any], seat: Seat) -> None:
        """Have a worker do what an order says."""
        future = self._client.submit(
            self._work,
            {**order, "task": task, "topic": self.topic},
            key=task,
            workers=[seat.address],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        self._futures[task] = future
        future.add_done_callback(lambda done: self._ended(task, _why(done)))

    def stop(self, task: str, seat: Seat) -> None:
        """Have a task end between two frames; does not wait for it."""
        from depthflow_daemon import worker

        self._call(lambda client: client.run(worker.stop, task, workers=[seat.address], on_error="ignore"))

    def forget(self, task: str) -> None:
        """It has ended, or its worker is gone."""
        future = self._futures.pop(task, None)
        if future is not None:
            self._call(lambda _: future.cancel(force=True, msg=""))

    def kill(self, seat: Seat, pid: int | None) -> None:
        """End a worker that does not stop; does not wait for it.

        Args:
            pid: of the process that has the task, as it says itself.
        """
        self._call(lambda client: client.run(os._exit, 1, workers=[seat.address], on_error="ignore"))

    def last_words(self, pid: int | None) -> str:
        """How a worker process came to its end, empty if nobody knows."""
        return ""

    def _call(self, what: Callable[[Any], object]) -> None:
        client = self._client

        def call() -> None:
            with contextlib.suppress(Exception):
                what(client)

        with contextlib.suppress(RuntimeError):  # it is being closed
            self._calls.submit(call)


def _why(future: Any) -> str:
    """Empty for a task that ended as it should."""
    if future.status == "finished":
        return ""
    if future.status == "error":
        with contextlib.suppress(Exception):
            error = future.exception(timeout=CALL_SECONDS)
            return "died" if type(error).__name__ == "KilledWorker" else f"{type(error).__name__}: {error}"
    return "lost"
