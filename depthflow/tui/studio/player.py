"""Keeps a live preview in step with what is wanted: begins it, changes it, reads its frames, and begins it anew.

The newest wish wins: while one change is under way, those that come meanwhile become one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from depthflow.client.frames import Frame
from depthflow.client.models import PreviewShow
from depthflow.errors import DepthFlowError, ServerError, UsageError

if TYPE_CHECKING:
    from depthflow.client import AsyncClient

AGAIN_S = 1.0
"""Before a daemon that does not answer, or has no room, is asked again."""
NARROWEST, WIDEST = 8, 1024
"""Sides that a preview may have."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be shown.

    Attributes:
        photo, preset, spec: as for `AsyncClient.begin_preview`.
        size: (width, height) of a frame.
        show: the clip, or its depth.
        paused: stand still.
        at: stand still at this part of the clip, 0 to 1; None plays.
    """

    photo: str
    preset: str | None
    spec: Mapping[str, Any]
    size: tuple[int, int]
    rate: float = 15.0
    show: PreviewShow = "result"
    paused: bool = False
    at: float | None = None


class Player:
    """One preview after the other, for as long as `run` runs.

    Args:
        client: to ask the daemon by.
        frame: hears every frame, and every problem in a frame's place.
        trouble: hears why nothing is shown, and "" when something is.
        told: hears the whole job that the daemon made of a wish.

    Attributes:
        revision: of the newest wish that the daemon knows; frames with it, or a later one, show that.
    """

    def __init__(
        self,
        client: AsyncClient,
        *,
        frame: Callable[[Frame], None],
        trouble: Callable[[DepthFlowError | None], None],
        told: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._frame, self._trouble, self._told = frame, trouble, told
        self._wish: Wish | None = None
        self._shown: Wish | None = None
        self._preview: str | None = None
        self._news = asyncio.Event()
        self._refused = False
        self.revision = 0

    def want(self, wish: Wish | None) -> None:
        """Show this from now on; None shows nothing."""
        if wish != self._wish:
            self._wish = wish
            self._news.set()

    async def run(self) -> None:
        """Until cancelled: then the preview waits, for the daemon to end it if nobody comes back."""
        while True:
            wish = await self._wished()
            try:
                await self._open(wish)
                await self._play()
            except DepthFlowError as error:
                self._trouble(error)
                if self._wish == wish:  # else a better one came while it was tried
                    await self._after(error)

    async def close(self) -> None:
        """End the preview."""
        if self._preview is not None:
            preview, self._preview, self._shown = self._preview, None, None
            with contextlib.suppress(DepthFlowError):
                await self._client.end_preview(preview)

    async def _wished(self) -> Wish:
        while self._wish is None:
            self._news.clear()
            await self.close()
            await self._news.wait()
        return self._wish

    async def _open(self, wish: Wish) -> None:
        """Have a preview that shows the wish: the one that is there, or a new one."""
        if self._preview is not None and self._shown is not None and _alike(self._shown, wish):
            # After a pause it may have been ended meanwhile.
            with contextlib.suppress(UsageError):
                await self._change(wish)
                return
        await self.close()
        self._news.clear()
        width, height = wish.size
        begun = await self._client.begin_preview(
            wish.photo,
            spec=dict(wish.spec),
            preset=wish.preset,
            width=width,
            height=height,
            rate=wish.rate,
            show=wish.show,
        )
        self._preview, self._shown, self.revision = begun.id, wish, begun.revision
        self._told(begun.spec)
        if wish.paused or wish.at is not None:
            self._shown = replace(wish, paused=False, at=None)
            await self._change(wish)

    async def _play(self) -> None:
        """Read frames and pass wishes on, until another preview is needed."""
        assert self._preview is not None  # noqa: S101 - just opened
        reading = asyncio.create_task(self._read(self._preview))
        changing = asyncio.create_task(self._follow())
        try:
            done, _ = await asyncio.wait((reading, changing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, changing):
                task.cancel()
            await asyncio.gather(reading, changing, return_exceptions=True)
        if reading in done:
            self._preview = self._shown = None  # it has ended
        for task in done:
            task.result()

    async def _read(self, preview: str) -> None:
        any_came = False
        async with contextlib.aclosing(self._client.frames(preview)) as frames:
            async for frame in frames:
                any_came = True
                if not frame.problem and not self._refused:
                    self._trouble(None)
                self._frame(frame)
        if not any_came:
            raise ServerError("the preview ended before it showed anything", "the daemon's log may tell why")

    async def _follow(self) -> None:
        """Pass on what is wished, until that is another clip."""
        while True:
            self._news.clear()
            wish = self._wish
            if wish is None or self._shown is None or not _alike(self._shown, wish):
                return
            if wish != self._shown:
                try:
                    await self._change(wish)
                except UsageError as error:
                    # What was shown goes on; the next wish may be better.
                    self._refused = True
                    self._trouble(error)
                    await self._news.wait()
                    continue
            if wish == self._wish:
                await self._news.wait()

    async def _change(self, wish: Wish) -> None:
        assert self._preview is not None and self._shown is not None  # noqa: S101, PT018
        preview, before = self._preview, self._shown
        asked: dict[str, Any] = {}
        if wish.preset != before.preset:
            asked = {"preset": wish.preset, "spec": dict(wish.spec)}
        elif wish.spec != before.spec:
            asked = {"spec": difference(before.spec, wish.spec)}
        if wish.size != before.size:
            asked |= {"width": wish.size[0], "height": wish.size[1]}
        asked |= {
            name: getattr(wish, name) for name in ("rate", "show") if getattr(wish, name) != getattr(before, name)
        }
        if (wish.at, wish.paused) != (before.at, before.paused):
            asked |= {"paused": wish.paused} if wish.at is None else {"at": wish.at}
        changed = await self._client.change_preview(preview, **asked)
        if self._preview != preview:
            return  # it was closed meanwhile
        self._shown, self.revision, self._refused = wish, changed.revision, False
        self._told(changed.spec)

    async def _after(self, error: DepthFlowError) -> None:
        """Wait: for another wish if it was that, else a moment."""
        self._news.clear()
        patience = None if isinstance(error, UsageError) else AGAIN_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), patience)


def _alike(one: Wish, other: Wish) -> bool:
    """A preview of the one can be changed into the other."""
    return one.photo == other.photo and (one.preset == other.preset or other.preset is not None)


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What must be laid over `old` to make it `new`; None takes a key out. Lists of outputs hold one each."""
    made: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if key == "outputs" and before:
            if value != before:
                made[key] = [difference(before[0], value[0])]
        elif isinstance(value, Mapping) and isinstance(before, Mapping):
            if value != before:
                made[key] = difference(before, value)
        elif key not in old or value != before:
            made[key] = value
    return made
