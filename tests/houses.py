"""A place for depthflowd to run in as people run it: folders, settings and a socket of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from running import Done, depthflow, wait_for_end

from depthflow.client import Client

SETTINGS = '[[folders]]\nname = "drop"\nin = "in"\nout = "out"\n[engine]\nworkers = 1\n'


class House:
    """Folders, settings and a socket of their own for a daemon."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "in").mkdir()
        (root / "in" / ".depthflow.toml").write_text(
            '[settle]\nseconds = 0\n[output]\nsize = "64x48"\nfps = 8\nduration = 0.5\n'
        )
        self.file = root / "depthflowd.toml"
        self.file.write_text(SETTINGS)
        # Paths of sockets are short: pytest's folders may be too long.
        self.socket = Path("/tmp") / f"dfd-{os.getpid()}-{abs(hash(str(root))) % 10**6}.sock"
        self.env = {
            "DEPTHFLOW_STATE_DIR": str(root / "state"),
            "DEPTHFLOW_CONFIG_DIR": str(root),
            "DEPTHFLOW_SOCKET": str(self.socket),
        }

    def does(self, *args: str, **env: str) -> Done:
        return depthflow("daemon", *args, cwd=self.root, **{**self.env, **env})

    def start(self) -> int:
        done = self.does("start")
        assert done.code == 0, done.err + self.log()
        return int(done.out.split("process ")[1].split(",")[0])

    def client(self) -> Client:
        return Client(f"unix://{self.socket}", timeout=30)

    def log(self) -> str:
        file = self.root / "state" / "depthflowd.log"
        return file.read_text() if file.exists() else ""

    def until(self, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self.log():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)


@contextmanager
def settled(root: Path) -> Iterator[House]:
    """A house there, whose daemons are gone in the end."""
    made = House(root)
    yield made
    for process in psutil.process_iter(["environ"]):
        if (process.info["environ"] or {}).get("DEPTHFLOW_SOCKET") == str(made.socket):
            with suppress(psutil.NoSuchProcess):
                process.kill()
            wait_for_end(process.pid)
    for file in (made.socket, made.socket.with_name(f"{made.socket.name}.lock")):
        file.unlink(missing_ok=True)
