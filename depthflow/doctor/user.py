"""The user's own ground: room on the disks, folders that can be written, a settings file that is valid."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from depthflow import paths
from depthflow.doctor.check import Check, Facts
from depthflow.errors import UsageError

LITTLE_GB, TOO_LITTLE_GB = 2.0, 0.1
"""Free space, 10^9 bytes. Most videos take less than 0.1, a lossless or ProRes one soon several."""


def check_disk() -> Check:
    facts: Facts = {}
    problems: list[tuple[str, str]] = []
    worst_free = float("inf")
    folders = {"output": Path.cwd(), "cache": paths.cache_dir(), "models": paths.models_dir()}
    for name, folder in folders.items():
        there = _existing(folder)
        free = _free_gb(there)
        facts[f"{name}_folder"] = str(folder)
        facts[f"{name}_free_gb"] = round(free, 1)
        facts[f"{name}_writable"] = writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
        if not writable:
            variable = "" if name == "output" else f", or name another in DEPTHFLOW_{name.upper()}_DIR"
            mend = f"make {there} writable{variable}" if variable else "write to another folder: --output DIR"
            problems.append((f"{folder} cannot be written", mend))
        elif free < LITTLE_GB:
            worst_free = min(worst_free, free)
            problems.append((f"{free:.1f} GB are free in {folder}", "make room on that disk"))
    if not problems:
        return Check("disk", "ok", facts)
    text = "; ".join(dict.fromkeys(problem for problem, _ in problems))
    mend = "; ".join(dict.fromkeys(mend for _, mend in problems))
    return Check("disk", "fail" if worst_free < TOO_LITTLE_GB else "warn", facts, text, mend)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next((place for place in (folder, *folder.parents) if place.exists()), folder)


def _free_gb(folder: Path) -> float:
    try:
        return shutil.disk_usage(folder).free / 1e9
    except OSError:
        return 0.0


def check_settings() -> Check:
    from depthflow.settings import load_settings

    file = paths.user_config_file()
    facts: Facts = {"file": str(file), "exists": file.exists(), "changed": []}
    try:
        loaded = load_settings()
    except UsageError as error:
        mend = f"{error.hint}; " if error.hint else ""
        return Check("settings", "fail", facts, error.message, f"{mend}edit it with: depthflow config edit")
    facts["changed"] = [
        f"{key} = {loaded.value(key)} ({origin})" for key, origin in loaded.origin.items() if origin != "default"
    ]
    if loaded.warnings:
        return Check("settings", "warn", facts, "; ".join(loaded.warnings), "correct or unset that variable")
    return Check("settings", "ok", facts)
