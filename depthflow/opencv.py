"""OpenCV, imported here alone: its package changes LD_LIBRARY_PATH for all child processes while it is imported.

What it adds ends with a colon, and so every program that is started would look for its libraries in the current folder
before the system's: whoever puts a library beside the photos would have it run.
"""

from __future__ import annotations

import os
from contextlib import nullcontext

from depthflow import environment

__all__ = ["cv2"]

_NAME = "LD_LIBRARY_PATH"

with environment.given(_NAME) if _NAME in os.environ else nullcontext():
    import cv2  # noqa: TID251
