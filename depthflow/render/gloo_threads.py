"""Lets two threads use gloo, each with a context of its own.

gloo is made for one thread: which canvas is current is one list for the whole process, and objects get their numbers
from a counter that two threads may read at once. A thread that asks for it has a list of its own; all others go on as
before, whoever else in the process uses vispy too. Numbers are given out one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any


class _Canvases(list[Any]):
    """gloo's list of canvases, the last of which is current, as the thread that looks has it."""

    def __init__(self, shared: list[Any]) -> None:
        super().__init__()
        self._shared, self._local = shared, threading.local()

    def begin(self) -> None:
        """From here on, the calling thread has a list of its own, empty at first."""
        self._local.own = []

    def _mine(self) -> list[Any]:
        mine: list[Any] = getattr(self._local, "own", self._shared)
        return mine

    def __len__(self) -> int:
        return len(self._mine())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._mine())

    def __getitem__(self, where: Any) -> Any:
        return self._mine()[where]

    def __setitem__(self, where: Any, what: Any) -> None:
        self._mine()[where] = what


_lock = threading.Lock()


def own_canvas() -> None:
    """From here on, what the calling thread makes current is current for itself alone."""
    from vispy.gloo import context

    with _lock:
        if not isinstance(context.canvasses, _Canvases):
            context.canvasses = _Canvases(context.canvasses)
            _number_one_by_one()
    context.canvasses.begin()


def _number_one_by_one() -> None:
    from vispy.gloo.globject import GLObject

    plain, lock = GLObject.__init__, threading.Lock()

    def numbered(self: Any) -> None:
        with lock:
            plain(self)

    GLObject.__init__ = numbered
