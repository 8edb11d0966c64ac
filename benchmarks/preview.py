"""Live previews: frames a second, and milliseconds from a change to the first frame that shows it.

    python benchmarks/preview.py [--photo FILE] [--rounds 20]

Everything as a client has it: the API on its Unix socket, a process that draws, frames over HTTP. Changes of motion,
camera and effects leave the mesh as it is; relief and layers make it anew. Prints medians and worst values.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from depthflow_daemon.api.server import Server
from depthflow_daemon.core import Core, NoEngine, Places
from depthflow_daemon.hub import Hub
from depthflow_daemon.store import Store

from depthflow.client.frames import Packets
from depthflow.jobs.preview import sample_photo

SIZES = ((80, 80), (160, 90), (320, 180), (640, 360))
CHANGES: dict[str, list[dict[str, Any]]] = {
    "motion.strength": [{"motion": {"strength": 1 + n / 10}} for n in range(5)],
    "camera.focus": [{"camera": {"focus": n / 5}} for n in range(5)],
    "effects.vignette": [{"effects": {"vignette": {"strength": n / 5}}} for n in range(5)],
    "effects.dof": [{"effects": {"dof": {"aperture": n / 100}}} for n in range(1, 6)],
    "camera.relief (new mesh)": [{"camera": {"relief": 0.2 + n / 10}} for n in range(5)],
    "layers.count (new mesh)": [{"layers": {"count": 1 + n % 3}} for n in range(5)],
}


def revisions(answer: httpx.Response) -> Iterator[int]:
    """The revision of each frame, when it has come whole."""
    packets = Packets()
    for chunk in answer.iter_raw():
        for frame in packets.feed(chunk):
            assert not frame.problem, frame.problem
            yield frame.revision


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=Path, default=sample_photo())
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    machine = f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{datetime.date.today()}, {machine}, {args.photo.name}\n")
    with tempfile.TemporaryDirectory(prefix="df-") as place, Store(Path(place) / "q.db") as store:
        root = Path(place).resolve() / "photos"
        root.mkdir()
        photo = shutil.copy(args.photo, root)
        core = Core(store, Hub(store), NoEngine(), Places(Path(place) / "work", (root,)))
        transport = httpx.HTTPTransport(uds=f"{place}/s")
        with Server(core, unix=Path(place) / "s"), httpx.Client(transport=transport, base_url="http://d") as client:
            print(f"{'frames of':<28}{'first ms':>10}{'frames/s':>10}")
            for width, height in SIZES:
                asked = {"photo": str(photo), "width": width, "height": height, "rate": 60}
                start = time.perf_counter()
                name = client.post("/v1/previews", json=asked, timeout=60).json()["id"]
                with client.stream("GET", f"/v1/previews/{name}/stream", timeout=60) as answer:
                    stream = revisions(answer)
                    next(stream)
                    first = 1000 * (time.perf_counter() - start)
                    start, count = time.perf_counter(), 0
                    while time.perf_counter() - start < 4:
                        next(stream)
                        count += 1
                    print(f"{f'{width}x{height}, at most 60':<28}{first:>10.0f}{count / 4:>10.1f}", flush=True)
                client.delete(f"/v1/previews/{name}")
            print(f"\n{'a change, 80x80':<28}{'median ms':>10}{'worst ms':>10}")
            asked = {"photo": str(photo), "width": 80, "height": 80, "rate": 15}
            name = client.post("/v1/previews", json=asked, timeout=60).json()["id"]
            with client.stream("GET", f"/v1/previews/{name}/stream", timeout=60) as answer:
                stream = revisions(answer)
                next(stream)
                for title, changes in CHANGES.items():
                    took = []
                    for number in range(args.rounds):
                        for _ in range(3):  # between the changes it plays
                            next(stream)
                        start = time.perf_counter()
                        spec = changes[number % len(changes)]
                        wanted = client.patch(f"/v1/previews/{name}", json={"spec": spec}).json()["revision"]
                        while next(stream) < wanted:
                            pass
                        took.append(1000 * (time.perf_counter() - start))
                    # The first of a kind may compile a shader.
                    print(f"{title:<28}{statistics.median(took):>10.0f}{max(took):>10.0f}", flush=True)
            client.delete(f"/v1/previews/{name}")


if __name__ == "__main__":
    main()
