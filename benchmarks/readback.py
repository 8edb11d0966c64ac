"""Reading frames back: at once, or through a ring of pixel-pack buffers while the next one is drawn.

Prints a table of the renderer that is here, both ways in turns within one run, medians of all rounds.

    python benchmarks/readback.py [--sizes 1920x1080 3840x2160] [--frames 60] [--rounds 5]
"""

from __future__ import annotations

import argparse
import datetime
import os
import time
from collections.abc import Iterable
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray
from stages import _machine, median

from depthflow import paths
from depthflow.depth.estimator import estimate
from depthflow.images import load_photo
from depthflow.jobs.pipeline import cameras_of
from depthflow.jobs.spec import JobSpec, OutputSpec
from depthflow.render.context import context
from depthflow.render.frames import FrameRenderer
from depthflow.render.yuv import pack_420

WAYS = {"at once": False, "ring": True}


def use(frames: Iterable[NDArray[np.uint8]]) -> tuple[float, float]:
    """Wall and CPU seconds of drawing, reading back and packing, all threads of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    for frame in frames:
        pack_420(frame)
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", default=str(paths.data("config", "samples", "boats.jpg")))
    parser.add_argument("--sizes", nargs="+", default=["1920x1080", "3840x2160"])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    photo = load_photo(options.photo)
    depth = estimate(photo.pixels).depth
    print(f"{datetime.date.today()} · {_machine()} · {context().info.renderer}")
    print(f"load before the start {os.getloadavg()[0]:.1f}; medians of {options.rounds} rounds\n")
    print(f"{'size':<12} {'read back':<10} {'wall ms/frame':>13} {'CPU ms/frame':>13} {'frames/s':>9}")
    for text in options.sizes:
        width, height = map(int, text.split("x"))
        cameras = cameras_of(JobSpec(photo=options.photo), OutputSpec(size=text, fps=30, duration=options.frames / 30))
        costs: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        with ExitStack() as stack:
            renderers = {
                way: stack.enter_context(
                    FrameRenderer(photo.pixels, depth, size=(width, height), colour="bt709", ring=ring)
                )
                for way, ring in WAYS.items()
            }
            cameras = renderers["ring"].framed(cameras)
            for _ in range(options.rounds + 1):
                for way, renderer in renderers.items():
                    costs[way].append(use(renderer.raw_frames(cameras)))
        for way, (_, *measured) in costs.items():  # the first round prepares
            wall, cpu = (1000 * seconds / options.frames for seconds in median(measured))
            print(f"{text:<12} {way:<10} {wall:>13.1f} {cpu:>13.1f} {1000 / wall:>9.1f}")


if __name__ == "__main__":
    main()
