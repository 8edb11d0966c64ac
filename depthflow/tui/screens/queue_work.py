"""What can be done with the jobs of the queue. How they are shown is `queue`'s matter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textual import work

from depthflow.client.models import Job, JobDetail, Output
from depthflow.errors import DepthFlowError, InputError
from depthflow.images import is_photo_name, list_photos
from depthflow.tui import command, opening, sending
from depthflow.tui.doing import AT_ONCE, Outcome, each
from depthflow.tui.joblist import name_of
from depthflow.tui.link import LinkState
from depthflow.tui.pasted import paths_in
from depthflow.tui.screens.asking import Confirm
from depthflow.tui.screens.base import Place
from depthflow.tui.screens.queue_sheets import Again
from depthflow.tui.widgets.jobtable import JobTable
from depthflow.tui.widgets.offer import Offer

MOST_PHOTOS = 10_000
"""Photos that are added at once; more come by a watched folder."""
IN_ORDER = 100
"""Photos up to which one is queued after the other, so that they are made in the order in which they were named."""


class QueueWork(Place):
    """The commands of the queue. They mean the selected jobs, else the one under the cursor."""

    table: JobTable

    # -- changing jobs ---------------------------------------------------------------------------------------------

    @work(group="work")
    async def action_pause(self) -> None:
        if not self._online():
            return
        paused = self.link.system is not None and self.link.system.paused
        client = self.link.client
        if await self._done(client.resume() if paused else client.pause()):
            said = "The queue goes on." if paused else "The queue is paused: no job begins; what runs goes on."
            self.notify(said)

    def action_hold(self) -> None:
        jobs = [job for job in self.table.targets() if not job.ended]
        hold = not all(job.held for job in jobs)
        self._to_each(jobs, lambda job: self.link.client.change(job.id, hold=hold), "held" if hold else "released")

    def action_priority(self, more: int) -> None:
        jobs = [job for job in self.table.targets() if not job.ended]

        def change(job: Job) -> Awaitable[Job]:
            return self.link.client.change(job.id, priority=max(-100, min(100, job.priority + more)))

        did = f"moved to priority {max(-100, min(100, jobs[0].priority + more)):+}" if len(jobs) == 1 else (
            "moved forward" if more > 0 else "moved back")  # fmt: skip
        self._to_each(jobs, change, did)

    @work(group="sure", exclusive=True)
    async def action_cancel(self) -> None:
        jobs = [job for job in self.table.targets() if not job.ended]
        running = sum(job.state == "running" for job in jobs)
        # A queued job comes back by one key; what was drawn of a running one is lost.
        if running or len(jobs) > 1:
            said = f"Cancel {_count(jobs)}?" + (
                f" {running} of them running: what was drawn is lost." if running else ""
            )
            if len(jobs) == 1:
                said = f"Cancel {name_of(jobs[0])}? It is running: what was drawn is lost."
            if not await self.app.push_screen_wait(
                Confirm("Cancel", said, yes="Cancel it" if len(jobs) == 1 else "Cancel them")
            ):
                return
        self._to_each(jobs, lambda job: self.link.client.cancel(job.id), "cancelled")

    def action_retry(self) -> None:
        jobs = [job for job in self.table.targets() if job.state in ("failed", "cancelled", "waiting")]
        self._to_each(jobs, lambda job: self.link.client.retry(job.id), "queued again")

    @work(group="work")
    async def _to_each(self, jobs: Sequence[Job], act: Callable[[Job], Awaitable[Job]], did: str) -> None:
        if not self._online():
            return
        if not jobs:
            self.notify(self._why_not(did.partition(" to ")[0]), severity="warning", markup=False)
            return
        self._sum_up(await each(jobs, act), did)

    def _why_not(self, did: str) -> str:
        """Why nothing can be done: what the jobs are that were meant."""
        jobs = self.table.targets()
        if len(jobs) != 1:
            return f"None of these {len(jobs)} jobs can be {did}." if jobs else "There is no job."
        return f"{name_of(jobs[0])} is {jobs[0].state}: it cannot be {did}."

    def _sum_up(self, outcome: Outcome[Job], did: str) -> None:
        """Show the answers at once, and say in one sentence what came of it."""
        self.hear_answers(outcome.done)
        said, hint, severity = outcome.sentence(did)
        self.notify(f"{said}\n{hint}" if hint else said, severity=severity, markup=False)  # type: ignore[arg-type]

    def hear_answers(self, jobs: Sequence[Job]) -> None:
        if news := self.link.jobs.put(job for job in jobs if job is not None):
            self.table.changed(news)

    # -- adding ----------------------------------------------------------------------------------------------------

    @work(group="sheet", exclusive=True)
    async def action_add(self) -> None:
        await self._choose(None)

    @work(group="sheet", exclusive=True)
    async def action_new(self) -> None:
        """From the photo of the job under the cursor."""
        jobs = self.table.targets()
        await self._choose(Path(jobs[0].source) if jobs else None)

    async def _choose(self, photo: Path | None) -> None:
        from depthflow.tui.screens.add_photos import AddPhotos

        if not self._online():
            return
        chosen = await self.app.push_screen_wait(AddPhotos(await self.presets(), self.flow_preset, photo))
        if chosen is not None:
            paths, preset = chosen
            self.send(paths, preset=preset)

    @work(group="offer", exclusive=True)
    async def offer(self, text: str) -> None:
        """Something was pasted or dropped: ask about the photos and folders that it names."""
        if not self._online():
            return
        found = await asyncio.to_thread(_photos_and_folders, text)
        if not found:
            self.notify("There is no photo or folder in what was pasted.", severity="warning")
            return
        presets = await self.presets()
        if self.is_attached:
            self.query_one(Offer).show(found, presets, self.flow_preset)

    @work(group="send")
    async def send(self, paths: Sequence[Path], *, preset: str | None, spec: Mapping[str, Any] | None = None) -> None:
        """Queue photos, and all photos in folders."""
        if not self._online():
            return
        self.flow_preset = preset
        try:
            photos = await asyncio.to_thread(_all_photos, paths)
        except DepthFlowError as error:
            self.say(error)
            return
        roots = None if self.link.system is None else self.link.system.roots

        async def submit(photo: str) -> Job:
            return await sending.submit(self.link.client, photo, preset=preset, spec=spec, roots=roots)

        outcome = await each(photos, submit, at_once=1 if len(photos) <= IN_ORDER else AT_ONCE)
        self.hear_answers(outcome.done)
        skipped = sum(job is not None and job.state == "skipped" for job in outcome.done)
        did = f"queued{f' with {preset}' if preset else ''}" + (f", {skipped} of them made already" if skipped else "")
        self._sum_up(outcome, did)
        self._go_to(outcome.done)

    def _go_to(self, jobs: Sequence[Job]) -> None:
        """Put the cursor on the first of these."""
        if jobs and jobs[0] is not None:
            self.table.changed({jobs[0].id})  # the book may have heard of it by an event that is not shown yet
            self.table.go(jobs[0].id)

    flow_preset: str | None = None
    """The preset that was chosen last."""

    async def presets(self) -> list[str]:
        """Names of the daemon's library; none if it does not say."""
        try:
            return [preset.name for preset in await self.link.client.presets() or ()]
        except DepthFlowError as error:
            self.say(error)
            return []

    # -- the same again --------------------------------------------------------------------------------------------

    @work(group="sheet", exclusive=True)
    async def action_again(self) -> None:
        jobs = self.table.targets()
        if not jobs or not self._online():
            return
        detail = await self._detail(jobs[0])
        if detail is None:
            return
        outputs = detail.spec.get("outputs") or [{}]
        sheet = Again(
            name_of(jobs[0]),
            await self.presets(),
            detail.preset,
            outputs[0],
            count=len(jobs),
            studio=len(jobs) == 1,
        )
        answer = await self.app.push_screen_wait(sheet)
        if answer == "studio":
            self.flow.open_in_studio(detail.spec.get("photo", detail.source), detail.spec)
        elif answer is not None:
            await self._submit_again(jobs, *answer)

    async def _submit_again(self, jobs: Sequence[Job], preset: str | None, output: dict[str, Any]) -> None:
        async def submit(job: Job) -> Job:
            detail = await self.link.client.job(job.id)
            look = preset in (None, detail.preset)
            parts = sending.varied(detail.spec, same_look=look, output=output)
            photo = detail.spec.get("photo", job.source)
            return await sending.submit(self.link.client, photo, preset=None if look else preset, spec=parts)

        outcome = await each(jobs, submit)
        self._sum_up(outcome, "queued")
        self._go_to(outcome.done)

    async def _detail(self, job: Job) -> JobDetail | None:
        try:
            return await self.link.client.job(job.id)
        except DepthFlowError as error:
            self.say(error)
            return None

    # -- results ---------------------------------------------------------------------------------------------------

    @work(group="open", exclusive=True)
    async def action_open(self) -> None:
        await self._open(folder=False)

    @work(group="open", exclusive=True)
    async def action_open_folder(self) -> None:
        await self._open(folder=True)

    async def _open(self, *, folder: bool) -> None:
        jobs = self.table.targets()
        detail = await self._detail(jobs[0]) if jobs else None
        if detail is None:
            return
        if detail.same_as and not any(output.made for output in detail.outputs):
            detail = await self.link.client.job(detail.same_as)
        made = [output for output in detail.outputs if output.made]
        if not made:
            self.notify(f"{name_of(detail)} has no result yet.", severity="warning", markup=False)
            return
        try:
            path = await self._here(detail, made[0])
            await opening.open_path(path.parent if folder else path)
        except DepthFlowError as error:
            self.say(error)

    async def _here(self, detail: JobDetail, output: Output) -> Path:
        """The result on this computer; fetched, if the daemon is on another one."""
        path = Path(output.path)
        if self.link.local and await asyncio.to_thread(path.exists):
            return path
        if self.link.local and not await asyncio.to_thread(path.parent.exists):
            raise InputError(f"{path}: is not there any more", "d makes it again")
        target = await asyncio.to_thread(opening.download_place, path.name)
        self.notify(f"fetching {path.name} …", markup=False)
        await self.link.client.download(detail.id, output.number, target)
        self.notify(f"saved as {target}", markup=False)
        return target

    @work(group="copy", exclusive=True)
    async def action_copy(self) -> None:
        jobs = self.table.targets()
        detail = await self._detail(jobs[0]) if jobs else None
        if detail is None:
            return
        try:
            made = await asyncio.to_thread(command.render_command, {"photo": detail.source, **detail.spec})
        except DepthFlowError as error:
            self.say(error)
            return
        self.app.copy_to_clipboard(str(made))
        self.notify("The command is on the clipboard." if made.whole else
                    "The command is on the clipboard; something of this job has no option, see details.")  # fmt: skip

    # -- saying ----------------------------------------------------------------------------------------------------

    def _online(self) -> bool:
        if self.link.state is LinkState.ONLINE:
            return True
        self.notify(f"{self.link.state.value}: {self.link.why}".strip(": "), severity="error", markup=False)
        return False

    async def _done(self, request: Awaitable[Any]) -> bool:
        try:
            await request
        except DepthFlowError as error:
            self.say(error)
            return False
        return True

    def say(self, error: DepthFlowError) -> None:
        """An error, with the way out."""
        self.notify(f"{error.message}\n{error.hint}".strip(), severity="error", markup=False)


def _count(jobs: Sequence[Job]) -> str:
    return "1 job" if len(jobs) == 1 else f"{len(jobs)} jobs"


def _photos_and_folders(text: str) -> list[str]:
    return [str(path) for path in paths_in(text) if path.is_dir() or is_photo_name(path.name)]


def _all_photos(paths: Sequence[Path]) -> list[str]:
    """Raises PhotoError: a folder cannot be read. InputError: there are none, or too many."""
    photos = list_photos([str(path) for path in paths], recursive=True)
    if not photos:
        raise InputError("there are no photos in it", "jpg, png, webp, heic and so on are taken")
    if len(photos) > MOST_PHOTOS:
        raise InputError(f"{len(photos)} photos at once are too many", "watch the folder instead (F3)")
    return photos
