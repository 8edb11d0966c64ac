"""Works on a store without end, and tells each thing it did once it is done: for `kill -9` at any moment.

python daemon_worker_to_kill.py STORE SEED
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from depthflow_daemon.store import Store


def main(path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secrets
    store = Store(path)
    store.recover()
    print("ready", flush=True)
    number = 0
    while True:
        number += 1
        if chance.random() < 0.5:
            key = f"{seed}-{number}"
            job = store.add(key, "{}", source=key, outputs=[f"/out/{key}.mp4"], file=(f"/in/{key}", "1"))
            print("added", key, job.id, flush=True)
        elif (taken := store.take("worker")) is not None:
            print("taken", taken.key, taken.attempt, flush=True)
            if chance.random() < 0.2:
                store.fail(taken.id, taken.attempt, "for good", "permanent")
                print("failed", taken.key, flush=True)
            else:
                store.finish(taken.id, taken.attempt, facts={f"/out/{taken.key}.mp4": {"frames": number}})
                print("done", taken.key, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
