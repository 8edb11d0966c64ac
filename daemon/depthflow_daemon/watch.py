"""Tells of every file that appears or changes below some folders; it knows no photos, nor when a file is whole.

Events are hints, and the scan is the truth: every folder is scanned at the start, at intervals, and whenever the system
says that events were lost. Where there can be no events (network mounts, no watches left), scans come more often.
"""

from __future__ import annotations

import errno
import logging
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from depthflow.errors import UsageError
from depthflow_daemon.events import FolderEvents, Tell, folder_events
from depthflow_daemon.mounts import is_remote

log = logging.getLogger(__name__)

RULES_FILE = ".depthflow.toml"
RESCAN_SECONDS = 300.0
POLL_SECONDS = 5.0

_IGNORED = re.compile(
    r"\..*|~.*|.*~|.*\.(part|partial|filepart|crdownload|download|tmp|temp|swp)|@eadir|#recycle|\$recycle\.bin|"
    r"lost\+found|system volume information|thumbs\.db|desktop\.ini",
    re.IGNORECASE | re.DOTALL,
)
_NO_WATCHES = (errno.ENOSPC, errno.EMFILE, errno.ENFILE)


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is none of ours: hidden, half-written, or some system's own."""
    return name != RULES_FILE and _IGNORED.fullmatch(name) is not None


@dataclass(slots=True)
class _Root:
    """One watched folder; `known` has size, time and inode of every file that was told of."""

    path: str
    polling: bool = False
    due: float = 0.0
    missing: bool = False
    known: dict[str, tuple[int, int, int]] = field(default_factory=dict)


class Watcher:
    """Watches folders with everything below them, in a thread of its own.

    Links to folders are not followed, and links to files only if they stay within their root. A root that is not
    there is waited for.

    Args:
        roots: folders, none within another.
        seen: called with the path of each file that appeared or changed, at least once; from the watcher's thread.
        exclude: folders that are passed over: where our own results go.
        rescan_seconds: between full scans where events are had; poll_seconds: where they are not.
        remote: whether a folder's files may change without events.
        events: what makes the source of events; None from it means that there are none.

    Raises:
        UsageError: a root lies within another.
    """

    def __init__(
        self,
        roots: Iterable[Path],
        seen: Callable[[Path], None],
        *,
        exclude: Iterable[Path] = (),
        rescan_seconds: float = RESCAN_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        remote: Callable[[Path], bool] = is_remote,
        events: Callable[[Tell], FolderEvents] = folder_events,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Links on the way to a root are followed here, once; below a root none to a folder is.
        places = [root.resolve() for root in roots]
        for place in places:
            for other in places:
                if place is not other and place.is_relative_to(other):
                    raise UsageError(f"{place}: lies within {other}, which is watched already", "leave one of them out")
        self._roots = [_Root(str(place)) for place in places]
        self._seen, self._remote, self._clock = seen, remote, clock
        self._exclude = {str(folder.resolve()) for folder in exclude}
        self._rescan_seconds, self._poll_seconds = rescan_seconds, poll_seconds
        self._told: set[str] = set()
        self._inbox: queue.SimpleQueue[tuple[str, str] | threading.Event] = queue.SimpleQueue()
        self._events: FolderEvents | None = None
        self._make_events = events
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._stopping = False

    # -- for others ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with a full scan."""
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._inbox.put(("stop", ""))
        self._thread.join()

    def __enter__(self) -> Watcher:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def rescan(self, folder: Path | None = None) -> None:
        """Tell of every file in a folder again, changed or not; of all files if None."""
        self._inbox.put(("again", "" if folder is None else str(folder.resolve())))

    def sync(self, timeout: float) -> bool:
        """Wait until all that was told so far, and the scans due, have been dealt with; False if that takes longer."""
        done = threading.Event()
        self._inbox.put(done)
        return done.wait(timeout)

    @property
    def polling(self) -> list[Path]:
        """The roots that are watched by scans alone."""
        return [Path(root.path) for root in self._roots if root.polling]

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._events = self._make_events(lambda kind, path: self._inbox.put((kind, path)))
        except OSError as error:
            self._fall_back(self._roots, error)
        try:
            while not self._stopping:
                self._scan_due()
                self._next_message()
        finally:
            if self._events is not None:
                self._events.close()

    def _next_message(self) -> None:
        wait = min((root.due for root in self._roots), default=self._clock() + 60) - self._clock()
        try:
            message = self._inbox.get(timeout=max(0.0, wait))
        except queue.Empty:
            return
        if isinstance(message, threading.Event):
            message.set()
            return
        try:
            self._handle(*message)
        except Exception:
            # A watcher that has died silently is the worst that can happen here.
            log.exception("watching %r failed; the next scan tries again", message[1])

    def _handle(self, kind: str, path: str) -> None:
        if kind in ("overflow", "again"):
            if kind == "again":
                self._forget_below(path)
            for root in self._roots:
                if not path or path == root.path:
                    root.due = 0.0
                elif _within(path, root.path):
                    self._scan(root, path, {})
            return
        for root in self._roots:
            if not _within(path, root.path) or self._hidden(root, path):
                continue
            if path == root.path:
                root.due = min(root.due, self._clock() + self._poll_seconds)
            elif kind == "folder":
                self._scan(root, path, {})
            elif kind == "file":
                self._file(root, path, {})

    def _forget_below(self, path: str) -> None:
        for root in self._roots:
            root.known = {file: known for file, known in root.known.items() if path and not _within(file, path)}

    # -- scans -----------------------------------------------------------------------------------------------------

    def _scan_due(self) -> None:
        for root in self._roots:
            if root.due > self._clock() or self._stopping:
                continue
            self._check_root(root)
            found: dict[str, tuple[int, int, int]] = {}
            try:
                self._scan(root, root.path, found)
            except Exception:
                log.exception("scanning %r failed; the next scan tries again", root.path)
            # What is gone is forgotten, so that memory does not grow with every file there ever was.
            root.known = found
            soon = root.polling or root.missing
            root.due = self._clock() + (self._poll_seconds if soon else self._rescan_seconds)

    def _check_root(self, root: _Root) -> None:
        missing = not os.path.isdir(root.path)  # noqa: PTH112
        if missing != root.missing:
            log.warning("%r is not there; waiting for it" if missing else "%r is back", root.path)
        root.missing = missing
        if not root.polling and not missing and self._remote(Path(root.path)):
            root.polling = True
            self._tell_once(f"{root.path!r} lies on a network or shared mount: scanned every {self._poll_seconds:g} s")

    def _scan(self, root: _Root, folder: str, found: dict[str, tuple[int, int, int]]) -> None:
        """Tell of what changed below a folder; `found` gets every file there is."""
        todo = [folder]
        while todo and not self._stopping:
            here = todo.pop()
            # Watched before it is listed: what comes in between is told twice, and not never.
            self._cover(root, here)
            try:
                with os.scandir(here) as entries:
                    for entry in entries:
                        if self._passed_over(root, entry):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            todo.append(entry.path)
                        else:
                            self._file(root, entry.path, found)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                self._tell_once(f"{here!r} cannot be read ({error.strerror}), and is passed over")

    def _passed_over(self, root: _Root, entry: os.DirEntry[str]) -> bool:
        if is_ignored(entry.name) or entry.path in self._exclude:
            return True
        return entry.is_symlink() and not self._leads_inside(root, entry.path)

    def _leads_inside(self, root: _Root, link: str) -> bool:
        """The link's end is a file in the root."""
        target = os.path.realpath(link)
        return _within(target, root.path) and os.path.isfile(target)  # noqa: PTH113

    def _file(self, root: _Root, path: str, found: dict[str, tuple[int, int, int]]) -> None:
        try:
            path.encode()
        except UnicodeEncodeError:
            self._tell_once(f"{path!r}: the name is not UTF-8, and is passed over; rename it")
            return
        try:
            status = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError):
            return
        if os.path.islink(path) and not self._leads_inside(root, path):  # noqa: PTH114
            return
        now = (status.st_size, status.st_mtime_ns, status.st_ino)
        changed = root.known.get(path) != now
        found[path] = root.known[path] = now
        if not changed:
            return
        try:
            self._seen(Path(path))
        except Exception:
            # It is told again by the next scan, and the other files are told of now.
            log.exception("%r was not taken", path)
            del found[path]
            root.known.pop(path, None)

    def _hidden(self, root: _Root, path: str) -> bool:
        """The path, or a folder on the way to it, is ignored."""
        below = Path(path).relative_to(root.path)
        ways = [below, *below.parents][:-1]
        return any(is_ignored(way.name) or str(root.path / way) in self._exclude for way in ways)

    # -- events ----------------------------------------------------------------------------------------------------

    def _cover(self, root: _Root, folder: str) -> None:
        if root.polling or root.missing or self._events is None:
            return
        try:
            self._events.watch(folder, top=folder == root.path)
        except OSError as error:
            if error.errno in _NO_WATCHES:
                self._fall_back([root], error)

    def _fall_back(self, roots: list[_Root], error: OSError) -> None:
        for root in roots:
            root.polling = True
            root.due = min(root.due, self._clock() + self._poll_seconds)
        self._tell_once(
            f"the system gives no more watches ({error.strerror}): scanning every {self._poll_seconds:g} s instead; "
            "raise fs.inotify.max_user_watches"
        )

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            log.warning("%s", text)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder if folder.endswith(os.sep) else folder + os.sep)
