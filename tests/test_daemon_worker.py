"""What a worker makes is what was queued: the photo, its depth map and its sound, from the first byte to the last."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import threading
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from depthflow_daemon.config import EngineSettings
from depthflow_daemon.engine import Engine
from depthflow_daemon.records import Job
from depthflow_daemon.store import Store

pytestmark = [pytest.mark.gl, pytest.mark.skipif(sys.platform == "win32", reason="a program of its own as the worker")]


def meddle(order: dict[str, Any]) -> None:
    """The real work, but in the midst of it another file takes the place of one that is used."""
    from depthflow_daemon import worker

    real = worker.report_of

    def report_of(order: dict[str, Any], say: Any) -> Any:
        report = real(order, say)

        def told(progress: Any) -> None:
            report(progress)
            old = Path(os.environ["MEDDLE_WITH"])
            new = old.with_name("new")
            if progress.stage == "render" and progress.done == progress.total and new.exists():
                new.replace(old)

        return told

    worker.report_of = report_of
    worker.work(order)


class Bench:
    """A photo with depth map and sound, queued as a watched folder does it."""

    def __init__(self, folder: Path, photo: Path, depth_map: Path) -> None:
        self.folder = folder
        self.photo = photo
        self.depth = Path(shutil.copy(depth_map, folder / "cat.depth.png"))
        self.sound = folder / "cat.wav"
        with wave.open(str(self.sound), "wb") as file:
            file.setparams((1, 2, 8000, 8000, "NONE", ""))
            file.writeframes(bytes(16000))
        self.out = folder / "out" / "a.mp4"
        self.told: list[dict[str, Any]] = []

    def made(self, *, before: Callable[[], object] = lambda: None, work: Any = None, **parts: Any) -> Job:
        """The job when it has ended; `before` is what happens between queue and work."""
        output = {"path": str(self.out), "size": "64x48", "fps": 4, "duration": 1, **parts.pop("output", {})}
        spec = {"photo": str(self.photo), "outputs": [output], **parts}
        used = [self.photo, *(Path(file) for file in (spec.get("audio"), spec.get("depth", {}).get("file")) if file)]
        digests = {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in used}
        note = {"content": digests.pop(str(self.photo)), "digests": digests}
        over = threading.Event()
        with Store(self.folder / "q.db") as store:
            job = store.add(
                "k", json.dumps(spec), source=str(self.photo), outputs=[str(self.out)], note=json.dumps(note)
            )
            before()
            engine = Engine(
                store,
                EngineSettings(workers=1, segment_seconds=1),
                ended=lambda _: over.set(),
                progress=lambda _, event: self.told.append(event),
                work=work,
            )
            engine.start()
            assert over.wait(120)
            engine.close(0)
            return store.get(job.id)


@pytest.fixture
def bench(tmp_path: Path, photo: Path, depth_map: Path) -> Bench:
    return Bench(tmp_path, photo, depth_map)


@pytest.mark.parametrize("name", ["photo", "depth", "sound"])
def test_a_file_that_is_another_one_by_now_is_not_used(bench: Bench, name: str) -> None:
    file: Path = getattr(bench, name)
    job = bench.made(
        before=lambda: file.write_bytes(file.read_bytes() + b"\0"),
        audio=str(bench.sound),
        depth={"file": str(bench.depth)},
    )
    assert job.state == "failed"
    assert job.error == f"{file}: changed after it was queued (what it is now has a job of its own)"
    assert not bench.out.exists()


def test_a_file_that_is_gone_may_come_back_with_its_share(bench: Bench) -> None:
    job = bench.made(before=bench.sound.unlink, audio=str(bench.sound), depth={"file": str(bench.depth)})
    assert job.state == "waiting"
    assert f"{bench.sound}: is not there any more (if it was deleted, cancel the job" in (job.error or "")


@pytest.mark.parametrize("duration", [1, 4])
def test_nothing_gets_its_name_if_a_file_changed_while_it_was_used(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, duration: int
) -> None:
    monkeypatch.setenv("MEDDLE_WITH", str(bench.sound))
    (bench.folder / "new").write_bytes(bench.sound.read_bytes() + b"\0\0")
    job = bench.made(
        work=meddle, audio=str(bench.sound), depth={"file": str(bench.depth)}, output={"duration": duration}
    )
    assert job.state == "failed", job.error
    assert f"{bench.sound}: changed after it was queued" in (job.error or "")
    assert not bench.out.exists()
    assert not bench.out.parent.exists() or list(bench.out.parent.iterdir()) == []


def test_a_depth_map_that_came_to_lie_beside_the_photo_is_not_this_jobs(bench: Bench) -> None:
    bench.depth.rename(bench.folder / f"{bench.photo.stem}.depth.png")
    assert bench.made().state == "done"
    assert not [event for event in bench.told if event.get("warning")], "it would be said"
