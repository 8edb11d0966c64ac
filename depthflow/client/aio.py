"""The client that awaits: carries out the steps of `operations` beside whatever else the event loop does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import ExitStack
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

import httpx

from depthflow.client import driving, operations
from depthflow.client.address import Address
from depthflow.client.steps import Call, Flow, Give, Open, Read, Reply, Send, Shut, Sleep, Step, Stream
from depthflow.errors import ServerError

P = ParamSpec("P")
T = TypeVar("T")


def _does(operation: Callable[P, Flow[T]]) -> Callable[Concatenate[AsyncClient, P], Awaitable[T]]:
    @wraps(operation)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        async with _Run(self, operation(*args, **kwargs)) as run:
            return await run.result()

    return method


def _gives(operation: Callable[P, Stream[T]]) -> Callable[Concatenate[AsyncClient, P], AsyncGenerator[T]]:
    @wraps(operation)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T]:
        async with _Run(self, operation(*args, **kwargs)) as run:
            while isinstance(given := await run.advance(), Give):
                yield given.value

    return method


class AsyncClient:
    """Speaks with a running daemon; the methods of `Client`, to be awaited. Iterate with `async for`.

        async with AsyncClient() as client:
            job = await client.submit("photo.jpg", preset="cinematic")
            async for now in client.follow(job.id):
                print(now.state, now.progress)

    Args:
        As of `Client`.
    """

    def __init__(
        self, server: str | None = None, *, token: str | None = None, timeout: float = driving.TIMEOUT_S
    ) -> None:
        self.address = Address.find(server, token=token)
        transport = httpx.AsyncHTTPTransport(**driving.transport_options(self.address))
        self._http = httpx.AsyncClient(transport=transport, **driving.options(self.address, timeout))

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    submit = _does(operations.submit)
    job = _does(operations.job)
    page = _does(operations.page)
    jobs = _gives(operations.jobs)
    cancel = _does(operations.cancel)
    retry = _does(operations.retry)
    change = _does(operations.change)
    wait = _does(operations.wait)
    follow = _gives(operations.follow)
    events = _gives(operations.events)
    download = _does(operations.download)
    thumbnail = _does(operations.thumbnail)
    depth = _does(operations.depth)
    pause = _does(operations.pause)
    resume = _does(operations.resume)
    folders = _does(operations.folders)
    pause_folder = _does(operations.pause_folder)
    resume_folder = _does(operations.resume_folder)
    rescan_folder = _does(operations.rescan_folder)
    waiting_photos = _does(operations.waiting_photos)
    folder_log = _does(operations.folder_log)
    presets = _does(operations.presets)
    preset = _does(operations.preset)
    depth_models = _does(operations.depth_models)
    system = _does(operations.system)
    drain = _does(operations.drain)
    begin_preview = _does(operations.begin_preview)
    change_preview = _does(operations.change_preview)
    end_preview = _does(operations.end_preview)
    frames = _gives(operations.frames)
    health = _does(operations.health)
    metrics = _does(operations.metrics)


class _Run(Generic[T]):
    """One operation under way, with its open answer."""

    def __init__(self, client: AsyncClient, steps: Flow[T] | Stream[T]) -> None:
        self._client, self._http = client, client._http
        self._steps: Generator[Step | Give[T], Any, Any] = steps
        self._open: httpx.Response | None = None
        self._parts: AsyncIterator[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            self._steps.close()
        finally:
            await self._shut()

    async def result(self) -> T:
        ended = await self.advance()
        assert not isinstance(ended, Give)  # noqa: S101 - a Flow gives nothing
        return ended

    async def advance(self) -> Give[T] | T:
        """Go on until a value is given, or to the end: then its result."""
        act: Callable[[Any], Step | Give[T]] = self._steps.send
        argument: Any = None
        try:
            while not isinstance(step := act(argument), Give):
                try:
                    act, argument = self._steps.send, await self._carry_out(step)
                except httpx.RequestError as error:
                    act, argument = self._steps.throw, error
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        return step

    async def _carry_out(self, step: Step) -> Any:
        if self._http.is_closed and isinstance(step, (Send, Open)):
            raise ServerError("the client was closed")
        match step:
            case Send(call):
                return await self._send(call)
            case Open(call):
                return await self._send_open(call)
            case Read():
                return b"" if self._parts is None else await anext(self._parts, b"")
            case Shut():
                return await self._shut()
            case Sleep(seconds):
                return await asyncio.sleep(seconds)
            case _:
                return self._client.address

    async def _send(self, call: Call) -> Reply:
        with ExitStack() as opened:
            response = await self._http.send(driving.request(self._http, call, opened))
            return driving.reply(response, response.content)

    async def _send_open(self, call: Call) -> Reply:
        await self._shut()
        with ExitStack() as opened:
            request = driving.patient(driving.request(self._http, call, opened))
            self._open = await self._http.send(request, stream=True)
        if self._open.status_code >= 300:
            body = await self._open.aread()
            return driving.reply(self._open, body)
        self._parts = self._open.aiter_bytes()
        return driving.reply(self._open, b"")

    async def _shut(self) -> None:
        if self._open is not None:
            await self._open.aclose()
            self._open = self._parts = None
