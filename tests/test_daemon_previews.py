"""Live previews as a client sees them, drawn by a real process through real OpenGL."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from daemon_api import Daemon, daemon, picture, refusal
from depthflow_daemon import previews as previews_module
from depthflow_daemon.core import Limits
from depthflow_daemon.preview_worker import Order, Studio
from depthflow_daemon.previews import Previews
from numpy.typing import NDArray
from PIL import Image

from depthflow.client.frames import FRAME, HEADER, PROBLEM
from depthflow.client.models import PreviewRequest
from depthflow.jobs.library import resolve
from depthflow.jobs.spec import JobSpec
from depthflow.render.stage import Stage

pytestmark = pytest.mark.gl

SMALL = {"width": 64, "height": 48, "rate": 60}


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    """Its spare process stays warm between the tests."""
    with daemon(preview_idle_seconds=60.0, previews=20) as running:
        yield running


@pytest.fixture
def placed(shared: Daemon, photo: Path, depth_map: Path) -> str:
    """A photo below the root, with its depth map beside it."""
    shutil.copy(depth_map, shared.root / "cat.depth.png")
    return str(shutil.copy(photo, shared.root / "cat.png"))


@contextmanager
def frames(own: Daemon, name: str) -> Iterator[Iterator[tuple[int, int, int, NDArray[np.uint8] | str]]]:
    """(kind, revision, number, pixels or text) of every packet."""
    with own.client.stream("GET", f"/v1/previews/{name}/stream") as answer:
        assert answer.headers["content-type"] == "application/vnd.depthflow.frames"
        yield packets(answer.iter_raw())


def packets(chunks: Iterator[bytes]) -> Iterator[tuple[int, int, int, Any]]:
    read = b""
    for chunk in chunks:
        read += chunk
        while len(read) >= HEADER.size:
            magic, kind, width, height, revision, number, length = HEADER.unpack_from(read)
            assert magic == b"DFP1"
            if len(read) < HEADER.size + length:
                break
            body, read = read[HEADER.size : HEADER.size + length], read[HEADER.size + length :]
            pixels = np.frombuffer(body, np.uint8).reshape(height, width, 3) if kind == FRAME else body.decode()
            yield kind, revision, number, pixels


def begun(own: Daemon, photo: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = own.done(own.client.post("/v1/previews", json={"photo": photo, **SMALL, **more}), 201)
    return made


def test_a_preview_changes_while_it_runs(shared: Daemon, placed: str) -> None:
    still = {"motion": {"strength": 0}, "outputs": [{"duration": 1}]}
    made = begun(shared, placed, spec=still)
    url = f"/v1/previews/{made['id']}"
    with frames(shared, made["id"]) as stream:
        kind, revision, _, resting = next(stream)
        assert (kind, revision, resting.shape) == (FRAME, made["revision"], (48, 64, 3))
        with Image.open(placed) as image:
            photo = np.asarray(image.convert("RGB").resize((64, 48), Image.Resampling.BOX), float)
        # Its texture has something to spare for a nearer camera.
        assert abs(resting - photo).mean() < 5
        changed = shared.done(shared.client.patch(url, json={"spec": {"motion": {"strength": 2}}}))
        assert changed["revision"] > made["revision"]
        assert changed["spec"]["outputs"][0]["duration"] == 1, "what is not named stays"
        moved = [pixels for _, at, _, pixels in (next(stream) for _ in range(40)) if at == changed["revision"]]
        assert max(abs(frame.astype(float) - resting).mean() for frame in moved) > 1
        shared.done(shared.client.patch(url, json={"width": 32, "height": 24, "paused": True}))
        assert next(frame for _, _, _, frame in stream if frame.shape == (24, 32, 3)) is not None
        numbers = {next(stream)[2] for _ in range(5)}
        assert len(numbers) == 1, "it stands still"
        problem = refusal(shared.client.patch(url, json={"spec": {"motion": {"strength": 99}}}), 422, "motion.strength")
        assert "10" in f"{problem}"
        assert next(stream)[3].shape == (24, 32, 3), "what is refused changes nothing"
        assert shared.client.delete(url).status_code == 204
        assert [kind for kind, *_ in stream].count(PROBLEM) == 0
    refusal(shared.client.get(url), 404, "there is no preview")


def test_a_preview_is_scrubbed(shared: Daemon, placed: str) -> None:
    made = begun(shared, placed, spec={"motion": {"name": "orbital"}, "outputs": [{"duration": 2, "fps": 30}]}, rate=30)
    url = f"/v1/previews/{made['id']}"
    with frames(shared, made["id"]) as stream:

        def stands(count: int = 3, **change: Any) -> tuple[int, NDArray[np.uint8]]:
            revision = shared.done(shared.client.patch(url, json=change))["revision"]
            seen = [next(found for found in stream if found[1] >= revision) for _ in range(count)]
            assert len({number for _, _, number, _ in seen}) == 1, "it stands still"
            assert all((pixels == seen[0][3]).all() for _, _, _, pixels in seen)
            return seen[0][2], seen[0][3]

        assert stands(at=0.0)[0] == 0
        assert stands(at=1.0)[0] == 59
        middle, picture_there = stands(at=0.5)
        assert middle == round(0.5 * 59)
        assert (picture_there != stands(at=0.25)[1]).any()
        assert (stands(at=0.5)[1] == picture_there).all()
        for number in range(0, 60, 7):
            assert stands(at=number / 59)[0] == number, "each frame can be reached"
        stands(at=7 / 59)
        changed = stands(spec={"motion": {"strength": 2}})
        assert changed[0] == 7, "it stays there while parameters change"
        longer = {"outputs": [{"duration": 60}]}
        assert stands(spec=longer)[0] == round(7 / 59 * 1799), "at the same part of another length"
        revision = shared.done(shared.client.patch(url, json={"paused": False}))["revision"]
        numbers = [next(found for found in stream if found[1] == revision)[2] for _ in range(10)]
        assert numbers[0] in range(213, 400)
        assert len(set(numbers)) > 1, "it goes on from there"
        jumped = shared.done(shared.client.patch(url, json={"at": 0.5, "paused": False}))["revision"]
        numbers = [next(found for found in stream if found[1] == jumped)[2] for _ in range(10)]
        assert numbers[0] in range(900, 1100)
        assert len(set(numbers)) > 1
        after = shared.done(shared.client.patch(url, json={"spec": {"motion": {"strength": 1}}}))["revision"]
        assert next(found for found in stream if found[1] == after)[2] >= numbers[-1], "it does not jump again"
        for wrong in (-0.1, 1.1, "NaN", "half"):
            refusal(shared.client.patch(url, json={"at": wrong}), 422, "at")
    shared.client.delete(url)


def test_the_next_preview_takes_the_warm_process(shared: Daemon, placed: str) -> None:
    first = begun(shared, placed)
    running = shared.core.previews.get(first["id"])
    assert running is not None
    shared.client.delete(f"/v1/previews/{first['id']}")
    second = begun(shared, placed, preset="vertigo")
    again = shared.core.previews.get(second["id"])
    assert again is not None
    assert again.process is running.process
    with frames(shared, second["id"]) as stream:
        assert next(stream)[1] == second["revision"] > first["revision"]
    shared.client.delete(f"/v1/previews/{second['id']}")


def test_a_rate_near_nothing_waits_for_the_next_change(shared: Daemon, placed: str) -> None:
    made = begun(shared, placed, rate=1e-300)
    url = f"/v1/previews/{made['id']}"
    with frames(shared, made["id"]) as stream:
        assert next(stream)[0] == FRAME
        changed = shared.done(shared.client.patch(url, json={"rate": 60}))
        assert next(stream)[:2] == (FRAME, changed["revision"])
    shared.done(shared.client.delete(url), 204)


def test_jpegs_for_who_asks_for_them(shared: Daemon, placed: str) -> None:
    made = begun(shared, placed)
    url = f"/v1/previews/{made['id']}/stream"
    with shared.client.stream("GET", url, headers={"Accept": "multipart/x-mixed-replace"}) as answer:
        assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
        read = b""
        for chunk in answer.iter_raw():
            read += chunk
            if read.count(b"--frame") > 1:
                break
    head, _, rest = read.partition(b"\r\n\r\n")
    assert head.startswith(b"--frame\r\nContent-Type: image/jpeg")
    with Image.open(io.BytesIO(rest.partition(b"\r\n--frame")[0])) as image:
        assert (image.format, image.size) == ("JPEG", (64, 48))
    shared.client.delete(f"/v1/previews/{made['id']}")


def test_a_photo_may_be_sent(shared: Daemon, depth_map: Path) -> None:
    files = {"photo": ("a.png", picture(size=(128, 96))), "depth": ("d.png", depth_map.read_bytes())}
    made = shared.done(shared.client.post("/v1/previews", files=files, data={"job": json.dumps(SMALL)}), 201)
    with frames(shared, made["id"]) as stream:
        kind, _, _, frame = next(stream)
        assert kind == FRAME, frame
        assert frame.shape == (48, 64, 3)
    shared.client.delete(f"/v1/previews/{made['id']}")


def test_what_cannot_be_shown_is_said_in_the_stream(shared: Daemon, placed: str) -> None:
    made = begun(shared, placed)
    url = f"/v1/previews/{made['id']}"
    with frames(shared, made["id"]) as stream:
        assert next(stream)[0] == FRAME
        Path(placed).write_bytes(picture()[:200])
        changed = shared.done(shared.client.patch(url, json={"rate": 30}))
        kind, _, _, text = next(found for found in stream if found[1] == changed["revision"])
        assert kind == PROBLEM
        assert "cut short" in json.loads(text)["detail"]
    shared.client.delete(f"/v1/previews/{made['id']}")


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ({"photo": "/etc/passwd"}, "roots"),
        ({"spec": {"motion": {"name": "orbitel"}}}, "orbital"),
        ({"preset": "vertiko"}, "vertigo"),
        ({"width": 5000}, "1024"),
        ({"rate": 0}, "rate"),
        ({"colour": 1}, "colour"),
    ],
)
def test_wrong_previews_are_refused(shared: Daemon, placed: str, asked: dict[str, Any], part: str) -> None:
    refusal(shared.client.post("/v1/previews", json={"photo": placed, **asked}), 422, part)


def test_previews_are_few_and_end_by_themselves(photo: Path) -> None:
    with daemon(previews=1, preview_idle_seconds=0.0) as own:
        placed = str(shutil.copy(photo, own.root / "cat.png"))
        first = begun(own, placed)
        running = own.core.previews.get(first["id"])
        assert running is not None
        answer = own.client.post("/v1/previews", json={"photo": placed})
        if answer.status_code != 201:  # it may have ended meanwhile
            refusal(answer, 503, "previews run already")
        while own.client.get(f"/v1/previews/{first['id']}").status_code != 404:
            pass
        running.process._process.wait(30)


def test_nobody_waits_for_a_process_that_ends_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    ending, free = threading.Event(), threading.Event()

    class Slow:
        revision, alive = 0, True

        def show(self, **_: object) -> int:
            return 1

        def run(self, running: bool) -> None: ...
        def wake(self) -> None: ...
        def end(self) -> None:
            ending.set()
            assert free.wait(60)

    monkeypatch.setattr(previews_module, "_Process", Slow)
    monkeypatch.setattr(previews_module, "prepared_spec", lambda *_: {})
    core: Any = SimpleNamespace(limits=Limits(preview_idle_seconds=0.0))
    own = Previews(core)
    for _ in range(2):  # the process of one stays for the next preview
        own.start(PreviewRequest(photo="a.png"), {})
    assert ending.wait(60)
    asking = threading.Thread(target=own.get, args=("another",), daemon=True)
    asking.start()
    asking.join(20)
    assert not asking.is_alive(), "the API's loop would stand still"
    free.set()
    own.close()


def test_a_process_that_dies_ends_its_preview_alone(shared: Daemon, placed: str) -> None:
    made = begun(shared, placed)
    running = shared.core.previews.get(made["id"])
    assert running is not None
    with frames(shared, made["id"]) as stream:
        next(stream)
        os.kill(running.process._process.pid, signal.SIGKILL)
        kinds = [(kind, text) for kind, _, _, text in stream]
    assert kinds[-1][0] == PROBLEM
    assert "has ended" in kinds[-1][1]
    assert shared.client.get("/healthz").status_code == 200


def test_the_process_ends_with_its_daemon(photo: Path) -> None:
    with daemon() as own:
        made = begun(own, str(shutil.copy(photo, own.root / "cat.png")))
        running = own.core.previews.get(made["id"])
        assert running is not None
        own.server.stop()
        assert running.process._process.wait(30) is not None


# -- what a change costs -------------------------------------------------------------------------------------------


def test_motion_camera_and_effects_leave_the_mesh_as_it_is(
    photo: Path, depth_map: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    set_sheets = Stage.set_sheets

    def counted(self: Stage, *args: Any) -> None:
        made.append(1)
        set_sheets(self, *args)

    monkeypatch.setattr(Stage, "set_sheets", counted)
    studio = Studio()

    def show(**parts: Any) -> NDArray[np.uint8]:
        job = {"photo": str(photo), "depth": {"file": str(depth_map)}, **parts}
        spec = resolve(JobSpec.parse(job)).to_dict()
        studio.show(Order(spec, 64, 48, 15.0, False, 1))
        return studio.draw(len(studio) // 3)

    first = show()
    assert made
    made.clear()
    for parts in (
        {"motion": {"strength": 1.5}},
        {"motion": {"strength": 0.2, "phase": 0.3}},
        {"motion": {"reverse": True}},
        {"camera": {"focus": 0.5}},
        {"camera": {"zoom": 1.1}},
        {"camera": {"relief": 0.7}},
        {"effects": {"vignette": {"strength": 0.5}}},
        {"effects": {"colour": {"saturation": 0.2}}},
    ):
        assert (show(**parts) != first).any(), parts
        assert not made, parts
    for changed in ({"camera": {"relief": 3.0}}, {"layers": {"count": 1}}):
        show(**changed)
        assert made, changed
        made.clear()
    studio.close()


def test_a_preview_shows_the_depth_instead(shared: Daemon, placed: str, depth_map: Path) -> None:
    still = {"motion": {"strength": 0}, "effects": {"vignette": {"strength": 1.0}}}
    made = begun(shared, placed, spec=still, show="depth")
    assert made["show"] == "depth"
    url = f"/v1/previews/{made['id']}"
    with frames(shared, made["id"]) as stream:
        _, _, _, seen = next(stream)
        assert seen.shape == (48, 64, 3)
        assert (seen[..., 0] == seen[..., 1]).all()
        assert (seen[..., 1] == seen[..., 2]).all()
        with Image.open(depth_map) as image:
            given = Image.fromarray(np.asarray(image, np.float32)).resize((64, 48), Image.Resampling.BOX)
        assert np.corrcoef(np.asarray(given).ravel(), seen[..., 0].astype(np.float64).ravel())[0, 1] > 0.95
        changed = shared.done(shared.client.patch(url, json={"show": "result"}))
        assert changed["show"] == "result"
        _, _, _, seen = next(each for each in stream if each[1] >= changed["revision"])
        assert seen.shape == (48, 64, 3)
        assert (seen[..., 0] != seen[..., 1]).any()
    assert refusal(shared.client.patch(url, json={"show": "photo"}), 422)
    shared.client.delete(url)
