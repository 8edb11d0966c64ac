"""How one request is made: tried again where that does no harm, and refused in words. It knows no route."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from depthflow.client.refusals import no_answer, refusal, strange
from depthflow.client.steps import Call, Flow, Open, Reply, Send, Sleep, Where

T = TypeVar("T")

PAUSES_S = (0.1, 0.5, 2.0)
"""Between the tries of one request."""
MAX_PAUSE_S = 30.0
"""A daemon that asks to be left alone for longer is not waited for."""


def ask(call: Call, read: Callable[[bytes], T], *, opened: bool = False) -> Flow[T]:
    """Send a request until it is answered, and read the answer.

    Sent again are: what the daemon said it did not take (429, or 503 with a time), and what is `repeatable` if the
    connection broke. A daemon that is not there is not waited for.

    Args:
        read: makes the result of the body.
        opened: leave the answer open, to be read in pieces; the body is empty then.

    Raises:
        DepthFlowError: see `refusals`.
    """
    import httpx

    address = yield Where()
    for pause in (*PAUSES_S, None):
        try:
            reply: Reply = yield (Open if opened else Send)(call)
        except httpx.RequestError as error:
            never = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            if pause is None or never or not call.repeatable:
                raise no_answer(address, error) from error
            yield Sleep(pause)
            continue
        if reply.status < 300:
            try:
                return read(reply.body)
            except ValueError as error:
                raise strange(address, error) from error
        asked = _asked_pause(reply)
        if pause is None or asked is None or asked > MAX_PAUSE_S:
            raise refusal(reply, address)
        yield Sleep(max(pause, asked))
    raise AssertionError("the last try returns or raises")


def _asked_pause(reply: Reply) -> float | None:
    """Seconds after which the daemon would take this; None if it would not."""
    said = reply.headers.get("retry-after", "")
    seconds = float(said) if said.isascii() and said.isdigit() else None
    if reply.status == 429:
        return seconds or 0.0
    return seconds if reply.status == 503 else None


def text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def nothing(_: bytes) -> None:
    """For answers that say no more than that it is done."""
