"""Server-sent events as a client reads them, over the Unix socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from daemon_api import Daemon, daemon, refusal
from depthflow_daemon.api import events as api_events

from depthflow.client.models import EVENT


@pytest.fixture
def own() -> Iterator[Daemon]:
    with daemon() as running:
        yield running


@contextmanager
def events(own: Daemon, path: str, **headers: str) -> Iterator[Iterator[dict[str, str]]]:
    """Every event as its fields; comments have the field "comment"."""

    def parsed(lines: Iterator[str]) -> Iterator[dict[str, str]]:
        found: dict[str, str] = {}
        for line in lines:
            if not line:
                if found:
                    yield found
                found = {}
                continue
            name, _, value = line.partition(":")
            found[name or "comment"] = value.removeprefix(" ")

    with own.client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-cache"
        found = parsed(answer.iter_lines())
        assert next(found) == {"comment": "listening"}
        yield found


def step(done: int) -> dict[str, Any]:
    return {"stage": "render", "done": done, "total": 9, "seconds": 2.0, "note": "", "warning": False}


def test_a_jobs_events_end_with_it(own: Daemon) -> None:
    job = own.submit()["id"]
    with events(own, f"/v1/jobs/{job}/events") as stream:
        first = next(stream)
        assert (first["event"], json.loads(first["data"])["what"]) == ("state", "added")
        taken = own.store.take("w")
        assert taken is not None
        own.core.hub.progress(job, step(4))
        own.core.hub.changed()
        kinds = [next(stream) for _ in range(2)]
        progress = EVENT.validate_json(next(one["data"] for one in kinds if one["event"] == "progress"))
        assert progress.kind == "progress"
        assert (progress.progress.done, progress.progress.rate) == (4, 2.0)
        assert own.client.get(f"/v1/jobs/{job}").json()["progress"]["done"] == 4
        own.store.finish(job, 1, facts={})
        own.core.hub.ended(own.store.get(job))
        rest = list(stream)
    last = EVENT.validate_json(rest[-1]["data"])
    assert last.kind == "state"
    assert (last.what, last.job.state, last.job.ended) == ("done", "done", True)
    assert own.client.get(f"/v1/jobs/{job}").json()["progress"] is None


def test_events_of_an_ended_job_are_its_history(own: Daemon) -> None:
    job = own.submit()["id"]
    own.finish()
    with events(own, f"/v1/jobs/{job}/events") as stream:
        assert [json.loads(one["data"])["what"] for one in stream] == ["added", "started", "done"]


def test_a_client_that_comes_back_misses_nothing(own: Daemon) -> None:
    job = own.submit()["id"]
    with events(own, f"/v1/jobs/{job}/events") as stream:
        seen = next(stream)["id"]
    own.finish()
    with events(own, f"/v1/jobs/{job}/events", **{"Last-Event-ID": seen}) as stream:
        assert [json.loads(one["data"])["what"] for one in stream] == ["started", "done"]
    with events(own, "/v1/events", **{"Last-Event-ID": seen}) as stream:
        assert json.loads(next(stream)["data"])["what"] == "started"
    with events(own, f"/v1/jobs/{job}/events", **{"Last-Event-ID": "rubbish"}) as stream:
        assert json.loads(next(stream)["data"])["what"] == "added"


def test_all_events_begin_now(own: Daemon) -> None:
    own.submit()
    with events(own, "/v1/events") as stream:
        listening = threading.Thread(target=own.client.post, args=("/v1/queue/pause",))
        listening.start()
        event = next(stream)
        assert event["event"] == "queue"
        assert json.loads(event["data"])["what"] == "paused"
        listening.join()


def test_a_comment_comes_when_nothing_happens(own: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_events, "BEAT_SECONDS", 0.05)
    with events(own, "/v1/events") as stream:
        assert next(stream)["comment"] == "alive"


def test_one_that_does_not_read_holds_up_nobody(own: Daemon) -> None:
    """Its socket is full; the daemon goes on, and keeps nothing for it but where it is."""
    job = own.submit()["id"]
    with socket.socket(socket.AF_UNIX) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(str(own.socket))
        lazy.sendall(f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert lazy.recv(10)
        for number in range(600):
            own.store.hold(job, number % 2 == 0)
            own.core.hub.progress(job, step(number))
        own.core.hub.changed()
        with events(own, "/v1/events", **{"Last-Event-ID": "0"}) as stream:
            kinds = [json.loads(next(stream)["data"]) for _ in range(601)]
        assert sum(one.get("what") in ("held", "released") for one in kinds) >= 599
        assert own.finish() == job
        lazy.settimeout(60)
        read = b""
        while not read.endswith(b"\r\n0\r\n\r\n"):
            chunk = lazy.recv(65536)
            assert chunk
            read += chunk
        assert read.count(b"event: state") >= 600


def test_streams_are_limited_and_given_back() -> None:
    with daemon(streams=1) as own:
        with events(own, "/v1/events") as stream:
            own.core.hub.progress(1, step(1))
            next(stream)
            refusal(own.client.get("/v1/events"), 503, "streams are open already")
        while own.core.hub.listeners:  # the daemon notices in its own time
            own.core.hub.changed()
        with events(own, "/v1/events"):
            pass


def test_the_end_of_the_daemon_ends_the_streams() -> None:
    with daemon() as own, events(own, "/v1/events") as stream:
        ending = threading.Thread(target=own.server.stop)
        ending.start()
        assert list(stream) == []
        ending.join()
