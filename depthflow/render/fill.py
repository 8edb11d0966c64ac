"""What invents the picture behind near things: the call that a fill answers, and fills by name. It draws nothing.

A fill is a function `(photo, hole) -> picture`. The program's own is called "classic"; another comes from Python
(`register`, or the function itself where a renderer is made) or from an installed package with an entry point in the
group `depthflow.fills`, whose name is the fill's:

    [project.entry-points."depthflow.fills"]
    lama = "my_package:fill"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from depthflow.errors import InputError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP = "depthflow.fills"
CLASSIC = "classic"

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Hole:
    """What is to be invented; all of it in the depth map's size, row 0 on top.

    Attributes:
        mask: (h, w) to invent.
        strange: (h, w) near things that are not to be invented, and must lend no colour.
        depth: (h, w) float32 in [0, 1]: depth of what stands in the hole, carried on from its far side.
        far: (h, w) int32: flat index of the far side's nearest pixel, of a halo one that is clear of it; of what is not
            hidden otherwise, the pixel itself.
    """

    mask: Mask
    strange: Mask
    depth: F32
    far: NDArray[np.int32]

    def mask_at(self, width: int, height: int) -> Mask:
        """(height, width): the mask in the photo's size."""
        from depthflow.opencv import cv2

        return cv2.resize(self.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)


class Fill(Protocol):
    """Invents what a photo does not show."""

    def __call__(self, photo: U8, hole: Hole) -> U8:
        """The photo with the hole filled; what it holds elsewhere is not looked at.

        Args:
            photo: (H, W, 3) uint8 sRGB, H >= h.
            hole: where, and what stands there.
        """
        ...


_registered: dict[str, Fill] = {}


def register(name: str, fill: Fill) -> None:
    """Make a fill known by a name in this process; one of that name is replaced.

    Raises:
        UsageError: the name is the program's own.
    """
    if name == CLASSIC:
        raise UsageError(f"{CLASSIC!r} is the program's own fill", "give yours another name")
    _registered[name] = fill


def names() -> list[str]:
    """All fills that there are."""
    return sorted({CLASSIC, *_registered, *(point.name for point in _installed())})


def check_name(name: str) -> None:
    """Refuse a name that no fill has.

    Raises:
        UnknownNameError: with the nearest name.
    """
    if name != CLASSIC and name not in names():
        raise UnknownNameError("fill", name, names())


def named(name: str) -> Fill:
    """The fill of that name.

    Raises:
        UnknownNameError: there is none.
        UsageError: its package cannot be loaded.
    """
    check_name(name)
    if name in _registered:
        return _registered[name]
    if name == CLASSIC:
        from depthflow.render.classic_fill import fill

        return fill
    point = next(point for point in _installed() if point.name == name)
    try:
        loaded: Fill = point.load()
    except Exception as error:  # whatever an installed package does at import
        raise UsageError(f"the fill {name!r} ({point.value}) cannot be loaded: {error}") from error
    return loaded


def _installed() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def filled(photo: U8, hole: Hole, fill: Fill) -> U8:
    """A copy of the photo with only the hole taken from the fill.

    Raises:
        InputError: the fill gave no picture of the photo's size.
    """
    if not hole.mask.any():
        return photo.copy()
    invented = np.asarray(fill(photo, hole))
    if fill is named(CLASSIC):
        return invented  # it leaves the rest as it is
    if invented.shape != photo.shape or invented.dtype != np.uint8:
        raise InputError(
            f"the fill {_name(fill)} gave {invented.dtype} {invented.shape} for a photo that is uint8 {photo.shape}",
            "a fill returns the whole photo, (H, W, 3) uint8",
        )
    from depthflow.opencv import cv2

    mask = hole.mask_at(photo.shape[1], photo.shape[0]).view(np.uint8)
    return np.asarray(cv2.copyTo(np.ascontiguousarray(invented), mask, photo.copy()), np.uint8)


def _name(fill: Fill) -> str:
    return str(getattr(fill, "__qualname__", type(fill).__name__))
