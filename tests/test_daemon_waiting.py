"""Why a photo waits, with real files, real rules and a clock that is turned by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon_clock import HandClock
from depthflow_daemon.config import FolderSettings
from depthflow_daemon.folders import Folders
from depthflow_daemon.stable import Settle, StabilityTracker, UnreadableError
from depthflow_daemon.store import Store
from depthflow_daemon.waiting import waiting

from depthflow.errors import UnknownNameError


def whys(tracker: StabilityTracker) -> list[tuple[str, str]]:
    return [(found.kind, found.why) for found in map(waiting, tracker.waiting())]


def test_what_is_written_says_since_when(photo: Path) -> None:
    hand = HandClock()
    tracker = StabilityTracker(clock=lambda: hand.steady)
    tracker.offer(photo)
    hand.pass_(2)
    assert whys(tracker) == [("writing", "seen 2 s ago; taken after 5 s without a change")]
    hand.pass_(3)
    with photo.open("ab") as file:
        file.write(b"more")
    tracker.poll()
    hand.pass_(1)
    assert whys(tracker) == [("writing", "still being written: changed 1 s ago; taken after 5 s without a change")]
    hand.pass_(4)
    (found,) = tracker.poll()
    assert whys(tracker) == [("taken", "it is being queued")]
    tracker.finish(found.path)
    assert whys(tracker) == []


def test_what_does_not_decode_says_how_often_it_was_tried_and_why(tmp_path: Path) -> None:
    hand = HandClock()
    tracker = StabilityTracker(clock=lambda: hand.steady)
    file = tmp_path / "half.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n")
    tracker.offer(file, Settle(mode="rename"))
    assert whys(tracker) == [("writing", "seen 0 s ago; looked at in a moment")]
    tracker.poll()
    ((kind, once),) = whys(tracker)
    assert (kind, once.partition(": ")[0]) == ("unreadable", "not readable yet, tried once")
    assert str(tmp_path) not in once
    hand.pass_(5)
    tracker.poll()
    assert "tried 2 times" in whys(tracker)[0][1]


def test_what_may_not_be_read_says_so(photo: Path) -> None:
    def shut(path: Path) -> str:
        raise UnreadableError(f"{path}: cannot be read: Permission denied")

    hand = HandClock()
    tracker = StabilityTracker(check=shut, clock=lambda: hand.steady)
    tracker.offer(photo, Settle(mode="rename", patience=0))
    tracker.poll()
    assert whys(tracker) == [("unreadable", "not readable yet, tried once: cannot be read: Permission denied")]


def test_a_sentinel_is_named(photo: Path) -> None:
    tracker = StabilityTracker(clock=lambda: 0.0)
    tracker.offer(photo, Settle(mode="sentinel", sentinel=".ok"))
    assert whys(tracker) == [("sentinel", "waits for photo.png.ok")]


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    with Store(tmp_path / "state" / "q.db") as store:
        made = Folders(store)
        made.load([FolderSettings.model_validate({"name": "a", "in": tmp_path / "in", "out": tmp_path / "out"})])
        yield made
        made.close()


def test_a_paused_folder_and_broken_rules_are_told(folders: Folders, tmp_path: Path, photo: Path) -> None:
    root = tmp_path / "in"
    (root / "deep" / ".depthflow.toml").write_text("afer = 'keep'\n")
    shutil.copy(photo, root / "b.png")
    shutil.copy(photo, root / "deep" / "a.png")
    folders.rescan("a")
    assert folders.sync(30)
    b, a = folders.waiting("a")
    assert (b.path, b.kind) == (root / "b.png", "writing")
    assert (a.path, a.kind) == (root / "deep" / "a.png", "rules")
    assert "afer: unknown key (did you mean 'after'?" in a.why
    folders.pause("a")
    assert {each.why for each in folders.waiting("a")} == {"the folder is paused"}
    folders.pause("a", False)
    (root / "deep" / ".depthflow.toml").unlink()
    (root / "deep" / "a.png").unlink()
    assert [each.path.name for each in folders.waiting("a")] == ["b.png"]
    with pytest.raises(UnknownNameError):
        folders.waiting("b")
