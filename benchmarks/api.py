"""The daemon's API under load: latency of job listings at a steady pace, with and without rendering beside it.

    python benchmarks/api.py [--jobs 10000] [--pace 200] [--seconds 10] [--core 0]

The API runs in a process of its own that is held on one core; requests begin at their time, whether the ones before
are answered or not, over eight connections to the Unix socket. Rendering is a clip at 1280x720 that a worker makes
again and again on all cores, that one too. Prints median, 95 %, 99 % and worst in milliseconds from the time at which
a request was due, and the CPU seconds of the API a second.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from store import filled

from depthflow.jobs.preview import sample_photo

CONNECTIONS = 8
PATHS = {
    "the newest 50 jobs": "/v1/jobs",
    "the newest 10 jobs": "/v1/jobs?limit=10",
    "50 failed jobs": "/v1/jobs?state=failed",
    "one job": "/v1/jobs/5000",
}


def serve(folder: Path, jobs: int, core: int) -> None:
    """The process that is measured; it ends with its standard input."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    from depthflow_daemon.api.server import Server
    from depthflow_daemon.core import Core, Limits, NoEngine, Places
    from depthflow_daemon.hub import Hub

    with filled(folder / "q.db", jobs) as store:
        parts = Core(store, Hub(store), NoEngine(), Places(folder), limits=Limits(requests_per_second=1e6))
        with Server(parts, unix=folder / "s"):
            print("ready", flush=True)
            for _ in sys.stdin:
                print(time.process_time(), flush=True)


async def ask(socket: Path, path: str, pace: float, seconds: float) -> list[float]:
    """Milliseconds from the time at which each request was due to the end of its answer."""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_unix_connection(str(socket)))
    found = []

    async def one(due: float) -> None:
        reader, writer = await free.get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        found.append(1000 * (time.perf_counter() - due))
        free.put_nowait((reader, writer))

    begin = time.perf_counter()
    tasks = []
    for number in range(round(pace * seconds)):
        due = begin + number / pace
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    return found


def render(folder: Path) -> subprocess.Popen[bytes]:
    """A worker that makes a clip again and again."""
    code = (
        "import sys, depthflow\n"
        "while True:\n"
        f"    depthflow.render({str(sample_photo())!r}, {str(folder / 'o.mp4')!r}, size='1280x720', seconds=4)\n"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--pace", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--serve", type=Path)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve, args.jobs, args.core)
        return
    machine = f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{datetime.date.today()}, {machine}, {args.jobs} jobs, {args.pace:g} requests/s for {args.seconds:g} s\n")
    print(f"{'':<36}{'median':>9}{'95 %':>9}{'99 %':>9}{'worst':>9}{'CPU/s':>9}")
    with tempfile.TemporaryDirectory(prefix="df-") as place:
        folder = Path(place)
        command = [sys.executable, __file__, "--serve", place, "--jobs", str(args.jobs), "--core", str(args.core)]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"

        def spent() -> float:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write("\n")
            server.stdin.flush()
            return float(server.stdout.readline())

        try:
            for busy in (False, True):
                worker = render(folder) if busy else None
                try:
                    time.sleep(4.0 if busy else 0.0)
                    for name, path in PATHS.items():
                        before = spent()
                        took = asyncio.run(ask(folder / "s", path, args.pace, args.seconds))
                        cpu = (spent() - before) / args.seconds
                        rows = [*np.percentile(took, [50, 95, 99]), max(took)]
                        title = f"{name}{', rendering' if busy else ''}"
                        print(f"{title:<36}" + "".join(f"{row:>9.1f}" for row in rows) + f"{cpu:>9.2f}", flush=True)
                finally:
                    if worker is not None:
                        worker.kill()
                        worker.wait()
        finally:
            server.stdin.close()
            server.wait()


if __name__ == "__main__":
    main()
