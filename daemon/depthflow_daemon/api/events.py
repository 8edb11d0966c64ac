"""Server-sent events: what happens to one job until it has ended, or to all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from depthflow_daemon.api.parts import CoreHere, FoundJob
from depthflow_daemon.api.problems import RefusedError
from depthflow_daemon.core import Core

router = APIRouter(tags=["events"])

LastEvent = Annotated[
    str | None,
    Header(alias="Last-Event-ID", max_length=30, description="Go on behind this event, as browsers do by themselves."),
]
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events: `event:` is the kind, `data:` an Event as JSON, `id:` its line in the log.",
        "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/Event"}}},
    }
}


def _a_place(core: CoreHere) -> None:
    if core.hub.listeners >= core.limits.streams:
        raise RefusedError(503, f"{core.limits.streams} streams are open already", headers={"Retry-After": "5"})


# Looked at before the stream begins, since it cannot refuse any more afterwards.
_ROOM = [Depends(_a_place)]


@router.get("/events", response_class=EventSourceResponse, dependencies=_ROOM, responses=_RESPONSES)
async def all_events(core: CoreHere, last: LastEvent = None) -> AsyncIterator[ServerSentEvent]:
    """What happens to all jobs from now on, until the client goes. A comment comes every 15 seconds."""
    async for event in _stream(core, None, last):
        yield event


@router.get("/jobs/{number}/events", response_class=EventSourceResponse, dependencies=_ROOM, responses=_RESPONSES)
async def job_events(core: CoreHere, job: FoundJob, last: LastEvent = None) -> AsyncIterator[ServerSentEvent]:
    """What happened to a job and goes on happening; the stream ends when the job has ended."""
    async for event in _stream(core, job.id, last):
        yield event


async def _stream(core: Core, job: int | None, last: str | None) -> AsyncIterator[ServerSentEvent]:
    # What is no number of ours is passed over: browsers send whatever they were sent before.
    after = int(last) if last is not None and last.isascii() and last.isdigit() else None
    async for event in core.hub.listen(job, after=after):
        number = None if event.kind == "progress" else str(event.id)
        yield ServerSentEvent(raw_data=event.model_dump_json(), event=event.kind, id=number)
