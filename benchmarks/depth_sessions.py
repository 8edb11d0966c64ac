"""Which options of an ONNX Runtime session suit depth networks on this machine's processor? Prints a table.

    python benchmarks/depth_sessions.py [--model FILE.onnx] [--size 256x384] [--runs 20] [--rounds 3]

Each row is a process of its own, so that its memory is its own; the rounds take turns, and a row shows the medians.
"load" is what making the session takes, "wall" and "CPU" one photo, "idle CPU" what its threads burn in 0.3 s after
it (spinning), "memory" the peak of the process. The first row is what depthflow/depth/providers.py does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROWS: dict[str, dict[str, Any]] = {
    "as chosen": {},
    "1 thread": {"threads": 1},
    "twice the threads": {"threads": -2},
    "graph: extended": {"graph": "ORT_ENABLE_EXTENDED"},
    "graph: basic": {"graph": "ORT_ENABLE_BASIC"},
    "graph: as it is": {"graph": "ORT_DISABLE_ALL"},
    "no memory arena": {"arena": False},
    "memory pattern": {"pattern": True},
    "spinning, as ORT's default": {"spin": "default"},
    "spinning until the run's end": {"spin": "stop"},
    "batch of 2": {"batch": 2},
    "batch of 4": {"batch": 4},
    "batch of 8": {"batch": 8},
}


def session(model: str, changed: dict[str, Any]) -> Any:
    import onnxruntime as ort

    from depthflow.depth.providers import session_options, threads

    ort.set_default_logger_severity(3)
    options = session_options(ort)
    if count := changed.get("threads"):
        options.intra_op_num_threads = count if count > 0 else threads() * -count
    options.enable_mem_pattern = changed.get("pattern", options.enable_mem_pattern)
    options.enable_cpu_mem_arena = changed.get("arena", options.enable_cpu_mem_arena)
    if "graph" in changed:
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, changed["graph"])
    if "spin" in changed:
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    if changed.get("spin") == "stop":
        options.add_session_config_entry("session.force_spinning_stop", "1")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def one(model: str, size: tuple[int, int], runs: int, options: dict[str, Any]) -> dict[str, float]:
    """Milliseconds and megabytes of one row, measured in this process."""
    import numpy as np

    start = time.perf_counter()
    run = session(model, options)
    load = time.perf_counter() - start
    entry = run.get_inputs()[0]
    batch = options.get("batch", 1)
    if isinstance(entry.shape[0], int) and entry.shape[0] != batch:
        return {}
    photo = np.random.default_rng(0).random((batch, 3, *size), np.float32)
    feed = {entry.name: photo}
    run.run(None, feed)
    walls = []
    cpu = time.process_time()
    for _ in range(runs):
        start = time.perf_counter()
        run.run(None, feed)
        walls.append(time.perf_counter() - start)
    cpu = time.process_time() - cpu
    after = time.process_time()
    time.sleep(0.3)
    idle = time.process_time() - after
    return {
        "load": load * 1e3,
        "wall": statistics.median(walls) / batch * 1e3,
        "cpu": cpu / runs / batch * 1e3,
        "idle": idle * 1e3,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / "models" / "builtin.onnx"))
    parser.add_argument("--size", default="256x384", help="height and width of the network's input")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    height, width = (int(side) for side in args.size.split("x"))
    if args.one is not None:
        print(json.dumps(one(args.model, (height, width), args.runs, json.loads(args.one))))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ROWS}
    for _ in range(args.rounds):
        for name, changed in ROWS.items():
            command = [sys.executable, __file__, "--one", json.dumps(changed)]
            command += ["--model", args.model, "--size", args.size, "--runs", str(args.runs)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[name].append(json.loads(done.stdout))
    import onnxruntime as ort

    load = os.getloadavg()[0]
    print(f"{date.today()} · {os.cpu_count()} cores {platform.machine()}, {platform.system()} · ORT {ort.__version__}")
    print(f"{Path(args.model).name}, {args.size}, medians of {args.rounds} x {args.runs}; load at the end {load:.1f}\n")
    columns = ("load", "wall", "cpu", "idle", "memory")
    heads = ("load ms", "wall ms", "CPU ms", "idle CPU ms", "memory MB")
    print(f"{'':28}", *(f"{head:>12}" for head in heads))
    for name, rounds in found.items():
        if all(rounds):
            cells = (statistics.median(each[column] for each in rounds) for column in columns)
            print(f"{name:28}", *(f"{cell:12.1f}" for cell in cells))
        else:
            print(f"{name:28} the network takes one picture only")


if __name__ == "__main__":
    main()
