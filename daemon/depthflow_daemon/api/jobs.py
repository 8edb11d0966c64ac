"""Jobs: submit, list, look at, change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from depthflow.client.models import Change, Job, JobDetail, JobPage, JobSort, JobState, Submit
from depthflow.errors import UnknownNameError, UsageError
from depthflow_daemon import records, views
from depthflow_daemon.api.bodies import body_of, read_submission
from depthflow_daemon.api.parts import CoreHere, FoundJob, cursor, place_of
from depthflow_daemon.api.problems import RefusedError
from depthflow_daemon.core import Core
from depthflow_daemon.submission import submit

router = APIRouter(tags=["jobs"])

RequestName = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="A name for this request, unlike any other's. Sent again, it adds no second job, for a week.",
    ),
]


@router.post("/jobs", status_code=201, openapi_extra=body_of("Submit"))
async def submit_job(request: Request, response: Response, core: CoreHere, name: RequestName = None) -> Job:
    """Queue a job. Work that is queued or done already is not done again: then the job is `skipped`, and `same_as`
    names the one that has it. 200 instead of 201: the request was made before, and this is the job that it made."""
    async with read_submission(request, core, Submit) as (asked, uploads):
        job, new = await run_in_threadpool(submit, core, asked, uploads, request=name)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    if not new:
        response.status_code = 200
    return core.hub.view(job)


@router.get("/jobs", response_model=JobPage)
def list_jobs(
    core: CoreHere,
    state: Annotated[list[JobState] | None, Query(description="Only jobs in one of these states.")] = None,
    folder: Annotated[str | None, Query(max_length=100, description="Only jobs of this watched folder.")] = None,
    search: Annotated[
        str, Query(max_length=200, description="Only jobs with this text in the path of their photo.")
    ] = "",
    sort: JobSort = "newest",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor_: Annotated[str | None, Query(alias="cursor", max_length=100)] = None,
) -> Response:
    """Jobs, a page at a time. A listing that goes on shows every job that was there when it began once."""
    if "\0" in search:
        raise RefusedError(422, "search: no path has a NUL in it")
    last = None if cursor_ is None else place_of(cursor_, sort)
    found = core.store.page(
        state=state,
        below=None if folder is None else _root(core, folder),
        search=search,
        before=last if sort == "newest" else None,
        after=(last or 0) if sort == "oldest" else None,
        limit=limit + 1,
    )
    shown = found[:limit]
    page = JobPage(
        items=[core.hub.view(job) for job in shown],
        next_cursor=cursor(sort, shown[-1].id) if len(found) > limit else None,
    )
    # FastAPI would look through all of it once more, which takes a third of the time.
    return Response(page.model_dump_json(), media_type="application/json")


@router.get("/jobs/{number}")
def show_job(core: CoreHere, job: FoundJob) -> JobDetail:
    """All that is known of a job."""
    store = core.store
    return views.detail(
        job,
        core.hub.latest(job.id) if job.state == "running" else None,
        core.folders.name_of(job.source),
        outputs=store.outputs(job.id),
        attempts=store.attempts(job.id),
        log=store.latest_events(job.id),
    )


@router.patch("/jobs/{number}")
def change_job(core: CoreHere, job: FoundJob, change: Change) -> Job:
    """Change a job's priority, keep it back, or release it."""
    if change.priority is not None:
        job = _done(core, core.store.set_priority, job.id, change.priority)
    if change.hold is not None:
        job = _done(core, core.store.hold, job.id, change.hold)
    return core.hub.view(job)


@router.post("/jobs/{number}/cancel")
def cancel_job(core: CoreHere, job: FoundJob) -> Job:
    """Stop a job. One that runs is `stopping` until its worker has stopped, between two frames."""
    return core.hub.view(_done(core, core.store.cancel, job.id))


@router.post("/jobs/{number}/retry")
def retry_job(core: CoreHere, job: FoundJob) -> Job:
    """Queue a job again that failed, was cancelled or waits, with a clean record."""
    return core.hub.view(_done(core, core.store.retry, job.id))


def _done(core: Core, change: Callable[..., records.Job], *args: int | bool) -> records.Job:
    """What the store made of a change, which it may refuse because of the job's state."""
    try:
        job = change(*args)
    except UsageError as error:
        raise RefusedError(409, str(error), error.hint) from None
    core.hub.changed()
    core.engine.wake()
    return job


def _root(core: Core, name: str) -> str:
    folders = {folder.name: str(folder.place.root.resolve()) for folder in core.folders.facts()}
    if name not in folders:
        raise UnknownNameError("folder", name, folders)
    return folders[name]
