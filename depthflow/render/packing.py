"""Packs YUV frames as planar 4:2:0 where they are drawn: 1.5 bytes a pixel to read back, not 4. Render thread only.

`yuv.pack_420` does the same on the CPU, which is where it belongs when the CPU draws.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from depthflow import paths
from depthflow.render.stage import Target


def fits(size: tuple[int, int]) -> bool:
    """Four bytes in a row always belong to one row of one plane in frames of this (width, height)."""
    return size[0] % 8 == 0 and size[1] % 2 == 0


class PackPass:
    """Draws the packed form of frames of one size into a target of its own.

    Args:
        size: (width, height) of the frames, for which `fits` holds.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        from vispy import gloo

        self._gloo = gloo
        self._size = size
        vertex = paths.data("shaders", "full.vert").read_text()
        self._program = gloo.Program(vertex, paths.data("shaders", "pack.frag").read_text())
        self._corners = gloo.VertexBuffer(np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)], np.float32))
        self.target = Target(packed_size(size))

    def draw(self, frame: Any) -> Target:
        """Pack a texture of (Y, U, V, A); the target that it is in, its bytes those of the planes."""
        with self.target:
            self._program["corner"] = self._corners
            self._program["frame"] = frame
            self._program["size"] = self._size
            self._gloo.set_viewport(0, 0, *self.target.size)
            self._gloo.set_state(depth_test=False, depth_mask=False, blend=False)
            self._program.draw("triangle_strip")
        return self.target

    def free(self) -> None:
        for thing in (self._program, self._corners):
            thing.delete()
        self.target.free()


def packed_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the target that holds a packed frame, four bytes a pixel."""
    return size[0] // 4, size[1] * 3 // 2
