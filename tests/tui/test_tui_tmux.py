"""The terminal interface as people have it: in a terminal, with a daemon of its own, from a photo to a video."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from houses import House
from running import COMMAND, pixels

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there is no tmux"),
    pytest.mark.skipif(
        shutil.which("tmux") is None and not os.environ.get("CI"),
        reason="tmux is not installed (make test installs it)",
    ),
    pytest.mark.slow,
]

PATIENCE_S = 90.0
T = TypeVar("T")


class Terminal:
    """A terminal with the interface in it.

    Args:
        house: whose settings, queue and socket it has.
        folder: where it is started.
    """

    def __init__(self, house: House, folder: Path, width: int = 100, height: int = 30) -> None:
        self._socket = f"depthflow-{os.getpid()}-{abs(hash(str(folder))) % 10**6}"
        environment = {**os.environ, **house.env, "TERM": "xterm-256color", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"}
        for name in ("TMUX", "NO_COLOR"):
            environment.pop(name, None)
        # The terminal stays for a moment after the program, so that its last words can be read.
        program = f"{shlex.quote(COMMAND)} tui; echo it ended with $?; sleep 600"
        size = ["-x", str(width), "-y", str(height)]
        self._tmux("new-session", "-d", *size, "-c", str(folder), program, env=environment)

    def _tmux(self, *words: str, env: dict[str, str] | None = None) -> str:
        command = ["tmux", "-L", self._socket, "-f", "/dev/null", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, env=env).stdout

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def write(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def paste(self, text: str) -> None:
        """As a terminal does when a file is dropped onto it."""
        self._tmux("set-buffer", text)
        self._tmux("paste-buffer", "-p")

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def until(self, pattern: str) -> str:
        """Wait for something to be on the screen."""
        return wait(lambda: text if re.search(pattern, text := self.screen()) else None, lambda: self.screen())

    def program(self) -> psutil.Process:
        """The interface itself."""
        shell = psutil.Process(int(self._tmux("display-message", "-p", "#{pane_pid}")))
        found = [each for each in (shell, *shell.children()) if "tui" in each.cmdline()[1:]]
        return found[-1]

    def end(self) -> None:
        command = ["tmux", "-L", self._socket, "kill-server"]
        subprocess.run(command, capture_output=True, timeout=30)  # it may have ended with its program


def wait(look: Callable[[], T | None], tell: Callable[[], str]) -> T:
    """Look until there is something."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := look()) is None:
        assert time.monotonic() < deadline, tell()
        time.sleep(0.1)
    return found


@pytest.fixture
def place(house: House) -> House:
    """Small videos, so that nobody waits for them."""
    house.file.write_text("[engine]\nworkers = 1\n")
    house.file.with_name("tui.toml").write_text("[interface]\nwelcomed = true\n")
    house.env |= {"DEPTHFLOW_OUTPUT_SIZE": "64x48", "DEPTHFLOW_OUTPUT_FPS": "8", "DEPTHFLOW_OUTPUT_DURATION": "0.5"}
    return house


@pytest.fixture
def terminals(place: House, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def opens(**more: str) -> Terminal:
        place.env |= more
        opened.append(Terminal(place, tmp_path))
        return opened[-1]

    yield opens
    for terminal in opened:
        terminal.end()


def daemon(house: House) -> psutil.Process:
    with house.client() as client:
        return psutil.Process(client.system().pid)


def video(path: Path, house: House) -> None:
    wait(lambda: path if path.exists() else None, house.log)
    assert len(pixels(path)) == 4


@pytest.mark.gl
def test_from_a_photo_to_a_video(terminals: Callable[..., Terminal], place: House, photo: Path, tmp_path: Path) -> None:
    terminal = terminals()
    terminal.until("No jobs yet")
    process = daemon(place)
    # By its path, which completes itself.
    terminal.press("a")
    terminal.until("space marks")
    terminal.press("C-l")
    terminal.write(f"{tmp_path}/pho")
    terminal.until(f"{tmp_path.name}/pho")
    terminal.press("Tab")
    terminal.until(f"{tmp_path.name}/photo.png")
    terminal.press("Enter")
    terminal.until("1 job queued")
    terminal.until(r"✓ done +photo\.png")
    video(tmp_path / "photo.mp4", place)
    # Dropped onto the terminal; another look at the same photo replaces nothing.
    terminal.paste(f"'{photo}'")
    terminal.until(r"Add photo\.png")
    terminal.press("Escape")
    wait(lambda: True if "Add photo.png" not in terminal.screen() else None, terminal.screen)
    terminal.paste(f"'{photo}'")
    terminal.until(r"Add photo\.png")
    terminal.press("Enter")
    terminal.until("made already")
    terminal.press("Enter")
    terminal.until(r"≡ skipped +#2")
    terminal.until(r"64x48 · 8 fps · 0\.5 s")
    # Nothing is left to do: it ends without a question, and its daemon too.
    terminal.press("C-q")
    terminal.until("it ended with 0")
    process.wait(PATIENCE_S)


@pytest.mark.gl
def test_quitting_asks_while_jobs_run(terminals: Callable[..., Terminal], place: House, photo: Path) -> None:
    terminal = terminals(DEPTHFLOW_OUTPUT_DURATION="1200", DEPTHFLOW_OUTPUT_FPS="30")
    terminal.until("No jobs yet")
    process = daemon(place)
    terminal.paste(str(photo))
    terminal.until(r"Add photo\.png")
    terminal.press("Enter")
    terminal.until("1 running")
    terminal.press("C-q")
    terminal.until("Jobs are not done yet: 1 running")
    terminal.press("q")
    terminal.until("it ended with 0")
    process.wait(PATIENCE_S)
    # It was given back: the next one goes on with it, and may be kept running.
    again = terminals()
    again.until("1 running")
    process = daemon(place)
    again.press("C-q")
    again.until("Jobs are not done yet")
    again.press("k")
    again.until("it ended with 0")
    with pytest.raises(psutil.TimeoutExpired):
        process.wait(4)
    assert place.does("stop", "--now").code == 0


def test_killed_it_takes_its_daemon_along(terminals: Callable[..., Terminal], place: House) -> None:
    terminal = terminals()
    terminal.until("No jobs yet")
    process = daemon(place)
    terminal.program().send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)


def test_a_daemon_that_starts_again_is_found_again(terminals: Callable[..., Terminal], place: House) -> None:
    first = place.start()
    terminal = terminals()
    terminal.until("● online")
    assert place.does("stop", "--now").code == 0
    terminal.until(r"offline.*\n(.*\n)*.*start one: depthflow daemon start")
    second = place.start()
    terminal.until("● online")
    assert first != second
    terminal.press("C-q")
    terminal.until("it ended with 0")
    assert psutil.pid_exists(second)
    assert place.does("stop", "--now").code == 0


def test_why_there_is_no_daemon_is_on_the_screen(terminals: Callable[..., Terminal], place: House) -> None:
    place.file.write_text("[engine]\nworker = 2\n")
    terminal = terminals()
    terminal.until("engine.worker: unknown key")
    place.file.write_text("[engine]\nworkers = 1\n")
    terminal.press("C-t")
    terminal.until("No jobs yet")
