"""Copies framebuffers of a GPU into memory while it goes on drawing. Used on the render thread only.

glReadPixels into memory waits until the GPU has drawn. Into a pixel-pack buffer it does not: the GPU copies when it
gets there, and a fence tells when that was. Where the CPU draws, a plain read is one copy less (docs/benchmarks.md).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthflow.errors import GLError
from depthflow.render.stage import Target

TIMEOUT_S = 30.0
"""A GPU that has not drawn a frame by then has hung."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A frame on its way: the pack buffer that it goes to, and the fence behind it."""

    buffer: int
    fence: Any


class Readback:
    """Pixel-pack buffers for frames of one size; each is used again as soon as its frame has been taken out.

    Args:
        size: (width, height) of the frames, RGBA.
        later: has a function called on the render thread some time; for what is dropped without having been freed.
    """

    def __init__(self, size: tuple[int, int], later: Callable[[Callable[[], None]], None]) -> None:
        self._bytes = size[0] * size[1] * 4
        self._buffers: set[int] = set()
        self._spare: list[int] = []
        weakref.finalize(self, later, partial(_free, self._buffers)).atexit = False

    def begin(self, target: Target) -> Transfer:
        """Send the target's pixels on their way; it may be drawn into again at once."""
        from depthflow.render import gl_raw

        if not self._spare:
            self._spare.append(gl_raw.make_pack_buffer(self._bytes))
            self._buffers.add(self._spare[-1])
        buffer = self._spare.pop()
        return Transfer(buffer, target.begin_reading(buffer))

    def finish(self, transfer: Transfer, out: NDArray[np.uint8]) -> None:
        """Wait until the pixels are there and copy them into `out`, (height, width, 4) uint8, row 0 first.

        Raises:
            GLError: the GPU hangs, or lost the pixels.
        """
        from depthflow.render import gl_raw

        try:
            if not gl_raw.finish_reading(transfer.buffer, transfer.fence, out, TIMEOUT_S):
                raise GLError("the GPU did not give a frame back", "it hangs or was reset; see the system's log")
        finally:
            self._spare.append(transfer.buffer)

    def drop(self, transfer: Transfer) -> None:
        """Forget a frame that nobody wants any more; also after `free`."""
        from depthflow.render import gl_raw

        gl_raw.free_fence(transfer.fence)
        if transfer.buffer in self._buffers:
            self._spare.append(transfer.buffer)

    def free(self) -> None:
        _free(self._buffers)
        self._spare.clear()


def _free(buffers: set[int]) -> None:
    from depthflow.render import gl_raw

    while buffers:
        gl_raw.free_pack_buffer(buffers.pop())
