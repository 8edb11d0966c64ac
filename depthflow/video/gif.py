"""GIF: one palette for the whole clip, made from the frames themselves, and ever smaller attempts for a limit.

The clip is read twice from a lossless file. In one pass ffmpeg would have to keep every frame in memory until
the palette is known: 1.2 GB for 150 frames at 1080p.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import ffmpeg as graph

from depthflow.video.colour import rgb_filter
from depthflow.video.command import Frames, Target, compile_command, filtered, source


def commands(ffmpeg: str, frames: Frames, target: Target, limit: int | None) -> Iterator[list[str]]:
    """Command lines that make the GIF; with a limit, each one smaller than the one before.

    The caller runs one, looks at the size, and asks for the next if it is too large.
    """
    colours = _colours(target.quality)
    yield _command(ffmpeg, frames, target, colours, _dither(target.quality), 1.0)
    if limit is None:
        return
    for fewer in (128, 64):
        if fewer < colours:
            yield _command(ffmpeg, frames, target, fewer, "bayer:bayer_scale=4", 1.0)
    scale = 1.0
    while min(frames.width, frames.height) * scale > 32:
        size = target.file.stat().st_size
        # Bytes go with the area; never less than a step, or it might not end.
        scale *= min(0.9, math.sqrt(limit / max(1, size)) * 0.98)
        yield _command(ffmpeg, frames, target, 64, "bayer:bayer_scale=4", scale)


def _colours(quality: int) -> int:
    return 256 if quality >= 50 else max(16, 2 ** round(4 + 4 * quality / 50))


def _dither(quality: int) -> str:
    """Error diffusion looks best; an ordered pattern holds still between frames, and packs better."""
    return "sierra2_4a" if quality >= 50 else "bayer:bayer_scale=3"


def _command(ffmpeg: str, frames: Frames, target: Target, colours: int, dither: str, scale: float) -> list[str]:
    wanted = "rgba" if frames.alpha else "rgb24"
    video = filtered(source(frames).video, rgb_filter(frames.pixel_format, wanted, frames.matrix))
    if scale < 1:
        width, height = max(1, round(frames.width * scale)), max(1, round(frames.height * scale))
        video = video.filter("scale", width, height, flags="lanczos")
    copies = video.split()
    palette = copies[0].filter("palettegen", max_colors=colours, reserve_transparent=int(frames.alpha))
    video = _paletted(copies[1], palette, dither)
    return compile_command(ffmpeg, [video], target.file, {"format": "gif", "loop": 0}, None)


def _paletted(video: Any, palette: Any, dither: str) -> Any:
    """The video in the palette's colours; `dither` is a name and its options, parted by colons."""
    name, *more = dither.split(":")
    options = dict(part.split("=", 1) for part in more)
    return graph.filter([video, palette], "paletteuse", dither=name, diff_mode="rectangle", **options)
