"""Every refusal as application/problem+json (RFC 9457), whoever raised it: a route, the framework, a file response."""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from depthflow.client.models import Problem
from depthflow.errors import (
    DepthFlowError,
    InputError,
    OutputError,
    SystemError_,
    UsageError,
)
from depthflow_daemon.submission import OutputTakenError, RequestReusedError
from depthflow_daemon.uploads import NoSpaceError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_STATUS: tuple[tuple[type[DepthFlowError], int], ...] = (
    (RequestReusedError, 409),
    (OutputTakenError, 409),
    (NoSpaceError, 507),
    (OutputError, 409),
    (SystemError_, 503),
    (UsageError, 422),
    (InputError, 422),
    (DepthFlowError, 500),
)
_TITLES: dict[int, str] = {
    401: "A token is needed",
    403: "Not allowed",
    409: "It cannot be done as things are",
    413: "Too large",
    422: "The request is wrong",
    429: "Too many requests",
    500: "A fault of the daemon",
    503: "Not possible now",
    507: "No space left",
}


class RefusedError(Exception):
    """What a route refuses by itself."""

    def __init__(
        self, status: int, detail: str, hint: str = "", *, headers: Mapping[str, str] | None = None, exit_code: int = 2
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.hint = status, detail, hint
        self.headers, self.exit_code = dict(headers or {}), exit_code


def problem(
    status: int,
    detail: str,
    *,
    hint: str = "",
    path: str = "",
    exit_code: int = 2,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = Problem(title=_title(status), status=status, detail=detail, hint=hint, instance=path, exit_code=exit_code)
    return Response(body.model_dump_json(), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let this application refuse in this way."""

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        return problem(
            error.status,
            error.detail,
            hint=error.hint,
            path=request.url.path,
            exit_code=error.exit_code,
            headers=error.headers,
        )

    @app.exception_handler(DepthFlowError)
    async def known(request: Request, error: DepthFlowError) -> Response:
        status = next(status for kind, status in _STATUS if isinstance(error, kind))
        if status >= 500:
            log.warning("%s %s: %s", request.method, request.url.path, error)
        return problem(status, str(error), hint=error.hint, path=request.url.path, exit_code=error.exit_code)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return problem(422, first_fault(error.errors()), path=request.url.path)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), path=request.url.path, headers=error.headers)

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        # Its text may hold anything, and is for the log alone.
        log.error("%s %s: a fault", request.method, request.url.path, exc_info=error)
        return problem(500, "the daemon's log says more", path=request.url.path, exit_code=1)


def first_fault(errors: Any) -> str:
    """The first of pydantic's errors as one line: where, what, and what was given."""
    first = errors[0]
    where = ".".join(str(step) for step in first["loc"])
    text = str(first["msg"]).removeprefix("Value error, ")
    given = first.get("input")
    short = f" (got {str(given)[:60]!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{where}: {text[:1].lower()}{text[1:]}{short}"


def _title(status: int) -> str:
    try:
        return _TITLES.get(status) or http.HTTPStatus(status).phrase
    except ValueError:
        return "Refused"


class AllProblems:
    """Turns what else refuses in plain text (a range that cannot be met, a method that is not there) into problems."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        said = b""

        async def sent(message: Message) -> None:
            nonlocal start, said
            if message["type"] == "http.response.start" and message["status"] >= 400:
                headers = MutableHeaders(raw=message["headers"])
                if headers.get("content-type", "").partition(";")[0] != MEDIA_TYPE:
                    start = message
                    return
            if start is None:
                await send(message)
                return
            said += message.get("body", b"")[:1000]
            if message.get("more_body"):
                return
            status, kept = start["status"], MutableHeaders(raw=list(start["headers"]))
            for name in ("content-type", "content-length"):
                del kept[name]
            start = None
            response = problem(status, said.decode(errors="replace") or _title(status), path=scope["path"])
            for name, value in kept.items():
                response.headers[name] = value
            await response(scope, receive, send)

        await self._app(scope, receive, sent)
