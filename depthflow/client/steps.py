"""What an operation asks of whoever carries it out: operations decide, drivers act. Nothing here touches a socket.

An operation is a generator. It yields steps, gets their answers back, and returns its result; so each is written once,
and run by a blocking driver (`sync`) as well as by one that awaits (`aio`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class File:
    """A file to send: its name for the daemon, and where its bytes are."""

    name: str
    content: Path | bytes


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request.

    Attributes:
        path: below the server's address, such as "/v1/jobs".
        params: of the query; None is left out, a list is said several times.
        json: the body, as JSON text; or else
        form, files: the parts of a multipart body.
        repeatable: asking twice does no more than asking once, so that it may be sent again if the answer is lost.
    """

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: str | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; names of headers are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request and take the whole answer: a Reply."""

    call: Call


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request and keep its answer open: a Reply, whose body is there only if it was refused."""

    call: Call


@dataclass(frozen=True, slots=True)
class Read:
    """Take more of the open answer: bytes, none at its end."""


@dataclass(frozen=True, slots=True)
class Shut:
    """Close the open answer, if there is one."""


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class Where:
    """Tell the daemon's Address."""


@dataclass(frozen=True, slots=True)
class Give(Generic[T]):
    """Hand a value to whoever iterates."""

    value: T


Step: TypeAlias = Send | Open | Read | Shut | Sleep | Where
Flow: TypeAlias = Generator[Step, Any, T]
"""An operation with one result."""
Stream: TypeAlias = Generator[Step | Give[T], Any, None]
"""An operation that gives one value after the other."""
