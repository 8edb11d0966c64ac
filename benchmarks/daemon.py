"""What the daemon costs: many photos dropped at once, memory, overhead of a job, delay until it is queued, idling.

    python benchmarks/daemon.py [--photos 1000] [--idle 30]

It runs `depthflow watch` as a program, with one worker, and drops small photos, each with a depth map: clips of four
frames at 64x48, so that the daemon's own part shows. "Overhead" is the time from one job's end to the next one's, while
the queue is full, less what the same JobSpec takes in a warm process (medians). CPU and memory are those of the daemon
process alone, without workers. "Delay" is from the photo's last byte to its row in the queue, less the second that it
has to be quiet. Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image
from stages import _machine

RULES = '[settle]\nseconds = 1\n[output]\nsize = "64x48"\nfps = 8\nduration = 0.5\n'
WARM_JOBS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--idle", type=float, default=30.0, help="seconds to look at the idle daemon")
    args = parser.parse_args()
    print(f"{datetime.date.today()} · {_machine()} · load before the start {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        (folder / "in" / ".depthflow.toml").write_text(RULES)
        process = start(folder)
        try:
            measure(folder, psutil.Process(process.pid), args.photos, args.idle)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("depthflow")), "watch", "in", "out", "--store", "state/q.db"]
    environment = {**os.environ, "DEPTHFLOW_STATE_DIR": str(folder / "state")}
    log = (folder / "log").open("wb")
    process = subprocess.Popen(command, cwd=folder, stderr=log, env=environment)
    until(lambda: "watching" in (folder / "log").read_text())
    return process


def measure(folder: Path, daemon: psutil.Process, photos: int, idle: float) -> None:
    row("memory after the start", f"{megabytes(daemon):.0f} MB")
    row("idle, before the first job", f"{idle_percent(daemon, idle):.2f} % of a core")
    delays = [delay_of_one(folder, number) for number in range(5)]
    row("photo to queue, median of 5", f"{statistics.median(delays):.2f} s after the second of quiet")
    until(lambda: counted(folder, "done") == 5)
    row("memory with the engine started", f"{megabytes(daemon):.0f} MB")
    row("idle, with a warm worker", f"{idle_percent(daemon, idle):.2f} % of a core")

    cpu, began = cpu_seconds(daemon), time.monotonic()
    for number in range(photos):
        make_photo(folder / "in" / f"many-{number}.png", 100 + number)
    most = [megabytes(daemon)]

    def all_done() -> bool:
        most.append(megabytes(daemon))
        return counted(folder, "done") == photos + 5

    until(all_done, seconds=7200, pause=0.5)
    took = time.monotonic() - began
    row(f"{photos} photos", f"{took:.0f} s, {1000 * took / photos:.0f} ms each")
    jobs, files = asked(folder, "SELECT count(*) FROM jobs")[0][0], len(list((folder / "out").glob("*.mp4")))
    row("jobs, results, jobs that failed", f"{jobs}, {files}, {counted(folder, 'failed')}")
    row("memory, highest", f"{max(most):.0f} MB")
    row("memory, median of each quarter", ", ".join(f"{statistics.median(q):.0f}" for q in quarters(most)) + " MB")
    row("daemon's CPU", f"{1000 * (cpu_seconds(daemon) - cpu) / photos:.0f} ms a job")
    overhead(folder)
    row("memory, highest with 24 megapixels", f"{most_with_large(folder, daemon):.0f} MB")
    row("load at the end", f"{os.getloadavg()[0]:.1f}")


def most_with_large(folder: Path, daemon: psutil.Process) -> float:
    """Megabytes at most while a large photo is looked at, queued and made."""
    most = [megabytes(daemon)]
    ended = counted(folder, "done") + 1
    chance = np.random.default_rng(24).integers(0, 255, (250, 375, 3), dtype=np.uint8)
    Image.fromarray(chance).resize((6000, 4000)).save(folder / "in" / "large.jpg")

    def all_done() -> bool:
        most.append(megabytes(daemon))
        return counted(folder, "done") == ended

    until(all_done)
    return max(most)


def overhead(folder: Path) -> None:
    """From end to end in the daemon, against the same jobs in this process when it is warm."""
    ends = [end for (end,) in asked(folder, "SELECT ended_at FROM attempts WHERE outcome = 'done' ORDER BY ended_at")]
    step = statistics.median(later - sooner for sooner, later in pairwise(ends[6:]))
    spans = asked(folder, "SELECT ended_at - started_at FROM attempts WHERE outcome = 'done' ORDER BY job DESC")
    specs = [json.loads(spec) for (spec,) in asked(folder, "SELECT spec FROM jobs ORDER BY id DESC")[:WARM_JOBS]]
    warm = statistics.median(warm_seconds(folder, specs)[5:])
    row("a job, from end to end", f"{1000 * step:.0f} ms")
    row("a job, from its start to its end", f"{1000 * statistics.median(span for (span,) in spans):.0f} ms")
    timings = asked(folder, "SELECT timings FROM attempts WHERE outcome = 'done' ORDER BY job DESC")
    stages = statistics.median(sum(json.loads(timing).values()) for (timing,) in timings)
    row("its stages within the worker", f"{1000 * stages:.0f} ms")
    row("the same in a warm process", f"{1000 * warm:.0f} ms")
    row("overhead of a job", f"{1000 * (step - warm):.0f} ms")


def warm_seconds(folder: Path, specs: list[dict[str, Any]]) -> list[float]:
    from depthflow.api import make_job
    from depthflow.jobs.spec import JobSpec

    took = []
    for number, data in enumerate(specs):
        data["outputs"][0]["path"] = str(folder / f"warm-{number}.mp4")
        spec = JobSpec.parse(data, source="warm")
        start = time.perf_counter()
        make_job(spec)
        took.append(time.perf_counter() - start)
    return took


def delay_of_one(folder: Path, number: int) -> float:
    name = f"one-{number}.png"
    make_photo(folder / "in" / name, number)
    dropped = time.time()
    query = f"SELECT added_at FROM jobs WHERE source LIKE '%/{name}'"  # noqa: S608 - a name of our own
    until(lambda: bool(asked(folder, query)))
    return float(asked(folder, query)[0][0]) - dropped - 1.0


def make_photo(path: Path, number: int) -> None:
    """32x24 pixels, unlike any other, and a depth map of it."""
    chance = np.random.default_rng(number)
    Image.fromarray(np.tile(np.arange(32, dtype=np.uint8) * 8, (24, 1))).save(path.with_suffix(".depth.png"))
    Image.fromarray(chance.integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(path)


def asked(folder: Path, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(f"file:{folder}/state/q.db?mode=ro", uri=True, timeout=30)) as raw:
        return raw.execute(query).fetchall()


def counted(folder: Path, state: str) -> int:
    return int(asked(folder, f"SELECT count(*) FROM jobs WHERE state = '{state}'")[0][0])  # noqa: S608


def idle_percent(daemon: psutil.Process, seconds: float) -> float:
    before = cpu_seconds(daemon)
    time.sleep(seconds)
    return 100 * (cpu_seconds(daemon) - before) / seconds


def cpu_seconds(daemon: psutil.Process) -> float:
    times = daemon.cpu_times()
    return float(times.user + times.system)


def megabytes(daemon: psutil.Process) -> float:
    return float(daemon.memory_info().rss) / 1e6


def quarters(values: list[float]) -> list[list[float]]:
    size = len(values) // 4
    return [values[n * size : (n + 1) * size] or values for n in range(4)]


def until(true: Callable[[], bool], seconds: float = 120.0, pause: float = 0.02) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("the daemon did not get there")
        time.sleep(pause)


def row(name: str, value: str) -> None:
    print(f"{name:<36}{value}", flush=True)


if __name__ == "__main__":
    main()
