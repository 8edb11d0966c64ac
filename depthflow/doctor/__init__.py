"""Looks at this machine and says what works, what does not, and how to mend it. It prints nothing and mends nothing.

Each check returns data. What may crash or hang (drivers, native libraries) runs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from depthflow.doctor import depth, graphics, machine, user, video
from depthflow.doctor.check import Check, Status, failed
from depthflow.errors import DepthFlowError, UnknownNameError

__all__ = ["CHECKS", "Check", "Status", "run_checks"]

CHECKS: dict[str, Callable[[], Check]] = {
    "python": machine.check_python,
    "packages": machine.check_packages,
    "system": machine.check_system,
    "gl": graphics.check_gl,
    "onnx": depth.check_onnx,
    "models": depth.check_models,
    "ffmpeg": video.check_ffmpeg,
    "disk": user.check_disk,
    "settings": user.check_settings,
}
"""By name, in the order in which they are told."""


def run_checks(only: Sequence[str] | None = None) -> list[Check]:
    """Run the checks, several at a time; they take as long as the slowest, usually 1 to 10 seconds.

    Args:
        only: names of checks; None or nothing runs all.

    Raises:
        UnknownNameError: no check has that name.
    """
    for name in only or ():
        if name not in CHECKS:
            raise UnknownNameError("check", name, CHECKS)
    names = [name for name in CHECKS if not only or name in only]
    with ThreadPoolExecutor(thread_name_prefix="doctor") as pool:
        return list(pool.map(_run, names))


def _run(name: str) -> Check:
    try:
        return CHECKS[name]()
    except DepthFlowError as error:
        return failed(name, error)
    except Exception as error:  # a doctor that falls ill himself must still tell of the other organs
        mend = "report it with the output of: depthflow doctor --json"
        return Check(name, "fail", {}, f"this check broke: {type(error).__name__}: {error}", mend)
