"""Depth over time: what stands still stays still, what moves leaves no trail, a cut starts anew."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from depthflow.depth.estimator import Estimator
from depthflow.depth.sequence import SequenceEstimator
from depthflow.errors import UsageError

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
SHAPE = (48, 64)
BACKGROUND = np.tile(np.linspace(0.1, 0.6, SHAPE[1], dtype=np.float32), (SHAPE[0], 1))


class Network:
    """Answers with the truth it is given, distorted anew at every frame: scale, shift and noise."""

    def __init__(self, truths: list[F32], *, noise: float = 0.02, seed: int = 0) -> None:
        self._truths, self._noise = iter(truths), noise
        self._rng = np.random.default_rng(seed)

    def disparities(self, photos: list[U8], *, size: int | None, flip: bool, tiles: int) -> list[F32]:
        rng, truth = self._rng, next(self._truths)
        gain, shift = rng.uniform(0.5, 4), rng.uniform(-3, 3)
        return [(gain * (truth + rng.normal(0, self._noise, truth.shape)) + shift).astype(np.float32) for _ in photos]


def scene(x: int | None) -> tuple[U8, F32]:
    """(photo, inverse depth) of a wall that recedes, and a bright square before it from column x on."""
    grain = np.random.default_rng(1).integers(60, 110, (*SHAPE, 3), dtype=np.uint8)
    truth = BACKGROUND.copy()
    if x is not None:
        grain[16:32, x : x + 16] = 235
        truth[16:32, x : x + 16] = 0.9
    return grain, truth


def run(steps: list[int | None], **options: float) -> Iterator[tuple[F32, F32]]:
    scenes = [scene(x) for x in steps]
    steady = SequenceEstimator(Network([truth for _, truth in scenes]), **options)
    yield from zip(steady.frames([photo for photo, _ in scenes]), [truth for _, truth in scenes], strict=True)


def test_what_stands_still_trembles_less() -> None:
    def tremble(smoothing: float) -> float:
        depths = np.stack([depth for depth, _ in run([20] * 30, smoothing=smoothing)])[8:]
        return float(np.abs(np.diff(depths, axis=0)).mean())

    raw, smooth = tremble(0.0), tremble(0.8)
    assert raw > 0.02
    assert smooth < 0.25 * raw  # white noise through y = 0.8 y + 0.2 x: its steps are 0.15 of the input's


def test_the_scale_neither_drifts_nor_shrinks() -> None:
    *_, (depth, truth) = run([20] * 200, smoothing=0.8)
    low, high = np.percentile(truth, (0.5, 99.5))
    assert np.abs(depth - np.clip((truth - low) / (high - low), 0, 1)).mean() < 0.03


def test_what_moves_leaves_no_trail() -> None:
    *_, (depth, _) = run(list(range(0, 44, 2)), smoothing=0.9)
    assert np.median(depth[16:32, 42:58]) > 0.9
    left = depth[16:32, 20:40] - depth[0:16, 20:40]  # where it was, against the same columns of the wall
    assert abs(float(np.median(left))) < 0.04


def test_a_cut_starts_anew() -> None:
    photos = [scene(20)[0]] * 5 + [np.full((*SHAPE, 3), (20, 200, 90), np.uint8)] * 5
    other = np.ascontiguousarray(BACKGROUND[:, ::-1])
    truths = [scene(20)[1]] * 5 + [other] * 5
    steady = SequenceEstimator(Network(truths, noise=0), smoothing=0.95)
    depths = list(steady.frames(photos))
    assert steady.cuts == 1
    low, high = np.percentile(other, (0.5, 99.5))
    np.testing.assert_allclose(depths[5], np.clip((other - low) / (high - low), 0, 1), atol=1e-3)
    never = SequenceEstimator(Network(truths, noise=0), smoothing=0.95, cut=1)
    list(never.frames(photos))
    assert never.cuts == 0


def test_a_pan_and_a_change_of_light_are_no_cuts() -> None:
    rng = np.random.default_rng(4)
    wide = rng.integers(0, 256, (12, 60, 3), dtype=np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    pan = [np.clip(wide[:, x : x + 64] * (1 + x / 800), 0, 255).astype(np.uint8) for x in range(0, 120, 6)]
    steady = SequenceEstimator(Network([BACKGROUND] * len(pan)))
    list(steady.frames(pan))
    assert steady.cuts == 0


def test_frames_of_another_shape_are_another_scene() -> None:
    truths = [BACKGROUND, np.ascontiguousarray(BACKGROUND.T)]
    steady = SequenceEstimator(Network(truths))
    shapes = [depth.shape for depth in steady.frames([scene(None)[0], np.zeros((64, 48, 3), np.uint8)])]
    assert shapes == [(48, 64), (64, 48)]
    assert steady.cuts == 1


def test_reset_forgets() -> None:
    steady = SequenceEstimator(Network([BACKGROUND, BACKGROUND[:, ::-1]], noise=0), smoothing=0.99)
    photo = scene(None)[0]
    first = steady.next(photo)
    steady.reset()
    np.testing.assert_allclose(steady.next(photo), first[:, ::-1], atol=1e-5)


def test_undefined_and_constant_frames() -> None:
    broken = BACKGROUND.copy()
    broken[:10] = np.nan
    flat = np.full(SHAPE, 3, np.float32)
    photo = scene(None)[0]
    steady = SequenceEstimator(Network([BACKGROUND, broken, flat, BACKGROUND], noise=0))
    for depth in steady.frames([photo] * 4):
        assert np.isfinite(depth).all()
        assert 0 <= depth.min() <= depth.max() <= 1
    (only,) = SequenceEstimator(Network([flat], noise=0)).frames([photo])
    np.testing.assert_array_equal(only, np.float32(0.5))


@pytest.mark.parametrize("wrong", [{"smoothing": 1}, {"smoothing": -0.1}, {"cut": 0}, {"cut": 2}, {"percentile": 30}])
def test_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="out of range"):
        SequenceEstimator(Network([]), **wrong)


def test_with_the_real_network() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    estimator = Estimator("builtin", "cpu")
    one, two = SequenceEstimator(estimator, size=128).frames([photo, photo])
    alone = estimator.estimate(photo, size=128).depth
    np.testing.assert_allclose(one, alone, atol=2e-3)
    np.testing.assert_allclose(two, alone, atol=5e-3)
