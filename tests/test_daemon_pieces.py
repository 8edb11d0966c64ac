"""Finished pieces of a long video outlast the daemon, if they are whole and of the very same work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from daemon_process import SMALL, Daemon, drop, files, once, rows, wait_until_gone_workers
from depthflow_daemon import pieces
from depthflow_daemon.pieces import Cutting, holds_pieces, keep_pieces, tasks_of
from depthflow_daemon.records import Job
from depthflow_daemon.running import RunningJob, Task
from numpy.typing import NDArray
from running import pixels

from depthflow.video.workfile import sweep

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="whether a process lives is not known there")


@pytest.fixture(scope="module")
def gone() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def job(tmp_path: Path, photo: Path) -> Job:
    """A clip of eight seconds, four pieces."""
    output = {"path": str(tmp_path / "out" / "a\nb.mp4"), "size": "64x48", "fps": 4, "duration": 8}
    spec = {"photo": str(photo), "outputs": [output]}
    note = {"content": "c", "digests": {}}
    return Job(
        7, "k", "running", str(photo), json.dumps(spec), json.dumps(note),
        0, False, "", 1, 0, 0, 0, False, "w", None, None, 0.0, 0.0,
    )  # fmt: skip


def cut(job: Job) -> tuple[list[Task], Cutting]:
    tasks, (cutting,) = tasks_of(job, 2)
    return tasks, cutting


def finish(task: Task) -> None:
    for file in task.order["files"]:
        Path(file).write_text(f"piece from {task.order['first']}")
    told = {"first": task.order["first"], "files": task.order["files"], "frames": task.frames}
    task.outcome = {"done": {"segment": told}}


def left_by(gone: int, cutting: Cutting) -> Path:
    """The folder as a daemon leaves it that is killed."""
    cutting.note()
    path = cutting.work.path
    return path.rename(path.with_name(path.name.replace(f"-{os.getpid()}-", f"-{gone}-")))


def test_finished_pieces_are_taken_over(job: Job, gone: int) -> None:
    tasks, cutting = cut(job)
    finish(tasks[0])
    finish(tasks[2])
    left = left_by(gone, cutting)
    again, cutting = cut(replace(job, attempt=2))
    assert [task.made for task in again] == [True, False, True, False]
    assert not left.exists()
    (told,) = [task.outcome["done"]["segment"] for task in again[2:3] if task.outcome]
    assert Path(told["files"][0]).read_text() == "piece from 16"
    assert Path(told["files"][0]).parent == cutting.work.path
    # And once more: they are noted in their new place.
    left_by(gone, cutting)
    assert [task.made for task in cut(job)[0]] == [True, False, True, False]


def test_pieces_that_are_all_there_are_joined(job: Job, gone: int) -> None:
    tasks, cutting = cut(job)
    for task in tasks:
        finish(task)
    left_by(gone, cutting)
    tasks, cutting = cut(job)
    running = RunningJob(job, tasks, [cutting])
    assert not running.complete()
    assert [task.order["kind"] for task in running.waiting] == ["join"]


@pytest.mark.parametrize(
    "change",
    [
        {"spec": lambda job: job.spec.replace('"duration": 8', '"duration": 8, "loops": 2')},
        {"spec": lambda job: job.spec.replace('"fps": 4', '"fps": 5')},
        {"note": lambda job: job.note.replace('"c"', '"another photo"')},
        {"note": lambda job: job.note.replace('"digests": {}', '"digests": {"a.wav": "1"}')},
    ],
)
def test_pieces_of_other_work_are_not_used(job: Job, gone: int, change: dict[str, Callable[[Job], Any]]) -> None:
    tasks, cutting = cut(job)
    finish(tasks[0])
    left = left_by(gone, cutting)
    other = replace(job, **{name: make(job) for name, make in change.items()})
    assert not any(task.made for task in cut(other)[0])
    assert not left.exists()


def test_pieces_of_another_version_are_not_used(job: Job, gone: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks, cutting = cut(job)
    finish(tasks[0])
    left_by(gone, cutting)
    monkeypatch.setattr(pieces, "__version__", "99")
    assert not any(task.made for task in cut(job)[0])


@pytest.mark.parametrize("note", ["", "{", "[]", '{"digest": 1}'])
def test_a_note_that_is_damaged_is_no_note(job: Job, gone: int, note: str) -> None:
    tasks, cutting = cut(job)
    finish(tasks[0])
    left = left_by(gone, cutting)
    (left / "pieces.json").write_text(note)
    assert not any(task.made for task in cut(job)[0])


def test_a_piece_that_is_gone_is_made_again(job: Job, gone: int) -> None:
    tasks, cutting = cut(job)
    finish(tasks[0])
    finish(tasks[1])
    left = left_by(gone, cutting)
    (left / Path(tasks[0].order["files"][0]).name).unlink()
    assert [task.made for task in cut(job)[0]] == [False, True, False, False]


def test_a_living_daemons_pieces_are_its_own(job: Job) -> None:
    tasks, cutting = cut(job)
    finish(tasks[0])
    cutting.note()
    assert not any(task.made for task in cut(job)[0])
    assert cutting.work.path.is_dir()


def test_pieces_are_spared_while_their_job_is_open_and_swept_when_nobody_wants_them(job: Job, gone: int) -> None:
    tasks, cutting = cut(job)
    finish(tasks[0])
    left = left_by(gone, cutting)
    sweep(left.parent, stale_seconds=0.0, spare=holds_pieces)
    assert left.is_dir()
    os.utime(left, (1, 1))
    keep_pieces(left.parent / "a\nb.mp4")
    sweep(left.parent)
    assert left.is_dir()
    os.utime(left, (1, 1))
    sweep(left.parent)
    assert not left.exists()


_undisturbed: list[NDArray[np.uint8]] = []
"""The same video as a daemon makes it that nobody ends; made once, for it is the same for every end."""


@pytest.mark.gl
@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_long_video_goes_on_where_the_daemon_ended(
    folder: Path, photo: Path, depth_map: Path, daemons: Callable[..., Daemon], end: int
) -> None:
    rules = SMALL.replace("duration = 0.5", "duration = 100").replace("fps = 8", "fps = 4")
    # Large enough that it is not done before the daemon is.
    (folder / "in" / ".depthflow.toml").write_text(rules.replace("64x48", "320x240"))
    cat = drop(photo, depth_map, folder / "in" / "cat.png")
    daemon = daemons()

    def finished() -> int:
        notes = list((folder / "out").glob(".*.part/pieces.json"))
        return len(json.loads(notes[0].read_text())["segments"]) if notes else 0

    daemon.wait_for(lambda: finished() >= 2, "two pieces")
    # A second signal ends it at once.
    for _ in range(1 if end == signal.SIGKILL else 2):
        daemon.process.send_signal(end)
        time.sleep(0.05)
    daemon.process.wait(60)
    wait_until_gone_workers(folder)
    assert holds_pieces(next((folder / "out").glob(".*.part")))
    done = once(folder)
    assert done.code == 0, done.err
    assert " of 5 pieces were made before the last end" in done.err
    assert files(folder / "out") == ["cat.mp4"], "and nothing is left beside it"
    assert rows(folder, "SELECT state, crashes FROM jobs") == [("done", 0)]
    made = pixels(folder / "out" / "cat.mp4")
    if not _undisturbed:
        (folder / "out" / "cat.mp4").unlink()
        cat.touch()
        assert once(folder).code == 0
        _undisturbed.append(pixels(folder / "out" / "cat.mp4"))
    assert np.array_equal(made, _undisturbed[0]), "as if nothing had happened"
