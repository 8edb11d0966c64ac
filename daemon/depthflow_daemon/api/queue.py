"""The queue as a whole, and the watched folders."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response

from depthflow.client.models import Folder, FolderLine, Waiting, WaitingPhotos
from depthflow.errors import UnknownNameError
from depthflow_daemon import views
from depthflow_daemon.api.parts import CoreHere, Name
from depthflow_daemon.api.problems import RefusedError
from depthflow_daemon.core import Core

router = APIRouter()


@router.post("/queue/pause", status_code=204, tags=["queue"])
def pause_queue(core: CoreHere) -> Response:
    """Let no job begin; what runs goes on. It outlasts the daemon."""
    return _paused(core, True)


@router.post("/queue/resume", status_code=204, tags=["queue"])
def resume_queue(core: CoreHere) -> Response:
    """Let jobs begin again."""
    return _paused(core, False)


@router.get("/folders", tags=["folders"])
def list_folders(core: CoreHere) -> list[Folder]:
    """The watched folders, in the order of the settings."""
    return _folders(core)


@router.get("/folders/{name}/waiting", tags=["folders"])
def list_waiting(core: CoreHere, name: Name, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> WaitingPhotos:
    """Photos that were seen and are not queued yet, by path, each with why."""
    root, now = _root(core, name), time.time()
    found = core.folders.waiting(name)
    items = [
        Waiting(path=_within(str(each.path), root), since=views.when(now - each.seconds), kind=each.kind, why=each.why)
        for each in found[:limit]
    ]
    return WaitingPhotos(items=items, total=len(found))


@router.get("/folders/{name}/log", tags=["folders"])
def show_folder_log(core: CoreHere, name: Name, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[FolderLine]:
    """What happened last in a folder and to its jobs, newest first, among the last 20,000 lines of the log."""
    root = _root(core, name)
    return [
        FolderLine(**views.line(line).model_dump(), source=_within(source, root) if source else "")
        for line, source in core.store.folder_events(str(root), name, limit=limit)
    ]


@router.post("/folders/{name}/pause", tags=["folders"])
def pause_folder(core: CoreHere, name: Name) -> Folder:
    """Take no more photos from a folder; jobs that are queued are made."""
    return _changed(core, name, True)


@router.post("/folders/{name}/resume", tags=["folders"])
def resume_folder(core: CoreHere, name: Name) -> Folder:
    """Take photos from a folder again."""
    return _changed(core, name, False)


@router.post("/folders/{name}/rescan", tags=["folders"])
def rescan_folder(core: CoreHere, name: Name) -> Folder:
    """Look at every file of a folder again."""
    return _changed(core, name, None)


def _paused(core: Core, paused: bool) -> Response:
    core.store.pause(paused)
    core.hub.changed()
    core.engine.wake()
    return Response(status_code=204)


def _changed(core: Core, name: str, paused: bool | None) -> Folder:
    try:
        if paused is None:
            core.folders.rescan(name)
        else:
            core.folders.pause(name, paused)
    except UnknownNameError as error:
        raise RefusedError(404, str(error), error.hint) from None
    return next(folder for folder in _folders(core) if folder.name == name)


def _root(core: Core, name: str) -> Path:
    known = {facts.name: facts.place.root.resolve() for facts in core.folders.facts()}
    if name not in known:
        error = UnknownNameError("folder", name, known)
        raise RefusedError(404, str(error), error.hint)
    return known[name]


def _within(path: str, root: Path) -> str:
    place = Path(path)
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else path


def _folders(core: Core) -> list[Folder]:
    found = core.folders.facts()
    counts = core.tally.of([str(facts.place.root.resolve()) for facts in found])
    return [
        Folder(
            name=facts.name,
            root=str(facts.place.root),
            output=str(facts.place.output),
            archive=str(facts.place.archive),
            preset=facts.place.preset,
            paused=facts.paused,
            pending=facts.pending,
            there=facts.there,
            polling=facts.polling,
            jobs=jobs,
        )
        for facts, jobs in zip(found, counts, strict=True)
    ]
