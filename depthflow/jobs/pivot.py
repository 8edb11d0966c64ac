"""Finds the place in a photo that a camera turns about, where a motion says "nearest" or "surface"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthflow.opencv import cv2
from depthflow.scene.camera import photo_extent

_NEAR = 0.85
"""What is at least this part of the nearest depth belongs to the nearest things."""


@dataclass(frozen=True, slots=True)
class Place:
    """A point of the scene.

    Attributes:
        x, y: halves of the photo's longer side, right of and above its middle.
        depth: 0 far, 1 near.
    """

    x: float
    y: float
    depth: float


def find_place(kind: str, depth: NDArray[np.float32] | None, x: float, y: float) -> Place:
    """The place of a pivot "nearest", or the depth at (x, y) for "surface".

    Args:
        depth: (h, w) in [0, 1], 1 = nearest, row 0 on top; without one everything is as near as can be.
    """
    if depth is None:
        return Place(x, y, 1.0) if kind == "surface" else Place(0.0, 0.0, 1.0)
    return _surface(depth, x, y) if kind == "surface" else _nearest(depth)


def _surface(depth: NDArray[np.float32], x: float, y: float) -> Place:
    height, width = depth.shape
    half_width, half_height = photo_extent((width, height))
    column = int(np.clip((x / half_width + 1) / 2 * width, 0, width - 1))
    row = int(np.clip((1 - y / half_height) / 2 * height, 0, height - 1))
    # A median over a neighbourhood: one odd value of the depth map must not decide.
    reach = max(1, max(width, height) // 100)
    around = depth[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    return Place(x, y, float(np.median(around)))


def _nearest(depth: NDArray[np.float32]) -> Place:
    """Middle of the largest nearest thing; things in the middle of the photo count for more than its border,
    where the nearest is often only the ground."""
    scale = min(1.0, 256 / max(depth.shape))
    size = max(1, round(depth.shape[1] * scale)), max(1, round(depth.shape[0] * scale))
    small = cv2.resize(depth, size, interpolation=cv2.INTER_AREA)
    height, width = small.shape
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    weight = 0.05 + np.sin(np.pi * columns / width) * np.sin(np.pi * rows / height)
    near = small >= _NEAR * np.quantile(small, 0.99)
    count, labels = cv2.connectedComponents(near.astype(np.uint8), connectivity=8)
    totals = np.bincount(labels.ravel(), weight.ravel(), minlength=count)
    thing = labels == 1 + int(np.argmax(totals[1:])) if count > 1 else near
    share = weight[thing] / weight[thing].sum()
    half_width, half_height = photo_extent((width, height))
    x = float((columns[thing] * share).sum() / width * 2 - 1) * half_width
    y = float(1 - (rows[thing] * share).sum() / height * 2) * half_height
    return Place(x, y, float(np.median(small[thing])))
