"""Scenes whose background is known: planes of textured shapes, seen from aside, against the true picture.

    python benchmarks/known_background.py [--layers 1 2 3] [--out FOLDER]

A stereo pair (benchmarks/novel_view.py) is one scene; these are six, with nested things, hair, branches and bars. Each
is measured with its true depth and with a network-like one: blurred, four times smaller, and refined as in a job. The
true picture comes from shifting the planes themselves; holes are what a nearer plane hides in the photo.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from novel_view import gradient_energy, psnr
from numpy.typing import NDArray
from skimage import data
from skimage.metrics import structural_similarity

from depthflow import paths
from depthflow.depth.refine import refine
from depthflow.render.frames import FrameRenderer
from depthflow.scene.camera import Camera

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Plane = tuple[U8, F32, float]
"""Texture, opacity and depth."""

WIDTH, HEIGHT = 640, 400
RELIEF, FOCUS = 0.8, 0.3
ASIDE = -0.06, 0.03, 0.06
"""Places of the camera."""
PHOTOS = Path(__file__).parent.parent / "tests" / "photos"


def texture(photo: U8, seed: int) -> U8:
    """A piece of a photo, as large as a scene."""
    scale = max(WIDTH / photo.shape[1], HEIGHT / photo.shape[0]) * 1.05
    photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(seed)
    row, column = (
        int(rng.integers(0, have - want + 1)) for have, want in zip(photo.shape, (HEIGHT, WIDTH), strict=False)
    )
    return np.ascontiguousarray(photo[row : row + HEIGHT, column : column + WIDTH])


def drawn(draw: Callable[[U8], None]) -> F32:
    """Opacity of what is drawn on a sheet four times as large, with soft edges."""
    sheet = np.zeros((HEIGHT * 4, WIDTH * 4), np.uint8)
    draw(sheet)
    return cv2.resize(sheet, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def disc(x: float, y: float, radius: float) -> F32:
    return drawn(lambda s: cv2.circle(s, (int(x * WIDTH * 4), int(y * HEIGHT * 4)), int(radius * WIDTH * 4), 255, -1))


def hair(sheet: U8) -> None:
    rng = np.random.default_rng(3)
    middle, radii = np.array([WIDTH * 2, HEIGHT * 2.2]), np.array([WIDTH * 0.48, HEIGHT * 0.88])
    cv2.ellipse(sheet, middle.astype(int).tolist(), (WIDTH // 2, int(HEIGHT * 0.9)), 0, 0, 360, 255, -1)
    for angle in rng.uniform(0, 2 * np.pi, 60):
        direction = np.array([np.cos(angle), np.sin(angle)])
        steps = direction * 14 + np.cumsum(rng.normal(0, 2.2, (16, 2)), axis=0)
        strand = middle + radii * direction + np.cumsum(steps, axis=0)
        cv2.polylines(sheet, [strand.astype(np.int32)], False, 255, int(rng.integers(2, 6)))


def branches(sheet: U8) -> None:
    rng = np.random.default_rng(4)

    def grow(root: NDArray[np.floating], angle: float, length: float, width: float) -> None:
        if length < 40:
            return
        tip = root + length * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(sheet, root.astype(int).tolist(), tip.astype(int).tolist(), 255, max(2, int(width)))
        for _ in range(2):
            grow(tip, angle + rng.normal(0, 0.5), length * rng.uniform(0.65, 0.85), width * 0.65)

    for x in (0.3, 0.6):
        grow(np.array([WIDTH * 4 * x, HEIGHT * 4.0]), -np.pi / 2, HEIGHT * 1.1, 40)


def bars(sheet: U8) -> None:
    for left in range(200, WIDTH * 4, 270):
        cv2.rectangle(sheet, (left, 400), (left + 40, HEIGHT * 4), 255, -1)
    cv2.rectangle(sheet, (0, 600), (WIDTH * 4, 640), 255, -1)


def scenes() -> Iterator[tuple[str, list[Plane]]]:
    """(name, planes from the farthest to the nearest)."""
    read = lambda path: cv2.imread(str(path))[..., ::-1]  # noqa: E731
    temple, dogs, room = (read(PHOTOS / f"{name}.jpg") for name in ("temple", "dogs", "room"))
    boats = read(paths.data("config", "samples", "boats.jpg"))
    all_of = np.ones((HEIGHT, WIDTH), np.float32)
    cat, brick, gravel, coffee = (
        data.cat(),
        *(cv2.cvtColor(t(), cv2.COLOR_GRAY2RGB) for t in (data.brick, data.gravel)),
        data.coffee(),
    )
    yield "thing", [(texture(temple, 1), all_of, 0.1), (texture(dogs, 1), disc(0.5, 0.5, 0.2), 0.8)]
    yield (
        "nested",
        [
            (texture(temple, 2), all_of, 0.05),
            (texture(cat, 1), disc(0.45, 0.5, 0.22), 0.5),
            (texture(coffee, 1), disc(0.62, 0.55, 0.1), 0.95),
        ],
    )
    yield (
        "street",
        [
            (texture(boats, 3), all_of, 0.1),
            (texture(cat, 2), np.maximum(disc(0.3, 0.6, 0.12), disc(0.72, 0.55, 0.15)), 0.7),
            (texture(dogs, 4), disc(0.5, 0.9, 0.16), 1.0),
        ],
    )
    yield "hair", [(texture(room, 3), all_of, 0.1), (texture(gravel, 1), drawn(hair), 0.7)]
    yield "branches", [(texture(temple, 5), all_of, 0.05), (texture(gravel, 2), drawn(branches), 0.7)]
    yield "bars", [(texture(boats, 5), all_of, 0.1), (texture(brick, 4), drawn(bars), 0.75)]


def seen(planes: list[Plane], camera: Camera) -> tuple[U8, NDArray[np.bool_]]:
    """(picture, holes) that the camera truly sees."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    holes = np.zeros((HEIGHT, WIDTH), bool)
    for number, (colours, opacity, depth) in enumerate(planes):
        shift = -camera.x * RELIEF * (depth - FOCUS) / camera.ray_scale * max(WIDTH, HEIGHT) / 2
        hidden = np.max([plane[1] for plane in planes[number + 1 :]] or [np.zeros_like(opacity)], axis=0)
        colour, alpha, behind = (
            cv2.remap(m.astype(np.float32), x - np.float32(shift), y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
            for m in (colours, opacity, hidden)
        )
        alpha = np.clip(alpha, 0, 1)[..., None]
        picture = picture * (1 - alpha) + colour * alpha
        holes = np.where(alpha[..., 0] > 0.5, behind > 0.5, holes)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), holes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--out", type=Path, help="write rendered and true pictures here, side by side")
    options = parser.parse_args()
    print(f"{datetime.date.today()} · {WIDTH}x{HEIGHT}, cameras at x = {', '.join(map(str, ASIDE))}")
    heads = f"{'PSNR':>7} {'SSIM':>7} {'PSNR in holes':>14} {'gradients in holes':>19}"
    print(f"{'scene':<12} {'depth':<8} {'layers':>6} {heads}")
    inner = np.zeros((HEIGHT, WIDTH), bool)
    inner[8:-8, 50:-50] = True
    totals: dict[tuple[str, int], list[list[float]]] = {}
    for name, planes in scenes():
        photo, _ = seen(planes, Camera())
        depth = np.zeros((HEIGHT, WIDTH), np.float32)
        for _, opacity, far in planes:
            depth[opacity > 0.5] = far
        small = cv2.resize(
            cv2.GaussianBlur(depth, (0, 0), 2.5), (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA
        )
        for kind, given in (("true", depth), ("network", np.clip(refine(small, photo, (WIDTH, HEIGHT)), 0, 1))):
            for layers in options.layers:
                cameras = [Camera(x=x, relief=RELIEF, focus=FOCUS) for x in ASIDE]
                with FrameRenderer(photo, given, size=(WIDTH, HEIGHT), edge="mirror", layers=layers) as renderer:
                    frames = list(renderer.frames(cameras))
                rows = [
                    score(frame, *seen(planes, camera), inner) for frame, camera in zip(frames, cameras, strict=True)
                ]
                totals.setdefault((kind, layers), []).append(row(name, kind, layers, rows))
                if options.out:
                    options.out.mkdir(parents=True, exist_ok=True)
                    both = np.hstack([frames[-1], seen(planes, cameras[-1])[0]])[..., ::-1]
                    cv2.imwrite(str(options.out / f"{name}-{kind}-{layers}.png"), both)
    for (kind, layers), values in totals.items():
        row("mean", kind, layers, values)


def score(frame: U8, truth: U8, holes: NDArray[np.bool_], inner: NDArray[np.bool_]) -> list[float]:
    holes = holes & inner
    within = cv2.erode(holes.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    _, likeness = structural_similarity(frame, truth, channel_axis=2, full=True)
    ratio = gradient_energy(frame, within) / gradient_energy(truth, within) if within.any() else np.nan
    return [psnr(frame[inner], truth[inner]), float(likeness[inner].mean()), psnr(frame[holes], truth[holes]), ratio]


def row(name: str, kind: str, layers: int, rows: list[list[float]]) -> list[float]:
    mean = [float(value) for value in np.nanmean(rows, axis=0)]
    print(f"{name:<12} {kind:<8} {layers:>6} {mean[0]:>7.2f} {mean[1]:>7.4f} {mean[2]:>14.2f} {mean[3]:>19.3f}")
    return mean


if __name__ == "__main__":
    main()
