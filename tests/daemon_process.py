"""The daemon as a process of its own: started, killed, waited for by what is in its folders and its store."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from running import COMMAND, Done, depthflow, environment, wait_until_gone

SMALL = '[settle]\nseconds = 0\npatience = 0\n[output]\nsize = "64x48"\nfps = 8\nduration = 0.5\n'
"""Rules for a clip of four tiny frames, of photos that are whole when they appear."""
LONG = '[settle]\nseconds = 0\n[output]\nsize = "64x48"\nfps = 30\nduration = 1200\n'
"""The same for a clip that no test waits for."""
PATIENCE = 90.0
"""Seconds until a test gives up; none waits so long when all is well."""


def drop(photo: Path, depth_map: Path, place: Path) -> Path:
    """A photo with its depth map beside it, which spares the network."""
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(depth_map, place.with_suffix(".depth.png"))
    return Path(shutil.copy(photo, place))


def once(folder: Path, *wrapper: str, seconds: float = 120, **env: str) -> Done:
    """Let a daemon deal with everything in `in`; it ends by itself.

    Args:
        wrapper: a command that runs another one.
        seconds: that it may take.
    """
    if not wrapper:
        return depthflow("watch", "in", "out", "--once", "--store", "state/q.db", cwd=folder, seconds=seconds, **env)
    command = [*wrapper, COMMAND, "watch", "in", "out", "--once", "--store", "state/q.db"]
    done = subprocess.run(
        command, cwd=folder, env=environment(**env), capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def files(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


class Daemon:
    """A daemon in a process of its own, and the lines that it logs."""

    def __init__(self, folder: Path, *wrapper: str, **env: str) -> None:
        self.folder = folder
        self.log = folder / f"log-{time.monotonic_ns()}.txt"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*wrapper, COMMAND, "watch", "in", "out", "--store", "state/q.db"],
                cwd=folder,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment(DAEMON_TEST=str(folder), **env),
            )

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def until(self, text: str) -> str:
        """The line with this text, as soon as it is logged."""
        self.wait_for(lambda: text in self.said, f"a line with {text!r}")
        return next(line for line in self.said.splitlines() if text in line)

    def wait_for(self, true: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not true():
            assert self.process.poll() is None, f"ended without {what}: {self.said}"
            assert time.monotonic() < deadline, f"no {what}: {self.said}"
            time.sleep(0.02)

    def wait_for_states(self, **states: str) -> None:
        """Until the newest job of each of these photos, named without suffix, is in this state."""
        self.wait_for(lambda: states.items() <= states_of(self.folder).items(), f"{states} in {states_of(self.folder)}")

    def end(self, *signals: int) -> int:
        for number in signals:
            self.process.send_signal(number)
        return self.process.wait(60)

    def children(self) -> list[int]:
        """All processes that it started, and that those started."""
        return [pid for pid in processes_of(self.folder) if pid != self.process.pid]


def rows(folder: Path, query: str) -> list[Any]:
    """What a query finds in the daemon's store, while the daemon runs or not."""
    path = folder / "state" / "q.db"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as raw:
            return raw.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []  # not made yet


def states_of(folder: Path) -> dict[str, str]:
    """The newest job's state by its photo's name without suffix."""
    return {Path(source).stem: state for source, state in rows(folder, "SELECT source, state FROM jobs ORDER BY id")}


def contents_of(folder: Path, name: str) -> list[str]:
    """SHA-256 of what each job of this photo was made from, oldest first."""
    found = rows(folder, "SELECT source, note FROM jobs ORDER BY id")
    return [json.loads(note)["content"] for source, note in found if Path(source).name == name]


def let_waiting_begin(folder: Path) -> None:
    """Without the waits between attempts; only while no daemon runs."""
    with closing(sqlite3.connect(folder / "state" / "q.db")) as raw, raw:
        raw.execute("UPDATE jobs SET ready = 0 WHERE state = 'waiting'")


def processes_of(folder: Path) -> list[int]:
    """Daemons, workers and encoders that were started for a test in this folder. Linux only."""
    found = []
    mark = f"DAEMON_TEST={folder}\0".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and mark in (process / "environ").read_bytes() + b"\0":
                found.append(int(process.name))
        except OSError:
            continue
    return found


def wait_until_gone_workers(folder: Path) -> None:
    """The workers of a killed daemon end by themselves, and so do their encoders."""
    wait_until_gone(str(folder / "out"))
    for pid in processes_of(folder):
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            assert select.select([pidfd], [], [], 30)[0], "a worker outlives its daemon"
        finally:
            os.close(pidfd)


def kill(pid: int) -> None:
    """It may have ended just now."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    """A file system of its own; skips the test for whoever may not mount."""
    place.mkdir(exist_ok=True)
    try:
        done = subprocess.run(["mount", *options, str(place)], capture_output=True)  # noqa: S607
    except OSError:
        pytest.skip("no mount here")
    if done.returncode:
        pytest.skip("only root can mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S607


def filled(place: Path) -> Path:
    """A file that leaves no room on its disk."""
    ballast = place / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast
