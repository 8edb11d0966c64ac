"""A small picture of what a job moves like: an animation, or a contact sheet. It renders through the pipeline."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np

from depthflow import paths
from depthflow.images import load_photo, save_image
from depthflow.jobs.pipeline import make
from depthflow.jobs.sizes import frame_size
from depthflow.jobs.spec import JobSpec
from depthflow.progress import CancelToken, Report, silent
from depthflow.video.workfile import WorkPlace, check_free

SIDE = 320
"""Longer side of a preview's frames, pixels."""

FPS = 12.0
FRAMES = 12
COLUMNS = 4
_GAP = 4
_STILLS = (".png", ".jpg", ".jpeg")


def sample_photo() -> Path:
    """The photo that ships with the program."""
    return paths.data("config", "samples", "boats.jpg")


def make_preview(
    spec: JobSpec,
    path: Path,
    *,
    side: int = SIDE,
    overwrite: bool = False,
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> Path:
    """Render one pass of a job's first output, small.

    Args:
        path: .png and .jpg make a contact sheet of FRAMES frames, read like a page; .gif, .webp, .mp4 and so on
            an animation at FPS.
        side: longer side of a frame, pixels.

    Raises:
        OutputError: the file is there already, or cannot be written. And whatever the pipeline raises.
    """
    check_free(path, overwrite=overwrite)
    output = spec.outputs[0]
    width, height = frame_size(output.size, load_photo(spec.photo).size, output.fit)
    scale = side / max(width, height)
    size = f"{max(2, 2 * round(width * scale / 2))}x{max(2, 2 * round(height * scale / 2))}"
    small = {**output.model_dump(), "size": size, "loops": 1, "crf": None, "encoder": "auto", "encoder_preset": None}
    small |= {"view": {}, "fps": FPS, "format": None, "path": str(path), "overwrite": overwrite, "quality": 75}
    if path.suffix.lower() not in _STILLS:
        make(spec.with_(outputs=[small]), report=report, cancel=cancel)
        return path
    WorkPlace(path.absolute()).discard()  # what cannot be written there is said now
    with tempfile.TemporaryDirectory() as folder:
        frames = Path(folder) / "frames"
        stills = small | {"fps": FRAMES / output.duration, "format": "png", "path": str(frames)}
        make(spec.with_(outputs=[stills]), report=report, cancel=cancel)
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        save_image(_sheet(sorted(frames.iterdir())), path)
    return path


def _sheet(files: list[Path]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Frames in rows of COLUMNS, (H, W, 3) uint8."""
    frames = [load_photo(str(file)).pixels for file in files]
    height, width = frames[0].shape[:2]
    rows = math.ceil(len(frames) / COLUMNS)
    shape = rows * (height + _GAP) - _GAP, COLUMNS * (width + _GAP) - _GAP, 3
    sheet = np.full(shape, 255, np.uint8)
    for index, frame in enumerate(frames):
        row, column = divmod(index, COLUMNS)
        top, left = row * (height + _GAP), column * (width + _GAP)
        sheet[top : top + height, left : left + width] = frame
    return sheet
