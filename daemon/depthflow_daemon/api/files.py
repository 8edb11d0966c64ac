"""What jobs made, and small pictures of what they are made from."""

from __future__ import annotations

import os
import stat
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse

from depthflow_daemon.api.parts import CoreHere, FoundJob
from depthflow_daemon.api.problems import RefusedError
from depthflow_daemon.core import Core
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
