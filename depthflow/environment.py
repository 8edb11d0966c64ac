"""Environment variables for libraries, changed so that no other thread crashes.

In the C library, adding a variable moves the list of all of them, and whoever is reading it then reads freed memory
(glibc before 2.41; setenv(3) is not thread-safe). JPEG decoders and OpenGL drivers do read it. So what Python modules
are to see is told to Python alone, and what C libraries are to see has its place from the beginning.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager

CHANGED_LATER = ("LP_NUM_THREADS", "LD_LIBRARY_PATH", "PYTHONSAFEPATH")
"""Variables that get a value while threads run; empty they mean what being absent means."""

_one_at_a_time = threading.Lock()


def make_room() -> None:
    """Give each of CHANGED_LATER its place, empty; before any thread begins."""
    for name in CHANGED_LATER:
        os.environ.setdefault(name, "")


@contextmanager
def given(name: str, value: str | None = None) -> Iterator[None]:
    """A variable of CHANGED_LATER with a value, as C libraries see it; afterwards it has its old one again.

    Args:
        value: None leaves it to whoever changes it within.

    Raises:
        LookupError: it has no place, and giving it one could crash another thread.
    """
    before = os.environ.get(name)
    if before is None:
        raise LookupError(f"no room for {name} among the environment variables")
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ[name] = before


@contextmanager
def seen_by_python(**variables: str | None) -> Iterator[None]:
    """Variables as Python modules see them while they are imported; None hides one.

    C libraries see what was there before, and so do child processes that are not given a copy of `os.environ`.
    """
    with _one_at_a_time:
        before = os.environ
        os.environ = _Seen(before, variables)  # type: ignore[assignment] # noqa: B003 - os.getenv asks it, too
        try:
            yield
        finally:
            os.environ = before  # noqa: B003


class _Seen(MutableMapping[str, str]):
    """The environment, some variables of which seem to be others. What is written goes to the real one.

    Nothing is taken out of that: another thread may be copying it.
    """

    def __init__(self, real: MutableMapping[str, str], others: Mapping[str, str | None]) -> None:
        self._real, self._others = real, others

    def __getitem__(self, name: str) -> str:
        value = self._others[name] if name in self._others else self._real[name]
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in self._real if name not in self._others)
        yield from (name for name, value in self._others.items() if value is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __setitem__(self, name: str, value: str) -> None:
        self._real[name] = value

    def __delitem__(self, name: str) -> None:
        del self._real[name]

    def copy(self) -> dict[str, str]:
        return dict(self)
