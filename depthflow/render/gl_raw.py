"""The only user of PyOpenGL: what vispy's gloo lacks. Every function needs the current context of the render thread."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import OpenGL
from numpy.typing import NDArray

# PyOpenGL asks glGetError after each call otherwise, and logs through handlers that nobody reads.
OpenGL.ERROR_CHECKING = False
OpenGL.ERROR_LOGGING = False

# The switches above must come first. `OpenGL.GL` wraps all of OpenGL and every extension, 0.1 s of CPU time; the raw
# functions take pointers, as in C.
from OpenGL.raw.GL.VERSION import GL_1_0, GL_1_1, GL_1_5, GL_2_1, GL_3_0, GL_3_2  # noqa: E402

_VOID = ctypes.c_void_p


def read_pixels(out: NDArray[np.uint8], top: int = 0) -> None:
    """Copy rows of the bound framebuffer, from number `top` on, into `out`, (rows, W, 3|4) uint8 C-contiguous."""
    height, width, channels = out.shape
    GL_1_0.glPixelStorei(GL_1_0.GL_PACK_ALIGNMENT, 1)
    GL_1_0.glReadPixels(
        0,
        top,
        width,
        height,
        GL_1_0.GL_RGB if channels == 3 else GL_1_0.GL_RGBA,
        GL_1_0.GL_UNSIGNED_BYTE,
        _VOID(out.ctypes.data),
    )


def make_pack_buffer(size: int) -> int:
    """A pixel-pack buffer of `size` bytes: framebuffers are copied into it without waiting for them."""
    buffer = _new(GL_1_5.glGenBuffers)
    GL_1_5.glBindBuffer(GL_2_1.GL_PIXEL_PACK_BUFFER, buffer)
    GL_1_5.glBufferData(GL_2_1.GL_PIXEL_PACK_BUFFER, size, None, GL_1_5.GL_STREAM_READ)
    GL_1_5.glBindBuffer(GL_2_1.GL_PIXEL_PACK_BUFFER, 0)
    return buffer


def free_pack_buffer(buffer: int) -> None:
    GL_1_5.glDeleteBuffers(1, _names(buffer))


def begin_reading(buffer: int, size: tuple[int, int]) -> Any:
    """Have the bound framebuffer, (width, height) RGBA, copied into a pack buffer; a fence that tells when it is."""
    GL_1_5.glBindBuffer(GL_2_1.GL_PIXEL_PACK_BUFFER, buffer)
    GL_1_0.glPixelStorei(GL_1_0.GL_PACK_ALIGNMENT, 1)
    GL_1_0.glReadPixels(0, 0, *size, GL_1_0.GL_RGBA, GL_1_0.GL_UNSIGNED_BYTE, _VOID(0))
    GL_1_5.glBindBuffer(GL_2_1.GL_PIXEL_PACK_BUFFER, 0)
    fence = GL_3_2.glFenceSync(GL_3_2.GL_SYNC_GPU_COMMANDS_COMPLETE, 0)
    GL_1_0.glFlush()
    return fence


def finish_reading(buffer: int, fence: Any, out: NDArray[np.uint8], timeout_s: float) -> bool:
    """Wait for the fence, free it, and copy the pack buffer into `out`, C-contiguous.

    Returns:
        False if the GPU did not get there in time or lost the buffer.
    """
    state = GL_3_2.glClientWaitSync(fence, GL_3_2.GL_SYNC_FLUSH_COMMANDS_BIT, int(timeout_s * 1e9))
    GL_3_2.glDeleteSync(fence)
    if state not in (GL_3_2.GL_ALREADY_SIGNALED, GL_3_2.GL_CONDITION_SATISFIED):
        return False
    GL_1_5.glBindBuffer(GL_2_1.GL_PIXEL_PACK_BUFFER, buffer)
    place = GL_3_0.glMapBufferRange(GL_2_1.GL_PIXEL_PACK_BUFFER, 0, out.nbytes, GL_3_0.GL_MAP_READ_BIT)
    if place:
        ctypes.memmove(out.ctypes.data, place, out.nbytes)
        GL_1_5.glUnmapBuffer(GL_2_1.GL_PIXEL_PACK_BUFFER)
    GL_1_5.glBindBuffer(GL_2_1.GL_PIXEL_PACK_BUFFER, 0)
    return bool(place)


def free_fence(fence: Any) -> None:
    GL_3_2.glDeleteSync(fence)


def bind_vertex_array() -> None:
    """Bind a vertex array object for good: a core profile draws nothing without one, and gloo knows none."""
    GL_3_0.glBindVertexArray(_new(GL_3_0.glGenVertexArrays))


def strings() -> dict[str, str]:
    """Renderer, vendor and version of the current context."""
    from vispy.gloo import gl

    asked = {"renderer": gl.GL_RENDERER, "vendor": gl.GL_VENDOR, "version": gl.GL_VERSION}
    return {name: str(gl.glGetParameter(number) or "") for name, number in asked.items()}


def max_texture_size() -> int:
    """Longest side of a texture or framebuffer, pixels."""
    value = (ctypes.c_int * 1)()
    GL_1_0.glGetIntegerv(GL_1_0.GL_MAX_TEXTURE_SIZE, value)
    return value[0]


def objects(least: int = 500) -> dict[str, int]:
    """How many objects of each kind are alive.

    Some drivers give out the lowest free name, others the next one: names are looked at up to a new one, and at least
    up to `least`.
    """
    from OpenGL.raw.GL.VERSION import GL_2_0

    kinds = {
        "textures": (GL_1_1.glIsTexture, GL_1_1.glGenTextures, GL_1_1.glDeleteTextures),
        "buffers": (GL_1_5.glIsBuffer, GL_1_5.glGenBuffers, GL_1_5.glDeleteBuffers),
        "framebuffers": (GL_3_0.glIsFramebuffer, GL_3_0.glGenFramebuffers, GL_3_0.glDeleteFramebuffers),
        "renderbuffers": (GL_3_0.glIsRenderbuffer, GL_3_0.glGenRenderbuffers, GL_3_0.glDeleteRenderbuffers),
        "vertex arrays": (GL_3_0.glIsVertexArray, GL_3_0.glGenVertexArrays, GL_3_0.glDeleteVertexArrays),
        "queries": (GL_1_5.glIsQuery, GL_1_5.glGenQueries, GL_1_5.glDeleteQueries),
    }
    alive = {}
    for kind, (is_one, make, free) in kinds.items():
        new = _new(make)
        free(1, _names(new))
        alive[kind] = _count(is_one, max(new, least))
    new = int(GL_2_0.glCreateShader(GL_2_0.GL_VERTEX_SHADER))
    GL_2_0.glDeleteShader(new)
    # They share their names.
    return {
        **alive,
        "shaders": _count(GL_2_0.glIsShader, max(new, least)),
        "programs": _count(GL_2_0.glIsProgram, max(new, least)),
    }


def _names(*names: int) -> Any:
    """Names of objects as C wants them."""
    return (ctypes.c_uint * len(names))(*names)


def _new(make: Callable[[int, Any], None]) -> int:
    """The name of a new object."""
    names = _names(0)
    make(1, names)
    return int(names[0])


def _count(is_one: Callable[[int], int], most: int) -> int:
    return sum(bool(is_one(name)) for name in range(1, most + 1))


def error() -> int:
    """The oldest unread GL error; 0 is none."""
    return int(GL_1_0.glGetError())


def forget_errors() -> None:
    """Read all GL errors there are."""
    while error():
        pass
