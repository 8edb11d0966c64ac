"""An HTTP server that says what a test tells it, one answer a request; for what a well-behaved daemon never does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


def answer(status: int, body: str = "", **headers: str) -> bytes:
    """A whole answer."""
    head = {"content_type": "application/json", "content_length": str(len(body.encode())), "connection": "close"}
    head |= headers
    lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {value}" for name, value in head.items())]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def broken(body: str, length: int = 10**6) -> bytes:
    """The beginning of an answer that is said to be longer; the connection is closed behind it."""
    return answer(200, body, content_length=str(length), content_type="text/event-stream")


@dataclass
class Script:
    """What was asked, and where the server listens."""

    url: str
    asked: list[bytes] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The first line of every request, without the protocol."""
        return [request.split(b"\r\n")[0].decode().removesuffix(" HTTP/1.1") for request in self.asked]

    def header(self, number: int, name: str) -> str | None:
        """Of one request."""
        for line in self.asked[number].split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None


@contextmanager
def scripted(place: Path | None, *answers: bytes) -> Iterator[Script]:
    """Answer so many requests, each on a connection of its own, then listen no more.

    Args:
        place: of the Unix socket; None listens on loopback.
    """
    if place is None:
        server = socket.create_server(("127.0.0.1", 0))
        script = Script(f"http://127.0.0.1:{server.getsockname()[1]}")
    else:
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(place))
        server.listen()
        script = Script(f"unix://{place}")

    def serve() -> None:
        with server:
            for text in answers:
                try:
                    connection, _ = server.accept()
                except OSError:  # the test is over
                    return
                with connection:
                    script.asked.append(_request(connection))
                    connection.sendall(text)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield script
    finally:
        with suppress(OSError):  # closed already, all being said
            server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _request(connection: socket.socket) -> bytes:
    """One request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0].split(b":")[1]):
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    if not chunk:
        raise AssertionError("the client hung up")
    return chunk
