"""The pane beside or below the table: all that is known of one job, with its photo and its depth."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.css.query import NoMatches
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from depthflow.client import AsyncClient
from depthflow.client.models import Job, JobDetail
from depthflow.errors import DepthFlowError
from depthflow.tui import command, facts, thumbnails
from depthflow.tui.joblist import name_of
from depthflow.tui.widgets.picture import Picture

if TYPE_CHECKING:
    from PIL.Image import Image

SETTLE_S = 0.12
"""A cursor that runs over the rows asks for nothing before it stands still for so long."""
KEPT = 64
"""Pictures of so many jobs are kept."""

_SECTIONS = ("progress", "look", "stages", "outputs", "command", "log")
_TITLES = {"stages": "Time", "outputs": "Results", "command": "The same by hand", "log": "What happened"}


class Facts(VerticalScroll):
    """What is said of the job; it tells when its width is another."""

    class Resized(Message):
        """Bars fit no more."""

    def on_resize(self, event: events.Resize) -> None:
        self.post_message(self.Resized())


class JobPane(Vertical):
    """Shows one job, and keeps up with it.

    Attributes:
        job: the one that is shown; None for none.
        detail: all that is known of it; None until the daemon has said it.
    """

    DEFAULT_CSS = """
    JobPane {
        background: $surface; padding: 0 1;
        & #pane-title { height: 1; text-style: bold; color: $text-primary; }
        & #pictures { height: 10; margin: 0 0 1 0; display: none; }
        & #pictures.shown { display: block; }
        & #pictures Picture { width: 1fr; height: 1fr; }
        & #depth { margin-left: 1; }
        & Static { width: 1fr; height: auto; }
        & .title { color: $text-muted; text-style: bold; margin-top: 1; }
        & #facts { height: 1fr; scrollbar-size-vertical: 1; }
    }
    """

    def __init__(self, client: Callable[[], AsyncClient], clock: Callable[[], datetime], *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.job: Job | None = None
        self.detail: JobDetail | None = None
        self._said: Content | None = None
        self._client, self._clock = client, clock
        self._pictures: OrderedDict[int, tuple[Image | None, Image | None]] = OrderedDict()

    def compose(self) -> ComposeResult:
        yield Static(id="pane-title")
        with Horizontal(id="pane-body"):
            with Horizontal(id="pictures"):
                yield Picture(id="photo")
                yield Picture(id="depth")
            with Facts(id="facts", can_focus=True):
                yield Static(id="headline")
                for name in _SECTIONS:
                    if name in _TITLES:
                        title = Static(_TITLES[name], classes="title", id=f"title-{name}")
                        title.display = False
                        yield title
                    yield Static(id=f"pane-{name}")

    def show(self, job: Job | None, *, again: bool = False) -> None:
        """Show this job as it is now.

        Args:
            again: something has happened to it, and not only its progress.
        """
        other = (None if job is None else job.id) != (None if self.job is None else self.job.id)
        self.job = job
        if other:
            self.detail, self._said = None, None
            self._draw()
            if job is not None:
                self._draw_pictures(*self._pictures.get(job.id, (None, None)))
        elif job is not None:
            self._draw_now(job)
        if job is not None and (other or again):
            self._ask(job.id, settle=other)

    @work(exclusive=True, group="detail")
    async def _ask(self, number: int, *, settle: bool) -> None:
        """What the table does not know: spec, results, attempts, log; then the pictures."""
        with suppress(NoMatches):  # the interface ends meanwhile
            await self._asked(number, settle=settle)

    async def _asked(self, number: int, *, settle: bool) -> None:
        if settle:
            await asyncio.sleep(SETTLE_S)
        try:
            detail = await self._client().job(number)
        except DepthFlowError as error:
            if self.job is not None and self.job.id == number and self.detail is None:
                self._put("log", Content.styled(str(error), "$text-warning"))
            return
        if detail is None or self.job is None or self.job.id != number:
            return
        self.detail = detail
        self._said = await asyncio.to_thread(_command, detail)
        self._draw(self._said)
        photo, depth = self._pictures.get(number, (None, None))
        if photo is None or depth is None:
            photo = photo or await self._picture(self._client().thumbnail, number)
            self._draw_pictures(photo, depth)
            depth = depth or await self._picture(self._client().depth, number)
            self._draw_pictures(photo, depth)
            self._pictures[number] = photo, depth
            while len(self._pictures) > KEPT:
                self._pictures.popitem(last=False)

    async def _picture(self, ask: Callable[..., object], number: int) -> Image | None:
        try:
            data = await ask(number)  # type: ignore[misc]
            return await asyncio.to_thread(thumbnails.of_png, data) if data else None
        except DepthFlowError:
            return None  # a photo that is gone, a depth map that is not made yet

    def on_facts_resized(self, event: Facts.Resized) -> None:
        event.stop()
        if self.job is not None:
            self._draw(self._said)

    # -- drawing ---------------------------------------------------------------------------------------------------

    def _draw_pictures(self, photo: Image | None, depth: Image | None) -> None:
        self.query_one("#photo", Picture).set_image(photo)
        self.query_one("#depth", Picture).set_image(depth)
        self.query_one("#depth").display = depth is not None
        self.query_one("#pictures").set_class(photo is not None or depth is not None, "shown")

    def _draw_now(self, job: Job) -> None:
        self.query_one("#headline", Static).update(facts.headline(job, self._clock()))
        self._put("progress", facts.progress(job, self._room))

    def _draw(self, said: Content | None = None) -> None:
        job, detail = self.job, self.detail
        self.query_one("#pane-title", Static).update("" if job is None else Content(name_of(job)))
        if job is None:
            self.query_one("#headline", Static).update(Content.styled("no job", facts.DIM))
            for name in _SECTIONS:
                self._put(name, Content(""))
            self._draw_pictures(None, None)
            return
        self._draw_now(job)
        nothing = Content("")
        self._put("look", nothing if detail is None else facts.look(detail.spec, job))
        self._put("stages", nothing if detail is None else facts.stages(facts.timings(detail), self._room))
        self._put("outputs", nothing if detail is None else facts.outputs(detail.outputs))
        self._put("command", said or nothing)
        self._put("log", nothing if detail is None else facts.log(detail.log, self._clock()))

    def _put(self, name: str, said: Content) -> None:
        shown = bool(said.plain)
        where = self.query_one(f"#pane-{name}", Static)
        where.update(said)
        where.display = shown
        if name in _TITLES:
            self.query_one(f"#title-{name}").display = shown

    @property
    def _room(self) -> int:
        return self.query_one("#facts", Widget).size.width - 1


def _command(detail: JobDetail) -> Content:
    try:
        made = command.render_command({**detail.spec, "photo": detail.spec.get("photo", detail.source)})
    except DepthFlowError as error:
        return Content.styled(str(error), "$text-warning")
    said = [Content(str(made))]
    if not made.whole:
        said.append(Content.styled(
            f"not all of it has an option; depthflow show {detail.id} --job prints it for depthflow make", facts.DIM
        ))  # fmt: skip
    return facts.lines(said)
