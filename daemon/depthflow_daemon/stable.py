"""Decides when a photo has been written whole. It watches no folder and queues no job.

Stable is a photo whose size, time and companions (sidecar files) have not changed for some seconds, and which decodes
to its end. That covers, each with a test: slow writers, writers with pauses, copies that were cut off and go on later,
files that are replaced or deleted while they are waited for, space reserved before it is written, photos that never
become photos, photos that cannot be read for a while.
"""

from __future__ import annotations

import hashlib
import heapq
import stat
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

from depthflow.errors import PhotoError
from depthflow_daemon.regular import read_regular

_SHORTEST = 0.5
"""Seconds between two looks at a file that is not ready."""
_STRETCH = 5.0
"""Seconds that a round of looks may take, but for its last one, so that nothing else waits for many large photos."""
_LONGEST = 300.0
"""The same for one that cannot be read, for however long."""


@dataclass(frozen=True, slots=True)
class Settle:
    """What has to be true of a photo before it is taken.

    Attributes:
        mode: quiet: unchanged for `seconds`. rename: its writer gives it this name when it is whole, so one look is
            enough. sentinel: another file beside it says so.
        seconds: without any change, from 0.
        patience: seconds from the last change after which a photo that still does not decode is given up.
        sentinel: what the other file's name has behind the photo's: photo.jpg.done.
    """

    mode: Literal["quiet", "rename", "sentinel"] = "quiet"
    seconds: float = 5.0
    patience: float = 60.0
    sentinel: str = ".done"


@dataclass(frozen=True, slots=True)
class Stable:
    """A photo that is whole; `content` is its bytes' SHA-256 in hex, taken from what was decoded."""

    path: Path
    signature: str
    content: str


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A file that did not become a photo within the patience.

    Attributes:
        passing: it could not even be read (permission, share gone, disk failing), which says nothing about the photo:
            it is still waited for, and this is said once.
    """

    path: Path
    signature: str
    reason: str
    passing: bool = False


class UnreadableError(PhotoError):
    """The bytes cannot be had, so that nothing is known about the photo."""


@dataclass(slots=True)
class _Wait:
    settle: Settle
    signature: str
    since: float
    turn: int
    looks: int = 0
    out: bool = False
    again: bool = False
    told: bool = False
    changed: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Waited:
    """How it stands with a file that is waited for.

    Attributes:
        seconds: since its last change, or since it was seen.
        changed: it changed while it was waited for.
        looks: how often it could not be read or decoded since, and why at last.
        out: it was given out, and is being dealt with.
    """

    path: Path
    settle: Settle
    seconds: float
    changed: bool
    looks: int
    reason: str
    out: bool


def signature_of(path: Path, companions: Iterable[Path] = ()) -> str | None:
    """Changes when the photo or a companion does; None if the photo is no regular file or not there."""
    parts = []
    for file in (path, *companions):
        try:
            found = file.stat()
        except (OSError, ValueError):
            found = None
        if found is None or not stat.S_ISREG(found.st_mode):
            if file is path:
                return None
            parts.append("-")
        else:
            parts.append(f"{found.st_size}:{found.st_mtime_ns}:{found.st_ino}")
    return " ".join(parts)


def check_photo(path: Path, *, was_read: Callable[[], object] = lambda: None) -> str:
    """Read and decode a photo to its end; the SHA-256 of its bytes.

    Args:
        was_read: called between the two.

    Raises:
        UnreadableError: the system does not let it be read, now at least.
        PhotoError: it is cut short, damaged, too large, or no photo.
    """
    from depthflow.images import Limits, load_photo
    from depthflow.settings import load_settings

    most = load_settings().settings.limits
    limits = Limits(max_bytes=most.max_photo_bytes, max_pixels=most.max_photo_pixels)
    try:
        data = read_regular(path, limits.max_bytes + 1)
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}") from error
    was_read()
    load_photo(data, limits=limits)
    return hashlib.sha256(data).hexdigest()


class StabilityTracker:
    """Waits for any number of files at once. Safe to use from any thread; `poll` from one.

    A file is in it once, from `offer` until it is gone, or until `finish` after `poll` gave it out.

    Args:
        check: raises PhotoError while a file is no whole photo, returns its content's digest otherwise.
        companions: the files whose changes count as the photo's.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        check: Callable[[Path], str] = check_photo,
        companions: Callable[[Path], Iterable[Path]] = lambda _: (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check, self._companions, self._clock = check, companions, clock
        self._guard = threading.Lock()
        self._waits: dict[Path, _Wait] = {}
        self._heap: list[tuple[float, int, Path]] = []
        self._turns = count()

    def __len__(self) -> int:
        """How many are waited for, but for those that could not be read and were told of."""
        with self._guard:
            return sum(not wait.told for wait in self._waits.values())

    def waiting(self) -> list[Waited]:
        """All files that are waited for."""
        now = self._clock()
        with self._guard:
            return [
                Waited(path, wait.settle, now - wait.since, wait.changed, wait.looks, wait.reason, wait.out)
                for path, wait in self._waits.items()
            ]

    def signature(self, path: Path) -> str | None:
        """As `poll` will give it for the file as it is now."""
        return signature_of(path, self._companions(path))

    def offer(self, path: Path, settle: Settle | None = None) -> None:
        """A file was seen, or seen to change; what is in here already is only remembered to be looked at again."""
        signature = self.signature(path)
        settle = settle or Settle()
        with self._guard:
            wait = self._waits.get(path)
            if wait is not None:
                wait.settle = settle
                wait.again = True
            elif signature is not None:
                now = self._clock()
                self._waits[path] = wait = _Wait(settle, signature, now, 0)
                self._push(path, wait, now + (settle.seconds if settle.mode == "quiet" else 0.0))

    def finish(self, path: Path) -> None:
        """What `poll` gave out has been dealt with; if it was offered again meanwhile, it is waited for again."""
        with self._guard:
            wait = self._waits.pop(path, None)
        if wait is not None and wait.again:
            self.offer(path, wait.settle)

    def seconds_to_next(self) -> float | None:
        """Until `poll` has something to look at; None if nothing is waited for."""
        with self._guard:
            self._clean()
            return max(0.0, self._heap[0][0] - self._clock()) if self._heap else None

    def poll(self, limit: int | None = None) -> list[Stable | Spoilt]:
        """Look at the files whose time has come.

        Args:
            limit: at most so many results, and no look that would begin after some seconds; the others come next time.
        """
        now = self._clock()
        results: list[Stable | Spoilt] = []
        while limit is None or (len(results) < limit and self._clock() < now + _STRETCH):
            with self._guard:
                self._clean()
                if not self._heap or self._heap[0][0] > now:
                    break
                path = heapq.heappop(self._heap)[2]
                wait = self._waits[path]
                # What is offered from here on may be of a change that the look does not see.
                wait.again = False
            found = self._look(path, wait)
            if found is not None:
                wait.out = isinstance(found, Stable) or not found.passing
                results.append(found)
        return results

    def _look(self, path: Path, wait: _Wait) -> Stable | Spoilt | None:
        """One file's result, or None after it has been put back or dropped."""
        settle, now = wait.settle, self._clock()
        signature = self.signature(path)
        if signature is None:
            with self._guard:
                del self._waits[path]
            return None
        if signature != wait.signature:
            wait.signature, wait.since, wait.looks, wait.told = signature, now, 0, False
            wait.changed, wait.reason = True, ""
            if settle.mode == "quiet":
                self._later(path, wait, now + max(settle.seconds, _SHORTEST))
                return None
        if settle.mode == "sentinel" and not path.with_name(path.name + settle.sentinel).exists():
            self._later(path, wait, now + max(settle.seconds, _SHORTEST))
            return None
        try:
            content = self._check(path)
        except UnreadableError as error:
            return self._out_of_reach(path, wait, str(error))
        except PhotoError as error:
            return self._not_yet(path, wait, str(error))
        if self.signature(path) != signature:
            # It changed under the eyes of the check; the next look sees what it is now.
            self._later(path, wait, now + max(settle.seconds, _SHORTEST))
            return None
        return Stable(path, signature, content)

    def _not_yet(self, path: Path, wait: _Wait, reason: str) -> Spoilt | None:
        now, end = self._clock(), wait.since + wait.settle.patience
        if now >= end:
            return Spoilt(path, wait.signature, reason)
        wait.reason = reason
        self._later(path, wait, min(now + self._step(wait), end))
        return None

    def _out_of_reach(self, path: Path, wait: _Wait, reason: str) -> Spoilt | None:
        now, wait.reason = self._clock(), reason
        self._later(path, wait, now + min(self._step(wait), _LONGEST))
        if wait.told or now < wait.since + wait.settle.patience:
            return None
        wait.told = True
        return Spoilt(path, wait.signature, reason, passing=True)

    def _step(self, wait: _Wait) -> float:
        """Each look reads the whole file, so they come farther and farther apart."""
        wait.looks += 1
        return max(wait.settle.seconds, _SHORTEST) * 2.0 ** min(wait.looks - 1, 10)

    def _later(self, path: Path, wait: _Wait, due: float) -> None:
        with self._guard:
            if self._waits.get(path) is wait:
                self._push(path, wait, due)

    def _push(self, path: Path, wait: _Wait, due: float) -> None:
        wait.turn = next(self._turns)
        heapq.heappush(self._heap, (due, wait.turn, path))

    def _clean(self) -> None:
        """Drop heap entries of files that are gone or have a newer entry."""
        while self._heap:
            _, turn, path = self._heap[0]
            wait = self._waits.get(path)
            if wait is not None and wait.turn == turn and not wait.out:
                return
            heapq.heappop(self._heap)
