"""Given depth maps on their way to the mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depthflow.images import open_photo
from depthflow.jobs.depth import depth_of
from depthflow.jobs.spec import DepthSpec

SIZE = 120, 90


def _for_the_mesh(depth: np.ndarray, folder: Path) -> np.ndarray:
    np.save(folder / "depth.npy", depth.astype(np.float32))
    photo = open_photo(np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    return depth_of(photo, DepthSpec(file=str(folder / "depth.npy")), cache_bytes=0)


def _slope() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(0, 0.25, SIZE[0]), np.linspace(0, 0.1, SIZE[1]))
    return x + y


def test_the_stairs_of_8_bits_are_smoothed_within_half_a_step(tmp_path: Path) -> None:
    true = _slope()
    stairs = np.rint(true * 255) / 255
    result = _for_the_mesh(stairs, tmp_path)
    assert np.abs(result - stairs).max() <= 0.5 / 255 + 1e-6
    assert np.abs(result - true).mean() < 0.6 * np.abs(stairs - true).mean()


@pytest.mark.parametrize("levels", [2, 65535])
def test_finer_maps_and_masks_are_left_as_they_are(levels: int, tmp_path: Path) -> None:
    depth = np.rint(_slope() / 0.35 * (levels - 1)) / (levels - 1)
    np.testing.assert_array_equal(_for_the_mesh(depth, tmp_path), depth.astype(np.float32))
