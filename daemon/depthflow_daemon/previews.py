"""Live previews: a clip that goes round while its parameters change, each drawn by a process of its own.

A reader gets the newest frame each time, however slow it is. A preview ends when it is told to, when nobody has looked
at it for a while, and after an hour in any case; its process stays for the next one, and ends a little later.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from depthflow.client.frames import HEADER, MAGIC, PROBLEM, packet
from depthflow.client.models import Preview, PreviewChange, PreviewRequest, Submit
from depthflow.errors import SystemError_
from depthflow_daemon.submission import prepared_spec
from depthflow_daemon.uploads import Upload

if TYPE_CHECKING:
    from depthflow_daemon.core import Core

log = logging.getLogger(__name__)

_COMMAND = [sys.executable, "-P", "-m", "depthflow_daemon.preview_worker"]
_LOOK_SECONDS = 1.0
_END_SECONDS = 2.0


class TooManyError(SystemError_):
    """As many previews run as may."""


class Previews:
    """Safe to use from any thread."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._guard = threading.Lock()
        self._running: dict[str, Running] = {}
        self._spare: tuple[_Process, float] | None = None
        self._keeper: threading.Thread | None = None
        self._closed = False

    def start(self, asked: PreviewRequest, uploads: Mapping[str, Upload]) -> Running:
        """A preview.

        Raises:
            UsageError, InputError: as for a job. TooManyError: others must end first.
        """
        with self._guard:
            self._check_room()
        wanted = Submit(spec=asked.spec, photo=asked.photo, preset=asked.preset)
        spec = prepared_spec(self._core, wanted, uploads)
        with self._guard:
            self._check_room()
            process, self._spare = self._spare[0] if self._spare else _Process(), None
            running = Running(process, wanted, uploads, spec, asked)
            self._running[running.id] = running
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="previews", daemon=True)
                self._keeper.start()
        running.show()
        return running

    def get(self, name: str) -> Running | None:
        with self._guard:
            return self._running.get(name)

    def change(self, running: Running, asked: PreviewChange) -> None:
        """Raises UsageError, InputError: as for a job; what is shown stays."""
        with running.changing:
            wanted, spec = running.wanted, running.spec
            if asked.spec is not None or asked.preset is not None:
                wanted = _changed(wanted, asked)
                spec = prepared_spec(self._core, wanted, running.uploads)
            running.wanted, running.spec = wanted, spec
            running.width, running.height = asked.width or running.width, asked.height or running.height
            running.rate, running.shown = asked.rate or running.rate, asked.show or running.shown
            running.stand(asked.at, asked.paused)
            running.show()

    def end(self, running: Running) -> None:
        """Its process stays for the next preview, if it still lives."""
        with self._guard:
            if self._running.pop(running.id, None) is None:
                return
            running.over()
            if self._spare is None and running.process.alive and not self._closed:
                self._spare = running.process, time.monotonic()
                return
        running.process.end()

    def view(self, running: Running) -> Preview:
        limits = self._core.limits
        left = limits.preview_seconds - (time.monotonic() - running.started)
        return Preview(
            id=running.id,
            width=running.width,
            height=running.height,
            rate=running.rate,
            show=running.shown,
            revision=running.revision,
            spec=running.spec,
            expires_seconds=max(0.0, min(left, limits.preview_idle_seconds)),
        )

    def close(self) -> None:
        """End all."""
        with self._guard:
            self._closed = True
            running, spare = list(self._running.values()), self._spare
            self._spare = None
        for each in running:
            self.end(each)
        if spare is not None:
            spare[0].end()

    def _check_room(self) -> None:
        if self._closed or len(self._running) >= self._core.limits.previews:
            raise TooManyError(f"{len(self._running)} previews run already", "end one, or wait until it has")

    def _keep(self) -> None:
        """Ends what has run too long, or unseen, until nothing is left."""
        limits = self._core.limits
        while True:
            time.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            with self._guard:
                over = [
                    each
                    for each in self._running.values()
                    if (not each.viewers and now - each.seen > limits.preview_idle_seconds)
                    or now - each.started > limits.preview_seconds
                    or not each.process.alive
                ]
                old = None
                if (spare := self._spare) and (now - spare[1] > limits.preview_idle_seconds or not spare[0].alive):
                    old, self._spare = spare[0], None
                done = not self._running and self._spare is None
                if done:
                    self._keeper = None
            # Not within the lock, for which the API's loop waits: a process may take seconds to end.
            for each in over:
                self.end(each)
            if old is not None:
                old.end()
            if done:
                return


def _changed(wanted: Submit, asked: PreviewChange) -> Submit:
    """What is wanted now: the same with other keys, or another preset with the same photo."""
    parts = dict(asked.spec or {})
    if asked.preset is not None:
        photo = wanted.spec.get("photo")
        kept = {} if photo is None else {"photo": photo}
        return wanted.model_copy(update={"preset": asked.preset, "spec": {**kept, **parts}})
    return wanted.model_copy(update={"spec": _laid(wanted.spec, parts)})


def _laid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, key by key as deep as both have tables; None takes a key out."""
    made = dict(below)
    for key, value in above.items():
        old = made.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            made[key] = _laid(old, value)
        elif key == "outputs" and isinstance(value, list) and isinstance(old, list) and len(value) == len(old) == 1:
            made[key] = [_laid(old[0], value[0])] if isinstance(value[0], dict) and isinstance(old[0], dict) else value
        elif value is None:
            made.pop(key, None)
        else:
            made[key] = value
    return made


class Running:
    """One preview and whoever looks at it."""

    def __init__(
        self,
        process: _Process,
        wanted: Submit,
        uploads: Mapping[str, Upload],
        spec: dict[str, Any],
        asked: PreviewRequest,
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.process, self.wanted, self.uploads, self.spec = process, wanted, dict(uploads), spec
        self.width, self.height, self.rate, self.shown = asked.width, asked.height, asked.rate, asked.show
        self.paused = False
        self._at: float | None = None
        self.revision, self.viewers = process.revision, 0
        self.started = self.seen = time.monotonic()
        self.changing = threading.Lock()
        self._first = process.revision + 1
        self._over = False

    def stand(self, at: float | None, paused: bool | None) -> None:
        """Be at that part of the clip, and stand still or go on; None leaves it as it is."""
        self.paused = paused if paused is not None else self.paused or at is not None
        self._at = self._at if at is None else at

    def show(self) -> None:
        """Have what is wanted now drawn."""
        self.revision = self.process.show(
            spec=self.spec,
            width=self.width,
            height=self.height,
            rate=self.rate,
            depth=self.shown == "depth",
            paused=self.paused,
            at=self._at,
        )
        if not self.paused:
            self._at = None

    def over(self) -> None:
        self._over = True
        self.process.run(False)
        self.process.wake()

    async def packets(self) -> AsyncGenerator[bytes]:
        """The newest packet again and again, each once, until the preview ends."""
        loop, awake = asyncio.get_running_loop(), asyncio.Event()
        self.process.listen(awake, loop)
        self.viewers += 1
        self.process.run(True)
        last = 0
        try:
            while not self._over:
                awake.clear()
                newest = self.process.newest
                if newest is not None and newest.count > last and newest.revision >= self._first:
                    last = newest.count
                    yield newest.data
                elif not self.process.alive:
                    text = {"detail": "the preview's process has ended", "hint": "begin another preview"}
                    yield packet(PROBLEM, json.dumps(text).encode(), revision=self.revision)
                    return
                else:
                    await awake.wait()
        finally:
            self.viewers -= 1
            self.seen = time.monotonic()
            self.process.unlisten(awake)
            if not self.viewers and not self._over:
                self.process.run(False)


@dataclass(frozen=True, slots=True)
class _Newest:
    """A packet, the revision that it shows, and how many came before it."""

    data: bytes
    revision: int
    count: int


class _Process:
    """One worker, and the thread that reads from it."""

    def __init__(self) -> None:
        self.newest: _Newest | None = None
        self.revision = 0
        self._guard = threading.Lock()
        self._listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        # Its standard error is ours: what a library says there is in the daemon's log.
        self._process = subprocess.Popen(
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=sys.platform != "win32"
        )
        threading.Thread(target=self._read, name="preview", daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def show(self, **order: Any) -> int:
        """Draw this from now on; the revision that frames of it carry."""
        with self._guard:
            self.revision += 1
            self._tell({"show": {**order, "revision": self.revision}})
            return self.revision

    def run(self, running: bool) -> None:
        """Whether anybody looks."""
        with self._guard:
            self._tell({"run": running})

    def _tell(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101
        # One that has ended is found out by whoever reads.
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def listen(self, event: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
        with self._guard:
            self._listeners[event] = loop

    def unlisten(self, event: asyncio.Event) -> None:
        with self._guard:
            self._listeners.pop(event, None)

    def wake(self) -> None:
        with self._guard:
            for event, loop in list(self._listeners.items()):
                with contextlib.suppress(RuntimeError):  # its loop is closed
                    loop.call_soon_threadsafe(event.set)

    def end(self) -> None:
        """By closing its input, else by force."""
        assert self._process.stdin is not None  # noqa: S101
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        out = self._process.stdout
        assert out is not None  # noqa: S101
        count = 0
        while len(head := out.read(HEADER.size)) == HEADER.size:
            magic, _, _, _, revision, _, length = HEADER.unpack(head)
            body = out.read(length)
            if magic != MAGIC or len(body) < length:
                break
            count += 1
            self.newest = _Newest(head + body, revision, count)
            self.wake()
        self._process.wait()
        self.wake()
