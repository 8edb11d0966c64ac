"""The depth stage of a job: which depth is taken, what is said about it, and what is left as it is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from depthflow.depth.files import save_depth
from depthflow.errors import DepthError
from depthflow.images import Photo, load_photo
from depthflow.jobs.depth import depth_of, find_depth
from depthflow.jobs.pipeline import make
from depthflow.jobs.spec import DepthSpec, JobSpec
from depthflow.progress import Progress

F32 = NDArray[np.float32]
WIDTH, HEIGHT = 480, 360


def disc() -> NDArray[np.bool_]:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.hypot(x - 240, y - 180) < 110


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    """A disc of another colour than what is around it."""
    pixels = np.where(disc()[:, :, None], (210, 110, 60), (60, 90, 150)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "disc.png")
    return load_photo(str(tmp_path / "disc.png"))


def given(folder: Path, depth: F32, name: str = "given.png") -> str:
    (folder / "maps").mkdir(exist_ok=True)
    return str(save_depth(depth, folder / "maps" / name))


def truth() -> F32:
    return np.where(disc(), 0.9, 0.2).astype(np.float32)


def small(size: tuple[int, int] = (48, 36)) -> F32:
    return cv2.resize(truth(), size, interpolation=cv2.INTER_AREA)


class TestGiven:
    def test_a_map_of_full_resolution_is_not_altered(self, photo: Photo, tmp_path: Path) -> None:
        depth = np.random.default_rng(0).random((HEIGHT, WIDTH)).astype(np.float32)
        got = depth_of(photo, DepthSpec(file=given(tmp_path, depth, "a.npy")))
        np.testing.assert_array_equal(got, depth)

    @pytest.mark.parametrize("part", [0.5, 0.75])
    def test_nor_is_one_of_half_of_it(self, photo: Photo, tmp_path: Path, part: float) -> None:
        size = (round(WIDTH * part), round(HEIGHT * part))
        depth = np.random.default_rng(0).random(size[::-1]).astype(np.float32)
        np.testing.assert_array_equal(depth_of(photo, DepthSpec(file=given(tmp_path, depth, "a.npy"))), depth)

    def test_a_much_smaller_one_is_brought_to_the_photos_edges(self, photo: Photo, tmp_path: Path) -> None:
        got = depth_of(photo, DepthSpec(file=given(tmp_path, small())))
        assert got.shape == (HEIGHT, WIDTH)
        plain = cv2.resize(small(), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
        assert (np.abs(plain - truth()) > 0.1).mean() > 0.03, "the task is not trivial"
        assert (np.abs(got - truth()) > 0.1).mean() < 0.003

    def test_tone(self, photo: Photo, tmp_path: Path) -> None:
        file = given(tmp_path, truth(), "a.npy")
        got = depth_of(photo, DepthSpec(file=file, far=0.1, near=0.5, gamma=2))
        np.testing.assert_allclose(got, np.where(disc(), 1, 0.0625), atol=1e-6)

    def test_another_shape_only_if_it_may_be_stretched(self, photo: Photo, tmp_path: Path) -> None:
        file = given(tmp_path, small((64, 36)))
        with pytest.raises(ValueError, match="not the shape of the photo") as caught:
            depth_of(photo, DepthSpec(file=file))
        assert "--stretch-depth" in caught.value.hint  # type: ignore[attr-defined]
        assert depth_of(photo, DepthSpec(file=file, stretch=True)).shape == (HEIGHT, WIDTH)


def test_a_named_map_that_is_not_there_is_said_before_any_work(photo: Photo, tmp_path: Path) -> None:
    events: list[Progress] = []
    job = {"photo": photo.source, "depth": {"file": str(tmp_path / "no.png")}}
    with pytest.raises(DepthError, match=r"no\.png: no such depth file"):
        make(JobSpec.parse(job), report=events.append)
    assert events == []


class TestFlat:
    """A map that hardly moves is told of, with the way out."""

    def notes(self, photo: Photo, spec: DepthSpec) -> list[str]:
        notes: list[str] = []
        depth_of(photo, spec, warn=notes.append)
        return notes

    def test_one_plane(self, photo: Photo, tmp_path: Path) -> None:
        file = given(tmp_path, np.full((HEIGHT, WIDTH), 0.4, np.float32))
        assert self.notes(photo, DepthSpec(file=file)) == [
            f"{file}: the depth map is one plane: nothing will move against anything else"
        ]

    def test_eight_bits_in_a_file_of_sixteen(self, photo: Photo, tmp_path: Path) -> None:
        file = given(tmp_path, truth() / 257)  # values of 0 to 255 in a 16-bit PNG
        (note,) = self.notes(photo, DepthSpec(file=file))
        assert "spans 0.3% of its range" in note
        words = note.split()
        far, near = (float(words[words.index(f"--depth-{end}") + 1]) for end in ("far", "near"))
        spec = DepthSpec(file=file, far=far, near=near)
        assert self.notes(photo, spec) == []
        assert np.ptp(depth_of(photo, spec)) > 0.6, "the way out that it names leads out"

    def test_full_range_needs_no_note(self, photo: Photo, tmp_path: Path) -> None:
        assert self.notes(photo, DepthSpec(file=given(tmp_path, truth()))) == []


class TestNetwork:
    def test_the_cache_gives_the_same(self, photo: Photo) -> None:
        first, second = (find_depth(photo, DepthSpec(network_size=128, tiles=2)) for _ in range(2))
        assert (first.origin, first.provider) == ("network", "cpu")
        assert (second.origin, second.provider) == ("cache", None)
        np.testing.assert_array_equal(first.depth, second.depth)

    def test_what_lies_beside_is_found_unless_it_may_not(self, photo: Photo, tmp_path: Path) -> None:
        beside = save_depth(truth(), tmp_path / "disc.depth.png")
        notes: list[str] = []
        found = find_depth(photo, DepthSpec(), warn=notes.append)
        assert (found.origin, found.name) == ("file", str(beside))
        assert notes == [f"depth from {beside}, which lies beside the photo"]
        assert find_depth(photo, DepthSpec(network_size=64), beside=False).name == "builtin"
