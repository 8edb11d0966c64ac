"""Looks for the devices that encode in hardware: files only, no driver is called."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def families_present() -> tuple[str, ...]:
    """Hardware families that have a device here, the preferred first."""
    if sys.platform == "darwin":
        return ("videotoolbox",)
    if sys.platform == "win32":
        # Drivers leave no file that is worth looking for; the trial decides.
        return ("nvenc", "qsv", "amf", "mf")
    found = []
    # /dev/dxg is the GPU as Linux under Windows sees it.
    if _nodes("/dev", "nvidia[0-9]*") or _nodes("/dev", "dxg"):
        found.append("nvenc")
    if _nodes("/dev/dri", "renderD*"):
        found += ["qsv", "vaapi"]
    return tuple(found)


def render_node() -> str:
    """The device that VA-API is given (DEPTHFLOW_VAAPI_DEVICE overrides)."""
    nodes = _nodes("/dev/dri", "renderD*")
    return os.environ.get("DEPTHFLOW_VAAPI_DEVICE") or (nodes[0] if nodes else "/dev/dri/renderD128")


def _nodes(folder: str, pattern: str) -> list[str]:
    return sorted(str(node) for node in Path(folder).glob(pattern))


def device_nodes() -> list[str]:
    """Every device file that could encode."""
    return [*_nodes("/dev/dri", "renderD*"), *_nodes("/dev", "nvidia[0-9]*"), *_nodes("/dev", "dxg")]
