"""The daemon itself: how it is, what it allows, and its end."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response

from depthflow import __version__
from depthflow.client.models import Health, Limits, System, Worker
from depthflow.errors import StoreError
from depthflow_daemon import views
from depthflow_daemon.api.parts import CoreHere

router = APIRouter(tags=["system"])
health = APIRouter(tags=["system"])


@router.get("/system")
def show_system(
    core: CoreHere,
    encoders: Annotated[bool, Query(description="Try what encodes here; some seconds the first time.")] = False,
) -> System:
    """The daemon and its machine."""
    engine = dict(core.engine.facts())
    return System(
        version=__version__,
        pid=os.getpid(),
        started_at=views.when(core.started_at),
        uptime_seconds=time.monotonic() - core.started,
        paused=core.store.paused,
        draining=core.draining(),
        jobs=core.store.counts(),
        workers=[Worker.model_validate(worker) for worker in core.engine.workers()],
        renderer=engine.pop("renderer", None),
        disk_free_bytes=_free(core.places.work),
        encoders=core.encoders(try_them=encoders),
        engine=engine,
        last_event=core.store.last_event(),
        listeners=core.hub.listeners,
        roots=[str(root.resolve()) for root in core.places.roots],
        limits=Limits(
            upload_bytes=core.limits.upload_bytes,
            pixels=core.limits.pixels,
            frames=core.limits.frames,
            requests_per_second=core.limits.requests_per_second,
        ),
    )


def _free(place: Path) -> int | None:
    """Bytes on the disk where a folder is, or will be."""
    there = next((folder for folder in (place, *place.parents) if folder.is_dir()), None)
    with contextlib.suppress(OSError):
        return shutil.disk_usage(there).free if there is not None else None
    return None


@router.post("/system/drain", status_code=202, response_class=Response)
def drain(core: CoreHere) -> Response:
    """Begin the daemon's end: no job begins any more, and it ends when the running ones have."""
    core.drain()
    return Response(status_code=202)


@health.get("/healthz", responses={503: {"model": Health}})
def healthz(core: CoreHere, response: Response) -> Health:
    """Whether the daemon answers and its store can be read. It needs no token."""
    try:
        core.store.last_event()
    except StoreError as error:
        response.status_code = 503
        return Health(status="failing", version=__version__, detail=str(error))
    return Health(status="ok", version=__version__)
