"""Makes the pictures of docs/depth.md: photo, depth as the network gives it, its edges refined, and with tiles.

    python benchmarks/depth_pictures.py [--out docs/images]

The photos are those of the repository; docs/credits.md names them and their licences.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from depthflow.depth.estimator import estimate
from depthflow.depth.files import colour
from depthflow.depth.refine import refine
from depthflow.images import load_photo

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ("dandelions", "dogs", "astronaut")
PANEL = 400
"""Width of a panel, pixels."""
GAP = 6


def panels(path: Path) -> list[NDArray[np.uint8]]:
    photo = load_photo(str(path))
    width, height = photo.size
    # At the size that the renderer works with, then averaged down: what is shown is what is used.
    size = (round(width * 1024 / max(width, height)), round(height * 1024 / max(width, height)))
    whole = estimate(photo.pixels).depth
    tiled = estimate(photo.pixels, tiles=2).depth
    maps = (
        cv2.resize(whole, size, interpolation=cv2.INTER_LINEAR),
        refine(whole, photo.pixels, size),
        refine(tiled, photo.pixels, size),
    )
    small = (PANEL, round(PANEL * height / width))
    pictures = (photo.pixels, *(colour(np.asarray(depth, np.float32), "turbo") for depth in maps))
    return [np.asarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), np.uint8) for picture in pictures]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    args = parser.parse_args()
    for name in PHOTOS:
        cells = panels(ROOT / "tests" / "photos" / f"{name}.jpg")
        gap = np.full((cells[0].shape[0], GAP, 3), 255, np.uint8)
        row = np.hstack([part for cell in cells for part in (cell, gap)][:-1])
        file = args.out / f"depth-{name}.webp"
        Image.fromarray(row).save(file, quality=80, method=6)
        print(f"{file}: {row.shape[1]}x{row.shape[0]}, {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
