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
