"""The client against servers that break off, refuse, lie and go away: real sockets, scripted answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from clients import CLIENTS
from scripted_server import Script, answer, broken, scripted

from depthflow.client import Address, AsyncClient, Client, asking, listening, operations
from depthflow.client.frames import FRAME, PROBLEM, Frame, Packets, packet
from depthflow.client.sse import Message, Parser
from depthflow.client.steps import Open, Reply, Send, Sleep, Where
from depthflow.errors import DepthFlowError, InputError, OutputError, ServerError, UsageError

NOW = "2026-11-22T12:00:00Z"


def job(number: int = 7, state: str = "queued", **more: Any) -> dict[str, Any]:
    return {"id": number, "state": state, "source": "/in/a.jpg", "added_at": NOW, "changed_at": NOW, **more}


def state(line: int, what: str, **facts: Any) -> str:
    data = {"kind": "state", "id": line, "at": NOW, "what": what, "job": job(**facts)}
    return f"event: state\nid: {line}\ndata: {json.dumps(data)}\n\n"


def progress(done: int) -> str:
    data = {"kind": "progress", "job": 7, "progress": {"stage": "render", "done": done, "total": 9}}
    return f"event: progress\ndata: {json.dumps(data)}\n\n"


def problem(status: int, detail: str, hint: str = "", exit_code: int = 1, **headers: str) -> bytes:
    said = {"title": "X", "status": status, "detail": detail, "hint": hint, "exit_code": exit_code}
    return answer(status, json.dumps(said), content_type="application/problem+json", **headers)


def stream(*events: str) -> bytes:
    return answer(200, "".join(events), content_type="text/event-stream")


JOB = answer(200, json.dumps(job()))
DETAIL = answer(200, json.dumps({**job(state="done"), "spec": {}}))


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Any:
    return CLIENTS[request.param]


@pytest.fixture(params=["unix", "tcp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "s" if request.param == "unix" else None


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting between tries is a step like others; here it takes no time."""
    monkeypatch.setattr("time.sleep", lambda _: None)

    async def sleep(_: float) -> None:
        return None

    monkeypatch.setattr("asyncio.sleep", sleep)


@contextmanager
def talking(client: Any, *answers: bytes, place: Path | None = None) -> Iterator[tuple[Any, Script]]:
    """A client of a server that says this."""
    with scripted(place, *answers) as server, client(server.url, token="opensesame") as speaking:  # noqa: S106
        yield speaking, server


def test_both_clients_can_do_the_same() -> None:
    names = {name for name in vars(Client) if not name.startswith("_")} - {"close"}
    assert names == {name for name in vars(AsyncClient) if not name.startswith("_")} - {"aclose"}
    assert names >= {"submit", "job", "jobs", "cancel", "events", "follow", "wait", "download", "system"}
    assert Client.job.__doc__ == operations.job.__doc__


@pytest.mark.parametrize("server", ["unix:///nowhere/s", "http://127.0.0.1:1"])
def test_no_certificates_are_read_where_none_are_needed(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/certificates.pem")
    for kind in (Client, AsyncClient):
        kind(server, token="t" * 32)


def test_a_closed_client_says_that_it_is() -> None:
    knowing = Client("http://127.0.0.1:1")
    knowing.close()
    with pytest.raises(ServerError, match="was closed"):
        knowing.system()

    async def later() -> None:
        knowing = AsyncClient("http://127.0.0.1:1")
        await knowing.aclose()
        with pytest.raises(ServerError, match="was closed"):
            await knowing.end_preview("p1")

    asyncio.run(later())


# -- requests ------------------------------------------------------------------------------------------------------


def test_a_request_and_its_answer(client: Any, place: Path | None) -> None:
    with talking(client, DETAIL, place=place) as (speaking, server):
        found = speaking.job(7)
    assert (found.id, found.state, found.ended) == (7, "done", True)
    assert server.lines() == ["GET /v1/jobs/7"]
    assert server.header(0, "authorization") == (None if place else "Bearer opensesame"), "a socket needs no token"
    assert server.header(0, "user-agent").startswith("depthflow/")  # type: ignore[union-attr]


def test_what_is_lost_is_asked_again_only_if_that_does_no_harm(client: Any) -> None:
    with talking(client, b"", b"HTTP/1.1 200 OK\r\n", DETAIL) as (speaking, server):
        assert speaking.job(7).id == 7
        assert len(server.asked) == 3
    with talking(client, b"") as (speaking, server), pytest.raises(ServerError, match="broke"):
        speaking.cancel(7)
    assert server.lines() == ["POST /v1/jobs/7/cancel"]


def test_a_job_that_is_submitted_again_has_the_same_key(client: Any, photo: Path) -> None:
    with talking(client, b"", JOB) as (speaking, server):
        assert speaking.submit(photo, preset="zoom").id == 7
    assert server.lines() == ["POST /v1/jobs"] * 2
    keys = [server.header(number, "idempotency-key") for number in (0, 1)]
    assert keys[0] == keys[1]
    assert len(keys[0] or "") >= 32
    for asked in server.asked:
        assert photo.read_bytes() in asked, "the file is sent whole each time"


def test_a_busy_daemon_is_asked_later(client: Any) -> None:
    busy = problem(429, "too many requests", retry_after="1")
    with talking(client, busy, problem(503, "starting", retry_after="1"), JOB) as (speaking, _):
        assert speaking.cancel(7).id == 7, "what was not taken may be said again"
    with (
        talking(client, problem(503, "draining", "start another")) as (speaking, _),
        pytest.raises(ServerError, match="draining"),
    ):
        speaking.cancel(7)
    with (
        talking(client, problem(429, "not today", retry_after="86400")) as (speaking, _),
        pytest.raises(ServerError, match="not today"),
    ):
        speaking.cancel(7)


@pytest.mark.parametrize(
    ("status", "exit_code", "kind"),
    [(400, 2, UsageError), (404, 2, UsageError), (422, 3, InputError), (500, 1, ServerError), (507, 4, ServerError)],
)
def test_refusals_become_our_errors(client: Any, status: int, exit_code: int, kind: type[DepthFlowError]) -> None:
    said = problem(status, "motion.nmae: unknown key", "did you mean 'name'?", exit_code)
    with talking(client, said) as (speaking, _), pytest.raises(kind) as caught:
        speaking.retry(7)
    assert caught.value.message == "motion.nmae: unknown key"
    assert caught.value.hint == "did you mean 'name'?"


def test_a_missing_token_is_said(client: Any) -> None:
    said = problem(401, "no token was sent")
    with talking(client, said) as (speaking, _), pytest.raises(ServerError) as caught:
        speaking.job(7)
    assert "asks for its token" in caught.value.message
    assert "DEPTHFLOW_TOKEN" in caught.value.hint


@pytest.mark.parametrize(
    "said",
    [
        answer(404, "<html>nginx", content_type="text/html"),
        answer(404, '{"detail": "Not Found"}'),
        answer(200, "<html>hello"),
        answer(200, '{"id": "x"}'),
        answer(302, "", location="https://example.org/"),
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_what_is_no_daemon_is_said_to_be_none(client: Any, said: bytes) -> None:
    with talking(client, *[said] * 4) as (speaking, server), pytest.raises(ServerError) as caught:
        speaking.job(7)
    assert server.url in caught.value.message
    assert caught.value.hint


def test_no_daemon_is_said_at_once(client: Any, tmp_path: Path) -> None:
    with client(f"unix://{tmp_path}/none") as speaking, pytest.raises(ServerError) as caught:
        speaking.system()
    assert "no daemon is running" in caught.value.message
    assert "depthflow daemon start" in caught.value.hint
    with client(f"unix://{tmp_path}/{'x' * 120}") as speaking, pytest.raises(ServerError, match="too long"):
        speaking.system()
    with client("http://127.0.0.1:9") as speaking, pytest.raises(ServerError, match="no daemon answers at"):
        speaking.system()


# -- events --------------------------------------------------------------------------------------------------------


def test_events_go_on_where_they_were(client: Any, place: Path | None) -> None:
    first = broken(state(11, "added") + progress(1) + state(12, "started", state="running") + "id: 13\nevent: sta")
    second = stream(
        state(12, "started", state="running"), progress(8), ": still here\n\n", state(13, "done", state="done")
    )
    with talking(client, first, b"", second, place=place) as (speaking, server):
        seen = [getattr(event, "what", event.kind) for event in speaking.events(7)]
    assert seen == ["added", "progress", "started", "progress", "done"], "nothing is left out, and no state comes twice"
    assert server.lines() == ["GET /v1/jobs/7/events"] * 3
    assert [server.header(number, "last-event-id") for number in range(3)] == [None, "12", "12"]


def test_events_of_all_jobs_begin_where_one_says(client: Any) -> None:
    with (
        scripted(None, stream(state(5, "added"), state(6, "done", state="done"))) as server,
        client(server.url) as speaking,
    ):
        given = speaking.events(after=4)
        assert [next(given).what, next(given).what] == ["added", "done"]
        given.close()
    assert server.header(0, "last-event-id") == "4"


def test_a_daemon_that_stays_away_is_given_up(client: Any) -> None:
    with talking(client, stream(state(11, "added"))) as (speaking, _):
        given = speaking.events(7, patience=3)
        assert next(given).what == "added"
        with pytest.raises(ServerError, match="no daemon answers"):
            next(given)


def test_a_job_that_is_forgotten_meanwhile_ends_the_events(client: Any) -> None:
    gone = problem(404, "there is no job 7", exit_code=2)
    with (
        talking(client, stream(state(11, "added")), gone) as (speaking, _),
        pytest.raises(UsageError, match="no job 7"),
    ):
        list(speaking.events(7))


def test_following_gives_the_job_with_its_progress(client: Any) -> None:
    told = stream(
        state(11, "added"), state(12, "started", state="running"), progress(4), state(13, "done", state="done")
    )
    with talking(client, told) as (speaking, _):
        seen = [(each.state, each.progress and each.progress.done) for each in speaking.follow(7)]
    assert seen == [("queued", None), ("running", None), ("running", 4), ("done", None)]


def test_waiting_ends_with_all_that_is_known(client: Any) -> None:
    with talking(client, broken(progress(1)), stream(state(3, "done", state="done")), DETAIL) as (speaking, server):
        assert speaking.wait(7).spec == {}
    assert server.lines() == ["GET /v1/jobs/7/events"] * 2 + ["GET /v1/jobs/7"]


def test_events_that_are_none_are_refused(client: Any) -> None:
    with (
        talking(client, stream("event: state\ndata: {}\n\n")) as (speaking, _),
        pytest.raises(ServerError, match="does not understand"),
    ):
        next(speaking.events())


def pauses(flow: Any, count: int) -> list[float]:
    """How long an operation sleeps, if its stream opens once, and nothing works any more."""
    found: list[float] = []
    opened = False
    step = next(flow)
    while len(found) < count:
        match step:
            case Sleep(seconds):
                found.append(seconds)
                step = flow.send(None)
            case Where():
                step = flow.send(Address.find("http://127.0.0.1:9"))
            case Open() if not opened:
                opened = True
                step = flow.send(Reply(200, {}, b""))
            case Open() | Send():
                step = flow.throw((httpx.ConnectError if opened else httpx.ReadError)("none"))
            case _:
                step = flow.send(b"")
    return found


def test_pauses_grow_to_a_limit() -> None:
    assert pauses(operations.job(1), 3) == list(asking.PAUSES_S) == sorted(asking.PAUSES_S)
    found = pauses(listening.until_ended(1, patience=1e9), 12)
    assert found[1] == 2 * found[0] == 2 * listening.FIRST_PAUSE_S
    assert found[-2:] == [listening.LONGEST_PAUSE_S] * 2


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_read_in_pieces_of_any_size(size: int) -> None:
    text = "\u2603".encode()
    raw = b": hi\r\n\r\nevent: a\r\ndata: 1\r\ndata: " + text + b"\r\nid: 9\r\n\r\ndata:x\rfoo\r\rdata: y\n\nid: 10\n\n"
    parser = Parser()
    found = [message for at in range(0, len(raw), size) for message in parser.feed(raw[at : at + size])]
    assert found == [Message("a", "1\n\u2603", "9"), Message("message", "x", "9"), Message("message", "y", "9")]


@pytest.mark.parametrize("size", [1, 5, 22, 23, 1000])
def test_frames_are_read_in_pieces_of_any_size(size: int) -> None:
    frame = packet(FRAME, b"abcdef", width=2, height=1, revision=3, number=7)
    raw = frame + packet(9, b"later kinds") + packet(PROBLEM, b'{"detail": "no", "hint": "go"}', revision=4) + frame
    packets = Packets()
    found = [each for at in range(0, len(raw), size) for each in packets.feed(raw[at : at + size])]
    picture = Frame(3, 7, 2, 1, b"abcdef")
    assert found == [picture, Frame(4, 0, 0, 0, b"", "no", "go"), picture]
    for wrong in (b"<html>" * 9, packet(FRAME, b"abc", width=2, height=1)):
        with pytest.raises(ServerError, match="stream of frames"):
            list(Packets().feed(wrong))


def test_frames_go_on_after_a_lost_connection_until_the_preview_is_gone(client: Any) -> None:
    frame = packet(FRAME, b"abcdef", width=2, height=1, revision=3, number=7)
    half = answer(200, "", content_length="999") + frame + frame[:9]
    with talking(client, half, problem(404, "there is no preview p", exit_code=2)) as (speaking, server):
        assert [frame.number for frame in speaking.frames("p")] == [7]
    assert server.lines() == ["GET /v1/previews/p/stream"] * 2


# -- files ---------------------------------------------------------------------------------------------------------


def test_a_download_is_whole_or_not_there(client: Any, tmp_path: Path) -> None:
    target = tmp_path / "out" / "a.mp4"
    target.parent.mkdir()
    with talking(client, broken("half", 10), broken("hal", 10), answer(200, "0123456789")) as (speaking, _):
        assert speaking.download(7, 1, target) == target
    assert target.read_text() == "0123456789"
    assert [file.name for file in target.parent.iterdir()] == ["a.mp4"]
    with talking(client, *[broken("half", 10)] * 3) as (speaking, _), pytest.raises(ServerError, match="broke"):
        speaking.download(7, 1, target, overwrite=True)
    assert target.read_text() == "0123456789"
    assert [file.name for file in target.parent.iterdir()] == ["a.mp4"]


def test_a_download_replaces_nothing_unasked_and_says_where_it_cannot_write(client: Any, photo: Path) -> None:
    with talking(client, answer(200, "x")) as (speaking, _), pytest.raises(OutputError, match="already"):
        speaking.download(7, 1, photo)
    with talking(client, answer(200, "x")) as (speaking, _), pytest.raises(OutputError, match="cannot be written"):
        speaking.download(7, 1, photo.parent / "none" / "x.mp4")


def test_a_photo_that_is_not_there_is_said_before_anything_is_sent(client: Any, tmp_path: Path) -> None:
    with client("http://127.0.0.1:9") as speaking:
        for spec in ({}, {"audio": str(tmp_path / "none.mp3")}, {"depth": {"file": str(tmp_path / "none.png")}}):
            photo = tmp_path / "a.jpg"
            if spec:
                photo.write_bytes(b"x")
            with pytest.raises(InputError, match="no such file"):
                speaking.submit(photo, spec=spec)
