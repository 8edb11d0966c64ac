"""Real pictures: the protocols of Kitty and Sixel, as lines that Textual writes. They ask the terminal nothing.

What textual-image's own widgets do for one image, this does for many a second: they write past Textual, whose output
would be cut in two, or build a widget anew for each image.
"""

from __future__ import annotations

import base64
import itertools
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from depthflow.tui.pictures import Pictures
from depthflow.tui.widgets import halfblocks

if TYPE_CHECKING:
    from rich.console import Console

    from depthflow.tui.widgets.halfblocks import Pixels

MOVING_SIDE = 480
"""Longer side of the frames of what moves, pixels: more of them cost more than they show."""
_CHUNK = 4096
_numbers = itertools.count(0x44F101)


class TextStrip(Strip):
    """A line that is written as `text`; where only a part of it is seen, as spaces."""

    __slots__ = ("_text",)

    def __init__(self, segments: Iterable[Segment], width: int, text: str) -> None:
        super().__init__(segments, width)
        self._text = text

    def render(self, console: Console) -> str:
        return self._text


class Graphics:
    """One picture in a terminal.

    Args:
        send: writes to the terminal.
    """

    def __init__(self, pictures: Pictures, send: Callable[[str], None]) -> None:
        self.pictures = pictures
        self._send = send

    def pixels(self, columns: int, rows: int, *, moves: bool) -> tuple[int, int]:
        """(width, height) of an image that fills these cells."""
        width, height = columns * self.pictures.cell[0], rows * self.pictures.cell[1]
        scale = min(1.0, MOVING_SIDE / max(width, height, 1)) if moves else 1.0
        return max(1, round(width * scale)), max(1, round(height * scale))

    def lines(self, pixels: Pixels, region: Region, style: Style, background: tuple[int, int, int]) -> list[Strip]:
        """Lines that show (H, W, 3) uint8 in a region of the screen."""
        raise NotImplementedError

    def clear(self) -> None:
        """Have the terminal forget the picture."""

    def _cells(self, pixels: Pixels, region: Region) -> Region:
        """Where it lies within the region, in cells."""
        cell = self.pictures.cell
        room = region.width * cell[0], region.height * cell[1]
        width, height = halfblocks.fitted((pixels.shape[1], pixels.shape[0]), room)
        columns, rows = max(1, round(width / cell[0])), max(1, round(height / cell[1]))
        return Region((region.width - columns) // 2, (region.height - rows) // 2, columns, rows)


class _Beside(TextStrip):
    """Blanks left and right of a picture, and between them what shows a line of it, or passes over it."""

    __slots__ = ("_left", "_right")

    def __init__(self, region: Region, at: Region, style: Style, text: str) -> None:
        super().__init__([Segment(" " * region.width, style)], region.width, text)
        self._left, self._right = Strip.blank(at.x, style), Strip.blank(region.width - at.right, style)

    def render(self, console: Console) -> str:
        return self._left.render(console) + self._text + self._right.render(console)


class Kitty(Graphics):
    """Kitty's: the picture is sent under a number, and cells whose colour is that number show their part of it.

    Two numbers take turns, so that a picture is there as a whole before the cells change over to it.
    """

    def __init__(self, pictures: Pictures, send: Callable[[str], None]) -> None:
        super().__init__(pictures, send)
        self._number, self._other = (next(_numbers) & 0xFFFFFF for _ in range(2))
        self._shown = False

    def lines(self, pixels: Pixels, region: Region, style: Style, background: tuple[int, int, int]) -> list[Strip]:
        at = self._cells(pixels, region)
        self._number, self._other = self._other, self._number
        self._transmit(pixels, at)
        number = Style(color=Color.from_rgb(self._number >> 16, self._number >> 8 & 255, self._number & 255))
        blank = Strip.blank(region.width, style)
        return [
            _Beside(region, at, style, number.render(placeholders(y - at.y, at.width)))
            if at.y <= y < at.bottom
            else blank
            for y in range(region.height)
        ]

    def clear(self) -> None:
        if self._shown:
            self._send("".join(f"\x1b_Ga=d,d=I,i={number},q=2\x1b\\" for number in (self._number, self._other)))
            self._shown = False

    def _transmit(self, pixels: Pixels, at: Region) -> None:
        body = base64.standard_b64encode(zlib.compress(pixels.tobytes(), 1)).decode()
        height, width = pixels.shape[:2]
        first = f"a=T,U=1,i={self._number},f=24,o=z,s={width},v={height},c={at.width},r={at.height},q=2,"
        pieces = [body[start : start + _CHUNK] for start in range(0, len(body), _CHUNK)]
        text = [
            f"\x1b_G{first if index == 0 else ''}m={int(index < len(pieces) - 1)};{piece}\x1b\\"
            for index, piece in enumerate(pieces)
        ]
        self._send("".join(text))
        self._shown = True


def placeholders(row: int, columns: int) -> str:
    """The cells of one row of a picture: each names its row and, in the first cell, its column; the rest follows."""
    cell, marks = chr(_tgp()._PLACEHOLDER), _tgp()._NUMBER_TO_DIACRITIC
    return cell + chr(marks[row]) + chr(marks[0]) + cell * (columns - 1)


@cache
def _tgp() -> Any:
    """The module of textual-image that has the marks of rows; its package asks the terminal, which is Textual's now."""
    found = find_spec("textual_image")
    assert found is not None and found.submodule_search_locations is not None  # noqa: S101, PT018
    file = Path(found.submodule_search_locations[0]) / "renderable" / "tgp.py"
    spec = spec_from_file_location("textual_image_tgp", file)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Sixel(Graphics):
    """Sixel's: the picture is painted over cells that are passed over, for a picture that is wiped first flickers."""

    def lines(self, pixels: Pixels, region: Region, style: Style, background: tuple[int, int, int]) -> list[Strip]:
        from PIL import Image
        from textual_image import _sixel  # the package beside it would ask the terminal, which belongs to Textual now

        at = self._cells(pixels, region)
        size = at.width * self.pictures.cell[0], at.height * self.pictures.cell[1]
        image = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
        sequence = _sixel.image_to_sixels(image, _sixel.SixelOptions())
        blank = Strip.blank(region.width, style)
        passed = _Beside(region, at, style, f"\x1b[{at.width}C")
        lines: list[Strip] = [passed if at.y <= y < at.bottom else blank for y in range(region.height)]
        go = f"\x1b[{region.y + at.y + 1};{region.x + at.x + 1}H"
        back = f"\x1b[{region.bottom};{region.right + 1}H"
        lines[-1] = _Over(lines[-1], f"{go}{sequence}{back}")
        return lines


class _Over(TextStrip):
    """A line, and then what is painted."""

    __slots__ = ("_line",)

    def __init__(self, line: Strip, text: str) -> None:
        super().__init__(line, line.cell_length, text)
        self._line = line

    def render(self, console: Console) -> str:
        return self._line.render(console) + self._text
