"""Runs a network over a photo and says what came out and how fast; it keeps nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthflow import paths
from depthflow.depth.estimator import Estimator
from depthflow.depth.registry import ModelInfo, load_registry
from depthflow.errors import DepthError, RuntimeMissingError

F32 = NDArray[np.float32]

UPSIDE_DOWN = -0.3
"""Below this agreement with the built-in network, near and far are probably swapped."""
_GRID = (96, 64)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a network gave for the sample photo.

    Attributes:
        provider: where it ran.
        size: (width, height) of the depth map.
        seconds: of the second run, without loading.
        agreement: Spearman rank correlation with the built-in network's depth map, -1 to 1; None for itself.
        notes: lines for people.
    """

    provider: str
    size: tuple[int, int]
    seconds: float
    agreement: float | None
    notes: tuple[str, ...]


def sample_pixels() -> NDArray[np.uint8]:
    """The sample photo that ships, (H, W, 3) uint8 sRGB."""
    from depthflow.images import load_photo

    return load_photo(str(paths.data("config", "samples", "boats.jpg"))).pixels


def try_model(info: ModelInfo, provider: str = "auto") -> Trial:
    """Run a network over the sample photo, twice.

    Raises:
        DepthError: it is no network, takes no photo, or gives no depth map.
        RuntimeMissingError: no ONNX Runtime, or the provider is not in it.
    """
    pixels = sample_pixels()
    with Estimator(info, provider) as estimator:
        estimator.estimate(pixels)
        start = time.perf_counter()
        result = estimator.estimate(pixels)
        seconds = time.perf_counter() - start
    if float(np.ptp(result.depth)) < 1e-6:
        raise DepthError(
            f"{info.path().name}: the same depth everywhere on a photo of boats",
            "use a depth network, or mend its rules",
        )
    agreement = None if info.source == "builtin" else _agreement(pixels, result.depth)
    notes = [note for note in result.notes if "is not verified" not in note]
    if agreement is not None and agreement < UPSIDE_DOWN:
        notes.append("near and far look swapped: another output.meaning is needed (--meaning of import and export)")
    height, width = result.depth.shape
    return Trial(result.provider, (width, height), seconds, agreement, tuple(notes))


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a network takes on one provider.

    Attributes:
        model, provider: what ran where.
        size: (width, height) of the depth map.
        load_s: from the file to a session that is ready.
        first_s: the first photo, which warms it up.
        median_s, best_s: of the photos after it.
    """

    model: str
    provider: str
    size: tuple[int, int]
    load_s: float
    first_s: float
    median_s: float
    best_s: float


def time_model(
    info: ModelInfo, provider: str, pixels: NDArray[np.uint8], *, runs: int = 5, size: int | None = None
) -> Timing:
    """Time a network on one provider: preparation and inference of one photo, without refinement.

    Raises:
        DepthError: it cannot be run, there or anywhere.
        RuntimeMissingError: no ONNX Runtime; the provider is not in it, or gave up and another one took over.
    """
    clock = time.perf_counter
    with Estimator(info, provider) as estimator:
        start = clock()
        estimator.warm()
        load_s = clock() - start
        first, *later = (_timed(estimator, pixels, size) for _ in range(runs + 1))
        if estimator.provider != provider:
            raise RuntimeMissingError("; ".join(estimator.notes) or f"{provider} gave up", "see: depthflow doctor")
        depth = first[1]
    seconds = sorted(seconds for seconds, _ in later)
    height, width = depth.shape
    return Timing(info.name, provider, (width, height), load_s, first[0], float(np.median(seconds)), float(seconds[0]))


def _timed(estimator: Estimator, pixels: NDArray[np.uint8], size: int | None) -> tuple[float, F32]:
    start = time.perf_counter()
    depth = estimator.estimate(pixels, size=size).depth
    return time.perf_counter() - start, depth


def _agreement(pixels: NDArray[np.uint8], depth: F32) -> float:
    with Estimator(load_registry([paths.data("models", "registry.toml")])["builtin"], "cpu") as builtin:
        reference = builtin.estimate(pixels).depth
    return rank_correlation(_small(reference), _small(depth))


def _small(depth: F32) -> F32:
    from depthflow.opencv import cv2

    return np.asarray(cv2.resize(depth, _GRID, interpolation=cv2.INTER_AREA), np.float32)


def rank_correlation(one: F32, two: F32) -> float:
    """Spearman's rank correlation of two maps of one shape; ties share their mean rank; 0 if one is constant."""
    ranks = [_ranks(values) for values in (one.ravel(), two.ravel())]
    if min(float(np.ptp(r)) for r in ranks) == 0:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: F32) -> NDArray[np.float64]:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = ((2 * last - counts - 1) / 2.0)[where]
    return ranks
