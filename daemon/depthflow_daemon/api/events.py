"""Server-sent events: what happens to one job until it has ended, or to all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from depthflow_daemon.api.parts import CoreHere, FoundJob
from depthflow_daemon.api.problems import RefusedError
from depthflow_daemon.core import Core

BEAT_SECONDS = 15.0

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


async def _a_place(core: CoreHere) -> None:
    if core.hub.listeners >= core.limits.streams:
        raise RefusedError(503, f"{core.limits.streams} streams are open already", headers={"Retry-After": "5"})


# Looked at before the stream begins, since it cannot refuse any more afterwards.
_ROOM = [Depends(_a_place)]


@router.get("/events", response_class=StreamingResponse, dependencies=_ROOM, responses=_RESPONSES)
async def all_events(core: CoreHere, last: LastEvent = None) -> StreamingResponse:
    """What happens to all jobs from now on, until the client goes. A comment comes every 15 seconds."""
    return _answer(core, None, last)


@router.get("/jobs/{number}/events", response_class=StreamingResponse, dependencies=_ROOM, responses=_RESPONSES)
async def job_events(core: CoreHere, job: FoundJob, last: LastEvent = None) -> StreamingResponse:
    """What happened to a job and goes on happening; the stream ends when the job has ended."""
    return _answer(core, job.id, last)


def _answer(core: Core, job: int | None, last: str | None) -> StreamingResponse:
    # FastAPI's own stream of events logs a fault for each client that goes away while something is under way (0.165).
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(core, job, last), media_type="text/event-stream", headers=headers)


async def _stream(core: Core, job: int | None, last: str | None) -> AsyncIterator[bytes]:
    # What is no number of ours is passed over: browsers send whatever they were sent before.
    after = int(last) if last is not None and last.isascii() and last.isdigit() else None
    async with aclosing(core.hub.listen(job, after=after, beat_seconds=BEAT_SECONDS)) as events:
        # At once, so that a client knows that it listens.
        yield b": listening\n\n"
        async for event in events:
            if event is None:
                yield b": alive\n\n"
                continue
            number = None if event.kind == "progress" else str(event.id)
            yield format_sse_event(data_str=event.model_dump_json(), event=event.kind, id=number)
