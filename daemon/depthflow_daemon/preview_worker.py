"""Draws a clip again and again, small, in a process of its own, while its parameters change.

    in   {"show": {"spec": {...}, "width": 320, "height": 180, "rate": 15, "depth": false, "paused": false, "at": 0.5,
                   "revision": 3}}
         {"run": true}        {"run": false}: nobody looks
    out  packets: HEADER, then as many bytes as it says (see `depthflow.client.frames`)

It ends when its input does. What a change leaves as it was is kept: the photo, its depth, and mesh and textures unless
the octave of the relief, the layers or the size of the frames change, a camera goes much farther than any before, or
the depth is to be seen instead.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from depthflow.client.frames import FRAME, PROBLEM, packet
from depthflow.errors import DepthFlowError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from depthflow.images import Photo
    from depthflow.jobs.spec import JobSpec
    from depthflow.render.frames import FrameRenderer
    from depthflow.render.painter import Shot
    from depthflow.scene.camera import Camera

MOST_FRAMES = 2000
"""Of a clip; longer ones are drawn with fewer frames a second."""
_FAR, _NEAR = 2.0, 1.25
"""How much farther than asked for cameras may go, and how much nearer, before the mesh is made anew."""
_LOOKED_AT = 12
"""Cameras of a clip by which is told what it needs; each costs about a millisecond."""
_KEPT_PHOTOS = 2048
"""Longer side of the photo that is kept: frames are small."""
_LONGEST_SECONDS = 60.0
"""From one frame to the next, however low the rate: no clock counts to what 1e-300 a second make."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be shown.

    Attributes:
        paused: stand still.
        at: begin at this part of the clip, 0 its first frame and 1 its last; None goes on where it is.
    """

    spec: dict[str, Any]
    width: int
    height: int
    rate: float
    paused: bool
    revision: int
    at: float | None = None
    depth: bool = False

    @property
    def clip(self) -> tuple[Any, ...]:
        """What the frames depend on."""
        return self.spec, self.width, self.height, self.rate, self.depth


class Studio:
    """One clip at a time, ready to be drawn from any frame on."""

    def __init__(self) -> None:
        self._source: Any = None
        self._photo: Photo | None = None
        self._depth: NDArray[np.float32] | None = None
        self._look: Any = None
        self._renderer: FrameRenderer | None = None
        self._shots: Sequence[Shot] = ()
        self._prepared: Any = None
        self._aside = 0
        self.rate = 1.0

    def __len__(self) -> int:
        """Frames of the clip."""
        return len(self._shots)

    def show(self, order: Order) -> None:
        """Make a clip ready.

        Raises:
            DepthFlowError: it cannot be drawn; what was shown before may still be.
        """
        from depthflow.jobs.spec import JobSpec

        first = {**order.spec["outputs"][0], "view": {}, "loops": 1, "poster": None}
        first |= {"size": f"{order.width}x{order.height}", "path": None, "format": None}
        first["fps"] = min(order.rate, max(1.0, MOST_FRAMES / first.get("duration", 5.0)))
        spec = JobSpec.parse({**order.spec, "outputs": [first]}, source="preview")
        self._load(spec)
        self._open(spec, (order.width, order.height), depth=order.depth)
        self._animate(spec)
        self.rate = first["fps"]

    def draw(self, number: int) -> NDArray[np.uint8]:
        """A frame, (height, width, 3) uint8 sRGB, row 0 on top."""
        assert self._renderer is not None  # noqa: S101 - something is shown
        (frame,) = self._renderer.frames([self._shots[number]])
        return frame[:, self._aside :]

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()

    def _load(self, spec: JobSpec) -> None:
        stat = os.stat(spec.photo)  # noqa: PTH116 - one look for both
        source = spec.photo, stat.st_mtime_ns, stat.st_size, spec.depth, spec.render.background
        if source == self._source:
            return
        from depthflow.images import Limits, load_photo
        from depthflow.jobs.depth import depth_of
        from depthflow.jobs.planning import laid
        from depthflow.settings import load_settings

        settings = load_settings().settings
        most = settings.limits
        limits = Limits(max_bytes=most.max_photo_bytes, max_pixels=most.max_photo_pixels)
        photo = laid(load_photo(Path(spec.photo), limits=limits), spec)
        self._depth = depth_of(photo, spec.depth, cache_bytes=round(settings.cache.depth_megabytes * 1e6))
        self._photo, self._source, self._look = _smaller(photo), source, None

    def _open(self, spec: JobSpec, size: tuple[int, int], *, depth: bool) -> None:
        output, layers, render = spec.outputs[0], spec.layers, spec.render
        look = size, output.fit, layers, render, _octave(spec.camera.relief), depth
        if look == self._look:
            return
        import numpy as np

        from depthflow.render.fill import named
        from depthflow.render.frames import FrameRenderer
        from depthflow.scene.views import layout

        assert self._photo is not None and self._depth is not None  # noqa: S101, PT018 - just loaded
        old, self._renderer, self._look = self._renderer, None, None
        self._prepared = np.zeros(5)
        if old is not None:
            old.close()
        self._renderer = FrameRenderer(
            self._photo.pixels,
            self._depth,
            size=size,
            fit=output.fit,
            edge=render.edge,
            layers=layers.count,
            fill=named(layers.fill),
            supersample=render.supersample,
            views=layout("rgbd", size) if depth else None,
            gl_backend=render.gl_backend,
            gl_device=render.gl_device,
        )
        # Depth is drawn beside the picture, which is cut off.
        self._look, self._aside = look, size[0] if depth else 0

    def _animate(self, spec: JobSpec) -> None:
        from depthflow.jobs.animation import animation_of
        from depthflow.jobs.effects import effects_of, moving
        from depthflow.scene import framing
        from depthflow.scene.views import Fan

        assert self._renderer is not None  # noqa: S101 - just opened
        output = spec.outputs[0]
        animation = animation_of(spec, output, self._depth)
        size = self._renderer.size[0] - self._aside, self._renderer.size[1]
        effects = effects_of(spec.effects, size, seed=spec.seed, seconds=output.duration, animated=animation.values)
        self._renderer.set_effects(effects)
        few = framing.sample(animation.cameras, _LOOKED_AT)
        zoom = self._renderer.framed(few)[0].zoom / few[0].zoom
        cameras = [framing.zoomed(camera, zoom) for camera in animation.cameras]
        few = [framing.zoomed(camera, zoom) for camera in few]
        if not (self._measure(few) <= self._prepared).all():
            # With something to spare, so that the next changes find the mesh fine enough.
            to_come = [*few, *_farther(few)]
            self._renderer.prepare(to_come)
            self._prepared = self._measure(to_come)
        clip = self._renderer.shots(cameras, Fan())
        self._shots = moving(clip, effects, animation.values, passes=1, fps=output.fps)
        self._renderer.prepare_shots([self._shots[i] for i in range(0, len(clip), max(1, len(clip) // _LOOKED_AT))])

    def _measure(self, cameras: Sequence[Camera]) -> NDArray[np.float64]:
        """How much of mesh and texture these cameras need: the renderer's own measures of it."""
        import numpy as np

        from depthflow.scene import framing

        assert self._renderer is not None  # noqa: S101 - just opened
        extent, frame = self._renderer.extent, self._renderer.frame
        near = max(1.0, framing.magnification(cameras, extent))
        beyond = max(0.0, framing.overshoot(cameras, extent, frame))
        return np.array([framing.reach(cameras, extent), near, beyond, *framing.seen(cameras, frame)])


def _octave(relief: float | None) -> int | None:
    """Reliefs of one octave share a renderer, whose mesh only grows finer: it cuts as for twice the relief at most."""
    return None if relief is None else math.ceil(math.log2(max(relief, 1e-3)))


def _farther(cameras: Sequence[Camera]) -> list[Camera]:
    moved = [replace(camera, x=camera.x * _FAR, y=camera.y * _FAR, z=camera.z * _FAR) for camera in cameras]
    return [replace(camera, zoom=camera.zoom * by) for camera in moved for by in (_NEAR, 1 / _NEAR)]


def _smaller(photo: Photo) -> Photo:
    import numpy as np

    from depthflow.opencv import cv2

    width, height = photo.size
    scale = _KEPT_PHOTOS / max(width, height)
    if scale >= 1.0:
        return photo
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return replace(photo, pixels=np.asarray(cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA), np.uint8))


class _Orders:
    """The newest order, and whether anybody looks."""

    def __init__(self) -> None:
        self.news = threading.Condition()
        self.order: Order | None = None
        self.running = self.over = False

    def listen(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            with self.news:
                if "show" in message:
                    self.order = Order(**message["show"])
                else:
                    self.running = bool(message["run"])
                self.news.notify()
        with self.news:
            self.over = True
            self.news.notify()


class _Player:
    """Draws what the orders say, at their pace."""

    def __init__(self, orders: _Orders, out: BinaryIO) -> None:
        self._orders, self._out = orders, out
        self._studio = Studio()
        self._shown: Order | None = None
        self._broken = False
        self._at, self._before = 0.0, time.monotonic()

    def play(self) -> None:
        """Until the orders are over."""
        orders = self._orders
        while True:
            with orders.news:
                orders.news.wait_for(lambda: orders.over or self._is_due())
                over, order = orders.over, orders.order
            if over or order is None:
                self._studio.close()
                return
            fresh = order is not self._shown
            if fresh:
                self._show(order)
            elif not order.paused:
                # At most a second at once: nobody may have looked for a while.
                passed = min(1.0, time.monotonic() - self._before)
                self._at = (self._at + passed * self._studio.rate) % len(self._studio)
            self._before = time.monotonic()
            if orders.running and not self._broken:
                self._draw(order)
            with orders.news:
                left = self._before + min(1 / order.rate, _LONGEST_SECONDS) - time.monotonic()
                orders.news.wait_for(lambda: orders.over or orders.order is not self._shown, max(0.0, left))

    def _is_due(self) -> bool:
        orders = self._orders
        if orders.order is not self._shown:
            return True
        return orders.running and orders.order is not None and not self._broken

    def _show(self, order: Order) -> None:
        """Go on at the same part of the clip, or at the part that is asked for."""
        before, shown = len(self._studio), self._shown
        same = shown is not None and not self._broken and shown.clip == order.clip
        self._shown, self._broken = order, False
        if not same:
            self._make(order)
        count = len(self._studio)
        if order.at is not None:
            self._at = float(round(order.at * (count - 1)))
        elif count != before:
            self._at *= count / max(1, before)

    def _make(self, order: Order) -> None:
        try:
            self._studio.show(order)
        except (DepthFlowError, OSError) as error:
            self._broken = True
            text = {"detail": str(error), "hint": getattr(error, "hint", "")}
            self._send(packet(PROBLEM, json.dumps(text).encode(), revision=order.revision))

    def _draw(self, order: Order) -> None:
        number = int(self._at) % len(self._studio)
        frame = self._studio.draw(number)
        height, width = frame.shape[:2]
        body = frame.tobytes()
        self._send(packet(FRAME, body, width=width, height=height, revision=order.revision, number=number))

    def _send(self, data: bytes) -> None:
        self._out.write(data)
        self._out.flush()


def main() -> None:
    # Nothing that a library prints may come between the packets.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = _Orders()
    threading.Thread(target=orders.listen, daemon=True).start()
    with contextlib.suppress(BrokenPipeError):
        _Player(orders, out).play()
    os._exit(0)


if __name__ == "__main__":
    main()
