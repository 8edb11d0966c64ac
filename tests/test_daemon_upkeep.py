"""The daemon keeps itself small: old jobs, lost uploads and work files of dead processes go, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon_api import StillEngine
from depthflow_daemon.config import RetentionSettings
from depthflow_daemon.core import Core, Places
from depthflow_daemon.hub import Hub
from depthflow_daemon.store import Store
from depthflow_daemon.upkeep import Upkeep

from depthflow.video.workfile import WorkPlace

OLD = 10_000.0


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with Store(tmp_path / "q.db") as store:
        yield Core(store, Hub(store), StillEngine(), Places(tmp_path / "work"))


def aged(path: Path) -> Path:
    os.utime(path, (path.stat().st_atime - OLD, path.stat().st_mtime - OLD))
    return path


def done(store: Store, name: str) -> int:
    """A job of that source that is done."""
    added = store.add(name, "{}", source=name)
    job = store.take("w")
    assert job is not None
    store.finish(job.id, job.attempt, facts={})
    return added.id


def test_only_the_newest_ended_jobs_are_kept(core: Core) -> None:
    ids = [done(core.store, f"/in/{n}.jpg") for n in range(5)]
    waiting = core.store.add("w", "{}", source="/in/w.jpg").id
    Upkeep(core, RetentionSettings(days=0, jobs=2, events=1000), list).once()
    assert sorted(job.id for job in core.store.page()) == [*ids[-2:], waiting]
    Upkeep(core, RetentionSettings(days=30), list).once()
    assert len(core.store.page()) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not known there")
def test_work_files_of_the_dead_go_and_those_of_the_living_stay(core: Core, tmp_path: Path) -> None:
    deep = tmp_path / "out" / "a" / "b"
    deep.mkdir(parents=True)
    script = (
        "import sys; from pathlib import Path; from depthflow.video.workfile import WorkPlace; "
        "print(WorkPlace(Path(sys.argv[1])).path)"
    )
    left = subprocess.run([sys.executable, "-c", script, deep / "x.mp4"], capture_output=True, text=True, check=True)
    dead = aged(Path(left.stdout.strip()))
    living = WorkPlace(deep / "y.mp4")
    aged(living.path)
    result = deep / "z.mp4"
    result.write_bytes(b"a result")
    aged(result)
    Upkeep(core, RetentionSettings(), lambda: [tmp_path / "out", tmp_path / "nowhere"]).once()
    assert not dead.exists()
    assert sorted(deep.iterdir()) == sorted([living.path, result])
    living.discard()


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not known there")
def test_pieces_of_jobs_that_nobody_goes_on_with_go(core: Core, tmp_path: Path) -> None:
    """Outside the watched folders too, and those of jobs that wait, however long, stay."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left: dict[str, Path] = {}
    for name in ("cancelled", "failed", "queued", "replaced"):
        output = tmp_path / "out" / f"{name}.mp4"
        work = WorkPlace(output, folder=True)
        (work.path / "pieces.json").write_text("{}")
        (work.path / "0-0000000.mp4").write_bytes(b"a piece")
        left[name] = work.path.rename(work.path.with_name(work.path.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-")))
        core.store.add(name, "{}", source=f"/in/{name}.jpg", outputs=[str(output)])
        job = core.store.take("w")
        assert job is not None
        if name == "failed":
            core.store.fail(job.id, job.attempt, "no photo", "permanent")
            continue
        core.store.release(job.id, job.attempt)
        core.store.hold(job.id) if name == "queued" else core.store.cancel(job.id)
    aged(left["queued"])
    # Another job goes on with this one's output, and decides what its pieces are good for.
    core.store.add("other", "{}", source="/in/replaced.jpg", outputs=[str(tmp_path / "out" / "replaced.mp4")])
    Upkeep(core, RetentionSettings(), lambda: [tmp_path / "out"]).once()
    assert sorted(name for name, path in left.items() if path.exists()) == ["queued", "replaced"]


def test_uploads_go_when_no_job_knows_them(core: Core) -> None:
    place = core.uploads.place
    place.mkdir(parents=True)
    for name in ("known.jpg", "lost.jpg", "new.jpg"):
        (place / name).write_bytes(b"photo")
        if name != "new.jpg":
            aged(place / name)
    core.store.add("k", "{}", source=str(place / "known.jpg"))
    upkeep = Upkeep(core, RetentionSettings(), list)
    upkeep.start()
    upkeep.close()
    upkeep.once()
    assert sorted(file.name for file in place.iterdir()) == ["known.jpg", "new.jpg"]
