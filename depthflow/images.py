"""Loads stills, and names and lists them: a path, URL, stream, bytes or array in, a `Photo` out; no depth, no video."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, BinaryIO
from urllib.parse import SplitResult, unquote, urlsplit

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depthflow.errors import PhotoError
from depthflow.images_decode import PHOTO_SUFFIXES, Limits, decode, measure, one_line, reason, refuse_raw, size_text
from depthflow.images_save import save_image
from depthflow.paths import expanded, is_folder

__all__ = [
    "PHOTO_SUFFIXES",
    "Limits",
    "Photo",
    "check_photo",
    "list_photos",
    "load_photo",
    "name_of",
    "open_photo",
    "save_image",
]

DEFAULT_NAME = "photo"
WHITE = 255, 255, 255
"""Behind a transparent photo where no colour is named: most cut-out drawings and logos are dark."""
STDIN = "-"

_SIDECAR = re.compile(r"\.depth\.[^.]+$", re.IGNORECASE)
_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Photo:
    """One still, upright and in sRGB.

    Args:
        pixels: (H, W, 3) uint8, sRGB, row 0 on top; read-only.
        alpha: (H, W) uint8, 255 = opaque, not premultiplied into the pixels; None when opaque everywhere.
        name: stem for output names, safe as a file name on every system.
        source: where it came from, as given, for messages; of a URL without password, folders and query.
        notes: what was done to it, such as "first frame of 12" or "turned by EXIF orientation 6".
        carrier: the whole file, if it seems to carry a depth map of its own; else None.
        orientation: the EXIF orientation that the file says, 1 to 8; the pixels are upright already.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    name: str
    source: str
    notes: tuple[str, ...] = ()
    carrier: bytes | None = field(default=None, repr=False)
    orientation: int = 1

    def __post_init__(self) -> None:
        self.pixels.flags.writeable = False
        if self.alpha is not None:
            self.alpha.flags.writeable = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        height, width = self.pixels.shape[:2]
        return width, height

    def over(self, colour: tuple[int, int, int] = WHITE) -> Photo:
        """The photo laid on a colour (sRGB, 0 to 255), opaque; the photo itself if it is opaque already.

        Mixed as browsers and viewers do it: the sRGB values themselves.
        """
        if self.alpha is None:
            return self
        share = self.alpha[:, :, None].astype(np.float32) / 255
        mixed = self.pixels * share + np.asarray(colour, np.float32) * (1 - share)
        return replace(self, pixels=np.rint(mixed).astype(np.uint8), alpha=None)

    def digest(self) -> str:
        """SHA-256 in hex of what is seen: shape, pixels, alpha; the same for every file that decodes to them."""
        seen = hashlib.sha256(f"{self.size} {self.alpha is not None} ".encode())
        seen.update(np.ascontiguousarray(self.pixels).data)
        if self.alpha is not None:
            seen.update(np.ascontiguousarray(self.alpha).data)
        return seen.hexdigest()


# --- loading -------------------------------------------------------------------------------------------------


def load_photo(
    source: str | Path | bytes, *, limits: Limits | None = None, stdin: BinaryIO | None = None, name: str = ""
) -> Photo:
    """Load a still whole, so that a file cut short is found out here and not in the middle of a render.

    Args:
        source: a path, an http or https URL, "-" for standard input, or the content of a file.
        limits: how large it may be; `Limits()` if None.
        stdin: what "-" reads; the process's own standard input if None.
        name: the stem for output names; by default from the source, see `name_of`.

    Returns:
        The photo: JPEG, PNG, WebP, TIFF, BMP, GIF (first frame), AVIF, HEIC, JPEG 2000 or PNM.

    Raises:
        PhotoError: it is missing, unreadable, no photo, cut short, damaged or too large.
    """
    limits = limits or Limits()
    told = "bytes" if isinstance(source, bytes) else str(source)
    stem = DEFAULT_NAME if isinstance(source, bytes) else name_of(told)
    label = one_line(told)
    if isinstance(source, bytes):
        label, data = "the file", source
    elif source == STDIN:
        label, data = "standard input", _read_stdin(stdin, limits)
    elif not told:
        raise nameless()
    elif isinstance(source, str) and _SCHEME.match(source):
        from depthflow.fetch import fetch

        label = told = shown(source)
        data = fetch(source, max_bytes=limits.max_bytes)
    else:
        data = _read_file(expanded(source), label, limits)
    _check_bytes(len(data), label, limits)
    found = decode(data, label, limits)
    carrier = data if _carries_depth(data) else None
    return Photo(found.pixels, found.alpha, _safe_name(name) or stem, told, found.notes, carrier, found.orientation)


_DEPTH_MARKS = (b"ns.google.com/photos/1.0/depthmap/", b"/1.0/container/item/")
_HEAD = 1 << 20
"""Bytes in which the names of a photo's metadata stand."""


def check_photo(path: Path, *, limits: Limits | None = None, label: str = "") -> tuple[int, int]:
    """Whether a file seems to be a photo that would be taken, by its header alone: no pixel is decoded.

    Args:
        label: what to call it in messages; its path if empty.

    Returns:
        (width, height) in pixels, as they lie in the file.

    Raises:
        PhotoError: as in `load_photo`, as far as a header can tell.
    """
    label, limits = label or one_line(str(path)), limits or Limits()
    with _opened(path, label, limits) as file:
        return measure(file, label, limits)


def _carries_depth(data: bytes) -> bool:
    """Whether a look into the file is worth while: what phones write beside a depth map stands in it."""
    head = data[:_HEAD]
    if not data.startswith(b"\xff\xd8"):
        return b"ftyp" in head[:12] and b"auxC" in head
    # The metadata of further pictures (MPF) lies in these, anywhere in the file.
    return any(mark in head for mark in _DEPTH_MARKS) or (b"MPF\0" in head and b"AuxiliaryImageType" in data)


def open_photo(array: ArrayLike, *, name: str = DEFAULT_NAME) -> Photo:
    """Make a Photo of pixels that are already in memory; they are copied.

    Args:
        array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), sRGB with row 0 on top. uint8 0..255, uint16 0..65535,
            bool, or floats 0..1. The fourth channel is alpha, not premultiplied.
        name: the stem for output names.

    Raises:
        PhotoError: another shape or type, or floats outside 0..1.
    """
    values = np.asarray(array)
    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or values.shape[2] not in (1, 3, 4) or 0 in values.shape:
        raise PhotoError(
            f"the array's shape is {np.shape(array)}", "give (height, width), or (height, width, 1, 3 or 4)"
        )
    levels = _array_to_8bit(values)
    alpha = None
    if levels.shape[2] == 4:
        alpha = None if (levels[:, :, 3] == 255).all() else np.ascontiguousarray(levels[:, :, 3])
        levels = levels[:, :, :3]
    pixels = np.ascontiguousarray(np.broadcast_to(levels, (*levels.shape[:2], 3)))
    return Photo(pixels, alpha, _safe_name(name) or DEFAULT_NAME, "array")


def name_of(source: str) -> str:
    """The stem for output names of a source as `load_photo` takes it: "photo" where it has none of its own."""
    return DEFAULT_NAME if source == STDIN else _safe_name(_path_of(source).stem) or DEFAULT_NAME


def suffix_of(source: str) -> str:
    """The suffix of a source as `load_photo` takes it, as safe in a name as the stem: such as ".jpg", or empty."""
    suffix = _safe_name(_path_of(source).suffix.lstrip("."))
    return f".{suffix}" if suffix else ""


def _path_of(source: str) -> PurePath:
    """The path in an address, or the path itself."""
    return PurePath(unquote(_split(source).path) if _SCHEME.match(source) else source)


def nameless() -> PhotoError:
    """What is said of a photo whose name is empty, as that of a shell's variable that is not set."""
    return PhotoError("the name of a photo is empty", "name a file")


def _array_to_8bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    """A copy, so that what the caller does to the array later does not reach the photo."""
    if values.dtype == np.uint8:
        return values.copy()
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.uint16:
        return np.rint(values * np.float32(1 / 257)).astype(np.uint8)
    if values.dtype.kind != "f":
        raise PhotoError(f"the array's type is {values.dtype}", "give uint8, uint16 or floats in 0..1")
    if not np.isfinite(values).all():
        raise PhotoError("the array has pixels that are no numbers (NaN or infinite)", "replace them first")
    low, high = float(values.min()), float(values.max())
    if low < -1e-3 or high > 1 + 1e-3:  # the margin is what resizing with a sharp filter leaves behind
        raise PhotoError(
            f"the array holds floats from {low:.4g} to {high:.4g}, not 0 to 1", "divide by 255, or clip it first"
        )
    levels: NDArray[np.uint8] = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return levels


def _read_stdin(stdin: BinaryIO | None, limits: Limits) -> bytes:
    stream = stdin if stdin is not None else sys.stdin.buffer
    if stream.isatty():
        raise PhotoError("standard input is a keyboard, no photo", "pipe one in: depthflow render - < photo.jpg")
    return stream.read(limits.max_bytes + 1)


def _read_file(path: Path, label: str, limits: Limits) -> bytes:
    with _opened(path, label, limits) as file:
        return file.read(limits.max_bytes + 1)


@contextmanager
def _opened(path: Path, label: str, limits: Limits) -> Iterator[BinaryIO]:
    """The file, which is not too large as far as it says itself; what the system refuses is a PhotoError."""
    refuse_raw(path.suffix, label)
    try:
        with path.open("rb") as file:
            # A pipe or a device has no size of its own: reading is limited too.
            _check_bytes(os.fstat(file.fileno()).st_size, label, limits)
            yield file
    except PhotoError:
        raise
    except FileNotFoundError:
        raise PhotoError(f"{label} is not there", _nearest(path)) from None
    except IsADirectoryError:
        raise PhotoError(f"{label} is a folder", "give a photo in it") from None
    except NotADirectoryError:
        raise PhotoError(f"{label} is not there: a folder on the way is a file", "check the path") from None
    except PermissionError:
        if os.name == "nt" and path.is_dir():
            raise PhotoError(f"{label} is a folder", "give a photo in it") from None
        raise PhotoError(f"{label} may not be read by this user", "change its permissions, or copy it") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise PhotoError(f"{label} cannot be read: {reason(error)}", "check the disk or the path") from error


def _check_bytes(count: int, label: str, limits: Limits) -> None:
    if count > limits.max_bytes:
        raise PhotoError(
            f"{label} is too large: more than the limit of {size_text(limits.max_bytes)}",
            "scale it down first, or save it as JPEG",
        )


def _nearest(path: Path) -> str:
    """ "did you mean" for a name with a slip in it."""
    try:
        if not is_folder(path.parent):
            return f"the folder {one_line(str(path.parent))} is not there either"
        names = {Path(entry.name).stem: entry.name for entry in os.scandir(path.parent) if is_photo_name(entry.name)}
    except OSError:
        names = {}
    # Without the suffix, which would make any two short names alike.
    near = difflib.get_close_matches(path.stem, names, n=1, cutoff=0.6)
    return f"did you mean {path.with_name(names[near[0]])}?" if near else "check the path"


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # not chained: its text may quote a password
        raise PhotoError("this is no address", "write it as https://host/photo.jpg") from None


def shown(source: str) -> str:
    """A source as it may be told in messages and logs: one line, and of an address no password and no query."""
    if not _SCHEME.match(source):
        return one_line(source)
    try:
        parts = _split(source)
    except PhotoError:
        return "an address"
    last = parts.path.rpartition("/")[2]
    return one_line(f"{parts.scheme}://{parts.hostname or ''}{f'/…/{last}' if last else ''}")


def _safe_name(stem: str) -> str:
    """A stem without what Windows forbids in names, leading dots, and control characters; at most 100 long."""
    kept = "".join(c if c.isprintable() and c not in '<>:"/\\|?*' else "_" for c in stem)
    return kept.strip(" .")[:100].rstrip(" .")


# --- listing -------------------------------------------------------------------------------------------------


def list_photos(paths: Iterable[str], recursive: bool = False) -> list[str]:
    """Expand folders into the photos in them, in natural order (2 before 10); each file once.

    Everything that is not a folder is kept as it is and where it is, so that `load_photo` can say what is wrong
    with it. In folders, dotfiles, other kinds of file and depth maps (`name.depth.png`) are passed over.

    Args:
        paths: files, folders, URLs, "-".
        recursive: whether sub-folders are looked into; links to folders are not followed.

    Raises:
        PhotoError: a folder cannot be read.
    """
    found: dict[str, None] = {}
    for path in paths:
        folder = expanded(path)
        if path != STDIN and not _SCHEME.match(path) and is_folder(folder):
            found.update((str(file), None) for file in _photos_in(folder, recursive))
        else:
            found[path] = None
    return list(found)


def is_photo_name(name: str) -> bool:
    """Whether a file in a folder is taken for a photo, by its name alone."""
    return not name.startswith(".") and Path(name).suffix.lower() in PHOTO_SUFFIXES and not _SIDECAR.search(name)


def _photos_in(folder: Path, recursive: bool) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: _natural(entry.name))
    except OSError as error:
        raise PhotoError(f"{folder} cannot be listed: {reason(error)}", "change its permissions") from error
    for entry in inside:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            if recursive:
                yield from _photos_in(folder / entry.name, recursive)
        elif is_photo_name(entry.name) and entry.is_file():
            yield folder / entry.name


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts], name
