"""How well a new view is met: the right photo of a stereo pair, predicted from the left one and its true disparity.

    python benchmarks/novel_view.py [--layers 1 2 3] [--edge mirror] [--out FOLDER]
    python benchmarks/novel_view.py --left L.png --right R.png --disparity D.npy

Without files it takes the Middlebury motorcycle that scikit-image fetches. The picture comes from the public
`depthflow.Renderer` and a camera that stands aside. The measure leaves MARGIN columns out on both sides; holes are
what no pixel of the left photo reaches. There a grey fog wins in PSNR and loses to the eye, so the energy of the
gradients, over that of the truth, counts too.
"""

from __future__ import annotations

import argparse
import datetime
from dataclasses import astuple, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.metrics import structural_similarity

import depthflow
from depthflow.scene.camera import Camera

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

MARGIN = 70
"""Columns left out on both sides: there the two photos do not see the same."""

LUMA = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True, slots=True)
class Score:
    """PSNR in dB, SSIM from 0 to 1, PSNR in the holes, gradient energy in the holes over that of the truth."""

    psnr: float
    ssim: float
    hole_psnr: float
    gradients: float


BARS = (("psnr", 24.0, None), ("ssim", 0.885, None), ("hole_psnr", 15.0, None), ("gradients", 0.4, 2.0))
"""What the motorcycle has to reach: (field, at least, at most)."""


# -- the pair --------------------------------------------------------------------------------------------------


def complete(disparity: NDArray[np.floating]) -> F32:
    """Every unknown pixel (not finite, or not above 0) takes the nearest known value."""
    unknown = ~(np.isfinite(disparity) & (disparity > 0))
    nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return np.asarray(disparity[tuple(nearest)], np.float32)


def load_pair(options: argparse.Namespace) -> tuple[U8, U8, F32]:
    """(left, right, disparity): (H, W, 3) uint8 sRGB twice, (H, W) float32 in pixels without gaps."""
    if options.left is None:
        from skimage import data

        left, right, disparity = data.stereo_motorcycle()
    else:
        left, right = (cv2.imread(str(path))[:, :, ::-1].copy() for path in (options.left, options.right))
        disparity = np.load(options.disparity)
        if not isinstance(disparity, np.ndarray):
            disparity = disparity[disparity.files[0]]
    return left, right, complete(disparity)


def predicted(left: U8, disparity: F32, *, layers: int, edge: str, relief: float) -> U8:
    """The right view, (H, W, 3) uint8, by the public renderer."""
    low, high = float(disparity.min()), float(disparity.max())
    depth = (disparity - low) / (high - low)
    rest = Camera(relief=relief)
    # A pixel moves by x * relief * (d - focus) / tan(fov / 2) halves of the longer side; that is to be its disparity.
    aside = (high - low) * 2 / max(left.shape[:2]) * rest.ray_scale / relief
    camera = Camera(relief=relief, focus=-low / (high - low), x=aside)
    with depthflow.Renderer(left, depth, size="photo", edge=edge, layers=layers) as renderer:
        return renderer.render(camera)


# -- the measure -----------------------------------------------------------------------------------------------


def holes_of(disparity: F32) -> Mask:
    """Pixels of the right view that no pixel of the left one reaches; cracks one pixel wide are none."""
    height, width = disparity.shape
    rows, columns = np.indices(disparity.shape)
    seen = np.zeros((height, width), bool)
    landing = columns - disparity
    for whole in (np.floor(landing), np.ceil(landing)):
        inside = (whole >= 0) & (whole < width)
        seen[rows[inside], whole[inside].astype(int)] = True
    return ~ndimage.binary_closing(seen, np.ones((1, 3), bool))


def psnr(a: U8, b: U8) -> float:
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def gradient_energy(picture: U8, where: Mask) -> float:
    down, right = np.gradient(picture @ np.array(LUMA))
    return float(np.mean(down[where] ** 2 + right[where] ** 2))


def score(picture: U8, truth: U8, disparity: F32) -> Score:
    inner = np.zeros(truth.shape[:2], bool)
    inner[:, MARGIN:-MARGIN] = True
    holes = holes_of(disparity) & inner
    _, likeness = structural_similarity(picture, truth, channel_axis=2, full=True)
    # One pixel inside the holes, so that their borders do not count as structure.
    within = ndimage.binary_erosion(holes)
    return Score(
        psnr=psnr(picture[inner], truth[inner]),
        ssim=float(likeness[inner].mean()),
        hole_psnr=psnr(picture[holes], truth[holes]),
        gradients=gradient_energy(picture, within) / gradient_energy(truth, within),
    )


# -- the table -------------------------------------------------------------------------------------------------


def row(name: str, values: Score) -> None:
    met = " ".join("yes" if reached(values, *bar) else "NO" for bar in BARS)
    cells = astuple(values)
    print(f"{name:<36} {cells[0]:>7.2f} {cells[1]:>7.4f} {cells[2]:>14.2f} {cells[3]:>19.3f}   {met}")


def reached(values: Score, field: str, least: float, most: float | None) -> bool:
    value = getattr(values, field)
    return value >= least and (most is None or value <= most)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--left", type=Path, help="photo that is given to the renderer")
    parser.add_argument("--right", type=Path, help="photo that is to be met")
    parser.add_argument("--disparity", type=Path, help=".npy or .npz: a left column x is seen at x - disparity")
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--edge", choices=("zoom", "mirror", "clamp"), default="mirror")
    parser.add_argument("--relief", type=float, default=0.6)
    parser.add_argument("--out", type=Path, help="write the pictures and the mask of the holes here")
    options = parser.parse_args()
    given = [value is not None for value in (options.left, options.right, options.disparity)]
    if any(given) != all(given):
        parser.error("--left, --right and --disparity belong together")

    left, right, disparity = load_pair(options)
    inner = np.s_[:, MARGIN:-MARGIN]
    share = holes_of(disparity)[inner].mean()
    name = options.left.name if options.left else "Middlebury motorcycle"
    print(f"{datetime.date.today()} · {name} {left.shape[1]}x{left.shape[0]}, {100 * share:.1f} % of it holes")
    print(f"{'picture':<36} {'PSNR':>7} {'SSIM':>7} {'PSNR in holes':>14} {'gradients in holes':>19}   bars met")
    row("left photo as it is", score(left, right, disparity))
    pictures = {"left": left, "right": right, "holes": (holes_of(disparity) * 255).astype(np.uint8)}
    for layers in options.layers:
        seen = predicted(left, disparity, layers=layers, edge=options.edge, relief=options.relief)
        row(f"rendered, layers={layers}, edge={options.edge}", score(seen, right, disparity))
        pictures[f"layers{layers}"] = seen
    limits = [f">= {least:g}" if most is None else f"{least:g} to {most:g}" for _, least, most in BARS]
    print(f"{'bars (for the motorcycle)':<36} {limits[0]:>7} {limits[1]:>7} {limits[2]:>13} {limits[3]:>19}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        for key, picture in pictures.items():
            cv2.imwrite(str(options.out / f"{key}.png"), picture if picture.ndim == 2 else picture[:, :, ::-1])


if __name__ == "__main__":
    main()
