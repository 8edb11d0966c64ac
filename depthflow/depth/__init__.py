"""Depth maps, estimated, loaded, refined, saved: float32 (H, W) in [0, 1], 1 = nearest, linear in disparity.

Names are taken from their modules at first use: importing this package loads neither cv2 nor ONNX Runtime.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from depthflow.depth.cache import DepthCache, depth_key
    from depthflow.depth.estimator import DepthResult, Estimator, close_estimators, estimate, get_estimator
    from depthflow.depth.files import load_depth, save_depth, sidecar
    from depthflow.depth.registry import ModelInfo, find_model, load_registry
    from depthflow.depth.sequence import SequenceEstimator

__all__ = [
    "DepthCache",
    "DepthResult",
    "Estimator",
    "ModelInfo",
    "SequenceEstimator",
    "close_estimators",
    "depth_key",
    "estimate",
    "find_model",
    "get_estimator",
    "load_depth",
    "load_registry",
    "save_depth",
    "sidecar",
]

# No function named like its own module, or the module would hide it as soon as something imports that.
_HOMES = {
    "DepthCache": "cache",
    "depth_key": "cache",
    "DepthResult": "estimator",
    "Estimator": "estimator",
    "close_estimators": "estimator",
    "estimate": "estimator",
    "get_estimator": "estimator",
    "load_depth": "files",
    "save_depth": "files",
    "sidecar": "files",
    "ModelInfo": "registry",
    "find_model": "registry",
    "load_registry": "registry",
    "SequenceEstimator": "sequence",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
