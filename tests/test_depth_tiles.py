"""Tiles: they cover the photo, their seams cannot be seen, and they add detail but no tilt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from depth_networks import FakeSession, save_network
from numpy.typing import NDArray

from depthflow.depth.estimator import Estimator
from depthflow.depth.registry import InputRule, ModelInfo
from depthflow.depth.tiles import OVERLAP, grid

F32 = NDArray[np.float32]
RULE = InputRule(mean=(0, 0, 0), std=(1, 1, 1), size=64, min_size=32, max_size=256)
WIDTH, HEIGHT = 512, 384


def scene(stripes: float = 9.0) -> F32:
    """Red of a photo whose depth is its red: large waves, and stripes of 6.3 / stripes * 64 pixels."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] / 64
    waves = 0.5 + 0.2 * np.sin(x) + 0.15 * np.cos(1.3 * y)
    return (waves + 0.1 * np.sign(np.sin(stripes * (x + 0.5 * y)))).astype(np.float32)


def photo(red: F32) -> NDArray[np.uint8]:
    return np.repeat(np.clip(red * 255, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def network(tmp_path: Path, answer: Any) -> Estimator:
    info = ModelInfo(name="tiny", file=str(save_network(tmp_path / "m.onnx")), verified=True, input=RULE)
    return Estimator(info, "cpu", open_session=lambda path, provider: FakeSession(answer, ("n", 3, "h", "w")))


class TestGrid:
    @pytest.mark.parametrize("size", [(512, 384), (384, 512), (1000, 100), (7, 5), (1, 1), (640, 640)])
    @pytest.mark.parametrize("count", [1, 2, 3, 8])
    def test_covers_every_pixel_and_nothing_beyond(self, size: tuple[int, int], count: int) -> None:
        seen = np.zeros((size[1], size[0]), int)
        for tile in grid(*size, count):
            assert min(tile.x, tile.y) >= 0
            assert min(tile.width, tile.height) >= 1
            assert tile.x + tile.width <= size[0]
            assert tile.y + tile.height <= size[1]
            seen[tile.slices] += 1
        assert seen.min() >= 1

    def test_counts_and_overlaps(self) -> None:
        tiles = grid(1600, 900, 4)
        assert len({tile.x for tile in tiles}) == 4
        assert len({tile.y for tile in tiles}) == 2
        first, second = tiles[0], tiles[1]
        shared = first.x + first.width - second.x
        assert shared == pytest.approx(OVERLAP * first.width, rel=0.05)


class TestSeams:
    """The network answers with red, so the truth is known; each run distorts it in another way."""

    def truth(self, shape: tuple[int, ...]) -> F32:
        return cv2.resize(scene(), (shape[1], shape[0]), interpolation=cv2.INTER_AREA)

    def distorted(self, tmp_path: Path, tiles: int, stripes: float = 9.0) -> F32:
        rng = np.random.default_rng(5)

        def answer(tensor: NDArray[Any]) -> NDArray[Any]:
            red = tensor[:, 0].astype(np.float32)
            gain, shift = (np.float32(rng.uniform(*span)) for span in ((0.3, 3), (-2, 2)))
            tilt = np.linspace(0, rng.uniform(-0.3, 0.3), red.shape[2], dtype=np.float32)
            # A network's answer for a whole photo has a scale too, but the truth has none: only tiles are distorted.
            return red if len(tensor) == 1 else gain * (red + tilt) + shift

        return network(tmp_path, answer).disparities([photo(scene(stripes))], tiles=tiles)[0]

    @pytest.mark.parametrize("tiles", [2, 3, 4])
    def test_no_seams_though_every_tile_has_its_own_scale_shift_and_tilt(self, tmp_path: Path, tiles: int) -> None:
        got = self.distorted(tmp_path, tiles)
        want = self.truth(got.shape)
        low, high = want.min(), want.max()
        want = (want - low) / (high - low)
        inner = (slice(4, -4), slice(4, -4))
        error = cv2.GaussianBlur(got - want, (0, 0), 6)[inner]
        assert np.abs(error - np.median(error)).max() < 0.08, "no tile stands out"
        # A seam would be a line where the error jumps, the whole length of a tile.
        for axis in (0, 1):
            steps = np.abs(np.diff((got - want)[inner], axis=axis)).mean(axis=1 - axis)
            assert steps.max() < 4 * np.median(steps) + 0.01, f"a seam along axis {axis}"

    def test_detail_that_the_whole_photo_does_not_show(self, tmp_path: Path) -> None:
        def stripes(depth: F32) -> float:
            fine = depth - cv2.GaussianBlur(depth, (0, 0), depth.shape[1] / 40)
            return float(fine.std() / depth.std())

        plain = network(tmp_path, lambda tensor: tensor[:, 0]).disparities([photo(scene(40))])[0]
        tiled = self.distorted(tmp_path, 4, 40)
        assert tiled.shape[1] > 3 * plain.shape[1]
        assert stripes(tiled) > 2 * stripes(plain)

    @pytest.mark.parametrize("kind", ["flat", "contrary", "noise"])
    def test_tiles_that_say_something_else_change_nothing(self, tmp_path: Path, kind: str) -> None:
        rng = np.random.default_rng(1)
        others = {
            "flat": lambda red: 0 * red + 7,
            "contrary": lambda red: -red,
            "noise": lambda red: rng.random(red.shape),
        }

        def answer(tensor: NDArray[Any]) -> NDArray[Any]:
            return tensor[:, 0] if len(tensor) == 1 else np.asarray(others[kind](tensor[:, 0]), np.float32)

        e = network(tmp_path, answer)
        plain, tiled = (e.disparities([photo(scene())], tiles=tiles)[0] for tiles in (1, 3))
        plain = (plain - plain.min()) / np.ptp(plain)
        enlarged = cv2.resize(plain, tiled.shape[::-1], interpolation=cv2.INTER_CUBIC)
        np.testing.assert_allclose(tiled, enlarged, atol=1e-5)

    def test_undefined_values_in_a_tile(self, tmp_path: Path) -> None:
        def answer(tensor: NDArray[Any]) -> NDArray[Any]:
            red = tensor[:, 0].astype(np.float32)
            red[:, :5, :5] = np.nan
            return red

        assert np.isfinite(network(tmp_path, answer).estimate(photo(scene()), tiles=2).depth).all()


def test_small_photos_get_as_many_tiles_as_they_have_pixels_for(tmp_path: Path) -> None:
    runs: list[int] = []

    def answer(tensor: NDArray[Any]) -> NDArray[Any]:
        runs.append(len(tensor))
        return tensor[:, 0]

    network(tmp_path, answer).estimate(photo(scene())[:64, :64], tiles=8)
    assert runs == [1]
    runs.clear()
    network(tmp_path, answer).estimate(photo(scene())[:128, :128], tiles=8)
    assert runs == [1, 4]


def test_with_the_real_network(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (160, 240, 3), dtype=np.uint8)
    result = Estimator("builtin", "cpu").estimate(pixels, size=128, tiles=2, flip=True)
    assert result.depth.shape[1] == 192  # of two tiles that share a quarter and see 128 pixels each, less rounding
    assert np.isfinite(result.depth).all()
    assert (result.depth.min(), result.depth.max()) == (0, 1)
