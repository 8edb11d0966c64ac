"""The only user of PyOpenGL: what vispy's gloo lacks. Every function needs the current context of the render thread."""

from __future__ import annotations

from typing import Any

import numpy as np
import OpenGL
from numpy.typing import NDArray

# PyOpenGL asks glGetError after each call otherwise, and logs through handlers that nobody reads.
OpenGL.ERROR_CHECKING = False
OpenGL.ERROR_LOGGING = False

from OpenGL import GL  # noqa: E402 - the switches above must come first


def read_pixels(out: NDArray[np.uint8]) -> None:
    """Copy the bound framebuffer into `out`, (H, W, 3|4) uint8 C-contiguous, framebuffer row 0 first."""
    height, width, channels = out.shape
    GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)
    GL.glReadPixels(
        0,
        0,
        width,
        height,
        GL.GL_RGB if channels == 3 else GL.GL_RGBA,
        GL.GL_UNSIGNED_BYTE,
        out.ctypes.data_as(_VOID),
    )


def bind_vertex_array() -> None:
    """Bind a vertex array object for good: a core profile draws nothing without one, and gloo knows none."""
    GL.glBindVertexArray(GL.glGenVertexArrays(1))


def strings() -> dict[str, str]:
    """Renderer, vendor and version of the current context."""
    return {
        "renderer": _text(GL.glGetString(GL.GL_RENDERER)),
        "vendor": _text(GL.glGetString(GL.GL_VENDOR)),
        "version": _text(GL.glGetString(GL.GL_VERSION)),
    }


def max_texture_size() -> int:
    """Longest side of a texture or framebuffer, pixels."""
    return int(GL.glGetIntegerv(GL.GL_MAX_TEXTURE_SIZE))


def error() -> int:
    """The oldest unread GL error; 0 is none."""
    return int(GL.glGetError())


def forget_errors() -> None:
    """Read all GL errors there are."""
    while error():
        pass


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


import ctypes  # noqa: E402

_VOID = ctypes.c_void_p
