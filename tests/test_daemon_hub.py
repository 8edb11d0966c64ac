"""Listeners: every state, the latest progress, and an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from depthflow_daemon.hub import Hub
from depthflow_daemon.records import Job
from depthflow_daemon.store import Store

from depthflow.client.models import ProgressEvent, QueueEvent, StateEvent
from depthflow.errors import StoreError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "q.db") as store:
        yield store


async def told(stream: AsyncIterator[Any], count: int) -> list[str]:
    """The next events, in short."""
    found = []
    for _ in range(count):
        event = await asyncio.wait_for(anext(stream), 20)
        match event:
            case StateEvent():
                found.append(f"{event.job.id} {event.what}")
            case ProgressEvent():
                found.append(f"{event.job} {event.progress.done}")
            case QueueEvent():
                found.append(event.what)
    return found


def step(done: int) -> dict[str, Any]:
    return {"stage": "render", "done": done, "total": 9, "seconds": 2.0, "note": "", "warning": False}


def test_one_who_cannot_hear_of_an_end_keeps_nobody_else_from_it(store: Store) -> None:
    hub, heard = Hub(store), []

    def failing(_: Job) -> None:
        raise StoreError("the disk is failing")

    hub.on_end(failing)
    hub.on_end(lambda job: heard.append(job.id))
    hub.ended(store.add("k", "{}", source="/a.jpg"))
    assert heard == [1]


def test_one_job_from_its_beginning_to_its_end(store: Store) -> None:
    hub = Hub(store)
    store.add("k", "{}", source="/a.jpg")

    async def listen() -> None:
        stream = hub.listen(1)
        assert await told(stream, 1) == ["1 added"]
        store.take("w")
        hub.progress(1, step(1))
        hub.changed()
        assert await told(stream, 2) == ["1 started", "1 1"]
        store.finish(1, 1, facts={})
        hub.ended(store.get(1))
        assert await told(stream, 1) == ["1 done"]
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(stream), 20)

    asyncio.run(listen())
    assert hub.listeners == 0
    assert hub.latest(1) is None


def test_a_slow_listener_gets_the_latest_progress_and_every_state(store: Store) -> None:
    hub = Hub(store)
    store.add("k", "{}", source="/a.jpg")

    async def listen() -> None:
        stream = hub.listen()
        first = asyncio.create_task(told(stream, 1))
        while not hub.listeners:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        store.take("w")
        for done in range(1000):
            hub.progress(1, step(done))
        await first
        for _ in range(150):
            store.hold(1)
        store.pause()
        hub.changed()
        states = []
        while "paused" not in states:
            states += await told(stream, 1)
        assert states.count("1 held") == 150
        assert [state for state in states if state.split()[-1].isdigit()] in ([], ["1 999"])
        assert len(hub._progress) == 1

    asyncio.run(listen())


def test_a_listener_goes_on_where_it_was(store: Store) -> None:
    for number in range(3):
        store.add(f"k{number}", "{}", source="/a.jpg")

    async def listen() -> list[str]:
        return await told(Hub(store).listen(after=1), 2)

    assert asyncio.run(listen()) == ["2 added", "3 added"]


def test_closing_ends_all_listeners(store: Store) -> None:
    hub = Hub(store)

    async def listen() -> None:
        waiting = asyncio.create_task(anext(hub.listen()))
        while not hub.listeners:
            await asyncio.sleep(0)
        await asyncio.to_thread(hub.close)
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(waiting, 20)

    asyncio.run(listen())
