"""The output formats as one table, and what can be said against a request before any frame is drawn.

A format is a codec in a container. It knows nothing of the encoders that make it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePath
from typing import Literal

from depthflow.errors import UnknownNameError, UsageError

Kind = Literal["video", "animation", "images"]

_NUMBERED = re.compile(r"((?:[^%]|%%)*)%0?(\d*)d((?:[^%]|%%)*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FormatInfo:
    """One output format.

    Attributes:
        name: as in the job: "mp4", "prores4444" ...
        title: a few words for people.
        suffixes: of its files, the usual one first.
        codec: what encoders are looked up by.
        muxer: ffmpeg's name of the container, where the suffix asks for no other.
        kind: a video, an animation that image viewers show too, or one file per frame.
        pixel_format: what the encoder is given.
        alpha_format: the same with transparency; None where the format has none.
        apart: opacity is a picture of its own beside the colours, grey.
        full_range: YUV in full range (JPEG).
        even: width and height are multiples of these.
        max_side: longest side in pixels.
        max_fps: fastest rate that its timing can tell.
        audio: ffmpeg's name of the sound encoder; None where the format is silent.
        metadata: it has a place for texts such as a comment.
        crf: its quality is set by a rate factor or something like it.
        merges: neighbours that are equal may be stored as one frame that lasts longer.
        bits: per pixel of a frame, about: a photo in parallax at 1080p and quality 75.
        tag: code of the codec in the container, where players insist on one.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    codec: str
    muxer: str
    kind: Kind = "video"
    pixel_format: str = "yuv420p"
    alpha_format: str | None = None
    full_range: bool = False
    even: tuple[int, int] = (1, 1)
    max_side: int = 16384
    max_fps: float = 1000.0
    audio: str | None = None
    metadata: bool = False
    crf: bool = True
    merges: bool = False
    bits: float = 0.2
    tag: str | None = None
    apart: bool = False

    @property
    def suffix(self) -> str:
        """The usual suffix, with its dot."""
        return self.suffixes[0]

    @property
    def alpha(self) -> bool:
        """It keeps transparency."""
        return self.alpha_format is not None

    @property
    def fits(self) -> bool:
        """It can be made to fit a number of bytes."""
        return self.crf or self.name in ("gif", "webp")

    def muxer_for(self, suffix: str) -> str:
        """ffmpeg's name of the container for a file with this suffix."""
        return _MUXERS.get(suffix.lower(), self.muxer) if self.kind == "video" else self.muxer


_MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}

_TABLE = (
    FormatInfo(
        "mp4", "H.264, plays everywhere", (".mp4", ".m4v", ".mov", ".mkv"), "h264", "mp4",
        even=(2, 2), audio="aac", metadata=True,
    ),
    FormatInfo(
        "hevc", "H.265, smaller than H.264", (".mp4", ".m4v", ".mov", ".mkv"), "hevc", "mp4",
        even=(2, 2), audio="aac", metadata=True, tag="hvc1",
    ),
    FormatInfo(
        "hevc10", "H.265 with 10 bits: smooth gradients", (".mp4", ".m4v", ".mov", ".mkv"), "hevc10", "mp4",
        pixel_format="yuv420p10le", even=(2, 2), audio="aac", metadata=True, tag="hvc1",
    ),
    FormatInfo(
        "av1", "AV1, smallest", (".mp4", ".mkv"), "av1", "mp4", even=(2, 2), audio="aac", metadata=True,
    ),
    FormatInfo(
        "webm", "VP9 for the web, may be transparent", (".webm",), "vp9", "webm",
        alpha_format="yuva420p", even=(2, 2), audio="libopus", metadata=True,
    ),
    FormatInfo(
        "prores", "ProRes 422 HQ for editing", (".mov",), "prores", "mov",
        pixel_format="yuv422p10le", even=(2, 1), audio="pcm_s16le", metadata=True, crf=False, bits=3.8,
    ),
    FormatInfo(
        "prores4444", "ProRes 4444 for editing, may be transparent", (".mov",), "prores4444", "mov",
        pixel_format="yuv444p10le", alpha_format="yuva444p10le", audio="pcm_s16le", metadata=True, crf=False, bits=5.6,
    ),
    FormatInfo(
        "ffv1", "FFV1, lossless, may be transparent", (".mkv",), "ffv1", "matroska",
        pixel_format="bgr0", alpha_format="bgra", audio="flac", metadata=True, crf=False, bits=4.0,
    ),
    FormatInfo(
        "gif", "GIF with a palette of its own", (".gif",), "gif", "gif", kind="animation",
        pixel_format="pal8", alpha_format="pal8", max_fps=50.0, max_side=65535, crf=False, merges=True, bits=4.2,
    ),
    FormatInfo(
        "webp", "animated WebP", (".webp",), "webp", "webp", kind="animation",
        pixel_format="bgra", alpha_format="bgra", max_side=16383, crf=False, merges=True, bits=1.0,
    ),
    FormatInfo(
        "apng", "animated PNG, lossless", (".apng", ".png"), "apng", "apng", kind="animation",
        pixel_format="rgb24", alpha_format="rgba", crf=False, merges=True, bits=11.5,
    ),
    FormatInfo(
        "avif", "animated AVIF", (".avif",), "av1", "avif", kind="animation", alpha_format="yuv420p", apart=True,
        even=(2, 2),
    ),
    FormatInfo(
        "png", "PNG images in a folder, or one poster", (".png",), "png", "image2", kind="images",
        pixel_format="rgb24", alpha_format="rgba", crf=False, bits=11.5,
    ),
    FormatInfo(
        "jpg", "JPEG images in a folder, or one poster", (".jpg", ".jpeg"), "mjpeg", "image2", kind="images",
        pixel_format="yuvj444p", full_range=True, crf=False, bits=1.4,
    ),
)  # fmt: skip

FORMATS: dict[str, FormatInfo] = {info.name: info for info in _TABLE}

_BY_SUFFIX = {
    ".mp4": "mp4", ".m4v": "mp4", ".mkv": "mp4", ".mov": "prores", ".webm": "webm", ".gif": "gif",
    ".webp": "webp", ".apng": "apng", ".avif": "avif", ".png": "png", ".jpg": "jpg", ".jpeg": "jpg",
}  # fmt: skip
"""What a suffix means where no format is named: never something huge by surprise, so .mkv is not lossless."""

DEFAULT = FORMATS["mp4"]


def looks_like_a_file(path: str) -> bool:
    """It ends in the suffix of a format, and not in a slash."""
    return not path.endswith(("/", os.sep)) and PurePath(path).suffix.lower() in _BY_SUFFIX


def format_for(path: str | None, format: str | None) -> FormatInfo:  # noqa: A002 - the job's own word
    """The format of one output.

    Args:
        path: where it goes, None if that is not decided yet.
        format: its name; None takes it from the path's suffix, and mp4 where there is no path.

    Raises:
        UsageError: the suffix is not known, or belongs to another format. UnknownNameError: the name.
    """
    suffix = PurePath(path).suffix.lower() if path else ""
    if format is not None:
        if format not in FORMATS:
            raise UnknownNameError("output format", format, FORMATS)
        info = FORMATS[format]
        if suffix in _BY_SUFFIX and suffix not in info.suffixes:
            others = [other.name for other in _TABLE if suffix in other.suffixes]
            raise UsageError(
                f"{path}: a {suffix} file cannot hold {format}",
                f"end the name in {' or '.join(info.suffixes)}, or choose the format {' or '.join(others)}",
            )
        return info
    if path is None:
        return DEFAULT
    if suffix not in _BY_SUFFIX:
        what = f"the suffix {suffix!r} is not known" if suffix else "the name has no suffix"
        raise UsageError(
            f"{path}: no format: {what}",
            f"use one of {' '.join(_BY_SUFFIX)}, or name a format: {', '.join(FORMATS)}",
        )
    return FORMATS[_BY_SUFFIX[suffix]]


def even_size(width: int, height: int, format: FormatInfo) -> tuple[tuple[int, int], str]:  # noqa: A002
    """The nearest smaller frame size that the format can hold, and a note if that is another one.

    Returns:
        ((width, height), note); the note is empty when nothing changed.
    """
    across, down = format.even
    size = max(across, width - width % across), max(down, height - height % down)
    if size == (width, height):
        return size, ""
    even = "an even width" if down == 1 else "an even width and height"
    return size, f"{format.name} needs {even}: {width}x{height} becomes {size[0]}x{size[1]}"


def check_output(
    format: FormatInfo,  # noqa: A002
    *,
    path: str | None = None,
    width: int | None = None,
    height: int | None = None,
    fps: float | Fraction | None = None,
    frames: int | None = None,
    alpha: bool = False,
    crf: int | None = None,
    audio: bool = False,
    target_bytes: int | None = None,
    bitrate: int | None = None,
) -> None:
    """Say what a format cannot do; whoever makes frames asks before the first one.

    Raises:
        UsageError: with the way out in its hint.
    """
    name = format.name
    if alpha and not format.alpha:
        raise UsageError(f"{name} keeps no transparency", f"choose {_names(i for i in _TABLE if i.alpha)}")
    if audio and format.audio is None:
        raise UsageError(f"{name} has no sound", f"choose {_names(i for i in _TABLE if i.audio)}")
    if crf is not None and not format.crf:
        raise UsageError(f"{name} has no constant rate factor", "set the quality instead (0 to 100)")
    if width is not None and height is not None:
        if min(width, height) < 1:
            raise UsageError(f"a frame of {width}x{height} pixels is no frame")
        if max(width, height) > format.max_side:
            raise UsageError(f"{name} ends at {format.max_side} pixels a side; this is {width}x{height}")
        rounded, note = even_size(width, height, format)
        if note:
            raise UsageError(note, f"make it {rounded[0]}x{rounded[1]}")
    if fps is not None and not 0 < fps <= format.max_fps:
        why = ": browsers slow down what is faster" if name == "gif" else ""
        raise UsageError(
            f"{name} goes up to {format.max_fps:g} frames a second{why}; this is {float(fps):g}",
            f"ask for {format.max_fps:g} or fewer",
        )
    if target_bytes is not None:
        if not format.fits:
            raise UsageError(f"{name} cannot be made to fit a size", f"choose {_names(i for i in _TABLE if i.fits)}")
        if target_bytes < 1:
            raise UsageError(f"a file of {target_bytes} bytes is no file")
    if bitrate is not None and not format.crf:
        raise UsageError(f"{name} has no bit rate to choose", f"choose {_names(i for i in _TABLE if i.crf)}")
    if format.kind == "images" and path is not None:
        _check_images(format, path, frames)


def is_image_file(path: str | PurePath, format: FormatInfo) -> bool:  # noqa: A002
    """A path of images is a file's or a pattern's, as it ends in the format's suffix; any other is a folder's."""
    return PurePath(path).suffix.lower() in format.suffixes


def numbered(name: str) -> tuple[str, int, str] | None:
    """What a pattern such as frame_%05d.png has before its number, the number's digits, and what comes after.

    None if the name is no pattern: that has one such place, and any other percent sign twice.
    """
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return None
    return match[1].replace("%%", "%"), int(match[2] or 1), match[3].replace("%%", "%")


def _check_images(format: FormatInfo, path: str, frames: int | None) -> None:  # noqa: A002
    name, stem = PurePath(path).name, PurePath(path).stem
    if frames == 1 or not is_image_file(path, format) or numbered(name):
        return
    if "%" in name:
        whole = stem.replace("%", "%%")
        raise UsageError(
            f"{path}: a pattern has one %05d and no other percent sign",
            f"write others twice, such as {whole}_%05d{format.suffix}; or name a folder",
        )
    raise UsageError(
        f"{path}: one file cannot hold {'many' if frames is None else frames} {name_of_images(format)}",
        f"name a folder or a pattern such as {stem}_%05d{format.suffix}; or make one still with --poster 0",
    )


def name_of_images(format: FormatInfo) -> str:  # noqa: A002
    return "PNG images" if format.name == "png" else "JPEG images"


def _names(formats: Iterable[FormatInfo]) -> str:
    names = [info.name for info in formats]
    return f"{', '.join(names[:-1])} or {names[-1]}"
