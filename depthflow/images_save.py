"""Writes a still under its final name only when it is whole; it knows nothing of where the pixels came from."""

from __future__ import annotations

import errno
import io
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from depthflow import paths
from depthflow.errors import OutputError
from depthflow.images_decode import one_line, reason

QUALITY = 92

_WRITERS: dict[str, str] = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".avif": "AVIF",
}
_DEEP_SUFFIXES = (".png", ".tif", ".tiff")
_NO_ALPHA = (".jpg", ".jpeg", ".bmp")


def save_image(pixels: NDArray[np.uint8] | NDArray[np.uint16], path: str | Path, quality: int = QUALITY) -> None:
    """Write a still so that the final name never holds half a file; what was there before is replaced.

    Args:
        pixels: (H, W), (H, W, 3) or (H, W, 4) uint8, sRGB; or (H, W) uint16 grey, as PNG or TIFF only.
        path: its suffix chooses the format: .jpg .png .webp .tiff .bmp .avif.
        quality: 1 to 100, for JPEG, WebP and AVIF.

    Raises:
        OutputError: no such format, pixels that the format cannot hold, no such folder, no permission, no space.
    """
    target = paths.expanded(path)
    _write_whole(target, _encode(pixels, target, quality))


def _encode(pixels: NDArray[Any], target: Path, quality: int) -> bytes:
    suffix = target.suffix.lower()
    if suffix not in _WRITERS:
        raise OutputError(f"{target}: unknown kind of image {suffix!r}", f"known: {' '.join(_WRITERS)}")
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    deep = pixels.dtype == np.uint16 and pixels.ndim == 2
    if not deep and not (pixels.dtype == np.uint8 and pixels.ndim in (2, 3) and channels in (1, 3, 4)):
        raise OutputError(
            f"{target}: cannot write {pixels.dtype} pixels of shape {pixels.shape}",
            "give uint8 (H, W), (H, W, 3) or (H, W, 4), or uint16 (H, W)",
        )
    if deep and suffix not in _DEEP_SUFFIXES:
        raise OutputError(f"{target}: {suffix} holds no 16-bit grey", "write .png or .tiff")
    if channels == 4 and suffix in _NO_ALPHA:
        raise OutputError(f"{target}: {suffix} holds no transparency", "write .png or .webp")
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.ndim == 3 and channels == 1 else pixels))
    options: dict[str, Any] = {}
    if suffix in (".jpg", ".jpeg"):
        # 4:4:4: a halved chroma bleeds red edges, and these files are often looked at closely.
        options = {"quality": quality, "subsampling": 0, "optimize": True}
    elif suffix in (".webp", ".avif"):
        options = {"quality": quality}
    elif suffix in (".tif", ".tiff"):
        options = {"compression": "tiff_lzw"}
    buffer = io.BytesIO()
    try:
        image.save(buffer, _WRITERS[suffix], **options)
    except (OSError, ValueError) as error:  # WebP ends at 16383 pixels a side, JPEG at 65535
        raise OutputError(
            f"{target}: {suffix} cannot hold {image.width}×{image.height}: {reason(error)}", "write .png"
        ) from error
    return buffer.getvalue()


def _write_whole(target: Path, data: bytes) -> None:
    """Write beside the target under a hidden name, flush to disk, then rename over it."""
    # Not tempfile.mkstemp: its files are readable by their owner only, whatever the umask says.
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if target.is_dir():  # os.replace's own message differs from system to system
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        hints = {
            errno.ENOENT: "make the folder first",
            errno.ENOTDIR: "check the path",
            errno.EISDIR: "name a file in it",
            errno.ENOSPC: "free some space, or write elsewhere",
            errno.EDQUOT: "free some space, or write elsewhere",
            errno.EACCES: "write into a folder of your own",
            errno.EPERM: "write into a folder of your own",
            errno.EROFS: "write elsewhere",
        }
        hint = hints.get(error.errno or 0, "write elsewhere")
        raise OutputError(f"{one_line(str(target))} cannot be written: {reason(error)}", hint) from error
