"""Turn the bytes of an image file into upright 8-bit sRGB pixels, or say in one line why not; it opens no files."""

from __future__ import annotations

import io
import re
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from depthflow.errors import PhotoError
from depthflow.images_colour import to_srgb

MiB = 1024 * 1024
MAX_BYTES = 256 * MiB
MAX_PIXELS = 200_000_000  # as 8-bit RGB: 600 MB
MAX_SIDE = 30_000

# What photos come in. Pillow knows forty more, some of which run other programs (EPS) or have no signature (TGA).
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF", "JPEG2000", "PPM")

PHOTO_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".tif", ".tiff", ".bmp", ".dib"),
        *(".gif", ".avif", ".heic", ".heif", ".hif", ".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm"),
    )
)
# Many are TIFFs inside, and would open as the small preview that they carry.
RAW_SUFFIXES = frozenset(
    (
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw"),
        *(".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    )
)

_ORIENTATION = 0x0112
_DNG_VERSION = 50706
_PLANAR, _BITS = 284, 258

_EXPORT_HINT = "export it as JPEG, PNG, WebP, TIFF, AVIF or HEIC first"
_RAW_HINT = "develop it in a raw converter and give the JPEG or TIFF"

# (offset, signature, what it is): only used to explain a refusal, and to tell a broken photo from no photo.
_PHOTO_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (8, b"WEBP", "WebP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (4, b"jP  \r\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
)
_OTHER_SIGNATURES = (
    (0, b"\xff\x0a", "a JPEG XL file"),
    (4, b"JXL ", "a JPEG XL file"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"gimp xcf", "a GIMP file"),
    (0, b"v/1\x01", "an OpenEXR file"),
    (0, b"%PDF", "a PDF"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<?xml", "an XML file"),
    (0, b"<!doctype html", "a web page"),
    (0, b"<html", "a web page"),
    (4, b"ftypcrx", "a camera raw file"),
    (4, b"ftyp", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (0, b"PK\x03\x04", "a ZIP archive"),
)


@dataclass(frozen=True)
class Limits:
    """What is still taken in; it guards the machine's memory, so it is checked before any pixel is decoded.

    Args:
        max_bytes: size of the file or of what a URL sends, in bytes.
        max_pixels: width times height.
        max_side: the longer side, in pixels.
    """

    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    max_side: int = MAX_SIDE


@dataclass(frozen=True, eq=False)
class Decoded:
    """pixels: (H, W, 3) uint8 sRGB; alpha: (H, W) uint8 or None when opaque everywhere; notes: what was done;
    orientation: the EXIF orientation that the file says, 1 to 8, which the pixels no longer have."""

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    notes: tuple[str, ...]
    orientation: int = 1


def decode(data: bytes, label: str, limits: Limits) -> Decoded:
    """Decode a whole image file, upright, in sRGB.

    Args:
        data: the file's content.
        label: what to call it in messages.
        limits: see `Limits`; only the pixel limits are used here.

    Raises:
        PhotoError: empty, not an image, cut short, damaged, or too large.
    """
    if not data:
        raise _empty(label)
    image = _open(data, label)
    with image:
        _check_size(image, label, limits)
        _check_tiff(image, label)
        notes: list[str] = []
        if fault := _fault(data):
            raise _broken(label, _signature(data, _PHOTO_SIGNATURES), fault)
        wide = _more_than_8_bits(image)
        turn = _orientation(image, notes)
        try:
            image.load()
        except MemoryError:
            raise PhotoError(
                f"{label} does not fit into memory ({image.width}×{image.height})", "scale it down first"
            ) from None
        except Exception as error:  # on damaged data the format plugins raise whatever they stumble over
            raise _broken(label, _signature(data, _PHOTO_SIGNATURES) or image.format or "", _why(error)) from error
        if wide:
            notes.append(f"{wide} reduced to 8")
        _note_frames(image, notes)
        pixels, alpha = to_srgb(image, label, notes)
        # Pillow turns TIFFs itself while it loads them: what is left to do is what the tag says now.
        turn_left = _orientation(image, [])
    if turn != 1:
        notes.append(f"turned by EXIF orientation {turn}")
    upright = None if alpha is None else turned(alpha, turn_left)
    return Decoded(turned(pixels, turn_left), upright, tuple(notes), turn)


def measure(stream: IO[bytes], label: str, limits: Limits) -> tuple[int, int]:
    """Look at an image's header: no pixel is decoded.

    Args:
        stream: the file, at its beginning.

    Returns:
        (width, height) in pixels, as they lie in the file.

    Raises:
        PhotoError: as in `decode`, as far as a header can tell.
    """
    head = stream.read(64)
    if not head:
        raise _empty(label)
    stream.seek(0)
    with _open(head, label, stream) as image:
        _check_size(image, label, limits)
        _check_tiff(image, label)
        return image.size


def _empty(label: str) -> PhotoError:
    return PhotoError(f"{label} is empty (0 bytes)", "copy or download it again")


def refuse_raw(suffix: str, label: str) -> None:
    """Raises PhotoError where a file's suffix is that of a camera's raw files."""
    if suffix.lower() in RAW_SUFFIXES:
        raise PhotoError(f"{label} is a camera raw file", _RAW_HINT)


def size_text(count: int) -> str:
    """A number of bytes to read."""
    return f"{count / MiB:.4g} MiB" if count >= MiB else f"{count} bytes"


def one_line(text: str) -> str:
    """A name with a line break in it must not make two lines of a message."""
    return "".join(c if c.isprintable() else "?" for c in text)


def reason(error: Exception) -> str:
    """What the system says, without the number and the name that Python puts around it."""
    return getattr(error, "strerror", None) or one_line(str(error))


# --- opening -------------------------------------------------------------------------------------------------


@cache
def _formats() -> tuple[str, ...]:
    """`FORMATS`, as far as this Pillow was built with them."""
    # HEIC comes by a plugin, and its codecs take a tenth of a second to load with those of AVIF.
    import pillow_heif

    pillow_heif.register_heif_opener()
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _formats_of(data: bytes) -> tuple[str, ...]:
    """The formats that a file can have, as far as is worth finding out: most photos need no further plugin."""
    kind = _signature(data, _PHOTO_SIGNATURES)
    if kind in ("JPEG", "PNG"):
        Image.preinit()
        return (kind,)
    return _formats()


_open_lock = threading.Lock()


@contextmanager
def without_pillows_limit() -> Iterator[None]:
    """Pillow opens what is larger than its own limit: whoever opens it checks the size, with a message of their own."""
    with _open_lock:
        pillows_limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = pillows_limit


def _open(data: bytes, label: str, stream: IO[bytes] | None = None) -> ImageFile.ImageFile:
    """Read the header, of `stream` if it is given; `data` is then how that begins. The size is not checked yet."""
    formats = _formats_of(data)
    # Of the many ways in which EXIF is broken Pillow writes a line to stderr each; the photo is none the worse.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")
    with without_pillows_limit():
        try:
            return Image.open(io.BytesIO(data) if stream is None else stream, formats=formats)
        except UnidentifiedImageError:
            broken = _signature(data, _PHOTO_SIGNATURES)
            if broken == "TIFF":
                raise PhotoError(
                    f"{label} is a TIFF of a kind that cannot be read (float colours, or damaged)",
                    "save it with 8 or 16 bits per channel",
                ) from None
            if broken:
                raise _broken(label, broken, "it is cut short or damaged") from None
            raise PhotoError(f"{label} is not a photo{_looks_like(data)}", _EXPORT_HINT) from None
        except Exception as error:  # as in decode: the plugins' headers fail in any way
            raise _broken(label, _signature(data, _PHOTO_SIGNATURES), _why(error)) from error


def _signature(data: bytes, table: tuple[tuple[int, bytes, str], ...]) -> str:
    head = data[:64].lstrip(b"\xef\xbb\xbf \r\n\t") if data[:1] in b"\xef \r\n\t<" else data[:64]
    for offset, signature, what in table:
        found = head[offset : offset + len(signature)]
        if found == signature or (signature[:1] == b"<" and found.lower() == signature):
            return what
    return ""


def _looks_like(data: bytes) -> str:
    what = _signature(data, _OTHER_SIGNATURES)
    return f": it looks like {what}" if what else " in a format that is known here"


def _broken(label: str, kind: str, why: str) -> PhotoError:
    return PhotoError(
        f"{label} is {'a broken ' + kind if kind else 'broken'}: {why}",
        "copy, download or export it again",
    )


def _why(error: Exception) -> str:
    text = " ".join(str(error).split())
    lowered = text.lower()
    if isinstance(error, EOFError) or any(s in lowered for s in ("truncated", "end of file", "decoder object")):
        return "it is cut short"
    return f"it does not decode ({text[:120] or type(error).__name__})"


def _fault(data: bytes) -> str:
    """What Pillow does not notice in a damaged JPEG or PNG, or empty.

    It checks no checksum of the pixels, takes a PNG that ends after its last row, and reads the zeros of a JPEG
    whose space is reserved and not yet written as grey; a watched folder meets all of them.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "" if _jpeg_ends(data) else "it is cut short"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png_fault(data)
    return ""


def _jpeg_ends(data: bytes) -> bool:
    """Whether the first picture in a JPEG has its end mark; what programs append after it does not matter."""
    at = 2
    while at + 2 <= len(data):
        if data[at] != 0xFF:
            return True  # out of step: damaged in a way for the decoder to judge
        marker = data[at + 1]
        if marker == 0xD9:
            return True
        if marker == 0xFF:  # padding
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # the marks without a length
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            if marker == 0xDA:
                found = _JPEG_MARKER.search(data, at)
                if found is None:
                    return False
                at = found.start()
    return False


_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # in pixels FF is followed by 00 or a restart mark


def _png_fault(data: bytes) -> str:
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(data):
            break
        if kind[:1].isupper() and zlib.crc32(memoryview(data)[at + 4 : end]) != int.from_bytes(
            data[end : end + 4], "big"
        ):
            return "its checksum is wrong"
        if kind == b"IEND":
            return ""
        at = end + 4
    return "it is cut short"


def _check_size(image: Image.Image, label: str, limits: Limits) -> None:
    width, height = image.size
    if max(width, height) > limits.max_side:
        raise PhotoError(
            f"{label} is too large: {width}×{height}, and the limit is {limits.max_side} pixels a side",
            "scale it down or cut it first",
        )
    if width * height > limits.max_pixels:
        raise PhotoError(
            f"{label} is too large: {width}×{height} is {width * height / 1e6:.4g} megapixels, "
            f"and the limit is {limits.max_pixels / 1e6:.4g}",
            "scale it down first",
        )


def _check_tiff(image: Image.Image, label: str) -> None:
    """Two kinds of TIFF that Pillow opens but reads wrong."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    tags = image.tag_v2
    if _DNG_VERSION in tags:
        raise PhotoError(f"{label} is a camera raw file (DNG)", _RAW_HINT)
    if tags.get(_PLANAR) == 2 and max(tags.get(_BITS, (8,))) > 8:
        # Measured with Pillow 13: it takes the low byte for the value and the first half row for the row.
        raise PhotoError(
            f"{label} is a TIFF with {max(tags[_BITS])}-bit separate colour planes, which cannot be read",
            "save it with interleaved (chunky) channels",
        )


def _more_than_8_bits(image: Image.Image) -> str:
    """ "16-bit" and the like where Pillow will drop bits of its own accord, else empty."""
    layouts = " ".join(str(tile[3]) for tile in image.tile) if isinstance(image, ImageFile.ImageFile) else ""
    if image.mode.startswith("I;16"):
        return "12-bit" if "I;12" in layouts else "16-bit"
    depth = image.info.get("bit_depth", 8)
    if isinstance(depth, int) and depth > 8:
        return f"{depth}-bit"
    return "16-bit" if ";16" in layouts else ""


def _note_frames(image: Image.Image, notes: list[str]) -> None:
    if image.format == "MPO":  # a phone's second picture is a preview or a depth map, no frame
        return
    try:
        frames = getattr(image, "n_frames", 1)
    except Exception:  # the frames after the first may be damaged: they are not used
        frames = 1
    if frames > 1:
        what = {"TIFF": "page", "HEIF": "picture"}.get(image.format or "", "frame")
        notes.append(f"first {what} of {frames}" if what != "picture" else f"main picture of {frames}")


# --- orientation ---------------------------------------------------------------------------------------------


def _orientation(image: Image.Image, notes: list[str]) -> int:
    try:
        turn = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # cameras and editors write every kind of broken EXIF; the pixels are still good
        notes.append("broken EXIF ignored")
        return 1
    return turn if isinstance(turn, int) and turn in _TURNS else 1


_TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """An (H, W) or (H, W, C) array made upright by its EXIF orientation, 1 to 8."""
    return np.ascontiguousarray(_TURNS[orientation](array))
