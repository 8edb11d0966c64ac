"""Whether one can see through the layers: clips of many photos, each drawn over two colours and compared.

    python benchmarks/see_through.py FOLDER [--photos 60] [--first 0] [--motions circle arc ...] [--strengths 1 2]

FOLDER is searched for photos, of which so many are taken at even distances. Where a clip differs between the two
colours by more than a few levels, nothing was drawn, or something soft over nothing. Every clip is of 2 s at 960x540,
6 frames a second, with each motion and strength and with two and three layers, its depth from the default model.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import numpy as np

from depthflow.errors import DepthFlowError
from depthflow.images import Photo, load_photo
from depthflow.jobs import pipeline
from depthflow.jobs.spec import JobSpec
from depthflow.render.frames import FrameRenderer
from depthflow.render.yuv import BLACK

SIZE = (960, 540)
OVER = (1.0, 0.0, 1.0), (0.0, 1.0, 0.0)
DIFFERS = 8
"""Levels: less is a soft edge that one does not see."""
ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--first", type=int, default=0, help="the first photo taken: others are taken between")
    parser.add_argument("--motions", nargs="+", default=["circle", "arc", "fly-through", "dolly"])
    parser.add_argument("--strengths", type=float, nargs="+", default=[1.0, 2.0])
    options = parser.parse_args()

    found = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in ENDINGS)[options.first :]
    taken = found[:: max(1, len(found) // options.photos)][: options.photos]
    clips, bad = 0, []
    for path in taken:
        try:
            photo = load_photo(path)
        except DepthFlowError:
            continue
        for motion in options.motions:
            for strength in options.strengths:
                for layers in (2, 3):
                    pixels = through(path, photo, motion, strength, layers)
                    clips += 1
                    if max(pixels):
                        bad.append(max(pixels))
                        print(f"{path.name} {motion} {strength:g} {layers} layers: {pixels}", flush=True)
    print(
        f"{datetime.date.today()}: {clips} clips of {len(taken)} photos, {len(bad)} with holes, at most "
        f"{max(bad, default=0)} pixels of {SIZE[0] * SIZE[1]} in a frame"
    )


def through(path: Path, photo: Photo, motion: str, strength: float, layers: int) -> list[int]:
    """Of each frame, how many pixels show what is behind all layers."""
    output = {"size": f"{SIZE[0]}x{SIZE[1]}", "fps": 6, "duration": 2}
    job = {"photo": str(path), "motion": {"name": motion, "strength": strength}, "outputs": [output]}
    spec = pipeline.resolve(JobSpec.parse(job))
    depth = pipeline.depth_of(photo, spec.depth)
    with FrameRenderer(photo.pixels, depth, size=SIZE, layers=layers) as renderer:
        clip = renderer.framed(pipeline.cameras_of(spec, spec.outputs[0], depth))
        renderer.prepare(clip)
        over = []
        for colour in OVER:
            BLACK["rgb"] = colour
            over.append([frame.astype(np.int16) for frame in renderer.frames(clip)])
    return [int((np.abs(a - b).max(axis=2) > DIFFERS).sum()) for a, b in zip(*over, strict=True)]


if __name__ == "__main__":
    main()
