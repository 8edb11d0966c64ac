"""Draws frames of one photo with depth: owns the mesh, the texture and the framebuffer on the render thread."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from depthflow.errors import GLError
from depthflow.render import packing
from depthflow.render.anaglyph import AnaglyphPass
from depthflow.render.context import GLContext, context
from depthflow.render.effects import EffectsPass
from depthflow.render.fill import Fill
from depthflow.render.layers import Form, cut
from depthflow.render.mesh import Mesh, build_mesh
from depthflow.render.readback import Readback, Transfer
from depthflow.render.stage import Stage, Target
from depthflow.render.yuv import BLACK, WHITE, Colour, to_yuv
from depthflow.scene import framing
from depthflow.scene.anaglyph import Mix
from depthflow.scene.camera import Camera, Fit, frame_extent, matrix, photo_extent, unprojection_scale
from depthflow.scene.effects import Effects
from depthflow.scene.scroll import Copy, copies
from depthflow.scene.views import Fan, Layout, Rect, layout

Edge = Literal["zoom", "mirror", "clamp"]

TOLERANCE = 0.48
"""Pixels that a mesh may be off on screen under the largest motion."""

AHEAD = 2
"""Frames that are drawn while one is written: with one, an encoder that takes some in bursts has to wait."""

_LEAST_MARGIN, _MOST_MARGIN = 0.02, 1.0
_SPARE = 0.03
"""Part of the frame round what a clip shows that is drawn too, for cameras between those that were looked at."""
_COARSEST = 0.05
_FINEST = 1e-4
_GREY = 1 / 255
_SMALLEST_CUT = 16
_ROUNDS, _CLOSE_ENOUGH = 6, 1.0002


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


class FrameRenderer:
    """Draws one photo through cameras into frames of one size.

    Use it from any thread, and close it (it is a context manager).

    Args:
        photo: (H, W, 3) uint8 sRGB, row 0 on top.
        depth: (h, w) float32 in [0, 1], 1 = nearest; any size of the same aspect ratio.
        size: (width, height) of one view in pixels; decides what the view shows and how fine it is drawn.
        fit: what to do when the aspect ratios differ; "fit" here is the same as "pad".
        edge: how the photo goes on beyond its border; "zoom" continues it mirrored.
        layers: 2 cuts the photo where depth jumps and shows an invented background there, 3 cuts that once more;
            1 stretches one sheet.
        fill: what invents that background; the classical one if None.
        supersample: frames are drawn this many times larger and averaged down.
        colour: of `raw_frames`: RGB, or YUV in limited range with that matrix.
        views: where several views lie, each showing `size`; else one view fills the frame.
        anaglyph: how the two views become one.
        effects: what is done to each view after it is drawn; what is off costs nothing.
        gl_backend: where the OpenGL context comes from.
        gl_device: number of one of EGL's devices; None takes the best.
        ring: the frames of a clip are copied out of the GPU while it draws the next; None does so where there is a GPU.
        pack: a GPU packs YUV frames of a size that allows it (see `packs`): less than half as much to copy.

    Raises:
        GLError: no context, or frames larger than it can draw.
    """

    def __init__(
        self,
        photo: NDArray[np.uint8],
        depth: NDArray[np.float32],
        *,
        size: tuple[int, int],
        fit: Fit = "crop",
        edge: Edge = "zoom",
        layers: int = 2,
        fill: Fill | None = None,
        supersample: float = 1.0,
        colour: Colour = "rgb",
        views: Layout | None = None,
        anaglyph: Mix | None = None,
        effects: Effects | None = None,
        gl_backend: str = "auto",
        gl_device: int | None = None,
        ring: bool | None = None,
        pack: bool = False,
    ) -> None:
        self._gl: GLContext = context(gl_backend, gl_device)
        self.gl = self._gl.info
        """What draws."""
        self._photo, self._depth = photo, np.ascontiguousarray(depth, np.float32)
        places = views or layout("mono", size)
        self.size = places.frame
        self._hide_edges = edge == "zoom"
        self._edge: Literal["mirror", "clamp"] = "clamp" if edge == "clamp" else "mirror"
        self.extent = photo_extent((photo.shape[1], photo.shape[0]))
        self._canvas_size = round(places.canvas[0] * supersample), round(places.canvas[1] * supersample)
        self._frame_size = round(self.size[0] * supersample), round(self.size[1] * supersample)
        if max(self._canvas_size) > self._gl.info.max_side:
            raise GLError(
                f"a frame of {self._canvas_size[0]}x{self._canvas_size[1]} is larger than {self._gl.info.renderer} "
                f"can draw ({self._gl.info.max_side})",
                "ask for a smaller size or less supersampling",
            )
        inner = self._inner_size((round(size[0] * supersample), round(size[1] * supersample)), fit)
        self.frame = frame_extent((photo.shape[1], photo.shape[0]), inner, fit)
        self.pixel = 2 * self.frame[0] / inner[0]
        """Side of a view's pixel in halves of the photo's longer side."""
        shown = inner[0] / (size[0] * supersample), inner[1] / (size[1] * supersample)
        self._viewports = [_inside(_scaled(view, supersample), shown) for view in places.viewports]
        self._depth_view = None if places.depth is None else _inside(_scaled(places.depth, supersample), shown)
        _, _, *tile = places.viewports[0]
        self._squeeze = tile[0] / size[0], tile[1] / size[1]
        self._outer = (0, -1) if len(places.viewports) > 1 else (0,)
        self._inner = inner
        self._effects = effects if effects is not None and effects.active() else None
        self._layers, self._fill = layers, fill
        self._anaglyph = anaglyph
        self._colour: Colour = colour
        # An anaglyph is mixed from RGB.
        self._drawn: Colour = colour if anaglyph is None else "rgb"
        self._reach = 0.0
        self._scale = 0.0
        self._margin = 0.0
        self._window: tuple[float, ...] = (0.0, 0.0)
        self._stage: Stage | None = None
        self._target: Target | None = None
        self._mixer: tuple[Target, AnaglyphPass] | None = None
        self._ring = not self.gl.software if ring is None else ring
        self.packs = pack and self._ring and colour != "rgb" and supersample == 1.0 and packing.fits(self.size)
        """`raw_frames` are packed already."""
        self._packer: packing.PackPass | None = None
        self._read_size = packing.packed_size(self.size) if self.packs else self._frame_size
        self._readback = Readback(self._read_size, self._gl.later)
        self._pass: EffectsPass | None = None
        self._gl.run(self._open)
        self._gl.submit(self._warm)

    def _inner_size(self, size: tuple[int, int], fit: Fit) -> tuple[int, int]:
        """The part of a view that shows the photo: all of it, but with bars when padded."""
        width, height = size
        if fit not in ("pad", "fit"):
            return width, height
        aspect = self.extent[0] / self.extent[1]
        return (round(height * aspect), height) if width / height > aspect else (width, round(width / aspect))

    # -- drawing ------------------------------------------------------------------------------------------

    def framed(self, cameras: Sequence[Camera], fan: Fan = Fan()) -> list[Camera]:  # noqa: B008 - frozen
        """The cameras of a clip, zoomed in alike as far as hides the photo's border (with edge="zoom").

        Args:
            fan: of the views that each of them is to have; it is hidden in all of them.
        """
        if not self._hide_edges:
            return list(cameras)
        zoom, few = 1.0, framing.sample(cameras)
        # The eyes of a magnified picture stand closer together, so the zoom that they need depends on itself.
        for _ in range(_ROUNDS):
            outer = fan.outer([framing.zoomed(camera, zoom) for camera in few], 2 * self.frame[0])
            more = framing.hide_edges(outer, self._depth, self.extent, self.frame)
            zoom *= more
            if fan.count == 1 or more < _CLOSE_ENOUGH:
                break
        return [framing.zoomed(camera, zoom) for camera in cameras]

    def shots(self, cameras: Iterable[Camera], fan: Fan) -> list[Shot]:
        """Every camera as a shot of all its views."""
        return [Shot(fan.cameras(camera, 2 * self.frame[0])) for camera in cameras]

    def prepare(self, cameras: Sequence[Camera]) -> None:
        """Make mesh and texture fine enough for these cameras; what is fine enough already stays.

        A clip calls it once with all its cameras, so that nothing changes while it plays.
        """
        few = framing.sample(cameras)
        reach = framing.reach(few, self.extent)
        # Scale of the photo at which one texel makes one pixel where the clip shows it largest.
        photo_pixel = 2 * self.extent[0] / self._photo.shape[1]
        scale = photo_pixel / self.pixel * max(1.0, framing.magnification(few, self.extent))
        margin = float(np.clip(framing.overshoot(few, self.extent, self.frame), _LEAST_MARGIN, _MOST_MARGIN))
        scrolls = any(c.scroll_x or c.scroll_y for c in cameras)
        window = (np.inf, np.inf) if scrolls else framing.seen(few, self.frame)
        seen = window[0] <= self._window[0] and window[1] <= self._window[1]
        enough = seen and reach <= self._reach * 1.01 and scale <= self._scale * 1.01 and margin <= self._margin
        if self._scale and enough:
            return
        self._reach, self._scale = max(reach, self._reach), max(scale, self._scale)
        self._margin = max(self._margin, margin)
        if not seen:
            self._window = tuple(
                max(a, b + _SPARE * max(self.frame)) for a, b in zip(self._window, window, strict=True)
            )
        sheets = self._sheets()
        # A mirrored texture costs about 4 ms more for each full screen on a CPU: only where the clip looks beyond.
        clamped = self._edge == "clamp" or (self._margin <= _LEAST_MARGIN and not scrolls)
        self._gl.run(lambda: self._alive()[0].set_sheets(sheets, "clamp" if clamped else "mirror"))

    def prepare_shots(self, shots: Sequence[Shot]) -> None:
        """`prepare` for several views: what the outermost of them need is enough for those between."""
        self.prepare([shot.cameras[side] for side in self._outer for shot in shots])
        if self._pass is not None:
            self._gl.run(self._pass.prepare, [(camera, shot.values) for shot in shots for camera in shot.cameras])

    def _sheets(self) -> list[tuple[Mesh, NDArray[np.uint8]]]:
        """Meshes and pictures of the layers, back first, fine enough for the reach and the scale."""
        photo = self._resample(self._scale)
        pixel = self.pixel / max(self._reach, 1e-9)
        # Depth that is drawn itself shows every facet.
        coarsest = _COARSEST if self._depth_view is None else _GREY
        error = float(np.clip(TOLERANCE * pixel, _FINEST, coarsest))
        build = partial(build_mesh, extent=self.extent, error=error, margin=self._margin, edge=self._edge)
        depth = self._depth
        if depth.shape[1] > photo.shape[1]:
            # A small frame: depth finer than the picture would cut between its pixels.
            depth = np.asarray(cv2.resize(depth, photo.shape[1::-1], interpolation=cv2.INTER_AREA), np.float32)
        height, width = depth.shape
        shift = self._reach * width / (2 * self.extent[0])
        count = self._layers if min(height, width) >= _SMALLEST_CUT else 1
        window = self._inside_window(height, width)

        def meshed(form: Form) -> Mesh:
            return build(form.depth, cared=_both(form.shown, window), soft=self._softened(form.soft))

        cuts = cut(depth, shift, width=photo.shape[1], count=count)
        with ThreadPoolExecutor(len(cuts.forms), thread_name_prefix="depthflow-mesh") as pool:
            meshes = pool.map(meshed, cuts.forms)
            pictures = [self._picture(colours) for colours in cuts.colours(photo, self._fill)]
            return list(zip(meshes, pictures, strict=True))

    def _inside_window(self, height: int, width: int) -> NDArray[np.bool_] | None:
        """(height, width): what the clip ever shows of the photo; None is all of it."""
        across, down = (
            np.abs((np.arange(count) + 0.5) * 2 / count - 1) * extent <= most
            for count, extent, most in zip((width, height), self.extent, self._window, strict=True)
        )
        return None if across.all() and down.all() else down[:, None] & across

    def _softened(self, soft: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """Squeezed textures spread a soft edge over more of the picture."""
        more = ceil(1 / min(self._squeeze)) - 1
        if soft is None or not more:
            return soft
        return cv2.dilate(soft.astype(np.uint8), np.ones((1 + 2 * more, 1 + 2 * more), np.uint8)).astype(bool)

    def _picture(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A layer's texture: no finer than a squeezed view can show, in the colours that are drawn."""
        height, width = pixels.shape[:2]
        # Effects see the view before it is squeezed.
        squeezes = (1.0, 1.0) if self._effects else self._squeeze
        shown = [min(1.0, self._scale * squeeze) / min(1.0, self._scale) for squeeze in squeezes]
        if min(shown) < 1.0:
            size = max(1, round(width * shown[0])), max(1, round(height * shown[1]))
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        # Effects work in RGB, and turn the finished frame into YUV.
        return pixels if self._drawn == "rgb" or self._effects else to_yuv(pixels, self._drawn)

    def render(self, shot: Shot | Camera) -> NDArray[np.uint8]:
        """One frame, (H, W, 3) uint8 sRGB, row 0 on top."""
        shot = shot if isinstance(shot, Shot) else Shot((shot,))
        self.prepare_shots([shot])
        return self._rgb(self._gl.run(self._take, shot, self._buffer()))

    def frames(self, shots: Iterable[Shot | Camera]) -> Iterator[NDArray[np.uint8]]:
        """Frames of a clip, (H, W, 3) uint8 sRGB each; the next one is drawn while you use this one."""
        for frame in self.raw_frames(shots, keep=True):
            yield self._rgb(frame)

    def raw_frames(self, shots: Iterable[Shot | Camera], *, keep: bool = False) -> Iterator[NDArray[np.uint8]]:
        """Frames as the framebuffer has them, (H, W, 4) uint8 RGBA or YUVA, row 0 on top; packed as by
        `yuv.pack_420` where `packs` is set.

        Without `keep` a frame's memory is used again for later ones as soon as the next is asked for.
        """
        clip = [shot if isinstance(shot, Shot) else Shot((shot,)) for shot in shots]
        if not clip:
            return
        self.prepare_shots(clip)
        left = iter(clip)
        spare = [self._buffer() for _ in range(AHEAD + 1)]
        begun: deque[Shot | Future[Transfer]] = deque()
        drawn: deque[tuple[NDArray[np.uint8], Future[NDArray[np.uint8]]]] = deque()

        def begin() -> None:
            for shot in itertools.islice(left, 1):
                begun.append(self._gl.submit(self._begin, shot) if self._ring else shot)

        def draw() -> None:
            begin()
            if begun:
                buffer = self._buffer() if keep else spare.pop()
                drawn.append((buffer, self._gl.submit(self._take, begun.popleft(), buffer)))

        try:
            if self._ring:
                begin()  # from here on, one frame is drawn before the last one is taken from the GPU
            for _ in range(AHEAD):
                draw()
            while drawn:
                buffer, frame = drawn.popleft()
                pixels = frame.result()
                draw()
                yield pixels
                spare.append(buffer)
        finally:
            for _, frame in drawn:
                frame.exception()  # nobody wants them any more, but they must have ended
            for item in begun:
                self._gl.run(self._drop, item)

    def set_effects(self, effects: Effects) -> None:
        """Take other effects from the next frame on."""
        wanted = effects if effects.active() else None
        if wanted == self._effects:
            return
        if (wanted is None) != (self._effects is None) and (self._drawn != "rgb" or self._squeeze != (1.0, 1.0)):
            self._scale = 0.0  # the layers' pictures change: they are made anew
        self._effects = wanted
        self._gl.run(self._open_effects)

    def close(self) -> None:
        """Free what is on the GPU; the renderer draws nothing afterwards."""
        if self._stage is not None:
            self._gl.run(self._free)

    def __enter__(self) -> FrameRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- on the render thread -----------------------------------------------------------------------------

    def _buffer(self) -> NDArray[np.uint8]:
        return np.empty((self._read_size[1], self._read_size[0], 4), np.uint8)

    def _rgb(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGBA2RGB), np.uint8)

    def _open(self) -> None:
        self._stage, self._target = Stage(), Target(self._canvas_size)
        if self._anaglyph is not None:
            self._mixer = Target(self._frame_size), AnaglyphPass(self._anaglyph, self._colour)
        if self.packs:
            self._packer = packing.PackPass(self.size)
        self._open_effects()

    def _warm(self) -> None:
        """Draw a speck: drivers compile a shader when it is first used, and meanwhile meshes can be made."""
        if self._stage is None or self._effects is not None:
            return
        corners = np.array([[-1e-3, 0, 0], [1e-3, 0, 0], [0, 1e-3, 0]], np.float32)
        # One triangle opaque, one not; a texture whose sides are no powers of two has a shader of its own.
        mesh = Mesh(corners, np.array([[0, 1, 2], [0, 1, 2]], np.uint32), error=1.0, opaque=1)
        self._stage.set_sheets([(mesh, np.zeros((3, 3, 4), np.uint8))] * 2, "clamp")
        self._draw(Shot((Camera(),) * len(self._viewports)))

    def _open_effects(self) -> None:
        if self._pass is not None:
            self._pass.free()
        made = None if self._effects is None else EffectsPass(self._effects, self._inner, self.frame, self._drawn)
        self._pass = made

    def _free(self) -> None:
        stage, target = self._alive()
        if self._pass is not None:
            self._pass.free()
        self._stage = self._target = self._pass = None
        stage.free()
        target.free()
        for thing in self._mixer or ():
            thing.free()
        if self._packer is not None:
            self._packer.free()
        self._mixer = self._packer = None
        self._readback.free()
        self._gl.flush()

    def _resample(self, scale: float) -> NDArray[np.uint8]:
        """The photo, no larger than frames of this scale can show: small texels would shimmer."""
        height, width = self._photo.shape[:2]
        most = self._gl.info.max_side / max(height, width)
        scale = min(scale, most)
        photo = self._photo
        if scale < 0.98:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            photo = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
        return photo

    def _copies(self, camera: Camera) -> list[dict[str, tuple[float, float]]]:
        """Uniforms of each copy of the photo that a scrolling camera sees; the photo itself if it does not scroll."""
        axes = []
        for axis, scroll in enumerate((camera.scroll_x, camera.scroll_y)):
            seen = min(self.extent[axis], self.frame[axis] / camera.zoom) + self._margin if scroll else 0.0
            axes.append(copies(scroll, self.extent[axis], seen) if scroll else [Copy(1, 0.0)])
        return [
            {"copy_sign": (across.sign, down.sign), "copy_offset": (across.offset, down.offset)}
            for across in axes[0]
            for down in axes[1]
        ]

    def _alive(self) -> tuple[Stage, Target]:
        if self._stage is None or self._target is None:
            raise GLError("this renderer is closed")
        return self._stage, self._target

    def _begin(self, shot: Shot) -> Transfer:
        """Draw a frame and send it on its way."""
        return self._readback.begin(self._draw(shot))

    def _take(self, item: Shot | Future[Transfer], out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pixels of a frame that is on its way, or of one that is drawn first."""
        if isinstance(item, Shot):
            self._draw(item).read(out)
        else:
            self._alive()
            self._readback.finish(item.result(), out)
        if self.packs:
            return out.reshape(self.size[1] * 3 // 2, self.size[0])
        if self._frame_size != self.size:
            return np.asarray(cv2.resize(out, self.size, interpolation=cv2.INTER_AREA), np.uint8)
        return out

    def _drop(self, item: Shot | Future[Transfer]) -> None:
        if isinstance(item, Future) and not item.exception():
            self._readback.drop(item.result())

    def _draw(self, shot: Shot) -> Target:
        """Draw a frame; the target that it is in."""
        stage, target = self._alive()
        with target:
            target.clear((*BLACK[self._drawn], 1.0))
            if self._pass is None:
                for camera, viewport in zip(shot.cameras, self._viewports, strict=True):
                    stage.draw(self._uniforms(camera), self._copies(camera), viewport)
            if self._depth_view is not None:
                camera = shot.cameras[0]
                ends = BLACK[self._drawn], WHITE[self._drawn]
                stage.draw_depth(self._uniforms(camera), self._copies(camera), self._depth_view, ends)
        if self._pass is not None:
            for camera, viewport in zip(shot.cameras, self._viewports, strict=True):
                with self._pass.scene as scene:
                    scene.clear((0.0, 0.0, 0.0, 1.0))
                    whole, blurs = (0, 0, *scene.size), self._pass.blurs
                    stage.draw(self._uniforms(camera), self._copies(camera), whole, depth_is_read=True, blurs=blurs)
                self._pass.draw(target, viewport, camera, shot.values, shot.phase)
        if self._mixer is not None:
            views, (target, mixer) = target, self._mixer
            with target:
                mixer.draw(views.colour, self._frame_size)
        if self._packer is not None:
            target = self._packer.draw(target.colour)
        self._gl.flush()
        return target

    def _uniforms(self, camera: Camera) -> dict[str, object]:
        return {
            "camera": matrix(camera).T.astype(np.float32),
            "frame_extent": self.frame,
            "photo_extent": self.extent,
            "ray_scale": camera.ray_scale,
            "relief": camera.relief,
            "unprojection": unprojection_scale(camera),
        }


def _both(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Where both masks are set; None is set everywhere."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _inside(view: Rect, shown: tuple[float, float]) -> Rect:
    """The middle of a viewport, `shown` (across, down) of it."""
    x, y, width, height = view
    inner = round(width * shown[0]), round(height * shown[1])
    return x + (width - inner[0]) // 2, y + (height - inner[1]) // 2, *inner


def _scaled(view: Rect, by: float) -> Rect:
    x, y, width, height = view
    left, top, right, bottom = (round(v * by) for v in (x, y, x + width, y + height))
    return left, top, right - left, bottom - top
