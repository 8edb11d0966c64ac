"""The watched folders by their names: paused, resumed, looked through, and changed while the daemon runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from depthflow.errors import UnknownNameError
from depthflow_daemon.config import FolderSettings
from depthflow_daemon.examiner import Examiner
from depthflow_daemon.intake import Intake
from depthflow_daemon.records import Job
from depthflow_daemon.rules import WatchFolder
from depthflow_daemon.store import Store
from depthflow_daemon.waiting import Waiting, paused
from depthflow_daemon.watch import Watcher


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """A watched folder as it is now.

    Attributes:
        name, place: from the settings.
        paused: photos are seen and not taken.
        pending: photos that are not whole yet, or wait for the folder to be resumed.
        there: the folder can be found.
        polling: it is looked through at intervals, because the system tells nothing of it.
    """

    name: str
    place: WatchFolder
    paused: bool
    pending: int
    there: bool
    polling: bool


@dataclass(slots=True)
class _Watched:
    settings: FolderSettings
    place: WatchFolder
    intake: Intake
    root: Path
    paused: bool = False


class Folders:
    """Watches folders and queues what is dropped into them. Safe to use from any thread; `step` and `load` from one.

    Args:
        store: the queue; it also remembers which folders were paused by hand.
        changed: told when `step` should be called soon.
    """

    def __init__(self, store: Store, *, changed: Callable[[], None] = lambda: None) -> None:
        self._store, self._changed = store, changed
        self._all: tuple[_Watched, ...] = ()
        self._watcher: Watcher | None = None
        self._examiner = Examiner()

    def load(self, folders: Iterable[FolderSettings]) -> None:
        """Watch these, and no others, from now on; what is unchanged goes on as it was.

        Raises:
            UsageError: one lies within another, or results would lie among the photos.
        """
        before = {watched.settings.name: watched for watched in self._all}
        after = tuple(self._kept(before.get(folder.name), folder) for folder in folders)
        by_hand = self._store.paused_folders()
        for watched in after:
            watched.paused = watched.settings.paused or watched.settings.name in by_hand
        places = [place for watched in after for place in (watched.place.output, watched.place.archive)]
        watcher = Watcher([watched.place.root for watched in after], self._seen, exclude=places)
        self.close()
        self._all, self._watcher = after, watcher
        watcher.start()

    def close(self) -> None:
        """Watch nothing any more."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()
        self._examiner.close()

    def _kept(self, old: _Watched | None, settings: FolderSettings) -> _Watched:
        if old is not None and old.settings.model_copy(update={"paused": settings.paused}) == settings:
            return _Watched(settings, old.place, old.intake, old.root)
        place = settings.place
        intake = Intake([place], self._store, changed=self._changed, rescan=self._rescan, check=self._examiner.check)
        return _Watched(settings, place, intake, place.root.resolve())

    # -- photos and jobs -------------------------------------------------------------------------------------------

    def step(self) -> float | None:
        """Queue what is whole now; seconds until the next may be, None if none is waited for."""
        if len(self):
            self._examiner.warm()
        waits = [watched.intake.step() for watched in self._all if not watched.paused]
        return min((wait for wait in waits if wait is not None), default=None)

    def ended(self, job: Job) -> None:
        """A job has come to an end, or waits for its next try; those of no watched folder are passed over."""
        watched = self._of(job.source)
        if watched is not None:
            watched.intake.ended(job)

    def sync(self, timeout: float) -> bool:
        """Wait until the scans due have been made; False if that takes longer."""
        return self._watcher is None or self._watcher.sync(timeout)

    def __len__(self) -> int:
        """Photos that are being waited for in folders that are not paused."""
        return sum(len(watched.intake) for watched in self._all if not watched.paused)

    # -- what people ask for ---------------------------------------------------------------------------------------

    def facts(self) -> list[FolderFacts]:
        """All of them, in the order of the settings."""
        polling = set() if self._watcher is None else set(self._watcher.polling)
        return [
            FolderFacts(
                watched.settings.name,
                watched.place,
                watched.paused,
                len(watched.intake),
                watched.root.is_dir(),
                watched.root in polling,
            )
            for watched in self._all
        ]

    def name_of(self, source: str) -> str | None:
        """The folder that a photo lies in."""
        watched = self._of(source)
        return None if watched is None else watched.settings.name

    def waiting(self, name: str) -> list[Waiting]:
        """Photos of a folder that are seen and not queued, by path, each with why.

        Raises:
            UnknownNameError: no folder has that name.
        """
        watched = self._named(name)
        found = sorted(watched.intake.waiting(), key=lambda each: each.path)
        return [paused(each) for each in found] if watched.paused else found

    def pause(self, name: str, paused: bool = True) -> None:
        """Take no more photos from a folder, or take them again; it outlasts the daemon. Queued jobs are made.

        Raises:
            UnknownNameError: no folder has that name.
        """
        watched = self._named(name)
        self._store.pause_folder(name, paused)
        watched.paused = paused
        self._changed()

    def rescan(self, name: str) -> None:
        """Look at every file of a folder again.

        Raises:
            UnknownNameError: no folder has that name.
        """
        self._rescan(self._named(name).root)

    # -- pieces ----------------------------------------------------------------------------------------------------

    def _seen(self, file: Path) -> None:
        watched = self._of(str(file))
        if watched is not None:
            watched.intake.seen(file)

    def _rescan(self, folder: Path) -> None:
        if self._watcher is not None:
            self._watcher.rescan(folder)

    def _of(self, source: str) -> _Watched | None:
        path = Path(source)
        return next((watched for watched in self._all if path.is_relative_to(watched.root)), None)

    def _named(self, name: str) -> _Watched:
        for watched in self._all:
            if watched.settings.name == name:
                return watched
        raise UnknownNameError("folder", name, [watched.settings.name for watched in self._all])
