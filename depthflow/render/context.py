"""The process's offscreen OpenGL contexts, each owned by one thread. They know nothing of photos or cameras.

A GL context belongs to the thread that made it: vispy fails when a canvas is used from a second one. So all GL work
is handed to one render thread, and the rest of the program may call from anywhere. The canvas is made once and
never destroyed (vispy's EGL back end cannot); renderers come and go on it and free what they made.

Where the CPU draws there may be a second one: Mesa takes the vertices of one context on one thread, and waits for the
pixels before it takes the next frame's. Two contexts that take turns leave no core idle.

    python -m depthflow.render.context [--backend NAME] [--device N] [--list]

prints one JSON line; 4 if there is no context.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from depthflow.errors import GLError
from depthflow.render import backends
from depthflow.render.backends import BACKENDS, Opened, open_canvas

P = ParamSpec("P")
R = TypeVar("R")

_SOFTWARE = ("llvmpipe", "softpipe", "swrast", "swiftshader", "basic render", "gdi generic", "software")


@dataclass(frozen=True, slots=True)
class GLInfo:
    """What the context is.

    Attributes:
        backend: egl, osmesa or glfw.
        software: drawn by the CPU.
        max_side: longest frame or texture side, pixels.
        device: what was chosen among EGL's devices, its number first; empty where there was no choice.
        passed_over: why back ends that come first were not used; empty if the first one works.
    """

    backend: str
    renderer: str
    vendor: str
    version: str
    software: bool
    max_side: int
    device: str = ""
    passed_over: str = ""


class GLContext:
    """A context and the thread that owns it; get it with `context()` or `second()`.

    Args:
        make: opens it, and makes it current in the thread that calls; that is the context's own.
    """

    def __init__(self, make: Callable[[], Opened]) -> None:
        self._process = os.getpid()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="depthflow-gl")
        self._thread: int | None = None
        self._opened: Opened | None = None
        self._later: deque[Callable[[], None]] = deque()
        self._opening = self._executor.submit(self._open, make)

    @property
    def info(self) -> GLInfo:
        """What it is; waits until it is open.

        Raises:
            GLError: it could not be opened.
        """
        return self._opening.result()

    def give_up(self) -> None:
        """End the thread of a context that could not be opened."""
        self._executor.shutdown(wait=False)

    def beside(self) -> Opened:
        """For `second`: open another context that draws as this one does, in the thread that calls.

        Raises:
            GLError: there is no other.
        """
        self.info  # noqa: B018 - waits
        assert self._opened is not None  # noqa: S101 - it is open
        return backends.open_beside(self._opened)

    def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call on the render thread and wait for the result; what it raises is raised here.

        Raises:
            GLError: this process was forked from the one that opened the context.
        """
        if threading.get_ident() == self._thread and os.getpid() == self._process:
            return function(*args, **kwargs)
        return self.submit(function, *args, **kwargs).result()

    def submit(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call on the render thread; the future has the result.

        Raises:
            GLError: this process was forked from the one that opened the context.
        """
        if os.getpid() != self._process:
            raise GLError(
                "this process was forked from one that already draws, and OpenGL does not survive a fork",
                'start it anew: multiprocessing.set_start_method("spawn"), or fork before anything is drawn',
            )
        return self._executor.submit(function, *args, **kwargs)

    def later(self, function: Callable[[], None]) -> None:
        """Call on the render thread at the next `flush`. Takes no lock: garbage collection may strike anywhere."""
        self._later.append(function)

    def flush(self) -> None:
        """Render thread only: hand what gloo has queued to the driver."""
        while self._later:
            self._later.popleft()()
        if self._opened is not None:
            self._opened.canvas.context.flush_commands()

    def _open(self, make: Callable[[], Opened]) -> GLInfo:
        self._thread = threading.get_ident()
        opened = self._opened = make()
        opened.canvas.set_current()
        from depthflow.render import gl_raw

        # gloo switches point sprites on, which a core profile has not, and stumbles over the error later.
        self.flush()
        gl_raw.forget_errors()
        strings = gl_raw.strings()
        software = any(word in strings["renderer"].lower() for word in _SOFTWARE)
        return GLInfo(
            opened.backend,
            **strings,
            software=software,
            max_side=gl_raw.max_texture_size(),
            device=str(opened.device or ""),
            passed_over=opened.passed_over,
        )


_lock = threading.Lock()
_context: GLContext | None = None
_second: GLContext | None = None


def context(backend: str = "auto", device: int | None = None) -> GLContext:
    """The process's context, made at first use.

    Args:
        backend: "auto", "egl", "osmesa" or "glfw".
        device: number of one of EGL's devices; None takes the best, or the one that already draws.

    Raises:
        GLError: none can be made, or the one that was made has another back end or device than the one asked for.
    """
    global _context
    with _lock:
        if _context is None:
            made = GLContext(_opener(backend, device))
            try:
                made.info  # noqa: B018 - raises what went wrong
            except BaseException:
                made.give_up()
                raise
            _context = made
        elif backend not in ("auto", _context.info.backend):
            raise GLError(
                f"this process already draws with {_context.info.backend}",
                f"start a new process to use {backend}",
            )
        elif device is not None and not _context.info.device.startswith(f"{device}:"):
            raise GLError(
                f"this process already draws with device {_context.info.device or _context.info.renderer}",
                f"start a new process to use GL device {device}",
            )
        return _context


def second() -> GLContext:
    """Another context of the process, begun at first use; its `info` waits for it and says what went wrong.

    It draws exactly what `context` draws, and nothing is shared between the two. One that could not be opened is not
    tried again.

    Raises:
        GLError: there is no first one.
    """
    global _second
    first = context()
    with _lock:
        if _second is None:
            _second = GLContext(first.beside)
        return _second


def _opener(backend: str, device: int | None) -> Callable[[], Opened]:
    """What opens the first context on its thread."""
    if not backends.ON_MAIN_THREAD:
        return partial(open_canvas, backend, device)
    opened = open_canvas(backend, device)
    backends.release()
    return lambda: opened


def opened() -> GLInfo | None:
    """What the process's context is; None while there is none."""
    return None if _context is None else _context.info


def warm(backend: str = "auto", device: int | None = None) -> None:
    """Begin to make the context on a thread of its own; `context` waits for it, and says what went wrong."""

    def make() -> None:
        with contextlib.suppress(GLError):
            context(backend, device)

    if _context is None and not backends.ON_MAIN_THREAD:
        threading.Thread(target=make, name="depthflow-gl-warm", daemon=True).start()


def _after_fork() -> None:
    """In a forked child: another thread may have held the lock, and nobody is left to end EGL with."""
    global _lock
    _lock = threading.Lock()
    backends.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def main() -> int:
    import argparse
    import json

    from depthflow.render.devices import list_devices

    parser = argparse.ArgumentParser(description="Make an offscreen OpenGL context and say what it is.")
    parser.add_argument("--backend", default="auto", choices=("auto", *BACKENDS))
    parser.add_argument("--device", type=int, help="number of one of EGL's devices")
    parser.add_argument("--list", action="store_true", help="say which devices EGL has, too")
    options = parser.parse_args()
    said: dict[str, Any] = {}
    if options.list and sys.platform == "linux":
        try:
            said["devices"] = [str(device) for device in list_devices()]
        except GLError:
            said["devices"] = []
    code = 0
    try:
        said |= asdict(context(options.backend, options.device).info)
    except GLError as error:
        said |= {"error": error.message, "hint": error.hint}
        code = error.exit_code
    print(json.dumps(said))
    return code


if __name__ == "__main__":
    sys.exit(main())
