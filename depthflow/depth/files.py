"""Reads and writes depth maps as files: 8/16-bit PNG, TIFF, EXR, NPY, PFM; estimates nothing."""

from __future__ import annotations

import contextlib
import io
import os
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthflow import paths
from depthflow.depth.decode import decode
from depthflow.depth.tensors import PERCENTILE, normalise
from depthflow.errors import DepthError, OutputError, UnknownNameError, UsageError

F32 = NDArray[np.float32]

SIDECAR_SUFFIXES = (".png", ".exr", ".tiff", ".tif", ".npy", ".pfm")
COLORMAPS = ("bone", "cividis", "gray", "inferno", "jet", "magma", "plasma", "turbo", "viridis")
_BITS = {".png": (16, 8), ".tiff": (16, 8, 32), ".tif": (16, 8, 32), ".exr": (32, 16), ".npy": (32,)}
"""Bits per sample that each suffix allows, the usual first."""
_ASPECT = 0.02
"""Depth maps may be this much wider or narrower than the photo: networks round to their multiples."""


def load_depth(
    path: str | Path,
    *,
    photo_size: tuple[int, int] | None,
    invert: bool = False,
    stretch: bool = False,
    percentile: float = PERCENTILE,
) -> F32:
    """Read a depth map that the user supplies.

    Integers (8, 16 or 32 bits) are divided by the largest number of their type, so that the range the user
    drew is kept: 16-bit values of 0 to 30000 give a depth of 0 to 0.46. Floats within [0, 1] are taken as
    they are. Other floats are spread between two percentiles (the 0.5th and 99.5th by default); if they are
    distances (invert, and all positive) 1/value is, because a depth map is linear in inverse depth.
    Undefined pixels (NaN, infinity) take the value of the nearest defined one.

    Args:
        path: PNG, TIFF, EXR, NPY, PFM, or a grey picture in another format of docs/depth.md.
        photo_size: (width, height) of its photo, to compare the shapes; None: do not compare.
        invert: small values are near.
        stretch: it may have another shape than the photo, to be stretched over it.
        percentile: percent of the pixels that may be cut off at each end, of floats beyond [0, 1].

    Returns:
        (H, W) float32 in [0, 1], 1 = nearest, of the file's own size.

    Raises:
        DepthError: missing, empty, damaged, in colour, undefined for the most part, or of another shape.
    """
    path = paths.expanded(path)
    values = decode(path)
    if photo_size is not None and not stretch:
        check_shape(path, (values.shape[1], values.shape[0]), photo_size)
    if values.dtype.kind in "ui":
        # float32 holds 16 bits whole, and takes a quarter of the time.
        kind = np.float32 if values.dtype.itemsize <= 2 else np.float64
        shares = np.divide(values, float(np.iinfo(values.dtype).max), dtype=kind, casting="unsafe")
        depth: F32 = np.clip(shares, 0.0, 1.0, out=shares).astype(np.float32, copy=False)
        return 1.0 - depth if invert else depth
    with np.errstate(invalid="ignore"):  # signalling NaNs of damaged files
        floats = values.astype(np.float64)
    return _from_floats(path, floats, invert, percentile)


def check_shape(path: Path, size: tuple[int, int], photo: tuple[int, int]) -> None:
    """Whether a depth map of this (width, height) is one of a photo of that.

    Raises:
        DepthError: it is not.
    """
    ratio = (size[0] * photo[1]) / (size[1] * photo[0])
    # One pixel more or less in a small map is rounding too.
    slack = max(_ASPECT, 1.0 / min(size), 1.0 / min(photo))
    if 1 / (1 + slack) <= ratio <= 1 + slack:
        return
    turned = (size[1] * photo[1]) / (size[0] * photo[0])
    looks = "it looks turned by a quarter; " if 1 / (1 + slack) <= turned <= 1 + slack else ""
    raise DepthError(
        f"{path}: the depth map is {size[0]}x{size[1]}, not the shape of the photo, {photo[0]}x{photo[1]}",
        f"{looks}make it from the same picture, uncropped, or stretch it over the photo with --stretch-depth",
    )


def _from_floats(path: Path, values: NDArray[np.float64], invert: bool, percentile: float) -> F32:
    finite = np.isfinite(values)
    share = float(finite.mean())
    if share < 0.5:
        raise DepthError(f"{path}: {1 - share:.0%} of the depth map is NaN or infinite", "fill the holes first")
    if share < 1.0:
        values = fill_nearest(values, finite)
    low, high = float(values.min()), float(values.max())
    if low >= 0.0 and high <= 1.0:
        depth = values.astype(np.float32)
        return 1.0 - depth if invert else depth
    if invert and low > 0.0:
        return normalise((1.0 / values).astype(np.float32), percentile, 100 - percentile)
    # The largest float32 is 3e38; a file of float64 may hold more.
    depth = normalise((values / max(abs(low), abs(high))).astype(np.float32), percentile, 100 - percentile)
    return 1.0 - depth if invert else depth


def fill_nearest(values: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give every pixel that is not good the value of the nearest good one (at least one must be)."""
    from depthflow.opencv import cv2

    _, labels = cv2.distanceTransformWithLabels(
        (~good).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # Every good pixel has a label of its own: the table turns labels back into values.
    table = np.zeros(int(labels.max()) + 1, np.float64)
    table[labels[good]] = values[good]
    filled: NDArray[np.float64] = table[labels]
    return filled


def sidecar(photo: str | Path) -> Path | None:
    """The depth map that lies beside a photo, if there is one.

    For `cat.jpg`: `cat.jpg.depth.png`, then `cat.depth.png`, and the same with .exr .tiff .tif .npy .pfm.
    """
    photo = Path(photo)
    for stem in (photo.name, photo.stem):
        for suffix in SIDECAR_SUFFIXES:
            candidate = photo.with_name(f"{stem}.depth{suffix}")
            # Not `is_file` of pathlib: it fails on names that are too long by the suffix, which are not there for sure.
            if candidate != photo and os.path.isfile(candidate):  # noqa: PTH113
                return candidate
    return None


def save_depth(
    depth: F32,
    path: str | Path,
    *,
    bits: int | None = None,
    colormap: str | None = None,
    overwrite: bool = True,
) -> Path:
    """Write a depth map; the suffix decides the format. The file appears whole or not at all.

    Args:
        depth: (H, W) float32 in [0, 1], 1 = nearest; written white = near.
        path: .png, .tiff or .tif (8 or 16 bits; TIFF also 32 = float), .exr (16 = half, or 32), .npy (float).
        bits: per sample; None: 16 for PNG and TIFF, 32 for EXR and NPY.
        colormap: one of COLORMAPS: an 8-bit colour picture (PNG or TIFF) for people; it is not read back.
        overwrite: replace a file that is there.

    Raises:
        UsageError: unknown suffix, or bits that the format lacks.
        UnknownNameError: unknown colour map.
        OutputError: it cannot be written there, or exists and may not be replaced.
    """
    path = Path(path)
    kind, bits = check_format(path, bits, colormap)
    # Encode first: no temporary file appears for a request that fails.
    depth = np.clip(np.nan_to_num(np.asarray(depth, np.float32)), 0.0, 1.0)
    samples = colour(depth, colormap) if colormap is not None else _samples(depth, bits)
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: already there", "add --overwrite, or choose another name with -o")
    _write(path, kind, samples, bits)
    return path


def check_format(path: Path, bits: int | None, colormap: str | None) -> tuple[str, int]:
    """(suffix in lower case, bits per sample) that save_depth will write.

    Raises:
        UsageError, UnknownNameError: as save_depth.
    """
    kind = path.suffix.lower()
    if kind not in _BITS:
        raise UsageError(f"{path}: {kind or 'no suffix'} is no format for depth maps", f"use {', '.join(_BITS)}")
    if colormap is not None:
        if colormap not in COLORMAPS:
            raise UnknownNameError("colour map", colormap, COLORMAPS)
        if kind not in (".png", ".tiff", ".tif"):
            raise UsageError(f"{path}: a colour map needs PNG or TIFF", "leave out --colormap, or write .png")
        if bits not in (None, 8):
            raise UsageError(f"a colour map has 8 bits, not {bits}", "leave out --bits")
        return kind, 8
    if bits is not None and bits not in _BITS[kind]:
        raise UsageError(f"{kind} has no {bits} bits", f"allowed: {', '.join(map(str, _BITS[kind]))}")
    return kind, bits or _BITS[kind][0]


def colour(depth: F32, name: str) -> NDArray[np.uint8]:
    """Depth in [0, 1] -> (H, W, 3) uint8 RGB through a colour map.

    Raises:
        UnknownNameError: it is none of COLORMAPS.
    """
    from depthflow.opencv import cv2

    if name not in COLORMAPS:
        raise UnknownNameError("colour map", name, COLORMAPS)
    grey = np.asarray(np.rint(depth * 255), np.uint8)
    if name == "gray":
        return np.stack([grey] * 3, axis=2)
    bgr = cv2.applyColorMap(grey, int(getattr(cv2, f"COLORMAP_{name.upper()}")))
    return np.ascontiguousarray(np.asarray(bgr, np.uint8)[:, :, ::-1])


def _samples(depth: F32, bits: int) -> NDArray[Any]:
    if bits == 32:
        return depth
    whole: NDArray[Any] = np.rint(depth * np.float32(2**bits - 1)).astype(f"u{bits // 8}")
    return whole


def _write(path: Path, kind: str, samples: NDArray[Any], bits: int) -> None:
    temp: Path | None = None
    try:
        temp = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.part{kind}")
        if kind == ".exr":
            _write_exr(temp, samples, bits)
        else:
            temp.write_bytes(_encode(samples, kind))
        temp.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{path}: cannot be written: {reason}", "choose another place with -o") from None
    finally:
        if temp is not None:
            with contextlib.suppress(OSError):
                temp.unlink()


def _encode(samples: NDArray[Any], kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == ".npy":
        np.save(buffer, samples, allow_pickle=False)
    else:
        from PIL import Image

        image = Image.fromarray(samples)
        if kind == ".png":
            image.save(buffer, "PNG", compress_level=6)
        else:
            image.save(buffer, "TIFF", compression="tiff_deflate")
    return buffer.getvalue()


def _write_exr(path: Path, samples: NDArray[Any], bits: int) -> None:
    import OpenEXR

    values = samples.astype(np.float32)
    # Y, not Z: by convention Z is a distance, and larger is nearer here.
    plane = (values / 65535.0).astype(np.float16) if bits == 16 else values
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    try:
        with OpenEXR.File(header, {"Y": np.ascontiguousarray(plane)}) as file:
            file.write(str(path))
    except (RuntimeError, ValueError) as error:
        raise OSError(str(error)) from None
