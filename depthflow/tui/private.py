"""A daemon of the interface's own, for as long as it runs. It knows the daemon as a program only."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from depthflow.client import AsyncClient
from depthflow.errors import RuntimeMissingError, ServerError

START_S = 60.0
LOOK_S = 0.1
END_S = 30.0


class PrivateDaemon:
    """The user's daemon with the user's settings and queue, and roots that take in what the user may read."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> Self:
        """One that answers.

        Raises:
            RuntimeMissingError: the extra that brings it is not installed.
            ServerError: it ended at once, and says why, or it does not answer in time.
        """
        if find_spec("depthflow_daemon") is None or find_spec("distributed") is None:
            raise RuntimeMissingError("the daemon is not installed", "pip install 'depthflow-studio[tui]'")
        command = [sys.executable, "-m", "depthflow_daemon", "--root", str(Path.home()), "--root", str(Path.cwd())]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, start_new_session=True
        )
        daemon = cls(process)
        async with asyncio.timeout(START_S), AsyncClient() as client:
            while daemon.alive:
                try:
                    await client.health()
                except ServerError:
                    await asyncio.sleep(LOOK_S)
                else:
                    return daemon
        raise ServerError(f"the daemon ended with {process.returncode}", "depthflow daemon run tells why")

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def stop(self) -> None:
        """Have running jobs given back to the queue, and wait for its end."""
        if not self.alive:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), END_S)
        except TimeoutError:
            self._process.terminate()  # the second one ends it at once
            await self._process.wait()
