"""The only user of PyOpenGL: what gloo lacks or is too slow for. It needs the render thread's current context."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import OpenGL
from numpy.typing import NDArray

from depthflow.errors import GLError

# PyOpenGL asks glGetError after each call otherwise, and logs through handlers that nobody reads.
OpenGL.ERROR_CHECKING = False
OpenGL.ERROR_LOGGING = False

# The switches above must come first. `OpenGL.GL` wraps all of OpenGL and every extension, 0.1 s of CPU time; the raw
# functions take pointers, as in C.
from OpenGL.raw.GL.VERSION import GL_1_0, GL_1_1, GL_1_2, GL_1_3, GL_1_4, GL_1_5, GL_2_0, GL_2_1, GL_3_0, GL_3_2  # noqa: E402

_VOID = ctypes.c_void_p
_CHARS = ctypes.POINTER(ctypes.POINTER(ctypes.c_char))


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


# -- drawing triangles ------------------------------------------------------------------------------------------


def make_program(vertex: str, fragment: str) -> int:
    """A program of two shaders; its attribute `position` is number 0.

    Raises:
        GLError: the driver does not take it.
    """
    program = int(GL_2_0.glCreateProgram())
    for kind, source in ((GL_2_0.GL_VERTEX_SHADER, vertex), (GL_2_0.GL_FRAGMENT_SHADER, fragment)):
        shader = int(GL_2_0.glCreateShader(kind))
        text = ctypes.c_char_p(source.encode())
        GL_2_0.glShaderSource(shader, 1, ctypes.cast(ctypes.byref(text), _CHARS), None)
        GL_2_0.glCompileShader(shader)
        GL_2_0.glAttachShader(program, shader)
        GL_2_0.glDeleteShader(shader)  # as soon as its program is gone
    GL_2_0.glBindAttribLocation(program, 0, b"position")
    GL_2_0.glLinkProgram(program)
    linked = (ctypes.c_int * 1)()
    GL_2_0.glGetProgramiv(program, GL_2_0.GL_LINK_STATUS, linked)
    if not linked[0]:
        log = ctypes.create_string_buffer(4096)
        GL_2_0.glGetProgramInfoLog(program, len(log), None, log)
        GL_2_0.glDeleteProgram(program)
        raise GLError("the driver cannot compile a shader", log.value.decode("utf-8", "replace").strip())
    return program


def free_program(program: int) -> None:
    GL_2_0.glDeleteProgram(program)


def find_uniform(program: int, name: str) -> int:
    """Where a uniform is; -1 if the program does not use it."""
    return int(GL_2_0.glGetUniformLocation(program, name.encode()))


def set_uniform(place: int, value: float | tuple[float, ...]) -> None:
    """Of the program in use: a number, a vector, or 16 numbers of a matrix, column by column."""
    numbers = value if isinstance(value, tuple) else (value,)
    if len(numbers) == 16:
        GL_2_0.glUniformMatrix4fv(place, 1, False, (ctypes.c_float * 16)(*numbers))
    else:
        (GL_2_0.glUniform1f, GL_2_0.glUniform2f, GL_2_0.glUniform3f)[len(numbers) - 1](place, *numbers)


def make_buffer(data: NDArray[Any]) -> int:
    """A buffer with this in it, for vertices or indices."""
    buffer = _new(GL_1_5.glGenBuffers)
    GL_1_5.glBindBuffer(GL_1_5.GL_ARRAY_BUFFER, buffer)
    whole = np.ascontiguousarray(data)
    GL_1_5.glBufferData(GL_1_5.GL_ARRAY_BUFFER, whole.nbytes, _VOID(whole.ctypes.data), GL_1_5.GL_STATIC_DRAW)
    GL_1_5.glBindBuffer(GL_1_5.GL_ARRAY_BUFFER, 0)
    return buffer


def free_buffer(buffer: int) -> None:
    GL_1_5.glDeleteBuffers(1, _names(buffer))


def make_vertices(positions: NDArray[np.float32]) -> tuple[int, int]:
    """A vertex array whose attribute 0 is these (N, 3), and the buffer that they are in."""
    before, vertices = _bound(GL_3_0.GL_VERTEX_ARRAY_BINDING), _new(GL_3_0.glGenVertexArrays)
    buffer = make_buffer(positions)
    GL_3_0.glBindVertexArray(vertices)
    GL_1_5.glBindBuffer(GL_1_5.GL_ARRAY_BUFFER, buffer)
    GL_2_0.glEnableVertexAttribArray(0)
    GL_2_0.glVertexAttribPointer(0, 3, GL_1_0.GL_FLOAT, False, 0, None)
    GL_3_0.glBindVertexArray(before)
    GL_1_5.glBindBuffer(GL_1_5.GL_ARRAY_BUFFER, 0)
    return vertices, buffer


def free_vertices(vertices: int) -> None:
    GL_3_0.glDeleteVertexArrays(1, _names(vertices))


def make_texture(pixels: NDArray[np.uint8], *, mirrored: bool) -> int:
    """A texture of (H, W, 4) uint8, seen with bilinear filtering; it goes on mirrored, or with its border."""
    texture = _new(GL_1_1.glGenTextures)
    whole = np.ascontiguousarray(pixels)
    height, width, _ = whole.shape
    GL_1_1.glBindTexture(GL_1_0.GL_TEXTURE_2D, texture)
    for key, value in (
        (GL_1_0.GL_TEXTURE_MIN_FILTER, GL_1_0.GL_LINEAR),
        (GL_1_0.GL_TEXTURE_MAG_FILTER, GL_1_0.GL_LINEAR),
        (GL_1_0.GL_TEXTURE_WRAP_S, GL_1_4.GL_MIRRORED_REPEAT if mirrored else GL_1_2.GL_CLAMP_TO_EDGE),
        (GL_1_0.GL_TEXTURE_WRAP_T, GL_1_4.GL_MIRRORED_REPEAT if mirrored else GL_1_2.GL_CLAMP_TO_EDGE),
    ):
        GL_1_0.glTexParameteri(GL_1_0.GL_TEXTURE_2D, key, value)
    GL_1_0.glPixelStorei(GL_1_0.GL_UNPACK_ALIGNMENT, 1)
    place = _VOID(whole.ctypes.data)
    kind = GL_1_0.GL_RGBA, GL_1_0.GL_UNSIGNED_BYTE
    GL_1_0.glTexImage2D(GL_1_0.GL_TEXTURE_2D, 0, GL_1_1.GL_RGBA8, width, height, 0, *kind, place)
    GL_1_1.glBindTexture(GL_1_0.GL_TEXTURE_2D, 0)
    return texture


def free_texture(texture: int) -> None:
    GL_1_1.glDeleteTextures(1, _names(texture))


def set_viewport(x: int, y: int, width: int, height: int) -> None:
    GL_1_0.glViewport(x, y, width, height)


def clear(colour: tuple[float, float, float, float]) -> None:
    """Fill colour and depth of the bound framebuffer."""
    GL_1_0.glDepthMask(True)
    GL_1_0.glClearColor(*colour)
    GL_1_0.glClear(GL_1_0.GL_COLOR_BUFFER_BIT | GL_1_0.GL_DEPTH_BUFFER_BIT)


@contextmanager
def drawing() -> Iterator[None]:
    """Within it triangles are drawn; afterwards no program is in use, and all else is as gloo takes it to be.

    Raises:
        GLError: the driver had an error.
    """
    vertices = _bound(GL_3_0.GL_VERTEX_ARRAY_BINDING)
    GL_1_0.glEnable(GL_1_0.GL_DEPTH_TEST)
    GL_1_3.glActiveTexture(GL_1_3.GL_TEXTURE0)
    try:
        yield
    finally:
        set_blending(on=False)
        set_depth()
        GL_2_0.glUseProgram(0)
        GL_3_0.glBindVertexArray(vertices)
    if found := error():
        raise GLError(f"OpenGL has error {found:#06x}", "the driver may be out of memory")


def use_program(program: int) -> None:
    GL_2_0.glUseProgram(program)


def set_depth(*, equal: bool = True, kept: bool = True) -> None:
    """What is drawn is nearer than what is there (or as near, with `equal`), and leaves its depth (with `kept`)."""
    GL_1_0.glDepthFunc(GL_1_0.GL_LEQUAL if equal else GL_1_0.GL_LESS)
    GL_1_0.glDepthMask(kept)


def set_blending(*, on: bool) -> None:
    """What is drawn is premultiplied by its opacity and lies over what is there."""
    (GL_1_0.glEnable if on else GL_1_0.glDisable)(GL_1_0.GL_BLEND)
    GL_1_0.glBlendFunc(GL_1_0.GL_ONE, GL_1_0.GL_ONE_MINUS_SRC_ALPHA)


def draw_triangles(vertices: int, indices: int, count: int, texture: int) -> None:
    """Draw with the program in use.

    Args:
        vertices, indices: of `make_vertices`, and `make_buffer` of uint32.
        count: of indices.
        texture: of the program's only sampler.
    """
    GL_1_1.glBindTexture(GL_1_0.GL_TEXTURE_2D, texture)
    GL_3_0.glBindVertexArray(vertices)
    GL_1_5.glBindBuffer(GL_1_5.GL_ELEMENT_ARRAY_BUFFER, indices)
    GL_1_1.glDrawElements(GL_1_0.GL_TRIANGLES, count, GL_1_0.GL_UNSIGNED_INT, None)


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


def _bound(kind: int) -> int:
    """The name of what is bound."""
    found = (ctypes.c_int * 1)()
    GL_1_0.glGetIntegerv(kind, found)
    return found[0]


def _count(is_one: Callable[[int], int], most: int) -> int:
    return sum(bool(is_one(name)) for name in range(1, most + 1))


def error() -> int:
    """The oldest unread GL error; 0 is none."""
    return int(GL_1_0.glGetError())


def forget_errors() -> None:
    """Read all GL errors there are."""
    while error():
        pass
