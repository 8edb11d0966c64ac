"""Cuts a photo into overlapping tiles and joins their depths without seams; runs no network itself.

A network that sees a part of the photo larger finds finer things in it, but not how far that part is away: each
tile's depth has a scale and shift of its own, and large planes may tilt. So the whole photo's depth keeps all that
is large, and a tile adds only what is finer:

    depth = low(whole) + a (tile - low(tile)),   a = cov(tile, whole) / var(tile)

The less a tile correlates with the whole, the less of this is taken: what it sees is then another scene.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

OVERLAP = 0.25
"""Part of a tile's side that it shares with its neighbour."""
LOW_PASS = 1 / 8
"""Standard deviation of the low pass, part of a tile's shorter side."""
TRUST = (0.2, 0.6)
"""Correlation with the whole below which a tile is left out, and above which it fully counts."""
MAX_TILES = 8


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of the photo: left, top, width and height in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def scaled(self, by_x: float, by_y: float, size: tuple[int, int]) -> Tile:
        """The same part of a picture of `size` (width, height), its edges on whole pixels."""
        left, top = round(self.x * by_x), round(self.y * by_y)
        right = min(size[0], max(left + 1, round((self.x + self.width) * by_x)))
        bottom = min(size[1], max(top + 1, round((self.y + self.height) * by_y)))
        return Tile(left, top, right - left, bottom - top)


def grid(width: int, height: int, count: int) -> list[Tile]:
    """Tiles that cover a photo of width x height: `count` along its longer side, as square as it goes along the other.

    Neighbours share about a quarter of their side; the first and last end at the photo's border.
    """
    long, short = max(width, height), min(width, height)
    other = max(1, math.ceil(count * short / long - 0.25))
    columns, rows = (count, other) if width >= height else (other, count)
    spans_x, spans_y = _spans(width, columns), _spans(height, rows)
    return [Tile(x, y, w, h) for y, h in spans_y for x, w in spans_x]


def _spans(length: int, count: int) -> list[tuple[int, int]]:
    """(start, length) of `count` equal spans that overlap and cover 0..length."""
    size = min(length, math.ceil(length / (count - (count - 1) * OVERLAP)))
    if count == 1:
        return [(0, length)]
    return [(round(i * (length - size) / (count - 1)), size) for i in range(count)]


def joined(whole: F32, parts: list[F32], tiles: list[Tile], photo: tuple[int, int]) -> F32:
    """One depth map of the whole photo with the detail of its tiles.

    Args:
        whole: (h, w) inverse depth of the whole photo, finite.
        parts: (h, w) inverse depth of each tile, finite; scale and shift are free.
        tiles: where each part lies, pixels of the photo.
        photo: (width, height).

    Returns:
        (H, W) float32, of the resolution that the tiles have.
    """
    from depthflow.opencv import cv2

    width = max(round(part.shape[1] * photo[0] / tile.width) for part, tile in zip(parts, tiles, strict=True))
    height = max(round(part.shape[0] * photo[1] / tile.height) for part, tile in zip(parts, tiles, strict=True))
    base = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    total, weights = np.zeros_like(base), np.zeros_like(base)
    for part, tile in zip(parts, tiles, strict=True):
        place = tile.scaled(width / photo[0], height / photo[1], (width, height))
        fine = np.asarray(cv2.resize(part, (place.width, place.height), interpolation=cv2.INTER_LINEAR), np.float32)
        weight = _window(place, width, height)
        total[place.slices] += weight * _aligned(fine, base[place.slices])
        weights[place.slices] += weight
    return total / weights


def _aligned(fine: F32, base: F32) -> F32:
    """A tile's detail on the whole photo's large shapes."""
    from depthflow.opencv import cv2

    gain, trust = _agreement(fine, base)
    if trust == 0:
        return base
    sigma = max(1.0, LOW_PASS * min(fine.shape))
    low = cv2.GaussianBlur(base - gain * fine, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    aligned: F32 = base + trust * (gain * fine + np.asarray(low, np.float32) - base)
    return aligned


def _agreement(fine: F32, base: F32) -> tuple[np.float32, np.float32]:
    """(gain, trust): the scale of least squares from the tile to the whole, and how far the tile is believed."""
    x, y = (plane - plane.mean(dtype=np.float64) for plane in (fine, base))
    spread_x, spread_y, both = (float(np.mean(product)) for product in (x * x, y * y, x * y))
    if spread_x <= (1e-5 * float(np.abs(fine).max())) ** 2 or spread_y <= 1e-10 or both <= 0:
        return np.float32(0), np.float32(0)
    correlation = both / math.sqrt(spread_x * spread_y)
    trust = min(1.0, max(0.0, (correlation - TRUST[0]) / (TRUST[1] - TRUST[0])))
    return np.float32(both / spread_x), np.float32(trust)


def _window(place: Tile, width: int, height: int) -> F32:
    """Weights of a tile: 1 in its middle and at the photo's border, falling to almost 0 where its neighbours go on."""
    x = _ramp(place.width, place.x > 0, place.x + place.width < width)
    y = _ramp(place.height, place.y > 0, place.y + place.height < height)
    return np.outer(y, x).astype(np.float32)


def _ramp(length: int, before: bool, after: bool) -> NDArray[np.float64]:
    rise = max(1, round(length * OVERLAP))
    curve = 0.5 - 0.5 * np.cos(np.pi * (np.arange(rise) + 0.5) / rise)
    weights = np.ones(length)
    if before:
        weights[:rise] *= curve
    if after:
        weights[-rise:] *= curve[::-1]
    return np.maximum(weights, 1e-4)
