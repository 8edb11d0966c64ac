"""The daemon as people run it: photos in, videos out; stopped, killed, started again."""

from __future__ import annotations

import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from daemon_process import LONG, SMALL, Daemon, drop, files, once, wait_until_gone_workers
from depthflow_daemon.store import Store
from running import depthflow, pixels

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@pytest.mark.gl
def test_photos_become_videos_once(folder: Path, photo: Path, depth_map: Path) -> None:
    (folder / "in" / ".depthflow.toml").write_text(SMALL + '[[outputs]]\n[[outputs]]\nformat = "gif"\n')
    drop(photo, depth_map, folder / "in" / "cat.png")
    drop(photo, depth_map, folder / "in" / "vertigo" / "dog.png")
    (folder / "in" / "bad").mkdir()
    (folder / "in" / "bad" / ".depthflow.toml").write_text("speed = 3")
    drop(photo, depth_map, folder / "in" / "bad" / "x.png")
    (folder / "in" / "text.jpg").write_text("no photo")
    done = once(folder)
    assert done.code == 0, done.err
    assert files(folder / "out") == ["cat.gif", "cat.mp4", "text.jpg.error.txt", "vertigo/dog.gif", "vertigo/dog.mp4"]
    assert pixels(folder / "out" / "cat.mp4").shape == (4, 48, 64, 3)
    assert "speed: unknown key" in done.err, "a broken folder is told of"
    assert "not a photo" in (folder / "out" / "text.jpg.error.txt").read_text()
    before = {file: (folder / "out" / file).stat().st_mtime_ns for file in files(folder / "out")}
    again = once(folder)
    assert again.code == 0, again.err
    assert "started" not in again.err
    assert {file: (folder / "out" / file).stat().st_mtime_ns for file in files(folder / "out")} == before
    with Store(folder / "state" / "q.db") as store:
        assert [job.state for job in store.page()] == ["done", "done"], "each photo is queued once"
        facts = {output.path: output.facts for output in store.outputs(1)}
        mp4 = facts[str(folder / "out" / "cat.mp4")]
        assert mp4 is not None
        assert mp4["frames"] == 4
        assert store.attempts(1)[0].timings["render"] > 0


@pytest.mark.gl
@pytest.mark.parametrize("after", ["archive", "delete"])
def test_what_becomes_of_the_photo_afterwards(folder: Path, photo: Path, depth_map: Path, after: str) -> None:
    (folder / "in" / ".depthflow.toml").write_text(f'after = "{after}"\n{SMALL}')
    drop(photo, depth_map, folder / "in" / "sub" / "cat.png")
    (folder / "in" / "sub" / "broken.jpg").write_text("no photo")
    assert once(folder).code == 0
    assert files(folder / "in") == [".depthflow.toml", "sub/broken.jpg"], "what failed stays"
    made = ["sub/broken.jpg.error.txt", "sub/cat.mp4"]
    kept = ["archive/sub/cat.depth.png", "archive/sub/cat.png"] if after == "archive" else []
    assert files(folder / "out") == kept + made
    # Another photo of that name, as cameras make them: it must not replace the first one's video.
    drop(photo, depth_map, folder / "in" / "sub" / "cat.png")
    (folder / "in" / "sub" / "cat.toml").write_text("[camera]\nzoom = 1.2")
    first = (folder / "out" / "sub" / "cat.mp4").read_bytes()
    assert once(folder).code == 0
    assert (folder / "out" / "sub" / "cat.mp4").read_bytes() == first
    assert (folder / "out" / "sub" / "cat-png.mp4").is_file()


def work_file(folder: Path) -> Path:
    """The hidden file that a job writes to, once there is one."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for file in (folder / "out").rglob(".*.part.mp4"):
            return file
        time.sleep(0.02)
    raise AssertionError("no work file")


@pytest.mark.gl
def test_killed_in_the_midst_of_a_video_it_is_made_after_the_start(
    folder: Path, photo: Path, depth_map: Path, daemons: Callable[[], Daemon]
) -> None:
    rules = folder / "in" / ".depthflow.toml"
    rules.write_text(LONG)
    drop(photo, depth_map, folder / "in" / "cat.png")
    first = daemons()
    first.until("started (attempt 1)")
    stray = work_file(folder)
    first.end(signal.SIGKILL)
    wait_until_gone_workers(folder)
    assert stray.exists(), "nobody was left to clear up"
    assert all(part.startswith(".") for part in files(folder / "out")), "nothing has a result's name"
    assert stray.parent != folder / "out", "a long video is made in pieces"
    # The job is what it was; so that the test ends, its clip is made short in the store.
    with sqlite3.connect(folder / "state" / "q.db") as raw:
        assert raw.execute("SELECT state FROM jobs").fetchall() == [("running",)]
        raw.execute("UPDATE jobs SET spec = replace(spec, '1200.0', '0.2')")
    raw.close()
    second = daemons()
    assert "the daemon ended while this was running" in second.until("queued")
    second.until("job 1: done")
    assert second.end(signal.SIGTERM) == 0
    assert pixels(folder / "out" / "cat.mp4").shape[0] == 6
    assert files(folder / "out") == ["cat.mp4"], "no stray work file"
    with Store(folder / "state" / "q.db") as store:
        assert [a.outcome for a in store.attempts(1)] == ["orphaned", "done"]


@pytest.mark.gl
def test_the_second_signal_gives_the_job_back(
    folder: Path, photo: Path, depth_map: Path, daemons: Callable[[], Daemon]
) -> None:
    (folder / "in" / ".depthflow.toml").write_text(LONG)
    drop(photo, depth_map, folder / "in" / "cat.png")
    daemon = daemons()
    daemon.until("started (attempt 1)")
    work_file(folder)
    daemon.process.send_signal(signal.SIGTERM)
    daemon.until("ending")
    assert daemon.end(signal.SIGTERM) == 0
    assert files(folder / "out") == []
    with Store(folder / "state" / "q.db") as store:
        job = store.get(1)
        assert (job.state, job.orphaned, job.crashes) == ("queued", 0, 0)


@pytest.mark.gl
def test_a_second_daemon_on_one_folder_is_refused(folder: Path, daemons: Callable[[], Daemon]) -> None:
    first = daemons()
    first.until("watching")
    done = once(folder)
    assert done.code == 4
    assert "another daemon has this store" in done.err
    assert "Traceback" not in done.err
    assert first.end(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (("in", "in"), 2, "would lie among the photos"),
        (("in", "."), 2, "would lie among the photos"),
        (("in", "out", "--preset", "vertiko"), 2, "did you mean 'vertigo'?"),
        (("inn", "out"), 3, "inn: there is no such folder"),
    ],
)
def test_wrong_use_is_said_before_anything_is_made(folder: Path, args: tuple[str, ...], code: int, text: str) -> None:
    done = depthflow("watch", *args, "--once", cwd=folder)
    assert done.code == code
    assert text in done.err
    assert files(folder) == []


def test_a_file_is_no_folder_to_watch(folder: Path) -> None:
    (folder / "photo.jpg").touch()
    done = depthflow("watch", "photo.jpg", "out", cwd=folder)
    assert (done.code, "photo.jpg: is no folder" in done.err) == (3, True)
