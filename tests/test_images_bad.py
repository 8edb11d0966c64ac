"""Files that are no good: each gives one line that names the file, says why and how to go on."""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from depthflow.errors import PhotoError
from depthflow.images import Limits, load_photo


def refused(source: str | Path | bytes, **options: object) -> PhotoError:
    """The error, after the checks that hold for all of them."""
    with pytest.raises(PhotoError) as caught:
        load_photo(source, **options)  # type: ignore[arg-type]
    error = caught.value
    assert error.exit_code == 3
    for line in (error.message, error.hint):
        assert line
        assert line.isprintable(), line
    if not isinstance(source, bytes) and "\n" not in str(source) and "\0" not in str(source):
        assert str(source) in error.message
    return error


def noise(width: int = 96, height: int = 64) -> Image.Image:
    """Hard to compress, so that a cut file is cut within the pixels."""
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8))


def encoded(format: str, image: Image.Image | None = None, **options: object) -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    (image or noise()).save(buffer, format, **options)
    return buffer.getvalue()


def test_missing_file_with_a_near_name(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    error = refused(tmp_path / "holliday.jpg")
    assert "is not there" in error.message
    assert error.hint == f"did you mean {tmp_path / 'holiday.jpg'}?"


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert "is not there" in refused(tmp_path / "x.jpg").message
    assert "is not there either" in refused(str(tmp_path / "no" / "x.jpg")).hint
    (tmp_path / "file").write_bytes(b"")
    assert "is not there" in refused(tmp_path / "file" / "x.jpg").message


def test_folder(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert error.message.endswith("is a folder")
    assert "photo in it" in error.hint


def test_empty_file(tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    file.write_bytes(b"")
    assert refused(file).message == f"{file} is empty (0 bytes)"


def test_odd_names_make_one_line(tmp_path: Path) -> None:
    file = tmp_path / "two\nlines.jpg"
    file.write_bytes(b"nothing of use")
    assert "two?lines.jpg is not a photo" in refused(file).message
    assert "cannot be read" in refused("nul\0.jpg").message


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no modes")
def test_no_permission(tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    file.write_bytes(encoded("PNG"))
    file.chmod(0)
    root = os.geteuid() == 0
    if root:
        tmp_path.chmod(0o755)
        os.seteuid(65534)  # to root no mode is closed
    try:
        error = refused(file)
    finally:
        if root:
            os.seteuid(0)
    assert "may not be read by this user" in error.message


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"just some text, which is no photo", "not a photo in a format"),
        (np.random.default_rng(1).bytes(512).replace(b"\xff\xd8\xff", b"abc"), "is not a photo"),
        (b"%PDF-1.7 ...", "looks like a PDF"),
        (b"\n <!DOCTYPE HTML><html>", "looks like a web page"),
        (b'<svg xmlns="x"/>', "looks like an SVG drawing"),
        (b"\0\0\0\x20ftypisom\0\0\0\0", "looks like a video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "looks like a JPEG XL file"),
        (b"8BPS\0\1", "looks like a Photoshop file"),
    ],
)
def test_no_image(data: bytes, what: str, tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    file.write_bytes(data)
    assert what in refused(file).message


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF", "JPEG2000"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.9, -1])
def test_cut_short(format: str, kept: float, tmp_path: Path) -> None:  # noqa: A002
    """Down to one missing byte."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    options = {"optimize": True} if format == "GIF" else {}
    data = encoded(format, **options)
    end = len(data) - 1 if kept == -1 else int(len(data) * kept)
    if kept == -1 and format in ("GIF", "JPEG2000"):
        end -= 2  # the last byte or two are an end mark, and all pixels are there
    file = tmp_path / f"photo.{format.lower()}"
    file.write_bytes(data[:end])
    error = refused(file)
    assert "cut short" in error.message or "does not decode" in error.message or "damaged" in error.message


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_with_its_second_half_unwritten(progressive: bool) -> None:
    """What a download that reserves its space looks like while it runs: the length is right, the rest is zeros."""
    data = encoded("JPEG", progressive=progressive)
    half = len(data) // 2
    assert "is a broken JPEG" in refused(data[:half] + bytes(len(data) - half)).message


def test_jpeg_with_something_behind_its_end() -> None:
    """Phones append a film or a second picture; its end need not look like that of a JPEG."""
    data = encoded("JPEG") + b"\0\0\0\x20ftypmp42" + bytes(100)
    assert load_photo(data).size == (96, 64)


def test_png_with_a_flipped_bit() -> None:
    data = bytearray(encoded("PNG"))
    data[len(data) // 2] ^= 4
    assert refused(bytes(data)).message == "the file is a broken PNG: its checksum is wrong"


def header_only_png(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds hardly a row."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_too_wide() -> None:
    error = refused(header_only_png(30_001, 10))
    assert "30001×10, and the limit is 30000 pixels a side" in error.message


def test_decompression_bomb_is_seen_in_the_header(recwarn: pytest.WarningsRecorder) -> None:
    """Five thousand megapixels, far beyond Pillow's own limit too; decoding them would take 15 GB."""
    error = refused(header_only_png(250_000, 20_000), limits=Limits(max_side=1_000_000))
    assert "5000 megapixels, and the limit is 200" in error.message
    assert not recwarn.list


def test_limits_are_exact() -> None:
    data = encoded("PNG")
    assert load_photo(data, limits=Limits(max_bytes=len(data), max_pixels=96 * 64, max_side=96)).size == (96, 64)
    assert "limit" in refused(data, limits=Limits(max_side=95)).message
    assert "limit" in refused(data, limits=Limits(max_pixels=96 * 64 - 1)).message
    assert "limit" in refused(data, limits=Limits(max_bytes=len(data) - 1)).message


def test_too_many_bytes(tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    file.write_bytes(encoded("PNG"))
    assert "more than the limit of 100 bytes" in refused(file, limits=Limits(max_bytes=100)).message
    endless = Path("/dev/zero")
    if endless.exists():
        assert "more than the limit of 1 MiB" in refused(endless, limits=Limits(max_bytes=1024 * 1024)).message
    error = None
    with pytest.raises(PhotoError) as caught:
        load_photo("-", stdin=io.BytesIO(bytes(101)), limits=Limits(max_bytes=100))
    error = caught.value
    assert error.message == "standard input is too large: more than the limit of 100 bytes"


def test_a_socket_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("this system has no Unix sockets")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.jpg")
        assert "cannot be read" in refused("s.jpg").message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_floats_that_are_no_numbers(value: float) -> None:
    values = np.zeros((8, 8), np.float32)
    values[3, 3] = value
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values)
    assert "NaN or infinite" in refused(buffer.getvalue()).message


def test_tiffs_that_would_be_read_wrong() -> None:
    planes = np.full((3, 8, 8), 30000, np.uint16)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, planes, photometric="rgb", planarconfig="separate")
    assert "16-bit separate colour planes" in refused(buffer.getvalue()).message
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((8, 8, 3), np.float32), photometric="rgb")
    error = refused(buffer.getvalue())
    assert "float colours" in error.message
    assert "8 or 16 bits" in error.hint


def test_camera_raw_is_not_taken_for_its_preview(tmp_path: Path) -> None:
    file = tmp_path / "DSC_0001.NEF"
    noise().save(file, "TIFF")
    assert "camera raw file" in refused(file).message
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((8, 8), np.uint8), extratags=[(50706, "B", 4, (1, 4, 0, 0), True)])
    error = refused(buffer.getvalue())
    assert "DNG" in error.message
    assert "raw converter" in error.hint
