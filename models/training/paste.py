"""Things of one picture pasted before another: outlines whose place in the depth map is exact; knows no networks.

A label of a photo is soft at outlines. What is cut out and pasted has its outline where the paste says, in picture and
depth alike, whatever the label of the photo that it came from. All pictures are (3, H, W) float32 in 0..1, all maps
(H, W) float32 with larger = nearer.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

SMALLEST, LARGEST = 0.03, 0.6  # share of the picture that a thing may cover
JUMP = 0.4
"""Rise of the label across a thing's outline, in mean absolute deviations, that counts as a jump."""
CLEAR = 0.6  # share of a thing's outline that must lie by a jump
OVERSAMPLING = 3  # of drawn shapes, for smooth outlines


def threshold(values: np.ndarray, bins: int = 64) -> float:
    """Where a histogram falls apart best into two classes (Otsu 1979)."""
    counts, edges = np.histogram(values, bins)
    middles = (edges[1:] + edges[:-1]) / 2
    below, mass = np.cumsum(counts), np.cumsum(counts * middles)
    above, rest = below[-1] - below, mass[-1] - mass
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - rest / above) ** 2
    return float(edges[1 + int(np.nanargmax(between[:-1]))])


def foreground(disparity: Tensor) -> Tensor | None:
    """The nearest large thing of a picture, (H, W) bool, or None where its outline is no clear jump of depth."""
    values = disparity.numpy()
    spread = float(np.abs(values - np.median(values)).mean())
    if spread < 1e-3:
        return None
    labels, count = ndimage.label(values > threshold(values))
    if not count:
        return None
    sizes = np.bincount(labels.ravel())
    mask = ndimage.binary_fill_holes(labels == 1 + int(sizes[1:].argmax()))
    rim = mask & ~ndimage.binary_erosion(mask, border_value=1)
    if not rim.any() or not SMALLEST < mask.mean() < LARGEST:
        return None
    rise = ndimage.maximum_filter(values, 7) - ndimage.minimum_filter(values, 7)
    if (rise[rim] > JUMP * spread).mean() < CLEAR:
        return None
    return torch.from_numpy(ndimage.binary_erosion(mask, iterations=2, border_value=1))


def shape(height: int, width: int, random: torch.Generator) -> Tensor:
    """A blob, a polygon, a bunch of bars or twigs: cover (H, W) in 0..1, with the soft rim of a real lens."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=random))

    size = (width * OVERSAMPLING, height * OVERSAMPLING)
    picture = Image.new("L", size)
    draw = ImageDraw.Draw(picture)
    if uniform(0, 1) < 0.5:
        middle, reach = (uniform(0.1, 0.9) * size[0], uniform(0.1, 0.9) * size[1]), uniform(0.08, 0.35) * min(size)
        corners = 3 + int(uniform(0, 6)) if uniform(0, 1) < 0.5 else 40
        waves = [(uniform(0, 0.35) / k, k, uniform(0, 6.3)) for k in (1, 2, 3, 5)]
        squeeze, turn = uniform(0.4, 1), uniform(0, 6.3)
        points = []
        for corner in range(corners):
            angle = 2 * math.pi * corner / corners
            far = reach * (1 + sum(a * math.sin(k * angle + phase) for a, k, phase in waves))
            x, y = far * math.cos(angle), far * math.sin(angle) * squeeze
            points.append(
                (
                    middle[0] + x * math.cos(turn) - y * math.sin(turn),
                    middle[1] + x * math.sin(turn) + y * math.cos(turn),
                )
            )
        draw.polygon(points, fill=255)
    else:
        lean, thick = uniform(-0.5, 0.5), uniform(0.006, 0.04) * min(size)
        upright = uniform(0, 1) < 0.7
        for _ in range(1 + int(uniform(0, 6))):
            start, tilt, end = uniform(0, 1), lean + uniform(-0.25, 0.25), uniform(-0.3, 0.6)
            if upright:
                line = [(start * size[0], size[1]), ((start + tilt) * size[0], end * size[1])]
            else:
                line = [(0, start * size[1]), (size[0], (start + tilt) * size[1])]
            draw.line(line, fill=255, width=max(OVERSAMPLING, round(thick * uniform(0.5, 1.2))))
    return torch.from_numpy(np.asarray(picture.resize((width, height), Image.Resampling.BOX), np.float32) / 255)


def paste(image: Tensor, disparity: Tensor, other: Tensor, others: Tensor, random: torch.Generator) -> bool:
    """Put a thing of picture `other` with map `others`, or a shape painted with it, before `image`; changes both maps.

    False, and nothing done, where the other picture holds no clear thing.
    """

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=random))

    height, width = disparity.shape
    drawn = uniform(0, 1) < 0.35
    if drawn:
        cover = shape(height, width, random)
        across, down = torch.meshgrid(torch.linspace(-1, 1, width), torch.linspace(-1, 1, height), indexing="xy")
        relief = uniform(-0.3, 0.3) * across + uniform(-0.3, 0.3) * down
    else:
        mask = foreground(others)
        if mask is None:
            return False
        cover = F.avg_pool2d(mask[None, None].float(), 3, 1, 1)[0, 0]
        relief = 0.6 * (others - others[mask].median()) if bool(mask.any()) else others
    covered = cover > 0.5
    if not bool(covered.any()):
        return False
    # Nearer than all that is seen beside it, by a step that an eye would see too.
    around = F.max_pool2d(covered[None, None].float(), 15, 1, 7)[0, 0] > 0
    spread = float((disparity - disparity.median()).abs().mean().clamp_min(1e-3))
    level = torch.quantile(disparity[around][::3], 0.98) + spread * uniform(0.4, 2.5)
    relief = relief - torch.quantile(relief[covered], 0.05)
    image.copy_(cover * other + (1 - cover) * image)
    disparity.copy_(torch.where(covered, level + spread * relief.clamp(0, 4), disparity))
    return True
