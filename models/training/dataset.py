"""Labelled pictures in memory, cut and disturbed anew each time; knows files and pixels, no networks."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from paste import paste
from torch import Tensor
from torch.nn import functional as F

VALIDATION_SHARE = 20  # one picture in this many is never trained on
PASTED = 0.3
"""Share of the training pictures before which a thing of another is pasted."""


def is_validation(name: str) -> bool:
    """By a hash of the photo's name, so that the slice is the same everywhere, with all views of a photo."""
    return zlib.crc32(name.partition(".")[0].encode()) % VALIDATION_SHARE == 0


class Samples:
    """Pictures (H, W, 3) uint8, disparity (H, W) float16, the indoor teacher's own, and its share in the first.

    Scenes with exact depth have no teachers: both of their maps are the same, and the share is NaN.
    """

    def __init__(self, paths: list[Path]) -> None:
        self.images: list[np.ndarray] = []
        self.disparities: list[np.ndarray] = []
        self.experts: list[np.ndarray] = []
        self.shares: list[float] = []
        for path in paths:
            with np.load(path) as item:
                if item["disparity"].astype(np.float32).std() < 1e-3:
                    continue  # a flat label teaches nothing and has no scale
                self.images.append(item["image"])
                self.disparities.append(item["disparity"])
                self.experts.append(item["expert"] if "expert" in item else self.disparities[-1])
                self.shares.append(float(item["share"]) if "expert" in item else math.nan)

    def __len__(self) -> int:
        return len(self.images)

    def tensors(self, index: int) -> tuple[Tensor, Tensor]:
        """(3, H, W) float32 in 0..1, and both maps, (2, H, W) float32."""
        image = torch.from_numpy(self.images[index]).permute(2, 0, 1).float() / 255
        maps = np.stack([self.disparities[index], self.experts[index]])
        return image, torch.from_numpy(maps).float()


def _resize(image: Tensor, maps: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    image = F.interpolate(image[None], size, mode="bilinear", antialias=True, align_corners=False)[0]
    maps = F.interpolate(maps[None], size, mode="bilinear", align_corners=False)[0]
    return image.clamp(0, 1), maps


def random_crop(
    image: Tensor, maps: Tensor, size: tuple[int, int], smallest: float, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A random part of at least `smallest` of each side, in the shape of `size` up to 15 % of stretch."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=random))

    height, width = maps.shape[1:]
    aspect = size[1] / size[0] * math.exp(uniform(-0.15, 0.15))
    full_h = min(height, width / aspect)
    part = uniform(smallest, 1) ** 0.7  # whole pictures more often than snippets
    h, w = max(32, round(full_h * part)), max(32, round(full_h * part * aspect))
    h, w = min(h, height), min(w, width)
    top, left = round(uniform(0, height - h)), round(uniform(0, width - w))
    return _resize(image[:, top : top + h, left : left + w], maps[:, top : top + h, left : left + w], size)


def disturb(image: Tensor, random: torch.Generator) -> Tensor:
    """Exposure, contrast, colour, grey, blur and noise that a real camera may bring; (3, H, W) in 0..1."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=random))

    image = image.clamp_min(1e-4) ** math.exp(uniform(-0.35, 0.35))
    image = (image - 0.5) * uniform(0.75, 1.25) + 0.5 + uniform(-0.1, 0.1)
    image = image * torch.tensor([uniform(0.88, 1.12) for _ in range(3)])[:, None, None]
    grey = image.mean(0, keepdim=True)
    image = grey + (image - grey) * (0.0 if uniform(0, 1) < 0.08 else uniform(0.6, 1.4))
    if uniform(0, 1) < 0.15:
        small = F.avg_pool2d(image[None], 2)
        image = F.interpolate(small, image.shape[1:], mode="bilinear", align_corners=False)[0]
    if uniform(0, 1) < 0.2:
        image = image + uniform(0.01, 0.05) * torch.randn(image.shape, generator=random)
    return image.clamp(0, 1)


class Batches:
    """Endless training batches; every batch has one shape, so that nothing is padded.

    `sources` pairs a set of samples with its share of the batches' pictures; things to paste are cut from the first.
    `area` tells how many pixels a picture of one step has. A batch depends on the seed and its step alone: a run
    that was stopped goes on with the same ones.
    """

    def __init__(
        self,
        sources: list[tuple[Samples, float]],
        batch: int,
        seed: int,
        area: Callable[[int], int],
        first: int = 0,
        pasted: float = PASTED,
    ) -> None:
        self.sources, self.batch, self.seed, self.area, self.first = sources, batch, seed, area, first
        self.pasted = pasted
        self.random = torch.Generator()

    def shape(self, area: int) -> tuple[int, int]:
        """Height and width for one batch: landscape, portrait or square with about `area` pixels."""
        aspects = (1.5, 1.33, 1.78, 1.0, 0.67, 0.75)
        aspect = aspects[int(torch.randint(len(aspects), (), generator=self.random))]
        height = max(2, round(math.sqrt(area / aspect) / 32))
        return height * 32, max(2, round(math.sqrt(area * aspect) / 32)) * 32

    def _cut(self, samples: Samples, size: tuple[int, int]) -> tuple[Tensor, Tensor, float]:
        index = int(torch.randint(len(samples), (), generator=self.random))
        # A landscape cut from a portrait photo keeps little of it: prefer the photo's own direction.
        image, maps = random_crop(*samples.tensors(index), size, 0.5, self.random)
        if torch.rand((), generator=self.random) < 0.5:
            image, maps = image.flip(-1), maps.flip(-1)
        return image.contiguous(), maps.contiguous(), samples.shares[index]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Pictures (N, 3, H, W), maps (N, 2, H, W), where the indoor teacher's hold, (N,) in {0, 1}, its shares."""
        shares = torch.tensor([share for _, share in self.sources], dtype=torch.float64)
        for step in itertools.count(self.first):
            self.random.manual_seed(self.seed * 1_000_003 + step)
            size = self.shape(self.area(step))
            images, disparities, hold, shares_seen = [], [], [], []
            for which in torch.multinomial(shares, self.batch, replacement=True, generator=self.random):
                image, maps, share = self._cut(self.sources[int(which)][0], size)
                pasted = False
                if torch.rand((), generator=self.random) < self.pasted:
                    other, others, _ = self._cut(self.sources[0][0], size)
                    pasted = paste(image, maps[0], other, others[0], self.random)
                images.append(disturb(image, self.random))
                disparities.append(maps)
                hold.append(0.0 if pasted else 1.0)
                shares_seen.append(share)
            yield torch.stack(images), torch.stack(disparities), torch.tensor(hold), torch.tensor(shares_seen)


def whole(samples: Samples, long_side: int = 384) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Each picture undisturbed, (1, 3, H, W), with its maps (1, 2, H, W) and share; multiples of 32: for validation."""
    for index in range(len(samples)):
        image, maps = samples.tensors(index)
        scale = long_side / max(maps.shape)
        size = tuple(max(1, round(side * scale / 32)) * 32 for side in maps.shape[1:])
        image, maps = _resize(image, maps, (size[0], size[1]))
        yield image[None], maps[None], samples.shares[index]
