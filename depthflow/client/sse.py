"""Reads server-sent events (WHATWG HTML, section 9.2.6) out of chunks of bytes; it knows no connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from depthflow.errors import ServerError

MAX_LINE = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Message:
    """One event: its kind, its data, and the id that names it to a server when the connection was lost."""

    kind: str
    data: str
    id: str


class Parser:
    """Takes bytes as they come, in pieces of any size, and gives out whole events."""

    def __init__(self) -> None:
        self._rest = b""
        self._kind, self._id = "", ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """The events that end within this chunk.

        Raises:
            ServerError: a line without end, which no daemon of ours sends.
        """
        # A return at the very end may be half of a line's end.
        text = self._rest + chunk
        held = b"\r" if text.endswith(b"\r") else b""
        *lines, rest = text.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = rest + held
        if len(self._rest) > MAX_LINE:
            raise ServerError("the daemon's stream of events is none", "is it a DepthFlow daemon that answers there?")
        for line in lines:
            if line:
                self._field(line.decode("utf-8", "replace"))
            elif (message := self._message()) is not None:
                yield message

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value
        elif name == "id" and "\0" not in value:
            self._id = value

    def _message(self) -> Message | None:
        kind, data = self._kind or "message", self._data
        self._kind, self._data = "", []
        return Message(kind, "\n".join(data), self._id) if data else None
