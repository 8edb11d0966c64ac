"""Label the photos with the teachers, once: photos.tar -> a cache of pictures and disparity labels.

A label is made in three steps:
1. *Order of depth* from the general teacher at its own scale and at twice the area (each with a mirror image),
   mixed with the indoor teacher where interiors.txt names the photo.
2. *Shape* from the general teacher at four times the area, whose edges are sharp but whose far-apart parts
   disagree: a guided filter fits it locally to the order of depth (a scale and a shift for each place).
3. *Edges*: each pixel on a depth slope takes the depth of pixels of like colour that are on a plateau.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing as mp
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from interiors import SHARES, VIEWS, listed, view
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter
from teachers import General, Indoor

ROOT = Path(__file__).resolve().parents[2]
LONG_SIDE = 416  # pixels of the longest side of a cached picture


def normalise(values: np.ndarray) -> np.ndarray:
    """Shift by the median, scale by the mean absolute deviation: the common scale of all labels."""
    centred = values - np.median(values)
    return (centred / max(float(np.abs(centred).mean()), 1e-6)).astype(np.float32)


def guided(guide: np.ndarray, target: np.ndarray, sigma: float, eps: float) -> np.ndarray:
    """Local straight-line fit of `target` by `guide` in Gaussian windows (guided filter); both (H, W)."""

    def mean(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, sigma, truncate=2.5)

    mean_g, mean_t = mean(guide), mean(target)
    slope = (mean(guide * target) - mean_g * mean_t) / (mean(guide * guide) - mean_g**2 + eps)
    offset = mean_t - slope * mean_g
    return mean(slope) * guide + mean(offset)


def sharpen(disparity: np.ndarray, rgb: np.ndarray, rounds: int = 2, radius: int = 3, step: int = 3) -> np.ndarray:
    """Narrow the slopes of (H, W) `disparity` onto the colour edges of (H, W, 3) `rgb` in 0..1."""
    d, reach = disparity.astype(np.float32), radius * step
    height, width = d.shape
    offsets = [(y * step, x * step) for y in range(-radius, radius + 1) for x in range(-radius, radius + 1)]

    def padded(x: np.ndarray) -> np.ndarray:
        return np.pad(x, ((reach, reach), (reach, reach)) + ((0, 0),) * (x.ndim - 2), mode="edge")

    colours = padded(rgb)
    alike = []
    for dy, dx in offsets:
        moved = colours[reach + dy : reach + dy + height, reach + dx : reach + dx + width]
        distance = ((moved - rgb) ** 2).sum(-1) / (2 * 0.08**2) + (dy * dy + dx * dx) / (2 * (reach / 1.5) ** 2)
        alike.append(np.exp(-np.minimum(distance, 30)))  # the limit keeps denormal numbers (slow) away
    for _ in range(rounds):
        slope = np.hypot(*np.gradient(d)) / max(float(d.std()), 1e-6)
        trust = np.exp(-np.minimum((slope / 0.04) ** 2, 12)) + 1e-3
        trusts, depths = padded(trust), padded(d)
        total, weight = 1e-3 * d, np.full_like(d, 1e-3)
        for (dy, dx), like in zip(offsets, alike, strict=True):
            here = slice(reach + dy, reach + dy + height), slice(reach + dx, reach + dx + width)
            w = like * trusts[here]
            total += w * depths[here]
            weight += w
        change = maximum_filter(1 - np.exp(-np.minimum((slope / 0.02) ** 2, 12)), 5)
        d = change * total / weight + (1 - change) * d
    return d.astype(np.float32)


def label(image: Image.Image, general: General, indoor: Indoor, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Normalised disparity with the indoor teacher's `share` (0..1), and that teacher's own; both (H, W) float32."""
    small, medium = normalise(general(image, 1.0)), normalise(general(image, 2.0))
    order = normalise(small + medium)
    expert = normalise(2 * normalise(indoor(image)) + normalise(indoor(image, 1.4)))
    order = (1 - share) * order + share * expert
    fine = normalise(general(image, 4.0, flip=False))
    merged = guided(fine, order, max(image.size) / 24, 1e-3)
    return normalise(sharpen(merged, np.asarray(image, np.float32) / 255)), expert


_worker: dict = {}


def _start(teachers: Path) -> None:
    torch.set_num_threads(1)
    _worker.update(general=General(teachers), indoor=Indoor(teachers))


def _make(task: tuple[str, bytes, float, Path]) -> str:
    name, blob, share, out = task
    image = Image.open(io.BytesIO(blob)).convert("RGB")
    if "." in name:
        image = view(image, name)
    if max(image.size) > LONG_SIDE:
        image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    disparity, expert = label(image, **_worker, share=share)
    if not np.isfinite(disparity).all() or not np.isfinite(expert).all():
        raise ValueError(f"{name}: the label holds values that are no numbers")
    temporary = out / f".{name}.npz"
    np.savez(
        temporary,
        image=np.asarray(image),
        disparity=disparity.astype(np.float16),
        expert=expert.astype(np.float16),
        share=np.float32(share),
    )
    temporary.replace(out / f"{name}.npz")  # never a half file under a good name
    return name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "depth-data")
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "training")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--limit", type=int, default=0, help="label only this many photos (0: all)")
    options = parser.parse_args()
    out = options.cache / "labels"
    out.mkdir(parents=True, exist_ok=True)

    kinds = listed()

    def tasks() -> Iterator[tuple[str, bytes, float, Path]]:
        with tarfile.open(options.data / "photos.tar") as tar:
            members = [m for m in tar if m.isfile() and m.name.endswith(".jpg")]
            # A fixed shuffle, so that an unfinished cache is already a fair sample; rooms first, for there are few.
            order = np.random.default_rng(0).permutation(len(members))[: options.limit or None]
            for index in sorted(order, key=lambda index: Path(members[index].name).stem not in kinds):
                name = Path(members[index].name).stem
                kind = kinds.get(name)
                share = SHARES[kind] if kind else 0.0
                views = [f"{name}.{number}" for number in range(1, VIEWS[kind] + 1)] if kind else []
                for each in [name, *views]:
                    if not (out / f"{each}.npz").exists():
                        yield each, tar.extractfile(members[index]).read(), share, out

    start, count = time.monotonic(), 0
    with mp.get_context("spawn").Pool(options.workers, _start, (options.data / "teachers",)) as pool:
        for count, name in enumerate(pool.imap_unordered(_make, tasks()), 1):
            if count % 100 == 0:
                print(f"{count} labelled, {count / (time.monotonic() - start):.1f} a second (last: {name})", flush=True)
    print(f"done: {count} new labels in {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
