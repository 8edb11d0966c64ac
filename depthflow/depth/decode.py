"""Decodes a depth file into numbers as they stand there; what they mean is decided in files.py."""

from __future__ import annotations

import contextlib
import io
import math
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthflow.errors import DepthError

MAX_PIXELS = 200_000_000
"""A header that claims more is refused before anything is allocated."""
MAX_BYTES = 2_000_000_000

_KINDS = "use PNG (8 or 16 bits), TIFF, EXR, NPY or PFM"
_PICTURES = ("PNG", "TIFF", "JPEG", "WEBP", "PPM", "BMP", "GIF", "JPEG2000", "AVIF", "TGA")
"""Of the formats that Pillow knows; some of the others run other programs (EPS)."""
_EXR_NAMES = ("z", "depth", "disparity", "y", "v", "l")
_ALIKE = 2.5 / 255
"""Channels of a grey picture may differ by this after a lossy save."""


def decode(path: Path) -> NDArray[Any]:
    """The file's numbers, (H, W), in their own type; the kind of file is told by its content, not its name.

    Raises:
        DepthError: missing, empty, cut short, no picture, too large, or coloured; names the file.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DepthError(f"{path}: {size / 1e9:.1f} GB is too large for a depth map", _KINDS)
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DepthError(f"{path}: no such depth file", "check the path") from None
    except OSError as error:
        raise DepthError(f"{path}: cannot be read: {error.strerror or error}", "check the path") from None
    if not raw:
        raise DepthError(f"{path}: the depth file is empty (0 bytes)", "save it again")
    try:
        if raw.startswith(b"\x76\x2f\x31\x01"):
            values = _exr(path, raw)
        elif raw.startswith(b"\x93NUMPY"):
            values = _npy(raw)
        elif raw[:3] in (b"Pf\n", b"PF\n", b"Pf ", b"PF "):
            values = _pfm(raw)
        else:
            values = picture(raw)
    except _BadFileError as error:
        raise DepthError(f"{path}: {error}", error.hint) from None
    except MemoryError:
        raise DepthError(f"{path}: not enough memory to read it", "use a smaller depth map") from None
    return values


class _BadFileError(ValueError):
    """What is wrong with the file, without its name."""

    def __init__(self, text: str, hint: str = _KINDS) -> None:
        super().__init__(text)
        self.hint = hint


def _damaged(why: object) -> _BadFileError:
    text = " ".join(str(why).split()) or type(why).__name__
    return _BadFileError(f"damaged or cut short ({text})", "save or copy it again")


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise _BadFileError("the depth map has no pixels")
    if width * height > MAX_PIXELS:
        raise _BadFileError(f"{width}x{height} pixels are too many (at most {MAX_PIXELS // 10**6} million)")


def _grey(values: NDArray[Any]) -> NDArray[Any]:
    """(H, W), (H, W, 1) or three to four equal channels -> (H, W).

    Raises:
        _BadFileError: the channels differ: a colour map, from which depth cannot be read back faithfully.
    """
    if values.ndim == 2:
        return values
    if values.ndim != 3 or values.shape[2] > 4:
        raise _BadFileError(f"an array of {'x'.join(map(str, values.shape))} is no single depth map")
    colours = values[:, :, : values.shape[2] if values.shape[2] in (1, 3) else values.shape[2] - 1]
    first = colours[:, :, 0]
    if colours.shape[2] == 3:
        full = float(np.iinfo(values.dtype).max) if values.dtype.kind in "ui" else 1.0
        spread = np.ptp(colours.astype(np.float32), axis=2)
        # Of every thousand pixels one may be off: lossy files ring at edges.
        if float(np.percentile(np.nan_to_num(spread), 99.9)) > _ALIKE * full:
            raise _BadFileError(
                "the depth map is in colour, and a colour map cannot be read back as depth",
                "save it as greyscale (8 or 16 bits), or without --colormap",
            )
    return np.ascontiguousarray(first)


def picture(raw: bytes) -> NDArray[Any]:
    """A grey PNG, TIFF, JPEG, WebP, PGM and the like, (H, W) in its own type.

    Raises:
        ValueError: damaged, no picture, too large, or coloured; names no file.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Of too many pixels (MAX_PIXELS decides) and of odd tags (the decoder decides).
            warnings.simplefilter("ignore")
            return _pillow(Image.open(io.BytesIO(raw), formats=_PICTURES), raw)
    except UnidentifiedImageError:
        # Pillow knows no TIFF of 64-bit floats.
        if raw[:4] in (b"II*\0", b"MM\0*") and (values := _opencv(raw)) is not None:
            return _grey(values)
        raise _BadFileError("damaged, or not a picture that can be read as a depth map") from None
    except Image.DecompressionBombError:
        raise _BadFileError("the depth map claims far too many pixels") from None
    except (_BadFileError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise whatever they stumble over
        raise _damaged(error) from None


def _pillow(image: Any, raw: bytes) -> NDArray[Any]:
    _check_size(*image.size)
    # cv2 keeps 16 bits in colour and floats of every width, where Pillow cuts to 8 or refuses; but of a PNG
    # cut short it returns the torso as if it were whole, which Pillow does not.
    if image.format == "TIFF" and (values := _opencv(raw)) is not None:
        return _grey(values)
    image.load()
    if image.mode in ("L", "F", "I", "1") or image.mode.startswith("I;16"):
        values = np.asarray(image.convert("L") if image.mode == "1" else image)
        # Some versions widen 16-bit greys to 32.
        return values.astype(np.uint16) if image.mode == "I" and image.format in ("PNG", "PPM") else values
    if (values := _opencv(raw)) is not None:
        return _grey(values)
    return _grey(np.asarray(image.convert("RGB")))


def _opencv(raw: bytes) -> NDArray[Any] | None:
    from depthflow.opencv import cv2

    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        values = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)
    return None if values is None else np.asarray(values)


def _exr(path: Path, raw: bytes) -> NDArray[Any]:
    import OpenEXR

    # OpenEXR reads by name only; bytes that were checked a moment ago lie in a file of our own, because a
    # name with characters outside the locale fails on Windows.
    handle, name = tempfile.mkstemp(suffix=".exr")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        with OpenEXR.File(name, separate_channels=True) as exr:
            channels = {key: np.array(value.pixels) for key, value in exr.channels().items()}
    except Exception as error:
        # The binding raises RuntimeError, ValueError and its own types alike.
        raise _damaged(str(error).replace(name, path.name)) from None
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink()
    return _exr_depth(channels)


def _exr_depth(channels: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """The channel that holds depth: the only one, one named so, or equal R, G, B."""
    by_name = {key.rsplit(".", 1)[-1].lower(): value for key, value in channels.items()}
    if len(channels) == 1:
        return _grey(next(iter(channels.values())))
    for name in _EXR_NAMES:
        if name in by_name:
            return _grey(by_name[name])
    if {"r", "g", "b"} <= set(by_name):
        return _grey(np.stack([by_name[name] for name in "rgb"], axis=2))
    raise _BadFileError(f"none of the EXR channels {', '.join(channels)} is depth", "name the channel Z or Y")


def _npy(raw: bytes) -> NDArray[Any]:
    file = io.BytesIO(raw)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject or dtype.kind not in "uif":
            raise _BadFileError(f"an array of {dtype} is no depth map", "save it as float32 or uint16")
        if math.prod(shape) > MAX_PIXELS * 4:
            raise _BadFileError("the array is too large")
        file.seek(0)
        values: NDArray[Any] = np.load(file, allow_pickle=False)
    except (_BadFileError, MemoryError):
        raise
    except Exception as error:  # the header is Python, and fails in any way
        raise _damaged(error) from None
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim not in (2, 3):
        raise _BadFileError(f"an array of {'x'.join(map(str, values.shape))} is no single depth map")
    _check_size(values.shape[1], values.shape[0])
    return _grey(values)


def _pfm(raw: bytes) -> NDArray[Any]:
    """Portable float map: "Pf", width height, scale (negative: little-endian), rows from the bottom up."""
    try:
        parts = raw[:200].split(maxsplit=4)
        kind, width, height, scale = parts[0], int(parts[1]), int(parts[2]), float(parts[3])
        # Exactly one white-space byte ends the header; the samples may begin with one.
        start = 0
        for part in parts[:4]:
            start = raw.index(part, start) + len(part)
        start += 1
    except (ValueError, IndexError):
        raise _BadFileError("the PFM header is damaged", "save it again") from None
    _check_size(width, height)
    channels = 3 if kind == b"PF" else 1
    count = width * height * channels
    if len(raw) - start < count * 4:
        raise _BadFileError("the PFM file is cut short", "save or copy it again")
    values = np.frombuffer(raw, "<f4" if scale < 0 else ">f4", count, start)
    shaped = values.reshape(height, width, channels)[::-1].astype(np.float32)
    return _grey(shaped)
