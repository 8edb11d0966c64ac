"""Keeps painters busy with the next frames of a clip, and hands the frames out in order."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthflow.render.painter import Painter, Picture, Shot
from depthflow.render.readback import Transfer

AHEAD = 2
"""Frames that each painter draws while one is written: with one, an encoder that takes some in bursts has to wait."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    painter: Painter
    buffer: NDArray[np.uint8]
    frame: Future[NDArray[np.uint8]]


class FramesAhead:
    """The frames of a clip, to be iterated over once.

    Args:
        painters: those that can draw now, the first one always the same; asked anew for every frame.
        keep: frames are the caller's; else their memory is used again as soon as the next frame is asked for.
        begun: called when the first frame is there.
    """

    def __init__(
        self,
        shots: Iterable[Shot],
        picture: Picture,
        painters: Callable[[], Sequence[Painter]],
        *,
        keep: bool = False,
        begun: Callable[[], None] = lambda: None,
    ) -> None:
        self._left = iter(shots)
        self._picture, self._painters, self._keep, self._tell = picture, painters, keep, begun
        self._spare: list[NDArray[np.uint8]] = []
        self._sent: deque[Future[Transfer]] = deque()
        self._drawn: deque[_Drawn] = deque()

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        first = self._painters()[0]
        try:
            if self._picture.ring:
                self._send(first)  # from here on, one frame is drawn before the last one is taken from the GPU
            self._fill()
            tell = self._tell
            while self._drawn:
                drawn = self._drawn.popleft()
                pixels = drawn.frame.result()
                tell()
                tell = _nothing
                self._fill()
                yield pixels
                if not self._keep:
                    self._spare.append(drawn.buffer)
        finally:
            for drawn in self._drawn:
                drawn.frame.exception()  # nobody wants them any more, but they must have ended
            for transfer in self._sent:
                first.gl.run(first.drop, transfer)

    def _fill(self) -> None:
        """Give the painters all that they may have."""
        painters = self._painters()
        while len(self._drawn) < AHEAD * len(painters):
            painter = min(painters, key=self._waiting)
            item = self._next(painter)
            if item is None:
                return
            buffer = self._spare.pop() if self._spare else self._picture.buffer()
            self._drawn.append(_Drawn(painter, buffer, painter.gl.submit(painter.take, item, buffer)))

    def _next(self, painter: Painter) -> Shot | Future[Transfer] | None:
        """What a painter is to take; None after the last one."""
        if not self._picture.ring:
            return next(self._left, None)
        self._send(painter)
        return self._sent.popleft() if self._sent else None

    def _send(self, painter: Painter) -> None:
        """Have the next frame drawn and sent on its way."""
        for shot in itertools.islice(self._left, 1):
            self._sent.append(painter.gl.submit(painter.begin, shot))

    def _waiting(self, painter: Painter) -> int:
        """Frames that it still has to draw."""
        return sum(drawn.painter is painter and not drawn.frame.done() for drawn in self._drawn)


def _nothing() -> None:
    pass
