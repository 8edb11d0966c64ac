"""Measures depth refinement against true depth: how far off near true jumps and elsewhere, and how long it takes.

The true depth is shrunk to 256 pixels and blurred, as a network would draw it, then refined with the photo as the
guide; beside it plain bilinear enlargement of the same. `--network` measures the built-in network's own depth
too, fitted to the truth by scale and shift.

    python benchmarks/refine.py --data ../shared/depth-data
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depthflow.depth.refine import refine

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Method = Callable[[F32, U8], F32]


def scenes(data: Path) -> Iterator[tuple[str, U8, F32]]:
    """(name, photo, true inverse depth in [0, 1] with NaN where unknown)."""
    pairs = data / "pairs"
    for path in sorted((pairs / "icl_nuim_slambook2").glob("*_depth.png")):
        metres = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32) / 5000
        photo = cv2.imread(str(path).replace("_depth", ""))
        yield f"icl {path.stem[0]}", photo[:, :, ::-1].copy(), inverse(metres)
    motorcycle = pairs / "middlebury_motorcycle"
    disparity = np.load(motorcycle / "motorcycle_disp.npz")
    disparity = disparity[disparity.files[0]].astype(np.float32)
    disparity[~np.isfinite(disparity)] = np.nan
    photo = cv2.imread(str(motorcycle / "motorcycle_left.png"))
    yield "motorcycle", photo[:, :, ::-1].copy(), unit(disparity)


def inverse(metres: F32) -> F32:
    with np.errstate(divide="ignore"):
        return unit(np.where(metres > 0.1, 1 / metres, np.nan).astype(np.float32))


def unit(values: F32) -> F32:
    low, high = np.nanpercentile(values, (0.5, 99.5))
    return np.clip((values - low) / (high - low), 0, 1)


def filled(values: F32) -> F32:
    bad = np.isnan(values).astype(np.uint8)
    if not bad.any():
        return values
    _, labels = cv2.distanceTransformWithLabels(bad, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros(labels.max() + 1, np.float32)
    table[labels[bad == 0]] = values[bad == 0]
    return table[labels]


def as_network(truth: F32, blur: float, glow: int = 0, lost: int = 0) -> F32:
    """What a good network would give: 256 pixels wide, soft; near things `glow` of its pixels too large, or without
    what is thinner than `lost` of its pixels to each side.
    """
    height = round(256 * truth.shape[0] / truth.shape[1] / 32) * 32
    small = cv2.resize(truth, (256, height), interpolation=cv2.INTER_AREA)
    if glow:
        small = cv2.dilate(small, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * glow + 1, 2 * glow + 1)))
    if lost:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * lost + 1, 2 * lost + 1))
        small = cv2.morphologyEx(small, cv2.MORPH_OPEN, disc)
    return cv2.GaussianBlur(small, (0, 0), blur) if blur > 0 else small


def near_jumps(truth: F32, reach: int = 8, height: float = 0.06) -> NDArray[np.bool_]:
    """Pixels within `reach` of a true jump."""
    three = np.ones((3, 3), np.uint8)
    jumps = (cv2.dilate(truth, three) - cv2.erode(truth, three) > height).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate(jumps, disc) > 0


def bilinear(depth: F32, guide: U8) -> F32:
    return cv2.resize(depth, (guide.shape[1], guide.shape[0]), interpolation=cv2.INTER_LINEAR)


def fitted(depth: F32, truth: F32, known: NDArray[np.bool_]) -> F32:
    """Scale and shift by least squares."""
    a = np.stack([depth[known], np.ones(int(known.sum()))], axis=1)
    scale, shift = np.linalg.lstsq(a, truth[known], rcond=None)[0]
    return (depth * scale + shift).astype(np.float32)


METHODS: dict[str, Method] = {"bilinear": bilinear, "refine": lambda depth, guide: refine(depth, guide)}


def row(name: str, photo: U8, truth: F32, depth: F32, fit: bool) -> list[float]:
    known = ~np.isnan(truth)
    whole = filled(truth)
    band = near_jumps(whole) & known
    rest = ~near_jumps(whole) & known
    cells: list[float] = []
    for method in METHODS.values():
        result = method(depth, photo)
        if fit:
            result = fitted(result, truth, known)
        error = np.abs(result - whole)
        cells += [error[band].mean() * 100, (error[band] > 0.05).mean() * 100, error[rest].mean() * 100]
    print(f"{name:34}", *(f"{c:9.2f}" for c in cells))
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/depth-data"))
    parser.add_argument("--network", action="store_true", help="also the built-in network's own depth")
    parser.add_argument("--out", type=Path, help="write pictures here")
    args = parser.parse_args()
    print("mean error x 100 within 8 px of a jump | % of those off by > 0.05 | mean error x 100 elsewhere")
    print(f"{'':34}", *(f"{m + ' ' + c:>9}"[-9:] for m in METHODS for c in ("edge", "off", "rest")))
    glows = ((0.0, 0, 0), (1.2, 0, 0), (2.0, 0, 0), (3.0, 0, 0), (4.5, 0, 0), (2.0, 2, 0), (3.0, 2, 0))
    for blur, glow, lost in (*glows, (1.2, 0, 3), (1.2, 0, 6)):
        cells = [
            row(f"{n} blur {blur} glow {glow} lost {lost}", p, t, as_network(filled(t), blur, glow, lost), False)
            for n, p, t in scenes(args.data)
        ]
        print(f"{'mean':34}", *(f"{c:9.2f}" for c in np.mean(cells, axis=0)))
    if args.network:
        from depthflow.depth.estimator import estimate

        cells = [row(f"{n} network", p, t, estimate(p).depth, True) for n, p, t in scenes(args.data)]
        print(f"{'mean':34}", *(f"{c:9.2f}" for c in np.mean(cells, axis=0)))
    if args.out:
        pictures(args.data, args.out)
    fur()
    speed()


def pictures(data: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, photo, truth in scenes(data):
        depth = as_network(filled(truth), 1.2)
        panels = [m(depth, photo) for m in METHODS.values()]
        strip = np.hstack(
            [cv2.applyColorMap((p * 255).astype(np.uint8), cv2.COLORMAP_INFERNO) for p in (filled(truth), *panels)]
        )
        cv2.imwrite(str(out / f"{name.replace(' ', '_')}.png"), np.hstack([photo[:, :, ::-1], strip]))


def fur() -> None:
    """A furry disc before a wall: both sides have clumps of each other's colour, and the ramp is wide."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:192, 0:256]
    disc = np.hypot(x - 128, y - 96) < 64
    truth = np.where(disc, 0.9, 0.2).astype(np.float32)
    clumps = cv2.GaussianBlur(rng.normal(size=disc.shape), (0, 0), 2.5)
    colours = np.where((disc ^ (clumps > np.quantile(clumps, 0.6)))[:, :, None], (200, 120, 60), (70, 90, 140))
    photo = np.clip(colours + rng.normal(0, 20, colours.shape), 0, 255).astype(np.uint8)
    for blur in (2.0, 3.0, 4.0, 5.0):
        small = cv2.GaussianBlur(cv2.resize(truth, (128, 96), interpolation=cv2.INTER_AREA), (0, 0), blur)
        off = [float((np.abs(method(small, photo) - truth) > 0.2).mean()) for method in METHODS.values()]
        print(f"furry disc, blur {blur}: off by > 0.2:", *(f"{n} {o:.2%}" for n, o in zip(METHODS, off, strict=True)))


def speed() -> None:
    """Seconds from a whole photo to a grid of 1536, with far more outlines than a photo has."""
    rng = np.random.default_rng(1)
    for megapixels, size in ((12, (4000, 3000)), (2, (1632, 1224))):
        small = rng.random((24, 32)).astype(np.float32)
        depth = cv2.resize(small, (384, 288), interpolation=cv2.INTER_NEAREST)
        depth = cv2.GaussianBlur(depth, (0, 0), 1.2)
        guide = cv2.resize((small * 255).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        guide = np.stack([guide] * 3, axis=2)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            refine(depth, guide, (1536, 1152))
            times.append(time.perf_counter() - start)
        print(f"{megapixels} MP -> 1536x1152, 768 blocks of depth: best {min(times):.2f} s of {len(times)}")


if __name__ == "__main__":
    main()
