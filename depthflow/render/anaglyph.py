"""Lays two views over each other for coloured glasses. Used on the render thread only; weights come from outside."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

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
        vertex = paths.data("shaders", "full.vert").read_text()
        version, _, rest = paths.data("shaders", "anaglyph.frag").read_text().partition("\n")
        self._program = gloo.Program(vertex, f"{version}\n{_constants(mix, colour)}{rest}")
        self._corners = gloo.VertexBuffer(np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)], np.float32))

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


def _constants(mix: Mix, colour: Colour) -> str:
    """The method as constants of the shader: uniforms take Mesa's llvmpipe twice the time (86 ms against 38, 1080p)."""
    lines = [
        f"const mat3 left = {_glsl(mix.left)};",
        f"const mat3 right = {_glsl(mix.right)};",
        f"const mat4 coding = {_glsl(np.eye(4) if colour == 'rgb' else matrix(colour))};",
        *(["#define LINEAR"] if mix.linear else []),
        *([f"#define RED_POWER {1 / mix.gamma!r}"] if mix.gamma != 1 else []),
    ]
    return "".join(f"{line}\n" for line in lines)


def _glsl(rows: ArrayLike) -> str:
    """A square matrix as GLSL writes it, column by column."""
    values = np.asarray(rows, np.float64)
    return f"mat{len(values)}({', '.join(repr(float(value)) for value in values.T.ravel())})"
