"""What a clip costs before its first frame, and what 4K costs: start, preparation, frames, memory.

    python benchmarks/limits.py [--rounds 5] [--frames 30]

The sample photo is made into one of 2 and one of 12 megapixels; depth is in the cache. "Command" is `depthflow render`
as a program that makes one frame and ends; its "first encoded frame" is there when the encoder has begun to write that
frame into the work file, looked at 500 times a second. The program's bytecode is compiled, as where pip installed it.
Memory is the largest sum over the program and its encoder, looked at 50 times a second. Medians.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from stages import _machine

from depthflow import paths
from depthflow.images import load_photo
from depthflow.jobs import pipeline
from depthflow.jobs.spec import JobSpec, OutputSpec
from depthflow.render.context import context
from depthflow.render.frames import FrameRenderer

SIZES = {"1080p": (1920, 1080), "4k": (3840, 2160)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=30)
    options = parser.parse_args()
    print(f"{datetime.date.today()} · {_machine()} · {context().info.renderer} · load {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in (2, 12):
            photo = _photo(Path(folder), megapixels)
            _render(photo, 1, "1080p")  # fills the cache of depth maps
            print(f"photo of {megapixels} MP to 1080p")
            print(
                "  preparation        {:6.2f} s wall  {:6.2f} s CPU".format(*_median(options.rounds, _prepare, photo))
            )
            first = _median(options.rounds, _first, photo)[0]
            cost = _median(options.rounds, _render, photo, 1, "1080p")
            print(f"  first encoded frame{first:6.2f} s wall after the command's start")
            print("  command, one frame {:6.2f} s wall  {:6.2f} s CPU\n".format(*cost[:2]))
        print(f"a 12 MP photo, {options.frames} frames")
        frames = {name: _median(3, _frames, photo, name, options.frames) for name in SIZES}
        for name, (wall, cpu) in frames.items():
            peak = _render(photo, options.frames, name)[2]
            print(
                f"  {name:<6} {1000 * wall / options.frames:6.1f} ms wall {1000 * cpu / options.frames:6.1f} ms CPU a "
                f"frame drawn, read and packed; program and encoder {peak / 2**30:.2f} GiB"
            )
        print(f"  4k / 1080p: {frames['4k'][1] / frames['1080p'][1]:.2f} of CPU")


def _photo(folder: Path, megapixels: int) -> Path:
    path = folder / f"{megapixels}.jpg"
    with Image.open(paths.data("config", "samples", "boats.jpg")) as image:
        scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
        image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS).save(path)
    return path


def _median(rounds: int, work, *arguments) -> tuple[float, ...]:  # type: ignore[no-untyped-def]
    return tuple(statistics.median(column) for column in zip(*(work(*arguments) for _ in range(rounds)), strict=True))


def _renderer(photo: Path, name: str) -> tuple[FrameRenderer, list]:  # type: ignore[type-arg]
    spec = pipeline.resolve(JobSpec(photo=str(photo)))
    loaded = load_photo(str(photo))
    depth = pipeline.depth_of(loaded, spec.depth)
    renderer = FrameRenderer(loaded.pixels, depth, size=SIZES[name], colour="bt709", pack=True, twin=True)
    return renderer, pipeline.cameras_of(spec, OutputSpec(duration=1), depth)


def _prepare(photo: Path) -> tuple[float, float]:
    renderer, cameras = _renderer(photo, "1080p")
    with renderer:
        wall, cpu = time.perf_counter(), time.process_time()
        renderer.prepare(renderer.framed(cameras))
        return time.perf_counter() - wall, time.process_time() - cpu


def _frames(photo: Path, name: str, count: int) -> tuple[float, float]:
    renderer, cameras = _renderer(photo, name)
    with renderer:
        clip = renderer.framed(cameras)
        clip = (clip * (count // len(clip) + 1))[:count]
        renderer.prepare(clip)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in renderer.raw_frames(clip):
            pass
        return time.perf_counter() - wall, time.process_time() - cpu


def _start(photo: Path, frames: int, name: str) -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-c", "from depthflow.cli import main; main()", "render", str(photo)),
        *("-o", str(photo.with_suffix(".mp4")), "--overwrite", "--quiet", "--size", name, "--crf", "20"),
        *("--encoder", "libx264", "--encoder-preset", "veryfast", "--fps", "30", "--duration", str(frames / 30)),
    ]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(command, env={**environment, "PYTHONPYCACHEPREFIX": str(photo.parent / "bytecode")})


def _ended(process: subprocess.Popen[bytes]) -> None:
    if process.wait():
        raise SystemExit(process.returncode)


def _first(photo: Path) -> tuple[float]:
    """Seconds until the first frame begins to be in the work file; what precedes it there stays in a buffer."""
    start = time.perf_counter()
    process = _start(photo, 1, "1080p")
    while process.poll() is None and not _begun(photo):
        time.sleep(0.002)
    seconds = time.perf_counter() - start
    _ended(process)
    return (seconds,)


def _begun(photo: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):  # between the listing and the look it may get its name
        return any(file.stat().st_size for file in photo.parent.glob(f".{photo.stem}.*.part.mp4"))
    return False


def _render(photo: Path, frames: int, name: str) -> tuple[float, float, float]:
    """Wall and CPU seconds of the command, and the most bytes that it and its encoder held."""
    before, wall, peak = os.times(), time.perf_counter(), 0
    process = _start(photo, frames, name)
    while process.poll() is None:
        peak = max(peak, _resident(process.pid))
        time.sleep(0.02)
    _ended(process)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - wall, cpu, peak


def _resident(pid: int) -> int:
    """Bytes of a process and its children in memory (Linux; elsewhere 0)."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in (pid, *children))
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
