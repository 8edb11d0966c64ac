"""From files that are seen to jobs in the store: what the intake asks for, and what it survives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from depthflow_daemon.intake import Intake
from depthflow_daemon.rules import WatchFolder
from depthflow_daemon.store import Store
from depthflow_daemon.watch import RULES_FILE, Watcher

RULES = "[settle]\nseconds = 0\npatience = 0\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "q.db") as store:
        yield store


@pytest.fixture
def place(tmp_path: Path, photo: Path) -> WatchFolder:
    root = tmp_path / "in"
    root.mkdir()
    photo.rename(root / "cat.png")
    return WatchFolder(root.resolve(), tmp_path / "out", tmp_path / "archive")


def test_changed_rules_have_their_folder_looked_through_once(place: WatchFolder, store: Store) -> None:
    asked: list[Path] = []
    intake = Intake([place], store, rescan=asked.append)
    rules = place.root / RULES_FILE
    for text in ("priority = 1", "priority = 22"):
        rules.write_text(text)
        for _ in range(3):
            intake.seen(rules)
    assert asked == [place.root] * 2


def test_a_watched_folder_with_rules_comes_to_rest(place: WatchFolder, store: Store) -> None:
    """The rules are found by each scan that they ask for: it must end."""
    (place.root / RULES_FILE).write_text(RULES)
    seen: list[Path] = []
    watcher: Watcher
    intake = Intake([place], store, rescan=lambda folder: watcher.rescan(folder))

    def see(file: Path) -> None:
        seen.append(file)
        intake.seen(file)

    watcher = Watcher([place.root], see, rescan_seconds=3600)
    with watcher:
        for _ in range(20):
            assert watcher.sync(20)
    assert len(seen) <= 4, "the start, and once more because of the rules"


def test_a_photo_that_breaks_the_planning_does_not_end_the_daemon(
    place: WatchFolder, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (place.root / RULES_FILE).write_text(RULES)
    intake = Intake([place], store)
    intake.seen(place.root / "cat.png")
    monkeypatch.setattr("depthflow_daemon.rules.FolderRules.plans", lambda *_: 1 / 0)
    intake.step()
    assert "ZeroDivisionError: division by zero (this should not happen; please report it)" in caplog.text
    assert len(intake) == 0
    monkeypatch.undo()
    intake.seen(place.root / "cat.png")
    intake.step()
    assert [job.state for job in store.page()] == ["queued"]


def queue(intake: Intake, photo: Path) -> None:
    intake.seen(photo)
    intake.step()


def states(store: Store) -> list[tuple[int, str]]:
    return [(job.id, job.state) for job in store.page(after=0)]


def test_a_photo_that_changes_takes_its_old_jobs_back(place: WatchFolder, store: Store, depth_map: Path) -> None:
    """Both would write one file, and with its own priority the old one might be the last to do so."""
    rules = place.root / RULES_FILE
    rules.write_text("priority = 5\n" + RULES)
    intake, cat = Intake([place], store), place.root / "cat.png"
    queue(intake, cat)
    (place.root / "cat.depth.png").write_bytes(depth_map.read_bytes())
    queue(intake, cat)
    assert states(store) == [(1, "cancelled"), (2, "queued")]
    assert store.get(1).error == "replaced by job 2: the photo or its rules changed"
    job = store.take("w")
    assert job is not None
    assert job.id == 2
    (place.root / "cat.toml").write_text("priority = -5")
    queue(intake, cat)
    # The rules of the queue are no part of the work: it is the same.
    assert states(store) == [(1, "cancelled"), (2, "running"), (3, "skipped")]
    (place.root / "cat.toml").write_text("priority = -5\n[camera]\nzoom = 1.1")
    queue(intake, cat)
    assert states(store) == [(1, "cancelled"), (2, "running"), (3, "skipped"), (4, "queued")]
    assert store.beat(2, job.attempt) == "stop"
    store.release(2, job.attempt)
    why = "replaced by job 4: the photo or its rules changed"
    assert (store.get(2).state, store.get(2).error) == ("cancelled", why)
    (place.root / "cat.toml").unlink()
    (place.root / "cat.depth.png").unlink()
    queue(intake, cat)
    assert dict(states(store)) == {1: "queued", 2: "cancelled", 3: "skipped", 4: "cancelled"}, "what it was at first"


def test_what_belongs_together_or_was_asked_for_by_name_is_not_taken_back(place: WatchFolder, store: Store) -> None:
    (place.root / RULES_FILE).write_text(RULES + '[[outputs]]\n[[outputs]]\nformat = "gif"\n')
    intake, cat = Intake([place], store), place.root / "cat.png"
    asked = store.add("k", "{}", source=str(cat), note='{"origin": "api"}')
    (place.root / "cat.wav").write_bytes(b"sound")
    queue(intake, cat)
    assert states(store) == [(asked.id, "queued"), (2, "queued"), (3, "queued")], "with sound and without"


def test_skipped_work_puts_its_photo_away_too(place: WatchFolder, store: Store) -> None:
    """A photo that comes again after it was archived: its video is there, and so it goes to the archive as well."""
    (place.root / RULES_FILE).write_text('after = "archive"\n' + RULES)
    intake = Intake([place], store)
    cat = place.root / "cat.png"
    data = cat.read_bytes()
    for turn in range(2):
        cat.write_bytes(data)
        intake.seen(cat)
        intake.step()
        if turn == 0:
            job = store.take("w")
            assert job is not None
            (output,) = store.outputs(job.id)
            Path(output.path).parent.mkdir()
            Path(output.path).touch()
            store.finish(job.id, 1, facts={output.path: {}})
            intake.ended(store.get(job.id))
        assert not cat.exists(), turn
    assert [job.state for job in store.page()] == ["skipped", "done"]
    assert sorted(file.name for file in place.archive.iterdir()) == ["cat-2.png", "cat.png"]
