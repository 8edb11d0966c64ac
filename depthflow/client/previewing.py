"""Live previews: change what is shown, and read the frames. How one is begun is `sending`'s matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from depthflow.client import models
from depthflow.client.asking import ask, nothing
from depthflow.client.frames import Frame, Packets
from depthflow.client.sending import body_of
from depthflow.client.steps import Call, Flow, Give, Read, Shut, Sleep, Stream
from depthflow.errors import UsageError

PAUSE_S = 0.2


def change_preview(
    preview: str,
    *,
    spec: Mapping[str, Any] | None = None,
    preset: str | None = None,
    width: int | None = None,
    height: int | None = None,
    rate: float | None = None,
    show: models.PreviewShow | None = None,
    paused: bool | None = None,
    at: float | None = None,
) -> Flow[models.Preview]:
    """Change what a preview shows; what is None stays. Frames with the answer's revision, or a later one, show it.

    Args:
        spec: parts of a JobSpec, laid over what is shown.
        preset: begin anew from this preset, with `spec` on top.
        show: the clip, or its depth.
        paused: stand still at the frame that is shown; False goes on from there.
        at: go to this part of the clip, 0 its first frame and 1 its last, and stand still there unless `paused` is
            False.
    """
    asked = {"spec": spec, "preset": preset, "width": width, "height": height, "rate": rate, "show": show}
    body = body_of(models.PreviewChange, paused=paused, at=at, **asked)
    call = Call("PATCH", f"/v1/previews/{preview}", json=body, repeatable=True)
    return ask(call, models.Preview.model_validate_json)


def end_preview(preview: str) -> Flow[None]:
    """End a preview. Raises UsageError: it has ended already."""
    return ask(Call("DELETE", f"/v1/previews/{preview}"), nothing)


def frames(preview: str) -> Stream[Frame]:
    """The newest frame each time, until the preview ends; parameters that cannot be shown are said in their place.

    Raises:
        UsageError: there is no such preview. ServerError: no daemon answers.
    """
    import httpx

    met = False
    while True:
        try:
            yield from ask(Call("GET", f"/v1/previews/{preview}/stream", repeatable=True), nothing, opened=True)
        except UsageError:
            if met:
                return
            raise
        met, packets = True, Packets()
        try:
            while chunk := (yield Read()):
                for frame in packets.feed(chunk):
                    yield Give(frame)
            return
        except httpx.RequestError:
            # One that stands still is silent; it is there, or the next request says that it is not.
            yield Shut()
            yield Sleep(PAUSE_S)
