"""What routes share: the daemon itself, jobs by number, cursors."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import Depends, Path, Request

from depthflow.errors import UsageError
from depthflow_daemon.api.problems import RefusedError
from depthflow_daemon.core import Core
from depthflow_daemon.records import Job


async def _core(request: Request) -> Core:
    # Not async, it would be called on another thread, at a third of what a small request costs.
    core: Core = request.app.state.core
    return core


CoreHere = Annotated[Core, Depends(_core)]
# SQLite's numbers end there.
JobNumber = Annotated[int, Path(ge=1, le=2**63 - 1, description="The job's number.")]

Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$", description="Its name.")]


def find(core: Core, number: int) -> Job:
    """A job.

    Raises:
        RefusedError: 404, there is no such job.
    """
    try:
        return core.store.get(number)
    except UsageError as error:
        raise RefusedError(404, str(error), "it may have been forgotten; see `retention` in the settings") from None


def _found(core: CoreHere, number: JobNumber) -> Job:
    return find(core, number)


FoundJob = Annotated[Job, Depends(_found)]


def cursor(sort: str, last: int) -> str:
    """Where a page ends, for the next one to begin."""
    return base64.urlsafe_b64encode(f"{sort}:{last}".encode()).decode().rstrip("=")


def place_of(text: str, sort: str) -> int:
    """The last job of the page before.

    Raises:
        RefusedError: no cursor, or one of another order.
    """
    try:
        order, _, last = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(":")
        number = int(last)
    except ValueError:
        order, number = "", 0
    if order != sort or not 0 < number < 2**63:
        raise RefusedError(422, "cursor: is none of this listing", "begin without a cursor, and keep the same `sort`")
    return number
