"""What the daemon refuses, and what goes wrong on the way to it, as errors of the program's own tree."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from depthflow.client.address import Address
from depthflow.client.models import Problem
from depthflow.client.steps import Reply
from depthflow.errors import Cancelled, DepthFlowError, InputError, ServerError, UsageError

if TYPE_CHECKING:
    import httpx

_ONE_VERSION = "client and daemon should be of one version: depthflow daemon status, depthflow --version"
_KINDS: dict[int, type[DepthFlowError]] = {2: UsageError, 3: InputError, 4: ServerError, 130: Cancelled}
"""By the exit code that the daemon says belongs to a problem."""


def refusal(reply: Reply, address: Address) -> DepthFlowError:
    """The error that a status from 400 up stands for."""
    try:
        problem = Problem.model_validate_json(reply.body)
    except ValueError:
        return _foreign(reply, address)
    if reply.status == 401:
        return ServerError(
            f"the daemon at {address} asks for its token: {problem.detail}",
            "put it into DEPTHFLOW_TOKEN, or its file's name into DEPTHFLOW_TOKEN_FILE",
        )
    if problem.detail in ("Not Found", "Method Not Allowed"):
        return ServerError(f"the daemon at {address} knows no {problem.instance}", _ONE_VERSION)
    kind = _KINDS.get(problem.exit_code, ServerError if reply.status >= 500 or reply.status == 429 else UsageError)
    return kind(problem.detail, problem.hint)


def _foreign(reply: Reply, address: Address) -> DepthFlowError:
    """Something answers, but not in the words of our daemon: another program, a proxy, another version."""
    try:
        said = f"{reply.status} {json.loads(reply.body)['detail']}"
    except (ValueError, KeyError, TypeError):
        said = str(reply.status)
    return ServerError(
        f"what answers at {address} is no DepthFlow daemon of this version: {said}",
        "look at the address (--server), and at the daemon's version (depthflow daemon status)",
    )


def strange(address: Address, error: ValueError) -> ServerError:
    """An answer that is not what the contract says."""
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ServerError(
        f"the daemon at {address} answers something that this version does not understand: {first}",
        _ONE_VERSION,
    )


def no_answer(address: Address, error: httpx.RequestError) -> ServerError:
    """The connection could not be made, or broke."""
    import httpx

    why = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return ServerError(
            f"the daemon at {address} does not answer in time", "see what it does: depthflow daemon logs"
        )
    if not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return ServerError(f"the connection to the daemon at {address} broke: {why}", "is it still running?")
    socket = address.socket
    if socket is None:
        return ServerError(
            f"no daemon answers at {address}: {why}", "look at the address, and that the daemon runs there"
        )
    if "too long" in why:
        return ServerError(f"{socket}: too long for the name of a socket", "name a shorter one in DEPTHFLOW_SOCKET")
    if "denied" in why:
        return ServerError(
            f"{socket}: the daemon belongs to another user", "ask as that user, or over TCP with its token"
        )
    return ServerError(
        f"no daemon is running (nobody listens at {socket})",
        "start one: depthflow daemon start; or name another: --server, DEPTHFLOW_SERVER",
    )
