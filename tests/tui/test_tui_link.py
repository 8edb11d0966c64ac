"""The link to real daemons: found, started, shared, lost and found again; nothing that happens to a job is missed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path

import psutil
import pytest
from houses import House
from running import wait_for_end

from depthflow.client import AsyncClient
from depthflow.client.models import System
from depthflow.tui.link import Link, LinkChanged, LinkState, News

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sockets and signals")


class Ear:
    """Hears a link, and waits for what it says."""

    def __init__(self) -> None:
        self.news: list[News] = []
        self._more = asyncio.Event()

    def __call__(self, news: News) -> None:
        self.news.append(news)
        self._more.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not true():
                self._more.clear()
                await self._more.wait()

    @property
    def states(self) -> list[LinkState]:
        """Each once, however many reasons it had."""
        states = [each.state for each in self.news if isinstance(each, LinkChanged)]
        return [state for state, before in zip(states, [None, *states], strict=False) if state is not before]


@contextlib.asynccontextmanager
async def linked(house: House, *, private: bool = True) -> AsyncIterator[tuple[Link, Ear]]:
    ear = Ear()
    link = Link(f"unix://{house.socket}", private=private, tell=ear)
    task = asyncio.create_task(link.run())
    try:
        yield link, ear
    finally:
        await link.close()
        assert task.done()


@pytest.fixture
def home(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house that daemons of this process live in."""
    for name, value in house.env.items():
        monkeypatch.setenv(name, value)
    return house


def pid_of(link: Link) -> int:
    assert isinstance(link.system, System)
    return link.system.pid


async def gone(pid: int) -> None:
    await asyncio.to_thread(wait_for_end, pid)


@pytest.mark.slow
async def test_a_private_daemon_is_started_shared_and_ended_by_the_last_one(home: House, photo: Path) -> None:
    async with linked(home) as (first, ear):
        await ear.until(lambda: first.loaded)
        assert ear.states == [LinkState.STARTING, LinkState.ONLINE]
        assert first.private
        pid = pid_of(first)
        async with linked(home) as (second, other):
            await other.until(lambda: second.loaded)
            assert (pid_of(second), second.private) == (pid, False)
            job = await first.client.submit(photo, hold=True)
            await other.until(lambda: second.jobs.get(job.id) is not None)
            await ear.until(lambda: first.shared)
            # The first goes: the daemon stays for the second, and ends when that is gone.
            await first.close()
            await asyncio.sleep(0)
            assert (await second.client.system()).pid == pid
    await gone(pid)


@pytest.mark.slow
async def test_a_private_daemon_dies_with_an_interface_that_is_killed(home: House) -> None:
    script = (
        "import asyncio; from depthflow.tui.link import Link\n"
        f"link = Link('unix://{home.socket}', private=True, tell=lambda news: None)\n"
        "async def main():\n"
        "    task = asyncio.create_task(link.run())\n"
        "    while not link.loaded: await asyncio.sleep(0.05)\n"
        "    print(link.system.pid, flush=True); await task\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as interface:
        assert interface.stdout is not None
        pid = int(interface.stdout.readline())
        assert psutil.pid_exists(pid)
        interface.kill()
    await gone(pid)


@pytest.mark.slow
async def test_a_daemon_that_is_let_go_stays(home: House) -> None:
    async with linked(home) as (link, ear):
        await ear.until(lambda: link.loaded)
        pid = pid_of(link)
        await link.close(keep=True)
    async with linked(home) as (link, ear):
        await ear.until(lambda: link.loaded)
        assert (pid_of(link), link.private) == (pid, False)
    # 2 s after nobody listens any more the leash would have ended it.
    with pytest.raises(psutil.TimeoutExpired):
        await asyncio.to_thread(psutil.Process(pid).wait, 4)
    os.kill(pid, signal.SIGTERM)
    await gone(pid)


@pytest.mark.slow
async def test_a_daemon_that_starts_again_is_found_again_with_what_happened_meanwhile(home: House, photo: Path) -> None:
    home.start()
    async with linked(home) as (link, ear):
        await ear.until(lambda: link.loaded)
        assert not link.private
        before = await link.client.submit(photo, hold=True)
        await ear.until(lambda: link.jobs.get(before.id) is not None)
        assert (await asyncio.to_thread(home.does, "stop", "--now")).code == 0
        await ear.until(lambda: link.state is LinkState.OFFLINE)
        assert link.why
        assert link.hint
        assert not link.private  # a daemon of ours would keep the user's from the queue
        await asyncio.to_thread(home.start)
        with home.client() as client:
            client.cancel(before.id)
        await ear.until(lambda: link.jobs.counts["cancelled"] == 1)
        assert ear.states == [LinkState.ONLINE, LinkState.OFFLINE, LinkState.ONLINE]


@pytest.mark.slow
async def test_two_that_start_at_once_have_one_daemon(home: House) -> None:
    async with linked(home) as (one, ear), linked(home) as (two, other):
        await ear.until(lambda: one.loaded)
        await other.until(lambda: two.loaded)
        assert pid_of(one) == pid_of(two)
        assert one.private != two.private


async def test_why_a_daemon_does_not_start_is_said_and_it_is_not_tried_again_by_itself(home: House) -> None:
    home.file.write_text("[engine]\nworker = 2\n")
    async with linked(home) as (link, ear):
        await ear.until(lambda: link.state is LinkState.OFFLINE)
        assert "engine.worker" in link.why
        assert "workers" in f"{link.why} {link.hint}"
        assert link.may_start
        count = len(ear.news)
        home.file.write_text("[engine]\nworkers = 1\n")
        link.start_one()
        await ear.until(lambda: link.state is LinkState.ONLINE)
        assert ear.states == [LinkState.STARTING, LinkState.OFFLINE, LinkState.STARTING, LinkState.ONLINE]
        assert len(ear.news) > count


async def test_without_leave_no_daemon_is_started(home: House) -> None:
    async with linked(home, private=False) as (link, ear):
        await ear.until(lambda: link.state is LinkState.OFFLINE)
        link.start_one()
        assert "no daemon is running" in link.why
        assert not link.may_start
        assert not home.socket.exists()


@pytest.mark.slow
async def test_what_happens_while_jobs_are_read_is_not_missed(home: House, photo: Path) -> None:
    home.start()
    async with AsyncClient(f"unix://{home.socket}") as client:
        roots: list[str] = []

        async def add(seed: int) -> int:
            return (await client.submit(photo, spec={"seed": seed}, hold=True, roots=roots)).id

        numbers = [await add(seed) for seed in range(5)]
        adding = asyncio.create_task(_all_of(add(seed) for seed in range(5, 40)))
        links = []
        async with contextlib.AsyncExitStack() as stack:
            # One after the other, each in the midst of what is being added and cancelled.
            for number in numbers:
                links.append((await stack.enter_async_context(linked(home)))[0])
                await client.cancel(number)
            numbers += await adding
            async with asyncio.timeout(60):
                for link in links:
                    while not (link.loaded and set(numbers) <= set(link.jobs.numbers())):
                        await asyncio.sleep(0.02)
                    while link.jobs.counts["cancelled"] < 5:
                        await asyncio.sleep(0.02)
            assert [link.jobs.counts["queued"] for link in links] == [35] * 5


async def _all_of(jobs: Iterable[Awaitable[int]]) -> list[int]:
    return [await job for job in jobs]
