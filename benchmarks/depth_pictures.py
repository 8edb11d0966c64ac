"""Makes the pictures of docs/depth.md: photo, depth as the network gives it, its edges refined, and with tiles.

    python benchmarks/depth_pictures.py [--out docs/images] [--model NAME|FILE.onnx]

And a sheet of varied photos over their depth as a render uses it. The photos are those of the repository and of
scikit-image; docs/credits.md names them and their licences.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image, ImageOps

from depthflow.depth.estimator import estimate
from depthflow.depth.files import colour
from depthflow.depth.refine import refine
from depthflow.images import load_photo

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ("dandelions", "dogs", "astronaut")
PANEL = 400
"""Width of a panel, pixels."""
GAP = 6
SHEET = ("astronaut", "chelsea", "coffee", "rocket", "camera", "temple", "boats", "room", "dogs", "dandelions")
SHEET_COLUMNS, SHEET_CELL = 5, (232, 168)


def sheet(model: str) -> NDArray[np.uint8]:
    """Photos in rows, each over its refined depth, cut to cells of one size."""
    cells = []
    for name in SHEET:
        own = [*(ROOT / "tests" / "photos").glob(f"{name}.jpg"), *(ROOT / "config" / "samples").glob(f"{name}.jpg")]
        pixels = load_photo(str(own[0])).pixels if own else getattr(skimage.data, name)()
        pixels = np.stack([pixels] * 3, axis=2) if pixels.ndim == 2 else pixels
        scale = 1024 / max(pixels.shape)
        size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
        depth = refine(estimate(pixels, model=model).depth, pixels, size)
        pictures = (cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), colour(depth, "turbo"))
        fitted = [ImageOps.fit(Image.fromarray(np.asarray(each, np.uint8)), SHEET_CELL) for each in pictures]
        cells.append(np.vstack([np.asarray(each) for each in fitted]))
    rows = [np.hstack(cells[start : start + SHEET_COLUMNS]) for start in range(0, len(cells), SHEET_COLUMNS)]
    return np.vstack(rows)


def save(picture: NDArray[np.uint8], file: Path) -> None:
    Image.fromarray(picture).save(file, quality=80, method=6)
    print(f"{file}: {picture.shape[1]}x{picture.shape[0]}, {file.stat().st_size / 1000:.0f} kB")


def panels(path: Path, model: str) -> list[NDArray[np.uint8]]:
    photo = load_photo(str(path))
    width, height = photo.size
    # At the size that the renderer works with, then averaged down: what is shown is what is used.
    size = (round(width * 1024 / max(width, height)), round(height * 1024 / max(width, height)))
    whole = estimate(photo.pixels, model=model).depth
    tiled = estimate(photo.pixels, model=model, tiles=2).depth
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
    parser.add_argument("--model", default="builtin")
    args = parser.parse_args()
    for name in PHOTOS:
        cells = panels(ROOT / "tests" / "photos" / f"{name}.jpg", args.model)
        gap = np.full((cells[0].shape[0], GAP, 3), 255, np.uint8)
        row = np.hstack([part for cell in cells for part in (cell, gap)][:-1])
        save(row, args.out / f"depth-{name}.webp")
    save(sheet(args.model), args.out / "depth-sheet.webp")


if __name__ == "__main__":
    main()
