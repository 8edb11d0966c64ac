"""Pictures in the terminal: half blocks against a slow reference, and what terminals answer."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading

import numpy as np
import pytest
from rich.console import Console
from textual.app import App, ComposeResult
from textual.containers import Container
from textual.geometry import Region

from depthflow.errors import UsageError
from depthflow.tui import pictures
from depthflow.tui.pictures import Pictures, understood
from depthflow.tui.widgets import graphics, halfblocks
from depthflow.tui.widgets.picture import Picture

SEQUENCE = re.compile(r"\x1b\[([\d;]*)m|(.)")


def noise(height: int, width: int, *, levels: int = 256) -> np.ndarray:
    """Random pixels; few levels make runs of one colour."""
    step = 255 // (levels - 1)
    return (np.random.default_rng(7).integers(0, levels, (height, width, 3)) * step).astype(np.uint8)


def seen(text: str) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """(upper, lower) colour of each cell, as a terminal would show this text."""
    front: tuple[int, ...] = ()
    back: tuple[int, ...] = ()
    cells = []
    for match in SEQUENCE.finditer(text):
        codes, glyph = match[1], match[2]
        if codes is not None:
            numbers = [int(n) for n in codes.split(";")]
            if numbers[0] == 38:
                front = tuple(numbers[2:])
            elif numbers[0] == 48:
                back = tuple(numbers[2:])
        elif glyph == " ":
            cells.append((back, back))
        else:
            assert glyph == "▀"
            cells.append((front, back))
    return cells


@pytest.mark.parametrize("levels", [2, 4, 256])
def test_a_terminal_shows_every_pixel(levels: int) -> None:
    pixels = noise(20, 33, levels=levels)
    lines = halfblocks.strips(pixels)
    assert len(lines) == 10
    for row, line in enumerate(lines):
        wanted = [(tuple(pixels[2 * row, x]), tuple(pixels[2 * row + 1, x])) for x in range(33)]
        assert seen(line.render(Console())) == wanted
        assert line.cell_length == 33


@pytest.mark.parametrize("levels", [2, 256])
def test_the_segments_of_a_line_say_what_its_text_says(levels: int) -> None:
    pixels = noise(2, 40, levels=levels)
    (line,) = halfblocks.strips(pixels)
    cells = []
    for segment in line:
        assert segment.style is not None
        front, back = segment.style.color.triplet, segment.style.bgcolor.triplet
        cells += [(tuple(back if glyph == " " else front), tuple(back)) for glyph in segment.text]
    assert cells == [(tuple(pixels[0, x]), tuple(pixels[1, x])) for x in range(40)]


def test_a_part_of_a_line_is_that_part() -> None:
    pixels = noise(2, 40)
    (line,) = halfblocks.strips(pixels)
    (part,) = halfblocks.strips(pixels[:, 7:21])
    assert list(line.crop(7, 21)) == list(part)
    assert [len(each.text) for each in line.divide([10, 40])] == [10, 30]


def test_equal_colours_are_said_once() -> None:
    pixels = np.full((2, 80, 3), 7, np.uint8)
    (line,) = halfblocks.strips(pixels)
    assert line.render(Console()) == "\x1b[48;2;7;7;7m" + " " * 80 + "\x1b[0m"


def test_256_colours_are_the_nearest_of_the_cube() -> None:
    pixels = noise(2, 50)
    (line,) = halfblocks.strips(pixels, "256")
    for x, (upper, lower) in enumerate(seen(line.render(Console()))):
        for number, pixel in ((upper[0], pixels[0, x]), (lower[0], pixels[1, x])):
            r, g, b = (round(int(value) * 5 / 255) for value in pixel)
            assert number == 16 + 36 * r + 6 * g + b


def test_ink_follows_light() -> None:
    pixels = np.repeat(np.linspace(0, 255, 10).astype(np.uint8), 6).reshape(1, 20, 3).repeat(2, axis=0)
    assert halfblocks.ramp(pixels, dark=True) == ["  ..::--==++**##%%@@"]
    assert halfblocks.ramp(pixels, dark=False) == ["@@%%##**++==--::..  "]


@pytest.mark.parametrize(("size", "room", "wanted"), [((400, 300), (80, 80), (80, 60)), ((1, 1000), (80, 80), (1, 80))])
def test_proportions_are_kept(size: tuple[int, int], room: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert halfblocks.fitted(size, room) == wanted


def test_what_is_left_over_is_background() -> None:
    canvas = halfblocks.on_canvas(np.full((10, 20, 3), 200, np.uint8), (40, 40), (1, 2, 3))
    assert (canvas[10:30] == 200).all()
    assert (canvas[:10] == (1, 2, 3)).all()
    assert (canvas[30:] == (1, 2, 3)).all()


# -- the widget ----------------------------------------------------------------------------------------------------


class Shown(App[None]):
    CSS = "Container { width: 40; height: 12; } Picture { background: #102030; }"

    def compose(self) -> ComposeResult:
        with Container():
            yield Picture()


def cell(app: App[None], x: int, y: int) -> tuple[str, str]:
    """Glyph and background of a cell of the screen."""
    strip = app.screen._compositor.render_strips()[y].crop(x, x + 1)
    (segment,) = [each for each in strip if each.text]
    return segment.text, segment.style.bgcolor.triplet.hex


async def test_a_picture_shows_in_its_proportions_and_goes() -> None:
    app = Shown()
    async with app.run_test(size=(80, 24)) as pilot:
        picture = app.query_one(Picture)
        assert picture.pixels_wanted == (40, 24)
        picture.set_image(np.full((10, 10, 3), 255, np.uint8))
        await pilot.pause()
        assert cell(app, 20, 5) == (" ", "#ffffff")
        assert cell(app, 7, 5)[1] == "#102030"  # 24 of 40 columns: 8 are left over on each side
        assert cell(app, 8, 5)[1] == "#ffffff"
        picture.set_image(None)
        await pilot.pause()
        assert cell(app, 20, 5) == (" ", "#102030")


async def test_one_that_is_taken_down_may_be_painted_once_more() -> None:
    app = Shown()
    async with app.run_test(size=(20, 6)) as pilot:
        picture = app.query_one(Picture)
        picture.set_image(noise(12, 20))
        await pilot.pause()
        await picture.remove()
        assert len(picture.render_lines(Region(0, 0, 20, 6))) <= 6
        assert not picture._is_whole()


async def test_pillow_images_are_shown_too() -> None:
    from PIL import Image

    app = Shown()
    async with app.run_test() as pilot:
        app.query_one(Picture).set_image(Image.new("L", (40, 24), 128))
        await pilot.pause()
        assert cell(app, 0, 0) == (" ", "#808080")


async def test_without_colours_it_is_drawn_with_ink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Shown()
    async with app.run_test() as pilot:
        pixels = np.zeros((24, 40, 3), np.uint8)
        pixels[:, 20:] = 255
        app.query_one(Picture).set_image(pixels)
        await pilot.pause()
        line = app.screen._compositor.render_strips()[3].text
        assert line[:40] == " " * 20 + "@" * 20


# -- terminals -----------------------------------------------------------------------------------------------------

KITTY = b"\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.35.2)\x1b\\\x1b[6;18;9t\x1b[?62;c"
SIXEL = b"\x1b[6;20;10t\x1b[?63;1;2;4;6c"
PLAIN = b"\x1b[?1;2c"


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (KITTY, Pictures("kitty", (9, 18))),
        (SIXEL, Pictures("sixel", (10, 20))),
        (KITTY.replace(b"kitty(0.35.2)", b"ghostty 1.1.3"), Pictures("kitty", (9, 18))),
        (KITTY.replace(b"0.35.2", b"0.26.5"), Pictures("half", (9, 18))),  # no cells that show parts of pictures
        (KITTY.replace(b"kitty(0.35.2)", b"Konsole 24.08.1").replace(b"?62", b"?62;4"), Pictures("sixel", (9, 18))),
        (KITTY.replace(b"\x1bP>|kitty(0.35.2)\x1b\\", b""), Pictures("half", (9, 18))),
        (b"\x1b[6;0;0t\x1b[?4c", Pictures()),  # nobody knows how many cells a Sixel would cover
        (PLAIN, Pictures()),
        (b"\x1b[?64;14;44c", Pictures()),
        (b"", Pictures()),
        (b"garbage \xff\x00", Pictures()),
    ],
)
def test_answers_are_understood(answer: bytes, wanted: Pictures) -> None:
    assert understood(answer) == wanted


def test_a_cell_is_as_large_as_the_terminal_says_or_else_the_system() -> None:
    assert understood(SIXEL, (8, 17)) == Pictures("sixel", (10, 20))
    assert understood(b"\x1b[?63;1;2;4;6c", (8, 17)) == Pictures("sixel", (8, 17))  # xterm
    assert understood(b"\x1b[6;0;0t\x1b[?4c", (8, 17)) == Pictures("sixel", (8, 17))


@pytest.mark.parametrize(("pixels", "wanted"), [((1284, 769), (8, 17)), ((0, 0), None), ((100, 45), None)])
def test_the_system_is_asked_for_the_size_of_a_cell(
    pixels: tuple[int, int], wanted: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 45, 160, *pixels))
    try:
        with os.fdopen(theirs, "w") as terminal:
            monkeypatch.setattr(sys, "__stdout__", terminal)
            assert pictures._window_cell() == wanted
    finally:
        os.close(ours)


@pytest.mark.parametrize(("answer", "rest"), [(KITTY, b""), (SIXEL, b"typed"), (PLAIN, b"")])
def test_a_terminal_is_asked_once_and_nothing_is_left_over(answer: bytes, rest: bytes) -> None:
    ours, theirs = pty.openpty()
    asked = []

    def terminal() -> None:
        text = b""
        while not text.endswith(b"\x1b[c"):
            text += os.read(ours, 1000)
        asked.append(text)
        os.write(ours, answer)

    thread = threading.Thread(target=terminal)
    thread.start()
    try:
        assert pictures._asked(theirs, theirs) == answer
        thread.join()
        assert asked == [pictures._QUESTION.encode()]
        if rest:
            os.write(ours, rest + b"\n")
            assert os.read(theirs, 100) == rest + b"\n"
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_silent_terminal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_PATIENCE_S", 0.01)
    ours, theirs = pty.openpty()
    try:
        assert pictures._asked(theirs, theirs) == b""
    finally:
        os.close(ours)
        os.close(theirs)


def test_what_is_wished_for_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_ask", lambda: KITTY)
    for variable in (pictures.VARIABLE, "NO_COLOR", "TEXTUAL_DRIVER"):
        monkeypatch.delenv(variable, raising=False)
    assert pictures.find().way == "kitty"
    assert pictures.find("half").way == "half"
    assert pictures.find("sixel") == Pictures("sixel", (9, 18))
    monkeypatch.setenv(pictures.VARIABLE, "half")
    assert pictures.find().way == "half"
    with pytest.raises(UsageError, match="ascii"):
        pictures.find("ascii")
    monkeypatch.setenv(pictures.VARIABLE, "auto")
    monkeypatch.setenv("TEXTUAL_DRIVER", "textual.drivers.web_driver:WebDriver")
    assert pictures.find().way == "half"


# -- protocols -----------------------------------------------------------------------------------------------------


def test_kitty_gets_the_pixels_and_cells_that_show_them() -> None:
    import base64
    import zlib

    from rich.style import Style

    sent: list[str] = []
    kitty = graphics.Kitty(Pictures("kitty", (10, 20)), sent.append)
    pixels = noise(60, 80)
    lines = kitty.lines(pixels, Region(3, 2, 20, 10), Style(), (0, 0, 0))
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", "".join(sent))
    assert all(len(body) <= 4096 for _, body in parts)
    assert [head.endswith("m=1") for head, _ in parts] == [True] * (len(parts) - 1) + [False]
    assert zlib.decompress(base64.b64decode("".join(body for _, body in parts))) == pixels.tobytes()
    facts = dict(each.split("=") for each in parts[0][0].split(","))
    assert (facts["s"], facts["v"]) == ("80", "60")
    # 200 x 200 pixels of room: 200 x 150 of them are 20 x 8 cells.
    assert (facts["c"], facts["r"]) == ("20", "8")
    assert [chr(0x10EEEE) in line.render(Console()) for line in lines] == [False, *[True] * 8, False]
    assert lines[4].render(Console()).count(chr(0x10EEEE)) == 20
    assert lines[4].crop(0, 5).text == "     "
    # The next one has another number, so that cells which still show this one do not go dark.
    kitty.lines(pixels, Region(3, 2, 20, 10), Style(), (0, 0, 0))
    other = sent[-1].partition("i=")[2].partition(",")[0]
    assert other != facts["i"]
    kitty.clear()
    assert f"i={facts['i']}" in sent[-1]
    assert f"i={other}" in sent[-1]


def test_sixels_are_painted_where_the_picture_is() -> None:
    from rich.style import Style

    sixel = graphics.Sixel(Pictures("sixel", (10, 20)), lambda _: None)
    lines = sixel.lines(noise(60, 80), Region(3, 2, 20, 10), Style(), (0, 0, 0))
    assert len(lines) == 10
    text = lines[-1].render(Console())
    assert "\x1b[4;4H\x1bP" in text
    assert '"1;1;200;160' in text
    assert text.endswith("\x1b\\\x1b[12;24H")
    assert [line.cell_length for line in lines] == [20] * 10
    # A cell on each side is wiped, none under it: a picture that is wiped before it is painted flickers.
    wide = sixel.lines(noise(60, 80), Region(3, 2, 26, 9), Style(), (0, 0, 0))
    assert [line.render(Console()) for line in wide[:-1]] == [" \x1b[24C "] * 8
    assert [line.crop(0, 5).text for line in wide] == ["     "] * 9
