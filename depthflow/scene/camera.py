"""A pinhole camera over a photo with depth, as numbers and one matrix.

Words and units. The photo is un-projected along its own rays: a pixel at (rx, ry) on the image plane (longer
side spans -1..1, y up, times tan(fov/2)) with inverse depth q lies at (rx / q, ry / q, 1 / q); the camera at
rest sits in the origin, looks along +z, and sees the photo exactly. Inverse depth is q = 1 + relief * d with the
depth map d in [0, 1], 1 = nearest: the farthest thing stands at distance 1, the nearest at 1 / (1 + relief).

Everything a camera does is linear in (rx, ry, 1, q) (homogeneous coordinates divided by 1/q), so a camera is one
4x4 matrix, and a point's place on screen is linear in q up to the perspective division. That is what lets a mesh
of few triangles, linear in q, stand for the whole depth map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

NEAR, FAR = 0.01, 100.0
"""Distances of the clipping planes."""

Fit = Literal["crop", "pad", "fit", "fill"]


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the camera is and how it looks.

    Attributes:
        x, y: position; right and up. 1 is the distance of the farthest plane.
        z: position forwards; stays below the nearest distance 1 / (1 + relief).
        yaw, pitch, roll: degrees; right, up, clockwise as the viewer sees the picture turn.
        pivot: depth (0 far, 1 near) of the point that yaw, pitch and roll turn about; None turns the camera
            about itself. The camera orbits that point and keeps it where it is in the frame.
        zoom: magnification.
        dolly: moves back by this much while the field of view narrows, so that the focus plane keeps its size.
        focus: depth (0 far, 1 near; outside is allowed) of the plane that stays still while x and y change.
        isometric: 0 perspective to 1 orthographic, for un-projection and projection alike.
        shift_x, shift_y: moves the finished picture; halves of the frame's longer side, right and up.
        fov: field of view across the photo's longer side, degrees.
        relief: inverse depth is 1 + relief * d.
        pivot_x, pivot_y: place of the pivot in the photo; halves of its longer side, right and up of its middle.
        scroll_x, scroll_y: the photo, endlessly repeated and mirrored at its borders, slides to the left and
            down by this many of its widths and heights before the camera sees it; 2 looks like 0. `matrix` and
            `project` leave it out: it moves points of the photo and no camera (see `depthflow.scene.scroll`).

    Raises:
        ValueError: a number that is not finite, no zoom above 0, or a field of view beyond 0 and 180.
    """

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    pivot: float | None = None
    zoom: float = 1.0
    dolly: float = 0.0
    focus: float = 0.35
    isometric: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    fov: float = 55.0
    relief: float = 0.6
    pivot_x: float = 0.0
    pivot_y: float = 0.0
    scroll_x: float = 0.0
    scroll_y: float = 0.0

    def __post_init__(self) -> None:
        # One sum for all of them: cameras are made by the ten thousand.
        if not math.isfinite(sum(filter(None, _numbers(self)))):
            raise ValueError(f"camera: every number must be finite, not as in {self}")
        if self.zoom <= 0:
            raise ValueError(f"camera: zoom must be above 0, not {self.zoom!r}")
        if not 0 < self.fov < 180:
            raise ValueError(f"camera: fov must be within 0 and 180 degrees, not {self.fov!r}")

    @property
    def ray_scale(self) -> float:
        """tan(fov / 2): the image plane's half length at distance 1."""
        return math.tan(math.radians(self.fov) / 2)

    def inverse_depth(self, depth: float) -> float:
        """q of a depth in [0, 1]; at least 0.01, so that a focus far beyond the scene stays finite."""
        return max(0.01, 1.0 + self.relief * depth)


_numbers = attrgetter(*(field.name for field in fields(Camera)))


def numbers(camera: Camera) -> tuple[float, ...]:
    """All that a camera is, in the order of its fields; no pivot counts as one where no scene reaches."""
    return tuple(-100.0 if value is None else value for value in _numbers(camera))


def rotation(camera: Camera) -> Matrix:
    """World to camera, (3, 3): a camera that yaws right sees the scene move left. Its rows are the camera's axes."""
    a, b, c = (math.radians(v) for v in (camera.yaw, camera.pitch, camera.roll))
    about_y = np.array([[math.cos(a), 0, -math.sin(a)], [0, 1, 0], [math.sin(a), 0, math.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    about_z = np.array([[math.cos(c), math.sin(c), 0], [-math.sin(c), math.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y)


@lru_cache(maxsize=1024)  # what asks how far a clip moves asks for the same ones over and over
def matrix(camera: Camera) -> Matrix:
    """(4, 4), not to be written to: takes (rx * s, ry * s, 1, q) to clip coordinates, s = `unprojection_scale`.

    rx, ry lie on the image plane at distance 1 (longer side within -ray_scale .. ray_scale). The result's x and
    y are in halves of the photo's longer side (see `frame_extent`); z / w runs from -1 near to 1 far. At rest
    x / w = rx / ray_scale for every q, which is the photo.
    """
    centred = _matrix(camera, 0.0, 0.0)
    moved = _matrix(camera, camera.x, camera.y)
    # Lens shift: the point of the focus plane on the axis stays where it is without the translation.
    q = camera.inverse_depth(camera.focus)
    axis = np.array([0.0, 0.0, 1.0, q])
    before, after = centred @ axis, moved @ axis
    if before[3] > 0 and after[3] > 0:
        shift = before[:2] / before[3] - after[:2] / after[3]
        moved[:2] += np.outer(shift, moved[3])
    moved[0] += camera.shift_x * moved[3]
    moved[1] += camera.shift_y * moved[3]
    moved.setflags(write=False)
    return moved


def _matrix(camera: Camera, x: float, y: float) -> Matrix:
    """The camera at (x, y) without lens shift."""
    turn = rotation(camera)
    position = np.array([x, y, camera.z - camera.dolly])
    if camera.pivot is not None:
        q = camera.inverse_depth(camera.pivot)
        c0, c1 = unprojection_scale(camera)
        ray = camera.ray_scale * (c0 + c1 * q)
        centre = np.array([camera.pivot_x * ray, camera.pivot_y * ray, 1.0]) / q
        position = position + centre - turn.T @ centre
    view = np.eye(4)
    view[:3, :3] = turn
    view[:3, 3] = -turn @ position
    project = np.zeros((4, 4))
    project[0, 0] = project[1, 1] = magnification(camera) / camera.ray_scale
    project[2:, 2:] = np.reshape(clip_depth(camera), (2, 2))
    return np.asarray(project @ view)


def clip_depth(camera: Camera) -> tuple[float, float, float, float]:
    """(a, b, c, e): what lies at distance z before the camera has depth (a z + b) / (c z + e) on screen.

    -1 is at NEAR and 1 at FAR for every blend of perspective and orthographic. Solved for the inverse distance:
    1 / z = (a - depth c) / (depth e - b).
    """
    # The scene point times q is (rx s, ry s, 1, q), so w = z and the flat w are linear in it too.
    part = 1.0 - camera.isometric
    flat = camera.isometric * (1.0 / camera.inverse_depth(camera.focus) + camera.dolly)
    w_near, w_far = (z * part + flat for z in (NEAR, FAR))
    a = (w_far + w_near) / (FAR - NEAR)
    return a, w_far - a * FAR, part, flat


def magnification(camera: Camera) -> float:
    """How much larger than at rest the camera shows what stands at one and the same distance from it."""
    z_focus = 1.0 / camera.inverse_depth(camera.focus)
    return camera.zoom * (z_focus + camera.dolly) / z_focus


def unprojection_scale(camera: Camera) -> tuple[float, float]:
    """(c0, c1) of s = c0 + c1 * q, by which an isometric camera widens its rays with distance."""
    return 1.0 - camera.isometric, camera.isometric / camera.inverse_depth(camera.focus)


def photo_extent(photo: tuple[int, int]) -> tuple[float, float]:
    """Half width and half height of the photo in halves of its longer side; photo = (width, height)."""
    longer = max(photo)
    return photo[0] / longer, photo[1] / longer


def frame_extent(photo: tuple[int, int], frame: tuple[int, int], fit: Fit = "crop") -> tuple[float, float]:
    """Half width and half height of what the frame shows at rest, in halves of the photo's longer side.

    crop: the photo fills the frame and loses what is outside; pad and fit: the whole photo shows, with room
    around it; fill: the photo is stretched to the frame.

    Args:
        photo, frame: (width, height) in pixels.
    """
    width, height = photo_extent(photo)
    if fit == "fill":
        return width, height
    aspect = frame[0] / frame[1]
    wider = aspect > width / height
    if wider == (fit == "crop"):
        return width, width / aspect
    return height * aspect, height


def project(camera: Camera, points: NDArray[np.floating], depth: NDArray[np.floating]) -> Matrix:
    """Where points of the photo are seen, (N, 2) in halves of the photo's longer side.

    Args:
        points: (N, 2) x right and y up, in halves of the photo's longer side.
        depth: (N,) in [0, 1], 1 = nearest.
    """
    q = 1.0 + camera.relief * np.asarray(depth, np.float64)
    c0, c1 = unprojection_scale(camera)
    rays = np.asarray(points, np.float64) * camera.ray_scale * (c0 + c1 * q)[:, None]
    clip = np.column_stack([rays, np.ones_like(q), q]) @ matrix(camera).T
    clip[clip[:, 3] == 0, 3] = 1e-9  # in the camera's own plane: far off, but a number
    return np.asarray(clip[:, :2] / clip[:, 3:])
