"""What jobs made, and small pictures of what they are made from."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse

from depthflow.errors import InputError
from depthflow_daemon.api.parts import CoreHere, FoundJob
from depthflow_daemon.api.problems import RefusedError
from depthflow_daemon.core import Core
from depthflow_daemon.pictures import Kind
from depthflow_daemon.records import Job

router = APIRouter(tags=["files"])

OutputNumber = Annotated[int, Path(ge=1, le=1000, description="The output's number, from 1.")]
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "A PNG of at most 256 pixels a side.", "content": {"image/png": {}}}
}
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"*/*": {}}},
    206: {"description": "The part of it that `Range` asks for.", "content": {"*/*": {}}},
}


@router.get("/jobs/{number}/outputs/{output}", response_class=FileResponse, responses=_BYTES)
def download(core: CoreHere, job: FoundJob, output: OutputNumber) -> FileResponse:
    """A file that a job made. Ranges are honoured, so that a download can go on and a player can seek."""
    path, found = _made(core, job, output)
    return FileResponse(path, stat_result=found, filename=path.name)


@router.get("/jobs/{number}/thumbnail", response_class=FileResponse, responses=_PICTURE)
def thumbnail(core: CoreHere, job: FoundJob) -> FileResponse:
    """The photo, small."""
    return _picture(core, job, "photo")


@router.get("/jobs/{number}/depth", response_class=FileResponse, responses=_PICTURE)
def depth(core: CoreHere, job: FoundJob) -> FileResponse:
    """The depth map, small; white is near. It is estimated if the job has not done so yet."""
    return _picture(core, job, "depth")


@router.get("/jobs/{number}/outputs/{output}/thumbnail", response_class=FileResponse, responses=_PICTURE)
def output_thumbnail(core: CoreHere, job: FoundJob, output: OutputNumber) -> FileResponse:
    """The first frame of a result, small."""
    path, found = _made(core, job, output)
    return _sent(core.pictures.get("output", str(path), f"{found.st_size} {found.st_mtime_ns}", {}))


def _picture(core: Core, job: Job, kind: Kind) -> FileResponse:
    photo = FilePath(job.source)
    try:
        found = photo.stat()
    except OSError:
        raise RefusedError(404, f"the photo of job {job.id} is not there any more") from None
    spec, note = json.loads(job.spec), json.loads(job.note)
    content = f"{note.get('content', '')} {found.st_size} {found.st_mtime_ns}"
    try:
        return _sent(core.pictures.get(kind, str(photo), content, spec))
    except InputError as error:
        raise RefusedError(409, str(error), error.hint) from None


def _sent(path: FilePath) -> FileResponse:
    return FileResponse(path, media_type="image/png", headers={"Cache-Control": "private, max-age=60"})


def _made(core: Core, job: Job, number: int) -> tuple[FilePath, os.stat_result]:
    outputs = core.store.outputs(job.id)
    if number > len(outputs):
        raise RefusedError(404, f"job {job.id} has {len(outputs)} outputs, and no output {number}")
    record = outputs[number - 1]
    if record.facts is None:
        raise RefusedError(409, f"output {number} of job {job.id} is not made: the job is {job.state}")
    path = FilePath(record.path)
    try:
        found = path.lstat()
        # Who may write into the folder must not make us send something else: no links, neither here nor on the way.
        plain = path.resolve(strict=True) == path
    except OSError:
        raise RefusedError(404, f"output {number} of job {job.id} is not there any more") from None
    if stat.S_ISDIR(found.st_mode):
        raise RefusedError(409, f"output {number} of job {job.id} is a folder of images", "fetch them by other means")
    if not plain or not stat.S_ISREG(found.st_mode):
        raise RefusedError(409, f"output {number} of job {job.id} is not the file that was made any more")
    return path, found
