"""Where changes in folders are told from: one watchdog source for all folders. It decides nothing about them."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Literal, Protocol

Kind = Literal["file", "folder", "overflow"]
_NOWHERE = (-1, -1)
Tell = Callable[[Kind, str], None]


class FolderEvents(Protocol):
    """Tells of changes in the folders that it was asked to watch, from a thread of its own."""

    def watch(self, folder: str, *, top: bool) -> None:
        """Watch a folder; again and again is free. `top` marks the root of a tree.

        Raises:
            OSError: it is gone, or the system has no watches left (ENOSPC, EMFILE).
        """

    def close(self) -> None: ...


def folder_events(tell: Tell) -> FolderEvents:
    """The best source that this system has."""
    return InotifyEvents(tell) if sys.platform == "linux" else TreeEvents(tell)


class TreeEvents:
    """macOS and Windows watch whole trees by themselves: one watchdog observer, one watch a root."""

    def __init__(self, tell: Tell) -> None:
        from watchdog.events import FileSystemEvent, FileSystemEventHandler
        from watchdog.observers import Observer

        watches: dict[str, tuple[Any, tuple[int, int]]] = {}

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                path = os.fsdecode(event.dest_path or event.src_path)
                if event.event_type == "deleted" and path in watches:
                    # A folder that is made anew may have the old one's number.
                    watches[path] = (watches[path][0], _NOWHERE)
                if event.is_directory or event.event_type not in ("opened", "closed_no_write", "deleted"):
                    tell("folder" if event.is_directory else "file", path)

        self._handler = Handler()
        self._watches = watches
        self._observer = Observer()
        self._observer.start()

    def watch(self, folder: str, *, top: bool) -> None:
        if not top:
            return
        identity = _identity(folder)
        old = self._watches.get(folder)
        if old is not None and old[1] == identity:
            return
        if old is not None:
            with contextlib.suppress(KeyError, OSError):
                self._observer.unschedule(old[0])
        watch = self._observer.schedule(self._handler, folder, recursive=True)
        self._watches[folder] = (watch, identity)

    def close(self) -> None:
        self._observer.stop()
        self._observer.join()


class InotifyEvents:
    """Linux watches folder by folder: watchdog's inotify reader, with a watch on each folder that is wanted.

    watchdog's own observer watches whole trees, the folders that we ignore too, and is silent when watches run out.
    """

    def __init__(self, tell: Tell) -> None:
        from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyFD, Mask

        c = InotifyConstants
        self._mask = Mask(
            c.IN_CREATE | c.IN_CLOSE_WRITE | c.IN_MOVED_TO | c.IN_MOVED_FROM | c.IN_DONT_FOLLOW | c.IN_ONLYDIR
        )
        self._tell = tell
        self._guard = threading.Lock()
        self._paths: dict[Any, str] = {}
        self._watches: dict[str, tuple[Any, tuple[int, int]]] = {}
        self._id = CallbackId(id(self))
        self._reader = InotifyFD()
        self._reader.start()

    def watch(self, folder: str, *, top: bool) -> None:
        identity = _identity(folder)
        with self._guard:
            old = self._watches.get(folder)
        if old is not None:
            if old[1] == identity:
                return
            # Another folder has this name now: recreated, or something was mounted over it.
            self._drop([folder])
        with self._guard:
            wd = self._reader.add_callback(os.fsencode(folder), self._mask, self, self._id)
            self._paths[wd] = folder
            self._watches[folder] = (wd, identity)

    def close(self) -> None:
        self._reader.stop()
        self._reader.join()

    def _drop(self, folders: list[str]) -> None:
        with self._guard:
            # One that was deleted just now may have been dropped already, by the other thread.
            gone = [known[0] for folder in folders if (known := self._watches.pop(folder, None)) is not None]
            for wd in gone:
                self._paths.pop(wd, None)
        with contextlib.suppress(OSError):
            self._reader.remove_callbacks([(wd, self._id) for wd in gone])

    # -- called by watchdog's reader --------------------------------------------------------------------------------

    def on_event(self, event: Any) -> None:
        with self._guard:
            folder = self._paths.get(event.wd)
        if folder is None or not event.name:
            return
        path = os.path.join(folder, os.fsdecode(event.name))  # noqa: PTH118
        if event.is_directory and event.is_moved_from:
            # Its watches know the old name. Where it went, the event of its arrival tells.
            with self._guard:
                below = [known for known in self._watches if known == path or known.startswith(path + os.sep)]
            self._drop(below)
        elif not event.is_moved_from:
            self._tell("folder" if event.is_directory else "file", path)

    def on_watch_deleted(self, wd: int) -> None:
        with self._guard:
            folder = self._paths.pop(wd, None)
            if folder is not None and self._watches.get(folder, (None,))[0] == wd:
                del self._watches[folder]
        if folder is not None:
            self._tell("folder", folder)

    def on_queue_overflow(self) -> None:
        self._tell("overflow", "")


def _identity(folder: str) -> tuple[int, int]:
    found = os.stat(folder)  # noqa: PTH116
    return found.st_dev, found.st_ino
