"""What is told of in watched folders, with the system's own events and with scans alone."""

from __future__ import annotations

import errno
import logging
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from depthflow_daemon.events import FolderEvents, InotifyEvents, Tell, TreeEvents, folder_events
from depthflow_daemon.watch import Watcher, is_ignored

from depthflow.errors import UsageError

PATIENCE = 20.0
"""Seconds until a test gives up; none waits so long when all is well."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="inotify")


class Seen:
    """The files that a watcher told of, and a way to wait for some."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.paths: list[Path] = []

    def __call__(self, path: Path) -> None:
        with self._changed:
            self.paths.append(path)
            self._changed.notify_all()

    def wait_for(self, *paths: Path) -> None:
        with self._changed:
            there = self._changed.wait_for(lambda: set(paths) <= set(self.paths), PATIENCE)
        assert there, f"not told of: {set(paths) - set(self.paths)}"

    def clear(self) -> None:
        with self._changed:
            self.paths.clear()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def no_events(_: Tell) -> FolderEvents:
    raise OSError(errno.EMFILE, "Too many open files")


SOURCES: dict[str, Callable[[Tell], FolderEvents]] = {"trees": TreeEvents, "polling": no_events}
if sys.platform == "linux":
    SOURCES["inotify"] = InotifyEvents


@contextmanager
def watching(
    root: Path,
    seen: Seen,
    events: Callable[[Tell], FolderEvents] = folder_events,
    exclude: tuple[Path, ...] = (),
    **options: float,
) -> Iterator[Watcher]:
    """A watcher that has done its first scan; only polling ones scan again within the test."""
    options = {"rescan_seconds": 3600.0, "poll_seconds": 0.05, **options}
    with Watcher([root], seen, exclude=exclude, events=events, **options) as watcher:
        assert watcher.sync(PATIENCE)
        yield watcher


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_there_and_what_comes_is_told(root: Path, seen: Seen, name: str) -> None:
    (root / "old").mkdir()
    (root / "old" / "a.jpg").touch()
    with watching(root, seen, SOURCES[name]) as watcher:
        assert seen.paths == [root / "old" / "a.jpg"]
        assert watcher.polling == ([root] if name == "polling" else [])
        (root / "b.jpg").write_bytes(b"b")
        (root / "new" / "deeper").mkdir(parents=True)
        (root / "new" / "deeper" / "c.jpg").write_bytes(b"c")
        shutil.copytree(root / "new", root / "copy")
        (root / ".d.jpg.part").write_bytes(b"d")
        (root / ".d.jpg.part").rename(root / "d.jpg")
        seen.wait_for(root / "b.jpg", root / "new/deeper/c.jpg", root / "copy/deeper/c.jpg", root / "d.jpg")
        seen.clear()
        (root / "old" / "a.jpg").write_bytes(b"changed")
        seen.wait_for(root / "old" / "a.jpg")


@pytest.mark.parametrize("name", SOURCES)
def test_a_folder_deleted_and_made_again_is_watched_again(root: Path, seen: Seen, name: str) -> None:
    (root / "sub").mkdir()
    with watching(root, seen, SOURCES[name]):
        for n in range(5):
            shutil.rmtree(root / "sub")
            (root / "sub").mkdir()
            (root / "sub" / f"{n}.jpg").write_bytes(b"x")
            seen.wait_for(root / "sub" / f"{n}.jpg")


@pytest.mark.parametrize("name", SOURCES)
def test_a_root_deleted_and_made_again_is_watched_again(
    root: Path, seen: Seen, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with watching(root, seen, SOURCES[name]):
        for n in range(2):
            shutil.rmtree(root)
            root.mkdir()
            (root / f"{n}.jpg").write_bytes(b"x")
            seen.wait_for(root / f"{n}.jpg")


def test_a_root_that_comes_late_is_waited_for_and_said_once(
    tmp_path: Path, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    late = tmp_path / "late"
    with watching(late, seen, poll_seconds=0.01) as watcher:
        for _ in range(20):
            assert watcher.sync(PATIENCE)
        late.mkdir()
        (late / "a.jpg").touch()
        seen.wait_for(late / "a.jpg")
        (late / "b.jpg").touch()
        seen.wait_for(late / "b.jpg")
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"{str(late)!r} is not there; waiting for it", f"{str(late)!r} is back"]


@linux
def test_a_folder_that_is_moved_is_told_of_under_its_new_name(root: Path, seen: Seen, tmp_path: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "1.jpg").touch()
    (tmp_path / "outside" / "b").mkdir(parents=True)
    (tmp_path / "outside" / "b" / "1.jpg").touch()
    with watching(root, seen):
        (root / "a").rename(root / "z")
        seen.wait_for(root / "z/b/1.jpg")
        (root / "z" / "b" / "2.jpg").touch()
        seen.wait_for(root / "z/b/2.jpg")
        assert root / "a/b/2.jpg" not in seen.paths
        (tmp_path / "outside").rename(root / "came")
        seen.wait_for(root / "came/b/1.jpg")
        (root / "z").rename(tmp_path / "gone")
        (tmp_path / "gone" / "b" / "3.jpg").touch()
        (root / "last.jpg").touch()
        seen.wait_for(root / "last.jpg")
        assert not [path for path in seen.paths if path.name == "3.jpg"]


IGNORED = [
    ".hidden.jpg", "._a.jpg", "a.jpg.part", "a.jpg.crdownload", "a.tmp", "a.jpg~", "~$a.jpg", ".syncthing.a.jpg.tmp",
    "~syncthing~a.jpg.tmp", "Thumbs.db", "desktop.ini", "@eaDir", "#recycle", "a.PART", "two\nlines.jpg.part",
]  # fmt: skip


@pytest.mark.parametrize("name", IGNORED)
def test_ignored_names(name: str) -> None:
    assert is_ignored(name)


@pytest.mark.parametrize("name", ["a.jpg", "a.part.jpg", "tmp.png", "eaDir", "photo.depth.png", ".depthflow.toml", "a"])
def test_other_names_are_not_ignored(name: str) -> None:
    assert not is_ignored(name)


@linux
def test_ignored_and_excluded_folders_are_not_even_watched(root: Path, seen: Seen) -> None:
    for name in ("@eaDir", ".git", "out", "good"):
        (root / name / "deep").mkdir(parents=True)
        (root / name / "deep" / "a.jpg").touch()
    watched = []

    class Recording(InotifyEvents):
        def watch(self, folder: str, *, top: bool) -> None:
            watched.append(folder)
            super().watch(folder, top=top)

    with watching(root, seen, Recording, exclude=(root / "out",)):
        (root / ".new").mkdir()
        (root / "out" / "b.jpg").touch()
        for name in IGNORED:
            (root / name).mkdir(exist_ok=True)
        (root / "good" / "b.jpg").touch()
        seen.wait_for(root / "good/b.jpg")
    assert sorted(watched) == [str(root), str(root / "good"), str(root / "good/deep")]
    assert set(seen.paths) == {root / "good/deep/a.jpg", root / "good/b.jpg"}


@linux
def test_a_watch_that_the_reader_drops_at_the_same_moment_is_made_anew(tmp_path: Path) -> None:
    class Overtaken(InotifyEvents):
        def _drop(self, folders: list[str]) -> None:
            for folder in folders:
                self.on_watch_deleted(self._watches[folder][0])
            super()._drop(folders)

    folder = tmp_path / "in"
    folder.mkdir()
    told: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    events = Overtaken(lambda kind, path: told.put((kind, path)))
    try:
        events.watch(str(folder), top=True)
        folder.rename(tmp_path / "old")
        folder.mkdir()
        events.watch(str(folder), top=True)
        assert told.get(timeout=PATIENCE) == ("folder", str(folder))
        (folder / "a.jpg").touch()
        assert told.get(timeout=PATIENCE) == ("file", str(folder / "a.jpg"))
    finally:
        events.close()


@pytest.mark.parametrize("name", SOURCES)
def test_our_own_results_are_never_told(root: Path, seen: Seen, name: str) -> None:
    with watching(root, seen, SOURCES[name], exclude=(root / "out",)):
        (root / "out").mkdir()
        (root / "out" / "a.gif").touch()
        (root / "out" / "a.gif").write_bytes(b"x")
        (root / "last.jpg").touch()
        seen.wait_for(root / "last.jpg")
    assert set(seen.paths) == {root / "last.jpg"}


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("name", SOURCES)
def test_links_are_not_followed_out_of_the_root(root: Path, seen: Seen, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.jpg").touch()
    (root / "real.jpg").touch()
    with watching(root, seen, SOURCES[name]):
        (root / "folder").symlink_to(secret)
        (root / "file.jpg").symlink_to(secret / "a.jpg")
        (root / "loop").symlink_to(root)
        (root / "self").symlink_to(root / "self")
        (root / "inside.jpg").symlink_to(root / "real.jpg")
        (root / "last.jpg").touch()
        seen.wait_for(root / "last.jpg", root / "inside.jpg")
    assert set(seen.paths) == {root / "real.jpg", root / "inside.jpg", root / "last.jpg"}


@pytest.mark.parametrize("name", SOURCES)
def test_names_of_all_kinds(root: Path, seen: Seen, name: str) -> None:
    names = ["zwei\nzeilen.jpg", "фото 📷.jpg", "-rf.jpg", "a b.jpg", "é.jpg", "e\u0301.jpg", "x" * 250 + ".jpg"]
    if sys.platform == "win32":
        names = names[1:-1]
    with watching(root, seen, SOURCES[name]):
        for each in names:
            (root / each).touch()
        seen.wait_for(*(root / each for each in names))


@linux
def test_a_name_that_is_no_text_is_said_and_passed_over(
    root: Path, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    with watching(root, seen):
        Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.jpg")).touch()
        (root / "last.jpg").touch()
        seen.wait_for(root / "last.jpg")
    assert seen.paths == [root / "last.jpg"]
    assert [record.getMessage() for record in caplog.records if "not UTF-8" in record.getMessage()] != []


@pytest.mark.parametrize("name", SOURCES)
def test_thousands_of_files_at_once(root: Path, seen: Seen, name: str) -> None:
    files = [root / f"{n % 7}" / f"{n}.jpg" for n in range(3000)]
    with watching(root, seen, SOURCES[name]):
        for file in files:
            file.parent.mkdir(exist_ok=True)
            file.touch()
        seen.wait_for(*files)


def test_deep_trees(root: Path, seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    with watching(root, seen):
        deep = root.joinpath(*"abcdefghij" * 20)
        deep.mkdir(parents=True)
        (deep / "a.jpg").touch()
        seen.wait_for(deep / "a.jpg")


@linux
def test_a_tree_deeper_than_paths_reach_does_not_stop_the_others(
    root: Path, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    script = "import os\nfor _ in range(60):\n os.mkdir('d' * 100)\n os.chdir('d' * 100)\nopen('deep.jpg', 'w')"
    (root / "deep").mkdir()
    subprocess.run([sys.executable, "-c", script], cwd=root / "deep", check=True)
    (root / "shallow.jpg").touch()
    with watching(root, seen) as watcher:
        watcher.rescan()
        assert watcher.sync(PATIENCE)
    assert set(seen.paths) == {root / "shallow.jpg"}
    assert len([r for r in caplog.records if "cannot be read" in r.getMessage()]) == 1, "once, not at each scan"
    shutil.rmtree(root / "deep")


def test_unchanged_files_are_told_once_and_again_on_request(root: Path, seen: Seen) -> None:
    (root / "sub").mkdir()
    (root / "a.jpg").touch()
    (root / "sub" / "b.jpg").touch()
    with watching(root, seen, no_events, poll_seconds=0.001) as watcher:
        for _ in range(20):
            assert watcher.sync(PATIENCE)
        assert sorted(seen.paths) == [root / "a.jpg", root / "sub/b.jpg"]
        watcher.rescan(root / "sub")
        assert watcher.sync(PATIENCE)
        assert sorted(seen.paths) == [root / "a.jpg", root / "sub/b.jpg", root / "sub/b.jpg"]
        watcher.rescan()
        assert watcher.sync(PATIENCE)
        assert len(seen.paths) == 5


def test_scans_find_what_events_missed(root: Path, seen: Seen) -> None:
    class Deaf:
        def __init__(self, _: Tell) -> None:
            pass

        def watch(self, folder: str, *, top: bool) -> None:
            pass

        def close(self) -> None:
            pass

    with watching(root, seen, Deaf, rescan_seconds=0.05) as watcher:
        (root / "a.jpg").touch()
        seen.wait_for(root / "a.jpg")
        assert watcher.polling == []


@linux
def test_lost_events_bring_a_scan(root: Path, seen: Seen) -> None:
    made: list[InotifyEvents] = []

    class Overflowing(InotifyEvents):
        def __init__(self, tell: Tell) -> None:
            super().__init__(tell)
            made.append(self)

        def on_event(self, event: object) -> None:
            pass

    with watching(root, seen, Overflowing):
        (root / "a.jpg").touch()
        made[0].on_queue_overflow()
        seen.wait_for(root / "a.jpg")


@linux
@pytest.mark.parametrize("late", [False, True], ids=["at the start", "later"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EMFILE], ids=["ENOSPC", "EMFILE"])
def test_without_watches_it_polls_and_says_so_once(
    root: Path, seen: Seen, error: int, late: bool, caplog: pytest.LogCaptureFixture
) -> None:
    if not late:
        (root / "a").mkdir()
        (root / "b").mkdir()

    class Few(InotifyEvents):
        def watch(self, folder: str, *, top: bool) -> None:
            if not top:
                raise OSError(error, os.strerror(error))
            super().watch(folder, top=top)

    with watching(root, seen, Few) as watcher:
        assert watcher.polling == ([] if late else [root])
        (root / "a").mkdir(exist_ok=True)
        (root / "b").mkdir(exist_ok=True)
        for n in range(3):
            (root / "b" / f"{n}.jpg").touch()
            seen.wait_for(root / "b" / f"{n}.jpg")
        assert watcher.polling == [root]
    assert len([r for r in caplog.records if "no more watches" in r.getMessage()]) == 1


@linux
def test_the_systems_real_limit_of_watches(root: Path, seen: Seen) -> None:
    """In a user namespace of its own the namespace's limit can be lowered; fs.inotify would be the machine's."""
    script = f"""
import threading
from pathlib import Path
from depthflow_daemon.watch import Watcher
assert "4294967295" not in Path("/proc/self/uid_map").read_text(), "no namespace of our own"
Path("/proc/sys/user/max_inotify_watches").write_text("10")
root = Path({str(root)!r})
for n in range(30):
    (root / str(n)).mkdir()
there = threading.Event()
with Watcher([root], lambda path: there.set(), rescan_seconds=3600, poll_seconds=0.05) as watcher:
    assert watcher.sync(20)
    assert watcher.polling == [root], watcher.polling
    (root / "29" / "a.jpg").touch()
    (root / "0" / "a.jpg").touch()
    assert there.wait(20)
print("polled")
"""
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", script]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if "Permission denied" in done.stderr or "unshare" in done.stderr:
        pytest.skip("no user namespaces here")
    assert done.stdout == "polled\n", done.stderr


def test_a_remote_folder_is_polled_and_that_is_said_once(
    root: Path, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    with Watcher([root], seen, poll_seconds=0.01, remote=lambda _: True) as watcher:
        (root / "a.jpg").touch()
        seen.wait_for(root / "a.jpg")
        for _ in range(10):
            assert watcher.sync(PATIENCE)
        assert watcher.polling == [root]
    assert len([r for r in caplog.records if "shared mount" in r.getMessage()]) == 1


@linux
def test_an_unmounted_share_is_waited_for_and_its_files_are_told_when_it_is_back(root: Path, seen: Seen) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(root)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount")
    unmount = ["umount", "-l", str(root)]
    mounted = True
    try:
        with watching(root, seen, rescan_seconds=0.05):
            (root / "a.jpg").touch()
            seen.wait_for(root / "a.jpg")
            subprocess.run(unmount, check=True)
            mounted = False
            (root / "beneath.jpg").touch()
            seen.wait_for(root / "beneath.jpg")
            (root / "beneath.jpg").unlink()
            subprocess.run(mount, check=True)
            mounted = True
            (root / "b.jpg").touch()
            seen.wait_for(root / "b.jpg")
    finally:
        if mounted:
            subprocess.run(unmount, check=True)


def test_roots_within_each_other_are_refused(root: Path, seen: Seen) -> None:
    with pytest.raises(UsageError, match="is watched already"):
        Watcher([root, root / "sub"], seen)
    with pytest.raises(UsageError, match="is watched already"):
        Watcher([root, root], seen)


def test_one_file_that_makes_trouble_does_not_end_the_watch(
    root: Path, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    def picky(path: Path) -> None:
        if path.name == "bad.jpg":
            raise RuntimeError("no")
        seen(path)

    with Watcher([root], picky, rescan_seconds=3600) as watcher:
        assert watcher.sync(PATIENCE)
        (root / "bad.jpg").touch()
        (root / "good.jpg").touch()
        seen.wait_for(root / "good.jpg")
    assert [r for r in caplog.records if r.levelno == logging.ERROR]
