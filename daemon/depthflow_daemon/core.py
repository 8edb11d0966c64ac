"""What the API uses of the daemon: the parts, the limits, and where files may lie. It does no work itself."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from depthflow.errors import FFmpegError, UnknownNameError
from depthflow_daemon.examiner import Examiner
from depthflow_daemon.hub import Hub
from depthflow_daemon.pictures import Pictures
from depthflow_daemon.previews import Previews
from depthflow_daemon.store import Store
from depthflow_daemon.tally import Tally
from depthflow_daemon.uploads import Uploads

if TYPE_CHECKING:
    from depthflow_daemon.folders import FolderFacts
    from depthflow_daemon.waiting import Waiting


class Engine(Protocol):
    """What the API asks of the engine."""

    def wake(self) -> None:
        """There may be something to take."""

    def workers(self) -> Sequence[dict[str, Any]]:
        """Its processes: name, kind, pid, state, job, memory_bytes."""

    def facts(self) -> dict[str, Any]:
        """Whatever else is worth knowing; `restarts` counts workers that had to be replaced, `renderer`
        is what drew last."""


class NoEngine:
    """A daemon that makes nothing: for its contract, and for what is measured around it."""

    def wake(self) -> None:
        pass

    def workers(self) -> Sequence[dict[str, Any]]:
        return ()

    def facts(self) -> dict[str, Any]:
        return {}


class Folders(Protocol):
    """What the API asks of the watched folders; see `folders.Folders`."""

    def facts(self) -> Sequence[FolderFacts]:
        """All of them, in the order of the settings."""

    def name_of(self, source: str) -> str | None:
        """The folder that a photo lies in."""

    def waiting(self, name: str) -> Sequence[Waiting]:
        """Photos that are seen and not queued, by path, each with why. Raises UnknownNameError."""

    def pause(self, name: str, paused: bool = True) -> None:
        """Take no photos from it, or take them again. Raises UnknownNameError."""

    def rescan(self, name: str) -> None:
        """Look at all its files again. Raises UnknownNameError."""


class NoFolders:
    """A daemon that watches nothing."""

    def facts(self) -> Sequence[FolderFacts]:
        return ()

    def name_of(self, source: str) -> str | None:
        return None

    def waiting(self, name: str) -> Sequence[Waiting]:
        raise UnknownNameError("folder", name, [])

    def pause(self, name: str, paused: bool = True) -> None:
        raise UnknownNameError("folder", name, [])

    def rescan(self, name: str) -> None:
        raise UnknownNameError("folder", name, [])


@dataclass(frozen=True, slots=True)
class Places:
    """Where files lie.

    Attributes:
        work: the daemon's own folder, for uploads and what is made of them.
        roots: folders below which submitted paths must lie, photos and results alike; none allows uploads only.
    """

    work: Path
    roots: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted.

    Attributes:
        upload_bytes: of a whole request with files.
        body_bytes: of every other request.
        pixels: of a photo, before it is decoded.
        frames: of all outputs of a job together.
        requests_per_second: of one client, in the long run; twice as many at once.
        streams: of events, open at once.
        previews: at once.
        preview_idle_seconds: a preview that nobody looks at ends after this.
        preview_seconds: every preview ends after this.
    """

    upload_bytes: int = 1 << 30
    body_bytes: int = 1 << 20
    pixels: int = 250_000_000
    frames: int = 200_000
    requests_per_second: float = 500.0
    streams: int = 64
    previews: int = 2
    preview_idle_seconds: float = 60.0
    preview_seconds: float = 3600.0


@dataclass
class Core:
    """The daemon as the API sees it.

    Attributes:
        drain: begins the daemon's end: no job begins any more, and it ends when the running ones have.
        draining: whether the end has begun.
        started_at, started: when the daemon began, on the wall clock and on the monotonic one.
    """

    store: Store
    hub: Hub
    engine: Engine
    places: Places
    folders: Folders = field(default_factory=NoFolders)
    limits: Limits = field(default_factory=Limits)
    drain: Callable[[], None] = lambda: None
    draining: Callable[[], bool] = lambda: False
    started_at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.pictures = Pictures(self.places.work / "pictures")
        self.tally = Tally(self.store)
        self.hub.folder_of = self.folders.name_of
        self.uploads = Uploads(self.places.work)
        self.previews = Previews(self)
        self.examiner = Examiner()

    def encoders(self, *, try_them: bool) -> list[str]:
        """ffmpeg's names of what encodes here; of what nobody has tried yet nothing, unless it is to be tried."""
        from depthflow.video import probing

        with contextlib.suppress(FFmpegError):
            found = probing.working_encoders() if try_them else probing.remembered_encoders()
            return list(dict.fromkeys(info.name for info in found if info.works))
        return []

    def prune(self) -> int:
        """Remove uploads, and what was made of them, that no job knows any more; how many."""
        known: set[str] = set()
        for source, note in self.store.notes(str(self.uploads.place)):
            known |= {source, *json.loads(note).get("files", ())}
        return self.uploads.prune(known, self.store.outputs_below(str(self.uploads.results)))
