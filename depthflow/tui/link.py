"""The link to the daemon: finds it, starts a private one if none runs, keeps up with it, and says when it is gone.

It knows no screen: what happens is told to one function.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from depthflow.client import AsyncClient
from depthflow.client.models import ProgressEvent, StateEvent, System
from depthflow.errors import DepthFlowError, ServerError
from depthflow.tui.jobbook import JobBook
from depthflow.tui.private import PrivateDaemon

PAUSE_S = 1.0
"""Between two tries to find a daemon."""
LOOK_S = 2.0
"""Between two looks at the daemon as a whole."""
PAGE = 500


class LinkState(Enum):
    """How it stands with the daemon."""

    SEARCHING = "looking for a daemon"
    STARTING = "starting a daemon"
    ONLINE = "online"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The link is in another state; `why` is for people."""

    state: LinkState
    why: str = ""


@dataclass(frozen=True, slots=True)
class JobsChanged:
    """These jobs are new or changed; None: any of them may have."""

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
    """

    def __init__(self, server: str | None, *, private: bool, tell: Callable[[News], None]) -> None:
        self.client = AsyncClient(server)
        self.jobs = JobBook()
        self.system: System | None = None
        self.state = LinkState.SEARCHING
        self.why = ""
        self._may_start = private and self.client.address.socket is not None
        self._daemon: PrivateDaemon | None = None
        self._tell = tell

    @property
    def private(self) -> bool:
        """The daemon is ours, and ends with us."""
        return self._daemon is not None and self._daemon.alive

    async def run(self) -> None:
        """Keep up with the daemon, until cancelled."""
        while True:
            try:
                await self._found()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen())
                    tasks.create_task(self._look())
            except* DepthFlowError as group:
                self._say(LinkState.OFFLINE, str(group.exceptions[0]))
            await asyncio.sleep(PAUSE_S)

    async def close(self) -> None:
        """End a private daemon, which gives running jobs back to the queue, and the connection."""
        if self._daemon is not None:
            await self._daemon.stop()
        await self.client.aclose()

    async def _found(self) -> None:
        """Raises ServerError: there is no daemon, and none may be or could be started."""
        try:
            await self.client.health()
        except ServerError:
            if not self._may_start:
                raise
            self._say(LinkState.STARTING)
            self._daemon = await PrivateDaemon.start()
            await self.client.health()
        await self._look_once()
        self._say(LinkState.ONLINE)

    async def _listen(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_events())
            tasks.create_task(self._read_pages())

    async def _read_events(self) -> None:
        async with contextlib.aclosing(self.client.events(patience=0)) as events:
            async for event in events:
                if isinstance(event, StateEvent):
                    self._jobs_changed(self.jobs.put([event.job]))
                elif isinstance(event, ProgressEvent):
                    if self.jobs.progress(event.job, event.progress):
                        self._jobs_changed({event.job})
                else:
                    await self._look_once()

    async def _read_pages(self) -> None:
        cursor = None
        while True:
            page = await self.client.page(limit=PAGE, cursor=cursor)
            self._jobs_changed(self.jobs.put(page.items))
            if (cursor := page.next_cursor) is None:
                return

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._look_once()

    async def _look_once(self) -> None:
        self.system = await self.client.system()
        self._tell(SystemChanged(self.system))

    def _jobs_changed(self, numbers: set[int]) -> None:
        if numbers:
            self._tell(JobsChanged(frozenset(numbers)))

    def _say(self, state: LinkState, why: str = "") -> None:
        if (state, why) != (self.state, self.why):
            self.state, self.why = state, why
            self._tell(LinkChanged(state, why))
