"""The daemon as people run it: photos in, videos out; stopped, killed, started again."""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from depthflow_daemon.store import Store
from PIL import Image
from running import COMMAND, Done, depthflow, environment, pixels, wait_until_gone

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

SMALL = '[settle]\nseconds = 0\npatience = 0\n[output]\nsize = "64x48"\nfps = 8\nduration = 0.5\n'
LONG = '[settle]\nseconds = 0\n[output]\nsize = "64x48"\nfps = 30\nduration = 1200\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path


def drop(photo: Path, depth_map: Path, place: Path) -> Path:
    """A photo with its depth map beside it, which spares the network."""
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(depth_map, place.with_suffix(".depth.png"))
    return Path(shutil.copy(photo, place))


def once(folder: Path) -> Done:
    return depthflow("watch", "in", "out", "--once", "--store", "state/q.db", cwd=folder)


def files(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


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


class Daemon:
    """A daemon in a process of its own, and the lines that it logs."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [COMMAND, "watch", "in", "out", "--store", "state/q.db"],
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(DAEMON_TEST=str(folder)),
        )
        self.said: list[str] = []

    def until(self, text: str) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if text in line:
                return line
        raise AssertionError(f"ended without {text!r}: {''.join(self.said)}")

    def end(self, *signals: int) -> int:
        for number in signals:
            self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def daemons(folder: Path) -> Iterator[Callable[[], Daemon]]:
    started: list[Daemon] = []

    def start() -> Daemon:
        started.append(Daemon(folder))
        return started[-1]

    yield start
    for daemon in started:
        daemon.process.kill()
        daemon.process.wait()


def work_file(folder: Path) -> Path:
    """The hidden file that a job writes to, once there is one."""
    deadline = time.monotonic() + 30
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


def wait_until_gone_workers(folder: Path) -> None:
    """The workers of a killed daemon end by themselves, and so do their encoders."""
    wait_until_gone(str(folder / "out"))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"DAEMON_TEST={folder}".encode() in (process / "environ").read_bytes()
        except OSError:
            continue
        if ours:
            pidfd = os.pidfd_open(int(process.name))
            try:
                assert select.select([pidfd], [], [], 30)[0], "a worker outlives its daemon"
            finally:
                os.close(pidfd)


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
    ],
)
def test_wrong_use_is_said_before_anything_is_made(folder: Path, args: tuple[str, ...], code: int, text: str) -> None:
    done = depthflow("watch", *args, "--once", cwd=folder)
    assert done.code == code
    assert text in done.err
    assert files(folder) == []


def killed_until_all_is_done(folder: Path, rounds: int, photo: Path, depth_map: Path) -> None:
    """Photos come in while the daemon is killed again and again; then it may finish."""
    chance = random.Random(rounds)  # noqa: S311 - no secrets
    (folder / "in" / ".depthflow.toml").write_text(SMALL)
    names = []
    for turn in range(rounds):
        for number in range(3):
            names.append(f"{turn}-{number}")
            with Image.open(drop(photo, depth_map, folder / "in" / f"{names[-1]}.png")) as image:
                pixel = image.convert("RGB")
            pixel.putpixel((0, 0), (turn, number, 0))
            pixel.save(folder / "in" / f"{names[-1]}.png")
        daemon = Daemon(folder)
        # So many lines of its log, and then a little more.
        for _ in range(chance.randrange(1, 9)):
            daemon.until(" ")
        time.sleep(chance.random() * 0.3)
        daemon.end(signal.SIGKILL)
    wait_until_gone_workers(folder)
    done = once(folder)
    assert done.code == 0, done.err
    assert files(folder / "out") == sorted(f"{name}.mp4" for name in names)
    for name in names:
        assert pixels(folder / "out" / f"{name}.mp4").shape[0] == 4
    with Store(folder / "state" / "q.db") as store:
        jobs = store.page(limit=1000)
        assert sorted(Path(job.source).stem for job in jobs) == sorted(names)
        assert {job.state for job in jobs} == {"done"}


@pytest.mark.gl
@pytest.mark.slow
def test_killed_again_and_again_every_photo_becomes_one_video(folder: Path, photo: Path, depth_map: Path) -> None:
    killed_until_all_is_done(folder, 4, photo, depth_map)


@pytest.mark.gl
@pytest.mark.soak
def test_killed_fifty_times_every_photo_becomes_one_video(folder: Path, photo: Path, depth_map: Path) -> None:
    killed_until_all_is_done(folder, 50, photo, depth_map)
