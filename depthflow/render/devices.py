"""The devices that EGL can draw with: which there are, and the display of one. It makes no context.

Without a display server EGL's default display is a platform without surfaces, which Mesa has and NVIDIA's driver has
not: the loader would quietly hand out Mesa's software renderer. Devices (EGL_EXT_device_enumeration,
EGL_EXT_device_query, EGL_EXT_platform_device) exist on both.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from depthflow.errors import GLError

_VENDOR, _EXTENSIONS = 0x3053, 0x3055
_RENDERER = 0x335F  # EGL_EXT_device_query_name
_DRM_FILE, _DRM_RENDER_NODE = 0x3233, 0x3377  # EGL_EXT_device_drm, EGL_EXT_device_drm_render_node
_CUDA = 0x323A  # EGL_NV_device_cuda
_PLATFORM_DEVICE = 0x313F
_PLATFORM_SURFACELESS = 0x31DD  # EGL_MESA_platform_surfaceless
_MOST = 32

_KNOWN = {"EGL": "libEGL.so.1", "GL": "libGL.so.1", "OpenGL": "libOpenGL.so.0", "fontconfig": "libfontconfig.so.1"}
"""Names that loaders know libraries by; their numbers are those of their interfaces, and have never changed."""


@dataclass(frozen=True, slots=True)
class GLDevice:
    """A device of EGL.

    Attributes:
        index: its number, as `render.gl_device` wants it.
        name: vendor and renderer as far as the driver tells them without a context, else what kind it is.
        node: its device file, such as /dev/dri/renderD128; empty if it has none.
        cuda: its number in CUDA; -1 if it has none.
        software: drawn by the CPU.
        handle: EGLDeviceEXT, of this process only.
    """

    index: int
    name: str
    node: str
    cuda: int
    software: bool
    handle: int

    def __str__(self) -> str:
        notes = [self.node, f"CUDA {self.cuda}" if self.cuda >= 0 else "", "software" if self.software else ""]
        told = ", ".join(filter(None, notes))
        return f"{self.index}: {self.name}" + (f" ({told})" if told else "")


def list_devices() -> list[GLDevice]:
    """All devices in EGL's order; empty where EGL cannot list any.

    Raises:
        GLError: there is no EGL library.
    """
    egl = _Library()
    return [_described(egl, index, handle) for index, handle in enumerate(egl.devices())]


def open_display(device: int | None) -> tuple[int, GLDevice] | None:
    """An initialised display and its device: that of this number, else the first that opens, hardware before software.

    Returns:
        (EGLDisplay, device), or None where no number was asked for and none opens: then there is EGL's default display.

    Raises:
        GLError: the device that was asked for does not exist or does not open.
    """
    egl = _Library()
    devices = list_devices()
    if device is not None and not 0 <= device < len(devices):
        what = f"EGL has {len(devices)}, counted from 0" if devices else "EGL lists no devices"
        raise GLError(f"there is no GL device {device}: {what}", "depthflow doctor --only gl lists them")
    chosen = sorted(devices, key=lambda found: found.software) if device is None else [devices[device]]
    for found in chosen:
        if display := egl.display(found.handle):
            return display, found
    if device is None:
        return None
    raise GLError(
        f"GL device {devices[device]} cannot be opened",
        "device files belong to the groups render and video: sudo usermod -aG render,video $USER, then log in again",
    )


def open_surfaceless() -> int:
    """An initialised display of the platform without surfaces, which only Mesa has.

    Raises:
        GLError: there is none.
    """
    if display := _Library().surfaceless():
        return display
    raise GLError("EGL has no platform without surfaces")


_search = ctypes.util.find_library


def find_library(name: str) -> str | None:
    """`ctypes.util.find_library`, which starts ldconfig, 4 CPU-ms; the names that we know are only tried.

    Whatever it found would be loaded as it is here, so that nothing is missed.
    """
    known = _KNOWN.get(name)
    if known is None:
        return _search(name)
    with suppress(OSError):
        ctypes.CDLL(known)
        return known
    return None


@contextmanager
def finding_fast() -> Iterator[None]:
    """Whoever looks for a library meanwhile uses `find_library`: vispy does while it is imported."""
    before = ctypes.util.find_library
    ctypes.util.find_library = find_library
    try:
        yield
    finally:
        ctypes.util.find_library = before


class _Library:
    """libEGL's functions for devices."""

    def __init__(self) -> None:
        file = os.environ.get("EGL_LIBRARY") or find_library("EGL")
        if file is None:
            raise GLError("libEGL is not installed")
        try:
            self._egl = ctypes.CDLL(file)
        except OSError as error:
            raise GLError(f"libEGL cannot be loaded: {error}") from None
        self._egl.eglGetProcAddress.restype = ctypes.c_void_p
        self._egl.eglGetProcAddress.argtypes = (ctypes.c_char_p,)
        self._egl.eglQueryString.restype = ctypes.c_char_p
        self._egl.eglQueryString.argtypes = (ctypes.c_void_p, ctypes.c_int)
        self._egl.eglInitialize.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)

    def _extension(self, name: str, result: Any, *arguments: Any) -> Any:
        address = self._egl.eglGetProcAddress(name.encode())
        return ctypes.CFUNCTYPE(result, *arguments)(address) if address else None

    def devices(self) -> list[int]:
        """EGLDeviceEXT handles."""
        # Asked without a display, this tells the extensions of the library itself; old ones answer with null.
        own = self._egl.eglQueryString(None, _EXTENSIONS) or b""
        query = self._extension(
            "eglQueryDevicesEXT", ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)
        )
        if query is None or not (b"EGL_EXT_device_enumeration" in own or b"EGL_EXT_device_base" in own):
            return []
        handles, count = (ctypes.c_void_p * _MOST)(), ctypes.c_int()
        if not query(_MOST, handles, ctypes.byref(count)):
            return []
        return [handle for handle in handles[: count.value] if handle is not None]

    def text(self, device: int, what: int) -> str:
        """One of a device's strings; empty if it has none."""
        query = self._extension("eglQueryDeviceStringEXT", ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
        said: bytes | None = query(device, what) if query is not None else None
        return (said or b"").decode(errors="replace")

    def number(self, device: int, what: int) -> int:
        """One of a device's attributes; -1 if it has none."""
        query = self._extension(
            "eglQueryDeviceAttribEXT", ctypes.c_uint, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_ssize_t)
        )
        value = ctypes.c_ssize_t()
        return int(value.value) if query is not None and query(device, what, ctypes.byref(value)) else -1

    def display(self, device: int) -> int | None:
        """Its display, initialised; None if it may not be opened, as with /dev/dri without the group."""
        return self._display(_PLATFORM_DEVICE, device)

    def surfaceless(self) -> int | None:
        """The display without surfaces, initialised; None if there is none."""
        known = b"EGL_MESA_platform_surfaceless" in (self._egl.eglQueryString(None, _EXTENSIONS) or b"")
        return self._display(_PLATFORM_SURFACELESS, None) if known else None

    def _display(self, platform: int, native: int | None) -> int | None:
        get = self._extension(
            "eglGetPlatformDisplayEXT", ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p
        )
        display = get(platform, native, None) if get is not None else None
        return int(display) if display and self._egl.eglInitialize(display, None, None) else None


def _described(egl: _Library, index: int, handle: int) -> GLDevice:
    has = egl.text(handle, _EXTENSIONS).split()
    software = "EGL_MESA_device_software" in has
    node = egl.text(handle, _DRM_RENDER_NODE) if "EGL_EXT_device_drm_render_node" in has else ""
    if not node and "EGL_EXT_device_drm" in has:
        node = egl.text(handle, _DRM_FILE)
    cuda = egl.number(handle, _CUDA) if "EGL_NV_device_cuda" in has else -1
    name = ""
    if "EGL_EXT_device_query_name" in has:
        name = f"{egl.text(handle, _VENDOR)} {egl.text(handle, _RENDERER)}".strip()
    kind = "NVIDIA GPU" if cuda >= 0 else "Mesa" if software else "GPU"
    return GLDevice(index, name or kind, node, cuda, software, handle)
