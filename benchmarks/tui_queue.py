"""The queue's table with many jobs: milliseconds to read them in, filter, sort, take in live news, and draw a frame.

    python benchmarks/tui_queue.py [--jobs 10000] [--rounds 30]

Prints median, worst and CPU over the rounds, with the machine, its load and the date. No daemon and no terminal: frames
are drawn as far as the text that a terminal would be sent. A frame is 160x50 cells, the pane beside the table closed.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "tui"))

from fakes import NOW, FakeLink, job

from depthflow.client.models import Job, Progress
from depthflow.tui.app import DepthFlowApp
from depthflow.tui.jobbook import JobBook
from depthflow.tui.joblist import JobList, Query
from depthflow.tui.screens.queue import QueueScreen

RUNNING = 8
Row = tuple[str, Callable[[], object]]


def jobs(count: int) -> list[Job]:
    """Of all kinds; a few run."""
    states = ("queued", "queued", "done", "done", "done", "failed", "waiting", "cancelled")
    names = ("film", "night", "cinematic", None)
    return [
        job(
            number,
            "running" if number <= RUNNING else states[number % len(states)],
            source=f"pictures/2026/summer/IMG_{number:06}.jpg",
            preset=names[number % 4],
            priority=number % 7,
            changed_at=NOW + datetime.timedelta(seconds=number % 1009),
        )
        for number in range(1, count + 1)
    ]


def news(book: JobBook, rng: random.Random, count: int) -> set[int]:
    """What a busy tenth of a second brings: progress of all that run, and some jobs that begin or end."""
    for number in range(1, RUNNING + 1):
        done = rng.randrange(150)
        book.progress(number, Progress(stage="render", done=done, total=150, seconds=3.0, rate=done / 3))
    changed = {rng.randrange(RUNNING + 1, len(book)) for _ in range(count)}
    found = [each for number in changed if (each := book.get(number)) is not None]
    book.hear(each.model_copy(update={"state": rng.choice(("queued", "done", "failed"))}) for each in found)
    return changed | set(range(1, RUNNING + 1))


def of_the_models(all_jobs: list[Job]) -> list[Row]:
    book = JobBook()
    book.put(all_jobs)
    rows = JobList(book)
    rng = random.Random(1)  # noqa: S311
    texts = ("7 summer", "film", "img_00", "")

    def read() -> None:
        fresh = JobBook()
        for start in range(0, len(all_jobs), 500):
            fresh.hear(all_jobs[start : start + 500])

    return [
        ("read all into the book", read),
        ("filter by text", lambda: rows.set(query=Query(rng.choice(texts)))),
        ("filter by state", lambda: rows.set(query=Query("", frozenset({rng.choice(("done", "failed", "queued"))})))),
        ("sort by name", lambda: (rows.set(query=Query()), rows.set(sort="name"))[1]),
        ("sort by whose turn it is", lambda: rows.set(sort="turn")),
        ("8 jobs' progress", lambda: rows.update(news(book, rng, 0))),
        ("8 jobs' progress, 20 jobs' states", lambda: rows.update(news(book, rng, 20))),
    ]


def milliseconds(work: Callable[[], object], rounds: int) -> tuple[list[float], float]:
    """Of each round, and CPU time of them all together by their number."""
    found = []
    cpu = time.process_time()
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - start))
    return found, 1000 * (time.process_time() - cpu) / rounds


def say(name: str, found: list[float], cpu: float) -> None:
    print(f"{name:<44}{statistics.median(found):>10.2f}{max(found):>10.2f}{cpu:>10.2f}")


async def of_the_screen(all_jobs: list[Job], rounds: int) -> None:
    """The same with a screen around it."""
    link = FakeLink(all_jobs)
    app = DepthFlowApp(link=link)  # type: ignore[arg-type]
    rng = random.Random(2)  # noqa: S311
    async with app.run_test(size=(160, 50)) as pilot:
        while not (isinstance(app.screen, QueueScreen) and len(app.screen.jobs) == len(all_jobs)):
            await pilot.pause()
        screen = app.screen
        table = screen.table
        await pilot.press("enter")

        def frame() -> None:
            for y in range(table.size.height):
                table.render_line(y)

        def drawn(change: Callable[[], object]) -> None:
            """More than what is sent then: all of the screen, and not only what has changed."""
            change()
            screen._compositor.render_update(full=True)

        def busy() -> None:
            table.changed(news(link.jobs, rng, 20))

        say("all lines of a frame, nothing kept", *milliseconds(frame, rounds))
        for name, change in (
            ("news of 28 jobs, and all of the screen", busy),
            ("one line down, and all of the screen", lambda: table.action_move(1)),
            ("a page down, and all of the screen", lambda: table.action_page(1)),
        ):
            say(name, *milliseconds(partial(drawn, change), rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    all_jobs = jobs(options.jobs)
    print(f"{options.jobs} jobs, {options.rounds} rounds; {platform.machine()}, {os.cpu_count()} cores, "
          f"load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, {datetime.date.today()}")  # fmt: skip
    print(f"{'milliseconds':<44}{'median':>10}{'worst':>10}{'CPU':>10}")
    for name, work in of_the_models(all_jobs):
        say(name, *milliseconds(work, options.rounds))
    asyncio.run(of_the_screen(all_jobs, options.rounds))


if __name__ == "__main__":
    main()
