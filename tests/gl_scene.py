"""A small scene, and `python gl_scene.py FILE [BACKEND [effects]]`: draws it into a .npy file, prints what drew it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import cv2
import numpy as np
from numpy.typing import NDArray

from depthflow.jobs.effects import effects_of
from depthflow.jobs.effects_spec import EffectsSpec
from depthflow.scene.effects import Effects

SIZE = 160, 120


def photo() -> NDArray[np.uint8]:
    coarse = np.random.default_rng(1).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)


def depth() -> NDArray[np.float32]:
    near = np.zeros(SIZE[::-1], np.float32)
    near[40:80, 50:100] = 1.0
    return near


def effects() -> Effects:
    """Those that need the scene's depth, textures of their own, and the rest of the pass."""
    some = {
        "dof": {"aperture": 0.1},
        "fog": {"density": 0.4},
        "particles": {"amount": 0.5},
        "grain": {"strength": 0.2},
        "caption": {"text": "here"},
    }
    return effects_of(EffectsSpec.model_validate(some), SIZE, seed=3)


def draw(backend: str = "auto", more: str = "") -> NDArray[np.uint8]:
    """Two layers with a soft fringe between them, seen from aside; with all of `effects` if `more` says so."""
    from depthflow.render.frames import FrameRenderer
    from depthflow.scene.camera import Camera

    some = effects() if more else None
    with FrameRenderer(photo(), depth(), size=SIZE, gl_backend=backend, effects=some) as renderer:
        return renderer.render(Camera(x=0.05))


if __name__ == "__main__":
    np.save(sys.argv[1], draw(*sys.argv[2:]))
    from depthflow.render.context import context

    print(json.dumps(asdict(context().info)))
