"""Watched folders by name: paused, resumed, looked through again, and changed while the daemon runs."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from depthflow_daemon.config import FolderSettings
from depthflow_daemon.folders import Folders
from depthflow_daemon.store import Store

from depthflow.errors import UnknownNameError, UsageError

AT_ONCE = '[settle]\nmode = "rename"\n'


class Bench:
    """Two folders, a store and what looks after them, turned by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wake = threading.Event()
        self.store = Store(root / "state" / "q.db")
        self.folders = Folders(self.store, changed=self.wake.set)
        for name in ("a", "b", "c"):
            (root / name).mkdir()
            (root / name / ".depthflow.toml").write_text(AT_ONCE)

    def settings(self, name: str, **more: object) -> FolderSettings:
        table = {"name": name, "in": self.root / name, "out": self.root / "out" / name, **more}
        return FolderSettings.model_validate(table)

    def sources(self) -> list[str]:
        """What is queued once everything that was dropped so far has been seen."""
        assert self.folders.sync(30)
        self.folders.step()
        return sorted(Path(job.source).relative_to(self.root).as_posix() for job in self.store.page())

    def until(self, *sources: str) -> None:
        deadline = time.monotonic() + 30
        while self.sources() != sorted(sources):
            assert time.monotonic() < deadline, self.sources()
            self.wake.wait(0.1)
            self.wake.clear()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.folders.close()
    made.store.close()


def test_photos_of_each_folder_are_queued_for_its_own_output(bench: Bench, photo: Path) -> None:
    bench.folders.load([bench.settings("a"), bench.settings("b", preset="vertigo")])
    shutil.copy(photo, bench.root / "a" / "1.png")
    shutil.copy(photo, bench.root / "b" / "2.png")
    shutil.copy(photo, bench.root / "c" / "3.png")
    bench.until("a/1.png", "b/2.png")
    outputs = {output.path for job in bench.store.page() for output in bench.store.outputs(job.id)}
    assert outputs == {str(bench.root / "out" / "a" / "1.mp4"), str(bench.root / "out" / "b" / "2.mp4")}
    by_source = {job.source: job.spec for job in bench.store.page()}
    assert (
        '"dolly' in by_source[str(bench.root / "b" / "2.png")]
        or "vertigo" in by_source[str(bench.root / "b" / "2.png")]
    )
    assert bench.folders.name_of(str(bench.root / "a" / "deep" / "x.png")) == "a"
    assert bench.folders.name_of("/elsewhere/x.png") is None


def test_a_paused_folder_keeps_its_photos_until_it_is_resumed_also_over_a_restart(bench: Bench, photo: Path) -> None:
    both = [bench.settings("a"), bench.settings("b")]
    bench.folders.load(both)
    bench.folders.pause("a")
    shutil.copy(photo, bench.root / "a" / "1.png")
    shutil.copy(photo, bench.root / "b" / "2.png")
    bench.until("b/2.png")
    assert [(fact.name, fact.paused, fact.there) for fact in bench.folders.facts()] == [
        ("a", True, True),
        ("b", False, True),
    ]
    again = Folders(bench.store)
    again.load(both)
    assert [fact.paused for fact in again.facts()] == [True, False]
    assert again.sync(30)
    assert again.facts()[0].pending == 1
    again.step()
    assert len(bench.store.page()) == 1
    again.pause("a", False)
    again.step()
    assert len(bench.store.page()) == 2
    again.close()
    with pytest.raises(UnknownNameError, match="unknown folder 'aa'") as caught:
        again.pause("aa")
    assert "did you mean 'a'?" in caught.value.hint


def test_settings_may_begin_paused_and_a_resume_holds_until_they_are_read_again(bench: Bench) -> None:
    paused = [bench.settings("a", paused=True)]
    bench.folders.load(paused)
    assert bench.folders.facts()[0].paused
    bench.folders.pause("a", False)
    assert not bench.folders.facts()[0].paused
    bench.folders.load(paused)
    assert bench.folders.facts()[0].paused


def test_folders_change_while_they_are_watched(bench: Bench, photo: Path) -> None:
    bench.folders.load([bench.settings("a"), bench.settings("b")])
    shutil.copy(photo, bench.root / "a" / "1.png")
    bench.until("a/1.png")
    bench.folders.load([bench.settings("a"), bench.settings("c")])
    shutil.copy(photo, bench.root / "b" / "2.png")
    shutil.copy(photo, bench.root / "c" / "3.png")
    bench.until("a/1.png", "c/3.png")
    with pytest.raises(UsageError, match="lies within"):
        bench.folders.load([bench.settings("a"), bench.settings("b", **{"in": bench.root / "a" / "deep"})])
    assert [fact.name for fact in bench.folders.facts()] == ["a", "c"], "a mistake leaves what was"
    shutil.copy(photo, bench.root / "c" / "4.png")
    bench.until("a/1.png", "c/3.png", "c/4.png")


def test_a_folder_can_be_looked_through_again(bench: Bench, photo: Path) -> None:
    bench.folders.load([bench.settings("a")])
    shutil.copy(photo, bench.root / "a" / "1.png")
    bench.until("a/1.png")
    # Forgotten by the store, as if it had been missed: only a new look finds it.
    bench.store.remember(str(bench.root / "a" / "1.png"), "other", "job")
    bench.store.cancel(1)
    bench.folders.rescan("a")
    bench.until("a/1.png")
    assert bench.store.get(1).state == "queued"


def test_a_rules_file_has_its_folder_looked_through_once_and_again_when_it_changes(bench: Bench) -> None:
    asked: list[Path] = []
    rescan = bench.folders._rescan

    def ask(folder: Path) -> None:
        asked.append(folder)
        rescan(folder)

    bench.folders._rescan = ask  # type: ignore[method-assign]
    bench.folders.load([bench.settings("a")])
    for _ in range(5):
        assert bench.folders.sync(30)
    assert asked == [bench.root / "a"], "an idle daemon looks at nothing"
    (bench.root / "a" / ".depthflow.toml").write_text(AT_ONCE + "seed = 3\n")
    bench.folders.rescan("a")
    for _ in range(5):
        assert bench.folders.sync(30)
    # The second one was this test's.
    assert len(asked) == 3
