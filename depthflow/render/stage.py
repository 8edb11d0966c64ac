"""What lives on the GPU: a framebuffer to draw into, and the layers that are drawn. Used on the render thread only."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from depthflow import paths
from depthflow.render.mesh import Mesh
from depthflow.scene.views import Rect

_DEPTH_OF_ALL = (((0.5 / 255, 2.0), True),)
"""Opacities from, to, and whether what has them leaves its depth: one pass for what has any opacity."""
_NO_DEPTH = (((0.5 / 255, 2.0), False),)
_DEPTH_OF_CORE = (((254.5 / 255, 2.0), True), ((0.5 / 255, 254.5 / 255), False))


class Target:
    """A framebuffer with one colour texture and a depth attachment.

    Args:
        size: (width, height) in pixels.
        depth_texture: the depth can be sampled afterwards; else it lives in a renderbuffer.
    """

    def __init__(self, size: tuple[int, int], *, depth_texture: bool = False) -> None:
        from vispy import gloo

        self.size = size
        shape = size[1], size[0]
        self.colour = gloo.Texture2D(shape=(*shape, 4), format="rgba", internalformat="rgba8", interpolation="linear")
        self.depth: Any = (
            gloo.Texture2D(shape=shape, format="depth_component", internalformat="depth_component")
            if depth_texture
            else gloo.RenderBuffer(shape, format="depth")
        )
        self._gloo = gloo
        self._framebuffer = gloo.FrameBuffer(color=self.colour, depth=self.depth)

    def __enter__(self) -> Target:
        self._framebuffer.activate()
        return self

    def __exit__(self, *_: object) -> None:
        self._framebuffer.deactivate()

    def clear(self, colour: tuple[float, float, float, float]) -> None:
        """Fill all of it; activated only."""
        self._gloo.set_viewport(0, 0, *self.size)
        self._gloo.set_state(depth_mask=True)
        self._gloo.clear(color=colour, depth=True)

    def read(self, out: NDArray[np.uint8]) -> None:
        """Copy into `out`, (height, width, 4) uint8, row 0 first."""
        with self.reading() as read:
            read(out)

    @contextmanager
    def reading(self) -> Iterator[Callable[..., None]]:
        """Within it `read(out, top)` copies rows from number `top` on, (rows, width, 4) uint8."""
        from depthflow.render import gl_raw

        with self:
            # Activation is queued by gloo like everything else.
            self._gloo.flush()
            yield gl_raw.read_pixels

    def begin_reading(self, buffer: int) -> Any:
        """Have it copied into a pack buffer of gl_raw; the fence."""
        from depthflow.render import gl_raw

        with self:
            self._gloo.flush()
            return gl_raw.begin_reading(buffer, self.size)

    def free(self) -> None:
        for thing in (self._framebuffer, self.colour, self.depth):
            thing.delete()


class Stage:
    """The layers of one photo, and the programs that draw them."""

    def __init__(self) -> None:
        from vispy import gloo

        self._gloo = gloo
        self._plain, self._cut, self._depth = (_Program(gloo, f"{name}.frag") for name in ("mesh", "cut", "depth"))
        self._sheets: list[_Sheet] = []

    def set_sheets(self, sheets: list[tuple[Mesh, NDArray[np.uint8]]], edge: Literal["mirror", "clamp"]) -> None:
        """The layers, back first: mesh and (H, W, 4) uint8 RGBA, premultiplied."""
        for sheet in self._sheets:
            sheet.free()
        wrapping = "clamp_to_edge" if edge == "clamp" else "mirrored_repeat"
        self._sheets = [_Sheet(self._gloo, mesh, pixels, wrapping) for mesh, pixels in sheets]

    def draw(
        self,
        uniforms: dict[str, Any],
        copies: Sequence[dict[str, Any]],
        viewport: Rect,
        *,
        depth_is_read: bool = False,
        blurs: bool = False,
    ) -> None:
        """Draw all layers into the active target.

        Args:
            uniforms: of shaders/mesh.vert, but for those of the copies.
            copies: uniforms of each copy of the photo that the camera sees.
            depth_is_read: soft edges leave no depth, but that of what shines through them; takes one pass more.
            blurs: what reads it is a lens: to it the front's soft edges are one with what they belong to, depth too.
        """
        for program in (self._plain, self._cut):
            program.tell(uniforms)
        state = self._gloo.set_state
        state(depth_test=True, depth_func="lequal", depth_mask=True, blend=False)
        self._gloo.set_viewport(*viewport)
        *behind, front = self._sheets
        if len(behind) == 1:
            # Nothing soft lies behind the front: most of what does is hidden by it, and need not be coloured.
            self._draw_opaque(front, copies)
            state(depth_func="less")  # in the same place the front shows
            self._draw_opaque(behind[0], copies)
            self._draw_soft(front, copies, _DEPTH_OF_CORE if depth_is_read and not blurs else _DEPTH_OF_ALL)
            return
        for sheet in self._sheets:
            self._draw_opaque(sheet, copies)
            depths = _DEPTH_OF_CORE if depth_is_read and not (blurs and sheet is front) else _DEPTH_OF_ALL
            # Layers behind the front one leave no depth: nothing of the front may be lost behind their edges.
            self._draw_soft(sheet, copies, depths if depth_is_read or sheet is front else _NO_DEPTH)

    def _draw_opaque(self, sheet: _Sheet, copies: Sequence[dict[str, Any]]) -> None:
        for copy in copies:
            sheet.draw(self._plain, sheet.opaque, copy)

    def _draw_soft(
        self, sheet: _Sheet, copies: Sequence[dict[str, Any]], depths: tuple[tuple[tuple[float, float], bool], ...]
    ) -> None:
        """Soft edges after all that may shine through them; among themselves they lie far ones first."""
        lies_over = {"blend": True, "blend_func": ("one", "one_minus_src_alpha"), "depth_func": "lequal"}
        for opacity, leaves_depth in depths:
            self._cut.tell({"opacity": opacity})
            self._gloo.set_state(**lies_over, depth_mask=leaves_depth)
            for copy in copies:
                sheet.draw(self._cut, sheet.soft, copy)
        self._gloo.set_state(blend=False, depth_mask=True)

    def draw_depth(
        self,
        uniforms: dict[str, Any],
        copies: Sequence[dict[str, Any]],
        viewport: Rect,
        ends: tuple[tuple[float, float, float], tuple[float, float, float]],
    ) -> None:
        """Draw the depth of what `draw` shows, linear between two colours: that of 0 (far) and that of 1 (near)."""
        self._depth.tell({**uniforms, **dict(zip(("far", "near"), ends, strict=True))})
        self._gloo.set_state(depth_test=True, depth_func="lequal", depth_mask=True, blend=False)
        self._gloo.set_viewport(*viewport)
        for sheet, copy in itertools.product(self._sheets, copies):
            for triangles in (sheet.opaque, sheet.soft):
                sheet.draw(self._depth, triangles, copy)

    def free(self) -> None:
        for sheet in self._sheets:
            sheet.free()
        for program in (self._plain, self._cut, self._depth):
            program.delete()


class _Program:
    """Draws the mesh; what it was told before is not told again, as that takes Python longer than a GPU draws."""

    def __init__(self, gloo: Any, fragment: str) -> None:
        folder = paths.data("shaders")
        self._program = gloo.Program((folder / "mesh.vert").read_text(), (folder / fragment).read_text())
        self._told: dict[str, Any] = {}

    def tell(self, values: dict[str, Any]) -> None:
        """Set uniforms (numbers or tuples), textures and vertices."""
        for name, value in values.items():
            if self._told.get(name) != value:
                self._program[name] = self._told[name] = value

    def draw(self, triangles: Any) -> None:
        self._program.draw("triangles", triangles)

    def delete(self) -> None:
        self._program.delete()


class _Sheet:
    """One layer: vertices, the triangles that are opaque and those that are not, and its picture."""

    def __init__(self, gloo: Any, mesh: Mesh, pixels: NDArray[np.uint8], wrapping: str) -> None:
        self._vertices = gloo.VertexBuffer(mesh.positions)
        parts = mesh.triangles[: mesh.opaque], mesh.triangles[mesh.opaque :]
        self.opaque, self.soft = (gloo.IndexBuffer(part.ravel()) if len(part) else None for part in parts)
        self._photo = gloo.Texture2D(pixels, interpolation="linear", wrapping=wrapping, internalformat="rgba8")

    def draw(self, program: _Program, triangles: Any, copy: dict[str, Any]) -> None:
        if triangles is not None:
            program.tell({**copy, "position": self._vertices, "photo": self._photo})
            program.draw(triangles)

    def free(self) -> None:
        for thing in (self._vertices, self.opaque, self.soft, self._photo):
            if thing is not None:
                thing.delete()
