"""Frames per second beside the incumbent: depthflow 1.0.1 with shaderflow 0.12.0, both run as programs.

    python benchmarks/incumbent.py [--rounds 3] [--frames 90] [--their-frames 30] [--presets veryfast slow]
                                   [--venv FOLDER | --keep]

Same photo, same 8-bit depth map, same size, same ffmpeg, same encoder settings. The incumbent goes into a throw-away
venv, without torch: a given depth map needs none. It is started with WINDOW_BACKEND=headless, so that it needs no
display. Rounds alternate between the two; medians are printed.

Ours moves by `orbital`. The incumbent's commands make a still: what moves its camera is a method that its author tells
people to write (issue 24 of its repository), and a few lines here do, before its own commands run as they are. Its
camera goes round in a circle in the same five seconds, about as far; how far both move is printed.

Wall time is end to end, from the command's start to its end. CPU time is that of the whole process tree.
"Steady" leaves the start out: the time of a run less that of the same run with one frame. Whole clips are compared at
our length: the incumbent's start and as many of its steady frames. "Others" is how much of
the machine other processes took meanwhile; where that is not small, trust the CPU times and the ratios only.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from depthflow import paths
from depthflow.images import load_photo
from depthflow.jobs import pipeline
from depthflow.jobs.spec import JobSpec
from depthflow.opencv import cv2
from depthflow.render.context import context
from depthflow.render.frames import FrameRenderer
from depthflow.video.colour import matrix_for
from depthflow.video.ffmpeg import ffmpeg_path
from depthflow.video.probe import probe

INCUMBENT = ("depthflow==1.0.1", "shaderflow==0.12.0")
NOT_NEEDED = ("torch", "torchvision", "transformers")
"""What only depth estimation needs."""

_MOVES = """
import math

from depthflow.__main__ import main
from depthflow.scene import DepthScene


def update(self):
    turn = 2 * math.pi * self.time / {seconds}
    self.state.offset = ({far} * math.sin(turn), {far} * math.cos(turn))


DepthScene.update = update
main()
"""
MOVING = "moving.py"
"""Their program, moving its camera."""
THEIR_CIRCLE = 0.3
"""Its radius, in the incumbent's unit; by optical flow it moves the sample photo about as far as our orbital does."""

FPS = 30
BEGIN_FRAMES = 10
CRF = 20


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of wall time and of CPU time (all processes of the work), and the machine's share that others had."""

    wall: float
    cpu: float
    others: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall - other.wall, self.cpu - other.cpu, self.others)


def cost(work: Callable[[], object]) -> Cost:
    wall, cpu, busy = time.perf_counter(), _cpu(), _busy()
    work()
    wall, cpu = time.perf_counter() - wall, _cpu() - cpu
    return Cost(wall, cpu, max(0.0, (_busy() - busy - cpu) / (wall * cores())))


def _cpu() -> float:
    """CPU seconds of this process and of all its children that have ended, their own included."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _busy() -> float:
    """CPU seconds of the whole machine, time taken by a hypervisor included; 0 where there is no /proc."""
    try:
        user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = (
            int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]
        )
    except OSError:
        return 0.0
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def cores() -> int:
    return os.cpu_count() or 1


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(*(statistics.median(getattr(one, key) for one in costs) for key in ("wall", "cpu", "others")))


def run(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> None:
    """Run a program quietly; what it said is shown if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(str(part) for part in command)}\nended with {done.returncode}:\n{done.stdout[-3000:]}")


# -- the incumbent ---------------------------------------------------------------------------------------------


def install(folder: Path) -> Path:
    """The Python of the venv at `folder`, with the incumbent in it; made if it is not there."""
    python = folder / "bin" / "python"
    if python.exists():
        return python
    print(f"installing {' and '.join(INCUMBENT)} ...", file=sys.stderr)
    venv.create(folder, with_pip=True)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "--no-deps", *INCUMBENT])
    code = "import json, importlib.metadata as m; print(json.dumps(m.requires('depthflow')))"
    asked = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    needed = [line for line in json.loads(asked) if not line.startswith(NOT_NEEDED)]
    run([*pip, INCUMBENT[1], *needed])
    return python


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs share."""

    folder: Path
    their_python: Path
    photo: Path
    depth: Path
    size: tuple[int, int]
    seconds: float

    def environment(self) -> dict[str, str]:
        """No settings of the user's, no cache of theirs, and one ffmpeg for both."""
        hidden = ("DEPTHFLOW_", "PYTHONDONTWRITEBYTECODE")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        tools = self.folder / "tools"
        homes = {f"XDG_{kind}_HOME": str(self.folder / "home" / kind) for kind in ("CACHE", "CONFIG", "DATA", "STATE")}
        path = os.pathsep.join((str(tools), kept.get("PATH", os.defpath)))
        own = {"PATH": path, "DEPTHFLOW_FFMPEG": str(tools / "ffmpeg"), "WINDOW_BACKEND": "headless"}
        return {**kept, **homes, **own}

    def output(self, name: str, suffix: str = ".mp4") -> Path:
        return self.folder / f"{name}{suffix}"

    def theirs(self, preset: str, frames: int, fps: int = FPS) -> None:
        """One of their videos, by three of their commands in a row; a turn takes as long as our whole clip."""
        width, height = self.size
        out = self.output("theirs")
        export = ["main", "--width", width, "--height", height, "--fps", fps, "--time", f"{frames / fps:.6f}"]
        # Both packages have the same name: a path to ours would hide theirs.
        environment = {key: value for key, value in self.environment().items() if key != "PYTHONPATH"}
        run(
            [
                *(self.their_python, "-P", self.folder / MOVING, "h264", "--preset", preset, "--crf", CRF),
                *("input", "--image", self.photo, "--depth", self.depth),
                *(*export, "--output", out),
            ],
            environment,
        )

    def ours(self, frames: int, out: Path, *more: str | int, fps: int = FPS) -> None:
        width, height = self.size
        run(
            [
                *(our_program(), "render", self.photo, "--depth", self.depth, "--motion", "orbital"),
                *("--size", f"{width}x{height}", "--fps", fps, "--duration", f"{frames / fps:.6f}"),
                *("-o", out, "--overwrite", "--quiet", *more),
            ],
            # What pip installs is compiled, as theirs is; a checkout may not be.
            {**self.environment(), "PYTHONPYCACHEPREFIX": str(self.folder / "bytecode")},
        )

    def our_video(self, preset: str, frames: int, fps: int = FPS) -> None:
        more = ("--encoder", "libx264", "--encoder-preset", preset, "--crf", CRF)
        self.ours(frames, self.output("ours"), *more, fps=fps)

    def moved(self, preset: str) -> list[float]:
        """How far the picture moves in about half a turn, theirs and ours: mean of the optical flow, pixels."""
        count = round(self.seconds)
        self.theirs(preset, count, fps=1)
        self.our_video(preset, count, fps=1)
        return [_flow(self.output(name), count // 2) for name in ("theirs", "ours")]

    def check(self, name: str, frames: int) -> None:
        """That a video is what was asked for, so that like is compared with like; without a clock."""
        out = self.output(name)
        facts = probe(out, depth="count")
        found, wanted = (facts.frames, facts.width, facts.height), (frames, *self.size)
        if found != wanted:
            sys.exit(f"{out.name}: (frames, width, height) are {found}, not {wanted}")

    def raw(self, frames: int) -> Path:
        """Our frames as raw yuv420p, decoded from a lossless file."""
        path = self.output("frames", ".yuv")
        if not path.exists():
            lossless = self.output("frames", ".mkv")
            self.ours(frames, lossless, "--format", "ffv1", "--encoder", "software")
            call = (ffmpeg_path(), "-loglevel", "error", "-y", "-i", lossless, "-f", "rawvideo", "-pix_fmt", "yuv420p")
            run([*call, path])
            lossless.unlink()
        return path

    def encode_alone(self, preset: str, frames: int) -> None:
        width, height = self.size
        picture = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", FPS)
        settings = ("-c:v", "libx264", "-preset", preset, "-crf", CRF, "-movflags", "+faststart")
        call = (ffmpeg_path(), "-hide_banner", "-loglevel", "error", "-y")
        run([*call, *picture, "-i", self.raw(frames), *settings, self.output("alone")])

    def drawing(self, frames: int) -> Cost:
        """Our frames drawn, read back and packed as 4:2:0, in this process, with the preparation left out."""
        job = {
            "photo": str(self.photo),
            "depth": {"file": str(self.depth)},
            "motion": {"name": "orbital"},
            "outputs": [{"fps": FPS, "duration": frames / FPS}],
        }
        spec = pipeline.resolve(JobSpec.parse(job))
        photo = load_photo(spec.photo)
        depth = pipeline.depth_of(photo, spec.depth)
        cameras = pipeline.cameras_of(spec, spec.outputs[0], depth)
        more = {"layers": spec.layers.count, "colour": matrix_for(self.size[1]), "pack": True, "twin": True}
        with FrameRenderer(photo.pixels, depth, size=self.size, **more) as renderer:
            cameras = renderer.framed(cameras)
            renderer.prepare(cameras)
            # The second context begins meanwhile.
            for _ in renderer.raw_frames(cameras[:BEGIN_FRAMES]):
                pass

            def draw() -> None:
                for _ in renderer.raw_frames(cameras):
                    pass

            return cost(draw)


def _flow(video: Path, number: int) -> float:
    """Mean length of the optical flow from frame 0 to frame `number`, pixels."""
    reader = cv2.VideoCapture(str(video))
    frames = [cv2.cvtColor(reader.read()[1], cv2.COLOR_BGR2GRAY) for _ in range(number + 1)]
    reader.release()
    # OpenCV's method of dense flow: 6 levels by halves, windows of 31 pixels, 3 rounds.
    flow = cv2.calcOpticalFlowFarneback(frames[0], frames[-1], None, 0.5, 6, 31, 3, 7, 1.5, 0)  # type: ignore[call-overload]
    return float(np.hypot(flow[..., 0], flow[..., 1]).mean())


def our_program() -> str:
    beside = Path(sys.executable).with_name("depthflow")
    found = str(beside) if beside.exists() else shutil.which("depthflow")
    return found or sys.exit("depthflow is not installed beside this Python: pip install -e .")


# -- the table -------------------------------------------------------------------------------------------------


def measure(bench: Bench, options: argparse.Namespace) -> dict[str, list[Cost]]:
    """Costs by row, one entry a round; theirs and ours take turns."""
    rows: dict[str, list[Cost]] = {}

    def add(name: str, work: Callable[[], object], made: str, frames: int) -> None:
        rows.setdefault(name, []).append(cost(work))
        bench.check(made, frames)

    for number in range(options.rounds):
        for preset in options.presets:
            print(f"round {number + 1} of {options.rounds}, {preset} ...", file=sys.stderr)
            for more, theirs, ours in (("", options.their_frames, options.frames), (" start", 1, 1)):
                add(f"theirs {preset}{more}", partial(bench.theirs, preset, theirs), "theirs", theirs)
                add(f"ours {preset}{more}", partial(bench.our_video, preset, ours), "ours", ours)
            add(f"alone {preset}", partial(bench.encode_alone, preset, options.frames), "alone", options.frames)
        rows.setdefault("drawing", []).append(bench.drawing(options.frames))
    return rows


def line(name: str, frames: int, what: Cost) -> None:
    print(
        f"{name:<42} {frames:>6} {what.wall:>8.2f} {frames / what.wall:>9.2f}"
        f" {1000 * what.cpu / frames:>13.1f} {100 * what.others:>7.0f} %"
    )


def table(rows: dict[str, list[Cost]], options: argparse.Namespace) -> None:
    ours, theirs = options.frames, options.their_frames
    print(f"\n{'what':<42} {'frames':>6} {'wall s':>8} {'frames/s':>9} {'CPU ms/frame':>13} {'others':>9}")
    for preset in options.presets:
        line(f"incumbent, {preset}", theirs, median(rows[f"theirs {preset}"]))
        line("  one frame: its start", 1, median(rows[f"theirs {preset} start"]))
        line(f"ours, {preset}", ours, median(rows[f"ours {preset}"]))
        line("  one frame: our start", 1, median(rows[f"ours {preset} start"]))
        line(f"x264 {preset} alone, our frames", ours, median(rows[f"alone {preset}"]))
    line("our drawing, reading back, packing alone", ours, median(rows["drawing"]))

    print(f"\n{'ratio, median of the rounds (each round)':<66} {'':>8}")
    for preset in options.presets:
        our_steady, their_steady = steady(rows, preset, "ours"), steady(rows, preset, "theirs")
        # As long as ours: a start spread over fewer frames would make the incumbent look slower than it is.
        longer = [
            (a.wall + b.wall / (theirs - 1) * (ours - 1), a.cpu + b.cpu / (theirs - 1) * (ours - 1))
            for a, b in zip(rows[f"theirs {preset} start"], their_steady, strict=True)
        ]
        pairs = list(zip(rows[f"ours {preset}"], longer, strict=True))
        ratio(f"{preset}: {ours} frames, wall, incumbent / ours", [wall / a.wall for a, (wall, _) in pairs])
        ratio(f"{preset}: {ours} frames, CPU, incumbent / ours", [cpu / a.cpu for a, (_, cpu) in pairs])
        both = list(zip(our_steady, their_steady, strict=True))
        ratio(
            f"{preset}: steady frames/s, ours / incumbent",
            [(ours - 1) / a.wall / ((theirs - 1) / b.wall) for a, b in both],
        )
        ratio(
            f"{preset}: steady CPU of a frame, incumbent / ours",
            [b.cpu / (theirs - 1) / (a.cpu / (ours - 1)) for a, b in both],
        )
        alone = rows[f"alone {preset}"]
        ratio(
            f"{preset}: ours / encoding the same frames alone",
            [b.wall / a.wall for a, b in zip(rows[f"ours {preset}"], alone, strict=True)],
        )
        ratio(
            f"{preset}: the same, steady",
            [b.wall / ours * (ours - 1) / a.wall for a, b in zip(our_steady, alone, strict=True)],
        )
        bounds = [cores() / ((a.cpu + b.cpu) / ours) for a, b in zip(rows["drawing"], alone, strict=True)]
        ratio(
            f"{preset}: ours / (cores / (drawing + encoding CPU))",
            [ours / a.wall / bound for a, bound in zip(rows[f"ours {preset}"], bounds, strict=True)],
        )
        ratio(
            f"{preset}: the same, steady",
            [(ours - 1) / a.wall / bound for a, bound in zip(our_steady, bounds, strict=True)],
        )


def steady(rows: dict[str, list[Cost]], preset: str, whose: str) -> list[Cost]:
    whole, start = rows[f"{whose} {preset}"], rows[f"{whose} {preset} start"]
    return [a - b for a, b in zip(whole, start, strict=True)]


def ratio(name: str, values: Sequence[float]) -> None:
    rounds = ", ".join(f"{value:.2f}" for value in values)
    print(f"{name:<66} {statistics.median(values):>8.2f}  ({rounds})")


def machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {cores()} cores, {platform.system()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=paths.data("config", "samples", "boats.jpg"))
    parser.add_argument("--size", default="1920x1080", help="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=90, help="of ours")
    parser.add_argument("--their-frames", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--presets", nargs="+", default=["veryfast", "slow"], help="of x264")
    parser.add_argument("--venv", type=Path, help="the incumbent's venv: used again, or made there and left")
    parser.add_argument("--keep", action="store_true", help="leave the folder with the venv and the videos")
    options = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="depthflow-incumbent-"))
    try:
        # The same build for both: they find it as a program called ffmpeg.
        (folder / "tools").mkdir()
        (folder / "tools" / "ffmpeg").symlink_to(ffmpeg_path())
        (folder / MOVING).write_text(_MOVES.format(seconds=options.frames / FPS, far=THEIR_CIRCLE), encoding="utf-8")
        python = install((options.venv or folder / "venv").absolute())
        width, height = (int(side) for side in options.size.split("x"))
        bench = Bench(
            folder, python, options.photo.absolute(), folder / "depth.png", (width, height), options.frames / FPS
        )
        run(
            [our_program(), "depth", bench.photo, "-o", bench.depth, "--format", "png8", "--overwrite"],
            bench.environment(),
        )
        # Without a clock, which fills file cache and shader cache for both alike.
        preset = options.presets[0]
        moved = bench.moved(preset)
        bench.encode_alone(preset, options.frames)
        print(f"{datetime.date.today()} · {machine()} · {context().info.renderer}")
        load = os.getloadavg()[0]
        print(
            f"{bench.photo.name} -> {options.size}, {FPS} frames/s, crf {CRF}, medians of {options.rounds}; "
            f"load before the start {load:.1f}"
        )
        print("half a turn moves the picture by {:.1f} pixels in the mean, ours by {:.1f}".format(*moved))
        table(measure(bench, options), options)
    finally:
        if options.keep:
            print(f"left in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
