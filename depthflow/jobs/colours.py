"""Colours as people write them. Pure text and numbers."""

from __future__ import annotations

from depthflow.errors import UsageError


def check_colour(text: str) -> str:
    """The colour as #rrggbb.

    >>> check_colour("Tomato"), check_colour("#fc0")
    ('#ff6347', '#ffcc00')

    Raises:
        UsageError: (a ValueError) not a colour, or a transparent one.
    """
    from PIL import ImageColor

    try:
        red, green, blue, *alpha = ImageColor.getrgb(text.strip())
    except ValueError:
        raise UsageError(
            f"{text!r} is not a colour", "write a name (white, teal), #rrggbb, or rgb(255, 200, 0)"
        ) from None
    if alpha and alpha[0] != 255:
        raise UsageError(f"{text!r} is transparent, and must not be", "leave the fourth number out")
    return f"#{red:02x}{green:02x}{blue:02x}"


def rgb(colour: str) -> tuple[int, int, int]:
    """#rrggbb as three numbers of 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
