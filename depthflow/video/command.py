"""Builds ffmpeg's command lines, through ffmpeg-python; it starts nothing and touches no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import ffmpeg as graph

from depthflow import processors
from depthflow.video.colour import Matrix, PixelFormat, rgb_filter, tags, yuv_filter
from depthflow.video.devices import render_node
from depthflow.video.encoder_table import Encoder
from depthflow.video.ffmpeg import QUIET
from depthflow.video.formats import FORMATS, FormatInfo

TEXT_KEYS = ("title", "artist", "album", "comment", "description", "copyright", "date", "genre", "synopsis")
"""Metadata that MP4 and MOV have a place for; Matroska takes any."""

Stereo = Literal[
    "left_right", "right_left", "top_bottom", "bottom_top", "anaglyph_cyan_red", "anaglyph_green_magenta"
]  # fmt: skip
"""How two views lie in a frame, in Matroska's words."""
_WEBM_STEREO = ("left_right", "right_left", "top_bottom", "bottom_top")
_FRAME_PACKING = {"left_right": "3", "top_bottom": "4"}
"""The same in the frame packing message of H.264 (ITU-T H.264, D.2.26), which x264 alone can write."""

_PATIENT = ("slow", "slower", "veryslow")
"""Presets of x264 with which it leaves cores idle where they are few."""
_FEW = 4

AUDIO_BITS = 192_000
"""Bits a second of the sound, where it is compressed."""


@dataclass(frozen=True, slots=True)
class Frames:
    """What comes in.

    Attributes:
        rate: frames per second.
        count: how many will come; None if that is not known.
        matrix: of YUV frames, those that come in and those in the file.
        file: a file that holds them; None takes raw frames from standard input.
    """

    pixel_format: PixelFormat
    width: int
    height: int
    rate: Fraction
    matrix: Matrix
    count: int | None = None
    file: Path | None = None

    @property
    def alpha(self) -> bool:
        return self.pixel_format == "rgba"

    @property
    def seconds(self) -> float | None:
        return None if self.count is None else float(self.count / self.rate)


@dataclass(frozen=True, slots=True)
class Target:
    """What goes out.

    Attributes:
        file: the (temporary) file, or the pattern of the images.
        suffix: of the final name; it picks the container.
        quality: 0 to 100.
        crf: in the encoder's own scale; wins over quality.
        level: the value of the encoder's knob itself; wins over both.
        stereo: how two views lie in a frame; written where the container or the codec has a place for it.
    """

    file: Path
    suffix: str
    format: FormatInfo
    encoder: Encoder
    quality: int = 75
    crf: int | None = None
    preset: str | None = None
    level: float | None = None
    audio: Path | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    stereo: Stereo | None = None


def encode_command(ffmpeg: str, frames: Frames, target: Target) -> list[str]:
    """Frames in, the finished file out.

    Raises:
        UsageError: the encoder knows no such preset or rate factor.
    """
    video = source(frames).video
    options = video_options(frames, target)
    if frames.alpha and target.format.apart:
        both = video.filter_multi_output("split")
        # The matrix means nothing here, but libaom takes no grey that says it is RGB.
        opacity = filtered(both[1], f"alphaextract,format=gray,setparams=range=pc:colorspace={frames.matrix}")
        streams = [filtered(both[0], filter_for(frames, target.format, target.encoder)), opacity]
        # Opacity has no headroom.
        options["color_range:v:1"] = "pc"
    else:
        streams = [filtered(video, filter_for(frames, target.format, target.encoder))]
    return _whole(ffmpeg, streams, options, frames, target, target.encoder)


def join_command(ffmpeg: str, frames: Frames, target: Target) -> list[str]:
    """The pieces that the list in `frames.file` names in, one file with their very packets out.

    Args:
        target: its encoder is the one that made the pieces.
    """
    muxer = target.format.muxer_for(target.suffix)
    options = {"format": muxer, "c:v": "copy", **_container(target.format, muxer)}
    if muxer in ("matroska", "webm"):
        # Its clock counts milliseconds: without this the pieces' own rounding would be added to their beginnings'.
        frame = f"{frames.rate.denominator}/{frames.rate.numerator}/TB"
        exact = f"round(round({{0}}/({frame}))*{frame})"
        options["bsf:v"] = f"setts=pts={exact.format('PTS')}:dts={exact.format('DTS')}"
    video = graph.input(str(frames.file), format="concat", safe=0).video
    return _whole(ffmpeg, [video], options, frames, target, None)


def _whole(
    ffmpeg: str, streams: list[Any], options: dict[str, Any], frames: Frames, target: Target, encoder: Encoder | None
) -> list[str]:
    """The command line of a video with all that goes with it: its sound, its texts."""
    if target.audio is not None and target.format.audio is not None:
        streams.append(_sound(target.audio, frames))
        options["c:a"] = target.format.audio
        if target.format.audio in ("aac", "libopus"):
            options["b:a"] = AUDIO_BITS
    command = compile_command(ffmpeg, streams, target.file, options, encoder)
    if target.format.metadata:
        texts = [("-metadata", f"{key}={text}") for key, text in target.metadata.items()]
        muxer = target.format.muxer_for(target.suffix)
        if (muxer == "matroska" and target.stereo) or (muxer == "webm" and target.stereo in _WEBM_STEREO):
            texts.append(("-metadata:s:v:0", f"stereo_mode={target.stereo}"))
        # ffmpeg-python cannot repeat an option; these go right before the file's name.
        place = command.index(str(target.file), -2)
        command[place:place] = [part for text in texts for part in text]
    return command


def master_command(ffmpeg: str, frames: Frames, file: Path) -> list[str]:
    """Frames in, a lossless file out that can be read several times.

    Huffyuv: measured 12 CPU-ms a frame at 1080p, against 60 for FFV1 and 28 for lossless x264.
    """
    stored = {"rgb24": "rgb24", "rgba": "bgra", "yuv420p": "yuv420p", "nv12": "yuv420p"}[frames.pixel_format]
    options = {"c:v": "ffvhuff", "pix_fmt": stored, "format": "matroska"}
    return compile_command(ffmpeg, [source(frames).video], file, options, None)


def trial_command(ffmpeg: str, encoder: Encoder, codec: str, side: int) -> list[str]:
    """A few grey RGB frames through one encoder into nothing."""
    format_ = next(info for info in FORMATS.values() if info.codec == codec)
    frames = Frames("rgb24", side, side, Fraction(30), "smpte170m")
    video = filtered(source(frames).video, filter_for(frames, format_, encoder))
    options = {"c:v": encoder.name, **_coding(encoder, format_, frames, 50, None, None, None), "format": "null"}
    return compile_command(ffmpeg, [video], Path("-"), options, encoder)


def filter_for(frames: Frames, format_: FormatInfo, encoder: Encoder) -> str:
    """The filters between the frames and the encoder."""
    wanted = coded_format(frames, format_, encoder)
    if not _is_yuv(wanted):
        return rgb_filter(frames.pixel_format, wanted, frames.matrix)
    chain = yuv_filter(frames.pixel_format, wanted, frames.matrix, full=format_.full_range)
    return f"{chain},hwupload" if encoder.family == "vaapi" else chain


def coded_format(frames: Frames, format_: FormatInfo, encoder: Encoder) -> str:
    """The pixel format that the encoder is given."""
    if format_.name == "ffv1" and frames.pixel_format in ("yuv420p", "nv12"):
        return "yuv420p"  # without loss means without a way to RGB and back
    return encoder.pixel_format(format_, alpha=frames.alpha)


def _is_yuv(pixel_format: str) -> bool:
    return pixel_format.startswith(("yuv", "nv", "p0"))


def video_options(frames: Frames, target: Target) -> dict[str, Any]:
    """Options of the output file but for its sound."""
    format_, encoder = target.format, target.encoder
    muxer = format_.muxer_for(target.suffix)
    options: dict[str, Any] = {
        "format": muxer,
        "c:v": encoder.name,
        # Without it, old ffmpegs guess the rate from the filter's time base.
        "r": _rate(frames.rate),
        **_coding(encoder, format_, frames, target.quality, target.crf, target.preset, target.level),
    }
    if _is_yuv(coded_format(frames, format_, encoder)) and not format_.full_range:
        options |= tags(frames.matrix)
    # Never both: ffmpeg 9 cannot decode a Matroska file whose field and whose H.264 message say the same.
    if encoder.name == "libx264" and target.stereo in _FRAME_PACKING and muxer != "matroska":
        options["x264-params"] = f"frame-packing={_FRAME_PACKING[target.stereo]}"
    if encoder.name == "libx264" and target.preset in _PATIENT and (count := processors.usable()) < _FEW:
        # By itself it takes half as many: 6 % more time on two cores, and the same CPU time.
        options["threads"] = 3 * count
    options |= _container(format_, muxer)
    if format_.name == "apng":
        options["plays"] = 0
    elif muxer in ("gif", "avif", "webp"):
        options["loop"] = 0
    elif muxer == "image2":
        options |= {"start_number": 1}
    return options


def _container(format_: FormatInfo, muxer: str) -> dict[str, Any]:
    """What MP4 and QuickTime files are told."""
    options: dict[str, Any] = {}
    if muxer in ("mp4", "mov"):
        if format_.tag:
            options["tag:v"] = format_.tag
        # The index in front, so that a web page can start to play while it loads.
        options["movflags"] = "+faststart"
        if muxer == "mov":
            # QuickTime's older list of texts has no description; its newer one takes any.
            options["movflags"] += "+use_metadata_tags"
    return options


def _coding(
    encoder: Encoder,
    format_: FormatInfo,
    frames: Frames,
    quality: int,
    crf: int | None,
    preset: str | None,
    level: float | None,
) -> dict[str, Any]:
    options: dict[str, Any] = {**encoder.options, **encoder.speed(preset)}
    options |= encoder.rate(quality, crf)
    if level is not None:
        options[encoder.knob] = f"{level:g}"
    if "qp_i" in options:
        options["qp_p"] = options["qp_i"]
    if "qmax" in options:
        # OpenH264 keeps to its bit rate wherever these leave it room, and always has one: 2 Mbit/s.
        options["qmin"] = options["qmax"]
    if format_.name == "prores":
        options["profile:v"] = "3"
    elif format_.name == "prores4444":
        options |= {"profile:v": "4", **({"alpha_bits": "16"} if frames.alpha else {})}
    elif format_.name == "webm" and frames.alpha:
        # An alternate reference frame has no partner in the alpha stream.
        options["auto-alt-ref"] = "0"
    elif format_.name == "webp" and quality == 100 and level is None:
        options["lossless"] = "1"
    return options


# -- pieces -----------------------------------------------------------------------------------------------


def source(frames: Frames) -> Any:
    if frames.file is not None:
        return graph.input(str(frames.file))
    return graph.input(
        "pipe:0",
        format="rawvideo",
        pix_fmt=frames.pixel_format,
        s=f"{frames.width}x{frames.height}",
        framerate=_rate(frames.rate),
    )


def filtered(video: Any, chain: str) -> Any:
    """The video behind a chain of plain filters as one link after another of the graph."""
    for link in chain.split(","):
        name, _, arguments = link.partition("=")
        named = dict(part.split("=", 1) for part in arguments.split(":") if "=" in part)
        loose = [part for part in arguments.split(":") if part and "=" not in part]
        video = video.filter(name, *loose, **named)
    return video


def _sound(file: Path, frames: Frames) -> Any:
    """The sound, padded with silence or cut to the length of the video."""
    audio = graph.input(str(file)).audio
    # Never `-shortest`: with it a QuickTime file lost the last 0.16 s of two.
    length = f"{frames.seconds or 0:.6f}"
    return audio.filter("apad", whole_dur=length).filter("atrim", duration=length)


def compile_command(
    ffmpeg: str, streams: list[Any], file: Path, options: Mapping[str, Any], encoder: Encoder | None
) -> list[str]:
    """The command line of a finished graph; whatever lies at `file` is replaced."""
    command = [ffmpeg, *QUIET]
    if encoder is not None and encoder.family == "vaapi":
        command += ["-vaapi_device", render_node()]
    node = graph.output(*streams, str(file), **options)
    return [str(part) for part in graph.compile(node, cmd=command, overwrite_output=True)]


def _rate(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"
