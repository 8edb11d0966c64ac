"""The daemon itself: how it is, what it allows, and its end."""

from __future__ import annotations

import os
import time

from fastapi import APIRouter, Response

from depthflow import __version__
from depthflow.client.models import Health, Limits, System, Worker
from depthflow.errors import StoreError
from depthflow_daemon import views
from depthflow_daemon.api.parts import CoreHere

router = APIRouter(tags=["system"])
health = APIRouter(tags=["system"])


@router.get("/system")
def show_system(core: CoreHere) -> System:
    """The daemon and its machine."""
    return System(
        version=__version__,
        pid=os.getpid(),
        started_at=views.when(core.started_at),
        uptime_seconds=time.monotonic() - core.started,
        paused=core.store.paused,
        draining=core.draining(),
        jobs=core.store.counts(),
        workers=[Worker.model_validate(worker) for worker in core.engine.workers()],
        engine=core.engine.facts(),
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
