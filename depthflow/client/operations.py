"""All that can be asked of a daemon: one table, from which both clients take their methods.

Every function here is an operation in the sense of `steps`: it says what to send and what the answer means.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from depthflow.client import models
from depthflow.client.asking import ask, nothing, text
from depthflow.client.listening import PATIENCE_S, events, follow, until_ended
from depthflow.client.previewing import change_preview, end_preview, frames
from depthflow.client.refusals import no_answer
from depthflow.client.sending import begin_preview, body_of, submit
from depthflow.client.steps import Call, Flow, Give, Read, Shut, Sleep, Stream, Where
from depthflow.errors import OutputError

_FOLDERS = TypeAdapter(list[models.Folder])
_LINES = TypeAdapter(list[models.FolderLine])
_PRESETS = TypeAdapter(list[models.Preset])
_MODELS = TypeAdapter(list[models.Model])
PAGE = 200

__all__ = ["begin_preview", "change_preview", "end_preview", "events", "follow", "frames", "submit"]

# -- jobs ----------------------------------------------------------------------------------------------------------


def job(job: int) -> Flow[models.JobDetail]:
    """All that is known of a job. Raises UsageError: there is none of this number."""
    return _detail(job)


def _detail(job: int) -> Flow[models.JobDetail]:
    return ask(_get(f"/v1/jobs/{job}"), models.JobDetail.model_validate_json)


def page(
    *,
    state: models.JobState | Sequence[models.JobState] | None = None,
    folder: str | None = None,
    search: str = "",
    sort: models.JobSort = "newest",
    limit: int = 50,
    cursor: str | None = None,
) -> Flow[models.JobPage]:
    """Some jobs.

    Args:
        state: only those in this state, or in one of these.
        folder: only those from this watched folder.
        search: only those with this text in the path of their photo.
        limit: at most so many, 1 to 500.
        cursor: `next_cursor` of the page before.
    """
    asked = {"state": state, "folder": folder, "search": search, "sort": sort, "limit": limit, "cursor": cursor}
    return ask(_get("/v1/jobs", asked), models.JobPage.model_validate_json)


def jobs(
    *,
    state: models.JobState | Sequence[models.JobState] | None = None,
    folder: str | None = None,
    search: str = "",
    sort: models.JobSort = "newest",
    limit: int = PAGE,
) -> Stream[models.Job]:
    """All jobs, fetched in pages of `limit`; arguments as in `page`."""
    cursor = None
    while True:
        found = yield from page(state=state, folder=folder, search=search, sort=sort, limit=limit, cursor=cursor)
        for each in found.items:
            yield Give(each)
        if (cursor := found.next_cursor) is None:
            return


def cancel(job: int) -> Flow[models.Job]:
    """Stop a job; one that runs is marked `stopping` and is cancelled a moment later."""
    return ask(Call("POST", f"/v1/jobs/{job}/cancel"), models.Job.model_validate_json)


def retry(job: int) -> Flow[models.Job]:
    """Queue a job that failed, was cancelled or waits, with a clean record."""
    return ask(Call("POST", f"/v1/jobs/{job}/retry"), models.Job.model_validate_json)


def change(job: int, *, priority: int | None = None, hold: bool | None = None) -> Flow[models.Job]:
    """Give a job another priority (-100 to 100, higher goes first), or hold it back, or release it."""
    body = body_of(models.Change, priority=priority, hold=hold)
    call = Call("PATCH", f"/v1/jobs/{job}", json=body, repeatable=True)
    return ask(call, models.Job.model_validate_json)


def wait(job: int, *, patience: float = PATIENCE_S) -> Flow[models.JobDetail]:
    """Wait until a job has ended, in whatever way; then all that is known of it."""
    yield from until_ended(job, patience=patience)
    return (yield from _detail(job))


# -- files ---------------------------------------------------------------------------------------------------------


def download(job: int, number: int, target: str | os.PathLike[str], *, overwrite: bool = False) -> Flow[Path]:
    """Save one file that a job made; it gets its name when it is whole.

    Args:
        number: of the output, from 1.
        target: the file.

    Raises:
        UsageError: there is no such output. OutputError: the target is there already, or cannot be written.
    """
    import httpx

    path = Path(target)
    address = yield Where()
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: is there already", "--overwrite replaces it, or choose another name")
    for left in (2, 1, 0):
        yield from ask(_get(f"/v1/jobs/{job}/outputs/{number}"), nothing, opened=True)
        try:
            return (yield from _saved(path))
        except httpx.RequestError as error:
            if not left:
                raise no_answer(address, error) from error
        yield Shut()
        yield Sleep(0.5)
    raise AssertionError("the last try returns or raises")


def _saved(path: Path) -> Flow[Path]:
    work = path.with_name(f".{path.stem[:40]}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        with work.open("xb") as file:
            while chunk := (yield Read()):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        return work.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}", "choose another place") from error
    finally:
        with suppress(OSError):
            work.unlink()


def thumbnail(job: int, output: int | None = None) -> Flow[bytes]:
    """A PNG of at most 256 pixels a side: the photo, or the first frame of one of the results."""
    part = "" if output is None else f"/outputs/{output}"
    return ask(_get(f"/v1/jobs/{job}{part}/thumbnail"), bytes)


def depth(job: int) -> Flow[bytes]:
    """The depth map as a PNG of at most 256 pixels a side; white is near."""
    return ask(_get(f"/v1/jobs/{job}/depth"), bytes)


# -- the daemon ----------------------------------------------------------------------------------------------------


def pause() -> Flow[None]:
    """Let no job begin; what runs goes on."""
    return ask(Call("POST", "/v1/queue/pause", repeatable=True), nothing)


def resume() -> Flow[None]:
    """Let jobs begin again."""
    return ask(Call("POST", "/v1/queue/resume", repeatable=True), nothing)


def folders() -> Flow[list[models.Folder]]:
    """The watched folders."""
    return ask(_get("/v1/folders"), _FOLDERS.validate_json)


def pause_folder(name: str) -> Flow[models.Folder]:
    """Take no photos from a watched folder."""
    return _folder(name, "pause")


def resume_folder(name: str) -> Flow[models.Folder]:
    """Take photos from it again."""
    return _folder(name, "resume")


def rescan_folder(name: str) -> Flow[models.Folder]:
    """Look at all files of a watched folder again."""
    return _folder(name, "rescan")


def waiting_photos(name: str, *, limit: int = 100) -> Flow[models.WaitingPhotos]:
    """Photos of a watched folder that were seen and are not queued yet, each with why.

    Args:
        limit: at most so many, 1 to 500.
    """
    call = _get(f"/v1/folders/{quote(name, safe='')}/waiting", {"limit": limit})
    return ask(call, models.WaitingPhotos.model_validate_json)


def folder_log(name: str, *, limit: int = 50) -> Flow[list[models.FolderLine]]:
    """What happened last in a watched folder, newest first.

    Args:
        limit: at most so many lines, 1 to 500.
    """
    return ask(_get(f"/v1/folders/{quote(name, safe='')}/log", {"limit": limit}), _LINES.validate_json)


def _folder(name: str, what: str) -> Flow[models.Folder]:
    call = Call("POST", f"/v1/folders/{quote(name, safe='')}/{what}", repeatable=True)
    return ask(call, models.Folder.model_validate_json)


def presets() -> Flow[list[models.Preset]]:
    """The presets of the daemon's library."""
    return ask(_get("/v1/presets"), _PRESETS.validate_json)


def preset(name: str) -> Flow[models.PresetDetail]:
    """One preset with what it says."""
    return ask(_get(f"/v1/presets/{quote(name, safe='')}"), models.PresetDetail.model_validate_json)


def depth_models() -> Flow[list[models.Model]]:
    """The depth networks that the daemon knows."""
    return ask(_get("/v1/models"), _MODELS.validate_json)


def system(*, encoders: bool = False) -> Flow[models.System]:
    """The daemon and its machine: version, workers, limits, how many jobs are in each state.

    Args:
        encoders: try what encodes there, which may take some seconds the first time.
    """
    return ask(_get("/v1/system", {"encoders": "true" if encoders else None}), models.System.model_validate_json)


def drain() -> Flow[None]:
    """Let the daemon end when what runs has ended."""
    return ask(Call("POST", "/v1/system/drain", repeatable=True), nothing)


def health() -> Flow[models.Health]:
    """Whether the daemon is well. Raises ServerError: it is not."""
    return ask(_get("/healthz"), models.Health.model_validate_json)


def metrics() -> Flow[str]:
    """Its numbers, in the text format of Prometheus."""
    return ask(_get("/metrics"), text)


def _get(path: str, params: Mapping[str, Any] | None = None) -> Call:
    return Call("GET", path, params=params or {}, repeatable=True)
