"""Measure the built-in model against true depth: rank correlation of inverse depth per set, and edges at true jumps.

The pairs are for measuring only. Nothing is trained, tuned or chosen on them: run this last.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image
from scipy import ndimage
from scipy.stats import rankdata

ROOT = Path(__file__).resolve().parents[2]
Predict = Callable[[Image.Image], np.ndarray]


@dataclass(frozen=True)
class PairSet:
    """Photos with true depth: raw value / `unit` = metres, trusted between `nearest` and `farthest`."""

    title: str
    folder: str
    suffix: str
    unit: float
    nearest: float = 0.1
    farthest: float = 200.0

    def pairs(self, data: Path) -> Iterator[tuple[Image.Image, np.ndarray, np.ndarray]]:
        """Photo, metres (H, W) float64, and which pixels to trust (H, W) bool."""
        folder = data / "pairs" / self.folder
        for path in sorted(folder.glob(f"*{self.suffix}")):
            with Image.open(path) as raw:
                metres = np.asarray(raw).astype(np.float64) / self.unit
            photo = Image.open(folder / path.name.replace(self.suffix, ".png")).convert("RGB")
            yield photo, metres, (metres > self.nearest) & (metres < self.farthest)


SETS = (
    PairSet("NYU-like", "nyu_slambook_ch5", "_depth.pgm", 1000),
    PairSet("KITTI", "kitti_metric3d", "_depth.png", 256),
    PairSet("RealSense", "realsense_taeyoung96", "_depth.png", 1000, 0.4, 8.0),
    PairSet("ICL-NUIM", "icl_nuim_slambook2", "_depth.png", 5000),
)


def session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def ramp(photo: Image.Image) -> np.ndarray:
    """Nearer towards the bottom, and nothing else: what a model must beat."""
    return np.repeat(np.arange(photo.height, dtype=np.float64)[:, None], photo.width, 1)


def general_teacher(path: Path) -> Predict:
    """The general teacher as it was exported: every photo squeezed into 192 x 320."""
    run = session(path)

    def predict(photo: Image.Image) -> np.ndarray:
        pixels = np.asarray(photo.resize((320, 192), Image.Resampling.BILINEAR), np.float32)
        return run.run(None, {run.get_inputs()[0].name: pixels.transpose(2, 0, 1)[None]})[0].squeeze()

    return predict


def builtin(path: Path, size: int, multiple: int) -> Predict:
    """The shipped network at its default size: long side `size`, both sides multiples of `multiple`."""
    run = session(path)

    def predict(photo: Image.Image) -> np.ndarray:
        scale = size / max(photo.size)
        width, height = (max(1, round(side * scale / multiple)) * multiple for side in photo.size)
        pixels = np.asarray(photo.resize((width, height), Image.Resampling.BOX), np.float32) / 255
        return run.run(["disparity"], {"image": pixels.transpose(2, 0, 1)[None]})[0][0]

    return predict


def spearman(disparity: np.ndarray, metres: np.ndarray, valid: np.ndarray) -> float:
    """Rank correlation of a predicted disparity, scaled to the truth's size, with true inverse depth."""
    found = enlarged(disparity, metres.shape[::-1])
    return float(np.corrcoef(rankdata(found[valid]), rankdata(1 / metres[valid]))[0, 1])


def enlarged(disparity: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinearly to `size` (width, height), float32."""
    scaled = Image.fromarray(disparity.astype(np.float32))
    return np.asarray(scaled if scaled.size == size else scaled.resize(size, Image.Resampling.BILINEAR))


def edge_scenes(data: Path) -> Iterator[tuple[Image.Image, np.ndarray]]:
    """Photos whose depth is dense, with true inverse depth (H, W), NaN where it is not known."""
    icl = next(each for each in SETS if each.title == "ICL-NUIM")
    for photo, metres, valid in icl.pairs(data):
        yield photo, np.where(valid, 1 / np.where(valid, metres, 1), np.nan)
    folder = data / "pairs" / "middlebury_motorcycle"
    with np.load(folder / "motorcycle_disp.npz") as stored:
        disparity = stored[stored.files[0]].astype(np.float64)
    yield (
        Image.open(folder / "motorcycle_left.png").convert("RGB"),
        np.where(np.isfinite(disparity), disparity, np.nan),
    )


def edge_score(disparity: np.ndarray, truth: np.ndarray) -> float:
    """Correlation (cosine) of the Sobel gradients of `disparity`, enlarged bilinearly, with the truth's at its jumps.

    A jump is a step of more than 6 % of the true range (percentiles 0.5 to 99.5) between neighbouring pixels; what
    lies within two pixels of one counts. Free of scale, and of where the map stands. Both are (h, w) and (H, W).
    """
    low, high = np.nanpercentile(truth, (0.5, 99.5))
    known = ~np.isnan(truth)
    whole = np.clip((truth - low) / (high - low), 0, 1)
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    whole = whole[tuple(nearest)]
    jumps = ndimage.maximum_filter(whole, 3) - ndimage.minimum_filter(whole, 3) > 0.06
    disc = np.hypot(*np.mgrid[-2:3, -2:3]) < 2.5
    where = ndimage.binary_dilation(jumps, disc) & known
    found = enlarged(disparity, truth.shape[::-1])
    a, b = (np.concatenate([ndimage.sobel(x, axis)[where] for axis in (0, 1)]) for x in (found, whole))
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-12))


def latency_ms(predict: Predict, photo: Image.Image, rounds: int = 15) -> float:
    """Median wall time of one photo after two warm-up runs, resizing included."""
    times = []
    for _ in range(rounds + 2):
        start = time.perf_counter()
        predict(photo)
        times.append((time.perf_counter() - start) * 1000)
    return float(np.median(times[2:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "depth-data")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "builtin.onnx")
    options = parser.parse_args()
    rules = tomllib.loads((ROOT / "models" / "registry.toml").read_text())["models"]["builtin"]["input"]
    methods: dict[str, Predict] = {
        "bottom-near ramp": ramp,
        "general teacher": general_teacher(options.data / "teachers" / "tcmonodepth_small_192x320.onnx"),
        "built-in": builtin(options.model, rules["size"], rules["multiple"]),
    }
    scores = {name: {s.title: [] for s in SETS} for name in methods}
    for pair_set in SETS:
        for photo, metres, valid in pair_set.pairs(options.data):
            for name, predict in methods.items():
                scores[name][pair_set.title].append(spearman(predict(photo), metres, valid))
    edges: dict[str, list[float]] = {name: [] for name in methods}
    for photo, truth in edge_scenes(options.data):
        for name, predict in methods.items():
            edges[name].append(edge_score(predict(photo), truth))
    counts = {s.title: len(scores["built-in"][s.title]) for s in SETS}
    heads = [f"{title} ({count})" for title, count in counts.items()]
    print("| method | " + " | ".join(heads) + f" | mean of sets | edges ({len(edges['built-in'])}) |")
    print("|---" * (len(heads) + 3) + "|")
    for name, by_set in scores.items():
        means = [float(np.mean(by_set[s.title])) for s in SETS]
        print(f"| {name} | " + " | ".join(f"{m:.3f}" for m in [*means, np.mean(means), np.mean(edges[name])]) + " |")
    time_ms = latency_ms(methods["built-in"], Image.new("RGB", (rules["size"] * 3, rules["size"] * 2), (90, 120, 60)))
    print(
        f"\n{options.model.name}: {options.model.stat().st_size / 1e6:.2f} MB, {time_ms:.0f} ms a photo at long side "
        f"{rules['size']}; {datetime.date.today()}, {os.cpu_count()} cores {platform.machine()}, "
        f"ONNX Runtime {ort.__version__}"
    )


if __name__ == "__main__":
    main()
