"""Requests that carry a photo: the files are named by their paths, or sent along. It knows no other request."""

from __future__ import annotations

import copy
import os
import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from depthflow.client import models
from depthflow.client.asking import ask
from depthflow.client.steps import Call, File, Flow, Where
from depthflow.errors import InputError, UsageError
from depthflow.paths import expanded

Photo = str | os.PathLike[str] | bytes


def submit(
    photo: Photo,
    *,
    spec: Mapping[str, Any] | None = None,
    preset: str | None = None,
    priority: int = 0,
    hold: bool = False,
    window: str = "",
    name: str = "photo",
    roots: Sequence[str] | None = None,
    key: str | None = None,
) -> Flow[models.Job]:
    """Queue a job.

    Files are named by their paths if the daemon listens on a Unix socket and may read them there; otherwise they are
    sent: the photo, the depth map and the sound, as `spec` names them.

    Args:
        photo: path, or the bytes of an image file.
        spec: parts of a JobSpec, such as {"motion": {"name": "zoom"}, "outputs": [{"format": "gif"}]}.
        preset: a preset of the daemon's library.
        hold: let it not begin until it is released.
        window: times of day at which it may begin, such as "22:00-06:00".
        name: of the photo, if it is given as bytes.
        roots: folders that the daemon takes paths from; None asks it. Whoever submits much may ask once (`system`).
        key: two requests with one key are one job, for a week; None makes a new one.

    Returns:
        The job; `skipped` if the same work is queued or done already.

    Raises:
        InputError: a file cannot be read. UsageError: the daemon refuses the job. ServerError: no daemon answers.
    """
    asked = {"preset": preset, "priority": priority, "hold": hold, "window": window}
    parts = yield from _with_files(models.Submit, photo, name, spec, asked, roots)
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    call = Call("POST", "/v1/jobs", headers=headers, repeatable=True, **parts)
    return (yield from ask(call, models.Job.model_validate_json))


def begin_preview(
    photo: Photo,
    *,
    spec: Mapping[str, Any] | None = None,
    preset: str | None = None,
    width: int = 320,
    height: int = 180,
    rate: float = 15.0,
    show: models.PreviewShow = "result",
    name: str = "photo",
    roots: Sequence[str] | None = None,
) -> Flow[models.Preview]:
    """Begin a clip that is shown while it is being tuned; `frames` reads it, and nothing is drawn until then.

    Args:
        photo, spec, preset, name, roots: as in `submit`.
        width, height: pixels of a frame, 8 to 1024.
        rate: frames a second at most.
        show: the clip, or its depth.

    Raises:
        As `submit`.
    """
    asked = {"preset": preset, "width": width, "height": height, "rate": rate, "show": show}
    parts = yield from _with_files(models.PreviewRequest, photo, name, spec, asked, roots)
    return (yield from ask(Call("POST", "/v1/previews", **parts), models.Preview.model_validate_json))


def _with_files(
    kind: type[models.Request],
    photo: Photo,
    name: str,
    spec: Mapping[str, Any] | None,
    asked: Mapping[str, Any],
    roots: Sequence[str] | None,
) -> Flow[dict[str, Any]]:
    """The body of a request about a photo: with the paths of its files, or with the files themselves."""
    parts = copy.deepcopy(dict(spec or {}))
    parts.pop("photo", None)
    files = {"photo": File(name, photo) if isinstance(photo, bytes) else _file(photo)}
    depth = parts.get("depth")
    if isinstance(depth, dict) and depth.get("file"):
        files["depth"] = _file(depth.pop("file"))
    if parts.get("audio"):
        files["audio"] = _file(parts.pop("audio"))
    if not (yield from _all_seen(files.values(), roots)):
        return {"form": {"job": body_of(kind, spec=parts, **asked)}, "files": files}
    if "depth" in files:
        parts["depth"]["file"] = str(files["depth"].content)
    if "audio" in files:
        parts["audio"] = str(files["audio"].content)
    return {"json": body_of(kind, spec=parts, photo=str(files["photo"].content), **asked)}


def _file(path: str | os.PathLike[str]) -> File:
    place = expanded(path).absolute()
    if not place.is_file():
        raise InputError(f"{path}: there is no such file", "name a file on this computer")
    if not os.access(place, os.R_OK):
        raise InputError(f"{path}: cannot be read", "look at its permissions")
    return File(place.name, place)


def _all_seen(files: Collection[File], roots: Sequence[str] | None) -> Flow[bool]:
    address = yield Where()
    paths = [file.content for file in files if isinstance(file.content, Path)]
    if address.socket is None or len(paths) < len(files):
        return False
    if roots is None:
        system = yield from ask(Call("GET", "/v1/system", repeatable=True), models.System.model_validate_json)
        roots = system.roots
    return all(address.sees(path, roots) for path in paths)


def body_of(kind: type[models.Request], **values: Any) -> str:
    """A request's body as JSON.

    Raises:
        UsageError: a value that is out of range.
    """
    try:
        return kind(**values).model_dump_json(exclude_none=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise UsageError(f"{where}: {first['msg']}", f"it was {first['input']!r}"[:200]) from None
