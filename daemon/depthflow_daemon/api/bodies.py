"""Reads a submission: JSON, or multipart with files, which go to the disk as they come and never into memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from fastapi import Request
from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from depthflow.client import models
from depthflow_daemon.api.problems import RefusedError, first_fault
from depthflow_daemon.core import Core
from depthflow_daemon.uploads import Receiving, Upload

Asked = TypeVar("Asked", bound=models.Request)
FIELD, FILES = "job", ("photo", "depth", "audio")
_FILE = {"type": "string", "contentMediaType": "application/octet-stream"}


def body_of(model: str) -> dict[str, Any]:
    """The body of a request with files, for the contract."""
    schema = {"$ref": f"#/components/schemas/{model}"}
    properties = {
        "job": schema,
        "photo": {**_FILE, "description": "The photo."},
        "depth": {**_FILE, "description": "Its depth map, if there is one."},
        "audio": {**_FILE, "description": "Sound to lay under the video."},
    }
    form = {"type": "object", "additionalProperties": False, "required": ["photo"], "properties": properties}
    encoding = {"job": {"contentType": "application/json"}}
    content = {
        "application/json": {"schema": schema},
        "multipart/form-data": {"schema": form, "encoding": encoding},
    }
    return {"requestBody": {"required": True, "content": content}}


@asynccontextmanager
async def read_submission(
    request: Request, core: Core, model: type[Asked]
) -> AsyncIterator[tuple[Asked, dict[str, Upload]]]:
    """What is asked for and the files that came with it; what is not whole, or not accepted, is removed again.

    Raises:
        RefusedError: neither JSON nor multipart, not whole, too large, or with parts that are not known.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        yield _parsed(model, await _small_body(request, core.limits.body_bytes)), {}
    elif kind == "multipart/form-data":
        form = _Form(core)
        used = False
        try:
            await form.read(request)
            yield _parsed(model, bytes(form.field) or b"{}"), await run_in_threadpool(form.keep)
            used = True
        finally:
            form.close(used=used)
    else:
        raise RefusedError(
            415, f"content-type: {kind or 'none'!r} is not known here", "application/json or multipart/form-data"
        )


def _parsed(model: type[Asked], text: bytes) -> Asked:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise RefusedError(422, f"job: {first_fault(error.errors(include_url=False))}") from None


async def _small_body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in _chunks(request, limit):
        body += chunk
    return bytes(body)


async def _chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body; more than the limit is refused before it is read, if it says its length."""
    count = 0
    if (said := request.headers.get("content-length", "")).isdigit() and int(said) > limit:
        raise _too_large(limit)
    try:
        async for chunk in request.stream():
            count += len(chunk)
            if count > limit:
                raise _too_large(limit)
            yield chunk
    except ClientDisconnect:
        raise RefusedError(400, "the request ended before its end") from None


def _too_large(limit: int) -> RefusedError:
    return RefusedError(413, f"the request is larger than {limit} bytes", headers={"Connection": "close"})


class _Form:
    """The parts of one request."""

    def __init__(self, core: Core) -> None:
        self._uploads, self._limits = core.uploads, core.limits
        self.field = bytearray()
        self._files: dict[str, Receiving] = {}
        self._kept: dict[str, Upload] = {}
        self._seen: set[str] = set()
        self._head: dict[str, bytes] = {}
        self._name = self._value = b""
        self._part = ""
        self._ended = False
        self._todo: list[tuple[Receiving, bytes]] = []

    async def read(self, request: Request) -> None:
        _, options = parse_options_header(request.headers["content-type"])
        boundary = options.get(b"boundary")
        if not boundary:
            raise RefusedError(400, "content-type: the multipart boundary is missing")
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers,
                "on_part_data": self._data,
                "on_end": self._end,
            },
        )
        async for chunk in _chunks(request, self._limits.upload_bytes):
            with _well_formed():
                parser.write(chunk)
            if self._todo:
                await run_in_threadpool(self._write)
        with _well_formed():
            parser.finalize()
        if not self._ended:
            raise RefusedError(400, "the multipart body ends before its end")
        if "photo" not in self._files:
            raise RefusedError(422, "photo: the part is missing", "send the photo as a file named `photo`")

    def keep(self) -> dict[str, Upload]:
        for part, file in self._files.items():
            self._kept[part] = file.keep()
        return self._kept

    def close(self, *, used: bool) -> None:
        """What was not kept goes, and what was kept for a request that is refused."""
        for file in self._files.values():
            file.close()
        for upload in self._kept.values():
            with contextlib.suppress(OSError):
                self._uploads.settle(upload, used=used)

    def _write(self) -> None:
        todo, self._todo = self._todo, []
        for file, data in todo:
            file.write(data)

    # -- what the parser tells -------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._head, self._part = {}, ""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._head[self._name.decode("latin-1").lower()] = self._value
        self._name = self._value = b""

    def _headers(self) -> None:
        _, options = parse_options_header(self._head.get("content-disposition", b""))
        part = options.get(b"name", b"").decode("utf-8", "replace")
        if part != FIELD and part not in FILES:
            raise RefusedError(422, f"{part[:60]!r}: no such part", f"known: {FIELD}, {', '.join(FILES)} (files)")
        if part in self._seen:
            raise RefusedError(422, f"{part}: comes twice", "each part once")
        self._seen.add(part)
        self._part = part
        if part in FILES:
            name = options.get(b"filename", b"").decode("utf-8", "replace")
            self._files[part] = self._uploads.receive(name or part)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part in self._files:
            self._todo.append((self._files[self._part], data[start:end]))
            return
        self.field += data[start:end]
        if len(self.field) > self._limits.body_bytes:
            raise RefusedError(413, f"{FIELD}: larger than {self._limits.body_bytes} bytes")

    def _end(self) -> None:
        self._ended = True


@contextmanager
def _well_formed() -> Iterator[None]:
    try:
        yield
    except FormParserError:
        raise RefusedError(400, "the multipart body is not well formed") from None
