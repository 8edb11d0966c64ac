"""Keeps painters busy with the next frames of a clip, and hands the frames out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthflow.render.painter import Painter, Picture, Shot
from depthflow.render.readback import Transfer

AHEAD = 4
"""Frames that each painter draws while one is written: an encoder takes some in bursts, and would have to wait."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    painter: Painter
    buffer: NDArray[np.uint8]
    frame: Future[NDArray[np.uint8]]


class FramesAhead:
    """The frames of a clip, to be iterated over once.

    Args:
        shots: one at least.
        painters: those that can draw now, the first one always the same; asked anew for every frame.
        keep: frames are the caller's; else their memory is used again as soon as the next frame is asked for.
        begun: called when the first frame is there.
    """

    def __init__(
        self,
        shots: Sequence[Shot],
        picture: Picture,
        painters: Callable[[], Sequence[Painter]],
        *,
        keep: bool = False,
        begun: Callable[[], None] = lambda: None,
    ) -> None:
        # What is drawn when a frame is taken: with a ring the one after it, which by the last one is none.
        self._first = shots[0]
        self._left: deque[Shot | None] = deque([*shots[1:], None] if picture.ring else shots)
        self._picture, self._painters, self._keep, self._tell = picture, painters, keep, begun
        self._spare: list[NDArray[np.uint8]] = []
        self._sent: Transfer | Exception | None = None
        self._drawn: deque[_Drawn] = deque()

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        first = self._painters()[0]
        try:
            if self._picture.ring:
                first.gl.run(self._send, first, self._first)
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
            sent, self._sent = self._sent, None
            if isinstance(sent, Transfer):
                first.gl.run(first.readback.drop, sent)

    def _fill(self) -> None:
        """Give the painters all that they may have."""
        painters = self._painters()
        while self._left and len(self._drawn) < AHEAD * len(painters):
            painter, shot = min(painters, key=self._waiting), self._left.popleft()
            buffer = self._spare.pop() if self._spare else self._picture.buffer()
            self._drawn.append(_Drawn(painter, buffer, painter.gl.submit(self._take, painter, shot, buffer)))

    def _waiting(self, painter: Painter) -> int:
        """Frames that it still has to draw."""
        return sum(drawn.painter is painter and not drawn.frame.done() for drawn in self._drawn)

    # -- on a render thread -------------------------------------------------------------------------------

    def _take(self, painter: Painter, shot: Shot | None, out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A frame: that of the shot, or with a ring the one that is on its way, once the shot's own has been sent."""
        sent: Shot | Transfer | Exception | None = shot
        if self._picture.ring:
            sent = self._sent
            self._send(painter, shot)
        if isinstance(sent, Exception):
            raise sent
        assert sent is not None  # noqa: S101 - one is sent for each that is taken
        return painter.take(sent, out)

    def _send(self, painter: Painter, shot: Shot | None) -> None:
        """Draw a frame and send it on its way; what goes wrong is raised when that frame is taken."""
        try:
            self._sent = None if shot is None else painter.begin(shot)
        except Exception as error:
            self._sent = error


def _nothing() -> None:
    pass
