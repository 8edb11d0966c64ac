"""What a clip's cameras ask of a renderer: how fine the mesh, how large the photo, how much zoom. Pure numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from depthflow.scene.camera import Camera, matrix, numbers, project, unprojection_scale

_DEPTHS = np.linspace(0.0, 1.0, 5)
_ENDS = np.array([0.0, 1.0])
"""Enough for where a pixel of the frame meets a depth: that goes straight, and never back, from one to the other."""
_UPRIGHT = 8.0
"""Degrees of roll up to which the photo's left side is what the frame's left side meets."""
_MOST_ZOOM = 4.0


def _points(extent: tuple[float, float], count: int = 5) -> NDArray[np.float64]:
    """(N, 2): a grid over the rectangle."""
    x, y = np.meshgrid(np.linspace(-extent[0], extent[0], count), np.linspace(-extent[1], extent[1], count))
    return np.column_stack([x.ravel(), y.ravel()])


def _scene(extent: tuple[float, float], depths: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The grid of `_points` at each of the depths: (N, 2) places and (N,) depths."""
    points = _points(extent)
    return np.tile(points, (len(depths), 1)), np.repeat(depths, len(points))


def sample(cameras: Sequence[Camera], most: int = 48) -> list[Camera]:
    """Cameras that stand for a clip: every extreme of every number, and what differs most from those taken before.

    However short a movement is, one of them has it (farthest-point sampling: Gonzalez, Clustering to minimize the
    maximum intercluster distance, Theoretical Computer Science 38, 1985).
    """
    if len(cameras) <= most:
        return list(cameras)
    every = np.array([numbers(camera) for camera in cameras])
    low, high = every.min(axis=0), every.max(axis=0)
    every = (every - low)[:, high > low] / (high - low)[high > low]
    taken = sorted({0, *every.argmin(axis=0).tolist(), *every.argmax(axis=0).tolist()})
    away = np.full(len(every), np.inf)
    for index in taken:
        away = np.minimum(away, np.square(every - every[index]).sum(axis=1))
    while len(taken) < most and away.max() > 0.0:
        taken.append(int(away.argmax()))
        away = np.minimum(away, np.square(every - every[taken[-1]]).sum(axis=1))
    return [cameras[index] for index in sorted(taken)]


def reach(cameras: Iterable[Camera], extent: tuple[float, float]) -> float:
    """Largest movement on screen per unit of depth, halves of the photo's longer side.

    The error that a mesh makes on screen is its error in depth times this.

    Args:
        extent: half width and height of the photo.
    """
    points, depths = _scene(extent, _DEPTHS)
    step = 0.01
    # One call for each camera, which costs more than the points.
    both, beside = np.tile(points, (2, 1)), np.concatenate([depths, depths + step])
    most = 0.0
    for camera in cameras:
        here, there = np.split(project(camera, both, beside), 2)
        most = max(most, float(np.hypot(*(there - here).T).max()) / step)
    return most


def magnification(cameras: Iterable[Camera], extent: tuple[float, float]) -> float:
    """Largest enlargement of any part of the photo, 1 at rest.

    Args:
        extent: half width and height of the photo.
    """
    points, depths = _scene(extent, _ENDS)
    step = 0.01
    places = np.concatenate([points, *(points + step * axis for axis in np.eye(2))])
    depths = np.tile(depths, 3)
    most = 0.0
    for camera in cameras:
        here, *moved = np.split(project(camera, places, depths), 3)
        for there in moved:
            most = max(most, float(np.hypot(*(there - here).T).max()) / step)
    return most


def hide_edges(
    cameras: Iterable[Camera],
    depth: NDArray[np.float32],
    extent: tuple[float, float],
    frame: tuple[float, float],
) -> float:
    """Zoom, at least 1, with which no camera of the clip sees beyond the photo's border.

    The border's own depth decides: a far border hardly moves, and needs hardly any zoom.

    Args:
        depth: (H, W) in [0, 1], row 0 on top.
        extent: half width and height of the photo.
        frame: half width and height of the frame, same unit.
    """
    clip = list(cameras)
    # Sideways the photo goes on for ever where it scrolls.
    scrolls = any(c.scroll_x for c in clip), any(c.scroll_y for c in clip)
    border = [line for line in _border(depth, extent) if not scrolls[line[0]]]
    zoom = 1.0
    turned = []
    for camera in clip:
        if abs(camera.roll) > _UPRIGHT and not any(scrolls):
            turned.append(camera)
            continue
        shift = np.array([camera.shift_x, camera.shift_y])
        for axis, side, points, depths in border:
            seen = project(camera, points, depths)[:, axis] - shift[axis]
            wanted = side * frame[axis] - shift[axis]
            # Beyond the frame's side it must be; zooming moves it away from the frame's middle.
            inner = float((seen * side).min())
            if inner <= 0.0:
                continue  # looked past entirely: no zoom mends that
            zoom = max(zoom, wanted * side / inner)
    if turned:
        depths = np.concatenate([line[3] for line in border])
        ends = np.array([depths.min(), depths.max()])
        low, high = zoom, _MOST_ZOOM
        if overshoot([zoomed(c, low) for c in turned], extent, frame, ends) > 0:
            for _ in range(12):
                middle = (low + high) / 2
                beyond = overshoot([zoomed(c, middle) for c in turned], extent, frame, ends) > 0
                low, high = (middle, high) if beyond else (low, middle)
            zoom = high
    return min(zoom, _MOST_ZOOM)


def overshoot(
    cameras: Iterable[Camera],
    extent: tuple[float, float],
    frame: tuple[float, float],
    depths: NDArray[np.float64] = _DEPTHS,
) -> float:
    """How far beyond the photo's border the clip looks, where that has one of these depths; 0 if it never does.

    Args:
        extent: half width and height of the photo; the result has the same unit.
        frame: half width and height of the frame.
    """
    most = 0.0
    for places, ahead in _rim_places(cameras, frame, depths):
        most = max(most, float((places - extent).max(initial=0.0, where=ahead[..., None])))
    return most


def seen(
    cameras: Iterable[Camera], frame: tuple[float, float], depths: NDArray[np.float64] = _ENDS
) -> tuple[float, float]:
    """Half width and height of the part of the photo's plane that the clip ever shows; infinite where it looks up to
    a horizon.

    Args:
        frame: half width and height of the frame; the result has the same unit.
    """
    most = np.zeros(2)
    for places, ahead in _rim_places(cameras, frame, depths):
        most = np.maximum(most, places.max((0, 1), initial=0.0)) if ahead.all() else np.full(2, np.inf)
    return float(most[0]), float(most[1])


def _rim_places(
    cameras: Iterable[Camera], frame: tuple[float, float], depths: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """For each camera: (depths, N, 2) how far from the photo's middle the frame's rim meets a plane of each depth, and
    (depths, N) whether that lies ahead of the camera; planes that are seen edge on are left out.
    """
    side = np.linspace(-1.0, 1.0, 9)
    ends = np.ones_like(side)
    rim = np.concatenate([np.column_stack(pair) for pair in ((side, ends), (side, -ends), (ends, side), (-ends, side))])
    rim = np.column_stack([rim * frame, np.ones(len(rim))])
    for camera in cameras:
        to_clip = matrix(camera)
        c0, c1 = unprojection_scale(camera)
        q = 1.0 + camera.relief * depths
        # On a plane of one depth the camera is a homography from the photo to the frame.
        ray = camera.ray_scale * (c0 + c1 * q)
        planes = np.stack(
            [np.outer(ray, to_clip[:, 0]), np.outer(ray, to_clip[:, 1]), to_clip[:, 2] + np.outer(q, to_clip[:, 3])],
            axis=2,
        )[:, [0, 1, 3]]
        # What is seen edge on has none.
        backs = np.linalg.inv(planes[np.linalg.det(planes) != 0])
        met = rim @ backs.transpose(0, 2, 1)
        ahead = met[..., 2] > 1e-6
        yield np.abs(met[..., :2] / np.where(ahead, met[..., 2], 1.0)[..., None]), ahead


def _border(
    depth: NDArray[np.float32], extent: tuple[float, float], count: int = 64
) -> list[tuple[int, int, NDArray[np.float64], NDArray[np.float64]]]:
    """Axis, side (-1 or 1), points and depths of the photo's four sides."""
    height, width = depth.shape
    lines = []
    for axis, length in ((0, height), (1, width)):
        pick = np.linspace(0, length - 1, min(count, length)).round().astype(int)
        along = ((pick + 0.5) / length * 2 - 1) * extent[1 - axis]
        if axis == 0:
            along = -along  # rows run down, y runs up
        for side in (-1, 1):
            points = np.empty((len(pick), 2))
            points[:, axis] = side * extent[axis]
            points[:, 1 - axis] = along
            values = depth[pick, -1 if side > 0 else 0] if axis == 0 else depth[0 if side > 0 else -1, pick]
            lines.append((axis, side, points, values.astype(np.float64)))
    return lines


def zoomed(camera: Camera, zoom: float) -> Camera:
    """The camera with its zoom multiplied."""
    return replace(camera, zoom=camera.zoom * zoom) if zoom != 1.0 else camera
