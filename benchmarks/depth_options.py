"""What --tiles, --flip and --network-size do to a network's depth, on photos with true depth.

    python benchmarks/depth_options.py --data FOLDER [--model NAME|FILE.onnx]

Per set the mean Spearman rank correlation with true inverse depth, as models/training/evaluate.py has it; "edges" is
the correlation of depth gradients at true jumps on ICL and the Middlebury motorcycle, enlarged bilinearly and refined.
The CPU time is that of all estimates of the sets, over that of the first row.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "models" / "training")]

import evaluate  # noqa: E402 - both lie beside no package
import refine as edges  # noqa: E402

from depthflow.depth.estimator import get_estimator  # noqa: E402
from depthflow.depth.refine import refine  # noqa: E402

ROWS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "--flip": {"flip": True},
    "--tiles 2": {"tiles": 2},
    "--tiles 2 --flip": {"tiles": 2, "flip": True},
    "--network-size 512": {"size": 512},
    "--network-size 640": {"size": 640},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="builtin")
    args = parser.parse_args()
    network = get_estimator(args.model, "cpu")
    network.warm()
    titles = [each.title for each in evaluate.SETS]
    print(f"{'':20}", *(f"{title:>10}" for title in titles), f"{'edges':>10}{'refined':>10}{'CPU':>8}")
    first = 0.0
    for name, options in ROWS.items():
        if network.info.mirrored and options.get("flip"):
            continue  # it does so itself
        start = time.process_time()
        scores = []
        for each in evaluate.SETS:
            found = [
                evaluate.spearman(network.estimate(np.asarray(photo.convert("RGB")), **options).depth, metres, valid)
                for photo, metres, valid in each.pairs(args.data)
            ]
            scores.append(float(np.mean(found)))
        cpu = time.process_time() - start
        first = first or cpu
        sharp = []
        for _, photo, truth in edges.scenes(args.data):
            depth = network.estimate(photo, **options).depth
            sharp.append([evaluate.edge_score(method(depth, photo), truth) for method in (edges.bilinear, refine)])
        cells = [*scores, *np.mean(sharp, axis=0)]
        print(f"{name:20}", *(f"{cell:10.3f}" for cell in cells), f"{cpu / first:7.1f}", flush=True)


if __name__ == "__main__":
    main()
