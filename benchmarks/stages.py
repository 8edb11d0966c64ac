"""Frames per second by stage: load, depth, preparation, render with readback, encode, and all of it end to end.

    python benchmarks/stages.py [--size 1920x1080] [--frames 150] [--rounds 3] [--encoder-preset veryfast]

Prints medians over the rounds, with the machine and the date. Wall time says what a user waits, CPU time what it
costs; on a noisy machine compare within one run only.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from depthflow import paths
from depthflow.images import load_photo
from depthflow.jobs import pipeline
from depthflow.jobs.depth import GRID
from depthflow.jobs.sizes import frame_size
from depthflow.jobs.spec import JobSpec
from depthflow.render.context import context
from depthflow.render.frames import FrameRenderer

Cost = tuple[float, float]


def cost(work: Callable[[], object]) -> Cost:
    """Wall and CPU seconds, children that have ended included."""
    wall, cpu = time.perf_counter(), _cpu()
    work()
    return time.perf_counter() - wall, _cpu() - cpu


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def median(costs: list[Cost]) -> Cost:
    return statistics.median(c[0] for c in costs), statistics.median(c[1] for c in costs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", default=str(paths.data("config", "samples", "boats.jpg")))
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--motion", default="orbital")
    parser.add_argument("--encoder-preset", default="veryfast")
    options = parser.parse_args()

    from depthflow.depth.estimator import close_estimators, estimate
    from depthflow.depth.refine import refine

    photo = load_photo(options.photo)
    size = frame_size(options.size, photo.size)
    print(f"{datetime.date.today()} · {_machine()} · {context().info.renderer}")
    print(f"{Path(options.photo).name} {photo.size[0]}x{photo.size[1]} -> {size[0]}x{size[1]}, {options.motion}\n")

    def spec(path: Path) -> JobSpec:
        return JobSpec.parse(
            {
                "photo": options.photo,
                "motion": {"name": options.motion},
                "outputs": [
                    {
                        "path": str(path),
                        "size": f"{size[0]}x{size[1]}",
                        "fps": 30,
                        "duration": options.frames / 30,
                        "crf": 20,
                        "encoder": "libx264",
                        "encoder_preset": options.encoder_preset,
                        "overwrite": True,
                    }
                ],
            }
        )

    rows: dict[str, tuple[list[Cost], int]] = {}

    def add(name: str, frames: int, work: Callable[[], object]) -> None:
        rows.setdefault(name, ([], frames))[0].append(cost(work))

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mp4"
        for _ in range(options.rounds):
            add("load the photo", 0, lambda: load_photo(options.photo))
            close_estimators()
            add("depth, network loaded anew", 0, lambda: estimate(photo.pixels))
            add("depth, warm", 0, lambda: estimate(photo.pixels))
            rough = estimate(photo.pixels).depth
            scale = GRID / max(photo.size)
            grid = round(photo.size[0] * scale), round(photo.size[1] * scale)
            add("refine depth", 0, lambda rough=rough, grid=grid: refine(rough, photo.pixels, grid))
            depth = refine(rough, photo.pixels, grid)
            cameras = pipeline.cameras_of(spec(out), spec(out).outputs[0])
            renderer = FrameRenderer(photo.pixels, depth, size=size, colour="bt709", pack=True, twin=True)

            def prepare(renderer: FrameRenderer = renderer, cameras: list = cameras) -> None:
                renderer.prepare(renderer.framed(cameras))

            add("mesh and texture", 0, prepare)

            def draw(renderer: FrameRenderer = renderer, cameras: list = cameras) -> None:
                for _ in renderer.raw_frames(renderer.framed(cameras)):
                    pass

            add("render, read back, pack as YUV", len(cameras), draw)
            renderer.close()
            add("encode alone (same frames, from raw)", len(cameras), lambda: _encode_alone(folder, size, options))
            add("end to end, depth cached", len(cameras), lambda: pipeline.make(spec(out)))
    print(f"{'stage':<38} {'wall ms':>9} {'CPU ms':>9} {'frames/s':>9} {'CPU ms/frame':>13}")
    for name, (costs, frames) in rows.items():
        wall, cpu = median(costs)
        per = f"{frames / wall:>9.1f} {1000 * cpu / frames:>13.1f}" if frames else ""
        print(f"{name:<38} {1000 * wall:>9.0f} {1000 * cpu:>9.0f} {per}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "darwin" else 1024) / 1024
    print(f"\npeak memory of this process: {peak:.2f} GiB")


def _encode_alone(folder: str, size: tuple[int, int], options: argparse.Namespace) -> None:
    """x264 with the same settings on the frames of the last end-to-end run, decoded and kept raw."""
    from depthflow.video.ffmpeg import ffmpeg_path

    raw, made = Path(folder) / "frames.yuv", Path(folder) / "out.mp4"
    if not made.exists():
        pipeline.make(
            JobSpec.parse(
                {
                    "photo": options.photo,
                    "motion": {"name": options.motion},
                    "outputs": [
                        {"path": str(made), "size": f"{size[0]}x{size[1]}", "duration": options.frames / 30, "crf": 10}
                    ],
                }
            )
        )
    call = [ffmpeg_path(), "-hide_banner", "-loglevel", "error", "-y"]
    if not raw.exists():
        subprocess.run([*call, "-i", made, "-f", "rawvideo", "-pix_fmt", "yuv420p", raw], check=True)
    picture = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{size[0]}x{size[1]}", "-r", "30", "-i", raw]
    settings = ["-c:v", "libx264", "-preset", options.encoder_preset, "-crf", "20"]
    subprocess.run([*call, *picture, *settings, "-f", "null", "-"], check=True)


def _machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


if __name__ == "__main__":
    main()
