"""The client that blocks: carries out the steps of `operations`, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
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


def _does(operation: Callable[P, Flow[T]]) -> Callable[Concatenate[Client, P], T]:
    @wraps(operation)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with _Run(self, operation(*args, **kwargs)) as run:
            return run.result()

    return method


def _gives(operation: Callable[P, Stream[T]]) -> Callable[Concatenate[Client, P], Generator[T]]:
    @wraps(operation)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Generator[T]:
        with _Run(self, operation(*args, **kwargs)) as run:
            while isinstance(given := run.advance(), Give):
                yield given.value

    return method


class Client:
    """Speaks with a running daemon, and waits for each answer. Threads may share it.

        with Client() as client:
            job = client.submit("photo.jpg", preset="cinematic")
            client.wait(job.id)

    Args:
        server: unix:///path/of/socket, http://host:port or https://host:port; None takes DEPTHFLOW_SERVER, else the
            user's own daemon.
        token: of a daemon on TCP; None takes DEPTHFLOW_TOKEN, or the file that DEPTHFLOW_TOKEN_FILE names.
        timeout: seconds to wait for an answer, or for more of it.

    Raises:
        UsageError: the address or the token is none. Whether a daemon answers is seen at the first request.
    """

    def __init__(
        self, server: str | None = None, *, token: str | None = None, timeout: float = driving.TIMEOUT_S
    ) -> None:
        self.address = Address.find(server, token=token)
        transport = httpx.HTTPTransport(**driving.transport_options(self.address))
        self._http = httpx.Client(transport=transport, **driving.options(self.address, timeout))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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

    def __init__(self, client: Client, steps: Flow[T] | Stream[T]) -> None:
        self._client, self._http = client, client._http
        self._steps: Generator[Step | Give[T], Any, Any] = steps
        self._open: httpx.Response | None = None
        self._parts: Iterator[bytes] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._steps.close()
        finally:
            self._shut()

    def result(self) -> T:
        ended = self.advance()
        assert not isinstance(ended, Give)  # noqa: S101 - a Flow gives nothing
        return ended

    def advance(self) -> Give[T] | T:
        """Go on until a value is given, or to the end: then its result."""
        act: Callable[[Any], Step | Give[T]] = self._steps.send
        argument: Any = None
        try:
            while not isinstance(step := act(argument), Give):
                try:
                    act, argument = self._steps.send, self._carry_out(step)
                except httpx.RequestError as error:
                    act, argument = self._steps.throw, error
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        return step

    def _carry_out(self, step: Step) -> Any:
        if self._http.is_closed and isinstance(step, (Send, Open)):
            raise ServerError("the client was closed")
        match step:
            case Send(call):
                return self._send(call)
            case Open(call):
                return self._send_open(call)
            case Read():
                return next(self._parts, b"")
            case Shut():
                return self._shut()
            case Sleep(seconds):
                return time.sleep(seconds)
            case _:
                return self._client.address

    def _send(self, call: Call) -> Reply:
        with ExitStack() as opened:
            response = self._http.send(driving.request(self._http, call, opened))
            return driving.reply(response, response.content)

    def _send_open(self, call: Call) -> Reply:
        self._shut()
        with ExitStack() as opened:
            request = driving.patient(driving.request(self._http, call, opened))
            self._open = self._http.send(request, stream=True)
        if self._open.status_code >= 300:
            body = self._open.read()
            return driving.reply(self._open, body)
        self._parts = self._open.iter_bytes()
        return driving.reply(self._open, b"")

    def _shut(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open, self._parts = None, iter(())
