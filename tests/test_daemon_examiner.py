"""Files are looked at by a process of its own: what it says, what it survives, and that it gives its memory back."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from depthflow_daemon.config import FolderSettings
from depthflow_daemon.examiner import Examiner
from depthflow_daemon.folders import Folders
from depthflow_daemon.stable import UnreadableError
from depthflow_daemon.store import Store
from PIL import Image

from depthflow.errors import PhotoError
from depthflow.images import Limits

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

BRITTLE = """
import os, signal, time
from depthflow_daemon import examiner
real = examiner.check_photo
real_header = examiner.images.check_photo
def brittle(path, was_read):
    if path.name.startswith("far"):
        time.sleep(60)
    was_read()
    if path.name.startswith("killer"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if path.name.startswith("hunted"):
        os.kill(os.getpid(), signal.SIGKILL)
    if path.name.startswith("endless"):
        while True:
            time.sleep(0.01)
    print("a library says something")
    return real(path, was_read=lambda: None)
def brittle_header(path, limits, label):
    if path.name.startswith("killer"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return real_header(path, limits=limits, label=label)
examiner.check_photo = brittle
examiner.images.check_photo = brittle_header
examiner.main()
"""
"""A process whose decoder has faults."""


@pytest.fixture
def examiners() -> Iterator[Callable[[], Examiner]]:
    made: list[Examiner] = []

    def make() -> Examiner:
        made.append(Examiner(command=(sys.executable, "-c", BRITTLE)))
        return made[-1]

    yield make
    for examiner in made:
        examiner.close()


def test_one_process_looks_at_all_files_and_says_what_is_wrong_with_them(
    examiners: Callable[[], Examiner], photo: Path, tmp_path: Path
) -> None:
    examiner = examiners()
    examiner.warm()
    pid = examiner.pid
    named = photo.rename(tmp_path / "zwei\nzeilen 📷.png")
    assert examiner.check(named) == hashlib.sha256(named.read_bytes()).hexdigest()
    half = tmp_path / "half.png"
    half.write_bytes(named.read_bytes()[:-200])
    with pytest.raises(PhotoError, match=r"cut short|damaged") as caught:
        examiner.check(half)
    assert not isinstance(caught.value, UnreadableError)
    with pytest.raises(UnreadableError, match=r"gone\.png: cannot be read: No such file"):
        examiner.check(tmp_path / "gone.png")
    assert examiner.pid == pid


def test_a_file_that_kills_its_decoder_is_no_photo_and_the_next_one_is(
    examiners: Callable[[], Examiner], photo: Path
) -> None:
    examiner = examiners()
    killer = photo.with_name("killer.png")
    killer.write_bytes(photo.read_bytes())
    with pytest.raises(PhotoError, match=r"killer\.png: the decoder died of it \(signal 11\)"):
        examiner.check(killer)
    assert examiner.check(photo) == hashlib.sha256(photo.read_bytes()).hexdigest()


def test_a_file_that_keeps_its_decoder_busy_is_given_up(
    examiners: Callable[[], Examiner], photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examiner = examiners()
    endless = photo.with_name("endless.png")
    endless.write_bytes(photo.read_bytes())
    assert examiner.check(photo)
    with monkeypatch.context() as hasty:
        # Its process has started, which may take longer than this.
        hasty.setattr(examiner, "_seconds", 3.0)
        with pytest.raises(PhotoError, match=r"endless\.png: took longer than 3 s"):
            examiner.check(endless)
    assert examiner.check(photo)


def test_a_file_that_cannot_be_read_for_long_is_waited_for(
    examiners: Callable[[], Examiner], photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a share that hangs: it says nothing about the photo."""
    examiner = examiners()
    assert examiner.check(photo)
    monkeypatch.setattr(examiner, "_seconds", 1.0)
    with pytest.raises(UnreadableError, match=r"far\.png: could not be read within 1 s"):
        examiner.check(photo.rename(photo.with_name("far.png")))


def test_headers_that_c_libraries_take_apart_are_looked_at_there_and_others_here(
    examiners: Callable[[], Examiner], photo: Path, tmp_path: Path
) -> None:
    examiner, limits = examiners(), Limits(max_pixels=10_000_000)
    examiner.check_header(photo, limits=limits, label="cat.png")
    assert examiner.pid is None, "not for a PNG"
    with Image.open(photo) as image:
        for name in ("cat.webp", "cat.avif", "killer.avif"):
            image.save(tmp_path / name)
    examiner.check_header(tmp_path / "cat.avif", limits=limits, label="cat.avif")
    pid = examiner.pid
    assert pid is not None
    with pytest.raises(PhotoError, match=r"sent\.webp .*too large"):
        examiner.check_header(tmp_path / "cat.webp", limits=Limits(max_pixels=10), label="sent.webp")
    (tmp_path / "text.heic").write_text("no photo")
    with pytest.raises(PhotoError, match=r"sent\.heic is not a photo"):
        examiner.check_header(tmp_path / "text.heic", limits=limits, label="sent.heic")
    with pytest.raises(PhotoError, match="is not there"):
        examiner.check_header(tmp_path / "gone.avif", limits=limits, label="gone.avif")
    assert examiner.pid == pid
    with pytest.raises(PhotoError, match=r"killer: the decoder died of it \(signal 11\)"):
        examiner.check_header(tmp_path / "killer.avif", limits=limits, label="killer")


def test_a_process_that_was_killed_is_nobodys_fault(examiners: Callable[[], Examiner], photo: Path) -> None:
    examiner = examiners()
    examiner.check(photo)
    assert examiner.pid is not None
    os.kill(examiner.pid, signal.SIGKILL)
    assert examiner.check(photo) == hashlib.sha256(photo.read_bytes()).hexdigest()


def test_a_process_that_is_killed_again_and_again_says_nothing_about_the_photo(
    examiners: Callable[[], Examiner], photo: Path
) -> None:
    """By somebody, or by the system for want of memory: the photo is waited for."""
    with pytest.raises(UnreadableError, match=r"hunted\.png: .*ended from outside \(signal 9\)"):
        examiners().check(photo.rename(photo.with_name("hunted.png")))


def test_a_process_that_cannot_be_started_says_nothing_about_the_photo(photo: Path) -> None:
    with pytest.raises(UnreadableError, match="cannot be started"):
        Examiner(command=("/nowhere",)).check(photo)


def test_an_idle_process_ends(photo: Path, tmp_path: Path) -> None:
    program = "from depthflow_daemon import examiner; examiner.IDLE_SECONDS = 0.2; examiner.main()"
    examiner = Examiner(command=(sys.executable, "-c", program))
    examiner.warm()
    assert examiner.pid is not None
    _, status = os.waitpid(examiner.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert examiner.check(photo), "and is started again"
    examiner.close()
    assert examiner.pid is None


def test_watched_photos_are_not_decoded_by_the_daemon(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("depthflow.images.decode", lambda *_: pytest.fail("decoded here"))
    root = tmp_path / "watched"
    root.mkdir()
    photo.rename(root / "cat.png")
    (root / ".depthflow.toml").write_text('[settle]\nmode = "rename"\n')
    with Store(tmp_path / "state" / "q.db") as store:
        folders = Folders(store)
        folders.load([FolderSettings.model_validate({"name": "a", "in": root, "out": tmp_path / "out"})])
        assert folders.sync(30)
        folders.step()
        folders.close()
        assert [Path(job.source).name for job in store.page()] == ["cat.png"]
