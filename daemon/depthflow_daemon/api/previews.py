"""Live previews: begin one, look at it, change it while it runs, end it."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from depthflow.client.frames import FRAME, HEADER
from depthflow.client.models import Preview, PreviewChange, PreviewRequest
from depthflow_daemon.api.bodies import body_of, read_submission
from depthflow_daemon.api.parts import CoreHere
from depthflow_daemon.api.problems import RefusedError
from depthflow_daemon.previews import Running

router = APIRouter(tags=["previews"])

RAW = "application/vnd.depthflow.frames"
JPEG = "multipart/x-mixed-replace; boundary=frame"
_QUALITY = 80
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Frames without end: packets (docs/api.md), or JPEGs for `Accept: image/jpeg` or "
        "`multipart/x-mixed-replace`.",
        "content": {RAW: {}, "multipart/x-mixed-replace": {}},
    }
}


async def _found(core: CoreHere, name: Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,40}$")]) -> Running:
    running = core.previews.get(name)
    if running is None:
        raise RefusedError(404, f"there is no preview {name}", "previews end when nobody looks at them")
    return running


FoundPreview = Annotated[Running, Depends(_found)]


@router.post("/previews", status_code=201, openapi_extra=body_of("PreviewRequest"))
async def begin_preview(request: Request, response: Response, core: CoreHere) -> Preview:
    """Begin a preview. Nothing is drawn until its stream is read."""
    async with read_submission(request, core, PreviewRequest) as (asked, uploads):
        running = await run_in_threadpool(core.previews.start, asked, uploads)
    response.headers["Location"] = f"/v1/previews/{running.id}"
    return core.previews.view(running)


@router.get("/previews/{name}")
def show_preview(core: CoreHere, running: FoundPreview) -> Preview:
    """What a preview shows."""
    return core.previews.view(running)


@router.patch("/previews/{name}")
def change_preview(core: CoreHere, running: FoundPreview, change: PreviewChange) -> Preview:
    """Change what is shown; frames that show it carry the revision that is answered here, or a later one."""
    core.previews.change(running, change)
    return core.previews.view(running)


@router.delete("/previews/{name}", status_code=204)
def end_preview(core: CoreHere, running: FoundPreview) -> Response:
    """End a preview."""
    core.previews.end(running)
    return Response(status_code=204)


@router.get("/previews/{name}/stream", response_class=StreamingResponse, responses=_RESPONSES)
async def stream_preview(
    running: FoundPreview, accept: Annotated[str, Header(max_length=1000)] = "*/*"
) -> StreamingResponse:
    """Frames, the newest each time, until the preview ends or the reader goes."""
    packets = running.packets()
    jpeg = "image/jpeg" in accept or "multipart/x-mixed-replace" in accept
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = _jpegs(packets) if jpeg else _raw(packets)
    return StreamingResponse(stream, media_type=JPEG if jpeg else RAW, headers=headers)


async def _raw(packets: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(packets):
        async for packet in packets:
            yield packet


async def _jpegs(packets: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(packets):
        async for packet in packets:
            _, kind, width, height, revision, number, _ = HEADER.unpack_from(packet)
            if kind != FRAME:
                continue
            body = await run_in_threadpool(_jpeg, packet[HEADER.size :], (width, height))
            lines = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n"
            yield f"{lines}X-Revision: {revision}\r\nX-Frame: {number}\r\n\r\n".encode() + body + b"\r\n"


def _jpeg(pixels: bytes, size: tuple[int, int]) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.frombytes("RGB", size, pixels).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
