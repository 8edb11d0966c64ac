"""Python, packages, processors, memory, GPUs: what the machine is. It starts no driver and no library."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import struct
import sys
from pathlib import Path

from depthflow import __version__, processors
from depthflow.doctor.check import Check, Facts

PACKAGES = (
    "ffmpeg-python",
    *(() if sys.platform == "linux" else ("glfw",)),
    "httpx",
    "imageio-ffmpeg",
    "numpy",
    "opencv-python-headless",
    "OpenEXR",
    "pillow",
    "pillow-heif",
    "platformdirs",
    "pydantic",
    "PyOpenGL",
    "rich",
    "tomli-w",
    "typer",
    "vispy",
)
"""What the base install brings; ONNX Runtime has a check of its own."""

_GPU_MAKERS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
"""PCI vendors whose cards draw; the framebuffer chips of servers (ASPEED, Matrox) and virtual ones do not."""

_LITTLE_MEMORY_GB = 2.0


def check_python() -> Check:
    bits = struct.calcsize("P") * 8
    facts: Facts = {
        "depthflow": __version__,
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "bits": bits,
        "platform": platform.platform(),
        "executable": sys.executable,
        "virtual_env": sys.prefix != sys.base_prefix,
    }
    if bits < 64:
        # No ONNX Runtime, OpenCV or OpenEXR wheel is made for it any more.
        return Check("python", "fail", facts, f"this Python has {bits} bits", "install a 64-bit Python")
    return Check("python", "ok", facts)


def check_packages() -> Check:
    facts: Facts = {}
    missing = []
    for name in PACKAGES:
        try:
            facts[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        mend = f"pip install {' '.join(missing)}"
        return Check("packages", "fail", facts, f"packages are missing: {', '.join(missing)}", mend)
    return Check("packages", "ok", facts)


def check_system() -> Check:
    total, free = memory_gb()
    facts: Facts = {
        "os": os_name(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cores": os.cpu_count() or 1,
        "usable_cores": processors.usable(),
        "memory_gb": round(total, 1),
        "free_memory_gb": round(free, 1),
        "container": in_container(),
        "gpus": gpus(),
    }
    if 0 < total < _LITTLE_MEMORY_GB:
        return Check(
            "system",
            "warn",
            facts,
            f"{total:.1f} GB of memory is little: large photos may not fit",
            "give the machine or container more memory, or keep photos below 12 megapixels",
        )
    return Check("system", "ok", facts)


def os_name() -> str:
    """Such as "Debian GNU/Linux 12 (bookworm)"."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def memory_gb() -> tuple[float, float]:
    """(all, free) in 10^9 bytes, a container's limit taken into account; 0 where it cannot be known."""
    total, free = _machine_memory()
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    if limit.isdigit() and 0 < int(limit) < total:
        total = int(limit)
        used = _read("/sys/fs/cgroup/memory.current").strip()
        free = min(free, total - int(used)) if used.isdigit() else free
    return total / 1e9, max(0, free) / 1e9


def _machine_memory() -> tuple[int, int]:
    lines = dict(line.split(":", 1) for line in _read("/proc/meminfo").splitlines() if ":" in line)
    if "MemTotal" in lines:
        kib = [int(lines.get(name, "0 kB").split()[0]) for name in ("MemTotal", "MemAvailable")]
        return kib[0] * 1024, kib[1] * 1024
    if sys.platform == "win32":
        return _windows_memory()
    try:
        # macOS tells no number of free pages that means anything.
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0, 0
    return total, total


def _windows_memory() -> tuple[int, int]:
    import ctypes

    # MEMORYSTATUSEX: two 32-bit words, then seven of 64 bits, of which the first two are all and free.
    status = (ctypes.c_uint64 * 8)()
    ctypes.memmove(status, struct.pack("<I", ctypes.sizeof(status)), 4)
    windll = getattr(ctypes, "windll", None)
    if windll is None or not windll.kernel32.GlobalMemoryStatusEx(status):
        return 0, 0
    return int(status[1]), int(status[2])


def in_container(root: Path = Path("/")) -> bool:
    marks = (root / ".dockerenv", root / "run/.containerenv")
    # podman and systemd-nspawn set `container`, in small letters.
    return any(mark.exists() for mark in marks) or not {"KUBERNETES_SERVICE_HOST", "container"}.isdisjoint(os.environ)


def gpus(root: Path = Path("/")) -> list[str]:
    """GPUs by the traces that their kernel drivers leave, such as "NVIDIA" or "AMD (renderD128)".

    Outside Linux only NVIDIA's are found, by the tool that comes with the driver.
    """
    found = []
    if any((root / "dev").glob("nvidia[0-9]*")) or (root == Path("/") and shutil.which("nvidia-smi")):
        found.append("NVIDIA")
    for node in sorted((root / "sys/class/drm").glob("renderD*")):
        maker = _GPU_MAKERS.get(_read(node / "device/vendor").strip())
        if maker and maker not in found:
            found.append(f"{maker} ({node.name})")
    if (root / "dev/dxg").exists():
        found.append("Windows' GPU through WSL (dxg)")
    return found


def _read(file: str | Path) -> str:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
