"""Draws frames of one photo with depth: owns the mesh, the texture and the framebuffer on the render thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from depthflow import paths
from depthflow.errors import GLError
from depthflow.render.context import GLContext, context
from depthflow.render.mesh import build_mesh
from depthflow.scene import framing
from depthflow.scene.camera import Camera, Fit, frame_extent, matrix, photo_extent, unprojection_scale

Edge = Literal["zoom", "mirror", "clamp"]

TOLERANCE = 0.25
"""Pixels that the mesh may be off on screen; half of what shows, because errors of nested triangles add up."""

_MARGIN = 0.25
_COARSEST = 0.05
_FINEST = 1e-4


class FrameRenderer:
    """Draws one photo through cameras into frames of one size.

    Use it from any thread, and close it (it is a context manager).

    Args:
        photo: (H, W, 3) uint8 sRGB, row 0 on top.
        depth: (h, w) float32 in [0, 1], 1 = nearest; any size of the same aspect ratio.
        size: (width, height) of the frames in pixels.
        fit: what to do when the aspect ratios differ; "fit" here is the same as "pad".
        edge: how the photo goes on beyond its border; "zoom" continues it mirrored.
        supersample: frames are drawn this many times larger and averaged down.
        gl_backend: where the OpenGL context comes from.

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
        supersample: float = 1.0,
        gl_backend: str = "auto",
    ) -> None:
        self._gl: GLContext = context(gl_backend)
        self._photo, self._depth = photo, np.ascontiguousarray(depth, np.float32)
        self.size = size
        self._hide_edges = edge == "zoom"
        self._edge: Literal["mirror", "clamp"] = "clamp" if edge == "clamp" else "mirror"
        self.extent = photo_extent((photo.shape[1], photo.shape[0]))
        self._canvas_size = round(size[0] * supersample), round(size[1] * supersample)
        if max(self._canvas_size) > self._gl.info.max_side:
            raise GLError(
                f"a frame of {self._canvas_size[0]}x{self._canvas_size[1]} is larger than {self._gl.info.renderer} "
                f"can draw ({self._gl.info.max_side})",
                "ask for a smaller size or less supersampling",
            )
        inner = self._inner_size(fit)
        self._inner = inner
        self.frame = frame_extent((photo.shape[1], photo.shape[0]), inner, fit)
        self._error = 0.0
        self._texture_scale = 0.0
        self._objects: _Objects | None = None
        self._gl.run(self._open)

    def _inner_size(self, fit: Fit) -> tuple[int, int]:
        """The part of the frame that shows the photo: all of it, but with bars when padded."""
        width, height = self._canvas_size
        if fit not in ("pad", "fit"):
            return width, height
        aspect = self.extent[0] / self.extent[1]
        return (round(height * aspect), height) if width / height > aspect else (width, round(width / aspect))

    @property
    def pixel(self) -> float:
        """Side of a frame's pixel in halves of the photo's longer side."""
        return 2 * self.frame[0] / self._inner[0]

    # -- drawing ------------------------------------------------------------------------------------------

    def framed(self, cameras: Sequence[Camera]) -> list[Camera]:
        """The cameras of a clip, zoomed in alike as far as hides the photo's border (with edge="zoom")."""
        if not self._hide_edges:
            return list(cameras)
        zoom = framing.hide_edges(framing.sample(cameras), self._depth, self.extent, self.frame)
        return [framing.zoomed(camera, zoom) for camera in cameras]

    def prepare(self, cameras: Sequence[Camera]) -> None:
        """Make mesh and texture fine enough for these cameras; what is fine enough already stays.

        A clip calls it once with all its cameras, so that nothing changes while it plays.
        """
        few = framing.sample(cameras)
        reach = framing.reach(few, self.extent)
        error = float(np.clip(TOLERANCE * self.pixel / max(reach, 1e-9), _FINEST, _COARSEST))
        photo_pixel = 2 * self.extent[0] / self._photo.shape[1]
        # Scale of the photo at which one texel makes one pixel where the clip shows it largest.
        scale = photo_pixel / self.pixel * max(1.0, framing.magnification(few, self.extent))
        self._gl.run(self._refine, error, scale)

    def render(self, camera: Camera) -> NDArray[np.uint8]:
        """One frame, (H, W, 3) uint8 sRGB, row 0 on top."""
        self.prepare([camera])
        return self._rgb(self._gl.run(self._draw, camera, self._buffer()))

    def frames(self, cameras: Iterable[Camera]) -> Iterator[NDArray[np.uint8]]:
        """Frames of a clip, (H, W, 3) uint8 sRGB each; the next one is drawn while you use this one."""
        for frame in self.raw_frames(cameras, keep=True):
            yield self._rgb(frame)

    def raw_frames(self, cameras: Iterable[Camera], *, keep: bool = False) -> Iterator[NDArray[np.uint8]]:
        """Frames as the framebuffer has them, (H, W, 4) uint8 RGBA, row 0 on top.

        Without `keep` a frame's memory is used again two frames later.
        """
        clip = list(cameras)
        if not clip:
            return
        self.prepare(clip)
        buffers = [self._buffer(), self._buffer()]
        pending: Future[NDArray[np.uint8]] | None = None
        try:
            for index in range(len(clip)):
                pending = pending or self._gl.submit(self._draw, clip[index], buffers[index % 2])
                frame = pending.result()
                pending = None
                if index + 1 < len(clip):
                    buffer = self._buffer() if keep else buffers[(index + 1) % 2]
                    pending = self._gl.submit(self._draw, clip[index + 1], buffer)
                yield frame
        finally:
            if pending is not None:
                pending.exception()  # nobody wants it any more, but it must have ended

    def close(self) -> None:
        """Free what is on the GPU; the renderer draws nothing afterwards."""
        if self._objects is not None:
            self._gl.run(self._objects.free)
            self._objects = None

    def __enter__(self) -> FrameRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- on the render thread -----------------------------------------------------------------------------

    def _buffer(self) -> NDArray[np.uint8]:
        return np.empty((self._canvas_size[1], self._canvas_size[0], 4), np.uint8)

    def _rgb(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGBA2RGB), np.uint8)

    def _open(self) -> None:
        self._objects = _Objects(self._canvas_size)

    def _refine(self, error: float, scale: float) -> None:
        objects = self._alive()
        if self._error == 0.0 or error < self._error:
            mesh = build_mesh(self._depth, extent=self.extent, error=error, margin=_MARGIN, edge=self._edge)
            objects.set_mesh(mesh.positions, mesh.triangles)
            self._error = error
        if self._texture_scale == 0.0 or scale > self._texture_scale * 1.01:
            objects.set_photo(self._resample(scale), self._edge)
            self._texture_scale = scale

    def _resample(self, scale: float) -> NDArray[np.uint8]:
        """The photo as RGBA, no larger than frames of this scale can show: small texels would shimmer."""
        height, width = self._photo.shape[:2]
        most = self._gl.info.max_side / max(height, width)
        scale = min(scale, most)
        photo = self._photo
        if scale < 0.98:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            photo = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
        return np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2RGBA), np.uint8)

    def _alive(self) -> _Objects:
        if self._objects is None:
            raise GLError("this renderer is closed")
        return self._objects

    def _draw(self, camera: Camera, out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        objects = self._alive()
        width, height = self._canvas_size
        inner_width, inner_height = self._inner
        viewport = (width - inner_width) // 2, (height - inner_height) // 2, inner_width, inner_height
        uniforms = {
            "camera": matrix(camera).T.astype(np.float32),
            "frame_extent": self.frame,
            "photo_extent": self.extent,
            "ray_scale": camera.ray_scale,
            "relief": camera.relief,
            "unprojection": unprojection_scale(camera),
        }
        objects.draw(uniforms, viewport)
        self._gl.flush()
        objects.read(out)
        if self._canvas_size != self.size:
            return np.asarray(cv2.resize(out, self.size, interpolation=cv2.INTER_AREA), np.uint8)
        return out


class _Objects:
    """What lives on the GPU; made, used and freed on the render thread."""

    def __init__(self, size: tuple[int, int]) -> None:
        from vispy import gloo

        self._gloo = gloo
        shader = {stage: paths.data("shaders", f"mesh.{stage}").read_text() for stage in ("vert", "frag")}
        self._program = gloo.Program(shader["vert"], shader["frag"])
        shape = size[1], size[0]
        self._colour = gloo.Texture2D(shape=(*shape, 4), format="rgba", internalformat="rgba8")
        self._depth = gloo.RenderBuffer(shape, format="depth")
        self._target = gloo.FrameBuffer(color=self._colour, depth=self._depth)
        self._vertices: Any = None
        self._indices: Any = None
        self._photo: Any = None

    def set_mesh(self, positions: NDArray[np.float32], triangles: NDArray[np.uint32]) -> None:
        for old in (self._vertices, self._indices):
            if old is not None:
                old.delete()
        self._vertices = self._gloo.VertexBuffer(positions)
        self._indices = self._gloo.IndexBuffer(triangles.ravel())
        self._program["position"] = self._vertices

    def set_photo(self, pixels: NDArray[np.uint8], edge: Literal["mirror", "clamp"]) -> None:
        if self._photo is not None:
            self._photo.delete()
        self._photo = self._gloo.Texture2D(
            pixels,
            interpolation="linear",
            wrapping="clamp_to_edge" if edge == "clamp" else "mirrored_repeat",
            internalformat="rgba8",
        )
        self._program["photo"] = self._photo

    def draw(self, uniforms: dict[str, Any], viewport: tuple[int, int, int, int]) -> None:
        for name, value in uniforms.items():
            self._program[name] = value
        with self._target:
            self._gloo.set_viewport(0, 0, *reversed(self._colour.shape[:2]))
            self._gloo.set_state(depth_test=True, blend=False, cull_face=False)
            self._gloo.clear(color=(0.0, 0.0, 0.0, 1.0), depth=True)
            self._gloo.set_viewport(*viewport)
            self._program.draw("triangles", self._indices)

    def read(self, out: NDArray[np.uint8]) -> None:
        from depthflow.render import gl_raw

        with self._target:
            # Activation is queued by gloo like everything else.
            self._gloo.flush()
            gl_raw.read_pixels(out)

    def free(self) -> None:
        for thing in (
            self._program,
            self._target,
            self._colour,
            self._depth,
            self._vertices,
            self._indices,
            self._photo,
        ):
            if thing is not None:
                thing.delete()
        self._gloo.flush()
