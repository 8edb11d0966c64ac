"""Measure the built-in model against true depth: mean Spearman rank correlation of inverse depth per set.

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
    size = metres.shape[::-1]
    if disparity.shape != metres.shape:
        scaled = Image.fromarray(disparity.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
        disparity = np.asarray(scaled)
    return float(np.corrcoef(rankdata(disparity[valid]), rankdata(1 / metres[valid]))[0, 1])


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
    counts = {s.title: len(scores["built-in"][s.title]) for s in SETS}
    heads = [f"{title} ({count})" for title, count in counts.items()]
    print("| method | " + " | ".join(heads) + " | mean of sets |")
    print("|---" * (len(heads) + 2) + "|")
    for name, by_set in scores.items():
        means = [float(np.mean(by_set[s.title])) for s in SETS]
        print(f"| {name} | " + " | ".join(f"{m:.3f}" for m in [*means, float(np.mean(means))]) + " |")
    time_ms = latency_ms(methods["built-in"], Image.new("RGB", (rules["size"] * 3, rules["size"] * 2), (90, 120, 60)))
    print(
        f"\n{options.model.name}: {options.model.stat().st_size / 1e6:.2f} MB, {time_ms:.0f} ms a photo at long side "
        f"{rules['size']}; {datetime.date.today()}, {os.cpu_count()} cores {platform.machine()}, "
        f"ONNX Runtime {ort.__version__}"
    )


if __name__ == "__main__":
    main()
