"""A daemon that ends with the program that started it, however that one ends: it notices by its standard input."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

FREE, END = b"free", b"end"
"""What the other end writes, and a line's end: let the daemon go on without it; end it at once."""
LOOK_SECONDS = 0.5
ALONE_SECONDS = 2.0
"""Nobody may listen for so long before it ends: a second interface may just be connecting again."""


class Leash:
    """Standard input, which is a pipe from the program that started us.

    When it is closed, by that program or by its death, and nobody listens to events any more, the daemon is to end;
    what runs is given back to the queue. Others that follow its jobs keep it for as long as they do. Once FREE has come
    it holds no more, and END does not wait for anybody.

    Args:
        listeners: how many follow the daemon's events.
        end: has it end.
    """

    def __init__(self, listeners: Callable[[], int], end: Callable[[], None]) -> None:
        self._listeners, self._end = listeners, end
        # Nobody else shall read from it: ffmpeg takes keys from its standard input.
        self._pipe = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)

    def hold(self) -> None:
        threading.Thread(target=self._wait, name="leash", daemon=True).start()

    def _wait(self) -> None:
        with os.fdopen(self._pipe, "rb") as pipe:
            for line in pipe:
                if line.strip() == FREE:
                    return
                if line.strip() == END:
                    self._end()
                    return
        alone = 0.0
        while alone < ALONE_SECONDS:
            if self._listeners():
                alone = 0.0
            time.sleep(LOOK_SECONDS)
            alone += LOOK_SECONDS
        self._end()
