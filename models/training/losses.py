"""Training losses that ignore what a relative disparity cannot know: its scale and its shift.

All maps are (N, H, W) float32, larger = nearer.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST_SPREAD = 1e-4
"""Mean absolute deviation below which a map counts as flat and is not blown up any more."""


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


def anchor(prediction: Tensor) -> Tensor:
    """Holds the free scale and shift near median 0 and spread 1, so that fp16 weights never overflow, (N,)."""
    middle, spread = location_and_spread(prediction)
    return (middle.flatten() ** 2) + (spread.flatten().log() ** 2)


def total_loss(prediction: Tensor, target: Tensor, edges: float = 0.7, hold: float = 0.02) -> Tensor:
    """Scalar training loss: place of every pixel + `edges` x steps + `hold` x anchor."""
    prediction, target = prediction.float(), target.float()
    per_map = distance(prediction, target) + edges * gradient_distance(prediction, target)
    return (per_map + hold * anchor(prediction)).mean()


@torch.no_grad()
def rank_correlation(prediction: Tensor, target: Tensor, stride: int = 7) -> float:
    """Mean Spearman correlation over the maps, on every `stride`-th pixel."""
    found = []
    for a, b in zip(prediction, target, strict=True):
        ranks = [x.flatten()[::stride].float().argsort().argsort().double() for x in (a, b)]
        found.append(float(torch.corrcoef(torch.stack(ranks))[0, 1]))
    return sum(found) / len(found)
