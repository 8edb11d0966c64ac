"""From whatever colours an image file holds to 8-bit sRGB: profiles, deep greys, inks, transparency."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, TiffImagePlugin

from depthflow.errors import PhotoError

_PHOTOMETRIC, _BITS, _SAMPLE_FORMAT = 262, 258, 339  # TIFF tags
_STRIP_PIXELS = 1 << 20


def grey_to_8bit(values: NDArray[Any], label: str, notes: list[str], full: float = 0.0) -> NDArray[np.uint8]:
    """Scale grey values of any type to 0..255, so that the brightest possible value becomes white.

    Args:
        values: (H, W), integers or floats.
        full: the value that means white; 0 to guess it: 1, 255 or 65535, whichever is the first that the
            values stay within, else the brightest value there is.

    Raises:
        PhotoError: a float is NaN or infinite.
    """
    if values.dtype == np.uint16 and full in (0.0, 65535.0):
        return np.asarray(np.round(np.arange(65536) / 257).astype(np.uint8)[values])
    if not np.isfinite(values).all():
        raise PhotoError(f"{label} has pixels that are no numbers (NaN or infinite)", "replace them and save it again")
    low, high = float(values.min()), float(values.max())
    if not full:
        full = _white_of(low, high, values.dtype.kind == "f")
    if not full:
        full = high
        notes.append(f"grey values {low:.4g} to {high:.4g} stretched to black and white")
    black = min(low, 0.0)
    span = (full - black) or 1.0
    scaled = (values.astype(np.float32) - np.float32(black)) * np.float32(255 / span)
    return np.asarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _white_of(low: float, high: float, floats: bool) -> float:
    """The usual white that values within [low, high] are meant against; 0 if there is none."""
    if low < 0:
        return 0.0
    if floats and high <= 1:
        return 1.0
    if floats and high < 16:  # highlights above 1: a photo of 0..255 has brighter pixels than 16
        return 0.0
    return next((white for white in (255.0, 65535.0) if high <= white), 0.0)


def to_srgb(image: Image.Image, label: str, notes: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Any of Pillow's modes to (H, W, 3) sRGB and (H, W) alpha or None."""
    profile = image.info.get("icc_profile")
    if image.info.get("nclx_profile", {}).get("transfer_characteristics") in (16, 18):  # PQ, HLG
        notes.append("high dynamic range read as if it were standard")
    alpha = None
    if image.mode[0] in "IF":
        image = Image.fromarray(_deep_grey(image, label, notes))
    elif image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
        coverage = _pixels(image.getchannel("A"))
        alpha = None if (coverage == 255).all() else coverage
        image = image.convert(image.mode[:-1])
    if image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "RGB", "CMYK"):
        if image.mode == "LAB":  # its colours mean the same everywhere, and a profile for it says nothing more
            profile = None
        image = image.convert("RGB")
    if isinstance(profile, bytes) and profile:
        image = _through_profile(image, profile, notes)
    if image.mode == "L":
        return np.repeat(_pixels(image)[:, :, None], 3, axis=2), alpha
    return _pixels(image if image.mode == "RGB" else image.convert("RGB")), alpha


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels of mode L or RGB. By strips, for at once Pillow copies them twice: 1.2 GB at 200 megapixels."""
    shape = (image.height, image.width) if image.mode == "L" else (image.height, image.width, 3)
    pixels = np.empty(shape, np.uint8)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        pixels[top : top + rows] = np.asarray(strip)
    return pixels


def _deep_grey(image: Image.Image, label: str, notes: list[str]) -> NDArray[np.uint8]:
    """Modes I;16*, I and F, which Pillow itself would clip to white instead of scaling."""
    values = np.asarray(image)
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    if image.mode.startswith("I;16"):
        values = values.astype(np.uint16)
        # 12 bits packed into a TIFF arrive as 0..4095.
        full = 4095.0 if tags.get(_BITS) == (12,) else 65535.0
    elif image.mode == "I":
        if tags.get(_SAMPLE_FORMAT, (1,))[0] != 2:
            values = values.view(np.uint32)  # Pillow holds unsigned 32 bits in a signed mode
        full = 65535.0 if image.format == "PPM" else 0.0
    else:
        full = 0.0
    grey = grey_to_8bit(values, label, notes, full)
    # "0 is white" is honoured by Pillow for 8 bits and fewer only.
    return 255 - grey if tags.get(_PHOTOMETRIC) == 0 else grey


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def _through_profile(image: Image.Image, icc: bytes, notes: list[str]) -> Image.Image:
    """Convert from the embedded colour profile to sRGB; a grey image stays in mode L.

    A profile that is broken, or made for another kind of image, is left out with a note: the photo shown with
    slightly wrong colours serves better than none.
    """
    grey = image.mode == "L"
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        mode = _PROFILE_MODES.get(str(profile.profile.xcolor_space).strip(), "")
        if mode != image.mode and not (grey and mode == "RGB"):
            notes.append("colour profile ignored: it is for another kind of image")
            return image
        transform = ImageCms.buildTransform(
            profile,
            _srgb(),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        # Most profiles are sRGB under one of many names: find out by measuring, and then leave the pixels alone.
        if mode in ("L", "RGB"):
            probe = _probe(mode)
            shift = np.abs(np.asarray(transform.apply(probe), np.int16) - np.asarray(probe.convert("RGB"), np.int16))
            if shift.max() <= 1:
                return image
        converted = transform.apply(image.convert(mode))
        name = " ".join(str(profile.profile.profile_description or "embedded profile").split())
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        notes.append("broken colour profile ignored")
        return image
    notes.append(f"colours converted from {name[:60]}")
    return converted.getchannel("G") if grey else converted


@cache
def _probe(mode: str) -> Image.Image:
    """Colours all over the cube, or all greys."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)
    return Image.fromarray(cube.reshape(27, 27, 3))
