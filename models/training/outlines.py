"""Train the network's finest level, which draws the outlines, on maps that are computed once.

The layers at stride 2 are a hundredth of the weights and work on what the rest found. Pictures before which things are
pasted (paste.py) and ray-cast scenes have outlines that are exact.
"""

from __future__ import annotations

import torch
from cached import Cache, Session, load, options_for, train
from losses import distance, outline_distance, rank_correlation, total_loss
from network import DepthNet, from_onnx
from torch import Tensor
from train import HELD_OUT

PARTS = ("reduce.0.", "lateral.0.", "refine.0.", "head.")
EDGES = (1.2, 0.8)  # weights in the loss of steps and of jumps
FOLDER = "outlines"


class Finest(Cache):
    """The decoder's map at stride 4, the encoder's at stride 2, and the label."""

    layers = ("reduce.0", "lateral.0")
    shares = {"interiors": 0.25, "rooms": 0.22, "streets": 0.13}  # noqa: RUF012
    areas = ((192 * 288, 0.6), (256 * 384, 0.4))
    pasted = 0.6
    seed = 11

    def kept(self, session: Session, image: Tensor, maps: Tensor, share: Tensor) -> dict[str, Tensor]:
        _, coarse, fine = session(image)
        return {"coarse": coarse, "fine": fine, "target": maps[:, 0]}


@torch.inference_mode()
def validate(net: DepthNet, maps: Cache) -> dict[str, float]:
    """Mean label distance, rank correlation and outline distance over held-out pictures."""
    found = {}
    for name in HELD_OUT:
        sums = {"distance": 0.0, "rank": 0.0, "outlines": 0.0}
        paths = maps.held_out(name)
        for path in paths:
            part = load(path)
            disparity = net.disparity([net.finest(part["coarse"], part["fine"])])
            sums["distance"] += float(distance(disparity, part["target"], 0)[0])
            sums["rank"] += rank_correlation(disparity, part["target"])
            sums["outlines"] += float(outline_distance(disparity, part["target"])[0])
        found |= {f"{name}_{key}": value / max(1, len(paths)) for key, value in sums.items()}
    return found


def main(arguments: list[str] | None = None) -> None:
    options = options_for(__doc__.splitlines()[0], files=120, steps=400, rate=8e-4).parse_args(arguments)
    torch.manual_seed(Finest.seed)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    net = from_onnx(options.start, options.variant).eval()
    maps = Finest(options.cache, FOLDER, options.files)
    maps.make(net, options.workers)
    if options.only_maps:
        return
    for name, part in net.named_parameters():
        part.requires_grad_(name.startswith(PARTS))
    files = maps.training()

    def loss_of(number: int) -> Tensor:
        part = load(files[number])
        return total_loss(net.disparity([net.finest(part["coarse"], part["fine"])]), part["target"], *EDGES)

    run = options.cache / "run-outlines"
    train(run, net, options, Finest.seed, loss_of, lambda: validate(net, maps))
    state = {"average": net.state_dict(), "variant": options.variant, "folded": True}
    torch.save(state, run / "checkpoint.pt")


if __name__ == "__main__":
    main()
