"""What the store can be asked for a listing, and requests that are sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon_clock import HandClock
from depthflow_daemon.store import REQUEST_SECONDS, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "q.db") as store:
        for number, source in enumerate(("/in/a/Cat.jpg", "/in/b/dog.jpg", "/in/ab/100%_dog.jpg", "/in/a.jpg"), 1):
            store.add(f"k{number}", "{}", source=source)
        store.cancel(2)
        yield store


def ids(store: Store, **asked: object) -> list[int]:
    return [job.id for job in store.page(**asked)]  # type: ignore[arg-type]


def test_pages_in_both_directions(store: Store) -> None:
    assert ids(store, limit=2) == [4, 3]
    assert ids(store, limit=2, before=3) == [2, 1]
    assert ids(store, limit=3, after=0) == [1, 2, 3]
    assert ids(store, limit=3, after=3) == [4]


def test_pages_of_some_states(store: Store) -> None:
    assert ids(store, state="cancelled") == [2]
    assert ids(store, state=("cancelled", "done")) == [2]
    assert ids(store, state=("cancelled", "queued")) == [4, 3, 2, 1]


def test_pages_of_a_folder(store: Store) -> None:
    assert ids(store, below="/in/a") == [1]
    assert ids(store, below="/in") == ids(store, below="/in/") == ids(store, below="/") == [4, 3, 2, 1]
    assert ids(store, below="/in", state="cancelled") == [2]


def test_search_is_for_the_text_itself(store: Store) -> None:
    assert ids(store, search="cat") == [1]
    assert ids(store, search="DOG") == [3, 2]
    assert ids(store, search="%") == [3]
    assert ids(store, search="_") == [3]
    assert ids(store, search="\\") == []
    assert ids(store, search="dog", limit=1) == [3]
    assert ids(store, search="dog", limit=1, before=3) == [2]


def test_notes_and_outputs_of_a_folder(store: Store) -> None:
    store.add("n", "{}", source="/in/a/b.jpg", outputs=["/out/b.mp4"], note='{"x": 1}')
    assert sorted(store.notes("/in/a")) == [("/in/a/Cat.jpg", "{}"), ("/in/a/b.jpg", '{"x": 1}')]
    assert store.outputs_below("/out") == {"/out/b.mp4"}
    assert store.outputs_below("/ou") == set()


def test_a_request_is_remembered_with_its_job(store: Store) -> None:
    job = store.add("new", "{}", source="/x.jpg", request=("name", "digest"))
    assert store.requested("name") == (job, "digest")
    assert store.requested("other") is None


def test_requests_are_forgotten_after_a_time(tmp_path: Path) -> None:
    clock = HandClock()
    with Store(tmp_path / "c.db", clock=clock.clock()) as store:
        store.add("a", "{}", source="/x.jpg", request=("old", "d"))
        clock.pass_(REQUEST_SECONDS + 1)
        store.add("b", "{}", source="/x.jpg", request=("new", "d"))
        assert store.requested("old") is None
        assert store.requested("new") is not None


def test_a_request_goes_with_its_job(store: Store) -> None:
    store.add("new", "{}", source="/x.jpg", request=("name", "digest"))
    store.cancel(5)
    store.prune(jobs=0, events=1000)
    assert store.requested("name") is None
