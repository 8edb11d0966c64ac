"""The studio's preview: frames a second of half blocks, and milliseconds from a key to the frame that shows its change.

    python benchmarks/tui_preview.py [--photo FILE] [--rounds 20] [--seconds 4]

Each part runs in a terminal of its own, a pty whose output is read and thrown away: Textual's compositor, its writer
and the terminal's line discipline are all in the figures. The latency is that of a real daemon, with its API on a Unix
socket and its process that draws. Prints medians and worst values.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import fcntl
import inspect
import json
import os
import platform
import pty
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from textual.app import App, ComposeResult

from depthflow.jobs.preview import sample_photo
from depthflow.tui.widgets import halfblocks
from depthflow.tui.widgets.picture import Picture

SIZES = ((80, 40), (160, 50), (240, 65))
"""Columns and rows."""
CHANGES = {
    "Strength (motion)": "motion.strength",
    "Focus (camera)": "camera.focus",
    "Vignette": "effects.vignette.strength",
    "Relief": "camera.relief",
}
TERMINAL = (120, 40)


def clip(photo: Path, size: tuple[int, int], count: int = 12) -> list[np.ndarray[Any, Any]]:
    """Frames that differ: parts of a photo, (H, W, 3) uint8."""
    from PIL import Image

    width, height = size
    with Image.open(photo) as opened:
        image = opened.convert("RGB").resize((width + count, height))
    return [np.asarray(image.crop((n, 0, n + width, height))) for n in range(count)]


class Shower(App[None]):
    """Shows frames as fast as they are painted, and writes how many a second."""

    def __init__(self, photo: Path, seconds: float, out: Path) -> None:
        super().__init__()
        self._photo, self._seconds, self._out = photo, seconds, out
        self._count = 0

    def compose(self) -> ComposeResult:
        yield Picture(moves=True)

    def on_ready(self) -> None:
        columns, rows = self.size
        self._frames = clip(self._photo, (columns, 2 * rows))
        self._start = time.perf_counter()
        self._next()

    def _next(self) -> None:
        passed = time.perf_counter() - self._start
        if passed > self._seconds:
            self._out.write_text(json.dumps({"fps": self.query_one(Picture).painted / passed}))
            self.exit()
            return
        self._count += 1
        self.query_one(Picture).set_image(self._frames[self._count % len(self._frames)])
        self.call_after_refresh(self._next)


async def tune(server: str, photo: str, rounds: int, out: Path) -> None:
    """Open the studio, press keys, and write how long each took to be seen."""
    from depthflow.client.frames import Frame
    from depthflow.tui.app import DepthFlowApp
    from depthflow.tui.screens.studio import StudioScreen
    from depthflow.tui.studio.parameters import rows
    from depthflow.tui.widgets.parameters import ParameterList

    class Driven(DepthFlowApp):
        CSS_PATH = Path(inspect.getfile(DepthFlowApp)).with_name("app.tcss")

        def on_ready(self) -> None:
            self.run_worker(drive())

    app = Driven(server, private=False)
    news = asyncio.Event()
    seen: list[Frame] = []
    when: dict[int, float] = {}

    async def drive() -> None:
        while app.link.system is None:
            await asyncio.sleep(0.05)
        await app.open_in_studio(photo)
        screen = app.screen_stack[0]
        assert isinstance(screen, StudioScreen)
        take, player = screen._take_frame, screen._player
        assert player is not None

        def hear(frame: Frame) -> None:
            take(frame)
            seen.append(frame)
            app.call_after_refresh(shown, frame)

        def shown(frame: Frame) -> None:
            when.setdefault(frame.revision, time.perf_counter())
            news.set()

        player._frame = hear

        async def painted() -> Frame:
            news.clear()
            await news.wait()
            return seen[-1]

        await painted()
        took: dict[str, list[float]] = {}
        parameters = screen.query_one(ParameterList)
        for title, path in CHANGES.items():
            screen._show_tab(rows()[path].section)
            parameters.go_to(path)
            took[title] = []
            for number in range(rounds):
                for _ in range(3):
                    await painted()
                before, start = player.revision, time.perf_counter()
                app.simulate_key("right" if number % 10 < 5 else "left")
                # The frame may come before the answer that tells its revision.
                while player.revision == before or player.revision > max(when):
                    await painted()
                first = min(at for revision, at in when.items() if revision >= player.revision)
                took[title].append(1000 * (first - start))
        begin, count = time.perf_counter(), len(seen)
        await asyncio.sleep(4)
        rate = (len(seen) - count) / (time.perf_counter() - begin)
        out.write_text(json.dumps({"took": took, "rate": rate, "frame": [seen[-1].width, seen[-1].height]}))
        app.exit()

    await app.run_async()
    sys.exit(app.return_code or 0)


def in_terminal(size: tuple[int, int], arguments: Sequence[str]) -> int:
    """Run this program in a pty of that size; bytes that it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, __file__, *arguments]
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    read, last = 0, b""

    def drain() -> None:
        nonlocal read, last
        try:
            while chunk := os.read(ours, 1 << 16):
                read, last = read + len(chunk), (last + chunk)[-4000:]
        except OSError:
            return  # a pty whose other end is closed says so this way

    thread = threading.Thread(target=drain)
    thread.start()
    child.wait(timeout=170)
    thread.join()
    os.close(ours)
    if child.returncode:
        raise SystemExit(last.decode(errors="replace"))
    return read


def rates(photo: Path, seconds: float, place: Path) -> None:
    print(f"{'half blocks, cells':<28}{'frames/s':>10}{'ms a frame to make':>20}{'MB/s to the terminal':>22}")
    for columns, rows in SIZES:
        out = place / "rate.json"
        sent = in_terminal((columns, rows), ["--show", str(photo), "--seconds", str(seconds), "--out", str(out)])
        made = []
        for frame in clip(photo, (columns, 2 * rows)):
            start = time.perf_counter()
            halfblocks.strips(frame)
            made.append(1000 * (time.perf_counter() - start))
        fps = json.loads(out.read_text())["fps"]
        size = f"{columns}x{rows}"
        print(f"{size:<28}{fps:>10.1f}{statistics.median(made):>20.1f}{sent / seconds / 1e6:>22.1f}", flush=True)


def latency(photo: Path, rounds: int, place: Path) -> None:
    from depthflow_daemon.api.server import Server
    from depthflow_daemon.core import Core, NoEngine, Places
    from depthflow_daemon.hub import Hub
    from depthflow_daemon.store import Store

    out, root = place / "took.json", place / "photos"
    root.mkdir()
    copy = shutil.copy(photo, root)
    with Store(place / "q.db") as store:
        core = Core(store, Hub(store), NoEngine(), Places(place / "work", (root,)))
        with Server(core, unix=place / "s"):
            asked = ["--tune", f"unix://{place}/s", "--photo", str(copy), "--rounds", str(rounds), "--out", str(out)]
            in_terminal(TERMINAL, asked)
    found = json.loads(out.read_text())
    width, height = found["frame"]
    print(f"\n{f'a key, frames of {width}x{height}':<28}{'median ms':>10}{'worst ms':>10}")
    for title, took in found["took"].items():
        print(f"{title:<28}{statistics.median(took):>10.0f}{max(took):>10.0f}")
    print(f"\nthe studio in {TERMINAL[0]}x{TERMINAL[1]}, at most 15: {found['rate']:.1f} frames/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=Path, default=sample_photo())
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=4.0)
    for inner in ("--show", "--tune", "--out"):
        parser.add_argument(inner, type=str if inner == "--tune" else Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.show:
        Shower(args.show, args.seconds, args.out).run()
    elif args.tune:
        asyncio.run(tune(args.tune, str(args.photo), args.rounds, args.out))
    else:
        machine = f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        print(f"{datetime.date.today()}, {machine}, {args.photo.name}\n")
        with tempfile.TemporaryDirectory(prefix="df-") as place:
            rates(args.photo, args.seconds, Path(place).resolve())
            latency(args.photo, args.rounds, Path(place).resolve())


if __name__ == "__main__":
    main()
