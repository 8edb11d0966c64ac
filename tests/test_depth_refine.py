"""Refinement: jumps land on the photo's edges, everything else stays what it was."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from depthflow.depth.refine import refine

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
DEPTH_SIZE, SIZE = (64, 48), (256, 192)


def disc(size: tuple[int, int], centre: tuple[float, float], radius: float) -> NDArray[np.bool_]:
    """Pixels within a circle; centre and radius are parts of the width and height."""
    x = (np.arange(size[0]) + 0.5) / size[0] - centre[0]
    y = ((np.arange(size[1]) + 0.5) / size[1] - centre[1]) * size[1] / size[0]
    return np.hypot(x[None], y[:, None]) < radius


def soft(mask: NDArray[np.bool_], near: float = 0.9, far: float = 0.2, blur: float = 1.2) -> F32:
    """A true step as a network draws it."""
    truth = np.where(mask, near, far).astype(np.float32)
    return cv2.GaussianBlur(cv2.resize(truth, DEPTH_SIZE, interpolation=cv2.INTER_AREA), (0, 0), blur)


def painted(mask: NDArray[np.bool_], noise: float = 6.0) -> U8:
    colours = np.where(mask[:, :, None], (200, 120, 60), (70, 90, 140)) + np.random.default_rng(0).normal(
        0, noise, (*mask.shape, 3)
    )
    return np.clip(colours, 0, 255).astype(np.uint8)


def bilinear(depth: F32) -> F32:
    return cv2.resize(depth, SIZE, interpolation=cv2.INTER_LINEAR)


class TestEdges:
    mask = disc(SIZE, (0.5, 0.5), 0.22)
    truth = np.where(mask, 0.9, 0.2)

    def test_step_lands_on_the_outline(self) -> None:
        got = refine(soft(self.mask), painted(self.mask), SIZE)
        wrong = np.abs(got - self.truth) > 0.1
        assert wrong.mean() < 0.004, "at most a thin line of the outline may be off"
        assert (np.abs(bilinear(soft(self.mask)) - self.truth) > 0.1).mean() > 0.04, "the task is not trivial"

    def test_step_that_the_network_drew_beside_the_outline(self) -> None:
        moved = disc(SIZE, (0.5 + 1.5 / 64, 0.5), 0.22)  # one and a half of the network's pixels
        got = refine(soft(moved), painted(self.mask), SIZE)
        plain = np.abs(bilinear(soft(moved)) - self.truth).mean()
        assert np.abs(got - self.truth).mean() < 0.35 * plain

    def test_no_halo_and_no_ringing(self) -> None:
        depth = soft(self.mask)
        got = refine(depth, painted(self.mask), SIZE)
        assert got.min() >= depth.min()
        assert got.max() <= depth.max()
        away = ~cv2.dilate(self.mask.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
        assert np.abs(got[away] - 0.2).max() < 0.025, "of a jump of 0.7"

    def test_without_colour_the_edge_stays_in_the_middle_of_the_ramp_but_sharp(self) -> None:
        grey = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
        got = refine(soft(self.mask), grey, SIZE)
        between = (got > 0.35) & (got < 0.75)
        assert between.mean() < 0.4 * ((bilinear(soft(self.mask)) > 0.35) & (bilinear(soft(self.mask)) < 0.75)).mean()
        assert ((got > 0.55) != self.mask).mean() < 0.02


class TestWideRamps:
    """Fur and seeds: the ramp is wide, and single pixels look like either side."""

    SMALL, LARGE = (128, 96), (256, 192)
    mask = disc(LARGE, (0.5, 0.5), 0.25)
    truth = np.where(mask, 0.9, 0.2)

    def furry(self) -> U8:
        """Both sides have strands of each other's colour: 4 of 10 pixels, in clumps."""
        rng = np.random.default_rng(7)
        clumps = cv2.GaussianBlur(rng.normal(size=self.mask.shape), (0, 0), 2.5)
        stray = clumps > np.quantile(clumps, 0.6)
        return painted(self.mask ^ stray, noise=20)

    def depth(self, blur: float) -> F32:
        small = cv2.resize(self.truth.astype(np.float32), self.SMALL, interpolation=cv2.INTER_AREA)
        return cv2.GaussianBlur(small, (0, 0), blur)

    @pytest.mark.parametrize("blur", [4.0, 5.0])
    def test_the_outline_is_found_and_is_one_line(self, blur: float) -> None:
        got = refine(self.depth(blur), self.furry(), self.LARGE)
        assert (np.abs(got - self.truth) > 0.2).mean() < 0.01
        near = got > 0.55
        length = sum(int((near != np.roll(near, 1, axis)).sum()) for axis in (0, 1))
        real = sum(int((self.mask != np.roll(self.mask, 1, axis)).sum()) for axis in (0, 1))
        assert length < 1.05 * real, "a ragged rim is longer"

    def test_three_things_are_no_wide_ramp(self) -> None:
        bands = np.zeros(self.LARGE[::-1], int)
        bands[:, 116:] = 1
        bands[:, 140:] = 2
        truth = np.array([0.1, 0.5, 0.9], np.float32)[bands]
        colours = np.array([(40, 40, 40), (200, 60, 60), (230, 230, 230)], np.uint8)[bands]
        depth = cv2.GaussianBlur(cv2.resize(truth, self.SMALL, interpolation=cv2.INTER_AREA), (0, 0), 1.5)
        got = refine(depth, colours, self.LARGE)
        assert np.abs(got[:, 124:132] - 0.5).max() < 0.05


@pytest.mark.parametrize("seed", range(8))
def test_edges_of_any_scene_end_where_the_photo_has_them(seed: int) -> None:
    """Random polygons before each other, each with a colour and a depth of its own."""
    rng = np.random.default_rng(seed)
    truth, colours = np.full(SIZE[::-1], 0.1, np.float32), np.full((*SIZE[::-1], 3), (40, 60, 90), np.float32)
    for depth in (0.35, 0.6, 0.9):
        centre, radius = rng.uniform((60, 50), (196, 142)), rng.uniform(28, 50)
        angles = rng.uniform(0, 2 * np.pi) + np.arange(5) * 2 * np.pi / 5
        corners = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        part = cv2.fillPoly(np.zeros(SIZE[::-1], np.uint8), [np.rint(corners).astype(np.int32)], 1) > 0
        truth[part], colours[part] = depth, rng.permutation((230.0, 90.0, 20.0)) * depth
    photo = np.clip(colours + rng.normal(0, 4, colours.shape), 0, 255).astype(np.uint8)
    small = cv2.GaussianBlur(cv2.resize(truth, (96, 72), interpolation=cv2.INTER_AREA), (0, 0), rng.uniform(0.8, 2))
    got = refine(small, photo, SIZE)
    assert small.min() <= got.min()
    assert got.max() <= small.max()
    plain = cv2.resize(small, SIZE, interpolation=cv2.INTER_LINEAR)
    wrong, wrong_before = ((np.abs(depth - truth) > 0.1).mean() for depth in (got, plain))
    assert wrong < max(0.012, 0.4 * wrong_before), (wrong, wrong_before)


class TestElsewhere:
    textured = np.random.default_rng(3).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)

    @pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
    def test_flat_stays_flat_under_texture(self, value: float) -> None:
        flat = np.full((48, 64), value, np.float32)
        np.testing.assert_allclose(refine(flat, self.textured, SIZE), value, atol=1e-6)

    @pytest.mark.parametrize("span", [0.3, 1.0])
    def test_slope_stays_a_slope_under_texture(self, span: float) -> None:
        x = np.linspace(0, span, 64, dtype=np.float32)
        y = np.linspace(0, 1 - span, 48, dtype=np.float32)
        slope = x[None] + y[:, None]
        got = refine(slope, self.textured, SIZE)
        assert np.abs(got - bilinear(slope)).max() < 0.006

    def test_an_edge_in_the_photo_alone_makes_none_in_the_depth(self) -> None:
        flat = np.full((48, 64), 0.4, np.float32) + np.linspace(0, 0.1, 64, dtype=np.float32)
        got = refine(flat, painted(disc(SIZE, (0.5, 0.5), 0.3)), SIZE)
        assert np.abs(np.diff(got, axis=1)).max() < 0.003

    @pytest.mark.parametrize("width", [20, 24, 56])
    def test_a_plane_between_two_others_keeps_its_depth(self, width: int) -> None:
        bands = np.zeros((SIZE[1], SIZE[0]), int)
        bands[:, 128 - width // 2 :] = 1
        bands[:, 128 + width // 2 :] = 2
        truth = np.array([0.1, 0.5, 0.9], np.float32)[bands]
        colours = np.array([(40, 40, 40), (200, 60, 60), (230, 230, 230)], np.uint8)[bands]
        depth = cv2.GaussianBlur(cv2.resize(truth, DEPTH_SIZE, interpolation=cv2.INTER_AREA), (0, 0), 0.8)
        got = refine(depth, colours, SIZE)
        assert np.abs(got[:, 128 - width // 4 : 128 + width // 4] - 0.5).max() < 0.03
        assert (np.abs(got - truth) > 0.1).mean() < 0.01


class TestShapes:
    @pytest.mark.parametrize("seed", range(12))
    def test_any_shape_keeps_the_range(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        h, w, height, width, rows, columns = (int(v) for v in rng.integers(1, 90, 6))
        depth = rng.random((h, w)).astype(np.float32)
        guide = rng.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
        got = refine(depth, guide, (width, height))
        assert got.shape == (height, width)
        assert got.dtype == np.float32
        assert depth.min() <= got.min()
        assert got.max() <= depth.max()

    def test_size_of_the_guide_by_default(self) -> None:
        assert refine(np.zeros((4, 4), np.float32), np.zeros((30, 20, 3), np.uint8)).shape == (30, 20)

    def test_mirrored_input_gives_the_mirrored_result(self) -> None:
        mask = disc(SIZE, (0.4, 0.45), 0.2)
        depth, guide = soft(mask), painted(mask)
        there = refine(depth, guide, SIZE)
        back = refine(np.ascontiguousarray(depth[:, ::-1]), np.ascontiguousarray(guide[:, ::-1]), SIZE)[:, ::-1]
        assert np.abs(there - back).max() < 1e-3

    def test_deterministic(self) -> None:
        mask = disc(SIZE, (0.4, 0.45), 0.2)
        np.testing.assert_array_equal(*(refine(soft(mask), painted(mask), SIZE) for _ in range(2)))
