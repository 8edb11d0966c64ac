"""Follows what the daemon tells: server-sent events that go on where they were after the connection was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar, cast

from depthflow.client.address import Address
from depthflow.client.asking import ask, nothing
from depthflow.client.models import EVENT, Event, Job, ProgressEvent, StateEvent
from depthflow.client.refusals import no_answer, strange
from depthflow.client.sse import Parser
from depthflow.client.steps import Call, Flow, Give, Read, Shut, Sleep, Stream, Where
from depthflow.errors import ServerError

T = TypeVar("T")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
PATIENCE_S = 60.0
"""A daemon that was there and is not any more is waited for so long: it may be starting again."""


def events(job: int | None = None, *, after: int | None = None, patience: float = PATIENCE_S) -> Stream[Event]:
    """What happens: to all jobs from now on, for ever; or to one job, from its beginning until it has ended.

    When the connection is lost it is made again, and no state is left out: it goes on behind the last one that came.

    Args:
        job: only this one.
        after: begin behind the event of this id.
        patience: seconds to wait for a daemon that went away.

    Raises:
        ServerError: no daemon answers, or it stayed away. UsageError: there is no such job.
    """
    return _listen(lambda event: event, job, after, patience)


def follow(job: int, *, patience: float = PATIENCE_S) -> Stream[Job]:
    """One job as it is now, and again whenever something changed, progress too; the last one has ended.

    Raises:
        As `events`.
    """
    known: Job | None = None

    def snapshot(event: Event) -> Job | None:
        nonlocal known
        if isinstance(event, StateEvent):
            known = event.job
        elif isinstance(event, ProgressEvent) and known is not None:
            known = known.model_copy(update={"progress": event.progress})
        return known

    return _listen(snapshot, job, None, patience)


def until_ended(job: int, *, patience: float = PATIENCE_S) -> Flow[None]:
    """The same without a word in between."""
    return cast("Flow[None]", _listen(lambda _: None, job, None, patience))  # it gives nothing


def _listen(give: Callable[[Event], T | None], job: int | None, after: int | None, patience: float) -> Stream[T]:
    """Gives out what `give` makes of every event, unless it is None."""
    import httpx

    path = "/v1/events" if job is None else f"/v1/jobs/{job}/events"
    address = yield Where()
    met, ended = False, False
    waited, pause = 0.0, FIRST_PAUSE_S
    while True:
        headers = {"Accept": "text/event-stream", **({} if after is None else {"Last-Event-ID": str(after)})}
        try:
            yield from ask(Call("GET", path, headers=headers), nothing, opened=True)
        except ServerError as error:
            if not met:
                raise
            lost = error
        else:
            met, parser = True, Parser()
            try:
                while chunk := (yield Read()):
                    waited, pause = 0.0, FIRST_PAUSE_S
                    for event in _events(parser, chunk, address):
                        if not isinstance(event, ProgressEvent):
                            if after is not None and event.id <= after:
                                continue
                            after = event.id
                        if isinstance(event, StateEvent):
                            ended = event.job.ended
                        if (value := give(event)) is not None:
                            yield Give(value)
            except httpx.RequestError as error:
                lost = no_answer(address, error)
            else:
                if job is not None and ended:
                    return
                lost = ServerError(f"the daemon at {address} ended the stream of events", "is it still running?")
        yield Shut()
        if waited >= patience:
            raise lost
        yield Sleep(pause)
        waited, pause = waited + pause, min(2 * pause, LONGEST_PAUSE_S)


def _events(parser: Parser, chunk: bytes, address: Address) -> Iterator[Event]:
    for message in parser.feed(chunk):
        try:
            yield EVENT.validate_json(message.data)
        except ValueError as error:
            raise strange(address, error) from error
