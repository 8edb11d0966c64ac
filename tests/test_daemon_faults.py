"""The daemon as a process, in a world in which everything goes wrong: nothing lost, nothing twice, nothing half."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from daemon_process import (
    PATIENCE,
    SMALL,
    Daemon,
    contents_of,
    drop,
    files,
    filled,
    kill,
    let_waiting_begin,
    mounted,
    once,
    rows,
    states_of,
    wait_until_gone_workers,
)
from PIL import Image
from running import depthflow, pixels, processes_with

pytestmark = [pytest.mark.gl, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, mounts")]

Start = Callable[..., Daemon]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def different(photo: Path, depth_map: Path, place: Path, number: int) -> Path:
    """A photo that no other photo is the same as."""
    with Image.open(photo) as image:
        pixel = image.convert("RGB")
    pixel.putpixel((0, 0), (number % 256, number // 256, 7))
    drop(photo, depth_map, place)
    pixel.save(place)
    return place


# -- how photos come -----------------------------------------------------------------------------------------------


def test_writers_of_all_kinds_are_waited_for(folder: Path, photo: Path, depth_map: Path, daemons: Start) -> None:
    """What a job was made from is what the writer wrote at last, byte for byte, and there is one job for each photo."""
    (folder / "in" / ".depthflow.toml").write_text(SMALL.replace("seconds = 0\npatience = 0", "seconds = 1"))
    whole, place = photo.read_bytes(), folder / "in"
    pause = threading.Event()

    def slow() -> None:
        with (place / "slow.png").open("wb", buffering=0) as file:
            for start in range(0, len(whole), len(whole) // 12):
                file.write(whole[start : start + len(whole) // 12])
                pause.wait(0.2)

    def rsync() -> None:
        with (place / ".rsync.png.Xy12zA").open("wb", buffering=0) as file:
            for start in range(0, len(whole), len(whole) // 4):
                file.write(whole[start : start + len(whole) // 4])
                pause.wait(0.2)
        (place / ".rsync.png.Xy12zA").rename(place / "rsync.png")

    def interrupted() -> None:
        (place / "interrupted.png").write_bytes(whole[: len(whole) // 2])
        pause.wait(2.5)
        with (place / "interrupted.png").open("ab") as file:
            file.write(whole[len(whole) // 2 :])

    def replaced() -> None:
        shutil.copy(photo, place / "replaced.png")
        pause.wait(0.5)
        different(photo, depth_map, place / ".replaced.png", 1).rename(place / "replaced.png")

    def deleted() -> None:
        shutil.copy(photo, place / "deleted.png")
        pause.wait(0.5)
        (place / "deleted.png").unlink()

    def recreated() -> None:
        shutil.copytree(place / "sub", place / ".away")
        shutil.rmtree(place / "sub")
        pause.wait(0.5)
        (place / ".away").rename(place / "sub")

    drop(photo, depth_map, place / "sub" / "recreated.png")
    for name in ("slow", "rsync", "interrupted", "replaced", "deleted"):
        shutil.copy(depth_map, place / f"{name}.depth.png")
    daemon = daemons()
    daemon.until("watching")
    with ThreadPoolExecutor() as writers:
        started = [writers.submit(one) for one in (slow, rsync, interrupted, replaced, deleted, recreated)]
    for one in started:
        one.result()
    daemon.wait_for_states(slow="done", rsync="done", interrupted="done", replaced="done", recreated="done")
    assert daemon.end(signal.SIGTERM) == 0
    for name in ("slow.png", "rsync.png", "interrupted.png", "recreated.png"):
        assert contents_of(folder, name) == [digest(whole)], name
    assert contents_of(folder, "replaced.png") == [digest((place / "replaced.png").read_bytes())]
    assert "deleted" not in states_of(folder)
    assert files(folder / "out") == ["interrupted.mp4", "replaced.mp4", "rsync.mp4", "slow.mp4", "sub/recreated.mp4"]


def test_what_only_looks_like_photos_stops_nothing(folder: Path, photo: Path, depth_map: Path, tmp_path: Path) -> None:
    place = folder / "in"
    (place / ".depthflow.toml").write_text(SMALL)
    names = ["a", "zwei\nzeilen", "фото 📷", "-rf", "x" * 250, "$HOME %s {stem}", "z"]
    for name in names:
        shutil.copy(photo, place / f"{name}.png")
    drop(photo, depth_map, place / "folder.jpg" / "inside.png")
    drop(photo, depth_map, place / "/".join("abcdefghij" * 5) / "deep.png")
    whole = photo.read_bytes()
    bad = {"empty.jpg": b"", "half.png": whole[: len(whole) // 2], "noise.jpg": random.Random(1).randbytes(5_000_000)}  # noqa: S311
    bad |= {"zeros.png": bytes(len(whole)), "text.heic": b"no photo", "damaged.png": whole[:200] + b"?" + whole[201:]}
    for name, data in bad.items():
        (place / name).write_bytes(data)
    os.mkfifo(place / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(place)  # names of sockets are short
        listening.bind("socket.jpg")
        os.chdir(tmp_path)
    os.mkfifo(place / "pipe.toml")
    for name, text in (("pipes", None), ("deep", "x = " + "[" * 20_000), ("bytes", "\0\1\2")):
        drop(photo, depth_map, place / name / "waits.png")
        rules = place / name / ".depthflow.toml"
        os.mkfifo(rules) if text is None else rules.write_text(text)
    secret = tmp_path / "secret"
    drop(photo, depth_map, secret / "mine.png")
    (place / "link").symlink_to(secret)
    (place / "link.png").symlink_to(secret / "mine.png")
    (place / "loop").symlink_to(place)
    done = once(folder)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    named = {"zwei\nzeilen": "zwei_zeilen", "x" * 250: "x" * 100}
    made = {
        f"{named.get(name, name)}.mp4" for name in (*names, "folder.jpg/inside", "/".join("abcdefghij" * 5) + "/deep")
    }
    assert set(files(folder / "out")) == made | {f"{name}.error.txt" for name in bad}
    assert {state for _, state in rows(folder, "SELECT id, state FROM jobs")} == {"done"}
    assert len(rows(folder, "SELECT id FROM jobs")) == len(made)


def test_a_photo_that_may_not_be_read_is_made_as_soon_as_it_may(
    folder: Path, photo: Path, depth_map: Path, daemons: Start
) -> None:
    (folder / "in" / ".depthflow.toml").write_text(SMALL)
    drop(photo, depth_map, folder / "in" / "cat.png").chmod(0)
    # Also root may be refused.
    shut = "-dac_override,-dac_read_search"
    daemon = daemons("setpriv", f"--inh-caps={shut}", f"--bounding-set={shut}") if os.getuid() == 0 else daemons()
    reason = folder / "out" / "cat.png.error.txt"
    daemon.wait_for(reason.exists, "reason")
    daemon.wait_for(lambda: "Permission denied" in reason.read_text(), "permission denied in the reason")
    assert states_of(folder) == {}
    (folder / "in" / "cat.png").chmod(0o644)
    daemon.wait_for_states(cat="done")
    daemon.wait_for(lambda: not reason.exists(), "end of the reason")
    assert files(folder / "out") == ["cat.mp4"]


# -- disks and shares ----------------------------------------------------------------------------------------------


def test_a_full_disk_for_results_is_waited_for(folder: Path, photo: Path, depth_map: Path, daemons: Start) -> None:
    (folder / "in" / ".depthflow.toml").write_text(SMALL)
    with mounted(folder / "out", "-t", "tmpfs", "-o", "size=400k", "none"):
        ballast = filled(folder / "out")
        drop(photo, depth_map, folder / "in" / "cat.png")
        daemon = daemons()
        daemon.wait_for_states(cat="waiting")
        assert daemon.end(signal.SIGTERM) == 0
        assert "full" in rows(folder, "SELECT error FROM jobs")[0][0]
        assert files(folder / "out") == ["ballast"], "nothing half"
        ballast.unlink()
        let_waiting_begin(folder)
        assert once(folder).code == 0
        assert files(folder / "out") == ["cat.mp4"]
        assert pixels(folder / "out" / "cat.mp4").shape[0] == 4


def test_a_read_only_disk_for_results_is_waited_for(folder: Path, photo: Path, depth_map: Path, daemons: Start) -> None:
    (folder / "in" / ".depthflow.toml").write_text(SMALL)
    with mounted(folder / "out", "-t", "tmpfs", "-o", "size=4m", "none"):
        remount = ["mount", "-o", "remount,{}", str(folder / "out")]
        subprocess.run([word.format("ro") for word in remount], check=True)
        drop(photo, depth_map, folder / "in" / "cat.png")
        (folder / "in" / "bad.png").write_bytes(b"no photo, and no place for the reason")
        daemon = daemons()
        assert "it is read-only here" in daemon.until("results cannot be written to")
        daemon.wait_for_states(cat="waiting")
        assert daemon.end(signal.SIGTERM) == 0
        assert "read-only" in rows(folder, "SELECT error FROM jobs")[0][0]
        subprocess.run([word.format("rw") for word in remount], check=True)
        let_waiting_begin(folder)
        assert once(folder).code == 0
        assert "cat.mp4" in files(folder / "out")


def test_a_full_disk_for_the_queue_loses_nothing(folder: Path, photo: Path, depth_map: Path, daemons: Start) -> None:
    """It fills up before a photo is queued, and while another one is being made."""
    (folder / "in" / ".depthflow.toml").write_text(SMALL)
    long = SMALL.replace("duration = 0.5", "duration = 15").replace("fps = 8", "fps = 30")
    with mounted(folder / "state", "-t", "tmpfs", "-o", "size=16m", "none"):
        daemon = daemons()
        daemon.until("watching")
        drop(photo, depth_map, folder / "in" / "first.png")
        (folder / "in" / "long").mkdir()
        (folder / "in" / "long" / ".depthflow.toml").write_text(long)
        daemon.wait_for_states(first="done")
        different(photo, depth_map, folder / "in" / "long" / "second.png", 2)
        daemon.wait_for_states(second="running")
        ballast = filled(folder / "state")
        different(photo, depth_map, folder / "in" / "third.png", 3)
        daemon.until("the disk is full")
        daemon.wait_for((folder / "out" / "long" / "second.mp4").exists, "second video")
        ballast.unlink()
        daemon.wait_for_states(first="done", second="done", third="done")
        assert daemon.end(signal.SIGTERM) == 0
        assert files(folder / "out") == ["first.mp4", "long/second.mp4", "third.mp4"]
        assert len(rows(folder, "SELECT id FROM jobs")) == 3


def test_a_share_that_goes_and_comes_back(folder: Path, photo: Path, depth_map: Path, daemons: Start) -> None:
    share = folder / "share"
    share.mkdir()
    (share / ".depthflow.toml").write_text(SMALL)
    drop(photo, depth_map, share / "first.png")
    with mounted(folder / "in", "--bind", str(share)):
        daemon = daemons()
        daemon.wait_for_states(first="done")
        made = (folder / "out" / "first.mp4").stat().st_mtime_ns
        subprocess.run(["umount", "-l", str(folder / "in")], check=True)  # noqa: S607
        different(photo, depth_map, share / "second.png", 2)
        subprocess.run(["mount", "--bind", str(share), str(folder / "in")], check=True)  # noqa: S607
        assert daemon.end(signal.SIGTERM) == 0
        assert once(folder).code == 0
        assert states_of(folder) == {"first": "done", "second": "done"}
        assert (folder / "out" / "first.mp4").stat().st_mtime_ns == made
        assert len(rows(folder, "SELECT id FROM jobs")) == 2


# -- clocks and limits ---------------------------------------------------------------------------------------------

JUMPING = """
import os, time
_true = time.time
def _jumping():
    try:
        return _true() + float(open(os.environ["DAEMON_CLOCK"]).read())
    except (OSError, ValueError):
        return _true()
time.time = _jumping
"""


@pytest.mark.slow
def test_a_clock_that_jumps_by_decades(folder: Path, photo: Path, depth_map: Path, daemons: Start) -> None:
    """Daemon and workers take the time from a clock that is set while they run."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(JUMPING)
    clock = folder / "clock"
    clock.write_text("0")
    ways = os.pathsep.join([str(folder / "site"), os.environ.get("PYTHONPATH", "")])
    (folder / "in" / ".depthflow.toml").write_text(SMALL.replace("duration = 0.5", "duration = 10"))
    daemon = daemons(PYTHONPATH=ways, DAEMON_CLOCK=str(clock))
    years = 365 * 86400
    for number, jump in enumerate((20 * years, -20 * years, 3600, -3600)):
        different(photo, depth_map, folder / "in" / f"{number}.png", number)
        daemon.wait_for_states(**{str(number): "running"})
        clock.write_text(str(jump))
        daemon.wait_for_states(**{str(number): "done"})
    assert daemon.end(signal.SIGTERM) == 0
    (far,) = rows(folder, "SELECT max(at) - min(at) FROM events")[0]
    assert far > 30 * years, "the clock did jump"
    assert rows(folder, "SELECT count(*), max(crashes), max(retries) FROM jobs") == [(4, 0, 0)], "nobody's fault"
    assert rows(folder, "SELECT count(*) FROM attempts WHERE outcome = 'done'") == [(4,)]


def polled(folder: Path, folders: int, watches: int, photo: Path, depth_map: Path, daemons: Start) -> None:
    """A daemon in a user namespace that has so few watches finds photos anywhere in so many folders."""
    (folder / "in" / ".depthflow.toml").write_text(SMALL)
    for number in range(folders):
        (folder / "in" / f"{number // 100}" / f"{number}").mkdir(parents=True)
    limit = f'echo {watches} > /proc/sys/user/max_inotify_watches && exec "$@"'
    wrapper = ("unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh")
    try:
        done = subprocess.run([*wrapper, "true"], capture_output=True)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if done.returncode:
        pytest.skip("no user namespaces here")
    daemon = daemons(*wrapper)
    daemon.until("no more watches")
    for number in (0, folders // 2, folders - 1):
        different(photo, depth_map, folder / "in" / f"{number // 100}" / f"{number}" / f"p{number}.png", number)
    daemon.wait_for_states(**{f"p{number}": "done" for number in (0, folders // 2, folders - 1)})
    assert daemon.said.count("no more watches") == 1
    assert len(rows(folder, "SELECT id FROM jobs")) == 3
    assert daemon.end(signal.SIGTERM) == 0


def test_without_watches_folders_are_polled(folder: Path, photo: Path, depth_map: Path, daemons: Start) -> None:
    polled(folder, 200, 50, photo, depth_map, daemons)


@pytest.mark.soak
def test_ten_thousand_folders_without_watches(folder: Path, photo: Path, depth_map: Path, daemons: Start) -> None:
    polled(folder, 10_000, 1000, photo, depth_map, daemons)


# -- killed ----------------------------------------------------------------------------------------------------------


def all_made_once(folder: Path, names: list[str], frames: int = 4) -> None:
    assert files(folder / "out") == sorted(f"{name}.mp4" for name in names)
    for name in names:
        assert pixels(folder / "out" / f"{name}.mp4").shape[0] == frames
    assert sorted(Path(source).stem for (source,) in rows(folder, "SELECT source FROM jobs")) == sorted(names)
    assert rows(folder, "SELECT DISTINCT state FROM jobs") == [("done",)]
    done = rows(
        folder, "SELECT job, sum(outcome = 'done') FROM attempts GROUP BY job HAVING sum(outcome = 'done') <> 1"
    )
    assert done == [], "each was made once"


def finished(folder: Path) -> None:
    """Let everything be made that was left, without the waits; what kills took away three times is asked for again."""
    for _ in range(8):
        let_waiting_begin(folder)
        done = once(folder, seconds=1200)
        assert done.code == 0, done.err
        left = rows(folder, "SELECT id, error FROM jobs WHERE state = 'failed'")
        if not left:
            return
        for number, error in left:
            assert error.startswith("given up after 3 attempts"), error
            retry(folder, number)


def retry(folder: Path, job: int) -> None:
    from depthflow_daemon.store import Store

    with Store(folder / "state" / "q.db") as store:
        store.retry(job)


def daemons_killed(folder: Path, rounds: int, photo: Path, depth_map: Path) -> None:
    """Photos come in while the daemon is killed again and again; then it may finish."""
    chance = random.Random(rounds)  # noqa: S311 - no secrets
    (folder / "in" / ".depthflow.toml").write_text(SMALL)
    names = []
    for turn in range(rounds):
        for number in range(3):
            names.append(f"{turn}-{number}")
            different(photo, depth_map, folder / "in" / f"{names[-1]}.png", 3 * turn + number)
        daemon = Daemon(folder)
        lines = chance.randrange(1, 9)
        # So many lines of its log, and then a little more.
        daemon.wait_for(lambda daemon=daemon, lines=lines: daemon.said.count("\n") >= lines, f"{lines} lines")
        time.sleep(chance.random() * 0.5)
        daemon.end(signal.SIGKILL)
    wait_until_gone_workers(folder)
    finished(folder)
    all_made_once(folder, names)


def workers_killed(folder: Path, rounds: int, photo: Path, depth_map: Path, daemons: Start) -> None:
    """While photos come in, any of the daemon's processes is killed: workers, their keepers, encoders."""
    chance = random.Random(rounds)  # noqa: S311 - no secrets
    (folder / "in" / ".depthflow.toml").write_text(SMALL.replace("duration = 0.5", "duration = 10"))
    names = []
    daemon = daemons()
    for turn in range(rounds):
        for number in range(2):
            names.append(f"{turn}-{number}")
            different(photo, depth_map, folder / "in" / f"{names[-1]}.png", 2 * turn + number)
        daemon.wait_for(lambda: bool(rows(folder, "SELECT 1 FROM jobs WHERE state = 'running'")), "running job")
        if chance.random() < 0.8:
            daemon.wait_for(lambda: any((folder / "out").glob(".*.part.mp4")), "work file", 4 * PATIENCE)
        else:
            daemon.wait_for(lambda: bool(daemon.children()), "process")
        time.sleep(chance.random() * 0.5)
        if children := daemon.children():
            kill(chance.choice(children))
    assert daemon.process.poll() is None, daemon.said
    assert daemon.end(signal.SIGTERM) == 0
    finished(folder)
    all_made_once(folder, names, frames=80)


def test_a_worker_that_dies_while_it_starts_is_replaced(
    folder: Path, photo: Path, depth_map: Path, daemons: Start
) -> None:
    (folder / "in" / ".depthflow.toml").write_text(SMALL)
    drop(photo, depth_map, folder / "in" / "cat.png")
    daemon = daemons()
    daemon.wait_for(lambda: bool(workers_of(daemon)), "worker")
    for worker in workers_of(daemon):
        kill(worker)
    daemon.wait_for_states(cat="done")
    assert rows(folder, "SELECT attempt, crashes FROM jobs") == [(1, 0)], "the job had not begun"
    assert daemon.end(signal.SIGTERM) == 0


def workers_of(daemon: Daemon) -> list[int]:
    """Without those that help them, and those that have ended meanwhile."""
    return sorted(set(daemon.children()) & set(processes_with("spawn_main")))


@pytest.mark.slow
def test_a_daemon_killed_again_and_again(folder: Path, photo: Path, depth_map: Path) -> None:
    daemons_killed(folder, 3, photo, depth_map)


@pytest.mark.soak
def test_a_daemon_killed_fifty_times(folder: Path, photo: Path, depth_map: Path) -> None:
    daemons_killed(folder, 50, photo, depth_map)


@pytest.mark.slow
def test_workers_killed_again_and_again(folder: Path, photo: Path, depth_map: Path, daemons: Start) -> None:
    workers_killed(folder, 3, photo, depth_map, daemons)


@pytest.mark.soak
def test_workers_killed_fifty_times(folder: Path, photo: Path, depth_map: Path, daemons: Start) -> None:
    workers_killed(folder, 50, photo, depth_map, daemons)


@pytest.mark.soak
def test_fifty_megabytes_of_noise_are_no_photo(folder: Path) -> None:
    (folder / "in" / ".depthflow.toml").write_text(SMALL)
    (folder / "in" / "noise.jpg").write_bytes(random.Random(1).randbytes(50_000_000))  # noqa: S311
    assert once(folder).code == 0
    assert files(folder / "out") == ["noise.jpg.error.txt"]


def test_two_daemons_with_different_stores_are_two(folder: Path, daemons: Start) -> None:
    """Only the store is what a daemon has alone."""
    first = daemons()
    first.until("watching")
    done = depthflow("watch", "in", "other", "--once", "--store", "state/other.db", cwd=folder)
    assert done.code == 0, done.err
    assert once(folder).code == 4
    assert first.end(signal.SIGTERM) == 0
