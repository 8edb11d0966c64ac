"""The only user of PyOpenGL: what vispy's gloo lacks. Every function needs the current context of the render thread."""

from __future__ import annotations

from collections.abc import Callable
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


def make_pack_buffer(size: int) -> int:
    """A pixel-pack buffer of `size` bytes: framebuffers are copied into it without waiting for them."""
    buffer = int(GL.glGenBuffers(1))
    GL.glBindBuffer(GL.GL_PIXEL_PACK_BUFFER, buffer)
    GL.glBufferData(GL.GL_PIXEL_PACK_BUFFER, size, None, GL.GL_STREAM_READ)
    GL.glBindBuffer(GL.GL_PIXEL_PACK_BUFFER, 0)
    return buffer


def free_pack_buffer(buffer: int) -> None:
    GL.glDeleteBuffers(1, [buffer])


def begin_reading(buffer: int, size: tuple[int, int]) -> Any:
    """Have the bound framebuffer, (width, height) RGBA, copied into a pack buffer; a fence that tells when it is."""
    GL.glBindBuffer(GL.GL_PIXEL_PACK_BUFFER, buffer)
    GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)
    GL.glReadPixels(0, 0, *size, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, _VOID(0))
    GL.glBindBuffer(GL.GL_PIXEL_PACK_BUFFER, 0)
    fence = GL.glFenceSync(GL.GL_SYNC_GPU_COMMANDS_COMPLETE, 0)
    GL.glFlush()
    return fence


def finish_reading(buffer: int, fence: Any, out: NDArray[np.uint8], timeout_s: float) -> bool:
    """Wait for the fence, free it, and copy the pack buffer into `out`, C-contiguous.

    Returns:
        False if the GPU did not get there in time or lost the buffer.
    """
    state = GL.glClientWaitSync(fence, GL.GL_SYNC_FLUSH_COMMANDS_BIT, int(timeout_s * 1e9))
    GL.glDeleteSync(fence)
    if state not in (GL.GL_ALREADY_SIGNALED, GL.GL_CONDITION_SATISFIED):
        return False
    GL.glBindBuffer(GL.GL_PIXEL_PACK_BUFFER, buffer)
    place = GL.glMapBufferRange(GL.GL_PIXEL_PACK_BUFFER, 0, out.nbytes, GL.GL_MAP_READ_BIT)
    if place:
        ctypes.memmove(out.ctypes.data, place, out.nbytes)
        GL.glUnmapBuffer(GL.GL_PIXEL_PACK_BUFFER)
    GL.glBindBuffer(GL.GL_PIXEL_PACK_BUFFER, 0)
    return bool(place)


def free_fence(fence: Any) -> None:
    GL.glDeleteSync(fence)


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


def objects(least: int = 500) -> dict[str, int]:
    """How many objects of each kind are alive.

    Some drivers give out the lowest free name, others the next one: names are looked at up to a new one, and at least
    up to `least`.
    """
    kinds = {
        "textures": (GL.glIsTexture, GL.glGenTextures, GL.glDeleteTextures),
        "buffers": (GL.glIsBuffer, GL.glGenBuffers, GL.glDeleteBuffers),
        "framebuffers": (GL.glIsFramebuffer, GL.glGenFramebuffers, GL.glDeleteFramebuffers),
        "renderbuffers": (GL.glIsRenderbuffer, GL.glGenRenderbuffers, GL.glDeleteRenderbuffers),
        "vertex arrays": (GL.glIsVertexArray, GL.glGenVertexArrays, GL.glDeleteVertexArrays),
        "queries": (GL.glIsQuery, GL.glGenQueries, GL.glDeleteQueries),
    }
    alive = {}
    for kind, (is_one, make, free) in kinds.items():
        new = int(np.ravel(make(1))[0])  # a number or an array of one
        free(1, [new])
        alive[kind] = _count(is_one, max(new, least))
    new = int(GL.glCreateShader(GL.GL_VERTEX_SHADER))
    GL.glDeleteShader(new)
    # They share their names.
    return {
        **alive,
        "shaders": _count(GL.glIsShader, max(new, least)),
        "programs": _count(GL.glIsProgram, max(new, least)),
    }


def _count(is_one: Callable[[int], int], most: int) -> int:
    return sum(bool(is_one(name)) for name in range(1, most + 1))


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
