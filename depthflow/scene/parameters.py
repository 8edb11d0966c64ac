"""The table of everything that can be animated: name, unit, range, default. Data only; it moves nothing.

A camera parameter has the bare name of its field in `Camera`; a layer's or an effect's is dotted, such as
"vignette.strength". Whoever adds one adds a row: motions, timelines, their error messages and the published
schema follow.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Group = Literal["camera", "scene", "layers", "effects"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number that may change over time.

    Attributes:
        name: what motions and timelines call it.
        low, high: range, both ends allowed; what leaves it is brought back to it.
        default: its value where nothing sets it.
        unit: for people; empty for a plain ratio.
        text: what it does.
        group: whose it is.
    """

    name: str
    low: float
    high: float
    default: float
    unit: str
    text: str
    group: Group = "camera"

    @property
    def span(self) -> str:
        """The range in words."""
        return f"{self.low:g} to {self.high:g}"


_FAR = "distances to the farthest plane"
_HALF = "halves of the photo's longer side"

_CAMERA = (
    Parameter("x", -10, 10, 0.0, _FAR, "position of the camera, right"),
    Parameter("y", -10, 10, 0.0, _FAR, "position of the camera, up"),
    Parameter("z", -10, 1, 0.0, _FAR, "position of the camera, forwards; kept before the nearest thing"),
    Parameter("yaw", -3600, 3600, 0.0, "degrees", "turn to the right"),
    Parameter("pitch", -90, 90, 0.0, "degrees", "turn upwards"),
    Parameter("roll", -3600, 3600, 0.0, "degrees", "turn about the line of sight, clockwise"),
    Parameter("pivot", -10, 10, 0.5, "depth", "depth (0 far, 1 near) of the point that turns are about"),
    Parameter("pivot_x", -10, 10, 0.0, _HALF, "place of that point in the photo, right of its middle"),
    Parameter("pivot_y", -10, 10, 0.0, _HALF, "place of that point in the photo, above its middle"),
    Parameter("zoom", 0.01, 100, 1.0, "", "magnification"),
    Parameter("dolly", -0.95, 20, 0.0, _FAR, "backs away while the view narrows; the focus plane keeps its size"),
    Parameter("focus", -10, 10, 0.35, "depth", "depth (0 far, 1 near) of the plane that stays still"),
    Parameter("isometric", 0, 1, 0.0, "", "0 perspective, 1 orthographic"),
    Parameter("shift_x", -10, 10, 0.0, _HALF, "moves the finished picture, right"),
    Parameter("shift_y", -10, 10, 0.0, _HALF, "moves the finished picture, up"),
    Parameter("scroll_x", -1000, 1000, 0.0, "photo widths", "slides the endlessly repeated photo to the left"),
    Parameter("scroll_y", -1000, 1000, 0.0, "photo heights", "slides the endlessly repeated photo down"),
    Parameter("fov", 1, 150, 55.0, "degrees", "field of view across the photo's longer side"),
    Parameter("relief", 0, 10, 0.6, "", "how deep the scene is: nearest inverse depth is 1 + relief", "scene"),
)

TABLE: dict[str, Parameter] = {row.name: row for row in _CAMERA}
"""Every parameter by name; the fields of `Camera` come first."""


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of a name that is not known: did you mean 'zoom'? known: x, y, ..."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return (f"did you mean {near[0]!r}? " if near else "") + f"known: {', '.join(names)}"


def parameter(name: str) -> Parameter:
    """The row of that name.

    Raises:
        ValueError: there is none; the message carries the nearest one.
    """
    if name not in TABLE:
        raise ValueError(f"unknown parameter {name!r}; {nearest(name, TABLE)}")
    return TABLE[name]


def number(what: str, value: float, low: float, high: float) -> None:
    """Refuse what is no number from low to high.

    Raises:
        ValueError: names `what` and the range.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} must be a number within {low:g} and {high:g}, not {value!r}")
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{what} must be within {low:g} and {high:g}, not {value!r}")
