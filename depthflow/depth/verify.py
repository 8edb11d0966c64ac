"""SHA-256 of model files, remembered by size and time so that a gigabyte is not read at every start."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from pathlib import Path

from depthflow import paths
from depthflow.depth.registry import ModelInfo
from depthflow.errors import DepthError

_lock = threading.Lock()


def _memory_file() -> Path:
    return paths.cache_dir() / "models-sha256.json"


def _remembered() -> dict[str, str]:
    try:
        data = json.loads(_memory_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits; taken from memory while path, size and change time stay the same.

    Raises:
        DepthError: the file cannot be read.
    """
    try:
        stat = path.stat()
        key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
        with _lock:
            known = _remembered().get(key)
        if isinstance(known, str) and len(known) == 64:
            return known
        digest = _digest(path)
    except OSError as error:
        raise DepthError(f"{path}: cannot be read: {error.strerror or error}") from None
    with _lock:
        entries = {**_remembered(), key: digest}
        # A retrained or updated model leaves its old key behind: keep the last hundred.
        _remember(dict(list(entries.items())[-100:]))
    return digest


def read_sha256(path: Path) -> str:
    """SHA-256 of a file, read to its end whatever is remembered of it.

    Raises:
        DepthError: the file cannot be read.
    """
    try:
        return _digest(path)
    except OSError as error:
        raise DepthError(f"{path}: cannot be read: {error.strerror or error}") from None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remember(entries: dict[str, str]) -> None:
    # Losing this memory costs only time, so a read-only cache folder is no error.
    with contextlib.suppress(OSError):
        file = _memory_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        temp = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}.tmp")
        temp.write_text(json.dumps(entries), encoding="utf-8")
        temp.replace(file)


def checked_file(info: ModelInfo) -> Path:
    """The model's file, there and unaltered.

    Raises:
        DepthError: not downloaded, missing, empty, or its SHA-256 is not the registry's.
    """
    path = info.path()
    if not path.is_file():
        reinstall = "reinstall: pip install --force-reinstall depthflow-studio"
        hint = reinstall if info.source == "builtin" else info.pull_hint
        raise DepthError(f"{path}: the file of model {info.name!r} is missing", hint)
    if path.stat().st_size == 0:
        raise DepthError(f"{path}: the file of model {info.name!r} is empty", info.pull_hint)
    if info.sha256 and file_sha256(path) != info.sha256:
        hint = info.pull_hint if info.source == "huggingface" else "reinstall, or correct sha256 in the registry"
        raise DepthError(f"{path}: SHA-256 differs from the registry: damaged, or another version", hint)
    return path


def model_sha256(info: ModelInfo) -> str:
    """What stands for this network in a cache key: the registry's SHA-256, else that of the file."""
    return info.sha256 or file_sha256(info.path())
