"""Which triangles can be seen in some rows of a frame. Numbers only, no GL.

Where the CPU draws, a frame's colour and depth are larger than what a core can keep at hand, and so is the photo: it
waits for memory (docs/benchmarks.md). A strip of a frame is drawn, read back and packed before the next one is begun,
in the same memory. For that only the triangles are to be drawn that the strip can show.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthflow.scene.views import Rect

PIXELS = 400_000
"""Of a strip, about: with their colour and depth 2.4 MB."""
TILE = 64
"""Rows of the squares that llvmpipe divides what it draws into."""

_BANDS = 48
"""Bands that a mesh is divided into, top to bottom."""
_SLACK = 1.0
"""Rows by which what is seen is taken to be larger than it is worked out: drivers round."""


def rows(width: int, height: int) -> int:
    """Rows of the strips that a frame of (width, height) is drawn in; 0 if it is drawn as a whole."""
    count = max(1, round(PIXELS / width / TILE)) * TILE
    return count if count < height else 0


class Bands:
    """The triangles of a mesh in bands, each with a box that it fits in.

    Args:
        positions: (N, 3) as of `Mesh.positions`.
        triangles: (M, 3) indices of them.
    """

    def __init__(self, positions: NDArray[np.float32], triangles: NDArray[np.uint32]) -> None:
        self._triangles = triangles
        a, b, c = (positions[corner] for corner in triangles.T)
        least, most = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
        middle = (least[:, 1] + most[:, 1]) / 2
        top, height = float(middle.max()), max(1e-6, float(np.ptp(middle)))
        self._band = np.minimum((top - middle) * (_BANDS / height), _BANDS - 1).astype(np.int8)
        order = np.argsort(self._band, kind="stable")
        self._numbers, starts = np.unique(self._band[order], return_index=True)
        ends = np.minimum.reduceat(least[order], starts), np.maximum.reduceat(most[order], starts)
        box = np.array(ends, np.float64).transpose(1, 2, 0)  # (bands, axis, end)
        corners = np.indices((2, 2, 2)).reshape(3, -1)
        self._corners = np.stack([box[:, axis, corners[axis]] for axis in range(3)])  # (axis, bands, corner)

    def seen(self, uniforms: Mapping[str, Any], viewport: Rect) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """First and last row of the frame that each band can be seen in, at most.

        A box's image lies within what its corners' images span: its points are in-between of its corners before they
        are divided by their distance, and dividing keeps that, as long as all are before the camera.

        Args:
            uniforms: of shaders/mesh.vert.
            viewport: rows of the frame count from its first; so do those of the result.
        """
        x, y, depth = self._corners
        q = 1 + uniforms["relief"] * depth
        scale = uniforms["ray_scale"] * (uniforms["unprojection"][0] + uniforms["unprojection"][1] * q)
        (sign_x, sign_y), (offset_x, offset_y) = uniforms["copy_sign"], uniforms["copy_offset"]
        x, y = (x * sign_x + offset_x) * scale, (y * sign_y + offset_y) * scale
        columns = np.reshape(uniforms["camera"], (4, 4))
        up, before = (columns[0, k] * x + columns[1, k] * y + columns[2, k] + columns[3, k] * q for k in (1, 3))
        _, first, _, height = viewport
        with np.errstate(divide="ignore", invalid="ignore"):
            row = first + (1 - up / before / uniforms["frame_extent"][1]) * (height / 2)
        behind = (before <= 0).any(1)
        return (
            np.where(behind, -np.inf, row.min(1) - _SLACK),
            np.where(behind, np.inf, row.max(1) + _SLACK),
        )

    def between(self, first: NDArray[np.float64], last: NDArray[np.float64], top: int, below: int) -> tuple[int, int]:
        """Numbers of the first band and the one after the last that rows `top` to before `below` can show."""
        found = self._numbers[(last >= top) & (first < below)]
        return (int(found[0]), int(found[-1]) + 1) if len(found) else (0, 0)

    def triangles(self, first: int, end: int) -> NDArray[np.uint32]:
        """(K, 3): those of bands `first` to before `end`, in their order."""
        return np.asarray(self._triangles[(self._band >= first) & (self._band < end)])
