"""What lives on the GPU: a framebuffer to draw into, and the layers that are drawn. Used on the render thread only.

The layers are drawn without gloo: its commands for one strip of a frame took 0.3 ms of Python (docs/benchmarks.md).
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from depthflow import paths
from depthflow.render.mesh import Mesh
from depthflow.render.strips import Bands
from depthflow.scene.views import Rect

Later = Callable[[Callable[[], None]], None]
"""Has a function called on the render thread some time."""

Rows = tuple[int, int]
"""Of a frame: the first, and the one after the last."""

_DEPTH_OF_ALL = (((0.5 / 255, 2.0), True),)
"""Opacities from, to, and whether what has them leaves its depth: one pass for what has any opacity."""
_NO_DEPTH = (((0.5 / 255, 2.0), False),)
_DEPTH_OF_CORE = (((254.5 / 255, 2.0), True), ((0.5 / 255, 254.5 / 255), False))

_ALL = (0, -1)
_MOST_BUFFERS = 64
"""Selections of a sheet's triangles that are kept; a scrolling photo has ever new ones."""


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
        self._gloo.flush()  # what is drawn without gloo does not wait in its queue
        return self

    def __exit__(self, *_: object) -> None:
        self._framebuffer.deactivate()

    def clear(self, colour: tuple[float, float, float, float]) -> None:
        """Fill all of it, which is what is drawn into from now on; activated only."""
        from depthflow.render import gl_raw

        gl_raw.set_viewport(0, 0, *self.size)
        gl_raw.clear(colour)

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


class View:
    """How the photo is seen in one frame.

    Args:
        uniforms: of shaders/mesh.vert, but for those of the copies.
        copies: uniforms of each copy of the photo that the camera sees.
        viewport: in the frame.
    """

    def __init__(self, uniforms: dict[str, Any], copies: Sequence[dict[str, Any]], viewport: Rect) -> None:
        self.uniforms, self.copies, self.viewport = uniforms, copies, viewport
        self._seen: dict[tuple[int, int], tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    def seen(self, bands: Bands, copy: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`Bands.seen` of one of the copies, worked out once."""
        key = id(bands), id(copy)
        if key not in self._seen:
            self._seen[key] = bands.seen({**self.uniforms, **copy}, self.viewport)
        return self._seen[key]


class Stage:
    """The layers of one photo, and the programs that draw them into the active target."""

    def __init__(self, later: Later) -> None:
        from vispy import gloo

        self._gloo, self._later = gloo, later
        self._plain, self._cut, self._depth = (_Program(later, f"{name}.frag") for name in ("mesh", "cut", "depth"))
        self._sheets: list[_Sheet] = []

    def set_sheets(self, sheets: list[tuple[Mesh, NDArray[np.uint8]]], edge: Literal["mirror", "clamp"]) -> None:
        """The layers, back first: mesh and (H, W, 4) uint8 RGBA, premultiplied."""
        for sheet in self._sheets:
            sheet.free()
        self._sheets = [_Sheet(self._later, mesh, pixels, edge) for mesh, pixels in sheets]

    def draw(self, view: View, *, rows: Rows | None = None, depth_is_read: bool = False, blurs: bool = False) -> None:
        """Draw all layers.

        Args:
            rows: what the target holds of the frame; None is all of it.
            depth_is_read: soft edges leave no depth, but that of what shines through them; takes one pass more.
            blurs: what reads it is a lens: to it the front's soft edges are one with what they belong to, depth too.
        """
        from depthflow.render import gl_raw

        *behind, front = self._sheets
        with self._drawing(view, rows) as copies:
            if len(behind) == 1:
                # Nothing soft lies behind the front: most of what does is hidden by it, and need not be coloured.
                self._draw_opaque(front, copies)
                gl_raw.set_depth(equal=False)  # in the same place the front shows
                self._draw_opaque(behind[0], copies)
                self._draw_soft(front, copies, _DEPTH_OF_CORE if depth_is_read and not blurs else _DEPTH_OF_ALL)
                return
            for sheet in self._sheets:
                self._draw_opaque(sheet, copies)
                depths = _DEPTH_OF_CORE if depth_is_read and not (blurs and sheet is front) else _DEPTH_OF_ALL
                # Layers behind the front one leave no depth: nothing of the front may be lost behind their edges.
                self._draw_soft(sheet, copies, depths if depth_is_read or sheet is front else _NO_DEPTH)

    @contextmanager
    def _drawing(self, view: View, rows: Rows | None) -> Iterator[list[_Copy]]:
        """Within it what it gives can be drawn."""
        from depthflow.render import gl_raw

        x, y, width, height = view.viewport
        gl_raw.set_viewport(x, y - (rows[0] if rows else 0), width, height)
        try:
            with gl_raw.drawing():
                yield [_Copy(uniforms, view, rows) for uniforms in view.copies]
        finally:
            # gloo uses no program anew that it believes to be in use.
            self._gloo.get_current_canvas().context.shared.parser.env["current_program"] = 0

    def _draw_opaque(self, sheet: _Sheet, copies: Sequence[_Copy]) -> None:
        for copy in copies:
            sheet.draw(self._plain, sheet.opaque, copy)

    def _draw_soft(
        self, sheet: _Sheet, copies: Sequence[_Copy], depths: tuple[tuple[tuple[float, float], bool], ...]
    ) -> None:
        """Soft edges after all that may shine through them; among themselves they lie far ones first."""
        from depthflow.render import gl_raw

        gl_raw.set_blending(on=True)
        for opacity, leaves_depth in depths:
            gl_raw.set_depth(kept=leaves_depth)
            for copy in copies:
                sheet.draw(self._cut, sheet.soft, copy, {"opacity": opacity})
        gl_raw.set_blending(on=False)
        gl_raw.set_depth()

    def draw_depth(
        self,
        view: View,
        ends: tuple[tuple[float, float, float], tuple[float, float, float]],
        *,
        rows: Rows | None = None,
    ) -> None:
        """Draw the depth of what `draw` shows, linear between two colours: that of 0 (far) and that of 1 (near)."""
        colours = dict(zip(("far", "near"), ends, strict=True))
        with self._drawing(view, rows) as copies:
            for sheet, copy in itertools.product(self._sheets, copies):
                for part in (sheet.opaque, sheet.soft):
                    sheet.draw(self._depth, part, copy, colours)

    def free(self) -> None:
        for sheet in self._sheets:
            sheet.free()
        for program in (self._plain, self._cut, self._depth):
            program.free()


class _Owned:
    """OpenGL objects that are freed together: when that is asked for, else some time after nobody holds this."""

    def __init__(self, later: Later) -> None:
        self._frees: list[Callable[[], None]] = []
        weakref.finalize(self, later, partial(_call_all, self._frees)).atexit = False

    def add(self, free: Callable[[int], None], name: int) -> int:
        self._frees.append(partial(free, name))
        return name

    def free(self) -> None:
        _call_all(self._frees)


def _call_all(functions: list[Callable[[], None]]) -> None:
    while functions:
        functions.pop()()


class _Program:
    """Draws the mesh; what it was told before is not told again, as that takes Python longer than a GPU draws."""

    def __init__(self, later: Later, fragment: str) -> None:
        self._fragment = fragment
        self._owned = _Owned(later)
        self._name = 0
        self._places: dict[str, int] = {}
        self._told: dict[str, Any] = {}

    def use(self, *uniforms: Mapping[str, Any]) -> None:
        """Draw with it from now on, and with these numbers or tuples."""
        from depthflow.render import gl_raw

        if not self._name:
            folder = paths.data("shaders")
            sources = ((folder / name).read_text() for name in ("mesh.vert", self._fragment))
            self._name = self._owned.add(gl_raw.free_program, gl_raw.make_program(*sources))
        gl_raw.use_program(self._name)
        for name, value in itertools.chain.from_iterable(one.items() for one in uniforms):
            if self._told.get(name) != value:
                self._told[name] = value
                if name not in self._places:
                    self._places[name] = gl_raw.find_uniform(self._name, name)
                gl_raw.set_uniform(self._places[name], value)

    def free(self) -> None:
        self._owned.free()


@dataclass(frozen=True, slots=True)
class _Copy:
    """One copy of the photo in a view, and the rows of the frame that are drawn of it; None are all."""

    uniforms: dict[str, Any]
    view: View
    rows: Rows | None


class _Sheet:
    """One layer: vertices, the triangles that are opaque and those that are not, and its picture."""

    def __init__(self, later: Later, mesh: Mesh, pixels: NDArray[np.uint8], edge: Literal["mirror", "clamp"]) -> None:
        from depthflow.render import gl_raw

        self._owned = _Owned(later)
        self._vertices, buffer = gl_raw.make_vertices(mesh.positions)
        self._owned.add(gl_raw.free_vertices, self._vertices)
        self._owned.add(gl_raw.free_buffer, buffer)
        self._photo = self._owned.add(gl_raw.free_texture, gl_raw.make_texture(pixels, mirrored=edge == "mirror"))
        parts = mesh.triangles[: mesh.opaque], mesh.triangles[mesh.opaque :]
        self.opaque, self.soft = (_Part(later, mesh.positions, part) for part in parts)

    def draw(self, program: _Program, part: _Part, copy: _Copy, more: Mapping[str, Any] | None = None) -> None:
        """Draw what a copy shows of one of the parts; `more` are uniforms besides its own."""
        from depthflow.render import gl_raw

        indices, count = part.shown(copy)
        if count:
            program.use(copy.view.uniforms, copy.uniforms, more or {})
            gl_raw.draw_triangles(self._vertices, indices, count, self._photo)

    def free(self) -> None:
        for thing in (self._owned, self.opaque, self.soft):
            thing.free()


class _Part:
    """Triangles of a sheet, in buffers of indices: all of them, or those that some rows show."""

    def __init__(self, later: Later, positions: NDArray[np.float32], triangles: NDArray[np.uint32]) -> None:
        self._positions, self._triangles = positions, triangles
        self._owned = _Owned(later)
        self._bands: Bands | None = None
        self._buffers: dict[tuple[int, int], tuple[int, int]] = {}

    def shown(self, copy: _Copy) -> tuple[int, int]:
        """A buffer of what these rows show, and perhaps some more, and how many indices that is."""
        if not len(self._triangles):
            return 0, 0
        if copy.rows is None:
            return self._buffer(_ALL)
        if self._bands is None:
            self._bands = Bands(self._positions, self._triangles)
        first, end = self._bands.between(*copy.view.seen(self._bands, copy.uniforms), *copy.rows)
        return self._buffer((first, end)) if first < end else (0, 0)

    def _buffer(self, bands: tuple[int, int]) -> tuple[int, int]:
        from depthflow.render import gl_raw

        if bands not in self._buffers:
            if len(self._buffers) >= _MOST_BUFFERS:
                self.free()
            wanted = self._triangles if self._bands is None or bands == _ALL else self._bands.triangles(*bands)
            self._buffers[bands] = self._owned.add(gl_raw.free_buffer, gl_raw.make_buffer(wanted)), wanted.size
        return self._buffers[bands]

    def free(self) -> None:
        self._owned.free()
        self._buffers.clear()
