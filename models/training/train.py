"""Train the built-in network on the cached labels: hours on two cores, minutes on a big GPU, same command.

Steps rule the schedule, so that a busy machine makes the same network as an idle one: the learning rate warms up,
stays, and falls in the last part, where most pictures are larger. `--minutes` lets wall time rule it instead.
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
import zlib
from collections.abc import Iterator
from pathlib import Path

import torch
from dataset import Batches, Samples, is_validation, whole
from interiors import listed
from losses import anchor, distance, gradient_distance, outline_distance, rank_correlation, total_loss
from network import DepthNet, Expert, build, from_onnx
from torch import Tensor, nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[2]
WARM_UP = 40  # steps
LAST_FROM = 0.6  # share of the budget after which the rate falls and pictures are larger
# Pixels of a picture and the share of the steps that have so many. Networks are exported to see a photo at two sizes.
FIRST_AREAS = ((192 * 288, 0.7), (256 * 384, 0.3))
LAST_AREAS = ((192 * 288, 0.2), (256 * 384, 0.5), (320 * 480, 0.3))
# Weights in the loss of steps and of jumps.
FIRST_EDGES, LAST_EDGES = (0.9, 0.4), (1.2, 0.8)
EXPERT_WEIGHT = 0.3  # of the indoor teacher's answer in the loss
REPORTS = 10  # validations and checkpoints over the budget
SAVE_SECONDS = 150  # between checkpoints that no validation comes with
AVERAGE = 0.99  # per step, of the averaged weights that are exported

HELD_OUT = ("photos", "rooms", "scenes")
"""Validated apart: photos, those that interiors.txt calls rooms, and ray-cast scenes with exact depth."""
MEASURES = ("distance", "rank", "outlines")
COLUMNS = ("step", "minutes", "pictures", "rate", "loss", *(f"{s}_{m}" for s in HELD_OUT for m in MEASURES))


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


def ahead(batches: Batches, depth: int = 4) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
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
    falling = max(0.0, min(1.0, (progress - LAST_FROM) / (1 - LAST_FROM)))
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


def area_of(step: int, shares: tuple[tuple[int, float], ...]) -> int:
    """Pixels of the pictures of a step: by the step alone, as often as `shares` says."""
    chance = zlib.crc32(str(step).encode()) / 2**32
    for area, share in shares:
        chance -= share
        if chance < 0:
            return area
    return shares[-1][0]


@torch.inference_mode()
def validate(net: nn.Module, held_out: dict[str, Samples], device: torch.device) -> dict[str, float]:
    """Mean label distance, rank correlation and outline distance over held-out pictures (never the test pairs)."""
    net.eval()
    found = {}
    for name, samples in held_out.items():
        sums = dict.fromkeys(MEASURES, 0.0)
        for image, maps, _ in whole(samples):
            target = maps[:, 0]
            prediction = net(image.to(device)).float().cpu()
            sums["distance"] += float(distance(prediction, target, 0)[0])
            sums["rank"] += rank_correlation(prediction, target)
            sums["outlines"] += float(outline_distance(prediction, target)[0])
        found |= {f"{name}_{key}": value / max(1, len(samples)) for key, value in sums.items()}
    return found


def optimiser_for(net: nn.Module, peak: float) -> torch.optim.AdamW:
    """AdamW; the pretrained encoder at a third of the decoder's rate; no decay on norms and biases."""
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in net.named_parameters():
        groups.setdefault((name.startswith("0.encoder."), parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": found, "lr": peak, "factor": 0.35 if encoder else 1.0, "weight_decay": 0.02 if decay else 0.0}
            for (encoder, decay), found in groups.items()
        ]
    )


def load_sources(cache: Path, shares: dict[str, float]) -> tuple[list[tuple[Samples, float]], dict[str, Samples]]:
    """Training sets with their shares (photos, interiors, scenes with exact depth), and held-out pictures."""
    labels = sorted((cache / "labels").glob("*.npz"))
    if not labels:
        raise SystemExit(f"no labels in {cache / 'labels'}: run prepare.py first")
    kinds = listed()
    kind = {path: kinds.get(path.stem.partition(".")[0], "other") for path in labels}
    trained, held = ([path for path in labels if is_validation(path.stem) is wanted] for wanted in (False, True))
    found = {
        "photos": [path for path in trained if kind[path] == "other"],
        "interiors": [path for path in trained if kind[path] != "other"],
        **{name: sorted((cache / name).glob("*.npz")) for name in ("rooms", "streets")},
    }
    rest = 1 - sum(share for name, share in shares.items() if found[name])
    sources = [(Samples(paths), shares.get(name, rest)) for name, paths in found.items() if paths]
    held_out = {
        "photos": [path for path in held if kind[path] != "room"],
        "rooms": [path for path in held if kind[path] == "room"],
        "scenes": sorted((cache / "held_out").glob("*.npz")),
    }
    return sources, {name: Samples(paths) for name, paths in held_out.items()}


def expert_loss(answer: Tensor, wanted: Tensor, hold: Tensor) -> Tensor:
    """Mean distance of coarse answers (N, h, w) to the indoor teacher's maps (N, H, W), where they `hold` (N,)."""
    wanted = F.adaptive_avg_pool2d(wanted, answer.shape[1:])
    per_map = distance(answer, wanted) + 0.5 * gradient_distance(answer, wanted, 3) + 0.02 * anchor(answer)
    return (per_map * hold).mean()


def start_network(options: argparse.Namespace) -> DepthNet:
    """ImageNet's weights in the encoder, random ones, or an exported network to go on with."""
    if options.start:
        net = from_onnx(options.start, options.variant)
        net.layout = None  # it fits the maps of the network that it was trained on
        return net
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
        help="peak learning rate; 0: 1.2e-3 x sqrt(batch / 8), with --start 0.3 of it",
    )
    parser.add_argument("--interiors", type=float, default=0.32, help="share of photos that interiors.txt names")
    parser.add_argument("--rooms", type=float, default=0.18, help="share of ray-cast rooms")
    parser.add_argument("--streets", type=float, default=0.1, help="share of ray-cast streets and fields")
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
    peak = options.rate or 1.2e-3 * math.sqrt(batch / 8) * (0.3 if options.start else 1)
    run = options.run or options.cache / "run"
    run.mkdir(parents=True, exist_ok=True)

    sources, held_out = load_sources(
        options.cache, {"interiors": options.interiors, "rooms": options.rooms, "streets": options.streets}
    )
    net = start_network(options).to(device, memory_format=torch.channels_last)
    expert = Expert(net.widths).to(device)
    trained = nn.ModuleList([net, expert])
    average, optimiser = Average(net), optimiser_for(trained, peak)
    frozen = frozen_part(net, 0 if options.scratch else options.freeze)
    step, spent, mean_loss = 0, 0.0, math.nan
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        net.load_state_dict(state["net"])
        expert.load_state_dict(state["expert"])
        average.net.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent, average.steps, mean_loss = state["step"], state["seconds"], state["step"], state["loss"]
        print(f"going on from step {step}", flush=True)

    def save() -> None:
        temporary = checkpoint.with_suffix(".tmp")
        torch.save(
            {
                "net": net.state_dict(),
                "expert": expert.state_dict(),
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
        return options.area or area_of(at, LAST_AREAS if progress(at) >= LAST_FROM else FIRST_AREAS)

    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stopped.append(number))
    stream = ahead(Batches(sources, batch, options.seed, area, step))
    last = saved = time.monotonic()
    done = progress(step)
    next_report = (math.floor(done * REPORTS) + 1) / REPORTS
    while done < 1 and not stopped and not (options.until and step >= options.until):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, done, peak) * group["factor"]
        image, maps, hold, _ = (part.to(device, non_blocking=True) for part in next(stream))
        image = image.to(memory_format=torch.channels_last)
        net.train()
        for module in frozen:
            module.eval()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            levels = net.levels(image)
        levels = [level.float() for level in levels]
        loss = total_loss(net.disparity(levels), maps[:, 0], *(LAST_EDGES if done >= LAST_FROM else FIRST_EDGES))
        loss = loss + EXPERT_WEIGHT * expert_loss(expert(levels), maps[:, 1], hold)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
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
        if now - saved > SAVE_SECONDS:
            save()
            saved = now
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
