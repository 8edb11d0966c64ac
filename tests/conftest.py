"""What all tests share: folders of their own instead of the user's, and one small photo with a depth map."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from daemon_process import Daemon
from PIL import Image

if TYPE_CHECKING:
    from houses import House

PHOTOS = Path(__file__).parent / "photos"

_OF_THE_MACHINE = ("DEPTHFLOW_FFMPEG", "DEPTHFLOW_RENDER_GL_DEVICE")
"""Variables that say where things are on this machine; all others would change what the tests see."""


@pytest.fixture(scope="session", autouse=True)
def signals_as_in_a_terminal() -> None:
    """Where the tests run in the background, children would inherit that these are ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Settings, cache and models of this test run; processes that the tests start inherit it."""
    root = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("DEPTHFLOW_")]:
            if name not in _OF_THE_MACHINE:
                patch.delenv(name)
        for name in ("config", "cache", "models", "state", "runtime"):
            patch.setenv(f"DEPTHFLOW_{name.upper()}_DIR", str(root / name))
        yield root


@pytest.fixture(scope="session")
def _originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    with Image.open(PHOTOS / "astronaut.jpg") as image:
        image.crop((0, 0, 512, 384)).resize((128, 96), Image.Resampling.LANCZOS).save(folder / "photo.png")
    y, x = np.mgrid[0:96, 0:128]
    ball = np.clip(1.2 - np.hypot(x - 60, y - 52) / 40, 0, 1)
    Image.fromarray(np.rint(ball * 65535).astype(np.uint16)).save(folder / "depth.png")
    return folder


@pytest.fixture
def photo(tmp_path: Path, _originals: Path) -> Path:
    """A photo of 128x96 pixels, alone in the test's folder."""
    return Path(shutil.copy(_originals / "photo.png", tmp_path / "photo.png"))


@pytest.fixture
def depth_map(tmp_path_factory: pytest.TempPathFactory, _originals: Path) -> Path:
    """A ball before a far wall, for that photo; in another folder, so that it is not found by itself."""
    return Path(shutil.copy(_originals / "depth.png", tmp_path_factory.mktemp("depth") / "ball.png"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an empty one, `in`, for a daemon to watch."""
    (tmp_path / "in").mkdir()
    return tmp_path


@pytest.fixture
def daemons(folder: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts daemons in that folder; all end with the test."""
    started: list[Daemon] = []

    def start(*wrapper: str, **env: str) -> Daemon:
        started.append(Daemon(folder, *wrapper, **env))
        return started[-1]

    yield start
    for daemon in started:
        daemon.process.kill()
        daemon.process.wait()


@pytest.fixture
def tiny_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 400 kB."""
    place = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(place)]
    try:
        mounted = sys.platform == "linux" and subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S607 - wherever the system has it


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Where depthflowd may run as people run it."""
    from houses import settled

    with settled(tmp_path) as made:
        yield made
