"""Depth of a sequence of frames, steady from one to the next; it reads no video and refines no edges.

A network sees every frame anew: its scale and shift jump, and its values tremble where nothing moves. So each frame's
inverse depth is brought to the scale and shift of the one before, as far as both show the same, and then mixed with
it (exponential smoothing); a pixel whose colour changed takes the new depth, or moving things would leave a trail. A
cut to another scene starts anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from depthflow.depth.tensors import PERCENTILE, defined
from depthflow.errors import UsageError

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

CUT = 0.5
"""Part of the colours (8 levels a channel) that differ between two frames of different scenes."""
COLOUR_CHANGE = np.float32(12.0)
"""Change of a pixel's colour (8-bit, root of the mean square) at which 1/e of the old depth's weight is left."""
_SEEN = 0.05
"""Part of the pixels that must be unchanged to tell scale and shift from them."""


class _Network(Protocol):
    def disparities(self, photos: list[U8], *, size: int | None, flip: bool, tiles: int) -> list[F32]: ...


@dataclass(slots=True)
class _State:
    """What is known of the scene: smoothed inverse depth, the frame at its size, the range that becomes 0 to 1."""

    disparity: F32
    colours: F32
    histogram: NDArray[np.float64]
    low: float
    high: float


class SequenceEstimator:
    """Depth of frames in their order; not thread-safe, for each frame needs the one before.

    steady = SequenceEstimator(get_estimator())
    for depth in steady.frames(video):
        ...                                # (h, w) float32 in [0, 1], 1 = nearest, at the network's resolution
    """

    def __init__(
        self,
        network: _Network,
        *,
        smoothing: float = 0.7,
        cut: float = CUT,
        size: int | None = None,
        flip: bool = False,
        tiles: int = 1,
        percentile: float = PERCENTILE,
    ) -> None:
        """
        Args:
            network: an Estimator.
            smoothing: weight of the past, 0 (each frame by itself) to below 1; 0.7 halves it every two frames.
            cut: colours that must differ for a new scene, 0 to 1; 1 never cuts.
            size, flip, tiles, percentile: as for Estimator.estimate.

        Raises:
            UsageError: out of range.
        """
        if not 0 <= smoothing < 1:
            raise UsageError(f"smoothing {smoothing:g} is out of range", "allowed: 0 to below 1")
        if not 0 < cut <= 1:
            raise UsageError(f"cut {cut:g} is out of range", "allowed: above 0 to 1")
        if not 0 <= percentile <= 20:
            raise UsageError(f"percentile {percentile:g} is out of range", "allowed: 0 to 20")
        self._network, self._smoothing, self._cut, self._percentile = network, smoothing, cut, percentile
        self._size, self._flip, self._tiles = size, flip, tiles
        self._state: _State | None = None
        self.cuts = 0
        """Scenes that began after the first one."""

    def reset(self) -> None:
        """Forget the past: the next frame begins a scene."""
        self._state = None

    def frames(self, frames: Iterable[U8]) -> Iterator[F32]:
        """Depth of each frame, as `next`."""
        return map(self.next, frames)

    def next(self, pixels: U8) -> F32:
        """Depth of the next frame.

        Args:
            pixels: (H, W, 3) uint8, sRGB; of another shape than the frame before it is another scene.

        Returns:
            (h, w) float32 in [0, 1], 1 = nearest, linear in inverse depth, at the network's resolution.

        Raises:
            DepthError, RuntimeMissingError: as Estimator.estimate; the past is kept.
        """
        found = self._network.disparities([pixels], size=self._size, flip=self._flip, tiles=self._tiles)
        disparity = defined(found[0])
        colours, histogram = _small(pixels, disparity.shape), _histogram(pixels)
        past = self._state
        if past is not None and self._is_cut(past, disparity, histogram):
            self.cuts += 1
            past = None
        if past is not None:
            disparity = self._mixed(past, disparity, colours)
        low, high = (float(v) for v in np.percentile(disparity, (self._percentile, 100 - self._percentile)))
        if past is not None:
            low = self._smoothing * past.low + (1 - self._smoothing) * low
            high = self._smoothing * past.high + (1 - self._smoothing) * high
        self._state = _State(disparity, colours, histogram, low, high)
        if high - low <= 1e-6 * max(abs(low), abs(high)):
            return np.full(disparity.shape, 0.5, np.float32)
        depth: F32 = np.clip((disparity - np.float32(low)) / np.float32(high - low), 0, 1)
        return depth

    def _is_cut(self, past: _State, disparity: F32, histogram: NDArray[np.float64]) -> bool:
        if disparity.shape != past.disparity.shape:
            return True
        return self._cut < 1 and float(np.abs(histogram - past.histogram).sum()) / 2 > self._cut

    def _mixed(self, past: _State, disparity: F32, colours: F32) -> F32:
        """The new inverse depth in the scale and shift of the past, mixed with it where nothing changed."""
        change = np.mean((colours - past.colours) ** 2, axis=2)
        same = np.exp(-change / COLOUR_CHANGE**2).astype(np.float32)
        # Ratios of spreads, not least squares: noise would make that shrink the scale frame by frame.
        weight = same if float(same.mean()) > _SEEN else np.ones_like(same)
        mean, spread = _moments(disparity, weight)
        past_mean, past_spread = _moments(past.disparity, weight)
        gain = past_spread / spread if spread > 1e-6 * max(abs(mean), 1e-30) else 0.0
        fitted = np.float32(past_mean) + np.float32(gain) * (disparity - np.float32(mean))
        keep = np.float32(self._smoothing) * same
        mixed: F32 = fitted + keep * (past.disparity - fitted)
        return mixed


def _moments(values: F32, weight: F32) -> tuple[float, float]:
    total = float(weight.sum(dtype=np.float64))
    mean = float((values * weight).sum(dtype=np.float64)) / total
    return mean, float(np.sqrt((((values - np.float32(mean)) ** 2) * weight).sum(dtype=np.float64) / total))


def _small(pixels: U8, shape: tuple[int, ...]) -> F32:
    from depthflow.opencv import cv2

    return np.asarray(cv2.resize(pixels, (shape[1], shape[0]), interpolation=cv2.INTER_AREA), np.float32)


def _histogram(pixels: U8) -> NDArray[np.float64]:
    """Shares of 512 colours, of the frame scaled to 64 pixels: noise and grain do not count."""
    from depthflow.opencv import cv2

    small = np.asarray(cv2.resize(pixels, (64, 64), interpolation=cv2.INTER_AREA), np.int64) >> 5
    counts = np.bincount((small @ np.array([64, 8, 1])).ravel(), minlength=512)
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares
