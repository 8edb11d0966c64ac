"""The commands about a daemon's jobs, as people and scripts use them, against the API itself."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from daemon_api import Daemon, daemon, picture
from running import Done, depthflow, depthflow_here, refused
from terminals import on_terminal, plain, read_until

from depthflow.client.models import Job, JobDetail
from depthflow.jobs.spec import JobSpec

TINY = ("--size", "64x48", "--fps", "8", "--duration", "0.5")
TOKEN = "correct-horse-battery"  # noqa: S105 - of a daemon that lives for a test


@pytest.fixture
def running() -> Iterator[Daemon]:
    with daemon(listen=("127.0.0.1", 0), token=TOKEN) as started:
        yield started


def ask(running: Daemon, *args: str | Path, data: bytes = b"", **env: str) -> Done:
    """A command that speaks with this daemon over its socket, in the folder of its photos."""
    return depthflow_here(*args, cwd=running.root, data=data, **{"DEPTHFLOW_SOCKET": str(running.socket), **env})


def photo(running: Daemon, name: str, seed: int = 0) -> Path:
    place = running.root / name
    place.write_bytes(picture(seed))
    return place


def jobs(done: Done) -> list[Job]:
    """The lines of --json."""
    assert done.code == 0, done.err
    return [Job.model_validate_json(line) for line in done.out.splitlines()]


@contextmanager
def working(running: Daemon, *ends: str) -> Iterator[None]:
    """Ends the next jobs one after the other: done, or failed for this reason."""

    def work() -> None:
        left = list(ends)
        while left and not over.is_set():
            if not running.store.counts()["queued"]:
                over.wait(0.02)
                continue
            end = left.pop(0)
            if end == "done":
                running.finish()
            else:
                running.fail(end)

    over = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


# -- submit --------------------------------------------------------------------------------------------------------


def test_submitting_takes_the_options_of_render(running: Daemon) -> None:
    photo(running, "cat.png")
    options = (*TINY, "--motion", "zoom", "--strength", "0.5", "--effect", "vignette", "--preset", "vertigo")
    done = ask(running, "submit", "cat.png", *options, "--priority", "5", "--held")
    assert done.code == 0, done.err
    assert done.out.split()[:12] == [
        "id",
        "state",
        "photo",
        "look",
        "progress",
        "fps",
        "left",
        "try",
        "age",
        "1",
        "queued",
        "held",
    ]
    detail = running.done(running.client.get("/v1/jobs/1"))
    assert (detail["priority"], detail["held"]) == (5, True)
    printed = depthflow_here("render", "cat.png", *options, "--print-job", cwd=running.root)
    here, there = JobSpec.from_toml(printed.out), JobSpec.parse(detail["spec"])
    for part in ("camera", "layers", "effects", "render", "preset", "seed"):
        if part != "camera":
            assert getattr(there, part) == getattr(here, part), part
    assert there.motion.strength == 0.5
    assert there.outputs[0].path == str(running.root / "cat.mp4"), "beside the photo, as render has it"
    assert there.outputs[0].model_copy(update={"path": None, "overwrite": False}) == here.outputs[0]


def test_several_photos_by_pattern_folder_and_list(running: Daemon, tmp_path: Path) -> None:
    for number in range(3):
        photo(running, f"cat{number}.png", number)
    (running.root / "more").mkdir()
    photo(running, "more/dog 9.png", 9)
    assert [job.source for job in _queued(ask(running, "submit", "cat*.png", *TINY, "--json"))] == [
        str(running.root / f"cat{number}.png") for number in range(3)
    ]
    listed = b"\0more/dog 9.png\0\0"
    assert len(_queued(ask(running, "submit", "--list", "-", *TINY, "--json", data=listed))) == 1
    done = ask(running, "submit", "more", *TINY, "--json")
    assert [event["job"]["state"] for event in done.events] == ["skipped"], "the same work twice"
    refused(ask(running, "submit", "none*.png"), 3, "no file matches")
    refused(ask(running, "submit", "--list", tmp_path / "none"), 2, "the list cannot be read")


def _queued(done: Done) -> list[Job]:
    assert done.code == 0, done.err
    assert {event["event"] for event in done.events} == {"queued"}
    return [Job.model_validate(event["job"]) for event in done.events]


def test_waiting_shows_what_render_shows(running: Daemon) -> None:
    photo(running, "cat.png")
    with working(running, "done"):
        done = ask(running, "submit", "cat.png", *TINY, "--wait")
    assert done.code == 0, done.err
    assert done.out.startswith("cat.mp4: ") or "/cat.mp4: " in done.out
    assert (running.root / "cat.mp4").read_bytes() == b"0123456789"
    again = ask(running, "submit", "cat.png", *TINY, "--wait", "-o", "cat.mp4", "--overwrite", "--json")
    assert again.event("queued")["job"]["same_as"] == 1
    assert again.event("done")["outputs"][0]["path"] == str(running.root / "cat.mp4"), "who did the work is waited for"


def test_results_of_photos_that_are_sent_are_fetched(running: Daemon, tmp_path: Path, depth_map: Path) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    for number in range(2):
        (place / f"dog{number}.png").write_bytes(picture(number, (128, 96)))
    shutil.copy(depth_map, place / "dog0.depth.png")
    url = f"http://127.0.0.1:{running.server.port}"
    with working(running, "done", "done"):
        args = ("submit", place, "-o", f"{tmp_path}/out/", *TINY, "--server", url, "--json")
        done = ask(running, *args, DEPTHFLOW_TOKEN=TOKEN)
    assert done.code == 0, done.err
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["dog0.mp4", "dog1.mp4"]
    assert [event["event"] for event in done.events if event["event"] != "progress"] == [
        *("queued", "queued"),
        *("begin", "done", "begin", "done"),
    ]
    assert done.events[-1]["outputs"][0]["path"] == str(tmp_path / "out" / "dog1.mp4")
    sent = [JobDetail.model_validate(running.done(running.client.get(f"/v1/jobs/{n}"))) for n in (1, 2)]
    assert [detail.source for detail in sent] == ["dog0.png", "dog1.png"]
    assert Path(sent[0].spec["depth"]["file"]).read_bytes() == depth_map.read_bytes(), "the map beside it came along"
    assert sent[1].spec["depth"].get("file") is None
    again = ask(running, *args, DEPTHFLOW_TOKEN=TOKEN)
    assert [event["event"] for event in again.events] == ["skipped", "skipped"], "what is there is passed over"


def test_a_photo_from_standard_input(running: Daemon, tmp_path: Path) -> None:
    with working(running, "done"):
        done = ask(running, "submit", "-", "-o", tmp_path / "a.gif", *TINY, "-q", data=picture(3))
    assert done.code == 0, done.err
    assert (tmp_path / "a.gif").read_bytes() == b"0123456789"
    assert running.store.get(1).source.endswith(".png") or running.store.get(1).source


def test_a_photo_of_the_web_is_fetched_here_and_sent(running: Daemon, tmp_path: Path) -> None:
    (tmp_path / "my cat.png").write_bytes(picture(4))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        try:
            done = ask(running, "submit", f"http://127.0.0.1:{web.server_port}/my%20cat.png?a=b", *TINY, "--json")
        finally:
            web.shutdown()
            thread.join()
    (job,) = _queued(done)
    assert job.source == "my cat.png"
    detail = running.done(running.client.get(f"/v1/jobs/{job.id}"))
    assert Path(detail["spec"]["photo"]).read_bytes() == picture(4)


def test_exit_codes_of_waiting_are_those_of_render(running: Daemon) -> None:
    photo(running, "cat.png", 1)
    photo(running, "dog.png", 2)
    with working(running, "not a photo after all"):
        said = refused(ask(running, "submit", "cat.png", *TINY, "--wait"), 3, "job 1: not a photo after all")
    assert "depthflow show 1" in said
    with working(running, "done", "bad"):
        done = ask(running, "submit", ".", *TINY, "--wait", "--overwrite")
    assert done.code == 5
    assert "1 of 2 photos failed" in done.err
    photo(running, "owl.png", 3)
    with working(running, "done"):
        done = ask(running, "submit", "owl.png", "none.png", *TINY, "--wait")
    assert done.code == 5
    assert "none.png: there is no such file" in done.err


@pytest.mark.parametrize(
    ("args", "code", "parts"),
    [
        (("submit",), 2, ("no photo is named",)),
        (("submit", "none.png"), 3, ("no such file",)),
        (("submit", "cat.png", "--motion", "zom"), 2, ("did you mean 'zoom'",)),
        (("submit", "cat.png", "--fps", "0"), 2, ("fps",)),
        (("submit", "cat.png", "--window", "soon"), 2, ("soon",)),
        (("submit", "cat.png", "--wait", "--held"), 2, ("leave out",)),
        (("submit", "cat.png", "-o", "cat.png"), 2, ("cat.png",)),
        (("submit", "broken.jpg"), 3, ("broken.jpg",)),
        (("show", "7"), 2, ("no job 7",)),
        (("tail", "7"), 2, ("no job 7",)),
        (("cancel",), 2, ("--all",)),
        (("cancel", "1", "--all"), 2, ("--all",)),
        (("jobs", "--state", "dnoe"), 2, ("did you mean 'done'",)),
        (("jobs", "--watch"), 2, ("depthflow tail",)),
        (("jobs", "--server", "studio"), 2, ("http://host:port",)),
        (("pause", "photos"), 2, ("unknown folder 'photos'",)),
    ],
)
def test_wrong_use_is_said(shared: Daemon, args: tuple[str, ...], code: int, parts: tuple[str, ...]) -> None:
    refused(ask(shared, *args), code, *parts)
    assert not sum(shared.store.counts().values())


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    with daemon() as started:
        photo(started, "cat.png")
        (started.root / "broken.jpg").write_text("no photo")
        yield started


def test_without_a_daemon_the_command_that_starts_one_is_named(tmp_path: Path) -> None:
    for args in (("jobs",), ("submit", "cat.png"), ("show", "1"), ("tail",), ("pause",)):
        refused(depthflow_here(*args, cwd=tmp_path, DEPTHFLOW_SOCKET=str(tmp_path / "s")), 4, "depthflow daemon start")


def test_the_token_comes_from_the_environment_or_a_file(running: Daemon, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{running.server.port}"
    refused(ask(running, "jobs", "--server", url), 4, "asks for its token")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert ask(running, "jobs", "--server", url, "--token-file", tmp_path / "token").code == 0
    assert ask(running, "jobs", DEPTHFLOW_SERVER=url, DEPTHFLOW_TOKEN=TOKEN).code == 0


# -- looking -------------------------------------------------------------------------------------------------------


def test_jobs_are_listed(running: Daemon) -> None:
    for _ in range(3):
        running.submit(preset="vertigo")
    running.fail("not a photo")
    running.finish()
    done = ask(running, "jobs")
    lines = [line.split() for line in done.out.splitlines()]
    assert [line[:2] for line in lines[1:4]] == [["3", "queued"], ["2", "done"], ["1", "failed"]]
    assert lines[1][3:6] == ["vertigo", "·", "dolly"]
    assert done.out.splitlines()[-1] == "1 queued, 1 done, 1 failed"
    assert [job.id for job in jobs(ask(running, "jobs", "--json", "--state", "done,failed"))] == [2, 1]
    assert [job.id for job in jobs(ask(running, "jobs", "--json", "--oldest", "--limit", "2"))] == [1, 2]
    assert [job.id for job in jobs(ask(running, "jobs", "--json", "--search", "photo-1"))] == [2]
    assert jobs(ask(running, "jobs", "--json"))[0].motion == "dolly"


def test_a_running_job_shows_how_far_it_is(running: Daemon) -> None:
    running.submit()
    assert running.store.take("w-0")
    running.core.hub.progress(1, {"stage": "render", "done": 30, "total": 120, "seconds": 2.0})
    row = ask(running, "jobs").out.splitlines()[1]
    assert "25 %" in row
    assert row.split()[-4:] == ["15.0", "6", "s", "1"] or " 15.0   6 s    1" in row


def test_everything_about_a_job(running: Daemon) -> None:
    running.submit(preset="vertigo")
    running.finish()
    done = ask(running, "show", "1")
    assert done.code == 0, done.err
    for words in ("job 1: done", "vertigo · dolly", "photo-0.mp4: 10 B", "render 2.50 s", "started", "worker w-0"):
        assert words in done.out, (words, done.out)
    detail = JobDetail.model_validate_json(ask(running, "show", "1", "--json").out)
    assert detail.attempts[0].outcome == "done"
    again = JobSpec.from_toml(ask(running, "show", "1", "--job").out)
    assert again == JobSpec.parse(detail.spec)


def test_tail_tells_a_jobs_story_and_ends_as_it_does(running: Daemon) -> None:
    running.submit()
    running.submit()
    running.finish()
    running.fail("not a photo")
    done = ask(running, "tail", "1")
    assert done.code == 0
    assert [line.split(maxsplit=1)[1] for line in done.out.splitlines()] == [
        f"1 photo-0.png: {what}" for what in ("added", "started", "done")
    ]
    failed = ask(running, "tail", "2", "--json")
    assert failed.code == 3
    assert [event["what"] for event in failed.events] == ["added", "started", "failed"]


# -- changing ------------------------------------------------------------------------------------------------------


def test_jobs_are_cancelled_and_tried_again(running: Daemon) -> None:
    for _ in range(4):
        running.submit()
    running.fail()
    assert [(job.id, job.state) for job in jobs(ask(running, "cancel", "2", "3", "2", "--json"))] == [
        (2, "cancelled"),
        (3, "cancelled"),
    ]
    done = ask(running, "cancel", "3", "4", "99")
    assert done.code == 5
    assert "job 3 is cancelled already" in done.err
    assert "there is no job 99" in done.err
    assert running.store.get(4).state == "cancelled", "one that is refused stops no others"
    assert [job.id for job in jobs(ask(running, "retry", "--all", "--json"))] == [1], "whatever failed"
    assert [job.id for job in jobs(ask(running, "retry", "--all", "--state", "cancelled", "--json"))] == [2, 3, 4]
    assert len(jobs(ask(running, "cancel", "--all", "--json"))) == 4
    assert ask(running, "cancel", "--all").err == "no jobs\n"
    refused(ask(running, "cancel", "1"), 2, "cancelled already")


def test_the_queue_and_single_jobs_are_paused_and_go_on(running: Daemon) -> None:
    running.submit()
    running.submit()
    assert ask(running, "pause").out == "the queue is paused\n"
    assert "the queue is paused" in ask(running, "jobs").out
    assert running.store.paused
    assert json.loads(ask(running, "resume", "--json").out)["paused"] is False
    (job,) = jobs(ask(running, "pause", "1", "--json"))
    assert job.held
    assert [job.priority for job in jobs(ask(running, "priority", "2", "--to", "-5", "--json"))] == [-5]
    assert [job.priority for job in jobs(ask(running, "priority", "--all", "--to", "7", "--json"))] == [7, 7]
    assert running.store.get(1).held
    assert not jobs(ask(running, "resume", "1", "--json"))[0].held


def test_waiting_goes_on_over_a_restart_of_the_daemon(running: Daemon, tmp_path: Path) -> None:
    """The same store behind a new socket, as after `systemctl restart`."""
    from depthflow_daemon.api.server import Server
    from depthflow_daemon.hub import Hub

    photo(running, "cat.png")
    found: list[Done] = []
    command = ("submit", "cat.png", *TINY, "--wait")
    thread = threading.Thread(
        target=lambda: found.append(depthflow(*command, cwd=running.root, DEPTHFLOW_SOCKET=str(running.socket)))
    )
    thread.start()
    deadline = time.monotonic() + 60
    while not running.core.hub.listeners:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.server.stop()
    running.core.hub = Hub(running.store)
    with Server(running.core, unix=running.socket):
        running.finish()
        thread.join(60)
    assert found[0].code == 0, found[0].err
    assert "cat.mp4" in found[0].out


# -- on a terminal -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="needs pseudo-terminals")
def test_the_live_table_follows_and_outlasts_the_daemon(running: Daemon) -> None:
    running.submit()
    env = {"DEPTHFLOW_SOCKET": str(running.socket)}
    with on_terminal("jobs", "--watch", cwd=running.root, **env) as (process, terminal):
        assert "photo-0.png" in plain(read_until(terminal, b"1 queued").decode())
        running.finish()
        read_until(terminal, b"1 done")
        running.server.stop()
        read_until(terminal, b"no daemon is running")
        os.write(terminal, b"\x03")
        shown = read_until(terminal, b"").decode()
        assert process.wait(timeout=60) == 0
    assert "Traceback" not in shown
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l"), "the cursor is back"


@pytest.mark.skipif(sys.platform != "linux", reason="needs pseudo-terminals")
def test_ctrl_c_stops_the_waiting_and_not_the_job(running: Daemon) -> None:
    photo(running, "cat.png")
    env = {"DEPTHFLOW_SOCKET": str(running.socket)}
    with on_terminal("submit", "cat.png", *TINY, "--wait", cwd=running.root, **env) as (process, terminal):
        deadline = time.monotonic() + 60
        while not running.core.hub.listeners:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert running.store.take("w-0")
        running.core.hub.progress(1, {"stage": "render", "done": 1, "total": 4, "seconds": 1.0})
        assert "Rendering" in read_until(terminal, b"1/4").decode()
        os.write(terminal, b"\x03")
        shown = plain(read_until(terminal, b"").decode())
        assert process.wait(timeout=60) == 130
    assert "what is queued goes on; to stop it: depthflow cancel 1" in shown
    assert "Traceback" not in shown
    job = running.store.get(1)
    assert (job.state, job.stopping) == ("running", False)
