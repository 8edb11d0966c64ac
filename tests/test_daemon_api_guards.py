"""Who gets in: socket permissions, token, Host, pace, and limits; with real sockets."""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from daemon_api import Daemon, daemon, picture, refusal
from depthflow_daemon.api import guards
from depthflow_daemon.api.guards import Pace, hosts_of, is_loopback
from depthflow_daemon.api.server import Server, bind_unix
from depthflow_daemon.uploads import Uploads

from depthflow.errors import SystemError_, UsageError

TOKEN = "correct horse"  # noqa: S105
NEARLY = "nearly right"
ANYWHERE = "0.0.0.0"  # noqa: S104


@pytest.fixture(scope="module")
def guarded() -> Iterator[Daemon]:
    with daemon(listen=("127.0.0.1", 0), token=TOKEN) as running:
        yield running


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="df-") as folder:
        yield Path(folder)


def ask(
    running: Daemon, path: str = "/v1/system", *, host: str | None = None, token: str | None = None
) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    if host is not None:
        headers["Host"] = host
    return httpx.get(f"http://127.0.0.1:{running.server.port}{path}", headers=headers, timeout=60)


# -- the Unix socket -----------------------------------------------------------------------------------------------


def test_the_socket_is_the_users_alone(guarded: Daemon) -> None:
    assert stat.S_IMODE(guarded.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(guarded.socket.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the folder alone guards it in its first moment")
def test_the_socket_is_never_open_to_others(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    chmod = Path.chmod

    def look(self: Path, mode: int) -> None:
        seen.append(stat.S_IMODE(self.stat().st_mode))
        chmod(self, mode)

    monkeypatch.setattr(Path, "chmod", look)
    before = os.umask(0)
    try:
        bind_unix(place / "s").close()
    finally:
        os.umask(before)
    assert seen == [0o600]


def test_a_stale_socket_is_taken_over_and_a_live_one_is_not(place: Path) -> None:
    path = place / "s"
    bind_unix(path).close()
    assert path.exists()
    with bind_unix(path):
        with pytest.raises(SystemError_, match="another daemon answers here"):
            bind_unix(path)
        assert path.exists()


def test_what_is_no_socket_is_left_alone(place: Path) -> None:
    (place / "s").write_text("mine")
    with pytest.raises(SystemError_, match="is no socket"):
        bind_unix(place / "s")
    assert (place / "s").read_text() == "mine"
    (place / "l").symlink_to(place / "s")
    with pytest.raises(SystemError_, match="is no socket"):
        bind_unix(place / "l")
    with pytest.raises(SystemError_, match="too long") as error:
        bind_unix(place / ("x" * 120))
    assert "shorter" in error.value.hint


def test_the_socket_goes_with_its_daemon_and_not_with_another() -> None:
    with daemon() as first:
        path = first.socket
        first.server.stop()
        assert not path.exists()
        with bind_unix(path):
            first.server.stop()
            assert path.exists()


# -- the token -----------------------------------------------------------------------------------------------------


def test_tcp_needs_the_token_on_loopback_too(guarded: Daemon) -> None:
    answer = ask(guarded)
    refusal(answer, 401, "Bearer TOKEN")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    refusal(ask(guarded, token=TOKEN[:-1]), 401)
    refusal(ask(guarded, token=TOKEN + "x"), 401)
    refusal(ask(guarded, "/metrics"), 401)
    refusal(ask(guarded, "/v1/openapi.json"), 401)
    assert ask(guarded, token=TOKEN).status_code == 200
    assert ask(guarded, "/healthz").json()["status"] == "ok"
    assert guarded.client.get("/v1/system").status_code == 200, "the Unix socket needs none"


def test_guessing_is_slowed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "_FAILURES_PER_SECOND", 0.01)  # that it does not depend on this machine's speed
    with daemon(listen=("127.0.0.1", 0), token=TOKEN) as own:
        codes = [ask(own, token=f"guess {number}").status_code for number in range(15)]
        assert codes[:10] == [401] * 10
        assert 429 in codes
        refused = ask(own, token=TOKEN)
        refusal(refused, 429)
        assert int(refused.headers["retry-after"]) >= 1


def test_a_page_that_points_its_name_at_us_is_refused(guarded: Daemon) -> None:
    refusal(ask(guarded, host="evil.example", token=TOKEN), 403)
    refusal(ask(guarded, "/healthz", host="evil.example:8380"), 403)
    for host in ("localhost:1", "127.0.0.1", "LOCALHOST"):
        assert ask(guarded, host=host, token=TOKEN).status_code == 200


def test_no_token_no_tcp(guarded: Daemon) -> None:
    for host in ("127.0.0.1", ANYWHERE, "::1"):
        for token in (None, ""):
            with pytest.raises(UsageError, match="needs a token"):
                Server(guarded.core, listen=(host, 0), token=token)


def test_a_port_that_is_taken_is_said(guarded: Daemon) -> None:
    server = Server(guarded.core, listen=("127.0.0.1", guarded.server.port or 0), token=TOKEN)
    with pytest.raises(SystemError_, match="cannot be listened on"):
        server.start()


def test_hosts() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("[::1]")
    assert is_loopback("localhost")
    assert not is_loopback(ANYWHERE)
    assert not is_loopback("example.org")
    assert hosts_of(ANYWHERE) is None
    assert "[::1]" in (hosts_of("::1") or ())


def test_no_secret_is_logged(
    guarded: Daemon, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("broken")

    with caplog.at_level(logging.DEBUG):
        ask(guarded, token=TOKEN)
        ask(guarded, token=NEARLY)
        monkeypatch.setattr(guarded.core.store, "counts", broken)
        refusal(ask(guarded, token=TOKEN), 500)
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    said = "\n".join(logging.Formatter().format(record) for record in ours)
    assert "RuntimeError: broken" in said, "the fault itself is in the log"
    assert TOKEN not in said
    assert NEARLY not in said


# -- pace and limits -----------------------------------------------------------------------------------------------


def test_too_many_requests_are_told_to_wait() -> None:
    with daemon(requests_per_second=0.05) as own:
        assert own.client.get("/healthz").status_code == 200
        answer = own.client.get("/healthz")
        refusal(answer, 429, "too many requests")
        assert 1 <= int(answer.headers["retry-after"]) <= 20


def test_the_pace_of_each_client() -> None:
    now = [0.0]
    pace = Pace(10.0, 2.0, clock=lambda: now[0])
    assert [pace.take("a"), pace.take("a")] == [0.0, 0.0]
    assert pace.take("a") == pytest.approx(0.1)
    assert pace.take("b") == 0.0
    now[0] += 0.1
    assert pace.take("a") == 0.0
    assert pace.take("a") > 0.0
    now[0] += 100.0
    assert [pace.take("a") for _ in range(3)] == [0.0, 0.0, pytest.approx(0.1)]
    for number in range(10_000):
        pace.take(str(number))
    assert len(pace._left) <= 4096


def test_large_bodies_are_refused_before_they_are_read() -> None:
    with daemon(body_bytes=1000, upload_bytes=5000) as own:
        job = own.submit()["id"]
        big = b"{" + b" " * 2000 + b"}"
        refusal(own.client.patch(f"/v1/jobs/{job}", content=big, headers={"Content-Type": "application/json"}), 413)
        refusal(own.client.post("/v1/jobs", content=big, headers={"Content-Type": "application/json"}), 413)
        refusal(own.client.post("/v1/jobs", files={"photo": ("a.png", b"x" * 6000)}), 413)
        chunks = (b"x" * 1000 for _ in range(100))
        kind = {"Content-Type": "multipart/form-data; boundary=q"}
        refusal(own.client.post("/v1/jobs", content=_form(chunks), headers=kind), 413)
        uploads = own.core.places.work / "uploads"
        assert not [file for file in uploads.rglob("*") if file.is_file()]
        kind = {"Content-Type": "application/json"}
        endless = (b" " for _ in range(1001))
        refusal(own.client.patch(f"/v1/jobs/{job}", content=endless, headers=kind), 413)
        text = b'{"priority": 7}'.ljust(900)
        drop_by_drop = (text[n : n + 1] for n in range(len(text)))
        assert own.done(own.client.patch(f"/v1/jobs/{job}", content=drop_by_drop, headers=kind))["priority"] == 7


def _form(chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield b'--q\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n'
    yield from chunks
    yield b"\r\n--q--\r\n"


# -- uploads -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("a.png", b"", ("empty",)),
        ("a.png", b"no picture at all", ("is not a photo",)),
        ("a.mp4", b"\0\0\0\x18ftypisom", ("is not a photo", "video")),
        ("a.cr2", picture(), ("camera raw",)),
        ("a.png", picture()[:20], ("a.png",)),
        ("<script>.png", b"<svg>", ("is not a photo",)),
    ],
)
def test_what_is_no_photo_is_refused(guarded: Daemon, name: str, content: bytes, parts: tuple[str, ...]) -> None:
    refusal(guarded.client.post("/v1/jobs", files={"photo": (name, content)}), 422, *parts)


def test_what_was_sent_for_a_request_that_is_refused_does_not_stay() -> None:
    with daemon() as own:
        place = own.core.places.work / "uploads"

        def kept() -> list[str]:
            return sorted(file.name for file in place.rglob("*") if file.is_file())

        def send(photo: bytes, **spec: Any) -> httpx.Response:
            files = {"photo": ("a.png", photo), "depth": ("d.png", picture(7))}
            return own.client.post("/v1/jobs", files=files, data={"job": json.dumps({"spec": spec})})

        refusal(send(b"no picture"), 422)
        refusal(send(picture(1), motion={"strength": "x"}), 422)
        assert kept() == []
        own.done(send(picture(1)), 201)
        both = kept()
        assert len(both) == 2
        # The same once more, in vain: what the job is made from stays.
        refusal(send(picture(1), motion={"strength": "x"}), 422)
        assert kept() == both


def test_an_upload_that_somebody_else_sent_too_stays(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    first, second = uploads.receive("a.png"), uploads.receive("b.png")
    for each in (first, second):
        each.write(b"the same")
    one = first.keep()
    other = second.keep()
    uploads.settle(one, used=False)
    assert other.path.read_bytes() == b"the same"


def test_a_huge_photo_in_a_small_file_is_refused_undecoded() -> None:
    with daemon(pixels=1000) as own:
        answer = own.client.post("/v1/jobs", files={"photo": ("a.png", picture(size=(64, 48)))})
        refusal(answer, 422, "64×48", "limit")


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/cron.d/x.png",
        "/etc/x.png",
        "..\\..\\x.png",
        "a\0b.png",
        ".",
        "..",
        "",
        "x" * 5000 + ".png",
        "a\r\nb.png",
    ],
)
def test_names_lead_nowhere(name: str) -> None:
    with daemon() as own:
        quoted = name.replace("\r\n", "%0D%0A").encode()
        body = (
            b'--q\r\nContent-Disposition: form-data; name="photo"; filename="'
            + quoted
            + b'"\r\n\r\n'
            + picture()
            + b"\r\n--q--\r\n"
        )
        answer = own.client.post("/v1/jobs", content=body, headers={"Content-Type": "multipart/form-data; boundary=q"})
        if answer.status_code == 400:
            assert len(name) > 4000
            return
        job = own.done(answer, 201)
        detail = own.done(own.client.get(f"/v1/jobs/{job['id']}"))
        work = own.core.places.work
        for path in (detail["spec"]["photo"], *(output["path"] for output in detail["outputs"])):
            assert Path(path).resolve().is_relative_to(work)
        assert "/" not in job["source"]


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        (
            b'--q\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\nhalf',
            400,
            "ends before its end",
        ),
        (b'--q\r\nContent-Disposition: form-data; name="job"\r\n\r\n{}\r\n--q--\r\n', 422, "photo"),
        (b'--q\r\nContent-Disposition: form-data; name="evil"\r\n\r\n{}\r\n--q--\r\n', 422, "no such part"),
        (b'--q\r\nContent-Disposition: form-data; name="job"\r\n\r\n{}\r\n' * 2 + b"--q--\r\n", 422, "comes twice"),
        (b"--q\r\nX: " + b"y" * 10_000 + b"\r\n\r\n", 400, "not well formed"),
        (b"--q\r\n\r\nbody\r\n--q--\r\n", 422, "no such part"),
    ],
)
def test_forms_that_are_none(guarded: Daemon, body: bytes, status: int, part: str) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=q"}
    refusal(guarded.client.post("/v1/jobs", content=body, headers=kind), status, part)


def test_an_upload_that_is_cut_leaves_nothing(guarded: Daemon) -> None:
    incoming = guarded.core.places.work / "uploads" / "incoming"
    with socket.socket(socket.AF_UNIX) as cut:
        cut.connect(str(guarded.socket))
        head = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=q\r\n"
        cut.sendall(head + b"Content-Length: 1000000\r\n\r\n")
        cut.sendall(b'--q\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n' + b"x" * 70_000)
        while not incoming.exists() or not list(incoming.iterdir()):
            guarded.client.get("/healthz")
    while list(incoming.iterdir()):
        guarded.client.get("/healthz")


def test_a_full_disk_is_said_and_nothing_is_left(tiny_disk: Path) -> None:
    with daemon(work=tiny_disk) as own:
        refusal(own.client.post("/v1/jobs", files={"photo": ("a.png", b"x" * 1_000_000)}), 507, "disk is full")
        assert not [file for file in tiny_disk.rglob("*") if file.is_file()]
        assert own.client.post("/v1/jobs", files={"photo": ("a.png", picture())}).status_code == 201


# -- paths ---------------------------------------------------------------------------------------------------------


def test_links_do_not_lead_out_of_the_roots(guarded: Daemon) -> None:
    outside = guarded.root.parent / "outside"
    outside.mkdir()
    (outside / "a.png").write_bytes(picture())
    (guarded.root / "link.png").symlink_to(outside / "a.png")
    (guarded.root / "folder").symlink_to(outside)
    post = guarded.client.post
    for photo in ("link.png", "folder/a.png", "../outside/a.png", "."):
        refusal(post("/v1/jobs", json={"photo": f"{guarded.root}/{photo}"}), 422, "below one of the daemon's roots")
    there = refusal(post("/v1/jobs", json={"photo": str(outside / "a.png")}), 422)["detail"]
    gone = refusal(post("/v1/jobs", json={"photo": str(outside / "b.png")}), 422)["detail"]
    assert there.replace("a.png", "b.png") == gone, "nothing is told of what lies elsewhere"
    (guarded.root / "real.png").write_bytes(picture())
    spec = {"outputs": [{"path": f"{guarded.root}/folder/out.mp4"}]}
    refusal(post("/v1/jobs", json={"photo": str(guarded.root / "real.png"), "spec": spec}), 422, "outputs[0].path")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_no_photo(guarded: Daemon) -> None:
    os.mkfifo(guarded.root / "pipe.png")
    refusal(guarded.client.post("/v1/jobs", json={"photo": str(guarded.root / "pipe.png")}), 422, "no regular file")


def test_without_roots_photos_are_sent() -> None:
    with daemon(roots=False) as own:
        (own.root / "a.png").write_bytes(picture())
        refusal(own.client.post("/v1/jobs", json={"photo": str(own.root / "a.png")}), 422, "send the file itself")
        assert own.client.post("/v1/jobs", files={"photo": ("a.png", picture())}).status_code == 201


def test_uploads_do_not_fill_the_memory() -> None:
    """A process with little memory takes a file that is larger than that."""
    code = (
        "import resource, sys\n"
        "from daemon_api import daemon\n"
        "with daemon(upload_bytes=1 << 30) as own:\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    def body():\n"
        '        yield b\'--q\\r\\nContent-Disposition: form-data; name="photo"; filename="a.png"\\r\\n\\r\\n\'\n'
        "        for _ in range(128):\n"
        "            yield b'x' * (1 << 20)\n"
        "        yield b'\\r\\n--q--\\r\\n'\n"
        "    kind = {'Content-Type': 'multipart/form-data; boundary=q'}\n"
        "    answer = own.client.post('/v1/jobs', content=body(), headers=kind)\n"
        "    assert answer.status_code == 422, answer.text\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    where = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=where, timeout=200)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64 * 1024, f"{done.stdout} KiB more"
