"""Both clients against the daemon's API itself, over a Unix socket and over TCP, with a real store behind it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clients import CLIENTS
from daemon_api import SMALL, Daemon, daemon, picture
from depthflow_daemon.folders import FolderFacts
from depthflow_daemon.rules import WatchFolder
from depthflow_daemon.waiting import Waiting
from PIL import Image

from depthflow import __version__
from depthflow.client import Address
from depthflow.errors import InputError, ServerError, UnknownNameError, UsageError

TOKEN = "correct-horse-battery"  # noqa: S105 - of a daemon that lives for a test


class OneFolder:
    """A watched folder that can be paused."""

    def __init__(self) -> None:
        self.paused, self.looked = False, 0

    def facts(self) -> list[FolderFacts]:
        place = WatchFolder(Path("/in"), Path("/out"), Path("/archive"))
        return [FolderFacts("photos-1", place, paused=self.paused, pending=2, there=True, polling=False)]

    def name_of(self, source: str) -> str | None:
        return None

    def waiting(self, name: str) -> list[Waiting]:
        return [Waiting(Path("/in/a/cat.png"), 3.0, "sentinel", "waits for cat.png.done")]

    def pause(self, name: str, paused: bool = True) -> None:
        if name != "photos-1":
            raise UnknownNameError("folder", name, ["photos-1"])
        self.paused = paused

    def rescan(self, name: str) -> None:
        self.looked += 1


@pytest.fixture(scope="module")
def running() -> Iterator[Daemon]:
    with daemon(listen=("127.0.0.1", 0), token=TOKEN, folders=OneFolder()) as started:
        yield started


@pytest.fixture(params=["sync-unix", "sync-tcp", "async-unix", "async-tcp"])
def client(request: pytest.FixtureRequest, running: Daemon) -> Iterator[Any]:
    kind, _, way = request.param.partition("-")
    url = f"unix://{running.socket}" if way == "unix" else f"http://127.0.0.1:{running.server.port}"
    with CLIENTS[kind](url, token=TOKEN) as speaking:
        yield speaking
    while running.store.counts()["queued"]:
        running.store.cancel(running.store.page(state=["queued"])[0].id)


@pytest.fixture
def place(running: Daemon, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A photo that no other test has, below the daemon's root."""
    file = running.root / f"{tmp_path.name}.png"
    file.write_bytes(picture(hash(request.node.nodeid) % 2**32))
    return file


def later(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_from_submission_to_the_file(running: Daemon, client: Any, place: Path, tmp_path: Path) -> None:
    job = client.submit(place, spec=SMALL, preset="vertigo", priority=3)
    assert (job.state, job.priority, job.preset) == ("queued", 3, "vertigo")
    by_path = "unix" in str(type(client)) or client.job(job.id).outputs[0].path == str(place.with_suffix(".mp4"))
    assert by_path == (running.socket == _socket(client)), "a file that the daemon sees is not sent"
    ending = later(running.finish)
    detail = client.wait(job.id)
    ending.join()
    assert (detail.state, detail.attempts[0].timings) == ("done", {"render": 2.5, "depth": 0.5})
    (output,) = detail.outputs
    assert client.download(job.id, output.number, tmp_path / "mine.mp4").read_bytes() == b"0123456789"
    with pytest.raises(UsageError, match="no output 2"):
        client.download(job.id, 2, tmp_path / "other.mp4")
    again = client.submit(place, spec=SMALL, preset="vertigo")
    assert (again.state, again.same_as) == ("skipped", job.id)


def _socket(client: Any) -> Path | None:
    address: Address = getattr(client, "_client", client).address
    return address.socket


def test_a_file_outside_the_roots_is_sent_with_its_depth_and_sound(
    running: Daemon, client: Any, photo: Path, depth_map: Path
) -> None:
    job = client.submit(photo, spec={**SMALL, "depth": {"file": str(depth_map)}}, name="unused")
    detail = client.job(job.id)
    assert detail.source == "photo.png"
    work = running.core.places.work
    for file in (detail.spec["photo"], detail.spec["depth"]["file"]):
        assert Path(file).is_relative_to(work)
    assert Path(detail.spec["depth"]["file"]).read_bytes() == depth_map.read_bytes()
    assert Path(detail.outputs[0].path).is_relative_to(work)


def test_bytes_are_sent_under_a_name(client: Any, place: Path) -> None:
    job = client.submit(place.read_bytes(), name="雪 Ünder wegs.png", spec=SMALL)
    assert job.source == "雪 Ünder wegs.png"


def test_the_same_key_is_the_same_job(client: Any, place: Path) -> None:
    first = client.submit(place, spec=SMALL, key=place.name)
    assert client.submit(place, spec=SMALL, key=place.name).id == first.id
    with pytest.raises(UsageError, match=place.name):
        client.submit(place, spec=SMALL, key=place.name, preset="vertigo")


def test_refusals_name_the_key_and_the_nearest_name(client: Any, place: Path) -> None:
    with pytest.raises(UsageError) as caught:
        client.submit(place, spec={"motion": {"nmae": "zoom"}})
    assert "motion.nmae" in caught.value.message
    with pytest.raises(UsageError) as caught:
        client.submit(place, preset="vertiko")
    assert "vertigo" in caught.value.hint
    place.write_text("no photo")
    with pytest.raises(InputError):
        client.submit(place)
    with pytest.raises(UsageError, match="no job 99999"):
        client.job(99999)


def test_jobs_are_listed_page_by_page(client: Any, place: Path) -> None:
    made = [client.submit(picture(seed), name=f"{place.stem}-{seed}.png", spec=SMALL).id for seed in (5, 6, 7)]
    first = client.page(limit=2)
    assert [job.id for job in first.items] == made[:0:-1]
    assert client.page(limit=2, cursor=first.next_cursor).items[0].id == made[0]
    assert [job.id for job in client.jobs(state="queued", limit=2)] == made[::-1]
    assert [job.id for job in client.jobs(state=["queued", "running"], sort="oldest", limit=1)] == made
    client.cancel(made[0])
    assert [job.id for job in client.jobs(state="queued")] == made[:0:-1]
    with pytest.raises(UsageError, match="cursor"):
        client.page(cursor="nonsense")


def test_jobs_are_changed(client: Any, place: Path) -> None:
    job = client.submit(place, spec=SMALL, hold=True, window="00:00-23:59")
    assert (job.held, job.window) == (True, "00:00-23:59")
    changed = client.change(job.id, priority=-7, hold=False)
    assert (changed.priority, changed.held) == (-7, False)
    assert client.change(job.id, hold=True).priority == -7, "what is not named stays"
    assert client.cancel(job.id).state == "cancelled"
    with pytest.raises(UsageError, match="cancelled already"):
        client.cancel(job.id)
    assert client.retry(job.id).state == "queued"
    with pytest.raises(UsageError):
        client.change(job.id, priority=101)


def test_a_job_is_followed_to_its_end(running: Daemon, client: Any, place: Path) -> None:
    job = client.submit(place, spec=SMALL)
    states = []
    for now in client.follow(job.id):
        if not states:
            running.fail("not a photo")
        states.append((now.state, now.error))
    assert states[0] == ("queued", None)
    assert states[-1] == ("failed", "not a photo")
    assert [event.what for event in client.events(job.id)] == ["added", "started", "failed"], "the past is told too"


def test_what_happens_to_all_jobs_is_told(running: Daemon, client: Any, place: Path) -> None:
    last = running.store.last_event()
    job = client.submit(place, spec=SMALL)
    client.pause()
    events = client.events(after=last)
    assert (next(events).job.id, next(events).what) == (job.id, "paused")
    client.resume()
    assert next(events).what == "resumed"
    events.close()


def test_progress_is_told(running: Daemon, client: Any, place: Path) -> None:
    job = client.submit(place, spec=SMALL)
    taken = running.store.take("w")
    assert taken is not None
    running.core.hub.progress(job.id, {"stage": "render", "done": 3, "total": 4, "seconds": 1.5})
    for now in client.follow(job.id):
        if now.progress is not None and now.state == "running":
            break
    assert (now.progress.stage, now.progress.done, now.progress.rate) == ("render", 3, 2.0)
    running.store.fail(job.id, taken.attempt, "enough", "permanent")
    running.core.hub.ended(running.store.get(job.id))


def test_folders(running: Daemon, client: Any) -> None:
    assert [(folder.name, folder.pending) for folder in client.folders()] == [("photos-1", 2)]
    assert client.pause_folder("photos-1").paused
    assert not client.resume_folder("photos-1").paused
    assert client.rescan_folder("photos-1").root == "/in"
    waiting = client.waiting_photos("photos-1", limit=5)
    assert [(each.path, each.why) for each in waiting.items] == [("a/cat.png", "waits for cat.png.done")]
    assert waiting.total == 1
    running.store.pause_folder("photos-1")
    assert [line.kind for line in client.folder_log("photos-1", limit=1)] == ["folder-paused"]
    with pytest.raises(UsageError) as caught:
        client.pause_folder("photos")
    assert "photos-1" in caught.value.hint


def test_what_the_daemon_knows(running: Daemon, client: Any) -> None:
    system = client.system()
    assert (system.version, system.workers[0].name) == (__version__, "w-0")
    assert system.roots == [str(running.root)]
    assert system.renderer == "Test Renderer"
    assert "png" in client.system(encoders=True).encoders
    assert "vertigo" in [preset.name for preset in client.presets()]
    assert client.preset("vertigo").parts["motion"]
    assert "builtin" in [model.name for model in client.depth_models()]
    assert client.health().status == "ok"
    assert "depthflow" in client.metrics()


def test_small_pictures_of_a_job(client: Any, place: Path) -> None:
    job = client.submit(place, spec=SMALL)
    assert client.thumbnail(job.id).startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="not made"):
        client.thumbnail(job.id, 1)


@pytest.mark.gl
@pytest.mark.parametrize("kind", CLIENTS)
def test_a_preview_is_read_and_changed(kind: str, photo: Path, depth_map: Path) -> None:
    still = {"depth": {"file": str(depth_map)}, "motion": {"strength": 0}}
    with daemon() as running, CLIENTS[kind](f"unix://{running.socket}") as client:
        made = client.begin_preview(photo, spec=still, width=64, height=48)
        assert (made.width, made.height) == (64, 48)
        frames = client.frames(made.id)
        first = next(frames)
        assert (first.revision, first.width, first.height, len(first.pixels)) == (made.revision, 64, 48, 64 * 48 * 3)
        with Image.open(photo) as image:
            shown = np.asarray(image.convert("RGB").resize((64, 48), Image.Resampling.BOX), float)
        assert abs(np.frombuffer(first.pixels, np.uint8).reshape(48, 64, 3) - shown).mean() < 5
        changed = client.change_preview(made.id, width=32, height=24)
        assert next(frame for frame in frames if frame.revision >= changed.revision).width == 32
        stood = client.change_preview(made.id, at=1.0)
        last = [next(frame for frame in frames if frame.revision >= stood.revision).number for _ in range(3)]
        assert last == [74] * 3, "5 seconds of 15 frames: it stands at the last one"
        with pytest.raises(UsageError, match="strength"):
            client.change_preview(made.id, spec={"motion": {"strength": 99}})
        client.end_preview(made.id)
        assert all(frame.problem == "" for frame in frames), "and it ends"
        with pytest.raises(UsageError, match="no preview"):
            next(client.frames(made.id))


def test_a_wrong_token_is_said(running: Daemon) -> None:
    for kind in CLIENTS.values():
        with kind(f"http://127.0.0.1:{running.server.port}", token="wrong") as speaking:  # noqa: S106
            with pytest.raises(ServerError, match="asks for its token") as caught:
                speaking.system()
            assert "DEPTHFLOW_TOKEN" in caught.value.hint


def test_a_daemon_that_starts_again_is_followed_further(tmp_path: Path) -> None:
    """The events of one job over two daemons on one store."""
    from depthflow_daemon.api.server import Server

    with daemon() as running:
        job = running.submit()["id"]
        with CLIENTS["sync"](f"unix://{running.socket}") as client:
            given = client.events(job)
            assert next(given).what == "added"
            running.server.stop()
            hub = type(running.core.hub)(running.store)
            object.__setattr__(running.core, "hub", hub)
            with Server(running.core, unix=running.socket):
                running.finish()
                assert [event.what for event in given] == ["started", "done"]


# -- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "server", ["ftp://x", "http://", "http://x:y", "http://x:0", "http://x/?a=1", "unix://host/x", "x", "http://[::1"]
)
def test_what_is_no_address(server: str) -> None:
    with pytest.raises(UsageError) as caught:
        Address.find(server)
    assert "unix:///" in caught.value.hint


def test_a_password_in_an_address_is_refused() -> None:
    with pytest.raises(UsageError, match="no password") as caught:
        Address.find("http://me:secret@host:1")
    assert "secret" not in caught.value.message + caught.value.hint


def test_where_server_and_token_come_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEPTHFLOW_SOCKET", str(tmp_path / "s"))
    assert Address.find().socket == tmp_path / "s"
    assert Address.find("~nobody-of-this-name/s").socket == Path.cwd() / "~nobody-of-this-name" / "s"
    monkeypatch.setenv("DEPTHFLOW_SERVER", "http://studio:8380/")
    (tmp_path / "token").write_text("abc\n")
    monkeypatch.setenv("DEPTHFLOW_TOKEN_FILE", str(tmp_path / "token"))
    found = Address.find()
    assert (found.url, found.socket, found.token) == ("http://studio:8380", None, "abc")
    assert "abc" not in repr(found)
    monkeypatch.setenv("DEPTHFLOW_TOKEN", "xyz")
    assert Address.find().token == "xyz"  # noqa: S105
    assert Address.find(f"unix://{tmp_path}/s").token is None


@pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")
def test_the_machines_own_daemon_is_found_where_the_user_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEPTHFLOW_RUNTIME_DIR", str(tmp_path / "run"))
    folder = tmp_path / "machine"
    folder.mkdir()
    monkeypatch.setattr("depthflow.client.address.SYSTEM_SOCKET", folder / "s")
    own = tmp_path / "run" / "depthflowd.sock"
    assert Address.find().socket == own
    with daemon() as running:
        running.socket.rename(folder / "s")
        assert Address.find().socket == folder / "s"
        # It lies in a folder that only its owner may enter.
        before = os.geteuid()
        folder.chmod(0)
        try:
            if not before:
                os.seteuid(65534)
            with CLIENTS["sync"]() as client, pytest.raises(ServerError, match="belongs to another user"):
                client.system()
        finally:
            os.seteuid(before)
            folder.chmod(0o700)


@pytest.mark.parametrize("text", ["", "two words", "zwölf", "x" * 5000, "a\nb"])
def test_what_is_no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    monkeypatch.setenv("DEPTHFLOW_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(UsageError, match="no token") as caught:
        Address.find("http://studio:8380")
    assert not text or text not in caught.value.message
