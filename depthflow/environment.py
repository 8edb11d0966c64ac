"""Environment variables for libraries, changed so that no other thread crashes.

In the C library, adding a variable moves the list of all of them, and whoever is reading it then reads freed memory
(glibc before 2.41; setenv(3) is not thread-safe). JPEG decoders and OpenGL drivers do read it. So what Python modules
are to see is told to Python alone, and what C libraries are to see has its place from the beginning.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

CHANGED_LATER = ("LP_NUM_THREADS", "LD_LIBRARY_PATH", "PYTHONSAFEPATH")
"""Variables that get a value while threads run; empty they mean what being absent means."""


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

    C libraries and child processes see what was there before.
    """
    known = os.environ._data  # type: ignore[attr-defined] # what it answers from; C hears of all else that it does
    names = {name: os.environ.encodekey(name) for name in variables}
    before = {key: known.get(key) for key in names.values()}

    def put(key: object, value: object) -> None:
        if value is None:
            known.pop(key, None)
        else:
            known[key] = value

    for name, value in variables.items():
        put(names[name], None if value is None else os.environ.encodevalue(value))
    try:
        yield
    finally:
        for key, old in before.items():
            put(key, old)
