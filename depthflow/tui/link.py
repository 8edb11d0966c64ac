"""The link to the daemon: finds it, starts a private one if none runs, keeps up with it, and says when it is gone.

It knows no screen: what happens is told to one function.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from depthflow.client import AsyncClient
from depthflow.client.models import FINAL_STATES, JobState, ProgressEvent, StateEvent, System
from depthflow.errors import DepthFlowError, ServerError
from depthflow.tui.jobbook import JobBook
from depthflow.tui.private import PrivateDaemon

PAUSE_S = 1.0
"""Between two tries to find a daemon."""
LOOK_S = 2.0
"""Between two looks at the daemon as a whole."""
PAGE = 500
MOST_ENDED = 20_000
"""Of the jobs that have ended, so many are kept, the newest ones; of those that have not, all."""
LIVED_S = 30.0
"""A private daemon that lived so long and died is started again; one that died earlier would die again."""
RATES = 60

OPEN_STATES: tuple[JobState, ...] = ("queued", "waiting", "running")


class LinkState(Enum):
    """How it stands with the daemon."""

    SEARCHING = "looking for a daemon"
    STARTING = "starting a daemon"
    ONLINE = "online"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The link is in another state; `why` and `hint` are for people."""

    state: LinkState
    why: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class JobsChanged:
    """These jobs are new, changed or gone; None: any of them may have."""

    jobs: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class SystemChanged:
    """The daemon as a whole was looked at again."""

    system: System


News = LinkChanged | JobsChanged | SystemChanged


class Link:
    """One daemon, for as long as the interface runs.

    Args:
        server: its address; None finds the user's own.
        private: start one if none runs; it ends with the interface.
        tell: hears all news, on the event loop.

    Attributes:
        client: to ask the daemon; it raises ServerError while there is none.
        jobs: all that were heard of.
        system: the last look at the daemon; None before the first.
        rates: frames a second of all jobs, at the last looks.
        loaded: all jobs have been read since the daemon was found.
    """

    def __init__(self, server: str | None, *, private: bool, tell: Callable[[News], None]) -> None:
        self.client = AsyncClient(server)
        self.jobs = JobBook()
        self.system: System | None = None
        self.rates: deque[float] = deque(maxlen=RATES)
        self.state = LinkState.SEARCHING
        self.why = self.hint = ""
        self.loaded = False
        self._may_start = private and self.client.address.socket is not None
        # A daemon of somebody else's that goes away may be on its way back; ours would keep it from its queue.
        self._wanted = self._may_start
        self._wake = asyncio.Event()
        self._daemon: PrivateDaemon | None = None
        self._started = 0.0
        self._running: asyncio.Task[None] | None = None
        self._closing = False
        self._heard: set[int] = set()
        self._missed = 0
        self._tell = tell

    @property
    def private(self) -> bool:
        """The daemon is ours, and ends with us."""
        return self._daemon is not None and self._daemon.alive

    @property
    def shared(self) -> bool:
        """Others follow its jobs too."""
        return self.system is not None and self.system.listeners > 1

    @property
    def local(self) -> bool:
        """The daemon's files are ours too."""
        return self.client.address.socket is not None

    @property
    def may_start(self) -> bool:
        """`start_one` makes sense."""
        return self._may_start and self.state is LinkState.OFFLINE

    def start_one(self) -> None:
        """Look again, and start a private daemon if there is still none."""
        self._wanted = self._may_start
        self._wake.set()

    async def run(self) -> None:
        """Keep up with the daemon, until cancelled."""
        self._running = asyncio.current_task()
        while True:
            try:
                await self._found()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._read_events())
                    tasks.create_task(self._keep_up())
            except Exception as error:
                # A group that is cancelled and whose tasks fail on their way out tells of the failures only.
                if self._closing:
                    raise asyncio.CancelledError from error
                self._lost(error)
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), PAUSE_S)

    async def close(self, *, keep: bool = False) -> None:
        """End a private daemon, which gives running jobs back to the queue, and the connection.

        Args:
            keep: let it go on instead.
        """
        self._closing = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            if keep:
                await daemon.free()
            else:
                await daemon.stop(shared=self.state is LinkState.ONLINE and self.shared)
        await self.client.aclose()

    # -- finding it ------------------------------------------------------------------------------------------------

    async def _found(self) -> None:
        """Raises DepthFlowError: there is no daemon, and none may be or could be started."""
        try:
            await self._look_once()
        except ServerError as error:
            died = self._daemon is not None and not self._daemon.alive
            if died and time.monotonic() - self._started > LIVED_S:
                self._wanted = True
            if not self._wanted:
                raise (self._daemon.why() if died and self._daemon is not None else error) from None
            await self._start()
            await self._look_once()
        self._wanted = False
        self._say(LinkState.ONLINE)

    async def _start(self) -> None:
        self._wanted = False
        self._say(LinkState.STARTING)
        self._daemon = None
        self._daemon = await PrivateDaemon.start(self.client)
        self._started = time.monotonic()

    def _lost(self, error: Exception) -> None:
        reason = next(_leaves(error))
        self.rates.clear()
        if isinstance(reason, DepthFlowError):
            self._say(LinkState.OFFLINE, reason.message, reason.hint)
        else:  # a fault of ours: it is told of, and the interface goes on
            self._say(LinkState.OFFLINE, f"{type(reason).__name__}: {reason}", "this is a fault of the program")

    # -- keeping up ------------------------------------------------------------------------------------------------

    async def _read_events(self) -> None:
        """Events behind the last line of the log that was known before any page is read: so there is no gap."""
        assert self.system is not None  # noqa: S101 - it has been found
        after = self.system.last_event
        async with contextlib.aclosing(self.client.events(after=after, patience=0)) as events:
            async for event in events:
                if isinstance(event, StateEvent):
                    self._heard.add(event.job.id)
                    self._jobs_changed(self.jobs.hear([event.job]))
                elif isinstance(event, ProgressEvent):
                    if self.jobs.progress(event.job, event.progress):
                        self._jobs_changed({event.job})
                else:
                    await self._look_once()

    async def _keep_up(self) -> None:
        """Read all jobs, then look at the daemon now and then, and at the jobs again if their number is another."""
        self.loaded = False
        await self._read_pages()
        self.loaded = True
        self._tell(JobsChanged(None))
        while True:
            await asyncio.sleep(LOOK_S)
            await self._look_once()
            self.rates.append(self.jobs.rate)
            # What has just happened may not have been told yet; a difference that stays is one.
            self._missed = self._missed + 1 if self._differs() else 0
            if self._missed > 1:
                self._missed = 0
                await self._read_pages()

    def _differs(self) -> bool:
        """Jobs have been forgotten by the daemon, or were missed."""
        assert self.system is not None  # noqa: S101 - it was just looked at
        known, there = self.jobs.counts, self.system.jobs
        ended = sum(there.get(state, 0) for state in FINAL_STATES)
        states = [*OPEN_STATES, *(FINAL_STATES if ended <= MOST_ENDED else ())]
        return any(known[state] != there.get(state, 0) for state in states)

    async def _read_pages(self) -> None:
        """What has not ended first: it matters most, and there is less of it."""
        self._heard.clear()
        seen = await self._read(OPEN_STATES, None)
        seen |= await self._read(tuple(FINAL_STATES), MOST_ENDED)
        self._jobs_changed(self.jobs.drop(set(self.jobs.numbers()) - seen - self._heard))

    async def _read(self, states: tuple[JobState, ...], most: int | None) -> set[int]:
        seen: set[int] = set()
        cursor = None
        while most is None or len(seen) < most:
            page = await self.client.page(state=states, limit=PAGE, cursor=cursor)
            seen.update(job.id for job in page.items)
            # An event that came meanwhile knows it better than a page that was on its way.
            self._jobs_changed(self.jobs.hear(job for job in page.items if job.id not in self._heard))
            if (cursor := page.next_cursor) is None:
                break
        return seen

    async def _look_once(self) -> None:
        self.system = await self.client.system()
        self._tell(SystemChanged(self.system))

    def _jobs_changed(self, numbers: set[int]) -> None:
        if numbers:
            self._tell(JobsChanged(frozenset(numbers)))

    def _say(self, state: LinkState, why: str = "", hint: str = "") -> None:
        if (state, why) != (self.state, self.why):
            self.state, self.why, self.hint = state, why, hint
            self._tell(LinkChanged(state, why, hint))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group of groups, ours first."""
    if isinstance(error, BaseExceptionGroup):
        leaves = [leaf for each in error.exceptions for leaf in _leaves(each)]
        yield from sorted(leaves, key=lambda leaf: not isinstance(leaf, DepthFlowError))
    else:
        yield error
