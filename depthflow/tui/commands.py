"""Runs `depthflow ...` as a process of its own, so that nothing heavy happens in the interface. It knows no command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio import StreamReader
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

from depthflow.errors import SystemError_

_LINE = 1 << 20
"""Bytes of a line that is read; a longer one is passed over."""
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def trouble(self) -> SystemError_:
        """What it said on its error stream, as an error to tell."""
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")] or lines[-1:]
        hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
        return SystemError_(said[-1] if said else f"the command ended with {self.code}", hints[-1] if hints else "")

    def data(self) -> Any:
        """Its output as JSON.

        Raises:
            SystemError_: it is not; with what the command said instead.
        """
        try:
            return json.loads(self.stdout)
        except ValueError:
            raise self.trouble from None


async def run(*args: str, data: str = "") -> Result:
    """Run a command to its end; it is ended when the caller is cancelled.

    Args:
        args: what stands behind `depthflow`.
        data: its standard input.
    """
    process = await _start(*args, stdin=PIPE)
    try:
        out, err = await process.communicate(data.encode())
    finally:
        await _end(process)
    return Result(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))


async def lines(*args: str) -> AsyncIterator[str]:
    """The lines of a command's output as they come; it is ended when the caller has enough.

    Raises:
        SystemError_: it ended badly, with what it said.
    """
    process = await _start(*args)
    output, errors = cast("StreamReader", process.stdout), cast("StreamReader", process.stderr)  # they are pipes
    words = asyncio.create_task(errors.read())
    try:
        while True:
            try:
                line = await output.readline()
            except ValueError:  # longer than _LINE
                continue
            if not line:
                break
            yield line.decode(errors="replace").rstrip("\n")
        if await process.wait():
            raise Result(process.returncode or 0, "", (await words).decode(errors="replace")).trouble
    finally:
        await _end(process)
        words.cancel()


async def _start(*args: str, stdin: int = DEVNULL) -> Process:
    # -P: a file of that name in the current folder is not ours.
    command = [sys.executable, "-P", "-c", "from depthflow.cli import main; main()", *args]
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONUTF8": "1"}
    return await asyncio.create_subprocess_exec(
        *command, stdin=stdin, stdout=PIPE, stderr=PIPE, env=environment, limit=_LINE
    )


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _END_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
