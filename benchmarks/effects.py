"""CPU time that each effect adds to a frame, in one run.

    python benchmarks/effects.py [--size 1920x1080] [--frames 20]

Frames are drawn and read back, and not encoded. CPU time is that of the whole process, all threads.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time

from depthflow.images import load_photo
from depthflow.jobs.depth import depth_of
from depthflow.jobs.effects import effects_of, moving
from depthflow.jobs.effects_options import from_options
from depthflow.jobs.effects_spec import SUGGESTED, EffectsSpec
from depthflow.jobs.preview import sample_photo
from depthflow.jobs.spec import DepthSpec
from depthflow.render.frames import FrameRenderer
from depthflow.scene.camera import Camera
from depthflow.scene.views import Fan

CASES = {
    "none": [],
    **{
        name: [name]
        for name in SUGGESTED
        if name not in ("particles", "barrel", "pincushion", "warm", "cool", "colour")
    },
    "dof.focus=0.9 (all behind)": ["dof", "dof.focus=0.9"],
    "dof.aperture=0.08": ["dof.aperture=0.08"],
    "caption": ["caption.text=A line of text"],
    "film (preset)": ["dof", "lens", "sepia", "vignette", "grain", "letterbox", "fade"],
}
ROUNDS = 3


def cost(photo, depth, size, options, frames):  # type: ignore[no-untyped-def]
    """CPU and wall milliseconds a frame."""
    effects = effects_of(EffectsSpec.model_validate(from_options(options)), size)
    with FrameRenderer(photo, depth, size=size, effects=effects) as renderer:
        cameras = renderer.framed([Camera(x=0.06 * (1 - 2 * i / frames)) for i in range(frames)])
        shots = moving(renderer.shots(cameras, Fan()), effects, {}, passes=1, fps=30.0)
        drawn = renderer.raw_frames(shots)
        next(drawn)
        before, started = os.times(), time.perf_counter()
        count = sum(1 for _ in drawn)
        wall, after = time.perf_counter() - started, os.times()
    cpu = after.user + after.system - before.user - before.system
    return 1000 * cpu / count, 1000 * wall / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--frames", type=int, default=20)
    asked = parser.parse_args()
    width, height = map(int, asked.size.split("x"))
    photo = load_photo(str(sample_photo()))
    depth = depth_of(photo, DepthSpec())
    rounds = [
        {name: cost(photo.pixels, depth, (width, height), options, asked.frames) for name, options in CASES.items()}
        for _ in range(ROUNDS)
    ]
    middle = {name: [statistics.median(r[name][i] for r in rounds) for i in (0, 1)] for name in CASES}
    base = middle["none"][0]
    print(f"{platform.node()}: {os.cpu_count()} cores, {width}x{height}, medians of {ROUNDS}, ms a frame")
    print("| effect | CPU | adds | wall |\n|---|---|---|---|")
    for name, (cpu, wall) in middle.items():
        print(f"| {name} | {cpu:.0f} | {cpu - base:.0f} | {wall:.0f} |")


if __name__ == "__main__":
    main()
