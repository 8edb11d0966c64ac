"""What happens to a file after its last frame: a second pass where the format or a size limit needs one, and
the look at it before it is published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from depthflow.errors import FFmpegError, InputError, OutputError
from depthflow.video import gif
from depthflow.video.command import Frames, Target, encode_command
from depthflow.video.facts import VideoFacts
from depthflow.video.ffmpeg import run_ffmpeg
from depthflow.video.formats import FormatInfo
from depthflow.video.pipe import failure
from depthflow.video.probe import Depth, probe
from depthflow.video.workfile import WorkPlace

_ATTEMPTS = 8
_AUDIO_BITS = 192_000


def from_master(ffmpeg: str, frames: Frames, target: Target, work: WorkPlace, limit: int | None) -> None:
    """Make the file from the lossless one in `frames.file`.

    Args:
        work: the place of more hidden files.
        limit: bytes that it must not exceed; None for no limit.

    Raises:
        OutputError: it cannot be made that small. FFmpegError: ffmpeg failed.
    """
    if target.format.name == "gif":
        for commands in gif.attempts(ffmpeg, frames, target, work.beside(".png"), limit):
            for command in commands:
                _run(command)
            size = target.file.stat().st_size
            if limit is None or size <= limit:
                return
        raise _too_large(limit or 0, size)
    assert limit is not None  # noqa: S101 - nothing else has a second stage
    _fit(ffmpeg, frames, target, limit)


def _fit(ffmpeg: str, frames: Frames, target: Target, limit: int) -> None:
    """Encode with the bit rate that should give the size, and correct it by what came out."""
    seconds = frames.seconds or 1.0
    # 3 % and 2 kB for the container's own tables.
    budget = (limit * 0.97 - 2000) * 8 / seconds - (_AUDIO_BITS if target.audio else 0)
    size = 0
    for _ in range(_ATTEMPTS):
        rate = max(1000, int(budget))
        _run(encode_command(ffmpeg, frames, replace(target, bitrate=str(rate))))
        size = target.file.stat().st_size
        if size <= limit:
            return
        # Short clips answer weakly to the bit rate, so the correction goes further than the size asks.
        budget *= 0.97 * (limit / size) ** 1.5
        if budget < 1000:
            break
    raise _too_large(limit, size)


def _too_large(limit: int, size: int) -> OutputError:
    return OutputError(
        f"it cannot be made to fit {limit:,} bytes: the smallest attempt has {size:,}",
        "make the frames smaller, lower the frame rate, or shorten it",
    )


def _run(command: Sequence[str]) -> None:
    result = run_ffmpeg(command)
    if result.returncode != 0:
        raise failure(result.returncode, result.stderr)


def verified(file: Path, format_: FormatInfo, frames: Frames, depth: Depth, ffmpeg: str) -> VideoFacts:
    """The facts of the finished file, if they are what was asked for.

    Raises:
        FFmpegError: they are not.
    """
    try:
        facts = probe(file, depth=depth, ffmpeg=ffmpeg)
    except InputError as error:
        raise FFmpegError(f"what ffmpeg made cannot be read back: {error.message}") from None
    size = (frames.width, frames.height)
    if (facts.width, facts.height) != size and format_.name != "gif":
        raise FFmpegError(f"ffmpeg made frames of {facts.width}x{facts.height}, not {size[0]}x{size[1]}")
    if facts.frames == frames.count:
        return facts
    # Equal neighbours have become one frame that lasts longer; then the whole must last as long.
    tolerance = 1.01 / float(frames.rate)
    if format_.merges and facts.frames >= 1 and abs(facts.duration - (frames.seconds or 0)) <= tolerance:
        return facts
    raise FFmpegError(f"the file holds {facts.frames} frames, and {frames.count} were written")
