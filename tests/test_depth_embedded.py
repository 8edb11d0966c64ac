"""Depth maps inside photos: every way that phones have, upright, near is 1, and damage is told and survived."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from portraits import apple_jpeg, dynamic_depth, encoded, gdepth, heic, semantic
from running import depthflow

from depthflow.depth.embedded import embedded_depth
from depthflow.errors import DepthError
from depthflow.images import load_photo
from depthflow.jobs.depth import find_depth
from depthflow.jobs.spec import DepthSpec

# The directory of pictures in an MPO is left out here, and Pillow says so.
pytestmark = pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")

WIDTH, HEIGHT = 160, 120
RAMP = np.tile(np.linspace(0, 255, 80).astype(np.uint8), (60, 1))
"""The map's numbers: they rise from left to right."""
PIXELS = np.random.default_rng(0).integers(90, 110, (HEIGHT, WIDTH, 3), dtype=np.uint8)
PHOTO = encoded(PIXELS)
MAP = encoded(RAMP, "PNG")

WAYS: dict[str, tuple[Callable[[], bytes], bool]] = {
    "GDepth": (lambda: gdepth(PHOTO, MAP), False),
    "GDepth of a JPEG": (lambda: gdepth(PHOTO, encoded(RAMP)), False),
    "dynamic depth": (lambda: dynamic_depth(PHOTO, encoded(RAMP)), False),
    "dynamic depth, padded": (lambda: dynamic_depth(PHOTO, MAP, padding=37), False),
    "container": (lambda: semantic(PHOTO, MAP), False),
    "Apple JPEG, disparity": (lambda: apple_jpeg(PHOTO, encoded(RAMP)), True),
    "Apple JPEG, depth": (lambda: apple_jpeg(PHOTO, encoded(RAMP), "depth"), False),
    "HEIC": (lambda: heic(PIXELS, RAMP), True),
}
"""How it is written, and whether its large numbers are near."""


def with_document(xmp: str) -> bytes:
    """The photo with an XMP document."""
    payload = b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode()
    return PHOTO[:2] + b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + PHOTO[2:]


def found_in(data: bytes, notes: list[str] | None = None, **spec: object) -> tuple[str, NDArray[np.float32]]:
    photo = load_photo(data)
    found = find_depth(
        photo, DepthSpec.model_validate(spec), warn=(notes if notes is not None else []).append, cache_bytes=0
    )
    return found.origin, found.depth


@pytest.mark.parametrize("way", WAYS)
def test_every_way(way: str) -> None:
    write, rising = WAYS[way]
    notes: list[str] = []
    origin, depth = found_in(write(), notes)
    assert origin == "photo"
    assert "--no-embedded-depth" in notes[0]
    assert depth.dtype == np.float32
    want = RAMP / 255 if rising else 1 - RAMP / 255
    assert depth.shape == want.shape
    np.testing.assert_allclose(depth, want, atol=0.03 if "HEIC" in way or "JPEG" in way or way[0] == "d" else 1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_it_can_be_left_alone(way: str) -> None:
    notes: list[str] = []
    assert found_in(WAYS[way][0](), notes, embedded=False, network_size=32)[0] == "network"
    assert notes == []


def test_linear_range_becomes_linear_in_inverse_depth() -> None:
    _, depth = found_in(gdepth(PHOTO, MAP, form="RangeLinear", near=1, far=9))
    inverse = 1 / (1 + RAMP / 255 * 8)
    np.testing.assert_allclose(depth, (inverse - 1 / 9) / (1 - 1 / 9), atol=1e-6)


@pytest.mark.parametrize(("near", "far"), [(0, 9), (5, 2), (float("nan"), 1), (1, float("inf"))])
def test_a_linear_range_without_sense_is_taken_as_it_looks(near: float, far: float) -> None:
    _, depth = found_in(gdepth(PHOTO, MAP, form="RangeLinear", near=near, far=far))
    np.testing.assert_allclose(depth, 1 - RAMP / 255, atol=1e-6)


def test_sixteen_bits_stay_sixteen() -> None:
    fine = (np.arange(4800, dtype=np.uint16).reshape(60, 80) * 13).astype(np.uint16)
    file = io.BytesIO()
    Image.fromarray(fine).save(file, "PNG")
    _, depth = found_in(gdepth(PHOTO, file.getvalue()))
    np.testing.assert_allclose(depth, 1 - fine / 65535, atol=1e-6)


def turned_photo(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(PIXELS, exif=exif)


def test_it_is_turned_with_its_photo() -> None:
    _, depth = found_in(gdepth(turned_photo(6), MAP))  # the left of the file is the top of the photo
    assert depth.shape == (80, 60)
    np.testing.assert_allclose(depth, np.rot90(1 - RAMP / 255, -1), atol=1e-6)
    _, upside_down = found_in(gdepth(turned_photo(3), MAP))
    np.testing.assert_allclose(upside_down, (1 - RAMP / 255)[::-1, ::-1], atol=1e-6)


def test_one_that_the_phone_has_turned_already_is_not_turned_again() -> None:
    upright = np.ascontiguousarray(RAMP.T)
    _, depth = found_in(gdepth(turned_photo(6), encoded(upright, "PNG")))
    np.testing.assert_allclose(depth, 1 - upright / 255, atol=1e-6)


def test_what_a_person_gives_wins(tmp_path: Path) -> None:
    file = tmp_path / "mine.png"
    Image.new("L", (WIDTH, HEIGHT), 51).save(file)
    origin, depth = found_in(gdepth(PHOTO, MAP), file=str(file))
    assert origin == "file"
    np.testing.assert_allclose(depth, 0.2, atol=1e-6)
    path = tmp_path / "p.jpg"
    path.write_bytes(gdepth(PHOTO, MAP))
    file.rename(tmp_path / "p.depth.png")
    assert find_depth(load_photo(str(path)), DepthSpec()).origin == "file"


class TestNoDepth:
    @pytest.mark.parametrize(
        "data",
        [
            PHOTO,
            semantic(PHOTO, MAP, "GainMap"),
            apple_jpeg(PHOTO, encoded(RAMP), "urn:com:apple:photo:2020:aux:hdrgainmap"),
            encoded(PIXELS, "PNG"),
        ],
        ids=["plain", "gain map", "Apple's gain map", "PNG"],
    )
    def test_nothing_is_said(self, data: bytes) -> None:
        notes: list[str] = []
        assert found_in(data, notes, network_size=32)[0] == "network"
        assert notes == []

    def test_only_files_that_may_hold_one_are_kept_in_memory(self) -> None:
        assert load_photo(PHOTO).carrier is None
        assert load_photo(gdepth(PHOTO, MAP)).carrier is not None


class TestDamage:
    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (gdepth(PHOTO, b"this is no picture"), "cannot be read"),
            (gdepth(PHOTO, MAP[: len(MAP) // 2]), "cannot be read"),
            (gdepth(PHOTO, encoded(PIXELS * 2 * np.array([1, 0, 1], np.uint8), "PNG")), "in colour"),
            (dynamic_depth(PHOTO, MAP)[: -len(MAP)], "not where the photo says"),
            (gdepth(PHOTO, encoded(RAMP[:, :20], "PNG")), "another shape"),
        ],
        ids=["rubbish", "cut short", "colour", "file cut short", "shape"],
    )
    def test_told_and_estimated_instead(self, data: bytes, said: str) -> None:
        notes: list[str] = []
        assert found_in(data, notes, network_size=32)[0] == "network"
        (note,) = notes
        assert said in note
        assert "estimated instead" in note

    def test_entities_are_not_expanded(self) -> None:
        bomb = gdepth(PHOTO, MAP).replace(b"<x:xmpmeta", b"<!DOCTYPE l [<!ENTITY a 'b'>]><x:xmpmeta", 1)
        first = bomb.index(b"http://ns.adobe.com/xap")
        length = int.from_bytes(bomb[first - 2 : first], "big") + len(b"<!DOCTYPE l [<!ENTITY a 'b'>]>")
        bomb = bomb[: first - 2] + length.to_bytes(2, "big") + bomb[first:]
        assert embedded_depth(bomb) is not None, "the extended part is another document"

    @pytest.mark.parametrize("encoding", ["shift_jis", "no-such"])
    def test_metadata_that_claims_another_encoding(self, encoding: str) -> None:
        space, data = "http://ns.google.com/photos/1.0/depthmap/", base64.b64encode(MAP).decode()
        found = embedded_depth(
            with_document(f'<?xml version="1.0" encoding="{encoding}"?><a xmlns:G="{space}" G:Data="{data}"/>')
        )
        assert found is not None
        assert found.kind == "GDepth map"

    def test_a_length_that_is_no_length(self) -> None:
        space = "http://ns.google.com/photos/1.0/container/item/"
        items = f'<b I:Semantic="Primary"/><b I:Semantic="Depth" I:Length="{"9" * 5000}"/>'
        with pytest.raises(DepthError, match="not where the photo says"):
            embedded_depth(with_document(f'<a xmlns:I="{space}">{items}</a>'))

    @pytest.mark.parametrize("way", WAYS)
    def test_flipped_bytes_never_crash(self, way: str) -> None:
        raw = WAYS[way][0]()
        rng = np.random.default_rng(3)
        for _ in range(25):
            damaged = bytearray(raw)
            for spot in rng.integers(4, len(raw), 8):
                damaged[spot] = int(rng.integers(0, 256))
            try:
                got = embedded_depth(bytes(damaged))
            except DepthError:
                continue
            assert got is None or (np.isfinite(got.depth).all() and 0 <= got.depth.min() <= got.depth.max() <= 1)


def test_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "p.jpg").write_bytes(gdepth(PHOTO, MAP))
    done = depthflow("depth", "p.jpg", "-o", "a.npy", "--json", cwd=tmp_path)
    assert done.event("done")["origin"] == "photo"
    assert "GDepth map inside the photo" in done.event("warning")["message"]
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), 1 - RAMP / 255, atol=1e-6)
    without = depthflow("depth", "p.jpg", "-o", "b.npy", "--json", "--no-embedded-depth", cwd=tmp_path)
    assert json.loads(without.out)["origin"] == "network"
