"""Draws frames of one photo with depth: owns the mesh, the texture and the framebuffer on the render thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from depthflow.errors import GLError
from depthflow.opencv import cv2
from depthflow.render import backends, strips
from depthflow.render.ahead import FramesAhead
from depthflow.render.context import GLContext, context, second
from depthflow.render.fill import Fill
from depthflow.render.layers import MOST, Form, cut
from depthflow.render.mesh import Mesh, build_mesh, parted
from depthflow.render.painter import Painter, Picture, Sheets, Shot
from depthflow.render.yuv import Colour, to_yuv
from depthflow.scene import framing
from depthflow.scene.anaglyph import Mix
from depthflow.scene.camera import Camera, Fit, frame_extent, photo_extent
from depthflow.scene.effects import Effects
from depthflow.scene.views import Fan, Layout, Rect, layout

Edge = Literal["zoom", "mirror", "clamp"]

TOLERANCE = 0.48
"""Pixels that a mesh may be off on screen under the largest motion."""

TWIN_FROM = 24
"""Frames from which on a second context has paid for its start."""

_LEAST_MARGIN, _MOST_MARGIN = 0.02, 2.0
"""How far the photo goes on beyond its border, halves of its longer side."""
_SPARE = 0.03
"""Part of the frame round what a clip shows that is drawn too, for cameras between those that were looked at."""
_COARSEST = 0.05
_FINEST = 1e-4
_GREY = 1 / 255
_SMALLEST_CUT = 16
_ROUNDS, _CLOSE_ENOUGH = 6, 1.0002


class FrameRenderer:
    """Draws one photo through cameras into frames of one size.

    Use it from any thread, and close it (it is a context manager).

    Args:
        photo: (H, W, 3) uint8 sRGB, row 0 on top; with an opacity, colour times that.
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
        pack: YUV frames are packed as by `yuv.pack_420`; by a GPU itself where their size allows it.
        twin: where the CPU draws with several cores and without a ring, a second context draws a share of the frames
            of clips of TWIN_FROM frames and more. It takes as long to begin as a few frames, and as much memory as the
            first.
        opacity: (H, W, 3) uint8 grey, of a transparent photo. `raw_frames` are RGBA then, premultiplied. Needs effects,
            none of them depth of field; without any, draw both pictures by themselves.

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
        twin: bool = False,
        opacity: NDArray[np.uint8] | None = None,
    ) -> None:
        self._gl: GLContext = context(gl_backend, gl_device)
        self.gl = self._gl.info
        """What draws."""
        self._photo, self._depth = photo, np.ascontiguousarray(depth, np.float32)
        self._opacity = opacity
        places = views or layout("mono", size)
        self.size = places.frame
        self._hide_edges = edge == "zoom"
        self._edge: Literal["mirror", "clamp"] = "clamp" if edge == "clamp" else "mirror"
        self.extent = photo_extent((photo.shape[1], photo.shape[0]))
        canvas_size = round(places.canvas[0] * supersample), round(places.canvas[1] * supersample)
        if max(canvas_size) > self._gl.info.max_side:
            raise GLError(
                f"a frame of {canvas_size[0]}x{canvas_size[1]} is larger than {self._gl.info.renderer} "
                f"can draw ({self._gl.info.max_side})",
                "ask for a smaller size or less supersampling",
            )
        inner = self._inner_size((round(size[0] * supersample), round(size[1] * supersample)), fit)
        self.frame = frame_extent((photo.shape[1], photo.shape[0]), inner, fit)
        self.pixel = 2 * self.frame[0] / inner[0]
        """Side of a view's pixel in halves of the photo's longer side."""
        shown = inner[0] / (size[0] * supersample), inner[1] / (size[1] * supersample)
        _, _, *tile = places.viewports[0]
        self._squeeze = tile[0] / size[0], tile[1] / size[1]
        self._outer = (0, -1) if len(places.viewports) > 1 else (0,)
        self._effects = effects if effects is not None and effects.active() else None
        self._layers, self._fill = layers, fill
        self._reach = 0.0
        self._scale = 0.0
        self._margin = 0.0
        self._window: tuple[float, ...] = (0.0, 0.0)
        ring = not self.gl.software if ring is None else ring
        draws_alike = anaglyph is None and supersample == 1 and not ring
        self._picture = Picture(
            size=self.size,
            drawn_size=(round(self.size[0] * supersample), round(self.size[1] * supersample)),
            canvas_size=canvas_size,
            viewports=tuple(_inside(_scaled(view, supersample), shown) for view in places.viewports),
            depth_view=None if places.depth is None else _inside(_scaled(places.depth, supersample), shown),
            inner=inner,
            extent=self.extent,
            frame=self.frame,
            colour=colour,
            # An anaglyph is mixed from RGB.
            drawn=colour if anaglyph is None else "rgb",
            anaglyph=anaglyph,
            packed=pack and colour != "rgb",
            ring=ring,
            strip=strips.rows(*canvas_size) if draws_alike and self.gl.software and backends.few_cores() else 0,
            transparent=opacity is not None,
        )
        self._wants_twin = twin and self.gl.software and backends.cores() > 1 and not self._picture.ring
        self._ready: Sheets | None = None
        self._twin: Future[Painter] | None = None
        self._painter = self._gl.run(Painter, self._gl, self._picture, self._effects)
        self._gl.submit(self._painter.warm)

    @property
    def packs(self) -> bool:
        """`raw_frames` are packed as 4:2:0."""
        return self._picture.packed

    def _inner_size(self, size: tuple[int, int], fit: Fit) -> tuple[int, int]:
        """The part of a view that shows the photo: all of it, but with bars when padded."""
        width, height = size
        if fit not in ("pad", "fit"):
            return width, height
        aspect = self.extent[0] / self.extent[1]
        if width / height > aspect:
            return max(1, round(height * aspect)), height
        return width, max(1, round(width / aspect))

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
        # A mirrored texture costs about 4 ms more for each full screen on a CPU: only where the clip looks beyond.
        clamped = self._edge == "clamp" or (self._margin <= _LEAST_MARGIN and not scrolls)
        layers, *opacity = self._sheets()
        sheets = Sheets(layers, "clamp" if clamped else "mirror", *opacity)
        for painter in self._painters(wait=True):
            painter.gl.run(painter.set_sheets, sheets)
        if self._wants_twin and self._twin is None:
            self._ready = sheets

    def prepare_shots(self, shots: Sequence[Shot]) -> None:
        """`prepare` for several views: what the outermost of them need is enough for those between."""
        self.prepare([shot.cameras[side] for side in self._outer for shot in shots])
        if self._effects is not None:
            seen = [(camera, shot.values) for shot in shots for camera in shot.cameras]
            for painter in self._painters(wait=True):
                painter.gl.run(painter.prepare_effects, seen)

    def _sheets(self) -> list[tuple[tuple[Mesh, NDArray[np.uint8]], ...]]:
        """Meshes and pictures of the layers, back first, fine enough for the reach and the scale; those of the photo,
        and those of its opacity if it has one."""
        size = self._resampled(self._scale)
        pixel = self.pixel / max(self._reach, 1e-9)
        # Depth that is drawn itself shows every facet.
        coarsest = _COARSEST if self._picture.depth_view is None else _GREY
        error = float(np.clip(TOLERANCE * pixel, _FINEST, coarsest))
        build = partial(build_mesh, extent=self.extent, error=error, margin=self._margin, edge=self._edge)
        depth = self._depth
        if depth.shape[1] > size[0]:
            # A small frame: depth finer than the picture would cut between its pixels.
            depth = np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_AREA), np.float32)
        height, width = depth.shape
        shift = self._reach * width / (2 * self.extent[0])
        count = self._layers if min(height, width) >= _SMALLEST_CUT else 1
        window = self._inside_window(height, width)

        def meshed(form: Form) -> Mesh:
            return build(form.depth, cared=_both(form.shown, window))

        with ThreadPoolExecutor(MOST, thread_name_prefix="depthflow-mesh") as pool:
            given = [self._photo] if self._opacity is None else [self._photo, self._opacity]
            pictures = [pool.submit(_shrunk, picture, size) for picture in given]
            cuts = cut(depth, shift, width=size[0], count=count)
            meshes = [pool.submit(meshed, form) for form in cuts.forms]
            sheets = []
            for whole in pictures:
                layers = []
                for mesh, colours in zip(meshes, cuts.colours(whole.result(), self._fill), strict=True):
                    picture = self._shown(colours)
                    layers.append((pool.submit(self._parted, mesh, picture), pool.submit(self._drawn, picture)))
                sheets.append(layers)
            return [tuple((mesh.result(), picture.result()) for mesh, picture in layers) for layers in sheets]

    def _parted(self, mesh: Future[Mesh], picture: NDArray[np.uint8]) -> Mesh:
        """What of a mesh shows anything, by the opacity of its picture."""
        return parted(mesh.result(), picture, extent=self.extent, edge=self._edge)

    def _inside_window(self, height: int, width: int) -> NDArray[np.bool_] | None:
        """(height, width): what the clip ever shows of the photo; None is all of it."""
        across, down = (
            np.abs((np.arange(count) + 0.5) * 2 / count - 1) * extent <= most
            for count, extent, most in zip((width, height), self.extent, self._window, strict=True)
        )
        return None if across.all() and down.all() else down[:, None] & across

    def _shown(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A layer's picture, no finer than a squeezed view can show it."""
        height, width = pixels.shape[:2]
        # Effects see the view before it is squeezed.
        squeezes = (1.0, 1.0) if self._effects else self._squeeze
        shown = [min(1.0, self._scale * squeeze) / min(1.0, self._scale) for squeeze in squeezes]
        if min(shown) < 1.0:
            size = max(1, round(width * shown[0])), max(1, round(height * shown[1]))
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        return pixels

    def _drawn(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A layer's picture in the colours that are drawn."""
        drawn = self._picture.drawn
        # Effects work in RGB, and turn the finished frame into YUV.
        return pixels if drawn == "rgb" or self._effects else to_yuv(pixels, drawn)

    def render(self, shot: Shot | Camera) -> NDArray[np.uint8]:
        """One frame, (H, W, 3) uint8 sRGB, row 0 on top."""
        shot = shot if isinstance(shot, Shot) else Shot((shot,))
        self.prepare_shots([shot])
        return _rgb(self._gl.run(self._painter.take, shot, self._picture.buffer()))

    def frames(self, shots: Iterable[Shot | Camera]) -> Iterator[NDArray[np.uint8]]:
        """Frames of a clip, (H, W, 3) uint8 sRGB each; the next one is drawn while you use this one."""
        for frame in self.raw_frames(shots, keep=True):
            yield _rgb(frame)

    def raw_frames(self, shots: Iterable[Shot | Camera], *, keep: bool = False) -> Iterator[NDArray[np.uint8]]:
        """Frames as the framebuffer has them, (H, W, 4) uint8 RGBA or YUVA, row 0 on top; packed as by
        `yuv.pack_420` where `packs` is set.

        Without `keep` a frame's memory is used again for later ones as soon as the next is asked for.
        """
        clip = [shot if isinstance(shot, Shot) else Shot((shot,)) for shot in shots]
        if not clip:
            return
        self.prepare_shots(clip)
        begun = partial(self._call_twin, len(clip))
        yield from FramesAhead(clip, self._picture, self._painters, keep=keep, begun=begun)

    def set_effects(self, effects: Effects) -> None:
        """Take other effects from the next frame on."""
        wanted = effects if effects.active() else None
        if wanted == self._effects:
            return
        if (wanted is None) != (self._effects is None) and (
            self._picture.drawn != "rgb" or self._squeeze != (1.0, 1.0)
        ):
            self._scale = 0.0  # the layers' pictures change: they are made anew
        self._effects = wanted
        for painter in self._painters(wait=True):
            painter.gl.run(painter.set_effects, wanted)

    def close(self) -> None:
        """Free what is on the GPU; the renderer draws nothing afterwards."""
        self._wants_twin = False
        for painter in self._painters(wait=True):
            painter.free()

    def __enter__(self) -> FrameRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside -------------------------------------------------------------------------------------------

    def _call_twin(self, frames: int) -> None:
        """Have the second context begin; the first one has drawn a frame by then, which must not come later for it."""
        if frames < TWIN_FROM or not self._wants_twin or self._twin is not None or self._ready is None:
            return
        gl, sheets, self._ready = second(), self._ready, None
        self._twin = gl.submit(_twin_of, self._painter, gl, self._picture, self._effects, sheets)

    def _painters(self, *, wait: bool = False) -> list[Painter]:
        """Those that can draw now, or with `wait` all there are to be; a second context that failed is not missed."""
        if self._twin is None or not (wait or self._twin.done()):
            return [self._painter]
        try:
            return [self._painter, self._twin.result()]
        except GLError:
            return [self._painter]

    def _resampled(self, scale: float) -> tuple[int, int]:
        """(width, height) of the photo, no larger than frames of this scale can show: small texels would shimmer."""
        height, width = self._photo.shape[:2]
        scale = min(scale, self._gl.info.max_side / max(height, width))
        return (width, height) if scale >= 0.98 else (max(1, round(width * scale)), max(1, round(height * scale)))


def _twin_of(painter: Painter, gl: GLContext, picture: Picture, effects: Effects | None, sheets: Sheets) -> Painter:
    """On the second context's thread: a painter of the very same frames.

    Raises:
        GLError: there is no second context, or something else draws with it.
    """
    if gl.info.renderer != painter.gl.info.renderer:
        raise GLError(f"the second context draws with {gl.info.renderer}")
    twin = Painter(gl, picture, effects)
    if twin.effects is not None and painter.effects is not None:
        twin.effects.prepare_like(painter.effects)
    twin.set_sheets(sheets)
    return twin


def _shrunk(photo: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The photo averaged down to (width, height); itself if it has that size."""
    if photo.shape[1::-1] == size:
        return photo
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def _rgb(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGBA2RGB), np.uint8)


def _both(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Where both masks are set; None is set everywhere."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _inside(view: Rect, shown: tuple[float, float]) -> Rect:
    """The middle of a viewport, `shown` (across, down) of it."""
    x, y, width, height = view
    inner = max(1, round(width * shown[0])), max(1, round(height * shown[1]))
    return x + (width - inner[0]) // 2, y + (height - inner[1]) // 2, *inner


def _scaled(view: Rect, by: float) -> Rect:
    x, y, width, height = view
    left, top, right, bottom = (round(v * by) for v in (x, y, x + width, y + height))
    return left, top, right - left, bottom - top
