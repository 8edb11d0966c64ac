"""What happens to a file after its last frame: a second pass where the format or a size limit needs one, and
the look at it before it is published."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from depthflow.errors import FFmpegError, InputError, OutputError
from depthflow.video import gif
from depthflow.video.command import Frames, Target, encode_command
from depthflow.video.facts import VideoFacts
from depthflow.video.ffmpeg import run_ffmpeg
from depthflow.video.fit import FULL, Scale, search
from depthflow.video.formats import FormatInfo
from depthflow.video.pipe import failure
from depthflow.video.probe import Depth, probe
from depthflow.video.workfile import WorkPlace

_SPAN = 2.5
"""Natural logarithm by which files shrink from quality 100 to 0: measured 2.4 to 2.7 with x264, x265, SVT-AV1, VP9."""

Poll = Callable[[], None]
"""Called while ffmpeg works; what it raises stops the work."""


def from_master(
    ffmpeg: str,
    frames: Frames,
    target: Target,
    work: WorkPlace,
    limit: int | None,
    *,
    fill: bool,
    poll: Poll,
    extra: int = 0,
) -> str:
    """Make the file from the lossless one in `frames.file`.

    Args:
        work: the place of more hidden files.
        limit: bytes that it must not exceed; None for no limit.
        fill: make it as large as the limit, even where a smaller file has the quality that is asked for.
        extra: bytes that the file will get besides.

    Returns:
        What was given up for the limit, a line for people; empty if nothing was.

    Raises:
        OutputError: it cannot be made that small. FFmpegError: ffmpeg failed.
    """
    most = limit or 0
    if limit is not None:
        limit = max(1, limit - extra)
    try:
        return _from_master(ffmpeg, frames, target, work, limit, fill, poll)
    except _TooLargeError as error:
        raise OutputError(
            f"it cannot be made to fit {most:,} bytes: the smallest attempt has {error.size + extra:,}",
            "make the frames smaller, lower the frame rate, or shorten it",
        ) from None


class _TooLargeError(Exception):
    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


def _from_master(
    ffmpeg: str, frames: Frames, target: Target, work: WorkPlace, limit: int | None, fill: bool, poll: Poll
) -> str:
    """The same for a limit that nothing else counts in; _TooLargeError tells the smallest attempt."""
    if target.format.name == "gif":
        return _gif(ffmpeg, frames, target, work, limit, poll)
    assert limit is not None  # noqa: S101 - nothing else has a second stage
    encoder, best = target.encoder, work.beside(target.suffix)
    sign = 1 if encoder.scale[0] > encoder.scale[-1] else -1
    asked = float(encoder.rate(target.quality, target.crf)[encoder.knob])
    worst = encoder.limits[1] if sign > 0 else encoder.limits[0]

    def measure(value: float) -> int:
        _run(encode_command(ffmpeg, frames, replace(target, level=sign * value)), poll)
        size = target.file.stat().st_size
        if size <= limit:
            target.file.replace(best)
        return size

    scale = Scale(
        start=sign * asked,
        best=min(sign * encoder.scale[-1], sign * asked),
        worst=max(sign * worst, sign * asked),
        step=encoder.step,
        slope=_SPAN / abs(encoder.scale[0] - encoder.scale[-1]),
    )
    found = search(measure, scale, limit, fill=fill)
    if found.size > limit:
        raise _TooLargeError(found.size)
    best.replace(target.file)
    if fill and found.value <= scale.best and found.size < FULL * limit:
        return f"its best quality needs only {found.size / limit:.0%} of the bit rate"
    level = sign * found.value
    return "" if fill or level == asked else f"to fit, {encoder.knob} {level:g} was taken instead of {asked:g}"


def _gif(ffmpeg: str, frames: Frames, target: Target, work: WorkPlace, limit: int | None, poll: Poll) -> str:
    palette, best = work.beside(".png"), work.beside(".gif")

    def size_of(look: gif.Look) -> int:
        for command in gif.commands(ffmpeg, frames, target.file, palette, look):
            _run(command, poll)
        size = target.file.stat().st_size
        if limit is not None and size <= limit:
            target.file.replace(best)
        return size

    for look in gif.looks(frames, target.quality):
        size = size_of(look)
        if limit is None:
            return ""
        if size <= limit:
            break
    else:
        look = _smaller(look, size, frames, limit or 0, size_of)
    best.replace(target.file)
    return look.given_up(frames, target.quality)


def _smaller(look: gif.Look, size: int, frames: Frames, limit: int, size_of: Callable[[gif.Look], int]) -> gif.Look:
    """The look with frames as large as the limit allows."""
    # Bytes go with the area: the logarithm of the scale is the setting, and 2 its slope.
    smallest = math.log(max(1.0, min(frames.width, frames.height) / gif.SMALLEST_SIDE))
    start = min(smallest, math.log(size / limit) / 2)
    scale = Scale(start=start, best=0.0, worst=smallest, step=0.01, slope=2.0)
    found = search(lambda value: size_of(replace(look, scale=math.exp(-value))), scale, limit, fill=True)
    if found.size > limit:
        raise _TooLargeError(found.size)
    return replace(look, scale=math.exp(-found.value))


def _run(command: Sequence[str], poll: Poll) -> None:
    result = run_ffmpeg(command, poll=poll)
    if result.returncode != 0:
        raise failure(result.returncode, result.stderr)


def verified(
    file: Path, format_: FormatInfo, frames: Frames, depth: Depth, ffmpeg: str, poll: Poll = lambda: None
) -> VideoFacts:
    """The facts of the finished file but for its texts, if they are what was asked for.

    Raises:
        FFmpegError: they are not.
    """
    try:
        facts = probe(file, depth=depth, texts=False, ffmpeg=ffmpeg, poll=poll)
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
    if format_.merges and facts.frames == 1 and facts.duration == 0:
        return facts  # all are equal: a still has no time to tell
    raise FFmpegError(f"the file holds {facts.frames} frames, and {frames.count} were written")
