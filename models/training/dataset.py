"""Labelled pictures in memory, cut and disturbed anew each time; knows files and pixels, no networks."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

VALIDATION_SHARE = 20  # one photo in this many is never trained on


def is_validation(name: str) -> bool:
    """By a hash of the name, so that the slice is the same on every machine and in every run."""
    return zlib.crc32(name.encode()) % VALIDATION_SHARE == 0


class Samples:
    """Pictures (H, W, 3) uint8 with disparity (H, W) float16 and the chance with which each is drawn."""

    def __init__(self, paths: list[Path], indoor_boost: float = 2.0) -> None:
        self.images: list[np.ndarray] = []
        self.disparities: list[np.ndarray] = []
        weights = []
        for path in paths:
            with np.load(path) as item:
                if item["disparity"].astype(np.float32).std() < 1e-3:
                    continue  # a flat label teaches nothing and has no scale
                self.images.append(item["image"])
                self.disparities.append(item["disparity"])
                # Rooms are about a tenth of the photos and the hardest: see them more often.
                weights.append(1 + indoor_boost * float(item["share"]))
        self.weights = torch.tensor(weights, dtype=torch.float64)

    def __len__(self) -> int:
        return len(self.images)

    def tensors(self, index: int) -> tuple[Tensor, Tensor]:
        """(3, H, W) float32 in 0..1 and (H, W) float32."""
        image = torch.from_numpy(self.images[index]).permute(2, 0, 1).float() / 255
        return image, torch.from_numpy(self.disparities[index]).float()


def _resize(image: Tensor, disparity: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    image = F.interpolate(image[None], size, mode="bilinear", antialias=True, align_corners=False)[0]
    disparity = F.interpolate(disparity[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    return image.clamp(0, 1), disparity


def random_crop(
    image: Tensor, disparity: Tensor, size: tuple[int, int], smallest: float, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A random part of at least `smallest` of each side, in the shape of `size` up to 15 % of stretch."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=random))

    height, width = disparity.shape
    aspect = size[1] / size[0] * math.exp(uniform(-0.15, 0.15))
    full_h = min(height, width / aspect)
    part = uniform(smallest, 1) ** 0.7  # whole pictures more often than snippets
    h, w = max(32, round(full_h * part)), max(32, round(full_h * part * aspect))
    h, w = min(h, height), min(w, width)
    top, left = round(uniform(0, height - h)), round(uniform(0, width - w))
    return _resize(image[:, top : top + h, left : left + w], disparity[top : top + h, left : left + w], size)


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

    `sources` pairs a set of samples with its share of the batches' pictures; `area` tells how many pixels a picture of
    one step has. A batch depends on the seed and its step alone: a run that was stopped goes on with the same ones.
    """

    def __init__(
        self, sources: list[tuple[Samples, float]], batch: int, seed: int, area: Callable[[int], int], first: int = 0
    ) -> None:
        self.sources, self.batch, self.seed, self.area, self.first = sources, batch, seed, area, first
        self.random = torch.Generator()

    def shape(self, area: int) -> tuple[int, int]:
        """Height and width for one batch: landscape, portrait or square with about `area` pixels."""
        aspects = (1.5, 1.33, 1.78, 1.0, 0.67, 0.75)
        aspect = aspects[int(torch.randint(len(aspects), (), generator=self.random))]
        height = max(2, round(math.sqrt(area / aspect) / 32))
        return height * 32, max(2, round(math.sqrt(area * aspect) / 32)) * 32

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        shares = torch.tensor([share for _, share in self.sources], dtype=torch.float64)
        for step in itertools.count(self.first):
            self.random.manual_seed(self.seed * 1_000_003 + step)
            size = self.shape(self.area(step))
            images, disparities = [], []
            for which in torch.multinomial(shares, self.batch, replacement=True, generator=self.random):
                samples = self.sources[int(which)][0]
                index = int(torch.multinomial(samples.weights, 1, generator=self.random))
                image, disparity = samples.tensors(index)
                # A landscape cut from a portrait photo keeps little of it: prefer the photo's own direction.
                image, disparity = random_crop(image, disparity, size, 0.5, self.random)
                if torch.rand((), generator=self.random) < 0.5:
                    image, disparity = image.flip(-1), disparity.flip(-1)
                images.append(disturb(image, self.random))
                disparities.append(disparity)
            yield torch.stack(images), torch.stack(disparities)


def whole(samples: Samples, long_side: int = 320) -> Iterator[tuple[Tensor, Tensor]]:
    """Each picture undisturbed, as (1, 3, H, W) and (1, H, W), both sides multiples of 32: for validation."""
    for index in range(len(samples)):
        image, disparity = samples.tensors(index)
        scale = long_side / max(disparity.shape)
        size = tuple(max(1, round(side * scale / 32)) * 32 for side in disparity.shape)
        image, disparity = _resize(image, disparity, (size[0], size[1]))
        yield image[None], disparity[None]
