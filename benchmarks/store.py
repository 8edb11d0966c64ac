"""The daemon's store with many jobs: milliseconds to list a page, take a job, count by state, and add.

    python benchmarks/store.py [--jobs 100000] [--rounds 50]

Prints median, worst and CPU over the rounds, with the machine, its load and the date.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from depthflow_daemon.store import Store

from depthflow.jobs.spec import JobSpec


def filled(path: Path, jobs: int) -> Store:
    """A store with this many jobs of all kinds, written past the store's own one-by-one way."""
    store = Store(path)
    spec = JobSpec(photo="/in/photo.jpg").to_json()
    states = ("queued", "queued", "queued", "waiting", "done", "done", "done", "failed", "skipped")
    with store._database.transaction() as db:
        db.execute("INSERT INTO windows VALUES ('22:00-06:00')")
        db.executemany(
            "INSERT INTO jobs (key, state, source, spec, priority, window, boot, ready, added_at, changed_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
            (
                (
                    f"{n:064x}",
                    states[n % len(states)],
                    f"pictures/2026/summer/{n}.jpg",
                    spec,
                    n % 7,
                    "22:00-06:00" if n % 5 == 0 else "",
                    store._boot,
                    time.monotonic() + 1e6,
                )
                for n in range(jobs)
            ),
        )
    return store


def milliseconds(work: Callable[[], object], rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - start))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=50)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, filled(Path(folder) / "store.db", args.jobs) as store:
        number = iter(range(10**9))
        middle = args.jobs // 2
        rows: dict[str, Callable[[], object]] = {
            "list the newest page (50)": store.page,
            "list the oldest page": lambda: store.page(after=0),
            "list a page in the middle": lambda: store.page(before=middle),
            "list a page of failed jobs": lambda: store.page(state="failed", before=middle),
            "list failed and waiting jobs": lambda: store.page(state=("failed", "waiting")),
            "search, many found": lambda: store.page(search=".jpg"),
            "search, one found": lambda: store.page(search=f"/{middle}.jpg"),
            "search, none found": lambda: store.page(search="nothing"),
            "a folder's failed, none found": lambda: store.page(below="/elsewhere", state="failed"),
            "count by state": store.counts,
            "take a job": lambda: store.take("worker"),
            "add a job": lambda: store.add(f"new-{next(number)}", "{}", source="/in/new.jpg", outputs=["/out/new.mp4"]),
        }
        machine = f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        print(f"{datetime.date.today()}, {machine}, {args.jobs} jobs\n")
        print(f"{'':<30}{'median ms':>12}{'worst ms':>12}{'CPU ms':>12}")
        for name, work in rows.items():
            cpu = time.process_time()
            took = milliseconds(work, args.rounds)
            cpu = 1000 * (time.process_time() - cpu) / args.rounds
            print(f"{name:<30}{statistics.median(took):>12.2f}{max(took):>12.2f}{cpu:>12.2f}")


if __name__ == "__main__":
    main()
