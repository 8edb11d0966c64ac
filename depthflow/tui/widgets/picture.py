"""A picture in the terminal: half blocks everywhere, real pictures by Kitty or Sixel where the terminal has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from textual.dom import NoScreen
from textual.errors import NoWidget
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from depthflow.tui.pictures import Pictures
from depthflow.tui.widgets import halfblocks
from depthflow.tui.widgets.graphics import Graphics, Kitty, Sixel

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.style import Style

    from depthflow.tui.widgets.halfblocks import Colours, Pixels

_PLAIN = Pictures()


class Picture(Widget):
    """Shows an image as large as fits, in its proportions, on its own background.

    Nothing but `set_image` changes it, and that costs a few milliseconds for images of about its size: large photos
    are made smaller first, elsewhere.

    Args:
        moves: another image comes many times a second; it is sent with fewer pixels.
    """

    DEFAULT_CSS = """
    Picture { width: 1fr; height: 1fr; background: $surface; }
    """

    def __init__(self, *, moves: bool = False, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._moves = moves
        self._pixels: Pixels | None = None
        self._lines: list[Strip] | None = None
        self._drawn: tuple[object, ...] = ()
        self._graphics: Graphics | None = None
        self.painted = 0
        """Images that were drawn."""

    def set_image(self, image: Image | Pixels | None) -> None:
        """Show this: a Pillow image, or (H, W, 3) uint8 sRGB with row 0 on top; None shows nothing."""
        if image is None or isinstance(image, np.ndarray):
            self._pixels = image
        else:
            self._pixels = np.asarray(image.convert("RGB"))
        self._lines = None
        self.refresh()

    @property
    def pixels_wanted(self) -> tuple[int, int]:
        """(width, height) of the largest image that shows no finer than it is."""
        columns, rows = self.size
        graphics = self._way()
        if isinstance(graphics, Graphics):
            return graphics.pixels(columns, rows, moves=self._moves)
        return max(1, columns), max(1, 2 * rows)

    def render_line(self, y: int) -> Strip:
        lines = self._made()
        return lines[y] if y < len(lines) else Strip.blank(self.size.width, self.rich_style)

    def render_lines(self, crop: Region) -> list[Strip]:
        if self.styles.gutter or self.opacity != 1.0 or self.styles.has_rule("tint"):
            return super().render_lines(crop)
        # What follows in Textual's own way takes the lines apart, which costs more than all else.
        lines = self._made()[crop.y : crop.bottom]
        if (crop.x, crop.width) != (0, self.size.width):
            lines = [line.crop(crop.x, crop.right) for line in lines]
        return lines

    def on_unmount(self) -> None:
        if self._graphics is not None:
            self._graphics.clear()

    def _made(self) -> list[Strip]:
        """The lines as they are now; made anew if the image, the size or the theme is another."""
        background = self.background_colors[1].rgb
        graphics = self._way()
        state = (self.size, background, graphics)
        if self._lines is None or state != self._drawn:
            self._lines, self._drawn = self._draw(self.size, background, graphics), state
            self.painted += 1
        return self._lines

    def _draw(self, size: Size, background: tuple[int, int, int], graphics: Graphics | None) -> list[Strip]:
        style = self.rich_style
        if self._pixels is None or not size:
            if self._graphics is not None:
                self._graphics.clear()
            return [Strip.blank(size.width, style)] * size.height
        if graphics is not None:
            return graphics.lines(self._pixels, self.region, style, background)
        canvas = halfblocks.on_canvas(self._pixels, (size.width, 2 * size.height), background)
        colours = self._colours()
        return self._ramp(canvas, style) if colours is None else halfblocks.strips(canvas, colours)

    def _colours(self) -> Colours | None:
        """How many there are; None is too few for a picture."""
        if self.app.no_color:
            return None
        if self.app.is_headless or self.app.is_web:
            return "truecolor"
        known = self.app.console.color_system
        return known if known in ("truecolor", "256") else None  # type: ignore[return-value]

    def _ramp(self, canvas: Pixels, style: Style) -> list[Strip]:
        from rich.segment import Segment

        dark = self.background_colors[1].brightness < 0.5
        return [Strip([Segment(line, style)], len(line)) for line in halfblocks.ramp(canvas, dark=dark)]

    def _way(self) -> Graphics | None:
        """The protocol to show it by; None for half blocks."""
        pictures: Pictures = getattr(self.app, "pictures", _PLAIN)  # an application may know nothing of pictures
        if pictures.way == "half" or self.app.no_color or self.app.is_headless or not self._is_whole():
            return None
        if self._graphics is None or self._graphics.pictures != pictures:
            kind = Kitty if pictures.way == "kitty" else Sixel
            self._graphics = kind(pictures, self._send)
        return self._graphics

    def _is_whole(self) -> bool:
        """Nothing hides a part of it. While it is taken down it may be painted once more, and has no screen."""
        try:
            screen = self.screen
            return screen.is_current and screen.find_widget(self).visible_region == self.region
        except (NoScreen, NoWidget):
            return False

    def _send(self, text: str) -> None:
        """To the terminal, in order with all else that goes there."""
        driver = self.app._driver
        if driver is not None:
            driver.write(text)
