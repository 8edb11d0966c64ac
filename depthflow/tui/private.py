"""A daemon of the interface's own, for as long as it runs. It knows the daemon as a program only."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Self

from depthflow.client import AsyncClient
from depthflow.errors import DepthFlowError, RuntimeMissingError, ServerError

START_S = 60.0
LOOK_S = 0.1
END_S = 30.0
LATE_S = 2.0
"""Two interfaces that start at once start two daemons; the one whose daemon was second waits so long for the first."""
WORDS_MAX = 1 << 16
"""Bytes of what a daemon printed that are looked at."""


class PrivateDaemon:
    """The user's daemon with the user's settings and queue, and roots that take in what the user may read.

    It is on a leash, its standard input: when that is closed, because we end it or are killed, it gives what runs back
    to the queue and ends, unless others follow its jobs.
    """

    def __init__(self, process: Process, words: IO[bytes]) -> None:
        self._process, self._words = process, words

    @classmethod
    async def start(cls, client: AsyncClient) -> Self | None:
        """One that answers.

        Args:
            client: asks at the address where it will listen.

        Returns:
            None: somebody else's came first, and answers there.

        Raises:
            RuntimeMissingError: the extra that brings it is not installed.
            ServerError: it ended at once, and says why, or it does not answer in time.
        """
        if any(find_spec(name) is None for name in ("depthflow_daemon", "distributed", "fastapi", "uvicorn")):
            raise RuntimeMissingError("the daemon is not installed", "pip install 'depthflow-studio[tui]'")
        # It is the user's own, and may read and write what the user may: results come to lie beside their photos.
        roots = [word for disk in dict.fromkeys((Path.home().anchor, Path.cwd().anchor)) for word in ("--root", disk)]
        words = tempfile.TemporaryFile()  # noqa: SIM115 - it is the daemon's for as long as that runs
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "depthflow_daemon", "--leash", *roots,
            stdin=PIPE, stdout=words, stderr=words, start_new_session=True,
        )  # fmt: skip
        daemon = cls(process, words)
        try:
            return daemon if await daemon._answers(client) else None
        except BaseException:
            await daemon.stop(at_once=True)
            raise

    async def _answers(self, client: AsyncClient) -> bool:
        """Wait for it; False: another daemon answers instead."""
        try:
            async with asyncio.timeout(START_S):
                while self.alive:
                    if (pid := await _pid(client)) is not None:
                        if pid == self._process.pid:
                            return True
                        await self.stop(at_once=True)
                        return False
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise ServerError(
                f"the daemon does not answer at {client.address} after {START_S:g} s",
                "its settings may name another socket (api.socket); see depthflow daemon logs",
            ) from None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LATE_S):
                while await _pid(client) is None:
                    await asyncio.sleep(LOOK_S)
                return False
        raise self.why()

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def why(self) -> ServerError:
        """The reason for its end, in its own words."""
        self._words.seek(max(0, self._words.seek(0, 2) - WORDS_MAX))
        lines = [line for line in self._words.read().decode("utf-8", "replace").splitlines() if line.strip()]
        said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")] or lines[-1:]
        hints = [line.strip().removeprefix("hint: ") for line in lines if line.startswith("  hint: ")]
        code = self._process.returncode or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return ServerError(
            f"the daemon ended ({how}): {said[-1].strip() if said else 'without a word'}",
            hints[-1] if hints else "depthflow daemon run tells more, and depthflow daemon logs",
        )

    async def free(self) -> None:
        """Let it go on without us."""
        await self._write(b"free\n")

    async def stop(self, *, at_once: bool = False, shared: bool = False) -> None:
        """Have running jobs given back to the queue, and wait for its end.

        Args:
            at_once: it has nothing to give back.
            shared: others follow its jobs: it ends when they are gone, and is not waited for.
        """
        if not self.alive:
            return
        if not shared:
            await self._write(b"end\n")
        if self._process.stdin is not None:
            self._process.stdin.close()
        if shared:
            return
        if at_once:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), END_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _write(self, word: bytes) -> None:
        if self.alive and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(word)
                await self._process.stdin.drain()


async def _pid(client: AsyncClient) -> int | None:
    """The process of the daemon that answers; None if none does."""
    try:
        return (await client.system()).pid
    except DepthFlowError:
        return None
