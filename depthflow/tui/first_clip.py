"""The first video of a new user: the photo that ships, small and short, made by the daemon. It draws no screen."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from depthflow import paths
from depthflow.client import AsyncClient
from depthflow.client.models import Job
from depthflow.errors import ServerError

SPEC = {"motion": {"name": "orbital"}, "outputs": [{"format": "mp4", "size": "480p", "fps": 24.0, "duration": 3.0}]}
NAME = "depthflow-boats.mp4"
STAGES = {"load": 0.02, "depth": 0.05, "prepare": 0.2, "render": 0.3, "publish": 0.95}
"""Where in the whole each stage begins; a guess that only the bar shows."""


@dataclass(frozen=True, slots=True)
class Clip:
    """The video, and how long the user waited for it, seconds."""

    file: Path
    seconds: float


def sample() -> Path:
    """The photo that ships."""
    return paths.data("config", "samples", "boats.jpg")


def place() -> Path:
    """A new file for the video: in the user's ~/Videos (~/Movies) if there is one, else in out/ below this folder."""
    homes = [Path.home() / name for name in ("Videos", "Movies")]
    folder = next((home for home in homes if home.is_dir() and os.access(home, os.W_OK)), Path.cwd() / "out")
    file, number = folder / NAME, 2
    while file.exists():
        file, number = folder / f"{Path(NAME).stem}-{number}.mp4", number + 1
    return file


async def make(client: AsyncClient, file: Path, tell: Callable[[Job], None]) -> Clip:
    """Have it made, and fetch it.

    Args:
        file: gets its name when it is whole; its folder is made.
        tell: hears of the job whenever it moves on.

    Raises:
        DepthFlowError: there is no daemon, the job failed, or the file cannot be written.
    """
    start = monotonic()
    # Sent along: the daemon's result beside the photo would be a file in the program's own folder.
    job = await client.submit(sample(), spec=SPEC, roots=())
    number = job.same_as or job.id
    try:
        async for now in client.follow(number):
            job = now
            tell(now)
    except asyncio.CancelledError:
        await client.cancel(number)
        raise
    if job.state != "done":
        raise ServerError(job.error or f"job {job.id} was {job.state}", "depthflow doctor tells what is wrong")
    await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
    return Clip(await client.download(number, 1, file), monotonic() - start)


def share(job: Job) -> float:
    """How much of it is done, 0 to 1."""
    progress = job.progress
    if job.ended:
        return 1.0
    if progress is None or progress.stage not in STAGES:
        return 0.0
    begin = STAGES[progress.stage]
    end = min([each for each in STAGES.values() if each > begin], default=1.0)
    return begin + (end - begin) * (progress.done / progress.total if progress.total else 0.0)
