"""Train the layout, the part of the network that corrects the large shapes of rooms, on maps that are computed once.

All else stays as it is. The layout learns from the maps at strides 16 and 32 alone, with cut and disturbed pictures and
their mirror images.
"""

from __future__ import annotations

import copy

import torch
from cached import Cache, Session, load, options_for, train
from interiors import SHARES
from losses import anchor, distance, gradient_distance, outline_distance, rank_correlation
from network import CELL, Layout, from_onnx, laid_out
from torch import Tensor
from torch.nn import functional as F
from train import HELD_OUT

FOLDER = "layout"
FINE = 4  # stride of the disparity that the loss looks at
WEIGHTS = {"gradient": 0.6, "outlines": 0.15, "expert": 0.7, "gate": 0.15, "hold": 0.02, "change": 0.03}
"""Of the parts of the loss, against 1 for the distance of the corrected map from its label."""


class Coarse(Cache):
    """The maps at strides 32 and 16, the disparity and the label at stride 4, the indoor teacher's map at stride 16."""

    layers = ("lateral.4", "reduce.3", "lateral.3", "reduce.2")
    shares = {"interiors": 0.4, "rooms": 0.18, "streets": 0.08}  # noqa: RUF012
    areas = ((192 * 288, 0.5), (224 * 320, 0.25), (256 * 384, 0.25))
    pasted = 0.0
    seed = 7

    def kept(self, session: Session, image: Tensor, maps: Tensor, share: Tensor) -> dict[str, Tensor]:
        image, maps = (torch.cat([part, part.flip(-1)]) for part in (image, maps))
        disparity, *read = session(image)
        return {
            "deep": torch.cat(read[:2], 1),
            "shallow": torch.cat(read[2:], 1),
            "fine": F.avg_pool2d(disparity[:, None], FINE),
            "target": F.avg_pool2d(maps[:, :1], FINE),
            "expert": F.avg_pool2d(maps[:, 1:], CELL),
            "share": share.repeat(2),
        }


class Scale:
    """Mean and spread of each channel of the maps, which the first layers swallow when training is over."""

    def __init__(self, batches: list[dict[str, Tensor]]) -> None:
        self.moments = {}
        for name in ("deep", "shallow"):
            flat = torch.cat([batch[name].transpose(0, 1).flatten(1) for batch in batches], 1)
            self.moments[name] = flat.mean(1), flat.std(1).clamp_min(1e-3)

    def __call__(self, batch: dict[str, Tensor]) -> list[Tensor]:
        return [
            (batch[name] - mean[:, None, None]) / spread[:, None, None] for name, (mean, spread) in self.moments.items()
        ]

    @torch.no_grad()
    def swallowed(self, layout: Layout) -> Layout:
        """The same answers from maps as they are."""
        layout = copy.deepcopy(layout)
        for name, (mean, spread) in self.moments.items():
            first = getattr(layout, name)
            first.weight /= spread[:, None, None]
            first.bias -= first.weight[:, :, 0, 0] @ mean
        return layout


def loss_of(answers: tuple[Tensor, Tensor, Tensor], batch: dict[str, Tensor]) -> Tensor:
    """How far the corrected map is from the label, the indoor answer from its teacher, and the gate from the kind."""
    indoor, change, room = answers
    found = laid_out(batch["fine"], answers, CELL // FINE)[:, 0]
    target, expert = batch["target"][:, 0], batch["expert"][:, 0]
    taught = distance(indoor[:, 0], expert) + 0.3 * gradient_distance(indoor[:, 0], expert, 2)
    per_map = (
        distance(found, target)
        + WEIGHTS["gradient"] * gradient_distance(found, target, 3)
        + WEIGHTS["outlines"] * outline_distance(found, target)
        + WEIGHTS["expert"] * taught
        + WEIGHTS["hold"] * anchor(indoor[:, 0])
        + WEIGHTS["change"] * change.abs().mean((1, 2, 3))
    )
    known = ~batch["share"].isnan()  # ray-cast scenes have no kind
    if not known.any():
        return per_map.mean()
    wanted = (batch["share"][known] / SHARES["room"]).clamp(max=1)
    return per_map.mean() + WEIGHTS["gate"] * F.binary_cross_entropy_with_logits(room.flatten()[known], wanted)


@torch.inference_mode()
def validate(layout: Layout, scale: Scale, maps: Cache) -> dict[str, float]:
    """Mean rank correlation with the labels over held-out pictures before and after, and what the gate says."""
    found = {}
    for name in HELD_OUT:
        before = after = gate = 0.0
        paths = maps.held_out(name)
        for path in paths:
            batch = load(path)
            answers = layout(*scale(batch))
            before += rank_correlation(batch["fine"], batch["target"], 3)
            after += rank_correlation(laid_out(batch["fine"], answers, CELL // FINE), batch["target"], 3)
            gate += float(torch.sigmoid(answers[2]).mean())
        for key, value in (("before", before), ("after", after), ("gate", gate)):
            found[f"{name}_{key}"] = value / max(1, len(paths))
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = options_for(__doc__.splitlines()[0], files=220, steps=800, rate=2e-3)
    parser.add_argument("--width", type=int, default=128, help="channels")
    options = parser.parse_args(arguments)
    torch.manual_seed(Coarse.seed)
    torch.set_num_threads(1)  # small layers: a second thread waits more than it works
    net = from_onnx(options.start, options.variant).eval()
    net.layout = None
    maps = Coarse(options.cache, FOLDER, options.files)
    maps.make(net, options.workers)
    if options.only_maps:
        return
    batches = [load(path) for path in maps.training()]
    scale = Scale(batches[::8])
    layout = Layout(batches[0]["deep"].shape[1], batches[0]["shallow"].shape[1], options.width)

    def loss_at(number: int) -> Tensor:
        return loss_of(layout(*scale(batches[number])), batches[number])

    run = options.cache / "run-layout"
    train(run, layout, options, Coarse.seed, loss_at, lambda: validate(layout, scale, maps))
    torch.save({"layout": scale.swallowed(layout).state_dict(), "width": options.width}, run / "checkpoint.pt")


if __name__ == "__main__":
    main()
