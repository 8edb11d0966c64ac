"""The daemon's API over its Unix socket: jobs, listings, changes, files, and how it refuses."""

from __future__ import annotations

import io
import json
import os
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from daemon_api import SMALL, Daemon, TwoFolders, daemon, picture, refusal
from depthflow_daemon import pictures, uploads
from depthflow_daemon.api.app import create_app, schema
from depthflow_daemon.uploads import Upload
from PIL import Image

from depthflow.client.models import JobDetail, System
from depthflow.errors import InputError


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    """One daemon for tests that do not mind each other's jobs."""
    with daemon() as running:
        yield running


@pytest.fixture
def own() -> Iterator[Daemon]:
    with daemon() as running:
        yield running


def ids(answer: Any) -> list[int]:
    return [job["id"] for job in answer["items"]]


# -- submitting ----------------------------------------------------------------------------------------------------


def test_a_job_by_path_from_submission_to_download(own: Daemon) -> None:
    job = own.submit(priority=5, window="00:00-23:59", preset="vertigo")
    assert (job["state"], job["priority"], job["preset"]) == ("queued", 5, "vertigo")
    assert job["source"] == str(own.root / "photo-0.png")
    assert own.engine.woken == 1
    detail = JobDetail.model_validate(own.done(own.client.get(f"/v1/jobs/{job['id']}")))
    assert detail.spec["outputs"][0]["size"] == "64x48"
    assert detail.spec["motion"]["components"]
    assert [output.path for output in detail.outputs] == [str(own.root / "photo-0.mp4")]
    assert not detail.outputs[0].made
    own.finish()
    detail = JobDetail.model_validate(own.done(own.client.get(f"/v1/jobs/{job['id']}")))
    assert detail.state == "done"
    assert detail.outputs[0].made
    assert detail.attempts[0].timings == {"render": 2.5, "depth": 0.5}
    assert [line.kind for line in detail.log] == ["added", "started", "done"]
    answer = own.client.get(f"/v1/jobs/{job['id']}/outputs/1")
    assert answer.content == b"0123456789"
    assert 'filename="photo-0.mp4"' in answer.headers["content-disposition"]


def test_an_upload_is_kept_once_and_its_work_is_done_once(own: Daemon) -> None:
    files = {"photo": ("C:\\me\\cat pics\\cat.png", picture())}
    first = own.done(own.client.post("/v1/jobs", files=files, data={"job": json.dumps({"spec": SMALL})}), 201)
    assert (first["state"], first["source"]) == ("queued", "cat.png")
    again = own.client.post(
        "/v1/jobs", files={"photo": ("dog.png", picture())}, data={"job": json.dumps({"spec": SMALL})}
    )
    assert again.status_code == 201
    assert (again.json()["state"], again.json()["same_as"]) == ("skipped", first["id"])
    other = own.client.post("/v1/jobs", files={"photo": ("dog.png", picture())})
    assert other.json()["state"] == "queued"
    kept = [file.name for file in (own.core.places.work / "uploads").iterdir() if file.is_file()]
    assert len(kept) == 1
    own.finish()
    detail = own.done(own.client.get(f"/v1/jobs/{first['id']}"))
    made = Path(detail["outputs"][0]["path"])
    assert made.name == "cat.mp4"
    assert made.is_relative_to(own.core.places.work / "results")
    assert own.client.get(f"/v1/jobs/{first['id']}/outputs/1").content == b"0123456789"


def test_depth_and_sound_come_with_the_photo(own: Daemon) -> None:
    files = {
        "photo": ("a.png", picture()),
        "depth": ("d.png", picture(1)),
        "audio": ("s.wav", b"RIFF----WAVE"),
    }
    said = own.done(
        own.client.post("/v1/jobs", files=files, data={"job": '{"spec": {"outputs": [{"format": "gif"}]}}'}), 422
    )
    assert "sound" in said["detail"] or "audio" in said["detail"]
    said = own.done(own.client.post("/v1/jobs", files=files), 422)
    assert said["detail"].startswith("s.wav: holds no sound"), "named as the client named it"
    del files["audio"]
    job = own.done(own.client.post("/v1/jobs", files=files), 201)
    spec = own.done(own.client.get(f"/v1/jobs/{job['id']}"))["spec"]
    assert Path(spec["depth"]["file"]).read_bytes() == picture(1)
    files["depth"] = ("d.png", picture(2))
    other = own.done(own.client.post("/v1/jobs", files=files), 201)
    assert other["state"] == "queued", "another depth map is other work"


def test_uploads_go_when_no_job_knows_them_any_more(own: Daemon) -> None:
    files = {"photo": ("a.png", picture()), "depth": ("d.png", picture(1))}
    own.done(own.client.post("/v1/jobs", files=files), 201)
    lost = own.core.uploads.receive("of a daemon that was killed.png")
    lost.keep()
    own.finish()
    work = own.core.places.work

    def kept() -> list[str]:
        return sorted(file.suffix for file in work.rglob("*") if file.is_file())

    assert kept() == [".mp4", ".png", ".png", ".png"]
    assert own.core.prune() == 0, "what is young stays: its job may be on its way"
    for file in work.rglob("*"):
        os.utime(file, (0, 0))
    assert own.core.prune() == 1
    assert kept() == [".mp4", ".png", ".png"]
    own.store.prune(jobs=0, events=100)
    own.core.prune()
    assert kept() == []


def test_an_upload_that_comes_again_while_old_ones_are_removed_stays(
    own: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sent() -> Upload:
        receiving = own.core.uploads.receive("a.png")
        receiving.write(picture())
        return receiving.keep()

    place = sent().path
    os.utime(place, (0, 0))
    listed = uploads._entries

    def meanwhile(*args: Any) -> list[os.DirEntry[str]]:
        found: list[os.DirEntry[str]] = listed(*args)
        sent()
        return found

    monkeypatch.setattr(uploads, "_entries", meanwhile)
    assert own.core.prune() == 0
    assert place.exists()


def test_the_folder_of_old_results_stays_if_their_work_comes_again(
    own: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sent() -> Any:
        return own.done(own.client.post("/v1/jobs", files={"photo": ("a.png", picture())}), 201)

    sent()
    folder = own.core.places.work / "results"
    (kept,) = folder.iterdir()
    (kept / own.client.get(f"/v1/jobs/{own.finish()}").json()["outputs"][0]["path"]).unlink()
    own.store.prune(jobs=0)
    os.utime(kept, (0, 0))
    listed = uploads._entries

    def meanwhile(place: Path) -> list[os.DirEntry[str]]:
        found: list[os.DirEntry[str]] = listed(place)
        if place == folder:
            assert sent()["state"] == "queued"
        return found

    monkeypatch.setattr(uploads, "_entries", meanwhile)
    own.core.prune()
    assert kept.exists()


def test_the_same_request_adds_one_job(own: Daemon) -> None:
    asked = {"photo": str(own.root / "a.png"), "spec": SMALL}
    (own.root / "a.png").write_bytes(picture())
    headers = {"Idempotency-Key": "one"}
    first = own.client.post("/v1/jobs", json=asked, headers=headers)
    assert first.status_code == 201
    own.finish()
    second = own.client.post("/v1/jobs", json=asked, headers=headers)
    assert second.status_code == 200
    assert (second.json()["id"], second.json()["state"]) == (first.json()["id"], "done")
    refusal(own.client.post("/v1/jobs", json={**asked, "priority": 1}, headers=headers), 409, "something else before")
    refusal(own.client.post("/v1/jobs", json=asked, headers={"Idempotency-Key": ""}), 422, "Idempotency-Key")


def test_the_same_request_at_the_same_moment_adds_one_job(own: Daemon) -> None:
    (own.root / "a.png").write_bytes(picture())
    asked = {"photo": str(own.root / "a.png"), "spec": SMALL}
    found: list[int] = []

    def ask() -> None:
        found.append(own.client.post("/v1/jobs", json=asked, headers={"Idempotency-Key": "k"}).json()["id"])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 8
    assert ids(own.client.get("/v1/jobs").json()) == [1]


@pytest.mark.parametrize(
    ("asked", "status", "parts"),
    [
        ({}, 422, ("photo: none is given",)),
        ({"spec": {"motoin": {}}}, 422, ("motoin", "motion")),
        ({"spec": {"motion": {"name": "orbitel"}}}, 422, ("unknown motion 'orbitel'", "did you mean 'orbital'?")),
        ({"spec": {"camera": {"focus": 99}}}, 422, ("camera.focus", "10")),
        ({"spec": {"camera": 3}}, 422, ("camera",)),
        ({"spec": {"outputs": [{"size": "12p4"}]}}, 422, ("size",)),
        ({"spec": {"outputs": []}}, 422, ("outputs",)),
        ({"spec": {"outputs": [{"duration": 3600, "fps": 480}]}}, 422, ("1728000 frames", "limit")),
        ({"spec": {"outputs": [{"format": "mp4", "path": "/photos/a.gif"}]}}, 422, ("roots",)),
        ({"spec": {"depth": {"model": "bulitin"}}}, 422, ("bulitin", "builtin")),
        ({"preset": "vertiko"}, 422, ("did you mean 'vertigo'?",)),
        ({"preset": "../../etc/passwd"}, 422, ("unknown preset",)),
        ({"priority": 101}, 422, ("priority", "100")),
        ({"window": "25:00-26:00"}, 422, ("no span of a day",)),
        ({"prio": 1}, 422, ("prio",)),
        ({"spec": []}, 422, ("spec",)),
        ({"spec": {"motion": {"name": "/etc/motion.toml"}}}, 422, ("is a path",)),
        ({"spec": {"depth": {"model": "/etc/x.onnx"}}}, 422, ("roots",)),
        ({"spec": {"depth": {"file": "/etc/passwd"}}}, 422, ("roots",)),
        ({"spec": {"audio": "/etc/passwd"}}, 422, ("roots",)),
        ({"spec": {"effects": {"watermark": {"file": "/etc/passwd"}}}}, 422, ("roots",)),
        ({"spec": {"effects": {"caption": {"text": "a", "font": "/etc/passwd"}}}}, 422, ("roots",)),
        ({"photo": "http://127.0.0.1/a.png"}, 422, ("not fetched",)),
        ({"photo": "relative.png"}, 422, ("roots",)),
        ({"photo": "a\0b"}, 422, ("roots",)),
        ({"photo": "/" + "x" * 4000}, 422, ("roots",)),
    ],
)
def test_wrong_jobs_are_refused_as_the_command_line_does(
    shared: Daemon, asked: dict[str, Any], status: int, parts: tuple[str, ...]
) -> None:
    if asked and "photo" not in asked:
        photo = shared.root / "wrong.png"
        photo.write_bytes(picture())
        asked = {"photo": str(photo), **asked}
    problem = refusal(shared.client.post("/v1/jobs", json=asked), status, *parts)
    assert problem["instance"] == "/v1/jobs"
    assert not shared.client.get("/v1/jobs", params={"search": "wrong.png"}).json()["items"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"", "multipart/form-data", 400),
        (b"", "multipart/form-data; boundary=x", 400),
        (b"junk", "multipart/form-data; boundary=x", 400),
        (b"[" * 100_000, "application/json", 422),
    ],
)
def test_bodies_that_are_none(shared: Daemon, body: bytes, kind: str, status: int) -> None:
    refusal(shared.client.post("/v1/jobs", content=body, headers={"Content-Type": kind}), status)


def test_a_name_that_is_taken_is_not_overwritten(own: Daemon) -> None:
    taken = own.root / "mine.mp4"
    taken.write_bytes(b"mine")
    (own.root / "a.png").write_bytes(picture())
    output = {"size": "64x48", "path": str(taken)}
    asked: dict[str, Any] = {"photo": str(own.root / "a.png"), "spec": {"outputs": [output]}}
    refusal(own.client.post("/v1/jobs", json=asked), 409, "mine.mp4")
    output["overwrite"] = True
    assert own.done(own.client.post("/v1/jobs", json=asked), 201)["state"] == "queued"
    (own.root / "b.png").write_bytes(picture(5))
    asked["photo"] = str(own.root / "b.png")
    refusal(own.client.post("/v1/jobs", json=asked), 409, "another job is to write this file")


# -- listing and changing ------------------------------------------------------------------------------------------


def test_pages_go_on_while_jobs_come_in(own: Daemon) -> None:
    for number in range(7):
        own.store.add(f"k{number}", "{}", source=f"/in/{number}.jpg")
    first = own.done(own.client.get("/v1/jobs", params={"limit": 3}))
    assert ids(first) == [7, 6, 5]
    own.store.add("new", "{}", source="/in/new.jpg")
    second = own.done(own.client.get("/v1/jobs", params={"limit": 3, "cursor": first["next_cursor"]}))
    assert ids(second) == [4, 3, 2]
    third = own.done(own.client.get("/v1/jobs", params={"limit": 3, "cursor": second["next_cursor"]}))
    assert (ids(third), third["next_cursor"]) == ([1], None)
    oldest = own.done(own.client.get("/v1/jobs", params={"limit": 3, "sort": "oldest"}))
    assert ids(oldest) == [1, 2, 3]
    rest = own.done(own.client.get("/v1/jobs", params={"sort": "oldest", "cursor": oldest["next_cursor"]}))
    assert ids(rest) == [4, 5, 6, 7, 8]
    refusal(own.client.get("/v1/jobs", params={"sort": "newest", "cursor": oldest["next_cursor"]}), 422, "cursor")
    refusal(own.client.get("/v1/jobs", params={"cursor": "!!"}), 422, "cursor")


def test_listings_are_filtered(own: Daemon) -> None:
    for number in range(4):
        own.store.add(f"k{number}", "{}", source=f"/in/cat{number}.jpg")
    own.store.cancel(2)
    own.finish()
    get = own.client.get
    assert ids(get("/v1/jobs", params={"state": "cancelled"}).json()) == [2]
    assert ids(get("/v1/jobs", params={"state": ["cancelled", "done"]}).json()) == [2, 1]
    assert ids(get("/v1/jobs", params={"search": "CAT3"}).json()) == [4]
    refusal(get("/v1/jobs", params={"state": "dnoe"}), 422, "state")
    refusal(get("/v1/jobs", params={"limit": 0}), 422, "limit")
    refusal(get("/v1/jobs", params={"folder": "none"}), 422, "unknown folder")


def test_jobs_are_changed(own: Daemon) -> None:
    job = own.submit()["id"]
    changed = own.done(own.client.patch(f"/v1/jobs/{job}", json={"priority": 9, "hold": True}))
    assert (changed["priority"], changed["held"]) == (9, True)
    assert own.store.take("w") is None
    assert own.done(own.client.patch(f"/v1/jobs/{job}", json={"hold": False}))["held"] is False
    assert own.done(own.client.post(f"/v1/jobs/{job}/cancel"))["state"] == "cancelled"
    refusal(own.client.post(f"/v1/jobs/{job}/cancel"), 409, "cancelled already")
    refusal(own.client.patch(f"/v1/jobs/{job}", json={"priority": 1}), 409, "cancelled already")
    refusal(own.client.patch(f"/v1/jobs/{job}", json={"colour": 1}), 422, "colour")
    assert own.done(own.client.post(f"/v1/jobs/{job}/retry"))["state"] == "queued"
    own.finish()
    refusal(own.client.post(f"/v1/jobs/{job}/retry"), 409, "is done")
    own.submit()
    assert own.store.take("w") is not None
    stopping = own.done(own.client.post("/v1/jobs/2/cancel"))
    assert (stopping["state"], stopping["stopping"]) == ("running", True)


def test_the_queue_is_paused(own: Daemon) -> None:
    own.submit()
    assert own.client.post("/v1/queue/pause").status_code == 204
    assert own.store.take("w") is None
    assert own.client.get("/v1/system").json()["paused"] is True
    assert own.client.post("/v1/queue/resume").status_code == 204
    assert own.store.take("w") is not None


def test_what_is_not_there_is_said(shared: Daemon) -> None:
    ask = shared.client
    refusal(ask.get("/v1/jobs/4711"), 404, "there is no job 4711")
    refusal(ask.post("/v1/jobs/4711/cancel"), 404, "there is no job 4711")
    refusal(ask.get("/v1/jobs/4711/events"), 404, "there is no job 4711")
    refusal(ask.get("/v1/jobs/x"), 422, "number")
    refusal(ask.get("/v1/jobs/99999999999999999999"), 422, "number")
    refusal(ask.get("/v1/nothing"), 404)
    refusal(ask.get("/v1/jobs/"), 404)
    answer = ask.put("/v1/jobs")
    refusal(answer, 405)
    assert set(answer.headers["allow"].replace(" ", "").split(",")) & {"GET", "POST"}
    refusal(ask.get("/v1/presets/vertiko"), 404, "did you mean 'vertigo'?")


# -- files ---------------------------------------------------------------------------------------------------------


def test_ranges_of_a_download(own: Daemon) -> None:
    job = own.submit()["id"]
    own.finish()
    url = f"/v1/jobs/{job}/outputs/1"
    part = own.client.get(url, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert part.headers["content-range"] == "bytes 2-4/10"
    assert own.client.get(url, headers={"Range": "bytes=-3"}).content == b"789"
    etag = part.headers["etag"]
    assert own.client.get(url, headers={"Range": "bytes=2-", "If-Range": etag}).content == b"23456789"
    refused = own.client.get(url, headers={"Range": "bytes=20-30"})
    refusal(refused, 416)
    assert refused.headers["content-range"] == "bytes */10"
    refusal(own.client.get(url, headers={"Range": "bytes=x"}), 400)


def test_downloads_that_cannot_be(own: Daemon) -> None:
    job = own.submit()["id"]
    refusal(own.client.get(f"/v1/jobs/{job}/outputs/1"), 409, "not made")
    refusal(own.client.get(f"/v1/jobs/{job}/outputs/2"), 404, "no output 2")
    own.finish()
    made = Path(own.store.outputs(job)[0].path)
    made.unlink()
    refusal(own.client.get(f"/v1/jobs/{job}/outputs/1"), 404, "not there any more")
    secret = own.root.parent / "secret"
    secret.write_text("secret")
    made.symlink_to(secret)
    refusal(own.client.get(f"/v1/jobs/{job}/outputs/1"), 409, "not the file that was made")


def test_small_pictures_of_photo_depth_and_result(own: Daemon) -> None:
    photo = own.root / "wide.png"
    photo.write_bytes(picture(size=(600, 300)))
    Image.new("L", (60, 30), 200).save(own.root / "wide.depth.png")
    job = own.done(own.client.post("/v1/jobs", json={"photo": str(photo)}), 201)["id"]
    small = own.client.get(f"/v1/jobs/{job}/thumbnail")
    assert small.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(small.content)) as image:
        assert image.size == (256, 128)
    with Image.open(io.BytesIO(own.client.get(f"/v1/jobs/{job}/depth").content)) as image:
        assert (image.mode, image.size) == ("L", (256, 128))
    refusal(own.client.get(f"/v1/jobs/{job}/outputs/1/thumbnail"), 409, "not made")
    own.finish({"wide.mp4": picture(size=(300, 600))})
    with Image.open(io.BytesIO(own.client.get(f"/v1/jobs/{job}/outputs/1/thumbnail").content)) as image:
        assert image.size == (128, 256)
    photo.write_bytes(b"no photo any more")
    refusal(own.client.get(f"/v1/jobs/{job}/thumbnail"), 409, "is not a photo")
    photo.unlink()
    refusal(own.client.get(f"/v1/jobs/{job}/thumbnail"), 404, "not there any more")


def test_a_picture_that_cannot_be_made_is_not_tried_at_every_request(
    own: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = own.submit()["id"]
    tried: list[str] = []

    def fail(order: dict[str, Any]) -> None:
        tried.append(order["kind"])
        raise InputError("no photo")

    monkeypatch.setattr(pictures, "_run", fail)
    for _ in range(3):
        refusal(own.client.get(f"/v1/jobs/{job}/thumbnail"), 409, "no photo")
    assert tried == ["photo"]
    monkeypatch.setattr(pictures, "_NONE_SECONDS", 0.0)
    for _ in range(2):
        refusal(own.client.get(f"/v1/jobs/{job}/depth"), 409, "no photo")
    assert tried == ["photo", "depth", "depth"]


def test_who_asks_for_many_pictures_at_once_does_not_hold_up_the_api(
    own: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [own.submit()["id"] for _ in range(6)]
    go = threading.Event()
    monkeypatch.setattr(pictures, "_run", lambda order: go.wait(30) and Path(order["to"]).write_bytes(picture()))
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda job=job: codes.append(own.client.get(f"/v1/jobs/{job}/thumbnail").status_code))
        for job in jobs
    ]
    for thread in threads:
        thread.start()
    while len(codes) < 2:  # those beyond the fourth are sent away at once
        assert own.client.get("/healthz").status_code == 200
    go.set()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200] * 4 + [503] * 2


# -- the rest ------------------------------------------------------------------------------------------------------


def test_the_library_and_the_system(shared: Daemon) -> None:
    presets = shared.client.get("/v1/presets").json()
    assert "vertigo" in {preset["name"] for preset in presets}
    assert shared.client.get("/v1/presets/vertigo").json()["parts"]["motion"]
    models = {model["name"]: model for model in shared.client.get("/v1/models").json()}
    assert models["builtin"]["here"] is True
    system = System.model_validate(shared.client.get("/v1/system").json())
    assert system.workers[0].state == "idle"
    assert system.roots == [str(shared.root)]
    assert system.renderer == "Test Renderer"
    assert "renderer" not in system.engine
    free = shutil.disk_usage(shared.root).free
    assert system.disk_free_bytes == pytest.approx(free, rel=0.1)
    assert set(system.jobs) == {"queued", "waiting", "running", "done", "failed", "cancelled", "skipped"}
    assert shared.client.get("/healthz").json()["status"] == "ok"


def test_encoders_are_tried_when_somebody_asks(own: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHFLOW_CACHE_DIR", str(tmp_path))
    assert own.client.get("/v1/system").json()["encoders"] == []
    tried = own.client.get("/v1/system?encoders=true").json()["encoders"]
    assert "png" in tried
    assert own.client.get("/v1/system").json()["encoders"] == tried
    refusal(own.client.get("/v1/system?encoders=perhaps"), 422)


def test_draining_is_asked_for(own: Daemon) -> None:
    asked = threading.Event()
    own.core.drain = asked.set
    assert own.client.post("/v1/system/drain").status_code == 202
    assert asked.is_set()


def test_metrics(own: Daemon) -> None:
    own.submit()
    own.submit()
    own.submit()
    own.finish()
    own.fail()
    lines = own.client.get("/metrics").text.splitlines()
    for line in (
        'depthflow_jobs{state="queued"} 1.0',
        "depthflow_queue_depth 1.0",
        'depthflow_jobs_ended_total{state="done"} 1.0',
        'depthflow_jobs_ended_total{state="failed"} 1.0',
        "depthflow_frames_total 4.0",
        'depthflow_stage_seconds_total{stage="render"} 2.5',
        'depthflow_workers{state="idle"} 1.0',
        "depthflow_worker_restarts_total 3.0",
        'depthflow_http_requests_total{method="POST",status="201"} 3.0',
    ):
        assert line in lines, line
    assert any(line.startswith("process_resident_memory_bytes") for line in lines)
    assert not [line for line in lines if "_created" in line]


def test_a_folder_tells_its_jobs_what_waits_and_what_happened(tmp_path: Path) -> None:
    with daemon(folders=TwoFolders(tmp_path)) as own:
        for number, source in enumerate(("a/x.jpg", "a/deep/y.jpg", "b/z.jpg", "ab/none.jpg")):
            own.store.add(f"key {number}", "{}", source=str(tmp_path / source))
        own.store.cancel(2)
        own.store.pause_folder("a")
        own.store.pause_folder("b")
        a, b = own.client.get("/v1/folders").json()
        assert {state: count for state, count in a["jobs"].items() if count} == {"queued": 1, "cancelled": 1}
        assert b["jobs"]["queued"] == 1
        # Counted anew once something has happened, and not before.
        own.store.cancel(1)
        assert own.client.get("/v1/folders").json()[0]["jobs"]["cancelled"] == 2
        log = own.client.get("/v1/folders/a/log").json()
        assert [(line["kind"], line["job"], line["source"]) for line in log] == [
            ("cancelled", 1, "x.jpg"),
            ("folder-paused", None, ""),
            ("cancelled", 2, "deep/y.jpg"),
            ("added", 2, "deep/y.jpg"),
            ("added", 1, "x.jpg"),
        ]
        assert len(own.client.get("/v1/folders/a/log", params={"limit": 2}).json()) == 2
        before = datetime.now(UTC)
        waiting = own.client.get("/v1/folders/a/waiting", params={"limit": 3}).json()
        assert waiting["total"] == 5
        assert [(each["path"], each["kind"], each["why"]) for each in waiting["items"]] == [
            (f"deep/{number}.jpg", "writing", f"why {number}") for number in range(3)
        ]
        age = before - datetime.fromisoformat(waiting["items"][2]["since"])
        assert abs(age.total_seconds() - 120) < 30
        for part in ("waiting", "log"):
            refusal(own.client.get(f"/v1/folders/aa/{part}"), 404, "unknown folder 'aa'", "did you mean 'a'?")
            refusal(own.client.get(f"/v1/folders/a/{part}?limit=501"), 422, "limit")


def test_folders(tmp_path: Path) -> None:
    folders = TwoFolders(tmp_path)
    with daemon(folders=folders) as own:
        listed = own.client.get("/v1/folders").json()
        assert [(folder["name"], folder["paused"], folder["pending"]) for folder in listed] == [
            ("a", False, 2),
            ("b", True, 2),
        ]
        assert own.client.post("/v1/folders/a/pause").json()["paused"] is True
        assert own.client.post("/v1/folders/b/resume").json()["paused"] is False
        assert own.client.post("/v1/folders/b/rescan").json()["name"] == "b"
        assert folders.scanned == ["b"]
        refusal(own.client.post("/v1/folders/c/rescan"), 404, "unknown folder 'c'")
        own.store.add("k", "{}", source=str(tmp_path / "a" / "x.jpg"))
        own.store.add("l", "{}", source="/elsewhere/x.jpg")
        assert [job["folder"] for job in own.client.get("/v1/jobs").json()["items"]] == [None, "a"]
        assert ids(own.client.get("/v1/jobs", params={"folder": "a"}).json()) == [1]


def test_a_fault_of_ours_says_nothing_of_itself(own: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(own.core.store, "counts", broken)
    problem = refusal(own.client.get("/v1/system"), 500)
    assert "secret" not in str(problem)


def test_the_published_contract_is_what_is_served(shared: Daemon) -> None:
    published = Path(__file__).parent.parent / "docs" / "openapi.json"
    now = json.dumps(schema(create_app(shared.core)), indent=2, ensure_ascii=False) + "\n"
    assert published.read_text(encoding="utf-8") == now, "python -m depthflow_daemon.api > docs/openapi.json"
    assert shared.client.get("/v1/openapi.json").json() == json.loads(now)
