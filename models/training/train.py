"""Train the built-in network on the cached labels: hours on two cores, minutes on a big GPU, same command.

Steps rule the schedule, so that a busy machine makes the same network as an idle one: the learning rate warms up,
stays, and falls in the last part, which runs on larger pictures. `--minutes` lets wall time rule it instead.
`checkpoint.pt` holds everything to go on with after a stop, exactly as if there had been none.
"""

from __future__ import annotations

import argparse
import copy
import csv
import math
import queue
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from dataset import Batches, Samples, is_validation, whole
from losses import distance, gradient_distance, rank_correlation, total_loss
from network import DepthNet, build, from_onnx
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
WARM_UP = 60  # steps
LARGE_FROM = 0.6  # share of the budget after which the rate falls and pictures are larger
SMALL_AREA, LARGE_AREA = 192 * 288, 256 * 384  # pixels
# Weights in the loss of steps and of jumps: first where things are, then their outlines.
SMALL_EDGES, LARGE_EDGES = (0.7, 0.0), (1.2, 0.5)
REPORTS = 12  # validations and checkpoints over the budget
AVERAGE = 0.995  # per step, of the averaged weights that are exported


COLUMNS = ("step", "minutes", "pictures", "rate", "loss", "val_distance", "val_edges", "val_rank")


class Average:
    """Exponential moving average of a network: steadier than its last step, and what is exported."""

    def __init__(self, net: nn.Module) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.steps = 0

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        self.steps += 1
        keep = min(AVERAGE, (1 + self.steps) / (10 + self.steps))
        for mine, theirs in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs.to(mine.dtype), 1 - keep)
            else:
                mine.copy_(theirs)


def ahead(batches: Batches, depth: int = 4) -> Iterator[tuple[Tensor, Tensor]]:
    """The same batches, cut by a thread beside the training step."""
    waiting: queue.Queue = queue.Queue(depth)

    def fill() -> None:
        for batch in batches:
            waiting.put(batch)

    threading.Thread(target=fill, daemon=True).start()
    while True:
        yield waiting.get()


def learning_rate(step: int, progress: float, peak: float) -> float:
    """Linear warm-up, a plateau, then straight down to a hundredth; `progress` in 0..1 of the schedule."""
    falling = max(0.0, min(1.0, (progress - LARGE_FROM) / (1 - LARGE_FROM)))
    return peak * min(1.0, (step + 1) / WARM_UP) * (1 - 0.99 * falling)


def frozen_part(net: DepthNet, stages: int) -> list[nn.Module]:
    """Stop the first `stages` of the encoder's five pyramid levels from learning, and name its modules.

    Edges and textures are the same for every task, and these few layers at high resolution cost most of the
    backward pass: without the first two a step takes 0.55 s instead of 0.90 on two cores.
    """
    if not stages:
        return []
    encoder = net.encoder
    found = [encoder._conv_stem, encoder._bn0, *encoder._blocks[: encoder.taps[stages - 1] + 1]]
    for module in found:
        module.requires_grad_(False)
    return found


@torch.inference_mode()
def validate(net: nn.Module, samples: Samples, device: torch.device) -> dict[str, float]:
    """Mean label distance, edge distance and rank correlation over held-out photos (never the test pairs)."""
    net.eval()
    sums = {"distance": 0.0, "edges": 0.0, "rank": 0.0}
    for image, target in whole(samples):
        prediction = net(image.to(device)).float().cpu()
        sums["distance"] += float(distance(prediction, target, 0)[0])
        sums["edges"] += float(gradient_distance(prediction, target)[0])
        sums["rank"] += rank_correlation(prediction, target)
    return {key: value / max(1, len(samples)) for key, value in sums.items()}


def optimiser_for(net: DepthNet, peak: float) -> torch.optim.AdamW:
    """AdamW; the pretrained encoder at a third of the decoder's rate; no decay on norms and biases."""
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in net.named_parameters():
        groups.setdefault((name.startswith("encoder."), parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": found, "lr": peak, "factor": 0.35 if encoder else 1.0, "weight_decay": 0.02 if decay else 0.0}
            for (encoder, decay), found in groups.items()
        ]
    )


def load_sources(cache: Path, shares: dict[str, float]) -> tuple[list[tuple[Samples, float]], Samples]:
    """Training sets with their shares (photos, and folders of scenes with exact depth), and the held-out photos."""
    labels = sorted((cache / "labels").glob("*.npz"))
    if not labels:
        raise SystemExit(f"no labels in {cache / 'labels'}: run prepare.py first")
    scenes = [(sorted((cache / folder).glob("*.npz")), share) for folder, share in shares.items() if share]
    scenes = [(paths, share) for paths, share in scenes if paths]
    photos = Samples([path for path in labels if not is_validation(path.stem)])
    sources = [(photos, 1 - sum(share for _, share in scenes))]
    sources += [(Samples(paths), share) for paths, share in scenes]
    return sources, Samples([path for path in labels if is_validation(path.stem)])


def start_network(options: argparse.Namespace) -> DepthNet:
    """ImageNet's weights in the encoder, random ones, or an exported network to go on with."""
    if options.start:
        return from_onnx(options.start, options.variant)
    return build(options.variant, not options.scratch)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "training")
    parser.add_argument("--run", type=Path, help="folder for checkpoint and log (default: <cache>/run)")
    parser.add_argument("--variant", default="lite2")
    parser.add_argument("--scratch", action="store_true", help="random weights instead of ImageNet's")
    parser.add_argument("--freeze", type=int, default=2, help="encoder levels (0..5) that keep ImageNet's weights")
    parser.add_argument("--start", type=Path, help="exported network (.onnx) whose training goes on")
    parser.add_argument("--steps", type=int, default=2400, help="length of the schedule")
    parser.add_argument("--minutes", type=float, default=0, help="wall time rules the schedule instead of --steps")
    parser.add_argument("--until", type=int, default=0, help="stop here (a step); the same command goes on later")
    parser.add_argument("--batch", type=int, default=0, help="0: 8 on a CPU, 64 on a GPU")
    parser.add_argument(
        "--rate",
        type=float,
        default=0,
        help="peak learning rate; 0: 1.2e-3 x sqrt(batch / 8), with --start a quarter of it",
    )
    parser.add_argument("--rooms", type=float, default=0.18, help="share of ray-cast rooms")
    parser.add_argument("--streets", type=float, default=0.12, help="share of ray-cast streets and fields")
    parser.add_argument("--area", type=int, default=0, help="pixels per picture instead of the two-part schedule")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)

    torch.manual_seed(options.seed)
    torch.set_flush_denormal(True)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = options.batch or (64 if device.type == "cuda" else 8)
    peak = options.rate or 1.2e-3 * math.sqrt(batch / 8) * (0.25 if options.start else 1)
    run = options.run or options.cache / "run"
    run.mkdir(parents=True, exist_ok=True)

    sources, held_out = load_sources(options.cache, {"rooms": options.rooms, "streets": options.streets})
    net = start_network(options).to(device, memory_format=torch.channels_last)
    average, optimiser = Average(net), optimiser_for(net, peak)
    frozen = frozen_part(net, 0 if options.scratch else options.freeze)
    step, spent, mean_loss = 0, 0.0, math.nan
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        net.load_state_dict(state["net"])
        average.net.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent, average.steps, mean_loss = state["step"], state["seconds"], state["step"], state["loss"]
        print(f"going on from step {step}", flush=True)

    def save() -> None:
        temporary = checkpoint.with_suffix(".tmp")
        torch.save(
            {
                "net": net.state_dict(),
                "average": average.net.state_dict(),
                "optimiser": optimiser.state_dict(),
                "variant": options.variant,
                "folded": bool(options.start),
                "step": step,
                "seconds": spent,
                "loss": mean_loss,
            },
            temporary,
        )
        temporary.replace(checkpoint)

    fresh = not (run / "log.csv").exists()
    log = (run / "log.csv").open("a", newline="")
    writer = csv.writer(log, lineterminator="\n")
    if fresh:
        writer.writerow(COLUMNS)

    budget = options.minutes * 60

    def progress(at: int) -> float:
        return spent / budget if budget else at / options.steps

    def area(at: int) -> int:
        return options.area or (LARGE_AREA if progress(at) >= LARGE_FROM else SMALL_AREA)

    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stopped.append(number))
    stream = ahead(Batches(sources, batch, options.seed, area, step))
    last, done = time.monotonic(), progress(step)
    next_report = (math.floor(done * REPORTS) + 1) / REPORTS
    while done < 1 and not stopped and not (options.until and step >= options.until):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, done, peak) * group["factor"]
        image, target = next(stream)
        image = image.to(device, memory_format=torch.channels_last, non_blocking=True)
        net.train()
        for module in frozen:
            module.eval()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            prediction = net(image)
        target = target.to(device, non_blocking=True)
        loss = total_loss(prediction, target, *(LARGE_EDGES if done >= LARGE_FROM else SMALL_EDGES))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        average.update(net)
        if step % 20 == 0 or device.type == "cpu":
            value = float(loss.detach())
            if not math.isfinite(value):
                raise SystemExit(f"step {step}: the loss is {value}")
            mean_loss = value if math.isnan(mean_loss) else 0.98 * mean_loss + 0.02 * value
        step += 1
        now = time.monotonic()
        spent, last = spent + now - last, now
        done = progress(step)
        if done >= next_report:
            next_report = (math.floor(done * REPORTS) + 1) / REPORTS
            found = validate(average.net, held_out, device)
            save()
            row = [step, spent / 60, step * batch, optimiser.param_groups[-1]["lr"], mean_loss, *found.values()]
            writer.writerow([f"{value:.5g}" for value in row])
            log.flush()
            print(f"step {step}  {spent / 60:.1f} min  loss {mean_loss:.4f}  " +
                  "  ".join(f"{key} {value:.4f}" for key, value in found.items()), flush=True)  # fmt: skip
            last = time.monotonic()  # validation is not training time
    save()
    log.close()
    if stopped:
        raise SystemExit(128 + stopped[0])


if __name__ == "__main__":
    main()
