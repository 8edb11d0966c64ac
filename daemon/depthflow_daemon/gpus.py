"""The GPUs of this machine, and which of them a worker has to itself. It opens none of them in its own process.

OpenGL and CUDA count the same GPUs in orders of their own, so that a worker is told both numbers: the one for what it
draws, the other for its depth network.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

log = logging.getLogger(__name__)

PROBE_SECONDS = 30.0
"""Far more than drivers take to list their devices, so that a hung one is not waited for."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU.

    Attributes:
        gl: its number among EGL's devices; None if EGL does not know it.
        cuda: its number in CUDA; None if it has none.
    """

    gl: int | None = None
    cuda: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What tells a process to use this one and no other."""
        told = {} if self.gl is None else {"DEPTHFLOW_RENDER_GL_DEVICE": str(self.gl)}
        return told if self.cuda is None else {**told, "CUDA_VISIBLE_DEVICES": str(self.cuda)}

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.environment.items())


def find_gpus(
    ask: Callable[[], Sequence[Gpu]] | None = None, traces: Callable[[], Sequence[str]] | None = None
) -> tuple[Gpu, ...]:
    """The GPUs that workers share out among themselves: those with CUDA, or all where none has it.

    Empty where there is nothing to share out: no GPU, or one that the user has named for everything.

    Args:
        ask: lists all GPUs, in a process of its own by default.
        traces: what the kernel's drivers say; where it says nothing, nobody is asked.
    """
    from depthflow.doctor.machine import gpus
    from depthflow.settings import AUTO, load_settings

    if load_settings().settings.render.gl_device != AUTO or not (traces or gpus)():
        return ()
    found = tuple((ask or _asked)())
    allowed = _allowed(os.environ.get("CUDA_VISIBLE_DEVICES"))
    if allowed is not None:
        found = tuple(gpu for gpu in found if gpu.cuda in allowed)
    return tuple(gpu for gpu in found if gpu.cuda is not None) or found


def least_busy(gpus: Sequence[Gpu], taken: Iterable[Gpu]) -> Gpu:
    """The first of those that the fewest workers have."""
    taken = list(taken)
    return min(gpus, key=taken.count)


def _allowed(text: str | None) -> set[int] | None:
    """The numbers in CUDA_VISIBLE_DEVICES; None if all are allowed, empty if it names GPUs in another way."""
    if text is None:
        return None
    numbers = [word.strip() for word in text.split(",")]
    return {int(word) for word in numbers if word.isdecimal()} if all(map(str.isdecimal, numbers)) else set()


def _asked() -> list[Gpu]:
    # Without it CUDA would count from 0 among those that are left.
    everything = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    command = [sys.executable, "-P", "-m", "depthflow_daemon.gpus"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS, env=everything, check=True)
        return [Gpu(**told) for told in json.loads(done.stdout)]
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        log.warning("the GPUs cannot be listed (%s): all workers use the same one", error)
        return []


def main() -> None:
    """The process: the GPUs that OpenGL knows as a JSON list."""
    from depthflow.errors import GLError
    from depthflow.render.devices import list_devices

    try:
        devices = list_devices() if sys.platform == "linux" else []
    except GLError:
        devices = []
    gpus = [Gpu(each.index, each.cuda if each.cuda >= 0 else None) for each in devices if not each.software]
    print(json.dumps([asdict(gpu) for gpu in gpus]))


if __name__ == "__main__":
    main()
