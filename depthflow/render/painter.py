"""Draws single frames with one context and owns what lives there; what is to be drawn is worked out elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from depthflow.errors import GLError
from depthflow.opencv import cv2
from depthflow.render import packing
from depthflow.render.anaglyph import AnaglyphPass
from depthflow.render.context import GLContext
from depthflow.render.mesh import Mesh
from depthflow.render.readback import Readback, Transfer
from depthflow.render.stage import Rows, Stage, Target, View
from depthflow.render.yuv import BLACK, WHITE, Colour, Packer
from depthflow.scene import framing
from depthflow.scene.anaglyph import Mix
from depthflow.scene.camera import Camera, matrix, unprojection_scale
from depthflow.scene.effects import Effects
from depthflow.scene.scroll import Copy, copies
from depthflow.scene.views import Rect

if TYPE_CHECKING:
    from depthflow.render.effects import EffectsPass

_MOST_SEEN = 8.0
"""Halves of a scrolling photo, from its middle, up to which copies are drawn: one that sees the horizon sees no end."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame to draw.

    Attributes:
        cameras: one per view, in the order of the viewports.
        values: what is animated besides the cameras in this frame, by parameter.
        phase: time within the pass, 0 to below 1, for effects that move by themselves.
    """

    cameras: tuple[Camera, ...]
    values: Mapping[str, float] = field(default_factory=dict)
    phase: float = 0.0


@dataclass(frozen=True, slots=True)
class Picture:
    """What all frames of a renderer have in common. Sizes are (width, height) in pixels.

    Attributes:
        size: of finished frames.
        drawn_size: of frames as they are read back, supersampled.
        canvas_size: of what the views are drawn into.
        viewports: of the views in the canvas; depth_view: where the first one's depth is shown.
        inner: size of the part of a view that shows the photo.
        extent, frame: half width and height of the photo, and of what a view shows, halves of its longer side.
        colour: of finished frames; drawn: what the views are drawn in.
        anaglyph: how two views become one.
        packed: frames end as by `yuv.pack_420`.
        ring: they are read through pixel-pack buffers.
        strip: rows that are drawn, read back and packed before the next ones, unless there are effects; 0 draws frames
            as a whole. Not with a ring, of anaglyphs, or supersampled.
        transparent: they are RGBA, premultiplied; with effects only.
    """

    size: tuple[int, int]
    drawn_size: tuple[int, int]
    canvas_size: tuple[int, int]
    viewports: tuple[Rect, ...]
    depth_view: Rect | None
    inner: tuple[int, int]
    extent: tuple[float, float]
    frame: tuple[float, float]
    colour: Colour
    drawn: Colour
    anaglyph: Mix | None = None
    packed: bool = False
    ring: bool = False
    strip: int = 0
    transparent: bool = False

    @property
    def packs_when_drawn(self) -> bool:
        """A GPU packs, so that there is less to copy from it."""
        return self.packed and self.ring and self.drawn_size == self.size and packing.fits(self.size)

    @property
    def read_size(self) -> tuple[int, int]:
        """Of the pixels that are read back, four bytes each."""
        return packing.packed_size(self.size) if self.packs_when_drawn else self.drawn_size

    def buffer(self) -> NDArray[np.uint8]:
        """Memory for one frame as `Painter.take` gives it, when it is not supersampled."""
        width, height = self.size
        return np.empty((height * 3 // 2, width) if self.packed else (height, width, 4), np.uint8)


@dataclass(frozen=True, slots=True)
class Sheets:
    """The layers of a photo, made ready for a clip.

    Attributes:
        layers: mesh and (H, W, 4) uint8 RGBA or YUVA, premultiplied; back first.
        edge: how their pictures go on beyond their border.
        opacity: of a transparent photo the same with its opacity as grey, while the layers are colour times opacity.
    """

    layers: tuple[tuple[Mesh, NDArray[np.uint8]], ...]
    edge: Literal["mirror", "clamp"]
    opacity: tuple[tuple[Mesh, NDArray[np.uint8]], ...] = ()


@dataclass(frozen=True, slots=True)
class _Scene:
    """The views of one frame, and that whose depth is shown."""

    views: list[View]
    depth: View | None


class Painter:
    """Stage, framebuffer and passes in one context. Everything but `free` is for that context's thread."""

    def __init__(self, gl: GLContext, picture: Picture, effects: Effects | None) -> None:
        self.gl = gl
        self._picture = picture
        self._stage: Stage | None = Stage(gl.later)
        self._opacity = Stage(gl.later) if picture.transparent else None
        self._targets: dict[int, Target] = {}
        self._mixer: tuple[Target, AnaglyphPass] | None = None
        if picture.anaglyph is not None:
            self._mixer = Target(picture.drawn_size), AnaglyphPass(picture.anaglyph, picture.colour)
        self._pack_pass = packing.PackPass(picture.size) if picture.packs_when_drawn else None
        self._packer = Packer(picture.size) if picture.packed and not picture.packs_when_drawn else None
        self.readback = Readback(picture.read_size, gl.later)
        self._unpacked: NDArray[np.uint8] | None = None
        self.effects: EffectsPass | None = None
        self.set_effects(effects)

    def set_sheets(self, sheets: Sheets) -> None:
        """Draw these layers from now on."""
        self._alive().set_sheets(list(sheets.layers), sheets.edge)
        if self._opacity is not None:
            self._opacity.set_sheets(list(sheets.opacity), sheets.edge)

    def set_effects(self, effects: Effects | None) -> None:
        if self.effects is not None:
            self.effects.free()
            self.effects = None
        if effects is not None:
            from depthflow.render.effects import EffectsPass

            picture = self._picture
            self.effects = EffectsPass(
                effects, picture.inner, picture.frame, picture.drawn, transparent=picture.transparent
            )

    def prepare_effects(self, seen: Sequence[tuple[Camera, Mapping[str, float]]]) -> None:
        """Make what depends on all of a clip: camera and animated values of each view of each frame."""
        if self.effects is not None:
            self.effects.prepare(seen)

    def warm(self) -> None:
        """Draw a speck: drivers compile a shader when it is first used, and meanwhile meshes can be made."""
        if self._stage is None or self.effects is not None:
            return
        corners = np.array([[-1e-3, 0, 0], [1e-3, 0, 0], [0, 1e-3, 0]], np.float32)
        # One triangle opaque, one not; a texture whose sides are no powers of two has a shader of its own.
        mesh = Mesh(corners, np.array([[0, 1, 2], [0, 1, 2]], np.uint32), error=1.0, opaque=1)
        self._stage.set_sheets([(mesh, np.zeros((3, 3, 4), np.uint8))] * 2, "clamp")
        with self._reading(Shot((Camera(),) * len(self._picture.viewports))) as read_rows:
            read_rows(np.empty((1, self._picture.read_size[0], 4), np.uint8), 0)

    def begin(self, shot: Shot) -> Transfer:
        """Draw a frame and send it on its way."""
        return self.readback.begin(self._draw(shot))

    def take(self, item: Shot | Transfer, out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The finished frame of what is on its way, or of a shot that is drawn first.

        Args:
            out: of `Picture.buffer`; what is returned lies in it, unless frames are supersampled and not packed.
        """
        picture = self._picture
        if self._packer is not None and isinstance(item, Shot) and picture.drawn_size == picture.size:
            with self._reading(item) as read_rows:
                return self._packer.pack_read(read_rows, out)
        read = out
        if not picture.packs_when_drawn and (picture.packed or picture.drawn_size != picture.size):
            if self._unpacked is None:
                self._unpacked = np.empty((*picture.read_size[::-1], 4), np.uint8)
            read = self._unpacked
        if isinstance(item, Shot):
            with self._reading(item) as read_rows:
                read_rows(read, 0)
        else:
            self._alive()
            self.readback.finish(item, read)
        if read is out:
            return out
        if picture.drawn_size != picture.size:
            read = np.asarray(cv2.resize(read, picture.size, interpolation=cv2.INTER_AREA), np.uint8)
        return read if self._packer is None else self._packer.pack(read, out)

    def free(self) -> None:
        """Free all of it; from any thread, and once only counts."""
        self.gl.run(self._free)

    def _free(self) -> None:
        if self._stage is None:
            return
        self.set_effects(None)
        self._stage.free()
        if self._opacity is not None:
            self._opacity.free()
        self._stage = self._opacity = None
        for thing in (*self._targets.values(), *(self._mixer or ()), self._pack_pass):
            if thing is not None:
                thing.free()
        self._targets.clear()
        self._mixer = self._pack_pass = None
        self.readback.free()
        self.gl.flush()

    def _alive(self) -> Stage:
        if self._stage is None:
            raise GLError("this renderer is closed")
        return self._stage

    def _target(self, height: int) -> Target:
        """As wide as the views together."""
        if height not in self._targets:
            self._targets[height] = Target((self._picture.canvas_size[0], height))
        return self._targets[height]

    @contextmanager
    def _reading(self, shot: Shot) -> Iterator[Callable[[NDArray[np.uint8], int], None]]:
        """Draw a frame; within it `read(out, top)` copies rows from number `top` on, (rows, width, 4) uint8.

        With strips, each is drawn when one of its rows is read, in place of the one before.
        """
        strip = self._picture.strip if self.effects is None else 0
        if not strip:
            with self._draw(shot).reading() as read:
                yield read
            return
        from depthflow.render import gl_raw

        scene, drawn = self._scene(shot), -1
        with self._target(strip) as target:

            def read_rows(out: NDArray[np.uint8], top: int) -> None:
                nonlocal drawn
                while len(out):
                    number, row = divmod(top, strip)
                    if number != drawn:
                        self._draw_scene(scene, target, (number * strip, (number + 1) * strip))
                        drawn = number
                    count = min(len(out), strip - row)
                    gl_raw.read_pixels(out[:count], row)
                    out, top = out[count:], top + count

            yield read_rows

    def _draw(self, shot: Shot) -> Target:
        """Draw a frame; the target that it is in."""
        picture = self._picture
        with self._target(picture.canvas_size[1]) as target:
            self._draw_scene(self._scene(shot), target)
        if self.effects is not None:
            self._draw_with_effects(self.effects, shot, target)
        if self._mixer is not None:
            views, (target, mixer) = target, self._mixer
            with target:
                mixer.draw(views.colour, picture.drawn_size)
        if self._pack_pass is not None:
            target = self._pack_pass.draw(target.colour)
        self.gl.flush()
        return target

    def _scene(self, shot: Shot) -> _Scene:
        """What effects have no part in."""
        picture, first = self._picture, shot.cameras[0]
        views = [self._view(*seen) for seen in zip(shot.cameras, picture.viewports, strict=True)]
        depth = None if picture.depth_view is None else self._view(first, picture.depth_view)
        return _Scene(views if self.effects is None else [], depth)

    def _draw_scene(self, scene: _Scene, target: Target, rows: Rows | None = None) -> None:
        """Draw it into the active target, which holds these rows of a frame; None is all of it."""
        stage, picture = self._alive(), self._picture
        target.clear((*BLACK[picture.drawn], 0.0 if picture.transparent else 1.0))
        for view in scene.views:
            stage.draw(view, rows=rows)
        if scene.depth is not None:
            stage.draw_depth(scene.depth, (BLACK[picture.drawn], WHITE[picture.drawn]), rows=rows)

    def _draw_with_effects(self, effects: EffectsPass, shot: Shot, frame: Target) -> None:
        for camera, viewport in zip(shot.cameras, self._picture.viewports, strict=True):
            for stage, target in ((self._alive(), effects.scene), (self._opacity, effects.opacity)):
                if stage is None or target is None:
                    continue
                with target:
                    target.clear((0.0, 0.0, 0.0, 1.0))
                    view = self._view(camera, (0, 0, *target.size))
                    stage.draw(view, depth_is_read=True, blurs=effects.blurs)
            effects.draw(frame, viewport, camera, shot.values, shot.phase)

    def _view(self, camera: Camera, viewport: Rect) -> View:
        return View(self._uniforms(camera), self._copies(camera), viewport)

    def _copies(self, camera: Camera) -> Sequence[dict[str, tuple[float, float]]]:
        """Uniforms of each copy of the photo that a scrolling camera sees; the photo itself if it does not scroll."""
        scrolls = camera.scroll_x, camera.scroll_y
        seen = framing.seen([camera], self._picture.frame) if any(scrolls) else (0.0, 0.0)
        across, down = (
            copies(scroll, half, min(far, _MOST_SEEN * half)) if scroll else [Copy(1, 0.0)]
            for scroll, half, far in zip(scrolls, self._picture.extent, seen, strict=True)
        )
        return [
            {"copy_sign": (column.sign, row.sign), "copy_offset": (column.offset, row.offset)}
            for column, row in itertools.product(across, down)
        ]

    def _uniforms(self, camera: Camera) -> dict[str, object]:
        return {
            "camera": tuple(matrix(camera).T.ravel().tolist()),  # column by column
            "frame_extent": self._picture.frame,
            "photo_extent": self._picture.extent,
            "ray_scale": camera.ray_scale,
            "relief": camera.relief,
            "unprojection": unprojection_scale(camera),
        }
