"""The daemon's engine by itself: its start, what it adds to a job, how late progress comes, and idling.

    python benchmarks/engine.py [--jobs 60] [--idle 15]

The jobs do nothing. "Start" is from the first job's arrival until a worker has it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from depthflow_daemon.config import EngineSettings
from depthflow_daemon.engine import Engine
from depthflow_daemon.store import Store


def nothing(order: dict[str, Any]) -> None:
    """A worker's work: progress ten times a second, as often as the job says, then its end."""
    from depthflow_daemon import worker

    say = worker.begin(order)
    pause = threading.Event()
    for _ in range(order["spec"].get("events", 0)):
        say(progress={"stage": "render", "sent": time.time()})
        pause.wait(0.1)
    say(outcome={"done": {}})


def row(name: str, value: str) -> None:
    print(f"{name:<44}{value}")


def idle(seconds: float) -> None:
    mine = psutil.Process()
    processes = [mine, *mine.children(recursive=True)]
    before = [sum(process.cpu_times()[:2]) for process in processes]
    time.sleep(seconds)
    for process, spent in zip(processes, before, strict=True):
        share = 100 * (sum(process.cpu_times()[:2]) - spent) / seconds
        held = process.memory_info().rss / 2**20
        if process is mine or held > 30:  # not multiprocessing's resource tracker
            row(f"idle, {'daemon' if process is mine else 'worker'}", f"{share:.2f} % of a core, {held:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--idle", type=float, default=15.0)
    args = parser.parse_args()
    machine = f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{datetime.date.today()}, {machine}\n")
    ended, late = threading.Semaphore(0), list[float]()
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.db") as store:
        engine = Engine(
            store,
            EngineSettings(),
            ended=lambda _: ended.release(),
            progress=lambda _, told: late.append(1000 * (time.time() - told["sent"])),
            work=nothing,
        )
        store.add("first", "{}", source="/in/a.jpg")
        began = time.perf_counter()
        engine.start()
        ended.acquire()
        row("start", f"{time.perf_counter() - began:.2f} s")
        for number in range(args.jobs):
            store.add(str(number), "{}", source="/in/a.jpg")
        began, cpu = time.perf_counter(), time.process_time()
        engine.wake()
        for _ in range(args.jobs):
            ended.acquire()
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        row("a job", f"{1000 * wall / args.jobs:.1f} ms, of these {1000 * cpu / args.jobs:.1f} CPU-ms in the daemon")
        store.add("progress", json.dumps({"events": 50}), source="/in/a.jpg")
        engine.wake()
        ended.acquire()
        row("progress, delay", f"{statistics.median(late):.1f} ms in the median, {max(late):.1f} at most")
        idle(args.idle)
        engine.close(0)


if __name__ == "__main__":
    sys.exit(main())
