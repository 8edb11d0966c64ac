"""The durable queue: what it takes, gives, refuses, and keeps through clocks that jump and processes that die."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from daemon_clock import HandClock
from depthflow_daemon import database
from depthflow_daemon.identity import job_key
from depthflow_daemon.leases import BLAMELESS, MAX_CRASHES, MAX_ORPHANED, MAX_RETRIES, backoff
from depthflow_daemon.mounts import file_system, is_remote
from depthflow_daemon.records import Job, StageTime
from depthflow_daemon.retention import MISSING_DAYS
from depthflow_daemon.schedule import is_open
from depthflow_daemon.store import Store
from running import environment

from depthflow.errors import StoreError, UsageError

WORKER = Path(__file__).with_name("daemon_worker_to_kill.py")


@pytest.fixture
def hand() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path, hand: HandClock) -> Iterator[Store]:
    with Store(tmp_path / "store.db", clock=hand.clock()) as store:
        yield store


def add(store: Store, key: str, priority: int = 0, *, held: bool = False, window: str = "") -> Job:
    return store.add(key, "{}", source=f"/in/{key}.jpg", priority=priority, held=held, window=window)


def kinds(store: Store, job: int) -> list[str]:
    return [event.kind for event in store.events(job=job)]


def take(store: Store, worker: str = "w") -> Job:
    job = store.take(worker)
    assert job is not None
    return job


# -- order and life of a job ---------------------------------------------------------------------------------------


def test_higher_priority_goes_first_then_the_older(store: Store) -> None:
    for key, priority in (("a", 0), ("b", 5), ("c", 5), ("d", -5)):
        add(store, key, priority)
    assert [take(store).key for _ in range(4)] == ["b", "c", "a", "d"]
    assert store.take("w") is None


def test_a_job_from_start_to_end_leaves_its_history(store: Store, hand: HandClock) -> None:
    job = store.add("k", '{"x":1}', source="/in/a.jpg", outputs=["/out/a.mp4", "/out/a.gif"], file=("/in/a.jpg", "s1"))
    assert (job.state, job.attempt, job.spec) == ("queued", 0, '{"x":1}')
    assert store.is_known("/in/a.jpg", "s1")
    assert not store.is_known("/in/a.jpg", "s2")
    running = take(store, "gpu0")
    assert (running.state, running.worker, running.attempt) == ("running", "gpu0", 1)
    hand.pass_(3)
    assert store.finish(job.id, 1, facts={"/out/a.mp4": {"frames": 90}}, timings={"render": 2.5})
    assert store.get(job.id).state == "done"
    assert store.get(job.id).worker is None
    (attempt,) = store.attempts(job.id)
    assert (attempt.outcome, attempt.worker, attempt.timings) == ("done", "gpu0", {"render": 2.5})
    assert attempt.ended_at == attempt.started_at + 3
    assert {o.path: o.facts for o in store.outputs(job.id)} == {"/out/a.gif": None, "/out/a.mp4": {"frames": 90}}
    assert store.owner_of("/out/a.gif") == "/in/a.jpg"
    assert store.owner_of("/out/b.gif") is None
    assert kinds(store, job.id) == ["added", "started", "done"]


def test_everything_is_there_after_closing(tmp_path: Path, hand: HandClock) -> None:
    with Store(tmp_path / "s.db", clock=hand.clock()) as store:
        add(store, "a", 3)
        store.pause()
    with Store(tmp_path / "s.db", clock=hand.clock()) as store:
        assert store.paused
        assert store.take("w") is None
        store.pause(False)
        assert take(store).priority == 3


def test_many_threads_take_each_job_once(tmp_path: Path) -> None:
    taken: list[int] = []
    with Store(tmp_path / "s.db") as store:
        for n in range(60):
            add(store, str(n))

        def work() -> None:
            while (job := store.take(threading.current_thread().name)) is not None:
                taken.append(job.id)
                store.finish(job.id, job.attempt, facts={})

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == list(range(1, 61))
        assert store.counts()["done"] == 60


def test_events_are_read_on_from_where_one_stopped(store: Store) -> None:
    for n in range(5):
        add(store, str(n))
    first = store.events(limit=2)
    rest = store.events(after=first[-1].id)
    assert [e.job for e in first + rest] == [1, 2, 3, 4, 5]
    ids = [e.id for e in first + rest]
    assert ids == sorted(set(ids))
    assert rest[0].data == {"source": "/in/2.jpg"}


def test_event_ids_never_come_twice(store: Store) -> None:
    add(store, "a")
    last = store.events()[-1].id
    store.prune(jobs=0, events=0)
    assert store.events() == []
    add(store, "b")
    assert store.events()[0].id > last


# -- the same work -------------------------------------------------------------------------------------------------


def test_the_key_covers_content_spec_model_and_renderer() -> None:
    base = (["p", "d"], "spec", "model", "1")
    keys = {
        job_key(*base),
        job_key(["q", "d"], *base[1:]),
        job_key(base[0], "spec2", "model", "1"),
        job_key(base[0], "spec", "model2", "1"),
        job_key(base[0], "spec", "model", "2"),
    }
    assert len(keys) == 5
    assert job_key(["d", "p"], *base[1:]) in keys


@pytest.mark.parametrize("state", ["queued", "running", "held"])
def test_work_that_is_under_way_is_skipped_visibly(store: Store, state: str) -> None:
    first = add(store, "k", held=state == "held")
    if state == "running":
        take(store)
    again = add(store, "k")
    assert (again.state, again.same_as) == ("skipped", first.id)
    assert kinds(store, again.id) == ["skipped"]
    assert store.take("other") is None or state == "queued"
    assert store.counts()["skipped"] == 1


def test_done_work_is_skipped_as_long_as_its_files_are_there(store: Store, tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    first = store.add("k", "{}", source="a", outputs=[str(video)])
    video.write_bytes(b"video")
    store.finish(take(store).id, 1, facts={str(video): {}})
    assert store.add("k", "{}", source="a", outputs=[str(video)]).state == "skipped"
    video.unlink()
    again = store.add("k", "{}", source="a", outputs=[str(video)])
    assert (again.id, again.state) == (first.id, "queued")


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_work_that_came_to_nothing_is_queued_again(store: Store, end: str) -> None:
    first = add(store, "k")
    if end == "failed":
        store.fail(take(store).id, 1, "no image", "permanent")
    else:
        store.cancel(first.id)
    assert store.get(first.id).state == end
    again = add(store, "k", 7)
    assert (again.id, again.state, again.priority, again.error) == (first.id, "queued", 7, None)


# -- failures ------------------------------------------------------------------------------------------------------


def test_transient_failures_wait_twice_as_long_each_time(store: Store, hand: HandClock) -> None:
    job = add(store, "k")
    for wait in (10.0, 20.0, 40.0):
        store.fail(job.id, take(store).attempt, "disk full", "transient")
        assert store.get(job.id).state == "waiting"
        assert store.seconds_to_next() == wait
        hand.pass_(wait - 0.1)
        assert store.take("w") is None
        hand.pass_(0.2)
    assert take(store).error == "disk full"
    assert store.seconds_to_next() is None
    assert backoff(100) == 3600


def test_transient_failures_end_some_time(store: Store, hand: HandClock) -> None:
    job = add(store, "k")
    for _ in range(MAX_RETRIES):
        hand.pass_(4000)
        store.fail(job.id, take(store).attempt, "share gone", "transient")
    assert store.get(job.id).state == "failed"
    assert store.get(job.id).error == f"given up after {MAX_RETRIES} attempts: share gone"


def test_a_permanent_failure_is_not_tried_again(store: Store, hand: HandClock) -> None:
    job = add(store, "k")
    store.fail(job.id, take(store).attempt, "not an image", "permanent")
    hand.pass_(1e6)
    assert store.take("w") is None
    assert (store.get(job.id).state, store.get(job.id).error) == ("failed", "not an image")


def test_poison_stops_and_the_others_go_on(store: Store, hand: HandClock) -> None:
    poison = add(store, "poison", 10)
    add(store, "good")
    seen = []
    for _ in range(MAX_CRASHES + 1):
        hand.pass_(1000)
        job = take(store)
        seen.append(job.key)
        if job.key == "poison":
            store.fail(job.id, job.attempt, "worker died", "crash")
    assert seen == ["poison"] * MAX_CRASHES + ["good"]
    assert store.get(poison.id).state == "failed"
    assert [a.outcome for a in store.attempts(poison.id)] == ["crash"] * MAX_CRASHES


def test_retry_gives_a_clean_record(store: Store, hand: HandClock) -> None:
    job = add(store, "k")
    for _ in range(MAX_CRASHES):
        hand.pass_(1000)
        store.fail(job.id, take(store).attempt, "died", "crash")
    assert store.retry(job.id).crashes == 0
    store.fail(job.id, take(store).attempt, "died", "crash")
    assert store.get(job.id).state == "waiting"
    with pytest.raises(UsageError, match="is queued"):
        store.retry(store.retry(job.id).id)


# -- leases and clocks ---------------------------------------------------------------------------------------------


def test_a_worker_that_is_not_heard_of_loses_its_job(store: Store, hand: HandClock) -> None:
    job = add(store, "k")
    first = take(store)
    for _ in range(5):
        hand.pass_(50)
        assert store.beat(job.id, first.attempt) == "go"
        assert store.expire() == []
    hand.pass_(61)
    assert store.expire(spare=[job.id]) == []
    assert [j.id for j in store.expire()] == [job.id]
    hand.pass_(60)
    second = take(store, "other")
    assert second.attempt == 2
    # The first one comes back to life: it moves nothing.
    assert store.beat(job.id, first.attempt) == "lost"
    assert not store.finish(job.id, first.attempt, facts={"/out/x.mp4": {}})
    assert not store.fail(job.id, first.attempt, "late", "permanent")
    assert not store.release(job.id, first.attempt)
    assert store.get(job.id).worker == "other"
    assert store.finish(job.id, second.attempt, facts={})
    assert [a.outcome for a in store.attempts(job.id)] == ["crash", "done"]


@pytest.mark.parametrize("jump", [-40 * 365 * 86400.0, -3600.0, 3600.0, 40 * 365 * 86400.0])
def test_a_jump_of_the_wall_clock_runs_nothing_twice_and_delays_nothing(
    store: Store, hand: HandClock, jump: float
) -> None:
    running, waiting = add(store, "r"), add(store, "w")
    take(store)
    store.fail(waiting.id, take(store).attempt, "share gone", "transient")
    hand.wall += jump
    assert store.expire() == []
    assert store.take("other") is None
    hand.pass_(10.1)
    assert store.beat(running.id, 1) == "go"
    assert take(store).id == waiting.id


def test_after_a_boot_nothing_waits_for_a_clock_that_is_gone(tmp_path: Path, hand: HandClock) -> None:
    with Store(tmp_path / "s.db", clock=hand.clock()) as store:
        running, waiting = add(store, "r"), add(store, "w")
        take(store)
        store.fail(waiting.id, take(store).attempt, "share gone", "transient")
    hand.boot, hand.steady = "second", 3.0
    with Store(tmp_path / "s.db", clock=hand.clock()) as store:
        assert store.seconds_to_next() == 0
        assert [j.id for j in store.recover()] == [running.id]
        assert [take(store).id, take(store).id] == [running.id, waiting.id]


def test_a_dead_daemons_jobs_are_queued_again_without_blame(tmp_path: Path, hand: HandClock) -> None:
    for turn in range(MAX_ORPHANED):
        with Store(tmp_path / "s.db", clock=hand.clock()) as store:
            store.recover()
            if turn == 0:
                add(store, "k")
            # The first times at once, then later and later: others go first.
            assert (store.seconds_to_next() is None) == (turn <= BLAMELESS)
            hand.pass_(store.seconds_to_next() or 0)
            job = take(store)
            assert job.crashes == 0
    with Store(tmp_path / "s.db", clock=hand.clock()) as store:
        assert [j.state for j in store.recover()] == ["failed"], "it takes every daemon down"


def test_giving_back_is_no_failure(store: Store) -> None:
    job = add(store, "k")
    for _ in range(30):
        assert store.release(job.id, take(store).attempt)
    assert store.get(job.id).state == "queued"


# -- people --------------------------------------------------------------------------------------------------------


def test_cancel_before_while_and_after(store: Store) -> None:
    before, running = add(store, "a"), add(store, "b", 5)
    assert store.cancel(before.id).state == "cancelled"
    attempt = take(store).attempt
    assert store.beat(running.id, attempt) == "go"
    assert (store.cancel(running.id).state, store.get(running.id).stopping) == ("running", True)
    assert store.beat(running.id, attempt) == "stop"
    assert store.release(running.id, attempt)
    assert store.get(running.id).state == "cancelled"
    assert store.take("w") is None
    with pytest.raises(UsageError, match="is cancelled already"):
        store.cancel(running.id)
    with pytest.raises(UsageError, match="no job 99"):
        store.cancel(99)


@pytest.mark.parametrize("end", ["crash", "transient", "recover"])
def test_a_cancelled_job_stays_so_however_its_worker_ends(store: Store, end: str) -> None:
    job = add(store, "k")
    take(store)
    store.cancel(job.id)
    if end == "recover":
        store.recover()
    else:
        store.fail(job.id, 1, "died", "crash" if end == "crash" else "transient")
    assert store.get(job.id).state == "cancelled"
    assert not store.get(job.id).stopping


def test_hold_release_and_priority(store: Store) -> None:
    held, other = add(store, "a", 5, held=True), add(store, "b")
    third = add(store, "c")
    store.set_priority(third.id, 1)
    assert take(store).id == third.id
    assert take(store).id == other.id
    assert store.take("w") is None
    store.hold(held.id, False)
    assert take(store).id == held.id
    with pytest.raises(UsageError) as caught:
        store.set_priority(held.id, 101)
    assert caught.value.hint == "allowed: -100 to 100"


def test_windows_open_by_the_time_of_day(store: Store, hand: HandClock) -> None:
    hand.wall = datetime(2027, 3, 1, 12, 0).timestamp()
    night, day = add(store, "night", 9, window="22:00-06:00"), add(store, "day", window="09:00-17:00")
    assert take(store).id == day.id
    assert store.take("w") is None
    hand.wall = datetime(2027, 3, 2, 5, 59).timestamp()
    assert take(store).id == night.id


@pytest.mark.parametrize(
    ("window", "open_at", "shut_at"),
    [
        ("22:00-06:00", ["22:00", "23:59", "00:00", "05:59"], ["06:00", "21:59", "12:00"]),
        ("09:00-17:00", ["09:00", "16:59"], ["17:00", "08:59", "00:00"]),
        ("01:00-02:00, 03:00-04:00", ["01:30", "03:30"], ["02:30", "04:00"]),
        ("", ["00:00", "12:00"], []),
    ],
)
def test_windows(window: str, open_at: list[str], shut_at: list[str]) -> None:
    for text, expected in [(t, True) for t in open_at] + [(t, False) for t in shut_at]:
        assert is_open(window, datetime.fromisoformat(f"2027-03-01T{text}")) is expected, text


@pytest.mark.parametrize("window", ["22-06", "25:00-06:00", "22:00-06:60", "night", "06:00-06:00", "22:00-06:00-"])
def test_what_is_no_window_is_refused_before_anything_is_stored(store: Store, window: str) -> None:
    with pytest.raises(UsageError, match="no span of a day"):
        add(store, "k", window=window)
    assert store.page() == []


def test_pages_are_stable_while_jobs_come_in(store: Store) -> None:
    for n in range(7):
        add(store, str(n))
    first = store.page(limit=3)
    add(store, "late")
    second = store.page(limit=3, before=first[-1].id)
    assert [j.id for j in first + second] == [7, 6, 5, 4, 3, 2]
    store.cancel(2)
    assert [j.id for j in store.page(state="cancelled")] == [2]
    with pytest.raises(UsageError, match="limit 0"):
        store.page(limit=0)


def test_what_stages_took_is_added_up(store: Store) -> None:
    for number, timings in enumerate(({"depth": 1.0, "render": 2.0}, {"render": 4.0}, {"render": 100.0})):
        add(store, str(number))
        job = take(store)
        if number < 2:
            store.finish(job.id, 1, facts={}, timings=timings)
        else:
            store.fail(job.id, 1, "no", "permanent", timings=timings)
    assert store.stage_times() == {"depth": StageTime(1, 1.0, 1.0), "render": StageTime(2, 6.0, 4.0)}
    assert store.stage_times(limit=1) == {"render": StageTime(1, 4.0, 4.0)}


def test_pruning_keeps_the_newest_and_all_that_is_open(store: Store) -> None:
    for n in range(6):
        add(store, str(n))
    add(store, "0")
    for _ in range(4):
        store.finish(take(store).id, 1, facts={})
    assert store.prune(jobs=2) == 3
    assert [j.id for j in store.page()] == [7, 6, 5, 4]
    assert store.attempts(1) == []
    assert store.events(job=1) == []
    assert store.prune(jobs=2) == 0
    assert store.prune(jobs=0) == 2
    assert [j.state for j in store.page()] == ["queued", "queued"]


def test_pruning_by_days_and_many_at_once(store: Store, hand: HandClock) -> None:
    for n in range(450):
        store.cancel(add(store, str(n)).id)
    hand.pass_(86400)
    store.cancel(add(store, "young").id)
    running = add(store, "running")
    take(store)
    hand.pass_(86400)
    assert store.prune(days=3) == 0
    assert store.prune(days=1.5) == 450
    hand.wall += 40 * 365 * 86400.0
    assert store.prune(days=1) == 1
    assert [j.id for j in store.page()] == [running.id], "what is open stays, however long ago"


def test_forgotten_work_is_not_done_again_as_long_as_its_files_are_there(
    store: Store, hand: HandClock, tmp_path: Path
) -> None:
    made = [tmp_path / "a.mp4", tmp_path / "a.gif"]
    photo = tmp_path / "a.jpg"
    photo.touch()

    def ask() -> Job:
        outputs = [str(file) for file in made]
        return store.add("k", "{}", source=str(photo), outputs=outputs, file=(str(photo), "s1"))

    ask()
    for file in made:
        file.touch()
    store.finish(take(store).id, 1, facts={str(file): {} for file in made})
    assert store.prune(jobs=0) == 1
    assert store.page() == []
    assert store.owner_of(str(made[0])) == str(photo)
    assert store.is_known(str(photo), "s1")
    assert (again := ask()).state == "skipped"
    assert again.same_as is None
    assert store.prune(jobs=0) == 1
    assert ask().state == "skipped", "forgetting the skipped one changes nothing"
    # The share is gone for a while, and comes back.
    made[1].rename(tmp_path / "away")
    store.prune(jobs=0)
    hand.pass_((MISSING_DAYS - 1) * 86400)
    (tmp_path / "away").rename(made[1])
    store.prune()
    hand.pass_(2 * 86400)
    store.prune()
    assert ask().state == "skipped"
    made[1].unlink()
    assert ask().state == "queued", "one file is gone"
    assert store.owner_of(str(made[0])) == str(photo)


def test_files_that_are_gone_for_long_are_forgotten(store: Store, hand: HandClock, tmp_path: Path) -> None:
    photo, video = tmp_path / "a.jpg", tmp_path / "a.mp4"
    for file in (photo, video):
        file.touch()
    store.add("k", "{}", source=str(photo), outputs=[str(video)], file=(str(photo), "s1"))
    store.finish(take(store).id, 1, facts={str(video): {}})
    photo.unlink()
    video.unlink()
    store.prune(jobs=0)
    assert store.is_known(str(photo), "s1")
    hand.pass_((MISSING_DAYS + 1) * 86400)
    store.prune()
    assert not store.is_known(str(photo), "s1")
    assert store.owner_of(str(video)) is None


def test_a_job_that_is_tried_again_is_not_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.cancel(add(store, "k").id)
    chosen = store._ended

    def and_meanwhile(days: float | None, jobs: int | None) -> list[int]:
        found = chosen(days, jobs)
        if found:
            store.retry(1)
        return found

    monkeypatch.setattr(store, "_ended", and_meanwhile)
    assert store.prune(jobs=0) == 0
    assert store.get(1).state == "queued"


# -- the file ------------------------------------------------------------------------------------------------------


def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    script = f"from pathlib import Path; from depthflow_daemon.store import Store; Store(Path({str(path)!r}))"
    with Store(path) as store:
        add(store, "k")
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment())
        assert done.returncode == 1
        assert "another daemon has this store (process " in done.stderr
        with pytest.raises(StoreError, match="another daemon"):
            Store(path)
        assert take(store).key == "k", "the first one is not disturbed"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr


def test_closing_twice_closes_nobody_elses_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "q.db")
    store.close()
    others = [(tmp_path / f"{number}").open("wb") for number in range(8)]
    store.close()
    for other in others:
        other.write(b"x")
        other.close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    Store(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 999")
    raw.close()
    with pytest.raises(StoreError, match="newer DepthFlow") as caught:
        Store(path)
    assert "update DepthFlow" in caught.value.hint


def test_migrations_are_numbered_without_gaps_and_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = database.migrations()
    assert list(steps) == list(range(1, len(steps) + 1))
    path = tmp_path / "s.db"
    with Store(path) as store:
        add(store, "k")
    good = {**steps, len(steps) + 1: "ALTER TABLE jobs ADD COLUMN colour TEXT;"}
    broken = {**good, len(steps) + 2: "CREATE TABLE half (x INTEGER); SELECT nonsense FROM nowhere;"}
    monkeypatch.setattr(database, "migrations", lambda: broken)
    with pytest.raises(StoreError, match="nowhere"):
        Store(path)
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (len(steps) + 1,)
        assert raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchone() is None
    raw.close()
    monkeypatch.setattr(database, "migrations", lambda: good)
    with Store(path) as store:
        assert take(store).key == "k"


def test_no_database_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"holiday photos, not a database at all" * 100)
    with pytest.raises(StoreError, match="is no database"):
        Store(tmp_path / "s.db")
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path / "s.db" / "deeper" / "s.db")
    assert (tmp_path / "s.db").read_bytes().startswith(b"holiday")


def test_a_full_disk_loses_nothing(tiny_disk: Path) -> None:
    with Store(tiny_disk / "s.db") as store:
        stored = 0

        def fill() -> None:
            nonlocal stored
            while True:
                store.add(str(stored), "x" * 2000, source="s")
                stored += 1

        with pytest.raises(StoreError, match="the disk is full"):
            fill()
        assert stored > 0
        assert [job.key for job in store.page(limit=1000)] == [str(n) for n in reversed(range(stored))]


def test_network_mounts_are_known_and_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    share = tmp_path / "my share"
    (share / "local").mkdir(parents=True)
    escaped = str(share).replace(" ", "\\040")
    table.write_text(
        "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"22 21 0:50 / {escaped} rw,relatime shared:1 - nfs4 server:/photos rw\n"
        f"23 22 0:51 / {escaped}/local rw - ext4 /dev/sdb1 rw\n"
    )
    assert file_system(share / "not yet there", table=table) == "nfs4"
    assert is_remote(share, table=table)
    assert not is_remote(share / "local" / "x", table=table)
    assert not is_remote(tmp_path, table=table)
    for kind in ("cifs", "smb3", "fuse.sshfs", "9p", "drvfs", "virtiofs"):
        table.write_text(f"22 21 0:50 / / rw - {kind} x rw\n")
        assert is_remote(tmp_path, table=table), kind
    for kind in ("ext4", "xfs", "btrfs", "fuseblk", "tmpfs", "overlay", "zfs"):
        table.write_text(f"22 21 0:50 / / rw - {kind} x rw\n")
        assert not is_remote(tmp_path, table=table), kind
    monkeypatch.setattr(database, "is_remote", lambda _: True)
    with pytest.raises(StoreError, match="network mount"):
        Store(tmp_path / "remote" / "s.db")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_this_machines_own_mounts_are_understood() -> None:
    assert file_system(Path("/proc/self")) == "proc"


# -- killed at any moment ------------------------------------------------------------------------------------------


def killed_rounds(folder: Path, rounds: int, seed: int) -> None:
    """Start a worker, kill it after some of its lines, and compare what it told with what is stored."""
    chance = random.Random(seed)  # noqa: S311 - no secrets
    path = folder / "s.db"
    added: dict[str, int] = {}
    ended: dict[str, str] = {}
    for turn in range(rounds):
        process = subprocess.Popen(
            [sys.executable, str(WORKER), str(path), str(turn)], stdout=subprocess.PIPE, text=True, env=environment()
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        # After so many lines it is in the midst of the next change, by a little more or less.
        for _ in range(chance.randrange(1, 40)):
            note(process.stdout.readline().split(), added, ended)
        time.sleep(chance.random() * 0.003)
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            if line.endswith("\n"):
                note(line.split(), added, ended)
        process.wait()
        check_against(path, added, ended)
    assert len(added) > rounds
    assert len(ended) > rounds


def note(words: list[str], added: dict[str, int], ended: dict[str, str]) -> None:
    if words[0] == "added":
        added[words[1]] = int(words[2])
    elif words[0] in ("done", "failed"):
        assert words[1] not in ended, "ended twice"
        ended[words[1]] = words[0]
    else:
        assert words[1] not in ended, "taken again after its end"


def check_against(path: Path, added: dict[str, int], ended: dict[str, str]) -> None:
    with Store(path) as store:
        jobs = {}
        before = None
        while page := store.page(limit=1000, before=before):
            jobs |= {job.key: job for job in page}
            before = page[-1].id
        for key, number in added.items():
            assert jobs[key].id == number
        for job in jobs.values():
            whole(store, job)
        for key, state in ended.items():
            assert jobs[key].state == state
        assert len({job.key for job in jobs.values()}) == len(jobs)
        assert sum(job.state == "running" for job in jobs.values()) <= 1
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    raw.close()


def whole(store: Store, job: Job) -> None:
    """Everything that belongs to a change is there with it, also of changes that nobody was told of any more."""
    assert store.is_known(f"/in/{job.key}", "1")
    assert [o.facts is not None for o in store.outputs(job.id)] == [job.state == "done"]
    tries = store.attempts(job.id)
    assert len(tries) == job.attempt
    assert [a.outcome is None for a in tries[-1:]] == [job.state == "running"][: job.attempt]
    kinds = [event.kind for event in store.events(job=job.id)]
    assert kinds[0] == "added"
    assert kinds.count("started") == job.attempt
    assert kinds[-1] == {"queued": kinds[-1], "running": "started"}.get(job.state, job.state)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost(tmp_path: Path) -> None:
    killed_rounds(tmp_path, rounds=20, seed=1)


@pytest.mark.soak
def test_killed_two_hundred_times_nothing_is_lost(tmp_path: Path) -> None:
    killed_rounds(tmp_path, rounds=200, seed=2)
