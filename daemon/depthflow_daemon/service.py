"""The whole daemon in one process: watched folders, queue, engine, API, hooks, from its start to its end.

It is where the parts meet; each of them knows only what it is given here.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from depthflow import __version__, paths
from depthflow.errors import DepthFlowError
from depthflow.video.workfile import sweep
from depthflow_daemon.config import DaemonSettings, host_and_port
from depthflow_daemon.core import Core, Limits, Places
from depthflow_daemon.engine import Engine
from depthflow_daemon.folders import Folders
from depthflow_daemon.hooks import Hooks
from depthflow_daemon.hub import Hub
from depthflow_daemon.journal import Journal
from depthflow_daemon.leash import Leash
from depthflow_daemon.logs import hide, secret_in
from depthflow_daemon.mounts import is_read_only
from depthflow_daemon.notify import Notifier
from depthflow_daemon.pieces import holds_pieces, keep_pieces
from depthflow_daemon.records import Job, State
from depthflow_daemon.store import Store
from depthflow_daemon.upkeep import Upkeep
from depthflow_daemon.vitals import Vitals

if TYPE_CHECKING:
    from depthflow_daemon.api.server import Server

log = logging.getLogger(__name__)

TICK_SECONDS = 10.0
"""The daemon looks at itself this often, more often if systemd's watchdog asks for it."""
HOOK_SECONDS = 5.0
"""At the daemon's end hooks may be told what they were not told yet, for so long."""


class Bell:
    """Wakes the one who waits. Signal handlers may ring it: an Event could be locked by the very thread they stop."""

    def __init__(self) -> None:
        self._rings: queue.SimpleQueue[None] = queue.SimpleQueue()

    def ring(self) -> None:
        if self._rings.empty():
            self._rings.put(None)

    def wait(self, seconds: float) -> bool:
        """Whether it rang, before or meanwhile."""
        try:
            self._rings.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return False
        return True


class Service:
    """The daemon.

    Args:
        settings: complete and checked.
        reload: reads the settings again on SIGHUP; None if there is no file to read.
        once: end when there is nothing left to do.
        leashed: end when standard input is closed, see `leash`.
    """

    def __init__(
        self,
        settings: DaemonSettings,
        *,
        reload: Callable[[], DaemonSettings] | None = None,
        once: bool = False,
        leashed: bool = False,
    ) -> None:
        self._settings, self._reload, self._once, self._leashed = settings, reload, once, leashed
        self._bell = Bell()
        self._signals = 0
        self._end: float | None = None
        self._reloading = False
        self._engine: Engine | None = None
        self._notifier = Notifier()

    def run(self) -> None:
        """Until a signal: the first one drains (what runs may end in time), the second one gives it back.

        Raises:
            UsageError, StoreError, SystemError_: what is needed cannot be had; nothing has been begun then.
        """
        for name, act in (
            ("SIGTERM", self._told_to_end),
            ("SIGINT", self._told_to_end),
            ("SIGHUP", self._told_to_read),
        ):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), act)
        with ExitStack() as stack:
            self._run(stack)
        log.info("ended", extra={"event": "ended"})

    def drain(self, seconds: float = math.inf) -> None:
        """Begin the end: no job begins any more, and what runs may go on for so long. From any thread."""
        end = time.monotonic() + seconds
        self._end = end if self._end is None else min(self._end, end)
        if self._engine is not None:
            self._engine.drain(self._end)
        self._bell.ring()

    @property
    def draining(self) -> bool:
        """The end has begun."""
        return self._end is not None

    # -- begin and end ---------------------------------------------------------------------------------------------

    def _run(self, stack: ExitStack) -> None:
        settings = self._settings
        hooks = Hooks(settings.hooks)
        stack.callback(hooks.close, HOOK_SECONDS)
        store = stack.enter_context(Store(settings.store_file))
        hub = Hub(store)
        if self._leashed:
            Leash(lambda: hub.listeners, lambda: self.drain(0.0)).hold()
        folders = Folders(store, changed=self._bell.ring)
        journal = Journal(store, folders, hooks, told=hub.changed)
        _recover(store)

        def ended(job: Job) -> None:
            hub.ended(job)
            folders.ended(job)
            journal.wake()

        engine = self._engine = Engine(store, settings.engine, ended=ended, progress=hub.progress)
        core = self._core(store, hub, engine, folders)
        core.uploads.sweep()
        journal.start()
        stack.callback(journal.close)
        server = self._serve(core)
        if server is not None:
            server.start()
            stack.callback(server.stop)
        folders.load(settings.folders)
        stack.callback(folders.close)
        engine.start()
        stack.callback(engine.close, 0.0)
        upkeep = Upkeep(core, settings.retention, self._results)
        upkeep.start()
        stack.callback(upkeep.close)
        self._say_hello()
        vitals = Vitals(engine=engine.pulse, journal=journal.pulse, api=None if server is None else server.pulse)
        self._notifier.ready()
        if self._once:
            folders.sync(3600)
        self._loop(store, folders, core, engine, journal, vitals)
        self._drain(store, engine, vitals)

    def _core(self, store: Store, hub: Hub, engine: Engine, folders: Folders) -> Core:
        limits = self._settings.api.limits
        return Core(
            store,
            hub,
            engine,
            self._places(),
            folders,
            Limits(
                upload_bytes=limits.upload_bytes,
                pixels=limits.pixels,
                frames=limits.frames,
                requests_per_second=limits.requests_per_second,
                previews=limits.previews,
            ),
            drain=self.drain,
            draining=lambda: self.draining,
        )

    def _places(self) -> Places:
        """Files of watched folders may be named in requests, results too, but for our own."""
        own = [place for folder in self._settings.folders for place in (folder.input, folder.output)]
        return Places(self._settings.work, (*self._settings.api.roots, *own))

    def _serve(self, core: Core) -> Server | None:
        api = self._settings.api
        socket = None if api.socket == "none" or not _has_unix() else paths.socket_file()
        if socket is not None and api.socket != "auto":
            socket = Path(api.socket)
        listen = host_and_port(api.listen) if api.listen else None
        if socket is None and listen is None:
            return None
        # FastAPI takes a second to load, which `depthflow watch` does not need.
        from depthflow_daemon.api.server import Server

        token = secret_in(api.token_file) if api.token_file is not None else os.environ.get("DEPTHFLOW_TOKEN", "")
        hide(token)
        return Server(core, unix=socket, listen=listen, token=token or None)

    def _drain(self, store: Store, engine: Engine, vitals: Vitals) -> None:
        """Wait for what runs, as long as it may."""
        if not self.draining:
            self.drain(0.0)
        end = self._end or 0.0
        running = store.counts()["running"]
        if running:
            left = end - time.monotonic()
            when = "when they are done" if left == math.inf else f"in {max(0.0, left):.0f} s at most"
            log.info("ending %s; still running: %d; a second signal gives that back", when, running)
        else:
            log.info("ending", extra={"event": "ending"})
        self._notifier.stopping()
        closer = threading.Thread(target=engine.close, args=(end - time.monotonic(),), daemon=True)
        closer.start()
        while closer.is_alive():
            self._look(store, vitals)
            closer.join(self._tick)

    # -- in between ------------------------------------------------------------------------------------------------

    def _loop(
        self, store: Store, folders: Folders, core: Core, engine: Engine, journal: Journal, vitals: Vitals
    ) -> None:
        while not self.draining:
            if self._reloading:
                self._reloading = False
                self._read_again(core, folders)
            wait = folders.step()
            journal.wake()
            engine.wake()
            if len(folders):
                engine.expect()
            while not self.draining:
                self._look(store, vitals)
                if self._once and not len(folders) and not _open(store):
                    return
                if self._bell.wait(self._tick if wait is None else min(wait, self._tick)) or wait is not None:
                    break

    @property
    def _tick(self) -> float:
        wanted = self._notifier.watchdog_seconds
        return TICK_SECONDS if wanted is None else min(TICK_SECONDS, wanted / 4)

    def _look(self, store: Store, vitals: Vitals) -> None:
        """Tell systemd how we are; not a word if a part stands still, so that it starts us anew."""
        if self._notifier.silent:
            return
        standing = vitals.standing_still()
        if standing:
            self._notifier.status(f"{', '.join(standing)}: standing still")
            return
        self._notifier.alive()
        try:
            counts = store.counts()
        except DepthFlowError as error:
            self._notifier.status(str(error))
            return
        word = "draining: " if self.draining else ""
        states: tuple[State, ...] = ("running", "queued", "waiting", "done", "failed")
        self._notifier.status(word + ", ".join(f"{counts[state]} {state}" for state in states))

    def _read_again(self, core: Core, folders: Folders) -> None:
        """Watch the folders that the settings name now; a mistake leaves everything as it is."""
        self._notifier.reloading()
        try:
            if self._reload is not None:
                fresh = self._reload()
                folders.load(fresh.folders)
                self._settings = self._settings.model_copy(update={"folders": fresh.folders})
                core.places = self._places()
                self._warn_of_read_only()
            log.info("folders read again: %d watched", len(folders.facts()), extra={"event": "reloaded"})
        except DepthFlowError as error:
            log.error("the settings are not taken: %s%s", error, f" ({error.hint})" if error.hint else "")
        self._notifier.ready()

    def _told_to_end(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        self.drain(self._settings.drain_seconds if self._signals == 1 else 0.0)

    def _told_to_read(self, number: int, frame: FrameType | None) -> None:
        self._reloading = True
        self._bell.ring()

    def _results(self) -> list[Path]:
        return [place for folder in self._settings.folders for place in (folder.place.output, folder.place.archive)]

    def _say_hello(self) -> None:
        settings = self._settings
        log.info("depthflowd %s, process %d, queue %s", __version__, os.getpid(), settings.store_file)
        for folder in settings.folders:
            log.info("watching %r -> %r", str(folder.input), str(folder.output), extra={"folder": folder.name})
        self._warn_of_read_only()

    def _warn_of_read_only(self) -> None:
        """Where systemd lets the daemon write is written in its unit, which does not follow the settings."""
        for folder in self._settings.folders:
            if is_read_only(folder.place.output):
                log.warning(
                    "folder %r: results cannot be written to %r: it is read-only here; if systemd runs this daemon for "
                    "the machine, write its unit anew: depthflow daemon install --system",
                    folder.name,
                    str(folder.place.output),
                    extra={"folder": folder.name},
                )


def _recover(store: Store) -> None:
    """Queue again what the last daemon left, and remove what it half made, but for finished pieces of long videos."""
    left = store.recover()
    for job in store.begun():
        for output in store.outputs(job.id):
            keep_pieces(Path(output.path))
    for job in left:
        for output in store.outputs(job.id):
            sweep(Path(output.path).parent, stale_seconds=0.0, spare=holds_pieces)


def _open(store: Store) -> int:
    counts = store.counts()
    return counts["queued"] + counts["waiting"] + counts["running"]


def _has_unix() -> bool:
    import socket

    return hasattr(socket, "AF_UNIX")


def store_for(folder: Path) -> Path:
    """Where the queue of one watched folder lies if nobody says it."""
    name = hashlib.sha256(str(folder.resolve()).encode(errors="surrogateescape")).hexdigest()[:16]
    return paths.state_dir() / f"watch-{name}.db"
