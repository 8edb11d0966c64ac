"""Make one still image into a 2.5D parallax video.

    import depthflow
    depthflow.render("photo.jpg", "out.mp4", motion="orbital", size=(1920, 1080), fps=30, seconds=4)

This module stays light: what needs numpy, OpenGL or ONNX Runtime is imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from depthflow import environment

__version__ = "0.1.0"

if TYPE_CHECKING:
    from depthflow.api import Renderer, RenderOptions, estimate_depth, export_layers, job, make_job, render
    from depthflow.errors import DepthFlowError
    from depthflow.jobs.spec import JobSpec
    from depthflow.scene.camera import Camera

__all__ = [
    "Camera",
    "DepthFlowError",
    "JobSpec",
    "RenderOptions",
    "Renderer",
    "__version__",
    "estimate_depth",
    "export_layers",
    "job",
    "make_job",
    "render",
]

_HOMES = {
    "Camera": "depthflow.scene.camera",
    "DepthFlowError": "depthflow.errors",
    "JobSpec": "depthflow.jobs.spec",
    "RenderOptions": "depthflow.api",
    "Renderer": "depthflow.api",
    "estimate_depth": "depthflow.api",
    "export_layers": "depthflow.api",
    "job": "depthflow.api",
    "make_job": "depthflow.api",
    "render": "depthflow.api",
}

# Importing this is the earliest there is, also for programs that use the library.
environment.make_room()


def __getattr__(name: str) -> Any:
    """Import a public name at first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'depthflow' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
