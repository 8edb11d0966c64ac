"""A small scene, and `python gl_scene.py FILE [BACKEND]`: draws it into a .npy file and prints what drew it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 160, 120


def photo() -> NDArray[np.uint8]:
    coarse = np.random.default_rng(1).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)


def depth() -> NDArray[np.float32]:
    near = np.zeros(SIZE[::-1], np.float32)
    near[40:80, 50:100] = 1.0
    return near


def draw(backend: str = "auto") -> NDArray[np.uint8]:
    """Two layers with a soft fringe between them, seen from aside."""
    from depthflow.render.frames import FrameRenderer
    from depthflow.scene.camera import Camera

    with FrameRenderer(photo(), depth(), size=SIZE, gl_backend=backend) as renderer:
        return renderer.render(Camera(x=0.05))


if __name__ == "__main__":
    np.save(sys.argv[1], draw(*sys.argv[2:]))
    from depthflow.render.context import context

    print(json.dumps(asdict(context().info)))
