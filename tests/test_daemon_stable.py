"""When a photo counts as written whole, with real files and a clock that is turned by hand."""

from __future__ import annotations

import hashlib
import os
import random
import sys
from pathlib import Path

import pytest
from daemon_clock import HandClock
from depthflow_daemon.stable import Settle, Spoilt, StabilityTracker, Stable, UnreadableError, check_photo

from depthflow.errors import PhotoError


@pytest.fixture
def hand() -> HandClock:
    return HandClock()


@pytest.fixture
def tracker(hand: HandClock) -> StabilityTracker:
    return StabilityTracker(clock=lambda: hand.steady)


def only(found: list[Stable | Spoilt]) -> Stable:
    (one,) = found
    assert isinstance(one, Stable), one
    return one


def test_unchanged_for_five_seconds_is_stable_and_not_before(
    tracker: StabilityTracker, hand: HandClock, photo: Path
) -> None:
    tracker.offer(photo)
    assert tracker.seconds_to_next() == 5
    hand.pass_(4.9)
    assert tracker.poll() == []
    hand.pass_(0.1)
    found = only(tracker.poll())
    assert found.path == photo
    assert found.content == hashlib.sha256(photo.read_bytes()).hexdigest()
    assert found.signature == tracker.signature(photo)
    assert tracker.seconds_to_next() is None


def test_a_slow_writer_is_waited_for_and_its_bytes_are_the_last(
    tracker: StabilityTracker, hand: HandClock, photo: Path
) -> None:
    whole = photo.read_bytes()
    photo.unlink()
    for end in range(0, len(whole), 4000):
        with photo.open("ab") as file:
            file.write(whole[end : end + 4000])
        tracker.offer(photo)
        hand.pass_(4)
        assert tracker.poll() == []
    # Counted from the look that found the last change.
    hand.pass_(1)
    assert tracker.poll() == []
    hand.pass_(5)
    assert only(tracker.poll()).content == hashlib.sha256(whole).hexdigest()


def test_a_writer_with_long_pauses_is_not_mistaken_for_a_finished_one(
    tracker: StabilityTracker, hand: HandClock, photo: Path
) -> None:
    whole = photo.read_bytes()
    photo.write_bytes(whole[: len(whole) // 2])
    tracker.offer(photo)
    for _ in range(5):
        hand.pass_(11)
        assert tracker.poll() == []
    photo.write_bytes(whole)
    hand.pass_(6)
    assert tracker.poll() == []
    hand.pass_(6)
    assert only(tracker.poll()).content == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("kind", ["truncated", "text", "zeros", "empty"])
def test_what_never_becomes_a_photo_is_given_up_with_the_reason(
    tracker: StabilityTracker, hand: HandClock, photo: Path, kind: str
) -> None:
    whole = photo.read_bytes()
    photo.write_bytes({"truncated": whole[:-200], "text": b"no photo", "zeros": bytes(len(whole)), "empty": b""}[kind])
    tracker.offer(photo, Settle(patience=60))
    looks, passed = 0, 0.0
    while not (found := tracker.poll()):
        wait = tracker.seconds_to_next()
        assert wait is not None
        hand.pass_(wait)
        looks, passed = looks + 1, passed + wait
    (spoilt,) = found
    assert isinstance(spoilt, Spoilt)
    assert spoilt.reason
    assert passed == 60
    assert looks <= 6, "each look decodes, so they grow apart"
    tracker.finish(photo)
    assert len(tracker) == 0


def test_a_copy_that_goes_on_after_it_was_given_up_is_taken(
    tracker: StabilityTracker, hand: HandClock, photo: Path
) -> None:
    whole = photo.read_bytes()
    photo.write_bytes(whole[:1000])
    tracker.offer(photo, Settle(patience=5))
    hand.pass_(5)
    (spoilt,) = tracker.poll()
    assert isinstance(spoilt, Spoilt)
    photo.write_bytes(whole)
    tracker.offer(photo)
    tracker.finish(photo)
    hand.pass_(5)
    found = only(tracker.poll())
    assert found.content == hashlib.sha256(whole).hexdigest()
    assert found.signature != spoilt.signature


def test_rename_mode_takes_at_the_first_look(tracker: StabilityTracker, hand: HandClock, photo: Path) -> None:
    tracker.offer(photo, Settle("rename"))
    assert only(tracker.poll()).path == photo


def test_rename_mode_still_waits_for_what_does_not_decode(
    tracker: StabilityTracker, hand: HandClock, photo: Path
) -> None:
    whole = photo.read_bytes()
    photo.write_bytes(whole[:-100])
    tracker.offer(photo, Settle("rename"))
    assert tracker.poll() == []
    photo.write_bytes(whole)
    hand.pass_(10)
    assert only(tracker.poll()).content == hashlib.sha256(whole).hexdigest()


def test_sentinel_mode_waits_for_the_other_file_however_long(
    tracker: StabilityTracker, hand: HandClock, photo: Path
) -> None:
    tracker.offer(photo, Settle("sentinel", sentinel=".ok"))
    for _ in range(100):
        assert tracker.poll() == []
        hand.pass_(60)
    photo.with_name(photo.name + ".ok").touch()
    assert only(tracker.poll()).path == photo


def test_a_changing_companion_keeps_the_photo_waiting(hand: HandClock, photo: Path) -> None:
    sidecar = photo.with_suffix(".toml")
    tracker = StabilityTracker(clock=lambda: hand.steady, companions=lambda path: [path.with_suffix(".toml")])
    tracker.offer(photo)
    hand.pass_(4)
    sidecar.write_text("preset = ")
    hand.pass_(1)
    assert tracker.poll() == []
    hand.pass_(4)
    sidecar.write_text('preset = "orbital"')
    hand.pass_(1)
    assert tracker.poll() == []
    hand.pass_(5)
    before = only(tracker.poll()).signature
    sidecar.unlink()
    assert tracker.signature(photo) != before


def test_deleted_while_waiting_is_forgotten_and_may_come_back(
    tracker: StabilityTracker, hand: HandClock, photo: Path
) -> None:
    data = photo.read_bytes()
    tracker.offer(photo)
    photo.unlink()
    hand.pass_(5)
    assert tracker.poll() == []
    assert len(tracker) == 0
    assert tracker.seconds_to_next() is None
    tracker.offer(photo)
    assert len(tracker) == 0, "it is not there"
    photo.write_bytes(data)
    tracker.offer(photo)
    hand.pass_(5)
    assert only(tracker.poll()).path == photo


def test_replaced_by_a_file_of_the_same_size_and_time_waits_anew(
    tracker: StabilityTracker, hand: HandClock, photo: Path
) -> None:
    tracker.offer(photo)
    old = photo.stat()
    other = photo.with_name("other.png")
    other.write_bytes(photo.read_bytes())
    os.utime(other, ns=(old.st_mtime_ns, old.st_mtime_ns))
    other.replace(photo)
    hand.pass_(5)
    assert tracker.poll() == []
    hand.pass_(5)
    assert only(tracker.poll()).path == photo


def test_in_flight_it_is_not_given_out_twice(tracker: StabilityTracker, hand: HandClock, photo: Path) -> None:
    for _ in range(3):
        tracker.offer(photo)
    hand.pass_(5)
    only(tracker.poll())
    tracker.offer(photo)
    hand.pass_(100)
    assert tracker.poll() == []
    tracker.finish(photo)
    hand.pass_(5)
    assert only(tracker.poll()).path == photo, "it was offered again meanwhile"
    tracker.finish(photo)
    hand.pass_(100)
    assert tracker.poll() == []
    assert len(tracker) == 0


def test_what_changes_while_it_is_read_is_read_again(hand: HandClock, photo: Path) -> None:
    whole = photo.read_bytes()
    reads: list[int] = []

    def check(path: Path) -> str:
        reads.append(path.stat().st_size)
        digest = check_photo(path)
        if len(reads) == 1:
            with path.open("ab") as file:
                file.write(b"more")
        return digest

    tracker = StabilityTracker(check=check, clock=lambda: hand.steady)
    tracker.offer(photo)
    hand.pass_(5)
    assert tracker.poll() == []
    while not (found := tracker.poll()):
        hand.pass_(5)
    assert only(found).content == hashlib.sha256(whole + b"more").hexdigest()
    assert reads == [len(whole), len(whole) + 4]


def test_a_change_that_is_told_just_behind_the_last_look_is_not_lost(hand: HandClock, photo: Path) -> None:
    class Hurried(StabilityTracker):
        """The photo changes, and that is told, between the look that finds it whole and its being given out."""

        looks = 0

        def signature(self, path: Path) -> str | None:
            found = super().signature(path)
            self.looks += 1
            if self.looks == 3:  # offered, before the check, behind it
                photo.write_bytes(photo.read_bytes() + b"more")
                self.offer(path)
            return found

    tracker = Hurried(clock=lambda: hand.steady)
    tracker.offer(photo)
    hand.pass_(5)
    old = only(tracker.poll())
    assert tracker.poll() == []
    tracker.finish(photo)
    hand.pass_(5)
    assert only(tracker.poll()).content == hashlib.sha256(photo.read_bytes()).hexdigest() != old.content


def test_thousands_wait_at_once_and_each_comes_out_once(tmp_path: Path, hand: HandClock) -> None:
    tracker = StabilityTracker(check=lambda path: path.name, clock=lambda: hand.steady)
    chance = random.Random(1)  # noqa: S311 - no secrets
    files = [tmp_path / f"{n}.png" for n in range(3000)]
    for file in files:
        file.touch()
        tracker.offer(file)
        hand.pass_(chance.random() * 0.001)
    hand.pass_(5)
    found: list[Stable | Spoilt] = []
    while more := tracker.poll(limit=100):
        assert len(more) <= 100
        found += more
        for one in more:
            tracker.finish(one.path)
    assert [one.path for one in found] == files, "in the order in which they came"
    assert len(tracker) == 0


@pytest.mark.parametrize("name", ["zwei\nzeilen.png", "фото 📷.png", "-rf.png", "a" * 240 + ".png"])
def test_names(tracker: StabilityTracker, hand: HandClock, photo: Path, name: str) -> None:
    photo = photo.rename(photo.with_name(name))
    tracker.offer(photo)
    hand.pass_(5)
    assert only(tracker.poll()).path.name == name


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders")
def test_a_pipe_with_a_photos_name_is_nothing(tracker: StabilityTracker, tmp_path: Path) -> None:
    pipe = tmp_path / "photo.png"
    os.mkfifo(pipe)
    tracker.offer(pipe)
    assert len(tracker) == 0
    with pytest.raises(PhotoError, match="no regular file"):
        check_photo(pipe)


def test_what_cannot_be_read_is_told_once_and_waited_for_until_it_can(hand: HandClock, photo: Path) -> None:
    """Permissions and shares come and go; a photo must not be given up for them."""
    shut = True

    def check(path: Path) -> str:
        if shut:
            raise UnreadableError(f"{path}: cannot be read: Stale file handle")
        return check_photo(path)

    tracker = StabilityTracker(check=check, clock=lambda: hand.steady)
    tracker.offer(photo)
    found: list[Stable | Spoilt] = []
    looks = 0
    while hand.steady < 5000 + 86400:
        wait = tracker.seconds_to_next()
        assert wait is not None, "it is still waited for"
        hand.pass_(wait)
        looks += 1
        found += tracker.poll()
    (spoilt,) = found
    assert isinstance(spoilt, Spoilt)
    assert spoilt.passing
    assert len(tracker) == 0, "nobody who waits for the end waits for it"
    assert looks < 86400 / 200, "seldom"
    shut = False
    hand.pass_(300)
    assert only(tracker.poll()).path == photo


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders")
def test_a_file_that_may_not_be_read_is_no_bad_photo(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="No such file"):
        check_photo(tmp_path / "gone.png")
    with pytest.raises(UnreadableError, match="Is a directory"):
        check_photo(tmp_path)
    photo.write_bytes(b"no photo")
    with pytest.raises(PhotoError) as caught:
        check_photo(photo)
    assert not isinstance(caught.value, UnreadableError)


def test_a_file_that_grows_for_ever_is_never_read(hand: HandClock, photo: Path) -> None:
    def check(path: Path) -> str:
        raise AssertionError("read")

    tracker = StabilityTracker(check=check, clock=lambda: hand.steady)
    tracker.offer(photo)
    for _ in range(1000):
        with photo.open("ab") as file:
            file.write(b"more")
        hand.pass_(tracker.seconds_to_next() or 0)
        assert tracker.poll() == []
    assert len(tracker) == 1
