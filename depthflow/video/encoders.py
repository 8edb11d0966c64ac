"""Chooses the encoder for a format on this machine; software unless a device is there and really encodes."""

from __future__ import annotations

from dataclasses import dataclass

from depthflow.errors import FFmpegError, UnknownNameError, UsageError
from depthflow.video import devices, ffmpeg, probing
from depthflow.video.encoder_table import ENCODERS, FAMILIES, Encoder
from depthflow.video.formats import FormatInfo
from depthflow.video.probing import EncoderInfo, working_encoders

__all__ = ["ENCODERS", "FAMILIES", "Encoder", "EncoderChoice", "EncoderInfo", "choose_encoder", "working_encoders"]


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """The encoder that will be used.

    Attributes:
        name: ffmpeg's name of it, a key of ENCODERS.
        codec: what it makes.
        hardware: it runs on a GPU.
        ffmpeg: path of the ffmpeg that has it.
        note: why it is not the one that was asked for; empty if it is.
    """

    name: str
    codec: str
    hardware: bool
    ffmpeg: str
    note: str = ""

    @property
    def encoder(self) -> Encoder:
        return ENCODERS[self.name]


# Hardware refuses what is tiny and what is huge; between these it can be relied on.
_HARDWARE_SIDES = {"h264": (256, 4096), "hevc": (256, 8192), "hevc10": (256, 8192), "av1": (256, 8192)}


def choose_encoder(
    format_: FormatInfo,
    wanted: str = "auto",
    *,
    size: tuple[int, int] | None = None,
    alpha: bool = False,
) -> EncoderChoice:
    """The encoder for a format on this machine.

    "auto" takes hardware where a device is there and really encodes, else software; "software" looks for no
    device at all. A family ("nvenc") or an encoder ("h264_nvenc", "libx264") that does not work here gives
    way to software, and the note says so; so it does where "auto" has tried hardware in vain.

    Args:
        size: (width, height) of the frames; hardware is left alone where it cannot be relied on.
        alpha: transparency is kept, which no hardware does, and not every software.

    Raises:
        UnknownNameError: there is no such encoder. UsageError: it makes another codec.
        FFmpegError: nothing here makes this codec.
    """
    wanted = wanted.strip().lower()
    if wanted not in ("auto", "software", *FAMILIES, *ENCODERS):
        raise UnknownNameError("encoder", wanted, ("auto", "software", *FAMILIES, *ENCODERS))
    codec = format_.codec
    rows = [encoder for encoder in ENCODERS.values() if codec in encoder.codecs]
    if wanted in ENCODERS:
        if ENCODERS[wanted] not in rows:
            raise UsageError(
                f"{wanted} does not make {format_.name} files",
                f"{format_.name} is made by {', '.join(encoder.name for encoder in rows)}",
            )
        asked = [ENCODERS[wanted]]
    elif wanted == "auto":
        asked = [row for row in rows if row.hardware and row.family in devices.families_present()]
    else:
        asked = [row for row in rows if row.family == wanted]
    reasons: list[str] = []
    failed: list[str] = []
    for row in asked:
        unfit = _unfit(row, format_, size, alpha)
        # What is not there at all is tried nevertheless, to hear so: the size would be the lesser reason.
        tried = not unfit or (row.hardware and row.family not in devices.families_present())
        reason = ""
        for path in ffmpeg.ffmpeg_paths() if tried else ():
            if row.name not in ffmpeg.encoder_names(path):
                reason = reason or "this ffmpeg was built without it"
            elif not row.hardware:
                return EncoderChoice(row.name, codec, False, path)
            else:
                info = probing.probe_one(row.name, codec, path)
                if info.works and not unfit:
                    return EncoderChoice(row.name, codec, True, path)
                reason = info.reason
                if not unfit:
                    failed.append(f"{row.name}: {reason}")
        reasons.append(f"{row.name}: {reason or unfit}")
    if wanted not in ("auto", "software") and not asked:
        reasons.append(f"no {wanted} encoder makes {format_.name}")
    soft = _software([row for row in rows if not _unfit(row, format_, size, alpha)], codec)
    if soft is None:
        names = ", ".join(row.name for row in rows if not row.hardware and not _unfit(row, format_, size, alpha))
        raise FFmpegError(
            f"no encoder for {format_.name}: this ffmpeg has none of {names}", "pip install imageio-ffmpeg"
        )
    note = ""
    if failed and wanted == "auto":
        note = f"{soft.name} is used: there is hardware, but it does not encode here ({'; '.join(failed)})"
    elif reasons and wanted != "auto":
        note = f"{soft.name} is used instead of {wanted} ({'; '.join(reasons)})"
    return EncoderChoice(soft.name, codec, False, soft.ffmpeg, note)


def _software(rows: list[Encoder], codec: str) -> EncoderChoice | None:
    for path in ffmpeg.ffmpeg_paths():
        names = ffmpeg.encoder_names(path)
        for row in rows:
            if not row.hardware and row.name in names:
                return EncoderChoice(row.name, codec, False, path)
    return None


def _unfit(row: Encoder, format_: FormatInfo, size: tuple[int, int] | None, alpha: bool) -> str:
    """Why an encoder is not asked at all; empty if it may be."""
    if not row.hardware:
        return "it keeps no transparency" if alpha and format_.apart and not row.grey else ""
    if alpha:
        return "it keeps no transparency"
    low, high = _HARDWARE_SIDES.get(format_.codec, (256, 4096))
    if size and not (low <= min(size) and max(size) <= high):
        return f"it takes sides of {low} to {high} pixels, not {size[0]}x{size[1]}"
    return ""
