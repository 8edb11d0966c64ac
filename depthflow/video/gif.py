"""GIF: one palette for the whole clip, made from the frames themselves, and ever smaller attempts for a limit.

The clip is read twice from a lossless file, by two commands. One command would have to keep every frame in
memory until the palette is known: measured 240 MB for 60 frames of 960x540, against 95 MB.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ffmpeg as graph

from depthflow.video.colour import rgb_filter
from depthflow.video.command import Frames, Target, compile_command, filtered, source

_SAMPLED = 24
"""Frames that the palette is made from: 0.1 s each at 960x540, and a moving photo keeps its colours."""
_SMALLEST_SIDE = 32


def attempts(
    ffmpeg: str, frames: Frames, target: Target, palette: Path, limit: int | None
) -> Iterator[list[list[str]]]:
    """Pairs of commands that make the palette and then the GIF; with a limit, each smaller than the one before.

    The caller runs a pair, looks at the size, and asks for the next if it is too large.

    Args:
        palette: where the palette (a PNG) goes.
        limit: bytes that the GIF must not exceed; None makes one attempt.
    """
    colours = _colours(target.quality)
    yield _pair(ffmpeg, frames, target, palette, colours, _dither(target.quality), 1.0)
    if limit is None:
        return
    for fewer in (128, 64):
        if fewer < colours:
            yield _pair(ffmpeg, frames, target, palette, fewer, "bayer:bayer_scale=4", 1.0)
    scale = 1.0
    while min(frames.width, frames.height) * scale > _SMALLEST_SIDE:
        size = target.file.stat().st_size
        # Bytes go with the area; never less than a step, or it might not end.
        scale *= min(0.9, math.sqrt(limit / max(1, size)) * 0.98)
        yield _pair(ffmpeg, frames, target, palette, 64, "bayer:bayer_scale=4", scale)


def _colours(quality: int) -> int:
    return 256 if quality >= 50 else max(16, 2 ** round(4 + 4 * quality / 50))


def _dither(quality: int) -> str:
    """A faint ordered pattern holds still between frames: measured on a moving photo, it packs 7 % better,
    takes 40 % of the time and is 0.8 dB nearer than error diffusion, which shows less of a pattern."""
    if quality >= 90:
        return "sierra2_4a"
    return "bayer:bayer_scale=4" if quality >= 50 else "bayer:bayer_scale=3"


def _pair(
    ffmpeg: str, frames: Frames, target: Target, palette: Path, colours: int, dither: str, scale: float
) -> list[list[str]]:
    step = max(1, (frames.count or 1) // _SAMPLED)
    sampled = _scaled(frames, scale, step).filter(
        "palettegen", max_colors=colours, reserve_transparent=int(frames.alpha)
    )
    name, *more = dither.split(":")
    options = dict(part.split("=", 1) for part in more)
    picture = graph.filter(
        [_scaled(frames, scale), graph.input(str(palette), format="png_pipe").video],
        "paletteuse",
        dither=name,
        **options,
    )
    return [
        compile_command(ffmpeg, [sampled], palette, {"format": "image2", "update": 1, "frames:v": 1}, None),
        compile_command(ffmpeg, [picture], target.file, {"format": "gif", "loop": 0}, None),
    ]


def _scaled(frames: Frames, scale: float, step: int = 1) -> Any:
    """The frames as RGB, smaller by `scale`, every `step`-th of them."""
    video = source(frames).video
    if step > 1:
        video = video.filter("framestep", step)
    wanted = "rgba" if frames.alpha else "rgb24"
    video = filtered(video, rgb_filter(frames.pixel_format, wanted, frames.matrix))
    if scale < 1:
        width, height = max(1, round(frames.width * scale)), max(1, round(frames.height * scale))
        video = video.filter("scale", width, height, flags="lanczos")
    return video
