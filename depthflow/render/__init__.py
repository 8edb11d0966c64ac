"""Draws frames: an offscreen OpenGL context, the textured depth mesh, passes and readback. It reads no files."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """This folder has the name of the function `depthflow.render`, and hides it as soon as anything in it is imported.

    So that `depthflow.render(...)` goes on working, the folder can be called in the function's stead.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # Not imported: the folder must not know what stands above it.
        return sys.modules["depthflow"].__getattr__("render")(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
