"""What a network cut off a near thing comes back to it, and nothing else does."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from depthflow.depth.attach import attached
from depthflow.depth.refine import refine

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
WIDTH, HEIGHT = 320, 240
NEAR, FAR = 0.8, 0.1
BODY = np.s_[100:200, 100:220]
TIP = np.s_[130:142, 220:237]
"""Sticks out of the body, and no network saw it."""
WITHIN = np.s_[132:140, 220:235]
"""The tip without its mixed pixels."""
RED, GREEN, SKY = (190, 60, 40), (40, 110, 80), (170, 190, 210)


def photo(tip: tuple[int, int, int], noise: float = 6.0) -> U8:
    """A red and green body before the sky, with a tip of some colour."""
    picture = np.full((HEIGHT, WIDTH, 3), SKY, np.float32)
    picture[BODY] = RED
    picture[120:150, 100:220] = GREEN
    picture[TIP] = tip
    picture = cv2.GaussianBlur(picture, (0, 0), 0.6) + np.random.default_rng(0).normal(0, noise, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def depth() -> F32:
    found = np.full((HEIGHT, WIDTH), FAR, np.float32)
    found[BODY] = NEAR
    return found


@pytest.mark.parametrize("scale", [1, 3])
def test_a_tip_of_the_bodys_colours_gets_its_depth(scale: int) -> None:
    """Also where the map is larger than the grid that pieces are looked for on."""
    size = WIDTH * scale, HEIGHT * scale
    large = cv2.resize(depth(), size, interpolation=cv2.INTER_NEAREST)
    got = attached(large, cv2.resize(photo(GREEN), size, interpolation=cv2.INTER_LINEAR))
    got = cv2.resize(got, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    assert (got[WITHIN] > 0.7).mean() > 0.95
    changed = np.abs(got - depth()) > 0.1
    changed[TIP] = False
    changed = cv2.erode(changed.astype(np.uint8), np.ones((3, 3), np.uint8))
    assert not changed.any(), "at most a thin line of mixed pixels besides"


def test_what_looks_like_the_background_stays_there() -> None:
    np.testing.assert_array_equal(attached(depth(), photo(SKY)), depth())


def test_another_thing_of_the_bodys_colours_that_touches_nothing_stays_where_it_is() -> None:
    picture = photo(SKY)
    picture[130:142, 226:237] = GREEN
    got = attached(depth(), picture)
    assert (got[130:142, 227:237] == FAR).all()


def test_a_background_with_the_bodys_colours_is_no_part_of_it() -> None:
    """A green field behind a green body: the colour says nothing."""
    picture = photo(GREEN)
    picture[:, 220:] = np.clip(np.random.default_rng(1).normal(GREEN, 6, (HEIGHT, WIDTH - 220, 3)), 0, 255)
    np.testing.assert_array_equal(attached(depth(), picture)[:, 222:], depth()[:, 222:])


@pytest.mark.parametrize("plain", [np.full((40, 60), 0.3, np.float32), np.tile(np.linspace(0, 1, 60), (40, 1))])
def test_without_a_jump_nothing_changes(plain: NDArray[np.floating]) -> None:
    plain = plain.astype(np.float32)
    noise = np.random.default_rng(2).integers(0, 256, (40, 60, 3), np.uint8)
    np.testing.assert_array_equal(attached(plain, noise), plain)


def test_refinement_gives_the_tip_back() -> None:
    small = cv2.GaussianBlur(cv2.resize(depth(), (80, 60), interpolation=cv2.INTER_AREA), (0, 0), 1.2)
    got = refine(small, photo(GREEN))
    truth = depth()
    truth[TIP] = NEAR
    assert (np.abs(got - truth)[WITHIN] > 0.2).mean() < 0.06
    truth[TIP] = got[TIP]
    assert (np.abs(got - truth)[120:152, 224:] > 0.2).mean() < 0.01
