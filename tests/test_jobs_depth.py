"""Given depth maps on their way to the mesh."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depthflow.errors import DepthError
from depthflow.images import open_photo
from depthflow.jobs.depth import begin, depth_of
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


def test_also_where_the_map_is_larger_than_the_mesh_needs(tmp_path: Path) -> None:
    y, x = np.mgrid[0:900, 0:1200] / 1200
    true = x * 0.05 + y * 0.02
    stairs = np.rint(true * 255) / 255
    np.save(tmp_path / "depth.npy", stairs.astype(np.float32))
    photo = open_photo(np.zeros((900, 1200, 3), np.uint8))
    result = depth_of(photo, DepthSpec(file=str(tmp_path / "depth.npy")), cache_bytes=0)
    flat = np.abs(np.diff(result, 2, axis=1))
    plain = cv2.resize(stairs.astype(np.float32), result.shape[::-1], interpolation=cv2.INTER_AREA)
    assert flat.max() < 0.6 * np.abs(np.diff(plain, 2, axis=1)).max()


@pytest.mark.parametrize("levels", [2, 65535])
def test_finer_maps_and_masks_are_left_as_they_are(levels: int, tmp_path: Path) -> None:
    depth = np.rint(_slope() / 0.35 * (levels - 1)) / (levels - 1)
    np.testing.assert_array_equal(_for_the_mesh(depth, tmp_path), depth.astype(np.float32))


def test_a_map_that_was_read_ahead_is_the_map(tmp_path: Path) -> None:
    photo = open_photo(np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    np.save(tmp_path / "depth.npy", _slope().astype(np.float32))
    spec = DepthSpec(file=str(tmp_path / "depth.npy"), invert=True)
    begun = begin(spec)
    assert begun is not None
    begun.result()
    (tmp_path / "depth.npy").unlink()
    np.testing.assert_allclose(depth_of(photo, spec, begun=begun), 1 - _slope(), atol=0.51 / 255)
    assert begin(DepthSpec()) is None


@pytest.mark.parametrize(
    ("shape", "message"), [((90, 200), "not the shape of the photo"), (None, "no such depth file")]
)
def test_what_is_wrong_with_a_map_that_is_read_ahead_is_said_when_it_is_needed(
    shape: tuple[int, int] | None, message: str, tmp_path: Path
) -> None:
    photo = open_photo(np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    if shape is not None:
        np.save(tmp_path / "depth.npy", np.zeros(shape, np.float32))
    spec = DepthSpec(file=str(tmp_path / "depth.npy"))
    with pytest.raises(DepthError, match=message):
        depth_of(photo, spec, begun=begin(spec))
