"""Depth files: every format there and back with the precision it has, and one clear line for every bad one."""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray
from PIL import Image

from depthflow.depth.files import COLORMAPS, load_depth, save_depth, sidecar
from depthflow.errors import DepthError, OutputError, UnknownNameError, UsageError

F32 = NDArray[np.float32]
DEPTH: F32 = np.random.default_rng(4).random((37, 53)).astype(np.float32)


def load(path: Path, **options: bool) -> F32:
    depth = load_depth(path, photo_size=None, **options)
    assert depth.dtype == np.float32
    assert depth.min() >= 0
    assert depth.max() <= 1
    return depth


class TestRoundTrip:
    @pytest.mark.parametrize(
        ("name", "bits", "tolerance"),
        [
            ("a.png", 8, 0.5 / 255),
            ("a.png", 16, 0.5 / 65535),
            ("a.png", None, 0.5 / 65535),
            ("a.tiff", 8, 0.5 / 255),
            ("a.tif", None, 0.5 / 65535),
            ("a.tiff", 32, 0),
            ("a.exr", 16, 2**-11),
            ("a.exr", None, 0),
            ("a.npy", None, 0),
            ("A.PNG", 16, 0.5 / 65535),
        ],
    )
    def test_formats(self, tmp_path: Path, name: str, bits: int | None, tolerance: float) -> None:
        path = save_depth(DEPTH, tmp_path / name, bits=bits)
        assert np.abs(load(path) - DEPTH).max() <= tolerance + 1e-7
        assert list(tmp_path.iterdir()) == [path], "nothing else is left there"

    def test_ends_of_the_range_are_exact(self, tmp_path: Path) -> None:
        ends = np.array([[0, 1]], np.float32)
        for name in ("a.png", "a.exr", "a.npy", "a.tiff"):
            np.testing.assert_array_equal(load(save_depth(ends, tmp_path / name)), ends)

    def test_what_other_programs_see(self, tmp_path: Path) -> None:
        ramp = np.tile(np.linspace(0, 1, 300, dtype=np.float32), (4, 1))
        image = Image.open(save_depth(ramp, tmp_path / "a.png"))
        assert image.mode.startswith("I;16")
        assert np.unique(np.asarray(image)).size == 300, "sixteen bits, not eight"
        seen = cv2.imread(str(save_depth(ramp, tmp_path / "b.tiff")), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(seen, np.rint(ramp * 65535))
        with OpenEXR.File(str(save_depth(ramp, tmp_path / "c.exr"))) as file:
            np.testing.assert_array_equal(file.channels()["Y"].pixels, ramp)


class TestIntegers:
    def test_sixteen_bits_keep_their_precision(self, tmp_path: Path) -> None:
        # The low byte alone varies: a reader that cuts to eight bits sees one flat plane.
        values = (np.arange(256, dtype=np.uint16) + 25600).reshape(16, 16)
        for name in ("a.png", "a.tiff", "a.pgm"):
            cv2.imwrite(str(tmp_path / name), values)
            np.testing.assert_allclose(load(tmp_path / name), values / 65535, atol=1e-7, err_msg=name)
        Image.fromarray(values).save(tmp_path / "pil.png")
        np.testing.assert_allclose(load(tmp_path / "pil.png"), values / 65535, atol=1e-7)
        np.save(tmp_path / "a.npy", values)
        np.testing.assert_allclose(load(tmp_path / "a.npy"), values / 65535, atol=1e-7)

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "1"])
    def test_grey_in_other_clothes(self, tmp_path: Path, mode: str) -> None:
        grey = Image.fromarray(np.arange(0, 250, dtype=np.uint8).reshape(10, 25))
        grey.convert(mode).save(tmp_path / "a.png")
        want = np.asarray(grey.convert(mode).convert("L")) / 255
        np.testing.assert_allclose(load(tmp_path / "a.png"), want, atol=1e-6)

    def test_sixteen_bits_in_three_channels(self, tmp_path: Path) -> None:
        values = (np.arange(300, dtype=np.uint16) + 30000).reshape(15, 20)
        cv2.imwrite(str(tmp_path / "a.png"), np.stack([values] * 3, axis=2))
        np.testing.assert_allclose(load(tmp_path / "a.png"), values / 65535, atol=1e-7)

    def test_big_endian_tiff(self, tmp_path: Path) -> None:
        values = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
        image = Image.frombytes("I;16B", (30, 20), values.astype(">u2").tobytes())
        image.save(tmp_path / "a.tiff")
        np.testing.assert_allclose(load(tmp_path / "a.tiff"), values / 65535, atol=1e-7)

    def test_the_users_range_is_kept(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.array([[0, 51], [102, 102]], np.uint8))
        np.testing.assert_allclose(load(tmp_path / "a.npy"), [[0, 0.2], [0.4, 0.4]], atol=1e-7)
        np.testing.assert_allclose(load(tmp_path / "a.npy", invert=True), [[1, 0.8], [0.6, 0.6]], atol=1e-7)

    @pytest.mark.parametrize("value", [0, 7, 255])
    def test_constant_is_fine(self, tmp_path: Path, value: int) -> None:
        Image.new("L", (8, 6), value).save(tmp_path / "a.png")
        np.testing.assert_allclose(load(tmp_path / "a.png"), value / 255, atol=1e-7)

    def test_jpeg_of_a_grey_picture(self, tmp_path: Path) -> None:
        ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
        Image.fromarray(ramp).convert("RGB").save(tmp_path / "a.jpg", quality=85)
        assert np.abs(load(tmp_path / "a.jpg") - ramp / 255).max() < 0.03


class TestFloats:
    def save(self, path: Path, values: F32) -> Path:
        np.save(path, values)
        return path

    def test_unit_range_is_taken_as_it_is(self, tmp_path: Path) -> None:
        values = np.array([[0.25, 0.5], [0.5, 0.75]], np.float64)
        np.testing.assert_array_equal(load(self.save(tmp_path / "a.npy", values)), values)

    def test_other_ranges_are_stretched(self, tmp_path: Path) -> None:
        values = np.linspace(-40, 60, 10000, dtype=np.float32).reshape(100, 100)
        low, high = np.percentile(values, (0.5, 99.5))
        want = np.clip((values - low) / (high - low), 0, 1)
        np.testing.assert_allclose(load(self.save(tmp_path / "a.npy", values)), want, atol=1e-5)
        np.testing.assert_allclose(load(self.save(tmp_path / "a.npy", values), invert=True), 1 - want, atol=1e-5)

    def test_inverted_distances_become_disparity(self, tmp_path: Path) -> None:
        metres = np.linspace(1, 50, 10000, dtype=np.float32).reshape(100, 100)
        metres[:20] = 1e10  # the sky of a rendering program
        inverse = 1 / metres
        low, high = np.percentile(inverse, (0.5, 99.5))
        got = load(self.save(tmp_path / "a.npy", metres), invert=True)
        np.testing.assert_allclose(got, np.clip((inverse - low) / (high - low), 0, 1), atol=1e-5)
        assert np.ptp(got[20:]) > 0.7

    def test_holes_take_the_nearest_value(self, tmp_path: Path) -> None:
        values = np.zeros((20, 30), np.float32)
        values[:, 15:] = 1
        values[5:9, 3:14] = np.nan
        values[5:9, 16:29] = np.inf
        got = load(self.save(tmp_path / "a.npy", values))
        np.testing.assert_array_equal(got[:, :14], 0)
        np.testing.assert_array_equal(got[:, 16:], 1)

    def test_mostly_holes(self, tmp_path: Path) -> None:
        values = np.full((10, 10), np.nan, np.float32)
        values[:4] = 0.5
        with pytest.raises(DepthError, match=r"a\.npy: 60% of the depth map is NaN or infinite"):
            load(self.save(tmp_path / "a.npy", values))

    def test_constant_and_huge(self, tmp_path: Path) -> None:
        for value in (0.3, 700.0, -5.0, 1e300):
            got = load(self.save(tmp_path / "a.npy", np.full((4, 4), value)))
            assert np.ptp(got) == 0

    def test_shapes(self, tmp_path: Path) -> None:
        for shape in ((1, 37, 53), (37, 53, 1)):
            np.testing.assert_array_equal(load(self.save(tmp_path / "a.npy", DEPTH.reshape(shape))), DEPTH)

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_pfm(self, tmp_path: Path, order: str) -> None:
        scale = b"-1.0" if order == "<" else b"1.0"
        body = DEPTH[::-1].astype(f"{order}f4").tobytes()  # rows from the bottom up
        (tmp_path / "a.pfm").write_bytes(b"Pf\n53 37\n" + scale + b"\n" + body)
        np.testing.assert_array_equal(load(tmp_path / "a.pfm"), DEPTH)

    def test_pfm_agrees_with_opencv(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "a.pfm"), DEPTH)
        np.testing.assert_array_equal(load(tmp_path / "a.pfm"), DEPTH)

    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    def test_float_tiff(self, tmp_path: Path, kind: type) -> None:
        cv2.imwrite(str(tmp_path / "a.tiff"), DEPTH.astype(kind))
        np.testing.assert_array_equal(load(tmp_path / "a.tiff"), DEPTH)

    @pytest.mark.parametrize("names", ["Z", "Y", "R G B", "R G B A Z", "ViewLayer.Depth.V", "depth mask"])
    def test_exr_channels(self, tmp_path: Path, names: str) -> None:
        other = np.zeros_like(DEPTH)
        grey = {"R", "G", "B"} == set(names.split())
        wanted = {"Z", "Y", "ViewLayer.Depth.V", "depth"}
        channels = {name: DEPTH if grey or name in wanted else other for name in names.split()}
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        with OpenEXR.File(header, channels) as file:
            file.write(str(tmp_path / "a.exr"))
        np.testing.assert_array_equal(load(tmp_path / "a.exr"), DEPTH)

    def test_exr_without_depth(self, tmp_path: Path) -> None:
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        with OpenEXR.File(header, {"u": DEPTH, "w": DEPTH}) as file:
            file.write(str(tmp_path / "a.exr"))
        with pytest.raises(DepthError, match="none of the EXR channels u, w is depth"):
            load(tmp_path / "a.exr")


class TestBad:
    def bad(self, path: Path, said: str) -> None:
        with pytest.raises(DepthError, match=said) as caught:
            load_depth(path, photo_size=None)
        assert path.name in caught.value.message
        assert "\n" not in caught.value.message
        assert caught.value.hint

    def test_missing_and_folder(self, tmp_path: Path) -> None:
        self.bad(tmp_path / "no.png", "no such depth file")
        self.bad(tmp_path, "cannot be read")

    @pytest.mark.parametrize("name", ["a.png", "a.exr", "a.npy", "a.tiff"])
    def test_no_bytes(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).touch()
        self.bad(tmp_path / name, r"empty \(0 bytes\)")

    @pytest.mark.parametrize("name", ["a.png", "a.exr", "a.npy", "a.tiff"])
    @pytest.mark.parametrize(
        "junk", [b"hello, I am a text", b"\0" * 3000, b"\x89PNG\r\n\x1a\n", b"II*\0\xff\xff\xff\x7f"]
    )
    def test_no_picture(self, tmp_path: Path, name: str, junk: bytes) -> None:
        (tmp_path / name).write_bytes(junk)
        self.bad(tmp_path / name, r"not a picture|damaged")

    @pytest.mark.parametrize(
        ("name", "bits"), [("a.png", 8), ("a.png", 16), ("a.exr", 32), ("a.npy", None), ("a.tiff", 32)]
    )
    @pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
    def test_cut_short(self, tmp_path: Path, name: str, bits: int | None, part: float) -> None:
        path = save_depth(np.random.default_rng(0).random((200, 300)).astype(np.float32), tmp_path / name, bits=bits)
        raw = path.read_bytes()
        path.write_bytes(raw[: int(len(raw) * part)])
        self.bad(path, r"not a picture|damaged or cut short")

    @pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits"])
    def test_tiff_cut_short(self, tmp_path: Path, compression: str | None) -> None:
        path = tmp_path / "a.tiff"
        Image.fromarray(np.random.default_rng(0).integers(0, 65535, (300, 300), np.uint16)).save(
            path, compression=compression
        )
        raw = path.read_bytes()
        path.write_bytes(raw[: len(raw) * 6 // 10])
        self.bad(path, r"not a picture|damaged or cut short")

    def test_pfm(self, tmp_path: Path) -> None:
        for text, said in ((b"Pf\n5 4\n-1\n" + b"\0" * 70, "cut short"), (b"Pf\nfive\n", "header"),
                           (b"Pf\n0 4\n-1\n", "no pixels"), (b"Pf\n99999 99999\n-1\n", "too many")):  # fmt: skip
            (tmp_path / "a.pfm").write_bytes(text)
            self.bad(tmp_path / "a.pfm", said)

    def test_coloured(self, tmp_path: Path) -> None:
        save_depth(DEPTH, tmp_path / "a.png", colormap="inferno")
        self.bad(tmp_path / "a.png", "in colour")
        np.save(tmp_path / "a.npy", np.random.default_rng(0).random((9, 9, 3)))
        self.bad(tmp_path / "a.npy", "in colour")

    @pytest.mark.parametrize("array", [np.zeros(5), np.zeros((2, 3, 4, 5)), np.zeros((3, 3, 7)), np.zeros((0, 3)),
                                       np.zeros((4, 4), complex), np.zeros((4, 4), "U3")])  # fmt: skip
    def test_arrays_that_are_no_maps(self, tmp_path: Path, array: NDArray[np.float64]) -> None:
        np.save(tmp_path / "a.npy", array)
        self.bad(tmp_path / "a.npy", r"array|no pixels")

    def test_no_program_is_run_for_what_only_has_a_pictures_suffix(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
        self.bad(tmp_path / "a.png", "not a picture that can be read")

    def test_pickles_are_not_run(self, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        np.save(buffer, np.array([[{}]], object), allow_pickle=True)
        (tmp_path / "a.npy").write_bytes(buffer.getvalue())
        self.bad(tmp_path / "a.npy", "no depth map")

    @pytest.mark.parametrize("side", [10**6, pytest.param(10**200, id="beyond floats")])
    def test_headers_that_lie_about_their_size(self, tmp_path: Path, side: int) -> None:
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (side, side)
        header += b" " * (64 - (10 + len(header) + 1) % 64) + b"\n"
        raw = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header
        (tmp_path / "a.npy").write_bytes(raw)
        self.bad(tmp_path / "a.npy", "too")
        (tmp_path / "a.npy").write_bytes(raw.replace(b"}", b"("))
        self.bad(tmp_path / "a.npy", "damaged or cut short")
        png = bytearray((save_depth(DEPTH, tmp_path / "b.png")).read_bytes())
        png[16:24] = struct.pack(">II", 60000, 60000)
        (tmp_path / "b.png").write_bytes(bytes(png))
        self.bad(tmp_path / "b.png", "too many|damaged")

    @pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.exr", "a.npy"])
    def test_flipped_bytes_never_crash(self, tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
        path = save_depth(DEPTH, tmp_path / name)
        raw = path.read_bytes()
        rng = np.random.default_rng(9)
        for _ in range(60):
            damaged = bytearray(raw)
            for spot in rng.integers(0, len(raw), 6):
                damaged[spot] = int(rng.integers(0, 256))
            path.write_bytes(bytes(damaged))
            try:
                got = load_depth(path, photo_size=None)
            except DepthError:
                continue
            assert np.isfinite(got).all()


class TestShape:
    def test_the_photos_shape_within_two_percent(self, tmp_path: Path) -> None:
        Image.new("L", (384, 256), 9).save(tmp_path / "a.png")
        for photo in ((3840, 2560), (3000, 2010), (1200, 799)):
            assert load_depth(tmp_path / "a.png", photo_size=photo).shape == (256, 384)

    def test_another_shape_names_both(self, tmp_path: Path) -> None:
        Image.new("L", (400, 300), 9).save(tmp_path / "a.png")
        with pytest.raises(DepthError, match="400x300, not the shape of the photo, 1920x1080"):
            load_depth(tmp_path / "a.png", photo_size=(1920, 1080))
        assert load_depth(tmp_path / "a.png", photo_size=(1920, 1080), stretch=True).shape == (300, 400)

    def test_turned_by_a_quarter(self, tmp_path: Path) -> None:
        Image.new("L", (400, 300), 9).save(tmp_path / "a.png")
        with pytest.raises(DepthError) as caught:
            load_depth(tmp_path / "a.png", photo_size=(3000, 4000))
        assert "turned by a quarter" in caught.value.hint

    def test_a_pixel_of_rounding_in_a_small_map(self, tmp_path: Path) -> None:
        Image.new("L", (33, 22), 9).save(tmp_path / "a.png")
        load_depth(tmp_path / "a.png", photo_size=(1000, 640))


class TestSidecar:
    @pytest.mark.parametrize("suffix", [".png", ".exr", ".npy", ".tiff", ".tif", ".pfm"])
    def test_found(self, tmp_path: Path, suffix: str) -> None:
        file = tmp_path / f"cat.depth{suffix}"
        file.touch()
        assert sidecar(tmp_path / "cat.jpg") == file

    def test_the_full_name_is_nearer(self, tmp_path: Path) -> None:
        for name in ("cat.depth.png", "cat.jpg.depth.npy"):
            (tmp_path / name).touch()
        assert sidecar(tmp_path / "cat.jpg") == tmp_path / "cat.jpg.depth.npy"
        assert sidecar(tmp_path / "cat.webp") == tmp_path / "cat.depth.png"

    def test_none(self, tmp_path: Path) -> None:
        (tmp_path / "cat.depth.png").mkdir()
        assert sidecar(tmp_path / "cat.jpg") is None
        assert sidecar(tmp_path / "nowhere" / "cat.jpg") is None


class TestSaving:
    @pytest.mark.parametrize("name", COLORMAPS)
    def test_colour_maps(self, tmp_path: Path, name: str) -> None:
        image = np.asarray(Image.open(save_depth(DEPTH, tmp_path / "a.png", colormap=name)))
        assert image.shape == (37, 53, 3)
        assert image.dtype == np.uint8

    def test_colours_are_red_green_blue(self, tmp_path: Path) -> None:
        image = Image.open(save_depth(np.array([[0.0, 1.0]], np.float32), tmp_path / "a.png", colormap="jet"))
        far, near = image.getpixel((0, 0)), image.getpixel((1, 0))
        assert far[2] > 100 > far[0], "jet begins blue"
        assert near[0] > 100 > near[2], "and ends red"

    def test_rejections(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownNameError) as caught:
            save_depth(DEPTH, tmp_path / "a.png", colormap="infern")
        assert "did you mean 'inferno'" in caught.value.hint
        for name, bits, colormap in (
            ("a.jpg", None, None),
            ("a", None, None),
            ("a.png", 12, None),
            ("a.png", 32, None),
            ("a.npy", 16, None),
            ("a.exr", None, "turbo"),
            ("a.png", 16, "turbo"),
        ):
            with pytest.raises(UsageError):
                save_depth(DEPTH, tmp_path / name, bits=bits, colormap=colormap)
        assert list(tmp_path.iterdir()) == []

    def test_not_overwritten_unless_allowed(self, tmp_path: Path) -> None:
        path = save_depth(DEPTH, tmp_path / "a.png")
        before = path.read_bytes()
        with pytest.raises(OutputError, match="already there"):
            save_depth(1 - DEPTH, path, overwrite=False)
        assert path.read_bytes() == before

    @pytest.mark.parametrize("name", ["a.png", "a.exr", "a.npy", "a.tiff"])
    def test_nowhere_to_write(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "file").touch()
        for folder in (tmp_path / "missing", tmp_path / "file"):
            with pytest.raises(OutputError, match="cannot be written"):
                save_depth(DEPTH, folder / name)

    def test_a_failed_write_leaves_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = save_depth(DEPTH, tmp_path / "a.png")
        before = path.read_bytes()

        def full(self: Path, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match="No space left"):
            save_depth(1 - DEPTH, path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.skipif(sys.platform == "win32", reason="no such rights there")
    def test_as_readable_as_any_file(self, tmp_path: Path) -> None:
        (tmp_path / "other").touch()
        for name in ("a.png", "a.exr"):
            path = save_depth(DEPTH, tmp_path / name)
            assert path.stat().st_mode == (tmp_path / "other").stat().st_mode

    @pytest.mark.parametrize("name", ["tür 深度.png", "tür 深度.exr", "tür 深度.npy"])
    def test_any_name(self, tmp_path: Path, name: str) -> None:
        assert np.abs(load(save_depth(DEPTH, tmp_path / name)) - DEPTH).max() < 1e-5

    def test_values_outside_the_range(self, tmp_path: Path) -> None:
        wild = np.array([[-3.0, 0.5, 9.0, np.nan]], np.float32)
        np.testing.assert_allclose(load(save_depth(wild, tmp_path / "a.npy")), [[0, 0.5, 1, 0]])


def test_reading_is_the_inverse_of_writing_for_every_depth(tmp_path: Path) -> None:
    check: list[Callable[[Path], F32]] = [load]
    for shape in ((1, 1), (1, 40), (40, 1), (3, 5)):
        depth = np.random.default_rng(sum(shape)).random(shape).astype(np.float32)
        for name in ("a.png", "a.exr", "a.npy", "a.tiff"):
            assert np.abs(check[0](save_depth(depth, tmp_path / name)) - depth).max() < 1e-5
