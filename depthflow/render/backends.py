"""Where an OpenGL context comes from: EGL, OSMesa or a hidden window of GLFW. Who owns it then is not its matter.

A back end that failed leaves its marks on vispy, which binds itself to one GL library while it is imported. So what
failed is forgotten, and before another is tried in this process it has to work in one of its own.
"""

from __future__ import annotations

import atexit
import ctypes
import ctypes.util
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from depthflow import environment, processors
from depthflow.errors import GLError
from depthflow.render import gloo_threads
from depthflow.render.devices import GLDevice, find_library, finding_fast, open_display, open_surfaceless

BACKENDS = ("egl", "osmesa", "glfw")

ON_MAIN_THREAD = sys.platform == "darwin"
"""Windows may only be opened there on the main thread; drawing may then go on in another."""

_MANY_CORES = 4
"""With fewer, a second context that draws with one thread leaves none of them idle."""

PROBE_S = 30.0
"""Far more than any working driver takes (llvmpipe here: 1 s), far less than a user's patience with a hung one."""

LEAST_VERSION = (3, 3)


@dataclass(frozen=True, slots=True)
class Opened:
    """A context.

    Attributes:
        canvas: vispy's, current in the thread that opened it.
        backend: one of BACKENDS.
        device: what EGL draws with; None where there was no choice.
        passed_over: why back ends that come first were not used; empty if the first one works.
    """

    canvas: Any
    backend: str
    device: GLDevice | None = None
    passed_over: str = ""


def missing_hint() -> str:
    """How to get OpenGL on this system."""
    if sys.platform == "darwin":
        return "run it in a desktop session, and install GLFW: pip install glfw"
    if sys.platform == "win32":
        return "install the graphics driver, and GLFW: pip install glfw"
    return f"install the OpenGL libraries: {_install('egl')}"


def _install(backend: str) -> str:
    """The command that installs a back end's libraries on this Linux; in words where it is not known."""
    known = {
        ("debian", "ubuntu"): ("apt-get install -y", "libegl1 libgl1 libgl1-mesa-dri", "libosmesa6"),
        ("fedora", "rhel", "centos"): ("dnf install -y", "mesa-libEGL mesa-libGL mesa-dri-drivers", "mesa-libOSMesa"),
        ("arch",): ("pacman -S --noconfirm", "mesa libglvnd", "osmesa"),
        ("alpine",): ("apk add", "mesa-egl mesa-gl mesa-dri-gallium", "mesa-osmesa"),
        ("suse",): ("zypper install -y", "Mesa-libEGL1 Mesa-libGL1 Mesa-dri", "libOSMesa8"),
    }
    try:
        import platform

        release = platform.freedesktop_os_release()
        words = f"{release.get('ID', '')} {release.get('ID_LIKE', '')}"
    except OSError:
        words = ""
    for names, (command, egl, osmesa) in known.items():
        if any(name in words for name in names):
            sudo = "" if hasattr(os, "geteuid") and os.geteuid() == 0 else "sudo "
            return f"{sudo}{command} {osmesa if backend == 'osmesa' else egl}"
    if backend == "osmesa":
        return "your distribution's OSMesa library (part of Mesa up to version 25.0)"
    return "your distribution's EGL and OpenGL libraries (libEGL, libGL and the Mesa or vendor drivers)"


def open_canvas(backend: str, device: int | None) -> Opened:
    """Make a vispy canvas, current in this thread.

    Args:
        backend: one of BACKENDS, or "auto" for the first that works.
        device: number of an EGL device; None takes the best.

    Raises:
        GLError: none works; it says why for each.
    """
    if device is not None and (backend not in ("auto", "egl") or sys.platform != "linux"):
        raise GLError(
            f"gl_device {device} cannot be chosen with {backend if sys.platform == 'linux' else 'this system'}",
            "only the back end egl, on Linux, knows several devices",
        )
    first, *others = _wanted(backend, device)
    try:
        return _attempt(first, device)
    except Exception as error:
        failures = [_reason(first, error)]
        hint = error.hint if isinstance(error, GLError) else ""
    for name in others:
        if said := _probe(name):
            failures.append(said)
            continue
        try:
            return replace(_attempt(name, None), passed_over="; ".join(failures))
        except Exception as error:
            failures.append(_reason(name, error))
    raise GLError(f"no OpenGL context ({'; '.join(failures)})", hint or missing_hint())


def _wanted(backend: str, device: int | None) -> tuple[str, ...]:
    if backend != "auto":
        return (backend,)
    if sys.platform != "linux":
        return ("glfw",)
    # Somebody who names a GPU does not want to be drawn for by the CPU.
    return BACKENDS if device is None else ("egl",)


def _reason(backend: str, error: Exception) -> str:
    return f"{backend}: {' '.join(str(error).split()) or type(error).__name__}"


def _attempt(backend: str, device: int | None) -> Opened:
    elsewhere = "vispy.gloo" in sys.modules
    try:
        if backend == "egl":
            return _open_egl(device)
        return _open_osmesa() if backend == "osmesa" else _open_glfw()
    except Exception:
        if not elsewhere:  # else the program around us uses it too
            _forget_vispy()
        raise


def _probe(backend: str) -> str:
    """Why a back end does not work in a process of its own; empty if it does, or if none can be started."""
    if not sys.executable:
        return ""
    command = [sys.executable, "-P", "-m", "depthflow.render.context", "--backend", backend]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=PROBE_S, check=False)
    except subprocess.TimeoutExpired:
        return f"{backend}: did not answer within {PROBE_S:g} s"
    if done.returncode == 0:
        return ""
    for line in done.stdout.decode(errors="replace").splitlines():
        if line.startswith("{"):
            error = str(json.loads(line).get("error", ""))
            return error.removeprefix("no OpenGL context (").removesuffix(")")
    return f"{backend}: ended with {done.returncode}"


def release() -> None:
    """Let go of the window's context in this thread, so that another may take it."""
    import glfw

    nothing: Any = None  # the package's types know windows only
    glfw.make_context_current(nothing)


def leave_to_parent() -> None:
    """In a forked process: do not end at its exit what belongs to the parent; drivers wait there for lost threads."""
    if "vispy.ext.egl" in sys.modules:
        atexit.unregister(sys.modules["vispy.ext.egl"].eglTerminate)
    if "glfw" in sys.modules:
        atexit.unregister(sys.modules["glfw"].terminate)
    if "vispy.gloo" in sys.modules:
        _take_away("/dev/nvidia")


def _take_away(devices: str) -> None:
    """Let this process's open files whose paths begin so lead nowhere.

    NVIDIA's driver frees at a process's end what it has on the GPU; in a forked one that is the parent's, which then
    waits for ever when it draws (580.159 on an H100).
    """
    with suppress(OSError):  # no /proc
        nowhere = os.open(os.devnull, os.O_RDWR)
        for file in Path("/proc/self/fd").iterdir():
            with suppress(OSError):  # that of the list itself
                if str(file.readlink()).startswith(devices):
                    os.dup2(nowhere, int(file.name), inheritable=False)
        os.close(nowhere)


def open_beside(first: Opened) -> Opened:
    """Open a second context, current in this thread, that draws as the first does but shares nothing with it.

    Mesa keeps one software rasterizer per display, so it needs one of its own: the platform without surfaces, where the
    first draws through a device.

    Raises:
        GLError: EGL has no such other display, or something else draws there.
    """
    if first.backend != "egl" or first.device is None:
        raise GLError("only EGL's devices have a second display")
    from vispy import gloo
    from vispy.ext import egl

    threads = os.environ.get("LP_NUM_THREADS") or str(_threads_beside())
    try:
        with environment.given("LP_NUM_THREADS", threads):
            display = ctypes.c_void_p(open_surfaceless())
    except LookupError as error:
        raise GLError(str(error)) from None
    try:
        egl.eglBindAPI(egl.EGL_OPENGL_API)
        drawn = [egl.EGL_RENDERABLE_TYPE, egl.EGL_OPENGL_BIT, egl.EGL_SURFACE_TYPE, egl.EGL_PBUFFER_BIT]
        made = egl.eglCreateContext(display, egl.eglChooseConfig(display, drawn)[0], None)
        egl.eglMakeCurrent(display, egl.EGL_NO_SURFACE, egl.EGL_NO_SURFACE, made)
    except RuntimeError as error:
        raise GLError(_egl_trouble(str(error))) from None
    gloo_threads.own_canvas()
    canvas = gloo.context.FakeCanvas()
    canvas.set_current = lambda: None  # it is, for good
    _check_version(gloo.gl)
    from depthflow.render import gl_raw

    gl_raw.bind_vertex_array()
    return Opened(canvas, "egl")


def _threads_beside() -> int:
    """Rasterizer threads of a second context; 0 is the thread that draws."""
    return 0 if few_cores() else cores() // 2


def few_cores() -> bool:
    """Too few for a picture to be divided among them."""
    return cores() < _MANY_CORES


def cores() -> int:
    """Of the processor, for this process."""
    return processors.usable()


# -- the back ends ---------------------------------------------------------------------------------------------


def _open_egl(device: int | None) -> Opened:
    # GL itself: libGL, or libOpenGL where only the parts without X11 are installed.
    library = find_library("GL") or find_library("OpenGL")
    if library is None:
        raise GLError("libGL is not installed", missing_hint())
    chosen = open_display(device)
    display = _without_server() if chosen is None else chosen[0]
    told: dict[str, str | None] = {"VISPY_GL_LIB": library, **_speaking("egl")}
    if display is not None:
        # Else vispy takes it away for a moment: the default display may be that of an X server.
        told["DISPLAY"] = None
    with finding_fast(), environment.seen_by_python(**told):
        _import_vispy()
        if display is not None:
            from vispy.ext import egl

            # vispy opens the default display while its back end is imported.
            egl.eglGetDisplay = lambda *_, display=display: ctypes.c_void_p(display)
        try:
            return Opened(_canvas("egl"), "egl", None if chosen is None else chosen[1])
        except RuntimeError as error:
            raise GLError(_egl_trouble(str(error)), missing_hint()) from None


def _speaking(platform: str) -> dict[str, str | None]:
    """What tells PyOpenGL how to find GL's functions; under Wayland it would set a variable for SDL."""
    return {"PYOPENGL_PLATFORM": platform, "XDG_SESSION_TYPE": None}


def _without_server() -> int | None:
    """The display of Mesa's platform without surfaces, unless another is asked for; None is EGL's default."""
    if "EGL_PLATFORM" in os.environ:
        return None
    try:
        return open_surfaceless()
    except GLError:
        return None


def _egl_trouble(said: str) -> str:
    if "display" in said or "initialize" in said:
        return "EGL finds no driver, neither Mesa's nor a GPU maker's"
    if "config" in said:
        return "EGL's driver draws no OpenGL, perhaps OpenGL ES only"
    return f"EGL makes no context: {said}"


def _open_osmesa() -> Opened:
    library = os.environ.get("OSMESA_LIBRARY") or ctypes.util.find_library("OSMesa")
    if library is None:
        raise GLError("libOSMesa is not installed", f"install it: {_install('osmesa')}")
    # It brings its own GL functions.
    with environment.seen_by_python(VISPY_GL_LIB=library, **_speaking("osmesa")):
        _import_vispy()
        return Opened(_canvas("osmesa"), "osmesa")


def _open_glfw() -> Opened:
    try:
        import glfw
    except ImportError as error:
        raise GLError(f"GLFW cannot be used: {error}", "pip install glfw") from None
    if ON_MAIN_THREAD and threading.current_thread() is not threading.main_thread():
        raise GLError(
            "this system opens windows on the main thread only",
            "call depthflow.render.context.context() there before any other thread draws",
        )
    with _no_warnings(glfw):
        if sys.platform == "darwin":
            # No menu bar and no icon in the Dock, and the working directory stays.
            glfw.init_hint(glfw.COCOA_MENUBAR, glfw.FALSE)
            glfw.init_hint(glfw.COCOA_CHDIR_RESOURCES, glfw.FALSE)
        if not glfw.init():
            raise GLError(f"GLFW finds no desktop: {_glfw_error(glfw)}", _desktop_hint())
        # vispy asks for no version, and macOS then gives 2.1.
        glfw.window_hint(glfw.CONTEXT_VERSION_MAJOR, LEAST_VERSION[0])
        glfw.window_hint(glfw.CONTEXT_VERSION_MINOR, LEAST_VERSION[1])
        glfw.window_hint(glfw.OPENGL_PROFILE, glfw.OPENGL_CORE_PROFILE)
        glfw.window_hint(glfw.OPENGL_FORWARD_COMPAT, glfw.TRUE)
        # On Linux, GLX is X11's; everything else there speaks EGL.
        native = {"darwin": "darwin", "win32": "nt"}
        speaks = native.get(sys.platform, "glx" if glfw.get_platform() == glfw.PLATFORM_X11 else "egl")
        with environment.seen_by_python(**_speaking(speaks)):
            _import_vispy()
            try:
                return Opened(_canvas("glfw"), "glfw")
            except RuntimeError:
                raise GLError(f"GLFW opens no window with OpenGL 3.3: {_glfw_error(glfw)}", missing_hint()) from None


@contextmanager
def _no_warnings(glfw: Any) -> Iterator[None]:
    """GLFW's Python binding prints what goes wrong as warnings; we ask for the last error instead."""
    reporting = glfw.ERROR_REPORTING
    glfw.ERROR_REPORTING = "ignore"
    try:
        yield
    finally:
        glfw.ERROR_REPORTING = reporting


def _glfw_error(glfw: Any) -> str:
    text = glfw.get_error()[1]
    return text.decode(errors="replace") if text else "it does not say why"


def _desktop_hint() -> str:
    if sys.platform in ("darwin", "win32"):
        return "run it in a desktop session, not in a service or over ssh"
    return "it needs a display server (DISPLAY or WAYLAND_DISPLAY), or xvfb-run; the back end egl needs none"


def _canvas(backend: str) -> Any:
    """A canvas on an application of its own, so that vispy's default one stays free for whoever else uses it."""
    from vispy import app, gloo

    gloo.gl.use_gl("gl2")
    # 16 pixels: nothing is ever drawn into the canvas itself.
    canvas = app.Canvas(app=app.Application(backend), size=(16, 16), show=False, create_native=True, autoswap=False)
    canvas.set_current()
    _check_version(gloo.gl)
    # PyOpenGL binds itself to a back end while it is imported, so not before it is known to work.
    from depthflow.render import gl_raw

    gl_raw.bind_vertex_array()
    return canvas


def _check_version(gl: Any) -> None:
    text, renderer = (str(gl.glGetParameter(name) or "") for name in (gl.GL_VERSION, gl.GL_RENDERER))
    if not text or text == "None":
        raise GLError("the context has no renderer")
    # Whatever follows has numbers too, such as "3.1 Mesa 22.0"; OpenGL ES begins with its name.
    version = re.match(r"(\d+)\.(\d+)", text)
    if version is None or (int(version[1]), int(version[2])) < LEAST_VERSION:
        raise GLError(f"OpenGL 3.3 is needed, {renderer} has {text}", "update the graphics driver")


def _import_vispy() -> None:
    """Import vispy, also where the system has no fontconfig.

    Its package asks for that library while it is imported, for text that we never draw; slim systems lack it.
    """
    try:
        import vispy  # noqa: F401
    except ImportError as error:
        if "fontconfig" not in str(error):
            raise
        _forget_vispy()
        stand_in = ModuleType("vispy.ext.fontconfig")
        stand_in.find_font = stand_in._list_fonts = None  # type: ignore[attr-defined]
        sys.modules[stand_in.__name__] = stand_in


def _forget_vispy() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "vispy"]:
        del sys.modules[name]
