"""Pixels as text: two to a cell, the upper one in front of the lower one. It knows no widget and no terminal's answers.

Each frame is put together as one array of bytes: a style for every cell, as Rich has them, would cost five times that.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from rich.color import Color, ColorType
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

if TYPE_CHECKING:
    from rich.console import Console

Pixels = NDArray[np.uint8]
Colours = Literal["truecolor", "256"]

HALF = "▀"
RAMP = " .:-=+*#%@"
"""From no ink to much of it."""

_DIGITS = np.frombuffer("".join(f"{n:03}" for n in range(256)).encode(), np.uint8).reshape(256, 3)
_SAID = np.array([[n >= 100, n >= 10, True] for n in range(256)])
"""Digits that are written: no zeros in front."""
_SPACE_AND_HALF = np.frombuffer(f" {HALF}".encode(), np.uint8)
_END = "\x1b[0m"


class PixelStrip(Strip):
    """A line of cells with its text for the terminal ready; segments are made when something asks for parts of it."""

    __slots__ = ("_codes", "_made", "_text")

    def __init__(self, codes: NDArray[np.uint32], text: str) -> None:
        """`codes` is (2, columns): upper and lower pixels as 0xRRGGBB; `text` shows them."""
        self._made: tuple[Segment, ...] = ()
        super().__init__((), codes.shape[1])
        self._codes, self._text = codes, text

    def render(self, console: Console) -> str:
        return self._text

    @property
    def _segments(self) -> list[Segment]:
        if not self._made:
            self._made = _segments(self._codes)
        return list(self._made)

    @_segments.setter
    def _segments(self, made: list[Segment]) -> None:
        self._made = tuple(made)


def strips(pixels: Pixels, colours: Colours = "truecolor") -> list[Strip]:
    """A line of half blocks for every two rows of (2 * rows, columns, 3) uint8 sRGB.

    Args:
        colours: how the terminal is told of them.
    """
    rows, columns = pixels.shape[0] // 2, pixels.shape[1]
    wide = pixels.astype(np.uint32)
    codes = np.asarray(wide @ np.array([1 << 16, 1 << 8, 1], np.uint32), np.uint32).reshape(rows, 2, columns)
    lines = _lines(pixels.reshape(rows, 2, columns, 3), codes, colours)
    return [PixelStrip(codes[row], line) for row, line in enumerate(lines)]


def _lines(pixels: Pixels, codes: NDArray[np.uint32], colours: Colours) -> list[str]:
    """What shows each line: colours where they change, a space where both pixels are alike, else a half block."""
    alike = codes[:, 0] == codes[:, 1]
    # A space has no colour in front, so what follows it is written as if it had changed.
    front = np.where(alike, -1, codes[:, 0].astype(np.int64))
    fresh_front, fresh_back = (~alike, np.ones_like(alike))
    fresh_front[:, 1:] &= front[:, 1:] != front[:, :-1]
    fresh_back[:, 1:] = codes[:, 1, 1:] != codes[:, 1, :-1]
    rows, columns = alike.shape
    parts = [_colour(pixels[:, 0], fresh_front, "38", colours), _colour(pixels[:, 1], fresh_back, "48", colours)]
    glyph = np.broadcast_to(_SPACE_AND_HALF, (rows, columns, 4))
    shown = np.stack([alike, ~alike, ~alike, ~alike], axis=-1)
    text = np.concatenate([*(part for part, _ in parts), glyph], axis=-1)
    kept = np.concatenate([*(mask for _, mask in parts), shown], axis=-1)
    return [text[row][kept[row]].tobytes().decode() + _END for row in range(rows)]


def _colour(
    pixels: Pixels, fresh: NDArray[np.bool_], ground: str, colours: Colours
) -> tuple[Pixels, NDArray[np.bool_]]:
    """(rows, columns, bytes) of the sequences that set a colour, and which of the bytes are written."""
    if colours == "256":
        cube = (pixels.astype(np.uint16) * 5 + 127) // 255
        numbers = [16 + 36 * cube[..., 0] + 6 * cube[..., 1] + cube[..., 2]]
        head = f"\x1b[{ground};5;"
    else:
        numbers = [pixels[..., 0], pixels[..., 1], pixels[..., 2]]
        head = f"\x1b[{ground};2;"
    shape = (*fresh.shape, len(head) + 4 * len(numbers))
    text, kept = np.empty(shape, np.uint8), np.ones(shape, np.bool_)
    text[..., : len(head)] = np.frombuffer(head.encode(), np.uint8)
    for index, number in enumerate(numbers):
        at = len(head) + 4 * index
        text[..., at : at + 3], kept[..., at : at + 3] = _DIGITS[number], _SAID[number]
        text[..., at + 3] = ord("m" if index == len(numbers) - 1 else ";")
    return text, kept & fresh[..., None]


def _segments(codes: NDArray[np.uint32]) -> tuple[Segment, ...]:
    """The same line in Rich's words; runs of one colour are one segment."""
    upper, lower = codes
    ends = np.flatnonzero((upper[1:] != upper[:-1]) | (lower[1:] != lower[:-1])) + 1
    starts = [0, *ends.tolist()]
    return tuple(
        Segment(
            (" " if upper[start] == lower[start] else HALF) * (end - start), style(int(upper[start]), int(lower[start]))
        )
        for start, end in zip(starts, [*ends.tolist(), len(upper)], strict=True)
    )


@lru_cache(4096)
def style(front: int, back: int) -> Style:
    """Of 0xRRGGBB before 0xRRGGBB."""
    return Style.from_color(_rich(front), _rich(back))


def _rich(code: int) -> Color:
    return Color(f"#{code:06x}", ColorType.TRUECOLOR, None, ColorTriplet(code >> 16, code >> 8 & 255, code & 255))


def ramp(pixels: Pixels, *, dark: bool) -> list[str]:
    """Text whose ink stands for light, for terminals without colours; (2 * rows, columns, 3) as in `strips`.

    Args:
        dark: the terminal is: much ink is bright.
    """
    rows, columns = pixels.shape[0] // 2, pixels.shape[1]
    luma = (pixels @ np.array([0.2126, 0.7152, 0.0722])).reshape(rows, 2, columns).mean(axis=1) / 255
    steps = np.round((luma if dark else 1 - luma) * (len(RAMP) - 1)).astype(np.intp)
    glyphs = np.array(list(RAMP))
    return ["".join(glyphs[row]) for row in steps]


def fitted(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """The largest (width, height) of an image of `size` in `room`; at least one pixel."""
    scale = min(room[0] / size[0], room[1] / size[1])
    return tuple(max(1, min(most, round(side * scale))) for side, most in zip(size, room, strict=True))  # type: ignore[return-value]


def on_canvas(pixels: Pixels, room: tuple[int, int], background: tuple[int, int, int]) -> Pixels:
    """(height, width, 3) of `room`: the image as large as fits, in the middle, on a background.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        room: (width, height).
    """
    width, height = fitted((pixels.shape[1], pixels.shape[0]), room)
    if (width, height) != (pixels.shape[1], pixels.shape[0]):
        from PIL import Image

        pixels = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
    if (width, height) == room:
        return pixels
    canvas = np.empty((room[1], room[0], 3), np.uint8)
    canvas[:] = background
    # A picture that begins in the lower half of a cell would have a frayed border.
    left, top = (room[0] - width) // 2, (room[1] - height) // 2 // 2 * 2
    canvas[top : top + height, left : left + width] = pixels
    return canvas
