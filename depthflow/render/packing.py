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
        self._corners = gloo.VertexBuffer(np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)], np.float32))
        # One that asks for each byte which plane it is in took an H100 0.47 instead of 0.37 ms.
        self._programs = [self._program("pack_luma.frag"), self._program("pack_chroma.frag")]
        self._programs[1]["size"] = size
        self.target = Target(packed_size(size))
        width, height = packed_size(size)
        self._viewports = (0, 0, width, size[1]), (0, size[1], width, height - size[1])

    def _program(self, fragment: str) -> Any:
        folder = paths.data("shaders")
        program = self._gloo.Program((folder / "full.vert").read_text(), (folder / fragment).read_text())
        program["corner"] = self._corners
        return program

    def draw(self, frame: Any) -> Target:
        """Pack a texture of (Y, U, V, A); the target that it is in, its bytes those of the planes."""
        with self.target:
            self._gloo.set_state(depth_test=False, depth_mask=False, blend=False)
            for program, viewport in zip(self._programs, self._viewports, strict=True):
                program["frame"] = frame
                self._gloo.set_viewport(*viewport)
                program.draw("triangle_strip")
        return self.target

    def free(self) -> None:
        for thing in (*self._programs, self._corners):
            thing.delete()
        self.target.free()


def packed_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the target that holds a packed frame, four bytes a pixel."""
    return size[0] // 4, size[1] * 3 // 2
