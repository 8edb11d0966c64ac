"""One offscreen OpenGL context per process, owned by one thread. It knows nothing of photos or cameras.

A GL context belongs to the thread that made it: vispy fails when a canvas is used from a second one. So all GL work
is handed to one render thread, and the rest of the program may call from anywhere. The canvas is made once and
never destroyed (vispy's EGL back end cannot); renderers come and go on it and free what they made.

    python -m depthflow.render.context [--backend NAME]     prints one JSON line; 4 if there is no context
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from depthflow.errors import GLError

P = ParamSpec("P")
R = TypeVar("R")

BACKENDS = ("egl", "osmesa", "glfw")

_SOFTWARE = ("llvmpipe", "softpipe", "swrast", "swiftshader", "basic render", "software")


@dataclass(frozen=True, slots=True)
class GLInfo:
    """What the context is.

    Attributes:
        backend: egl, osmesa or glfw.
        software: drawn by the CPU.
        max_side: longest frame or texture side, pixels.
        device: what was chosen among several GPUs, empty where there was no choice.
    """

    backend: str
    renderer: str
    vendor: str
    version: str
    software: bool
    max_side: int
    device: str = ""


def missing_hint() -> str:
    """How to get OpenGL on this system."""
    if sys.platform == "darwin":
        return "run it in a desktop session, or install GLFW: pip install glfw"
    if sys.platform == "win32":
        return "install the graphics driver, and GLFW: pip install glfw"
    known = {
        ("debian", "ubuntu"): "apt-get install -y libegl1 libgl1 libgl1-mesa-dri",
        ("fedora", "rhel", "centos"): "dnf install -y mesa-libEGL mesa-libGL mesa-dri-drivers",
        ("arch",): "pacman -S --noconfirm mesa libglvnd",
        ("alpine",): "apk add mesa-egl mesa-gl mesa-dri-gallium",
        ("suse",): "zypper install -y Mesa-libEGL1 Mesa-libGL1 Mesa-dri",
    }
    try:
        import platform

        release = platform.freedesktop_os_release()
        words = f"{release.get('ID', '')} {release.get('ID_LIKE', '')}"
    except OSError:
        words = ""
    for names, command in known.items():
        if any(name in words for name in names):
            sudo = "" if hasattr(os, "geteuid") and os.geteuid() == 0 else "sudo "
            return f"install the OpenGL libraries: {sudo}{command}"
    return "install your distribution's EGL and OpenGL libraries (libEGL, libGL and the Mesa or vendor drivers)"


class GLContext:
    """The process's context and the thread that owns it; get it with `context()`."""

    def __init__(self, backend: str = "auto") -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="depthflow-gl")
        self._thread: int | None = None
        self._canvas: Any = None
        try:
            self.info = self._executor.submit(self._open, backend).result()
        except BaseException:
            self._executor.shutdown(wait=False)
            raise

    def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call on the render thread and wait for the result."""
        if threading.get_ident() == self._thread:
            return function(*args, **kwargs)
        return self.submit(function, *args, **kwargs).result()

    def submit(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call on the render thread; the future has the result."""
        return self._executor.submit(function, *args, **kwargs)

    def flush(self) -> None:
        """Render thread only: hand what gloo has queued to the driver."""
        self._canvas.context.flush_commands()

    def _open(self, backend: str) -> GLInfo:
        """Render thread: make the canvas with the first back end that works."""
        self._thread = threading.get_ident()
        if backend != "auto":
            wanted: tuple[str, ...] = (backend,)
        elif sys.platform == "linux":
            wanted = BACKENDS
        else:
            wanted = ("glfw",)
        reasons = []
        for name in wanted:
            try:
                return self._try(name)
            except Exception as error:
                reasons.append(f"{name}: {' '.join(str(error).split()) or type(error).__name__}")
        raise GLError(f"no OpenGL context ({'; '.join(reasons)})", missing_hint())

    def _try(self, backend: str) -> GLInfo:
        device = _choose_egl_display() if backend == "egl" else ""
        _import_vispy()
        import vispy
        from vispy import app

        if backend in ("egl", "osmesa"):
            # PyOpenGL otherwise looks for GLX, an X11 library that no headless machine needs.
            os.environ.setdefault("PYOPENGL_PLATFORM", backend)
        if backend == "osmesa":
            vispy.use(app=backend)  # it brings its own GL functions
        else:
            vispy.use(app=backend, gl="gl2")
        # 16 pixels: nothing is ever drawn into the canvas itself.
        self._canvas = app.Canvas(size=(16, 16), show=False, create_native=True, autoswap=False)
        self._canvas.set_current()
        from depthflow.render import gl_raw

        strings = gl_raw.strings()
        if not strings["renderer"] or strings["renderer"] == "None":
            raise GLError("the context has no renderer")
        major, minor = (int("".join(c for c in part if c.isdigit()) or 0) for part in strings["version"].split(".")[:2])
        if (major, minor) < (3, 3):
            raise GLError(f"OpenGL 3.3 is needed, {strings['renderer']} has {strings['version']}")
        software = any(word in strings["renderer"].lower() for word in _SOFTWARE)
        return GLInfo(backend, **strings, software=software, max_side=gl_raw.max_texture_size(), device=device)


def _import_vispy() -> None:
    """Import vispy, also where the system has no fontconfig.

    Its package asks for that library while it is imported, for text that we never draw; slim systems lack it.
    """
    try:
        import vispy  # noqa: F401
    except ImportError as error:
        if "fontconfig" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "vispy"]:
            del sys.modules[name]
        stand_in = ModuleType("vispy.ext.fontconfig")
        stand_in.find_font = stand_in._list_fonts = None  # type: ignore[attr-defined]
        sys.modules[stand_in.__name__] = stand_in


def _choose_egl_display() -> str:
    """Point vispy's EGL back end at a device, and say which; empty leaves it to EGL's default display.

    vispy opens the default display while it is imported. Without a display server that needs a platform without
    surfaces, which Mesa has and NVIDIA's driver has not: there the loader would quietly hand out Mesa's software
    renderer. Devices (EGL_EXT_platform_device, EGL_EXT_device_enumeration) exist on both. Hardware comes first;
    DEPTHFLOW_GL_DEVICE picks one by its number.
    """
    os.environ.setdefault("EGL_PLATFORM", "surfaceless")
    _import_vispy()
    from vispy.ext import egl

    wanted = os.environ.get("DEPTHFLOW_GL_DEVICE", "")
    for device, name in _egl_devices(egl, wanted):
        display = _platform_display(egl, device)
        if display:
            egl.eglGetDisplay = lambda *_, chosen=display: ctypes.c_void_p(chosen)
            return name
    if wanted:
        raise GLError(f"DEPTHFLOW_GL_DEVICE={wanted}: no such EGL device")
    return ""


_EGL_PLATFORM_DEVICE_EXT = 0x313F
_EGL_EXTENSIONS = 0x3055


def _procedure(egl: Any, name: str, result: Any, *arguments: Any) -> Any:
    egl._lib.eglGetProcAddress.restype = ctypes.c_void_p
    egl._lib.eglGetProcAddress.argtypes = (ctypes.c_char_p,)
    address = egl._lib.eglGetProcAddress(name.encode())
    return ctypes.CFUNCTYPE(result, *arguments)(address) if address else None


def _egl_devices(egl: Any, wanted: str) -> list[tuple[int, str]]:
    """(handle, name) of the devices to try, hardware first; only number `wanted` if it is given."""
    query = _procedure(
        egl, "eglQueryDevicesEXT", ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)
    )
    describe = _procedure(egl, "eglQueryDeviceStringEXT", ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
    if query is None or describe is None:
        return []
    handles = (ctypes.c_void_p * 32)()
    count = ctypes.c_int()
    if not query(32, handles, ctypes.byref(count)):
        return []
    found = []
    for number, handle in enumerate(handles[: count.value]):
        if handle is None or (wanted and wanted != str(number)):
            continue
        software = b"EGL_MESA_device_software" in (describe(handle, _EGL_EXTENSIONS) or b"")
        found.append((software, number, handle))
    return [(handle, f"EGL device {number}") for software, number, handle in sorted(found)]


def _platform_display(egl: Any, device: int) -> int | None:
    get = _procedure(egl, "eglGetPlatformDisplayEXT", ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p)
    display = get(_EGL_PLATFORM_DEVICE_EXT, device, None) if get is not None else None
    if not display:
        return None
    try:
        egl.eglInitialize(ctypes.c_void_p(display))
    except RuntimeError:
        return None  # a GPU that we may not open, such as /dev/dri without the group
    return int(display)


_lock = threading.Lock()
_context: GLContext | None = None


def context(backend: str = "auto") -> GLContext:
    """The process's context, made at first use.

    Raises:
        GLError: none can be made, or the one that was made has another back end than the one asked for.
    """
    global _context
    with _lock:
        if _context is None:
            _context = GLContext(backend)
        elif backend not in ("auto", _context.info.backend):
            raise GLError(
                f"this process already draws with {_context.info.backend}",
                f"start a new process to use {backend}",
            )
        return _context


def warm(backend: str = "auto") -> None:
    """Begin to make the context on a thread of its own; `context` waits for it, and says what went wrong."""

    def make() -> None:
        with contextlib.suppress(GLError):
            context(backend)

    if _context is None:
        threading.Thread(target=make, name="depthflow-gl-warm", daemon=True).start()


def main() -> int:
    import argparse
    import json

    parser = argparse.ArgumentParser(description="Make an offscreen OpenGL context and say what it is.")
    parser.add_argument("--backend", default="auto", choices=("auto", *BACKENDS))
    try:
        print(json.dumps(asdict(context(parser.parse_args().backend).info)))
    except GLError as error:
        print(json.dumps({"error": error.message, "hint": error.hint}))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
