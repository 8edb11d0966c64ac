"""Photo to tensor and tensor to depth map, against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from depthflow.depth.registry import InputRule, OutputRule
from depthflow.depth.tensors import input_size, normalise, resample, to_disparity, to_plane, to_tensor, toned
from depthflow.errors import DepthError

PLAIN = InputRule(mean=(0, 0, 0), std=(1, 1, 1))


class TestInputSize:
    @pytest.mark.parametrize(
        ("photo", "size"),
        [
            ((4000, 3000), (384, 288)),
            ((3000, 4000), (288, 384)),
            ((384, 384), (384, 384)),
            ((100, 50), (384, 192)),
            ((1, 1), (384, 384)),
            ((8000, 1000), (1024, 128)),  # 1:8: enlarged until the short side has its 128
            ((2000, 3), (1024, 128)),  # beyond any aspect: both bounds hold, the aspect does not
        ],
    )
    def test_long_side(self, photo: tuple[int, int], size: tuple[int, int]) -> None:
        rule = InputRule(size=384, min_size=128, max_size=1024, multiple=32)
        assert input_size(*photo, rule) == size

    def test_short_side(self) -> None:
        rule = InputRule(side="short", size=256, min_size=64, max_size=1024, multiple=14)
        assert input_size(1000, 500, rule) == (518, 252)  # 512 and 256 to the nearest multiple of 14

    def test_user_size_overrides(self) -> None:
        assert input_size(1000, 500, InputRule(size=384), size=640) == (640, 320)

    def test_fixed(self) -> None:
        rule = InputRule(resize="stretch", fixed=(192, 320))
        assert input_size(17, 4000, rule, size=999) == (320, 192)

    def test_bounds_that_are_no_multiples(self) -> None:
        rule = InputRule(size=100, min_size=100, max_size=100, multiple=32)
        assert input_size(640, 480, rule) == (96, 96)


class TestToTensor:
    photo = np.random.default_rng(5).integers(0, 256, (6, 8, 3), dtype=np.uint8)

    @pytest.mark.parametrize(
        "rule",
        [
            PLAIN,
            InputRule(),
            InputRule(range=(0, 255), mean=(0, 0, 0), std=(1, 1, 1)),
            InputRule(range=(0, 255), mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
            InputRule(range=(-1, 1), mean=(0.5, 0.25, 0), std=(0.5, 1, 2)),
        ],
    )
    def test_normalisation(self, rule: InputRule) -> None:
        low, high = rule.range
        in_range = self.photo / 255.0 * (high - low) + low
        want = ((in_range - rule.mean) / rule.std).transpose(2, 0, 1)[None]
        got = to_tensor(self.photo, rule, (8, 6))
        assert got.dtype == np.float32
        assert got.flags.c_contiguous
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)

    def test_statistics_belong_to_red_green_blue_even_in_bgr(self) -> None:
        rgb = to_tensor(self.photo, InputRule(), (8, 6))
        bgr = to_tensor(self.photo, InputRule(channels="BGR"), (8, 6))
        np.testing.assert_array_equal(bgr, rgb[:, ::-1])

    def test_layout_and_half(self) -> None:
        got = to_tensor(self.photo, InputRule(layout="NHWC", dtype="float16", mean=(0, 0, 0), std=(1, 1, 1)), (8, 6))
        assert got.shape == (1, 6, 8, 3)
        assert got.dtype == np.float16
        np.testing.assert_allclose(got[0], self.photo / 255.0, atol=1e-3)


class TestResample:
    def test_area_is_the_mean_of_blocks(self) -> None:
        photo = np.random.default_rng(1).integers(0, 256, (12, 8, 3), dtype=np.uint8)
        want = photo.reshape(3, 4, 2, 4, 3).astype(float).mean(axis=(1, 3))
        assert np.abs(resample(photo, 2, 3, "area") - want).max() <= 0.51

    def test_area_still_averages_the_axis_that_shrinks_when_the_other_grows(self) -> None:
        stripes = np.zeros((2, 256, 3), np.uint8)
        stripes[:, ::2] = 200
        assert np.abs(resample(stripes, 32, 64, "area").astype(int) - 100).max() <= 1

    @pytest.mark.parametrize("how", ["area", "bicubic", "bilinear"])
    def test_no_aliasing(self, how: str) -> None:
        stripes = np.zeros((256, 256, 3), np.uint8)
        stripes[:, ::2] = 200
        inner = resample(stripes, 32, 32, how)[:, 2:-2].astype(int)
        assert np.abs(inner - 100).max() <= 4


class TestToPlane:
    @pytest.mark.parametrize("shape", [(1, 4, 6), (1, 1, 4, 6), (1, 4, 6, 1), (4, 6)])
    def test_shapes(self, shape: tuple[int, ...]) -> None:
        values = np.arange(24, dtype=np.float32)
        np.testing.assert_array_equal(to_plane(values.reshape(shape), "m"), values.reshape(4, 6))

    @pytest.mark.parametrize(
        ("shape", "plane"),
        [((1, 1, 6), (1, 6)), ((1, 1, 6, 1), (6, 1)), ((1, 6, 1, 1), (6, 1)), ((1, 1, 1, 1), (1, 1))],
    )
    def test_one_pixel_high_or_wide(self, shape: tuple[int, ...], plane: tuple[int, int]) -> None:
        got = to_plane(np.zeros(shape, np.float32), "m")
        assert got.size == plane[0] * plane[1]
        assert got.ndim == 2

    @pytest.mark.parametrize("shape", [(1, 3, 4, 6), (2, 4, 6), (7,), (1, 0, 6)])
    def test_others_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(DepthError, match="model 'm' gave a tensor"):
            to_plane(np.zeros(shape, np.float32), "m")


class TestMeaning:
    metres = np.array([[0.5, 1.0, 2.0], [4.0, 8.0, 80.0]], np.float32)

    def test_disparity_is_taken_as_it_is(self) -> None:
        np.testing.assert_array_equal(to_disparity(self.metres, OutputRule()), self.metres)

    def test_metres(self) -> None:
        np.testing.assert_allclose(to_disparity(self.metres, OutputRule(meaning="metres")), 1 / self.metres)

    def test_centimetres_are_metres(self) -> None:
        got = to_disparity(self.metres * 100, OutputRule(meaning="centimetres"))
        np.testing.assert_allclose(got, 1 / self.metres, rtol=1e-6)

    def test_clip_comes_first(self) -> None:
        got = to_disparity(self.metres, OutputRule(meaning="metres", clip=(1.0, 4.0)))
        np.testing.assert_allclose(got, 1 / np.clip(self.metres, 1, 4))

    def test_sky_at_infinity_is_far_and_rubbish_is_undefined(self) -> None:
        raw = np.array([[np.inf, 0.0, -3.0, np.nan, 2.0]], np.float32)
        got = to_disparity(raw, OutputRule(meaning="metres"))
        np.testing.assert_array_equal(got, np.array([[0, np.nan, np.nan, np.nan, 0.5]], np.float32))

    def test_relative_depth_survives_zeros(self) -> None:
        raw = np.linspace(0, 1, 1000, dtype=np.float32).reshape(20, 50)
        got = to_disparity(raw, OutputRule(meaning="depth"))
        assert np.isfinite(got).all()
        assert (np.diff(got.ravel()) <= 0).all()
        far_half = normalise(got).ravel()[500:]
        assert np.ptp(far_half) > 0.03  # without the floor, 1/0 flattens everything else


class TestNormalise:
    def test_percentiles_against_numpy(self) -> None:
        raw = np.random.default_rng(2).normal(5, 3, (64, 64)).astype(np.float32)
        low, high = np.percentile(raw, (0.5, 99.5))
        want = np.clip((raw - low) / (high - low), 0, 1)
        np.testing.assert_allclose(normalise(raw), want, atol=1e-6)

    def test_a_wild_pixel_does_not_flatten_the_scene(self) -> None:
        raw = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
        raw[3, 3] = 1e6
        assert np.ptp(normalise(raw)[10:]) == 1.0

    @pytest.mark.parametrize("value", [0.0, 7.25, -1e30, 3e38])
    def test_constant_is_flat_half(self, value: float) -> None:
        np.testing.assert_array_equal(normalise(np.full((5, 4), value, np.float32)), np.float32(0.5))

    def test_rounding_noise_is_no_relief(self) -> None:
        raw = np.full((32, 32), 1000.0, np.float32)
        raw[::2] = np.nextafter(np.float32(1000), np.float32(2000))
        np.testing.assert_array_equal(normalise(raw), np.float32(0.5))

    def test_one_small_thing_before_a_wall(self) -> None:
        raw = np.zeros((100, 100), np.float32)
        raw[50, 50] = 4.0
        got = normalise(raw)
        assert got[50, 50] == 1.0
        assert got[0, 0] == 0.0

    def test_undefined_takes_the_median(self) -> None:
        raw = np.tile(np.linspace(0, 1, 101, dtype=np.float32), (9, 1))
        raw[4, 20:40] = np.nan
        got = normalise(raw)
        assert np.isfinite(got).all()
        assert abs(float(got[4, 30]) - 0.5) < 0.03

    def test_mostly_undefined_is_an_error(self) -> None:
        raw = np.full((10, 10), np.nan, np.float32)
        raw[:3] = 1
        with pytest.raises(DepthError, match="70% of the depth values are not finite"):
            normalise(raw)

    def test_huge_range(self) -> None:
        got = normalise(np.array([[-3e38, 0, 3e38]], np.float32), 0, 100)
        np.testing.assert_allclose(got, [[0, 0.5, 1]])


class TestToned:
    depth = np.linspace(0, 1, 38, dtype=np.float32)[None]

    def test_nothing_asked_for_is_nothing_done(self) -> None:
        assert toned(self.depth) is self.depth

    @pytest.mark.parametrize(
        ("far", "near", "gamma"), [(0.2, 0.7, 1.0), (0.0, 1.0, 2.5), (0.1, 0.9, 0.4), (0, 1e-3, 1)]
    )
    def test_formula(self, far: float, near: float, gamma: float) -> None:
        got = toned(self.depth, far=far, near=near, gamma=gamma)
        assert got.dtype == np.float32
        want = ((np.clip(self.depth.astype(float), far, near) - far) / (near - far)) ** gamma
        np.testing.assert_allclose(got, want, atol=2e-5)
