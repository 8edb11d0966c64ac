"""Photos from addresses: against a real HTTP server on the loopback, with every way in which one can misbehave."""

from __future__ import annotations

import contextlib
import gzip
import io
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from depthflow import fetch as fetching
from depthflow.errors import PhotoError
from depthflow.fetch import Patience, fetch
from depthflow.images import Limits, load_photo

Answer = Callable[[BaseHTTPRequestHandler], None]
SECRET = "hunter2"  # noqa: S105 - a made-up one, to see that it never shows


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 6, 3), (200, 100, 50), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


class Server:
    """Answers each path by the function it was given for it, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.stop = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                outer.asked.append((self.path, dict(self.headers.items())))
                with contextlib.suppress(OSError):  # the client hung up, as it should
                    outer.answers[path](self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def url(self, path: str, userinfo: str = "") -> str:
        return f"http://{userinfo}127.0.0.1:{self.http.server_address[1]}{path}"

    def close(self) -> None:
        self.stop.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    running = Server()
    yield running
    running.close()


def sends(body: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def redirects(to: str) -> Answer:
    return sends(b"", 302, Location=to)


def refused(url: str, **options: object) -> PhotoError:
    """The error, which must not give away what is in the address besides the host."""
    with pytest.raises(PhotoError) as caught:
        fetch(url, **{"max_bytes": 1 << 20} | options)  # type: ignore[arg-type]
    error = caught.value
    whole = f"{error!r} {error.message} {error.hint} {error.__cause__!r}"
    assert error.hint
    assert error.__suppress_context__ or error.__context__ is None
    for secret in (SECRET, "token", "private"):
        assert secret not in whole
    return error


def test_a_photo_comes_whole(server: Server) -> None:
    server.answers["/private/My%20cat.png"] = sends(png(), Content_Type="text/plain")  # the header is not believed
    photo = load_photo(server.url(f"/private/My%20cat.png?token={SECRET}", userinfo=f"me:{SECRET}@"))
    assert photo.size == (6, 4)
    assert photo.pixels[0, 0].tolist() == [200, 100, 50]
    assert photo.name == "My cat"
    assert photo.source == "http://127.0.0.1/…/My%20cat.png"
    path, headers = server.asked[0]
    assert path.endswith(f"?token={SECRET}")
    assert headers["Authorization"].startswith("Basic ")
    assert headers["Accept-Encoding"] == "identity"


def test_what_is_sent_is_decoded_and_not_believed(server: Server) -> None:
    server.answers["/cat.png"] = sends(b"<!DOCTYPE html><p>Please log in", Content_Type="image/png")
    with pytest.raises(PhotoError, match=r"/…/cat\.png is not a photo: it looks like a web page"):
        load_photo(server.url("/cat.png"))


def test_a_cut_connection_is_noticed(server: Server) -> None:
    server.answers["/cat.png"] = sends(png()[:40], Content_Length="1000")
    assert refused(server.url("/cat.png")).message.startswith("cannot download from 127.0.0.1: ")


@pytest.mark.parametrize(
    ("status", "message", "hint"),
    [
        (404, "404 Not Found", "check the address"),
        (401, "401", "login"),
        (403, "403", "give the file"),
        (503, "503", "later"),
    ],
)
def test_refusals_of_the_server(server: Server, status: int, message: str, hint: str) -> None:
    server.answers["/private"] = sends(b"no", status)
    error = refused(server.url(f"/private?token={SECRET}"))
    assert message in error.message
    assert hint in error.hint


def test_no_server_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = refused(f"http://me:{SECRET}@127.0.0.1:{port}/private.png")
    assert error.message.startswith("cannot download from 127.0.0.1: ")


def test_something_that_speaks_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def babble() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"220 ready for mail\r\n\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        error = refused(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join()
    assert error.message.startswith("cannot download from 127.0.0.1: ")


def test_too_large_by_its_own_word_is_not_read(server: Server) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "5000")
        request.end_headers()
        server.stop.wait()  # no byte of it ever comes

    server.answers["/"] = answer
    assert (
        refused(server.url("/"), max_bytes=4999).message
        == "the file at 127.0.0.1 is larger than the limit of 4999 bytes"
    )


@pytest.mark.parametrize("limit", [len(png()), len(png()) - 1])
def test_the_byte_limit_is_exact(server: Server, limit: int) -> None:
    server.answers["/"] = sends(png())
    if limit == len(png()):
        assert load_photo(server.url("/"), limits=Limits(max_bytes=limit)).size == (6, 4)
    else:
        with pytest.raises(PhotoError, match="larger than the limit"):
            load_photo(server.url("/"), limits=Limits(max_bytes=limit))


def endless(server: Server, piece: bytes) -> Answer:
    """A body without announced length that goes on until the client hangs up."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not server.stop.is_set():
            request.wfile.write(piece)
            request.wfile.flush()

    return answer


def test_an_endless_stream_is_cut_at_the_byte_limit(server: Server) -> None:
    server.answers["/"] = endless(server, b"x" * 1000)
    assert "larger than the limit of 2 MiB" in refused(server.url("/"), max_bytes=2 << 20).message


def test_a_dripping_server_is_cut_at_the_time_limit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte comes well within the read limit; a clock that jumps 30 s at each look makes the wait short."""
    seconds = iter(range(0, 10_000, 30))
    monkeypatch.setattr(fetching, "monotonic", lambda: next(seconds))
    server.answers["/"] = endless(server, b"x")
    message = refused(server.url("/"), patience=Patience(total_s=120)).message
    assert message.startswith("127.0.0.1 sent ")
    assert message.endswith("in 120 s and no end")


def test_a_silent_server_is_given_up(server: Server) -> None:
    server.answers["/"] = lambda request: server.stop.wait() and None
    assert refused(server.url("/"), patience=Patience(read_s=0.05)).message == "127.0.0.1 does not answer in time"


def test_compressed_answers_cannot_inflate_past_the_limit(server: Server) -> None:
    server.answers["/"] = sends(gzip.compress(bytes(5_000_000)), Content_Encoding="gzip")
    assert "larger than the limit" in refused(server.url("/"), max_bytes=1_000_000).message


def test_five_redirects_are_followed(server: Server) -> None:
    for step in range(5):
        server.answers[f"/{step}"] = redirects(f"/{step + 1}" if step % 2 else server.url(f"/{step + 1}"))
    server.answers["/5"] = sends(png())
    assert fetch(server.url("/0"), max_bytes=1000) == png()
    assert [path for path, _ in server.asked] == [f"/{step}" for step in range(6)]


def test_a_redirect_loop_ends(server: Server) -> None:
    server.answers["/"] = redirects("/")
    assert refused(server.url("/")).message == "127.0.0.1 redirects more than 5 times"
    assert len(server.asked) == 6


@pytest.mark.parametrize("to", ["file:///etc/private", "ftp://example.org/private", "data:text/plain,private"])
def test_a_redirect_to_another_kind_of_address_is_refused(server: Server, to: str) -> None:
    server.answers["/"] = redirects(to)
    error = refused(server.url("/"))
    assert error.message.startswith("127.0.0.1 redirects elsewhere: ")
    assert error.message.endswith(("only http and https", "to what is no address"))


def test_credentials_stay_with_their_host(server: Server) -> None:
    other = Server()
    try:
        other.answers["/x"] = sends(png())
        server.answers["/"] = redirects(other.url("/x").replace("127.0.0.1", "localhost"))
        fetch(server.url("/", userinfo=f"me:{SECRET}@"), max_bytes=1000)
        assert "Authorization" in server.asked[0][1]
        assert "Authorization" not in other.asked[0][1]
    finally:
        other.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///etc/private", "file addresses are not downloaded: only http and https"),
        ("ftp://example.org/private.jpg", "ftp addresses are not downloaded"),
        ("http:///private.jpg", "names no host"),
        (f"http://me:{SECRET}@host:99x/private", "this is no address"),
    ],
)
def test_addresses_that_are_refused(url: str, message: str) -> None:
    assert message in refused(url).message
    with pytest.raises(PhotoError, match=message):
        load_photo(url)
