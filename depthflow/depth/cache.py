"""Keeps estimated depth maps on disk, least recently used out; losing it costs time only, so it never fails a job."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depthflow import paths
from depthflow.depth.registry import ModelInfo
from depthflow.depth.tensors import PERCENTILE
from depthflow.depth.verify import model_sha256

F32 = NDArray[np.float32]

DEFAULT_BYTES = 512 * 2**20
VERSION = 2
"""Raised whenever the same network and photo would give another depth map."""
_STALE_SECONDS = 3600.0
_KEY = re.compile(r"[0-9a-f]{64}")


def depth_key(
    photo_digest: str,
    model: ModelInfo,
    *,
    size: int | None = None,
    flip: bool = False,
    tiles: int = 1,
    percentile: float = PERCENTILE,
) -> str:
    """64 hex digits for one photo, network and set of parameters.

    The provider is left out: CPU and GPU differ in the last bits only.

    Args:
        photo_digest: Photo.digest().
        size, flip, tiles, percentile: as for Estimator.estimate.
    """
    parts = {
        "version": VERSION,
        "photo": photo_digest,
        "model": model_sha256(model),
        "input": model.input.model_dump(mode="json"),
        "output": model.output.model_dump(mode="json"),
        "size": size,
        "flip": flip,
        "tiles": tiles,
        "percentile": percentile,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class DepthCache:
    """Depth maps by key, one file each; any number of processes may use one folder.

    Files are compressed float32 and not 16-bit PNG, which would be a third of the size: a map from the cache
    must be the very same as the fresh one, or the second run of a job would give other frames than the first.
    A writer makes a file of its own and renames it, so a reader sees a whole entry or none; what is damaged
    all the same counts as absent and is removed. The time of the last use is the file's modification time.
    """

    def __init__(self, folder: Path | None = None, *, max_bytes: int = DEFAULT_BYTES) -> None:
        """
        Args:
            folder: where the maps lie; None: `depth` in the user's cache folder.
            max_bytes: the oldest go when there is more than this.
        """
        self.folder = folder if folder is not None else paths.cache_dir() / "depth"
        self.max_bytes = max_bytes

    def get(self, key: str) -> F32 | None:
        """The map as it was put, (h, w) float32, or None."""
        path = self._path(key)
        try:
            raw = path.read_bytes()
        except OSError:
            return None
        depth = _unpacked(raw)
        # Another process may have replaced or dropped it meanwhile; both is fine.
        with contextlib.suppress(OSError):
            if depth is None:
                path.unlink()
            else:
                os.utime(path)
        return depth

    def put(self, key: str, depth: F32) -> bool:
        """Store a map, then drop the oldest beyond the limit; False if it could not be stored."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, depth=np.ascontiguousarray(depth, np.float32))
        raw = buffer.getvalue()
        path = self._path(key)
        if len(raw) > self.max_bytes:
            return False
        temp = self.folder / f"{uuid.uuid4().hex}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temp.write_bytes(raw)
            temp.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temp.unlink()
            return False
        self._shrink(keep=path)
        return True

    def size(self) -> int:
        """Bytes of all entries."""
        return sum(size for _, size, _ in self._entries())

    def count(self) -> int:
        """How many entries there are."""
        return sum(1 for _ in self._entries())

    def clear(self) -> int:
        """Remove all entries, and what killed writers left; returns how many entries."""
        self._drop_parts()
        count = 0
        for _, _, path in self._entries():
            with contextlib.suppress(OSError):
                path.unlink()
                count += 1
        return count

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of the depth cache")
        return self.folder / f"{key}.npz"

    def _entries(self, suffix: str = ".npz") -> Iterator[tuple[float, int, Path]]:
        """(last use, bytes, path) of every file; those that vanish meanwhile are left out."""
        with contextlib.suppress(OSError), os.scandir(self.folder) as files:
            for file in files:
                with contextlib.suppress(OSError):
                    if file.name.endswith(suffix) and file.is_file(follow_symlinks=False):
                        stat = file.stat(follow_symlinks=False)
                        yield stat.st_mtime, stat.st_size, Path(file.path)

    def _drop_parts(self) -> None:
        """Remove what writers that were killed left behind; a living one is done within the hour."""
        for used, _, path in self._entries(".part"):
            if time.time() - used > _STALE_SECONDS:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _shrink(self, keep: Path) -> None:
        self._drop_parts()
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total <= self.max_bytes:
                return
            # File times may be coarse: the entry just written could look as old as the others.
            if path == keep:
                continue
            with contextlib.suppress(OSError):
                path.unlink()
            total -= size


def _unpacked(raw: bytes) -> F32 | None:
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            depth = archive["depth"]
    except Exception:  # a dozen kinds, by where the damage is: even that the file is encrypted
        return None
    if depth.dtype != np.float32 or depth.ndim != 2 or not np.isfinite(depth).all():
        return None
    return np.asarray(depth, np.float32)
