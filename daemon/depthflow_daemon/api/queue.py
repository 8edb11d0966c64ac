"""The queue as a whole, and the watched folders."""

from __future__ import annotations

from fastapi import APIRouter, Response

from depthflow.client.models import Folder
from depthflow.errors import UnknownNameError
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


def _folders(core: Core) -> list[Folder]:
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
        )
        for facts in core.folders.facts()
    ]
