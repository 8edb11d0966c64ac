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

_HEIGHT = "frame heights"


def _effect(name: str, low: float, high: float, default: float, unit: str, text: str) -> Parameter:
    return Parameter(name, low, high, default, unit, text, "effects")


_EFFECTS = (
    _effect("vignette.strength", 0, 1, 0.0, "", "how dark the frame's corners get"),
    _effect("vignette.start", 0, 1, 0.35, "half diagonals", "where it begins to darken, from the middle outwards"),
    _effect(
        "dof.aperture",
        0,
        0.5,
        0.0,
        _FAR,
        "depth of field: radius of the lens; a point blurs as far as it would move if the camera went sideways by this",
    ),
    _effect("dof.focus", -10, 10, 0.35, "depth", "what is sharp, 0 far, 1 near; follows the camera's focus unless set"),
    _effect("lens.distortion", -0.5, 0.5, 0.0, "", "bends straight lines: above 0 a barrel, below 0 a pincushion"),
    _effect(
        "lens.aberration", 0, 0.1, 0.0, "half diagonals", "lateral colour: red and blue part this far in the corners"
    ),
    _effect("colour.exposure", -5, 5, 0.0, "stops", "brightness of the light"),
    _effect("colour.contrast", 0, 4, 1.0, "", "distance from middle grey; 0 is grey"),
    _effect("colour.saturation", 0, 4, 1.0, "", "distance from grey of the same luma; 0 has no colour"),
    _effect("colour.gamma", 0.1, 10, 1.0, "", "above 1 lifts the middle tones, black and white stay"),
    _effect("colour.temperature", -1, 1, 0.0, "", "above 0 warmer, below 0 cooler; luma of white stays"),
    _effect("colour.sepia", 0, 1, 0.0, "", "how far it looks like an old print"),
    _effect("colour.grayscale", 0, 1, 0.0, "", "how far colour is taken away"),
    _effect(
        "fog.density", 0, 20, 0.0, "", "optical depth of the fog between near and far; 3 hides 95 % of the farthest"
    ),
    _effect("fog.start", -10, 10, 0.8, "depth", "fog begins behind this, 0 far, 1 near"),
    _effect("particles.amount", 0, 1, 0.0, "", "how many of the particles there are"),
    _effect("particles.size", 0.1, 10, 1.0, "", "size of a particle, 1 as usual"),
    _effect("particles.opacity", 0, 1, 1.0, "", "how strongly they show"),
    _effect("sweep.strength", 0, 1, 0.0, "", "a band of light that crosses the frame"),
    _effect(
        "sweep.position",
        -1,
        2,
        0.0,
        "",
        "where it is: 0 just outside before, 1 just outside after; crosses once a pass unless set",
    ),
    _effect("sweep.width", 0.01, 2, 0.2, _HEIGHT, "half width of the band"),
    _effect("grain.strength", 0, 1, 0.0, "", "film grain, strongest in the middle tones"),
    _effect("grain.size", 0.1, 20, 1.0, "540ths of the frame's height", "size of a grain"),
    _effect("fade.amount", 0, 1, 0.0, "", "0 the picture, 1 the fade's colour"),
    _effect("letterbox.amount", 0, 1, 0.0, "", "how far the bars are in"),
    _effect("letterbox.aspect", 0.2, 10, 2.39, "width / height", "what the bars leave open"),
    _effect("caption.opacity", 0, 1, 1.0, "", "how strongly the text shows"),
    _effect("caption.size", 0.005, 0.5, 0.055, _HEIGHT, "height of a line of text"),
    _effect("watermark.opacity", 0, 1, 0.8, "", "how strongly the picture shows"),
    _effect("watermark.size", 0.005, 1, 0.15, "frame widths", "width of the picture"),
)

TABLE: dict[str, Parameter] = {row.name: row for row in (*_CAMERA, *_EFFECTS)}
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
