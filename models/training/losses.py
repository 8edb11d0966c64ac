"""Training losses that ignore what a relative disparity cannot know: its scale and its shift.

All maps are (N, H, W) float32, larger = nearer.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST_SPREAD = 1e-4
"""Mean absolute deviation below which a map counts as flat and is not blown up any more."""

JUMP = 0.25
"""Step between neighbouring pixels of a normalised map that is an outline; a map spans about 4."""
FEWEST_JUMPS = 0.002
"""Share of the pixels that lie by a jump, below which a map tells nothing of outlines."""


def location_and_spread(values: Tensor) -> tuple[Tensor, Tensor]:
    """Median and mean absolute deviation of each map, both (N, 1, 1)."""
    flat = values.flatten(1)
    middle = flat.median(dim=1, keepdim=True).values
    spread = (flat - middle).abs().mean(dim=1, keepdim=True).clamp_min(SMALLEST_SPREAD)
    return middle[..., None], spread[..., None]


def normalised(values: Tensor) -> Tensor:
    """Each map with median 0 and mean absolute deviation 1 (MiDaS, arXiv:1907.01341, eq. 6)."""
    middle, spread = location_and_spread(values)
    return (values - middle) / spread


def distance(prediction: Tensor, target: Tensor, trim: float = 0.1) -> Tensor:
    """Mean absolute difference of normalised maps without the worst `trim` share of pixels, (N,).

    Labels are wrong in patches (glass, sky through leaves); the largest differences are mostly those.
    """
    error = (normalised(prediction) - normalised(target)).abs().flatten(1)
    keep = max(1, int(error.shape[1] * (1 - trim)))
    return error.topk(keep, dim=1, largest=False, sorted=False).values.mean(1) if trim else error.mean(1)


def gradient_distance(prediction: Tensor, target: Tensor, scales: int = 4) -> Tensor:
    """Mean absolute difference of horizontal and vertical steps over octaves of scale, (N,): sharp edges."""
    error = (normalised(prediction) - normalised(target))[:, None]
    total = error.new_zeros(error.shape[0])
    for scale in range(scales):
        if scale:
            error = F.avg_pool2d(error, 2)
        total = total + (error[..., 1:] - error[..., :-1]).abs().mean((1, 2, 3))
        total = total + (error[..., 1:, :] - error[..., :-1, :]).abs().mean((1, 2, 3))
    return total / 2


def outline_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """1 - correlation of both maps' slopes around the target's jumps, (N,); 0 where it has hardly any: soft outlines.

    Free of scale and shift. A jump is a step of JUMP between neighbours of the normalised target; what lies within two
    pixels of one counts. Mean differences do not see much of it: jumps are a few pixels in a hundred.
    """
    wanted = normalised(target)[:, None]
    heights = F.max_pool2d(wanted, 3, 1, 1) + F.max_pool2d(-wanted, 3, 1, 1)
    near = F.max_pool2d((heights > JUMP).to(wanted.dtype), 5, 1, 2)[..., 1:-1, 1:-1]

    def slopes(values: Tensor) -> Tensor:
        across = values[..., 1:-1, 2:] - values[..., 1:-1, :-2]
        down = values[..., 2:, 1:-1] - values[..., :-2, 1:-1]
        return (torch.cat([across, down], 1) * near).flatten(1)

    alike = F.cosine_similarity(slopes(prediction[:, None]), slopes(wanted), dim=1, eps=1e-6)
    return torch.where(near.flatten(1).mean(1) > FEWEST_JUMPS, 1 - alike, torch.zeros_like(alike))


def anchor(prediction: Tensor) -> Tensor:
    """Holds the free scale and shift near median 0 and spread 1, so that fp16 weights never overflow, (N,)."""
    middle, spread = location_and_spread(prediction)
    return (middle.flatten() ** 2) + (spread.flatten().log() ** 2)


def total_loss(
    prediction: Tensor, target: Tensor, edges: float = 0.7, outlines: float = 0.0, hold: float = 0.02
) -> Tensor:
    """Scalar training loss: place of every pixel + `edges` x steps + `outlines` x jumps + `hold` x anchor."""
    prediction, target = prediction.float(), target.float()
    per_map = distance(prediction, target) + edges * gradient_distance(prediction, target)
    if outlines:
        per_map = per_map + outlines * outline_distance(prediction, target)
    return (per_map + hold * anchor(prediction)).mean()


@torch.no_grad()
def rank_correlation(prediction: Tensor, target: Tensor, stride: int = 7) -> float:
    """Mean Spearman correlation over the maps, on every `stride`-th pixel."""
    found = []
    for a, b in zip(prediction, target, strict=True):
        ranks = [x.flatten()[::stride].float().argsort().argsort().double() for x in (a, b)]
        found.append(float(torch.corrcoef(torch.stack(ranks))[0, 1]))
    return sum(found) / len(found)
