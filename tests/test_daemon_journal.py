"""One line an event, and hooks told once, whoever it was that changed the job."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from depthflow_daemon.config import FolderSettings, HookSettings
from depthflow_daemon.folders import Folders
from depthflow_daemon.hooks import Happening, Hooks
from depthflow_daemon.journal import Journal
from depthflow_daemon.records import Attempt
from depthflow_daemon.store import Store

from depthflow.errors import StoreError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths")


class Told(Hooks):
    """Keeps what hooks would be told."""

    def __init__(self) -> None:
        super().__init__(HookSettings())
        self.all: list[tuple[str, dict[str, Any]]] = []

    def tell(self, happening: Happening) -> None:
        # What cannot be sent as JSON is no use to a webhook.
        self.all.append((happening.event, json.loads(json.dumps(dict(happening.data)))))


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "depthflow_daemon.journal"]


def test_what_cannot_be_told_while_the_store_fails_is_told_afterwards(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "depthflow_daemon")
    told, looked = Told(), threading.Event()
    with Store(tmp_path / "q.db") as store:
        journal = Journal(store, Folders(store), told, told=looked.set)
        store.add("a", "{}", source="/in/a.jpg")
        assert store.take("w") is not None
        attempts, failed = store.attempts, threading.Event()

        def failing(job: int) -> list[Attempt]:
            if not failed.is_set():
                failed.set()
                raise StoreError("the disk is failing")
            return attempts(job)

        monkeypatch.setattr(store, "attempts", failing)
        journal.start()
        assert looked.wait(30)
        journal.close()
    assert failed.is_set()
    assert [event for event, _ in told.all] == ["before-job"]
    assert [line for line in lines(caplog) if line.startswith("job 1")] == [
        "job 1: queued: '/in/a.jpg'",
        "job 1: started (attempt 1): '/in/a.jpg'",
    ]


def test_each_event_is_a_line_and_jobs_ends_and_begins_are_told_to_hooks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "depthflow_daemon")
    told = Told()
    with Store(tmp_path / "q.db") as store:
        store.add("before", "{}", source="/in/before.jpg")
        folders = Folders(store)
        looked = threading.Event()
        journal = Journal(store, folders, told, told=looked.set)
        first = store.add("a", "{}", source="/in/a.jpg", outputs=["/out/a.mp4"]).id
        store.set_priority(first, 9)
        taken = store.take("w")
        assert taken is not None
        store.finish(first, taken.attempt, facts={"/out/a.mp4": {}}, timings={"render": 1.5, "depth": 0.25})
        second = store.take("w")
        assert second is not None
        store.fail(second.id, second.attempt, "disk full", "transient")
        store.cancel(second.id)
        store.pause()
        journal.start()
        assert looked.wait(30)
        third = store.add("c", "{}", source="/in/c.jpg").id
        store.hold(third)
        journal.close()
    assert lines(caplog) == [
        f"job {first}: queued: '/in/a.jpg'",
        f"job {first}: priority 9",
        f"job {first}: started (attempt 1): '/in/a.jpg'",
        f"job {first}: done: '/out/a.mp4'",
        "job 1: started (attempt 1): '/in/before.jpg'",
        "job 1: failed (transient), tried again in 10 s: disk full",
        "job 1: cancelled",
        "paused",
        f"job {third}: queued: '/in/c.jpg'",
        f"job {third}: held",
    ]
    assert [(event, data["job"], data["state"]) for event, data in told.all] == [
        ("before-job", first, "running"),
        ("after-job", first, "done"),
        ("before-job", 1, "running"),
        ("after-job", 1, "cancelled"),
    ]
    data = told.all[1][1]
    assert data["outputs"] == ["/out/a.mp4"]
    assert data["seconds"] == 1.75
    assert data["folder"] is None
    record = next(record for record in caplog.records if "done" in record.getMessage())
    assert (record.__dict__["job"], record.__dict__["event"]) == (first, "done")


def test_a_folder_is_drained_when_its_last_job_has_ended(
    tmp_path: Path, photo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    root = tmp_path / "in"
    root.mkdir()
    (root / ".depthflow.toml").write_text('[settle]\nmode = "rename"\n')
    with Store(tmp_path / "q.db") as store, closing(Folders(store)) as folders:
        journal = Journal(store, folders, told)
        folders.load([FolderSettings.model_validate({"name": "drop", "in": root, "out": tmp_path / "out"})])
        for name in ("1.png", "2.png"):
            shutil.copy(photo, root / name)
            (root / f"{name}.toml").write_text(f"seed = {name[0]}\n")
        folders.rescan("drop")
        assert folders.sync(30)
        folders.step()
        assert len(store.page()) == 2
        for end in ("done", "failed"):
            assert "folder-drained" not in [event for event, _ in told.all]
            job = store.take("w")
            assert job is not None
            if end == "done":
                store.finish(job.id, job.attempt, facts={})
            else:
                store.fail(job.id, job.attempt, "no", "permanent")
            # An event may have come late for a photo that is known by now.
            assert folders.sync(30)
            folders.step()
            journal._read()
            journal._drained()
        (data,) = [data for event, data in told.all if event == "folder-drained"]
        assert data == {"folder": "drop", "root": str(root), "output": str(tmp_path / "out"),
                        "done": 1, "failed": 1, "cancelled": 0}  # fmt: skip
        assert told.all[0][1]["folder"] == "drop"
        journal._drained()
        assert len([event for event, _ in told.all if event == "folder-drained"]) == 1, "once"
