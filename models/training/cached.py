"""Training a part of a network on maps that are computed once: the files and the loop; knows no part by name.

Running the rest forward and backward for each step is nearly all of the work. With its maps in files, which ONNX
Runtime makes at a third of the cost, a small part is trained in minutes.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing as mp
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from dataset import Batches, whole
from export import to_onnx
from network import DepthNet
from torch import Tensor, nn
from train import ROOT, area_of, load_sources

BATCH = 8  # pictures of one shape in a file
WARM_UP = 20  # steps
REPORT_STEPS, SAVE_STEPS = 100, 25


class Session:
    """An exported network that also answers with what the convolutions named `layers` read."""

    def __init__(self, path: Path, layers: tuple[str, ...]) -> None:
        model = onnx.load(path)
        convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
        self._names = [next(n.input[0] for n in convolutions if f"/{layer}/" in n.name) for layer in layers]
        for name in self._names:
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False  # one arena for each picture shape
        blob = model.SerializeToString()
        self._session = ort.InferenceSession(blob, options, providers=["CPUExecutionProvider"])

    def __call__(self, image: Tensor) -> list[Tensor]:
        """The disparity (N, H, W), then a map for each layer, of pictures (N, 3, H, W)."""
        found = self._session.run(["disparity", *self._names], {"image": image.contiguous().numpy()})
        return [torch.from_numpy(part) for part in found]


def save(path: Path, parts: dict[str, Tensor]) -> None:
    temporary = path.with_name(f".{path.name}")
    np.savez(temporary, **{name: part.half().numpy() for name, part in parts.items()})
    temporary.replace(path)


def load(path: Path) -> dict[str, Tensor]:
    with np.load(path) as item:
        return {name: torch.from_numpy(item[name]).float() for name in item.files}


class Cache:
    """Files of maps in `folder`: 00000.npz and on of training batches, NAME_000.npz and on of held-out pictures.

    A subclass says what is kept of a batch; it is made anew in each worker and must be picklable.
    """

    layers: tuple[str, ...]
    shares: dict[str, float]
    areas: tuple[tuple[int, float], ...]
    pasted: float
    seed: int

    def __init__(self, cache: Path, folder: str, files: int) -> None:
        self.cache, self.out, self.files = cache, cache / folder, files
        self.plain = self.out / "plain.onnx"

    def kept(self, session: Session, image: Tensor, maps: Tensor, share: Tensor) -> dict[str, Tensor]:
        """What a file holds of pictures (N, 3, H, W), their maps (N, 2, H, W) and the indoor teacher's shares (N,)."""
        raise NotImplementedError

    def make(self, net: DepthNet, workers: int) -> None:
        """Run `net` where files are missing."""
        self.out.mkdir(parents=True, exist_ok=True)
        if not self.plain.exists():
            onnx.save(to_onnx(net), self.plain)
        if not all((self.out / f"{number:05d}.npz").exists() for number in range(self.files)):
            with mp.get_context("spawn").Pool(workers) as pool:
                pool.starmap(self.work, [(first, workers) for first in range(workers)])

    def work(self, first: int, every: int) -> None:
        """Batches `first`, `first + every`, ...; the first worker begins with the held-out pictures."""
        torch.set_num_threads(1)
        session = Session(self.plain, self.layers)
        sources, held_out = load_sources(self.cache, self.shares)
        for name, samples in held_out.items() if first == 0 else ():
            for number, (image, maps, share) in enumerate(whole(samples)):
                path = self.out / f"{name}_{number:03d}.npz"
                if not path.exists():
                    save(path, self.kept(session, image, maps, torch.tensor([share])))
        for number in range(first, self.files, every):
            path = self.out / f"{number:05d}.npz"
            if not path.exists():
                area = lambda step: area_of(step, self.areas)  # noqa: E731
                image, maps, _, share = next(iter(Batches(sources, BATCH, self.seed, area, number, pasted=self.pasted)))
                save(path, self.kept(session, image, maps, share))

    def training(self) -> list[Path]:
        return [self.out / f"{number:05d}.npz" for number in range(self.files)]

    def held_out(self, name: str) -> list[Path]:
        return sorted(self.out.glob(f"{name}_*.npz"))


def options_for(description: str, files: int, steps: int, rate: float) -> argparse.ArgumentParser:
    """The options that every such training has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "training")
    parser.add_argument("--start", type=Path, required=True, help="exported network (.onnx) to go on with")
    parser.add_argument("--variant", default="lite2")
    parser.add_argument("--files", type=int, default=files, help="how many of 8 pictures, with maps computed once")
    parser.add_argument("--steps", type=int, default=steps, help="of one file each")
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="that compute maps")
    parser.add_argument("--only-maps", action="store_true", help="compute the maps and stop")
    return parser


def train(
    run: Path,
    module: nn.Module,
    options: argparse.Namespace,
    seed: int,
    loss_of: Callable[[int], Tensor],
    report: Callable[[], dict[str, float]],
) -> None:
    """Train what of `module` wants gradients by `loss_of` a file's number; state and log.csv are kept in `run`.

    The rate warms up and falls as a quarter of a cosine. A step depends on its number alone: a stopped run goes on.
    """
    run.mkdir(parents=True, exist_ok=True)
    wanted = [part for part in module.parameters() if part.requires_grad]
    optimiser = torch.optim.AdamW(wanted, options.rate, weight_decay=0.02)
    state, step, mean_loss = run / "state.pt", 0, math.nan
    if state.exists():
        stored = torch.load(state, weights_only=True)
        module.load_state_dict(stored["module"])
        optimiser.load_state_dict(stored["optimiser"])
        step, mean_loss = stored["step"], stored["loss"]
        print(f"going on from step {step}", flush=True)

    def keep() -> None:
        temporary = state.with_suffix(".tmp")
        parts = {"module": module.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "loss": mean_loss}
        torch.save(parts, temporary)
        temporary.replace(state)

    start = time.monotonic()
    with (run / "log.csv").open("a", newline="") as log:

        def tell() -> None:
            found = {"minutes": (time.monotonic() - start) / 60, "loss": mean_loss, **report()}
            if not log.tell():
                log.write(",".join(["step", *found]) + "\n")
            log.write(",".join([str(step), *(f"{value:.5g}" for value in found.values())]) + "\n")
            log.flush()
            print(f"step {step}  " + "  ".join(f"{key} {value:.4f}" for key, value in found.items()), flush=True)

        if step == 0:
            tell()
        while step < options.steps:
            falling = 0.01 + 0.99 * math.cos(step / options.steps * math.pi / 2) ** 2
            for group in optimiser.param_groups:
                group["lr"] = options.rate * min(1, (step + 1) / WARM_UP) * falling
            random = torch.Generator().manual_seed(seed * 1_000_003 + step)
            loss = loss_of(int(torch.randint(options.files, (), generator=random)))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(wanted, 1.0)
            optimiser.step()
            step += 1
            value = float(loss.detach())
            mean_loss = value if math.isnan(mean_loss) else 0.97 * mean_loss + 0.03 * value
            if step % REPORT_STEPS == 0 or step == options.steps:
                tell()
            if step % SAVE_STEPS == 0 or step == options.steps:
                keep()
