"""Lays two views over each other for coloured glasses. Used on the render thread only; weights come from outside."""

from __future__ import annotations

from typing import Any

import numpy as np

from depthflow import paths
from depthflow.render.yuv import Colour, matrix
from depthflow.scene.anaglyph import Mix


class AnaglyphPass:
    """Draws the anaglyph of two views that lie above each other in one texture, the left eye's on top.

    Args:
        mix: the method.
        colour: what is drawn, RGB or YUV in limited range; the views are RGB.
    """

    def __init__(self, mix: Mix, colour: Colour) -> None:
        from vispy import gloo

        self._gloo = gloo
        read = paths.data("shaders", "full.vert").read_text, paths.data("shaders", "anaglyph.frag").read_text
        self._program = gloo.Program(*(text() for text in read))
        self._corners = gloo.VertexBuffer(np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)], np.float32))
        coding = np.eye(4) if colour == "rgb" else matrix(colour)
        uniforms: dict[str, Any] = {
            "left": np.array(mix.left, np.float32).T,
            "right": np.array(mix.right, np.float32).T,
            "linear": float(mix.linear),
            "red_power": 1.0 / mix.gamma,
            "coding": coding.T.astype(np.float32),
        }
        for name, value in uniforms.items():
            self._program[name] = value

    def draw(self, views: Any, size: tuple[int, int]) -> None:
        """Fill the active target of that size from a texture twice as high."""
        self._program["corner"] = self._corners
        self._program["views"] = views
        self._gloo.set_viewport(0, 0, *size)
        self._gloo.set_state(depth_test=False, depth_mask=False, blend=False)
        self._program.draw("triangle_strip")

    def free(self) -> None:
        self._program.delete()
        self._corners.delete()
