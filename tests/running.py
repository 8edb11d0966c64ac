"""Runs the program as people do, as a process of its own, and looks for what it may have left behind."""

from __future__ import annotations

import gc
import io
import json
import os
import subprocess
import sys
import sysconfig
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

COMMAND = str(Path(sysconfig.get_path("scripts")) / ("depthflow.exe" if sys.platform == "win32" else "depthflow"))

SHORT = ("--size", "64x48", "--fps", "8", "--duration", "0.5")
"""Options for a clip of four tiny frames."""

LONG = ("--size", "64x48", "--fps", "30", "--duration", "1200")
"""Options for a clip that no test waits for."""


@dataclass
class Done:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of --json."""
        return [json.loads(line) for line in self.out.splitlines()]

    def event(self, name: str) -> dict[str, Any]:
        """The only event of that name."""
        (found,) = [event for event in self.events if event["event"] == name]
        return found


def environment(**more: str) -> dict[str, str]:
    """The environment of this test run, where people's terminals and languages do not matter; output is kept back as
    Python does it."""
    plain = {"PYTHONUTF8": "1", "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "PYTHONUNBUFFERED": ""}
    return {**os.environ, **plain, **more}


def depthflow(*args: str | Path, cwd: Path, data: bytes | None = None, seconds: float = 120, **env: str) -> Done:
    """Run the program to its end.

    Args:
        data: for its standard input, which is empty otherwise.
        seconds: that it may take.
        env: added to its environment.
    """
    stdin: dict[str, Any] = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
    command = [COMMAND, *map(str, args)]
    done = subprocess.run(command, cwd=cwd, env=environment(**env), capture_output=True, timeout=seconds, **stdin)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def depthflow_here(*args: str | Path, cwd: Path, data: bytes = b"", **env: str) -> Done:
    """The same within this process, ten times as fast; for commands that neither draw nor handle signals."""
    from depthflow.cli import run

    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    threshold = gc.get_threshold()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in environment(**env).items():
            patch.setenv(name, value)
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["depthflow", *map(str, args)])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        try:
            run()
        except SystemExit as end:
            code = end.code or 0
        finally:
            gc.set_threshold(*threshold)
    return Done(code, out.getvalue(), err.getvalue())


def refused(done: Done, code: int, *parts: str) -> str:
    """The program said in one line what is wrong, and in a second one the way out.

    Returns:
        Both lines.
    """
    lines = done.err.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert done.code == code, done
    assert done.out == ""
    assert len(errors) == 1, done.err
    assert lines[-2] == errors[0], done.err
    assert lines[-1].startswith("  hint: "), done.err
    assert "Traceback" not in done.err
    said = "\n".join(lines[-2:])
    for part in parts:
        assert part in said
    return said


def listing(folder: Path) -> dict[str, int]:
    """Every name in a folder, hidden ones too, and its size."""
    return {str(file.relative_to(folder)): file.stat().st_size for file in sorted(folder.rglob("*"))}


def processes_with(text: str) -> list[int]:
    """Living processes that have this in their command line. Linux only."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                command = (folder / "cmdline").read_bytes()
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if text.encode() in command and state != "Z":
                found.append(int(folder.name))
    return found


def wait_for_end(pid: int, seconds: float = 60.0) -> None:
    """Wait for the end of a process that may have ended already, whoever started it."""
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(seconds)


def wait_until_gone(text: str, seconds: float = 10.0) -> None:
    """Wait for the end of processes that nobody can wait for by their number, not being their parent."""
    deadline = time.monotonic() + seconds
    while left := processes_with(text):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.02)


def pixels(path: Path) -> NDArray[np.uint8]:
    """All frames of a video, (N, H, W, 3) uint8."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def job_in(path: Path) -> dict[str, Any]:
    """The job that a video says it was made from."""
    with av.open(str(path)) as container:
        (comment,) = (text for key, text in container.metadata.items() if key.lower() == "comment")
    assert comment.startswith("DepthFlow ")
    job: dict[str, Any] = json.loads(comment.removeprefix("DepthFlow "))
    return job


def without(*names: str) -> str:
    """Code after which a process has no such libraries of the system."""
    return f"""
import ctypes, ctypes.util
find, load = ctypes.util.find_library, ctypes.CDLL

class Lacking(load):
    def __init__(self, name, *more, **options):
        if str(name).startswith({tuple(f"lib{name}.so" for name in names)}):
            raise OSError(name)
        super().__init__(name, *more, **options)

ctypes.util.find_library = lambda name: None if name in {names} else find(name)
ctypes.CDLL = ctypes.cdll._dlltype = Lacking
"""
