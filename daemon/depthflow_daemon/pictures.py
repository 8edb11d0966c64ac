"""Small pictures of a job's photo, depth map and results, made by a process of its own and kept on the disk.

The daemon itself decodes nothing here: a photo that is meant to fill the memory, or to crash a decoder, ends that
process alone. One picture is made at a time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Literal

from depthflow.errors import InputError, SystemError_

Kind = Literal["photo", "depth", "output"]

SIDE = 256
"""Longer side at most, pixels."""
KEPT = 2000
"""Pictures on the disk; the oldest go first."""
_SECONDS = 120.0
_NONE_SECONDS = 60.0
"""So long it is known that a picture cannot be made; then it is tried again, since permissions may change."""
_WAITING = 4
"""More that wait for their picture are sent away: each of them holds a thread of the API."""


class Pictures:
    """Safe to use from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._room = threading.BoundedSemaphore(_WAITING)
        self._none: dict[str, tuple[float, str]] = {}

    def get(self, kind: Kind, file: str, content: str, spec: dict[str, Any]) -> Path:
        """A PNG.

        Args:
            file: the photo, or the result.
            content: changes when the picture does.
            spec: the job.

        Raises:
            InputError: there is none of it. SystemError_: it cannot be made here or now.
        """
        depth = spec.get("depth", {}) if kind == "depth" else {}
        key = hashlib.sha256(json.dumps([kind, file, content, depth, SIDE], sort_keys=True).encode()).hexdigest()
        path = self._folder / f"{key[:40]}.png"
        if path.exists():
            return path
        self._refuse_again(key)
        if not self._room.acquire(blocking=False):
            raise SystemError_("many pictures are being made just now", "try again in some seconds")
        try:
            with self._guard:
                self._refuse_again(key)
                if not path.exists():
                    self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    _run({"kind": kind, "file": file, "depth": depth, "to": str(path)})
                    self._prune()
        except InputError as error:
            self._none[key] = time.monotonic() + _NONE_SECONDS, str(error)
            raise
        finally:
            self._room.release()
        return path

    def _refuse_again(self, key: str) -> None:
        """Raises InputError: there was no such picture a moment ago; whoever asks for it often starts no processes."""
        now = time.monotonic()
        self._none = {key: (until, why) for key, (until, why) in list(self._none.items()) if until > now}
        if (found := self._none.get(key)) is not None:
            raise InputError(found[1])

    def _prune(self) -> None:
        files = sorted(self._folder.glob("*.png"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[KEPT:]:
            with contextlib.suppress(OSError):
                file.unlink()


def _run(order: dict[str, Any]) -> None:
    command = [sys.executable, "-P", "-m", "depthflow_daemon.pictures"]
    try:
        done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise SystemError_("the picture took too long", "try again later") from None
    if done.returncode == InputError.exit_code:
        raise InputError(done.stderr.strip().splitlines()[-1])
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise SystemError_(f"the picture cannot be made: {said[-1] if said else done.returncode}")


def main() -> None:
    """The process: an order on standard input, the picture as a file, the reason on standard error."""
    from depthflow.errors import DepthFlowError

    order = json.load(sys.stdin)
    try:
        _make(order)
    except DepthFlowError as error:
        print(f"{error} ({error.hint})" if error.hint else error, file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(SystemError_.exit_code)


def _make(order: dict[str, Any]) -> None:
    import numpy as np

    from depthflow.images import Limits, load_photo, save_image
    from depthflow.opencv import cv2
    from depthflow.settings import load_settings

    file, kind = Path(order["file"]), order["kind"]
    if kind == "output":
        _first_frame(file, Path(order["to"]))
        return
    most = load_settings().settings.limits
    limits = Limits(max_bytes=most.max_photo_bytes, max_pixels=most.max_photo_pixels)
    photo = load_photo(file, limits=limits).over()
    pixels = photo.pixels
    if kind == "depth":
        from depthflow.jobs.depth import depth_of
        from depthflow.jobs.spec import DepthSpec

        depth = depth_of(photo, DepthSpec.model_validate(order["depth"]), beside=False)
        pixels = np.rint(depth * 255).astype(np.uint8)
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    save_image(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8), order["to"])


def _first_frame(file: Path, target: Path) -> None:
    from depthflow.video.ffmpeg import ffmpeg_path, last_lines, run_ffmpeg

    work = target.with_suffix(".part.png")
    fit = f"scale={SIDE}:{SIDE}:force_original_aspect_ratio=decrease"
    command = [ffmpeg_path(), "-v", "error", "-protocol_whitelist", "file", "-i", f"file:{file}"]
    done = run_ffmpeg([*command, "-frames:v", "1", "-vf", fit, "-y", f"file:{work}"], timeout_s=60)
    if done.returncode != 0:
        work.unlink(missing_ok=True)
        raise InputError(f"{file.name}: has no frame to show: {last_lines(done.stderr)}")
    work.replace(target)


if __name__ == "__main__":
    main()
