"""Stills in every format and kind of colour: the values that come out, against values put in or worked out by hand."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from depthflow.errors import OutputError, PhotoError
from depthflow.images import Limits, Photo, list_photos, load_photo, name_of, open_photo, save_image

Pixels = NDArray[np.uint8]


def picture(width: int = 96, height: int = 64) -> Pixels:
    """Smooth colours that differ in all corners, so that a turn, a mirror or swapped channels shows."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), np.full_like(x, 90)], -1).astype(np.uint8)


def encoded(image: Image.Image | Pixels, format: str, **options: Any) -> bytes:  # noqa: A002
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def tiff(values: NDArray[Any], **options: Any) -> bytes:
    """Written by another program's library than the one under test reads with."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def distance(a: NDArray[Any], b: NDArray[Any]) -> int:
    """The largest difference of two pictures; their shapes must be the same, nothing is broadcast."""
    assert a.shape == b.shape
    return int(np.abs(a.astype(np.int32) - b.astype(np.int32)).max())


# --- formats -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("PPM", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "tiff_adobe_deflate"}, 0),
        ("TIFF", {"compression": "jpeg", "quality": 95}, 8),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 14),
        ("JPEG", {"quality": 95}, 8),
        ("JPEG", {"quality": 95, "progressive": True}, 8),
        ("JPEG2000", {}, 0),
        ("AVIF", {"quality": 95}, 8),
        ("HEIF", {"quality": 95}, 10),
        ("GIF", {}, 24),  # 256 colours
    ],
)
def test_every_format_gives_its_colours(format: str, options: dict[str, Any], tolerance: int, tmp_path: Path) -> None:  # noqa: A002
    import pillow_heif

    pillow_heif.register_heif_opener()  # to write one
    file = tmp_path / "holiday 7.img"
    file.write_bytes(encoded(picture(), format, **options))
    photo = load_photo(str(file))
    assert photo.size == (96, 64)
    assert photo.pixels.dtype == np.uint8
    assert distance(photo.pixels, picture()) <= tolerance
    assert photo.alpha is None
    assert photo.notes == ()
    assert (photo.name, photo.source) == ("holiday 7", str(file))


def test_one_by_one_pixel_loads() -> None:
    photo = load_photo(encoded(np.full((1, 1, 3), 7, np.uint8), "PNG"))
    assert photo.size == (1, 1)
    assert photo.pixels.tolist() == [[[7, 7, 7]]]


def test_the_sample_photo_loads() -> None:
    photo = load_photo(Path(__file__).parents[1] / "config" / "samples" / "boats.jpg")
    assert (photo.size, photo.alpha, photo.notes, photo.name) == ((2560, 1600), None, (), "boats")


def test_large_photo_is_not_warned_about(recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow warns above MAX_IMAGE_PIXELS and refuses above twice that; our own limits are what counts."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert load_photo(encoded(picture(), "PNG")).size == (96, 64)
    assert Image.MAX_IMAGE_PIXELS == 100
    assert not recwarn.list


def test_animations_give_their_first_frame() -> None:
    frames = [Image.fromarray(np.full((8, 8, 3), v, np.uint8)) for v in (40, 120, 200)]
    for format in ("GIF", "WEBP", "PNG"):  # noqa: A001
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:], duration=50, lossless=True)
        photo = load_photo(data)
        assert distance(photo.pixels, np.full((8, 8, 3), 40)) <= 1, format
        assert photo.notes == ("first frame of 3",), format


def test_pages_give_the_first_page() -> None:
    pages = [Image.fromarray(np.full((8, 8, 3), v, np.uint8)) for v in (40, 120)]
    photo = load_photo(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert photo.pixels[0, 0].tolist() == [40, 40, 40]
    assert photo.notes == ("first page of 2",)


def test_phone_pictures_with_a_second_picture_inside() -> None:
    pages = [Image.fromarray(np.full((16, 16, 3), v, np.uint8)) for v in (40, 120)]
    photo = load_photo(encoded(pages[0], "MPO", save_all=True, append_images=pages[1:]))
    assert distance(photo.pixels, np.full((16, 16, 3), 40)) <= 1
    assert photo.notes == ()


# --- orientation ---------------------------------------------------------------------------------------------

# EXIF 2.32, tag 0x0112: which side of the scene the stored row 0 and column 0 are.
STORED_AS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda a: a,  # top, left
    2: lambda a: a[:, ::-1],  # top, right
    3: lambda a: a[::-1, ::-1],  # bottom, right
    4: lambda a: a[::-1],  # bottom, left
    5: lambda a: a.transpose(1, 0, 2),  # left, top
    6: lambda a: a.transpose(1, 0, 2)[::-1],  # right, top: the scene's right side is row 0
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],  # right, bottom
    8: lambda a: a.transpose(1, 0, 2)[:, ::-1],  # left, bottom: the scene's bottom is column 0
}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, format: str) -> None:  # noqa: A002
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"quality": 95} if format == "JPEG" else {"lossless": True} if format == "WEBP" else {}
    stored = np.ascontiguousarray(STORED_AS[orientation](picture()))
    photo = load_photo(encoded(stored, format, exif=exif, **options))
    assert distance(photo.pixels, picture()) <= 8
    assert photo.notes == (() if orientation == 1 else (f"turned by EXIF orientation {orientation}",))


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_turned_avif_and_heic_come_out_upright(format: str) -> None:  # noqa: A002
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.ascontiguousarray(STORED_AS[6](picture())))
    import pillow_heif

    pillow_heif.register_heif_opener()
    # Both formats turn by a box of their own and not by EXIF; the writers make that box of the tag.
    data = encoded(image, format, exif=exif.tobytes(), quality=95)
    assert b"irot" in data
    photo = load_photo(data)
    assert distance(photo.pixels, picture()) <= 12


def test_alpha_turns_with_the_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    rgba = np.dstack([picture(), picture()[:, :, 0]])
    photo = load_photo(encoded(np.ascontiguousarray(STORED_AS[6](rgba)), "PNG", exif=exif))
    assert photo.alpha is not None
    assert distance(photo.alpha, rgba[:, :, 3]) == 0
    assert distance(photo.pixels, rgba[:, :, :3]) == 0


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_cost_the_photo() -> None:
    photo = load_photo(encoded(picture(), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\0\0"))
    assert distance(photo.pixels, picture()) == 0


# --- transparency, palettes, grey ----------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_kept_beside_unchanged_colours(format: str) -> None:  # noqa: A002
    coverage = np.tile(np.linspace(1, 255, 96).astype(np.uint8), (64, 1))
    options = {"lossless": True} if format == "WEBP" else {}
    photo = load_photo(encoded(np.dstack([picture(), coverage]), format, **options))
    assert distance(photo.pixels, picture()) == 0
    assert photo.alpha is not None
    assert distance(photo.alpha, coverage) == 0


def test_alpha_that_is_opaque_everywhere_is_none() -> None:
    assert load_photo(encoded(np.dstack([picture(), np.full((64, 96), 255, np.uint8)]), "PNG")).alpha is None


def test_premultiplied_alpha_is_divided_out() -> None:
    values = np.full((4, 4, 4), (100, 50, 25, 128), np.uint8)
    photo = load_photo(tiff(values, photometric="rgb", extrasamples=["assocalpha"]))
    assert distance(photo.pixels, np.full((4, 4, 3), (199, 99, 50))) <= 1
    assert photo.alpha is not None
    assert photo.alpha[0, 0] == 128


def test_palette_with_transparency() -> None:
    image = Image.new("P", (4, 2))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 0, 1, 1] * 2)
    photo = load_photo(encoded(image, "PNG", transparency=1))
    assert photo.pixels[0].tolist() == [[255, 0, 0]] * 2 + [[0, 0, 255]] * 2
    assert photo.alpha is not None
    assert photo.alpha[0].tolist() == [255, 255, 0, 0]


def test_colour_that_stands_for_transparency() -> None:
    values = np.array([[[9, 9, 9], [200, 10, 20]]], np.uint8)
    photo = load_photo(encoded(values, "PNG", transparency=(9, 9, 9)))
    assert photo.alpha is not None
    assert photo.alpha.tolist() == [[0, 255]]
    assert distance(photo.pixels, values) == 0


def test_grey_and_grey_with_alpha_come_out_grey() -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (8, 1))
    for image in (Image.fromarray(ramp), Image.merge("LA", [Image.fromarray(ramp), Image.fromarray(255 - ramp)])):
        photo = load_photo(encoded(image, "PNG"))
        assert distance(photo.pixels, np.dstack([ramp] * 3)) == 0
        assert (photo.alpha is None) == (image.mode == "L")


def test_one_bit_is_black_and_white() -> None:
    photo = load_photo(encoded(Image.fromarray(np.array([[True, False]])), "PNG"))
    assert photo.pixels.tolist() == [[[255] * 3, [0] * 3]]


# --- more than eight bits ------------------------------------------------------------------------------------

DEEP = np.array([[0, 257, 0x1234, 30000, 32896, 65535]], np.uint16)
SHALLOW = [0, 1, 18, 117, 128, 255]  # value / 257, rounded


@pytest.mark.parametrize("how", ["png", "tiff", "tiff big-endian", "tiff deflate", "pgm"])
def test_16_bit_grey_is_scaled(how: str) -> None:
    data = {
        "png": lambda: cv2.imencode(".png", DEEP)[1].tobytes(),
        "tiff": lambda: tiff(DEEP),
        "tiff big-endian": lambda: tiff(DEEP, byteorder=">"),
        "tiff deflate": lambda: tiff(DEEP, compression="zlib"),
        "pgm": lambda: b"P5 6 1 65535\n" + DEEP.astype(">u2").tobytes(),
    }[how]()
    photo = load_photo(data)
    assert photo.pixels[0].tolist() == [[v] * 3 for v in SHALLOW]
    if how != "pgm":
        assert photo.notes == ("16-bit reduced to 8",)


@pytest.mark.parametrize("how", ["png", "tiff", "tiff big-endian", "tiff deflate", "png rgba"])
def test_16_bit_colour_is_scaled(how: str) -> None:
    colour = np.stack([DEEP, DEEP[:, ::-1], np.full_like(DEEP, 65535)], -1)
    bgra = np.dstack([colour[:, :, ::-1], np.full_like(DEEP, 0x8080)])
    data = {
        "png": lambda: cv2.imencode(".png", colour[:, :, ::-1])[1].tobytes(),
        "png rgba": lambda: cv2.imencode(".png", bgra)[1].tobytes(),
        "tiff": lambda: tiff(colour, photometric="rgb"),
        "tiff big-endian": lambda: tiff(colour, photometric="rgb", byteorder=">"),
        "tiff deflate": lambda: tiff(colour, photometric="rgb", compression="zlib"),
    }[how]()
    photo = load_photo(data)
    expected = np.array([[[a, b, 255] for a, b in zip(SHALLOW, SHALLOW[::-1], strict=True)]])
    assert distance(photo.pixels, expected) <= 1
    assert photo.notes == ("16-bit reduced to 8",)
    if how == "png rgba":
        assert photo.alpha is not None
        assert photo.alpha.max() == 128


def test_12_bit_grey_packed_into_a_tiff() -> None:
    """0, 2048, 4095 and 16, two pixels in three bytes (TIFF 6.0, section 3: bits are filled from the top)."""
    tags = [(256, 4, 4), (257, 4, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 4, 1)]
    tags.append((279, 4, 6))
    pixels = bytes.fromhex("000800fff010")
    data = b"II*\0" + struct.pack("<I", 14) + pixels + struct.pack("<H", len(tags))
    data += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags) + bytes(4)
    photo = load_photo(data)
    assert photo.pixels[0, :, 0].tolist() == [0, 128, 255, 1]
    assert photo.notes == ("12-bit reduced to 8",)


def test_16_bit_where_zero_is_white() -> None:
    photo = load_photo(tiff(DEEP, photometric="miniswhite"))
    assert photo.pixels[0, :, 0].tolist() == [255 - v for v in SHALLOW]


def test_32_bit_integers() -> None:
    assert load_photo(tiff(DEEP.astype(np.uint32))).pixels[0, :, 0].tolist() == SHALLOW
    photo = load_photo(tiff(np.array([[0, 2**31, 2**32 - 1]], np.uint32)))
    assert photo.pixels[0, :, 0].tolist() == [0, 128, 255]
    photo = load_photo(tiff(np.array([[-100, 0, 100]], np.int32)))
    assert photo.pixels[0, :, 0].tolist() == [0, 128, 255]
    assert photo.notes == ("grey values -100 to 100 stretched to black and white",)


@pytest.mark.parametrize(
    ("values", "grey", "stretched"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255], False),
        ([0.25, 0.25, 0.25], [64, 64, 64], False),
        ([0.0, 0.0, 0.0], [0, 0, 0], False),
        ([0.0, 1.0, 2.0], [0, 128, 255], True),  # highlights above 1: scaled down, not clipped and not dark
        ([0.0, 100.0, 255.0], [0, 100, 255], False),
        ([257.0, 32896.0, 65535.0], [1, 128, 255], False),
        ([0.0, 5e5, 1e6], [0, 128, 255], True),
        ([-1.0, 0.0, 1.0], [0, 128, 255], True),
        ([-3.0, -3.0, -3.0], [0, 0, 0], True),
    ],
)
def test_float_grey(values: list[float], grey: list[int], stretched: bool) -> None:
    photo = load_photo(tiff(np.array([values], np.float32)))
    assert distance(photo.pixels, np.array([[[v] * 3 for v in grey]])) <= 1  # halves go either way
    assert photo.pixels.max() == max(grey)
    assert bool(photo.notes) == stretched


# --- inks and profiles ---------------------------------------------------------------------------------------


def icc_profile(space: bytes, pcs: bytes, tags: dict[bytes, bytes], *, kind: bytes = b"mntr") -> bytes:
    """A version 2 ICC profile of the given tags (ICC.1:2001-04, sections 6.1 and 6.2)."""
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"Test\0" + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in (0.9642, 1.0, 0.8249))),
    } | tags
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", 0, b"test", 0x02400000, kind, space, pcs) + bytes(12) + b"acsp"
    head += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    head += bytes(128 - len(head))
    whole = head + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))


# The primaries of Display P3 and of sRGB, adapted to D50 (columns X, Y, Z per primary).
P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141))


def p3_profile(gamma: float = 2.2) -> bytes:
    tags = {b"rXYZ": xyz(*P3[0]), b"gXYZ": xyz(*P3[1]), b"bXYZ": xyz(*P3[2])}
    return icc_profile(b"RGB ", b"XYZ ", tags | {c: curve(gamma) for c in (b"rTRC", b"gTRC", b"bTRC")})


def srgb_encode(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_wide_colours_are_converted(format: str) -> None:  # noqa: A002
    import pillow_heif

    pillow_heif.register_heif_opener()
    colour = np.array([180, 120, 60])
    linear = (colour / 255) ** 2.2
    expected = srgb_encode(np.linalg.inv(np.array(SRGB).T) @ np.array(P3).T @ linear) * 255
    assert np.abs(expected - colour).max() > 8  # else this test could not tell
    options: dict[str, Any] = {"lossless": True} if format == "WEBP" else {}
    options |= {} if format in ("PNG", "TIFF", "WEBP") else {"quality": 98}
    stored = np.full((16, 16, 3), colour, np.uint8)
    photo = load_photo(encoded(stored, format, icc_profile=p3_profile(), **options))
    # AVIF and HEVC store chroma at half the steps: 5 off in blue.
    assert distance(photo.pixels, np.full((16, 16, 3), np.rint(expected))) <= (6 if format in ("AVIF", "HEIF") else 3)
    assert photo.notes == ("colours converted from Test",)


def test_srgb_profile_changes_no_pixel() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = load_photo(encoded(picture(), "PNG", icc_profile=profile))
    assert distance(photo.pixels, picture()) == 0
    assert photo.notes == ()


def test_alpha_passes_a_profile_untouched() -> None:
    coverage = picture()[:, :, 0]
    photo = load_photo(encoded(np.dstack([picture(), coverage]), "PNG", icc_profile=p3_profile()))
    assert photo.alpha is not None
    assert distance(photo.alpha, coverage) == 0
    assert distance(photo.pixels, picture()) > 8


@pytest.mark.parametrize("deep", [False, True])
def test_grey_profile(deep: bool) -> None:
    """Linear grey: 50% light is sRGB 188."""
    profile = icc_profile(b"GRAY", b"XYZ ", {b"kTRC": curve(1.0)})
    values = np.full((4, 4), 128, np.uint8)
    image = Image.fromarray(values.astype(np.uint16) * 257) if deep else Image.fromarray(values)
    photo = load_photo(encoded(image, "TIFF" if deep else "PNG", icc_profile=profile))
    assert distance(photo.pixels, np.full((4, 4, 3), 188)) <= 1
    assert (photo.pixels == photo.pixels[:, :, :1]).all()


def test_grey_with_a_colour_profile_stays_grey() -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (8, 1))
    # A profile of a scanner with a yellow lamp: through it a grey of equal channels is not neutral.
    tags = {b"rXYZ": xyz(*P3[0]), b"gXYZ": xyz(*P3[1]), b"bXYZ": xyz(*P3[2])}
    tags |= {b"rTRC": curve(1.0), b"gTRC": curve(1.0), b"bTRC": curve(1.8)}
    photo = load_photo(encoded(Image.fromarray(ramp), "PNG", icc_profile=icc_profile(b"RGB ", b"XYZ ", tags)))
    assert (photo.pixels == photo.pixels[:, :, :1]).all()
    assert abs(int(photo.pixels[0, 32, 0]) - 188) <= 4


@pytest.mark.parametrize(
    ("profile", "note"),
    [
        (b"this is no profile at all", "broken colour profile ignored"),
        (p3_profile()[:200], "broken colour profile ignored"),
        (p3_profile().replace(b"Test", b"\xff\xff\xff\xff"), "broken colour profile ignored"),  # its name
        (
            icc_profile(b"GRAY", b"XYZ ", {b"kTRC": curve(1.0)}),
            "colour profile ignored: it is for another kind of image",
        ),
    ],
)
def test_useless_profile_is_ignored_with_a_note(profile: bytes, note: str) -> None:
    photo = load_photo(encoded(picture(), "PNG", icc_profile=profile))
    assert distance(photo.pixels, picture()) == 0
    assert photo.notes == (note,)


INKS = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0], [0, 0, 0, 255], [0, 128, 255, 0]]])
INK_COLOURS = np.array([[[255] * 3, [0, 255, 255], [255, 0, 255], [255, 255, 0], [0, 0, 0], [255, 127, 0]]])


def inks() -> Image.Image:
    """Eight pixels of each, so that JPEG's blocks hold one colour."""
    return Image.fromarray(np.repeat(np.repeat(INKS.astype(np.uint8), 8, 1), 8, 0), "CMYK")


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_inks(format: str) -> None:  # noqa: A002
    options = {"quality": 98} if format == "JPEG" else {}
    photo = load_photo(encoded(inks(), format, **options))
    assert distance(photo.pixels[4:5, 4::8], INK_COLOURS) <= 4


def test_inks_stored_as_brightness_and_colour() -> None:
    """YCCK, as Photoshop writes it: made here of a CMYK file, by the formulas of JFIF and Adobe's marker."""
    values = np.asarray(inks()).astype(np.float64)
    # Adobe stores the inverse of each ink; YCCK is the YCbCr of 255 - (inverse of C, M, Y), and the inverse of K.
    c, m, y = (values[:, :, i] for i in range(3))
    luma = 0.299 * c + 0.587 * m + 0.114 * y
    planes = [luma, 128 + (y - luma) / 1.772, 128 + (c - luma) / 1.402, 255 - values[:, :, 3]]
    stored = np.clip(np.rint(np.dstack(planes)), 0, 255).astype(np.uint8)
    data = bytearray(encoded(Image.fromarray(255 - stored, "CMYK"), "JPEG", quality=98))  # the writer inverts
    marker = data.index(b"Adobe")
    assert data[marker + 11] == 0
    data[marker + 11] = 2
    # Another decoder agrees that this is the file it is meant to be.
    other = cv2.imdecode(np.frombuffer(bytes(data), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert distance(other[4:5, 4::8], INK_COLOURS) <= 6
    assert distance(load_photo(bytes(data)).pixels[4:5, 4::8], INK_COLOURS) <= 6


def test_inks_through_their_profile() -> None:
    """A press whose cyan ink is a mid grey (L* = 50, sRGB 119) and whose other inks leave no trace."""
    identity = bytes(range(256))
    corners = b"".join(bytes([255 if not c else 128, 128, 128]) for c in (0, 1) for _ in range(8))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    table += identity * 4 + corners + identity * 3
    profile = icc_profile(b"CMYK", b"Lab ", {b"A2B0": table}, kind=b"prtr")
    photo = load_photo(encoded(inks(), "TIFF", icc_profile=profile))
    assert photo.notes == ("colours converted from Test",)
    expected = np.array([[[255] * 3, [119] * 3, [255] * 3, [255] * 3, [255] * 3, [255] * 3]])
    assert distance(photo.pixels[4:5, 4::8], expected) <= 3


def test_lab() -> None:
    """CIE Lab to sRGB: white, mid grey, and the colour of sRGB's red, L* a* b* = 54.3, 80.8, 69.9 under D50."""
    values = np.array([[[255, 0, 0], [127, 0, 0], [138, 81, 70]]], np.uint8)  # a and b are signed bytes
    photo = load_photo(tiff(values, photometric="cielab"))
    assert distance(photo.pixels, np.array([[[255] * 3, [119] * 3, [255, 0, 0]]])) <= 5


# --- Photo ---------------------------------------------------------------------------------------------------


def test_digest_depends_on_what_is_seen_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(picture(), "PNG"))
    (tmp_path / "b.bmp").write_bytes(encoded(picture(), "BMP"))
    one, two = load_photo(tmp_path / "a.png"), load_photo(tmp_path / "b.bmp")
    assert one.digest() == two.digest()
    assert len(one.digest()) == 64
    changed = picture()
    changed[5, 5, 1] ^= 1
    others = [
        open_photo(changed),
        open_photo(picture().reshape(32, 192, 3)),
        open_photo(np.dstack([picture(), np.zeros((64, 96), np.uint8)])),
    ]
    assert len({one.digest(), *(photo.digest() for photo in others)}) == 4


def test_pixels_cannot_be_written_to() -> None:
    photo = load_photo(encoded(picture(), "PNG"))
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[0, 0] = 0


def test_standard_input() -> None:
    photo = load_photo("-", stdin=io.BytesIO(encoded(picture(), "PNG")))
    assert (photo.name, photo.source, photo.size) == ("photo", "-", (96, 64))


def test_bytes_with_a_name() -> None:
    assert load_photo(encoded(picture(), "PNG")).name == "photo"
    assert load_photo(encoded(picture(), "PNG"), name="../up load?").name == "_up load_"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("-", "photo"),
        ("cat.jpg", "cat"),
        ("a/b/two.dots.tiff", "two.dots"),
        ("https://u:p@example.org/x/My%20cat.jpg?sig=1", "My cat"),
        ("https://example.org/", "photo"),
        ("https://example.org/..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("https://example.org/a%3Cb%3A.png", "a_b_"),
    ],
)
def test_names(source: str, name: str) -> None:
    assert name_of(source) == name


# --- arrays --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "first"),
    [
        (picture(), [0, 0, 90]),
        (np.full((2, 3), 7, np.uint8), [7, 7, 7]),
        (np.full((2, 3, 1), 7, np.uint8), [7, 7, 7]),
        (np.full((2, 3, 3), 257 * 9, np.uint16), [9, 9, 9]),
        (np.full((2, 3, 3), 65535, np.uint16), [255, 255, 255]),
        (np.full((2, 3, 3), 0.5), [128, 128, 128]),
        (np.full((2, 3, 3), 1.0005, np.float32), [255, 255, 255]),
        (np.ones((2, 3), bool), [255, 255, 255]),
    ],
)
def test_arrays(array: NDArray[Any], first: list[int]) -> None:
    photo = open_photo(array, name="x")
    assert photo.pixels[0, 0].tolist() == first
    assert photo.size == (array.shape[1], array.shape[0])
    assert (photo.alpha, photo.name) == (None, "x")


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_array_is_copied_and_its_fourth_channel_is_alpha(channels: int) -> None:
    array = np.full((2, 3, channels), 200, np.uint8)
    photo = open_photo(array)
    array[:] = 0
    assert photo.pixels.shape == (2, 3, 3)
    assert photo.pixels.min() == 200
    assert (photo.alpha is None) == (channels != 4)
    if photo.alpha is not None:
        assert photo.alpha.tolist() == [[200] * 3] * 2


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 2), np.uint8), r"shape is \(2, 3, 2\)"),
        (np.zeros((0, 3, 3), np.uint8), "shape"),
        (np.zeros(5, np.uint8), "shape"),
        (np.zeros((2, 3, 3), np.int64), "type is int64"),
        (np.full((2, 3, 3), 200.0), "floats from 200 to 200"),
        (np.full((2, 3, 3), np.nan), "NaN"),
        (np.full((2, 3, 3), -0.5), "-0.5"),
    ],
)
def test_arrays_that_are_no_photos(array: NDArray[Any], message: str) -> None:
    with pytest.raises(PhotoError, match=message) as caught:
        open_photo(array)
    assert caught.value.hint


# --- lists ---------------------------------------------------------------------------------------------------


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def test_folders_are_listed_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "img10.JPG", "img2.jpg", "Img1.png", "notes.txt", ".hidden.jpg", "img2.depth.png", "z.heic")
    touch(tmp_path, "sub/b.webp", ".git/c.jpg", "._img2.jpg")
    flat = [Path(p).name for p in list_photos([str(tmp_path)], recursive=False)]
    assert flat == ["Img1.png", "img2.jpg", "img10.JPG", "z.heic"]
    deep = [Path(p).relative_to(tmp_path).as_posix() for p in list_photos([str(tmp_path)], recursive=True)]
    assert deep == ["Img1.png", "img2.jpg", "img10.JPG", "sub/b.webp", "z.heic"]


def test_what_is_named_is_kept_in_its_order_once(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.jpg", "odd.xyz")
    b, odd, missing = (str(tmp_path / name) for name in ("b.jpg", "odd.xyz", "missing.jpg"))
    url = "https://example.org/a.jpg"
    listed = list_photos([odd, b, url, "-", missing, str(tmp_path)], recursive=False)
    assert listed == [odd, b, url, "-", missing, str(tmp_path / "a.jpg")]


def test_links_to_folders_do_not_loop(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert list_photos([str(tmp_path)], recursive=True) == [str(tmp_path / "a.jpg")]


# --- saving --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "tolerance"),
    [(".png", 0), (".tiff", 0), (".bmp", 0), (".jpg", 8), (".JPEG", 8), (".webp", 16), (".avif", 12)],
)
def test_saved_stills_read_back(suffix: str, tolerance: int, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"what was there before")
    save_image(picture(), path)
    assert distance(load_photo(path).pixels, picture()) <= tolerance
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_saved_alpha_and_deep_grey_read_back(tmp_path: Path) -> None:
    rgba = np.dstack([picture(), picture()[:, :, 0]])
    save_image(rgba, tmp_path / "a.png")
    photo = load_photo(tmp_path / "a.png")
    assert photo.alpha is not None
    assert distance(photo.alpha, rgba[:, :, 3]) == 0
    for name in ("d.png", "d.tiff"):
        save_image(DEEP, tmp_path / name)
        assert distance(cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED), DEEP) == 0


def test_quality_changes_the_size(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    for suffix in (".jpg", ".webp", ".avif"):
        save_image(noise, tmp_path / f"low{suffix}", quality=20)
        save_image(noise, tmp_path / f"high{suffix}", quality=95)
        assert (tmp_path / f"low{suffix}").stat().st_size * 1.5 < (tmp_path / f"high{suffix}").stat().st_size


@pytest.mark.parametrize(
    ("pixels", "name", "message"),
    [
        (picture(), "x.xyz", "unknown kind of image '.xyz'"),
        (picture(), "nowhere/x.png", "cannot be written"),
        (picture(), "folder.png", "cannot be written"),
        (np.zeros((4, 4, 4), np.uint8), "x.jpg", "no transparency"),
        (DEEP, "x.jpg", "no 16-bit grey"),
        (np.zeros((4, 4, 3)), "x.png", "float64"),
        (np.zeros((4, 20000, 3), np.uint8), "x.webp", "cannot hold 20000×4"),
    ],
)
def test_what_cannot_be_saved(pixels: NDArray[Any], name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match=message) as caught:
        save_image(pixels, tmp_path / name)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.png"]


def test_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on file sizes makes the write fail half-way, as a full disk does."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "x.png"
    save_image(np.zeros((4, 4, 3), np.uint8), path)
    before = path.read_bytes()
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OutputError, match="cannot be written: File too large") as caught:
            save_image(noise, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.hint
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.png"]


def test_photo_needs_no_limits_to_be_given() -> None:
    assert Limits().max_side == 30_000
    assert isinstance(load_photo(encoded(picture(), "PNG"), limits=Limits(max_side=96)), Photo)
