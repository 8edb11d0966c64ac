"""Several views of one scene: where each lies in the frame, and the camera of each. Pure numbers; it draws nothing.

All views look in one direction: their cameras stand side by side on the line of the camera's own x axis and are never
toed in, which would tilt the two pictures against each other. The lens shift brings the focus plane to the same place
in all of them, so that it lies in the screen; what is nearer comes out of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from depthflow.scene.camera import Camera, matrix, rotation
from depthflow.scene.parameters import nearest

Mode = Literal[
    "mono", "sbs", "sbs-half", "tb", "tb-half", "cross", "pair", "anaglyph", "quilt", "rgbd", "rgbd-half"
]  # fmt: skip
MODES: tuple[Mode, ...] = get_args(Mode)

Rect = tuple[int, int, int, int]
"""x, y, width and height in pixels; (0, 0) is a frame's upper left corner."""
Size = tuple[int, int]

EYES = 3.0
"""Usual separation of two eyes, per cent of the frame's width: what is comfortable for long (1/30 rule)."""
FAN = 10.0
"""Usual separation of a quilt's first and last view."""

LEFT_AND_RIGHT: tuple[Mode, ...] = ("sbs", "sbs-half", "tb", "tb-half", "cross", "pair", "anaglyph")
"""Modes of two eyes."""

_GRIDS: dict[Mode, Size] = {
    "sbs": (2, 1), "cross": (2, 1), "tb": (1, 2), "pair": (1, 2), "anaglyph": (1, 2), "rgbd": (2, 1),
    "sbs-half": (2, 1), "tb-half": (1, 2), "rgbd-half": (2, 1),
}  # fmt: skip
"""Columns and rows of the views where they are drawn."""


@dataclass(frozen=True, slots=True)
class Quilt:
    """A grid of views for a Looking Glass display.

    Attributes:
        columns, rows: of the views.
        size: (width, height) of the file in pixels; None takes it from the size of one view.
        aspect: width by height of the display; None takes it from the size of one view.
    """

    columns: int
    rows: int
    size: Size | None = None
    aspect: float | None = None


DEVICES: dict[str, Quilt] = {
    "go": Quilt(11, 6, (4092, 4092), 0.5625),
    "portrait": Quilt(8, 6, (3360, 3360), 0.75),
    "16-landscape": Quilt(7, 7, (5999, 5999), 16 / 9),
    "16-portrait": Quilt(11, 6, (5995, 6000), 0.5625),
    "32-landscape": Quilt(7, 7, (8190, 8190), 16 / 9),
    "32-portrait": Quilt(11, 6, (8184, 8184), 0.5625),
    "65": Quilt(8, 9, (8192, 8192), 16 / 9),
    "15.6": Quilt(5, 9, (4096, 4096), 16 / 9),
    "8k": Quilt(5, 9, (8192, 8192), 16 / 9),
}
"""Looking Glass displays (docs.lookingglassfactory.com/keyconcepts/quilts, today's and 2022's page)."""

MAX_VIEWS = 160
_GRID = re.compile(r"(\d{1,3})x(\d{1,3})(?:a(\d*\.?\d+))?")


def quilt(text: str) -> Quilt:
    """The quilt of a display's name, or of COLUMNSxROWS or COLUMNSxROWSaASPECT as file names have it.

    Raises:
        ValueError: neither, or more views than anybody draws.
    """
    name = text.strip().lower()
    if name in DEVICES:
        return DEVICES[name]
    match = _GRID.fullmatch(name)
    if match is None:
        raise ValueError(
            f"unknown quilt {text!r}: not COLUMNSxROWS such as 8x6, and no display; {nearest(name, DEVICES)}"
        )
    columns, rows = int(match[1]), int(match[2])
    if not 2 <= columns * rows <= MAX_VIEWS:
        raise ValueError(f"a quilt has 2 to {MAX_VIEWS} views, not {columns * rows}")
    aspect = float(match[3]) if match[3] else None
    if aspect is not None and not 0.1 <= aspect <= 10:
        raise ValueError(f"the aspect of a quilt must be within 0.1 and 10, not {match[3]}")
    return Quilt(columns, rows, aspect=aspect)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the views lie.

    Attributes:
        view: (width, height) of what one view shows, in its own square pixels; a squeezed view lies in a smaller
            rectangle of the canvas.
        canvas: (width, height) of what is drawn.
        viewports: one per camera, the cameras from left to right.
        depth: where the depth map of the only view is drawn.
        frame: (width, height) of what comes out; the two views of an anaglyph are drawn apart and then laid over
            each other.
    """

    view: Size
    canvas: Size
    viewports: tuple[Rect, ...]
    depth: Rect | None = None
    frame: Size = (0, 0)

    def __post_init__(self) -> None:
        if self.frame == (0, 0):
            object.__setattr__(self, "frame", self.canvas)


def layout(mode: Mode, size: Size, *, grid: Quilt | None = None, swap: bool = False, multiple: Size = (1, 1)) -> Layout:
    """Lay out the views of a frame.

    Args:
        size: (width, height) of one view; of the whole frame for the half modes, which squeeze their views into it,
            and for the anaglyph. A quilt of a display has the display's own size instead.
        grid: the quilt.
        swap: the left eye's view takes the place of the right eye's.
        multiple: width and height of every view are multiples of these, so that no chroma sample of a 4:2:0 video
            belongs to two views.
    """
    half = mode.endswith("-half")
    columns, rows = _GRIDS.get(mode, (1, 1))
    view: Size | None = None
    if mode == "quilt":
        if grid is None:
            raise ValueError("a quilt needs its grid")
        columns, rows = grid.columns, grid.rows
        if grid.size is not None:
            size = grid.size[0] // columns, grid.size[1] // rows
    elif half:
        size = size[0] // columns, size[1] // rows
    tile = _floored(size[0], multiple[0]), _floored(size[1], multiple[1])
    if half:
        view = tile[0] * columns, tile[1] * rows
    elif grid is not None and grid.aspect is not None:
        view = _unsqueezed(tile, grid.aspect)
    canvas = tile[0] * columns, tile[1] * rows
    if mode == "quilt":
        # The first view is the leftmost, and lies at the bottom left.
        places = [(column, row) for row in reversed(range(rows)) for column in range(columns)]
    else:
        places = [(column, row) for row in range(rows) for column in range(columns)]
    rects: tuple[Rect, ...] = tuple((x * tile[0], y * tile[1], *tile) for x, y in places)
    if mode in ("rgbd", "rgbd-half"):
        return Layout(view or tile, canvas, rects[:1], depth=rects[1])
    if swap != (mode == "cross"):
        rects = rects[::-1]
    return Layout(view or tile, canvas, rects, frame=tile if mode == "anaglyph" else canvas)


def _floored(side: int, multiple: int) -> int:
    return max(multiple, side - side % multiple)


def _unsqueezed(tile: Size, aspect: float) -> Size:
    """The smallest size of that aspect which loses no pixel of the tile in either direction."""
    width, height = tile
    return (round(height * aspect), height) if height * aspect >= width else (width, round(width / aspect))


# -- cameras ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fan:
    """Cameras side by side.

    Attributes:
        count: how many.
        separation: how much farther the nearest plane (depth 1) moves than the farthest (depth 0) between the first
            and the last view, per cent of the frame's width.
    """

    count: int = 1
    separation: float = 0.0

    def cameras(self, camera: Camera, frame_width: float) -> tuple[Camera, ...]:
        """The camera of each view, from left to right.

        The cameras stand apart as far as gives the separation for this camera's relief, field of view and zoom.

        Args:
            frame_width: of what the frame shows at rest, halves of the photo's longer side.
        """
        if self.count == 1:
            return (camera,)
        base = _baseline(camera, self.separation / 100 * frame_width)
        return tuple(beside(camera, base * (index / (self.count - 1) - 0.5)) for index in range(self.count))

    def outer(self, clip: Sequence[Camera], frame_width: float) -> list[Camera]:
        """First and last view of every camera of a clip: what holds for them holds for the views between."""
        if self.count == 1:
            return list(clip)
        pairs = [replace(self, count=2).cameras(camera, frame_width) for camera in clip]
        return [pair[side] for side in (0, 1) for pair in pairs]


def beside(camera: Camera, offset: float) -> Camera:
    """The camera moved along its own x axis, with the lens shifted so that the focus plane stays where it was.

    Args:
        offset: to the right, in distances of the farthest plane.
    """
    # A turned camera sees its focus plane aslant; then the point of it in the middle of the picture stays.
    point = np.array([0.0, 0.0, 1.0, camera.inverse_depth(camera.focus)])
    step = offset * rotation(camera)[0]
    moved = replace(camera, x=camera.x + step[0], y=camera.y + step[1], z=camera.z + step[2])
    away = _seen(matrix(camera), point) - _seen(matrix(moved), point)
    return replace(moved, shift_x=camera.shift_x + float(away[0]), shift_y=camera.shift_y + float(away[1]))


def _seen(to_clip: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    clip = to_clip @ point
    return np.asarray(clip[:2] / max(float(clip[3]), 1e-6))


def _baseline(camera: Camera, disparity: float) -> float:
    """How far the outermost cameras stand apart for a range of disparity between depths 0 and 1.

    What a plane moves on screen is linear in the offset, so one unit of it tells.
    """
    moved = beside(camera, 1.0)
    before, after = matrix(camera), matrix(moved)
    shifts = []
    for depth in (0.0, 1.0):
        point = np.array([0.0, 0.0, 1.0, 1.0 + camera.relief * depth])
        shifts.append(float((_seen(after, point) - _seen(before, point))[0]))
    spread = abs(shifts[1] - shifts[0])
    # Without relief, or without perspective, no offset makes a difference.
    return disparity / spread if spread > 1e-6 else 0.0
