"""Environment variables: none is added while threads run, and children get none of what libraries are told."""

import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from depthflow import environment
from tests.running import SHORT, depthflow

linux = pytest.mark.skipif(sys.platform != "linux", reason="of glibc and ld.so")

_RENDER = """
import contextlib, os, sys
import numpy  # adds two while it is imported, which is before any thread of ours
import depthflow

known, added = set(os.environb), []

def hook(event, arguments):
    if event == "os.putenv" and arguments[0] not in known:
        added.append(arguments[0].decode())

sys.addaudithook(hook)
depthflow.render(sys.argv[1], sys.argv[2], depth=sys.argv[3], size=(64, 48), fps=30, seconds=1)
from depthflow.errors import GLError
from depthflow.render import context
assert context._second is not None or not context.context().info.software
with contextlib.suppress(GLError):
    context.second().info
print(added, os.environ["LD_LIBRARY_PATH"])
"""


def _told(*arguments: str | Path, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@linux
def test_a_render_adds_no_variable(photo: Path, depth_map: Path, tmp_path: Path) -> None:
    """The C library then moves them all, and a decoder of photos that reads one meanwhile takes the process down."""
    # vispy takes a display away and gives it back, PyOpenGL sets something for Wayland.
    env = {"LD_LIBRARY_PATH": "/of/the/user", "DISPLAY": ":7", "XDG_SESSION_TYPE": "wayland"}
    said = _told("-c", _RENDER, photo, tmp_path / "out.mp4", depth_map, **env)
    assert said == "[] /of/the/user"


@linux
def test_programs_do_not_look_for_libraries_in_the_current_folder(photo: Path, tmp_path: Path) -> None:
    """OpenCV's package tells them to while it is imported, and ffmpeg would load what lies beside the photos."""
    here = tmp_path / "from the internet"
    here.mkdir()
    for name in ("libm.so.6", "libc.so.6", "libz.so.1"):
        (here / name).write_text("not a library")
    shutil.copy(photo, here / "photo.jpg")
    done = depthflow("render", "photo.jpg", "-o", "out.mp4", *SHORT, cwd=here, LD_LIBRARY_PATH="")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    "command", ["render in/photo.jpg -o out/video.mp4 --size 64x48", "doctor", "watch in out --once"]
)
def test_no_python_of_ours_looks_for_modules_in_the_current_folder(command: str, photo: Path, tmp_path: Path) -> None:
    here = tmp_path / "from the internet"
    for name in ("in", "out"):
        (here / name).mkdir(parents=True)
    shutil.copy(photo, here / "in" / "photo.jpg")
    loaded = tmp_path / "loaded"
    for name in ("ctypes", "json", "multiprocessing", "pickle", "socket", "struct", "numpy", "depthflow"):
        (here / f"{name}.py").write_text(f"open({str(loaded)!r}, 'a').write('{name} ')\nraise SystemExit(1)\n")
    done = depthflow(*command.split(), cwd=here)
    assert not loaded.exists(), loaded.read_text()
    assert done.code == 0 or command == "doctor", done.err  # which says what is missing on this machine


def test_what_python_sees_no_child_sees() -> None:
    os.environ["DEPTHFLOW_TEST_OLD"] = "old"
    ask = "import os; print([os.environ.get(f'DEPTHFLOW_TEST_{name}') for name in ('NEW', 'OLD')])"
    with environment.seen_by_python(DEPTHFLOW_TEST_NEW="new", DEPTHFLOW_TEST_OLD=None):
        assert os.environ["DEPTHFLOW_TEST_NEW"] == os.getenv("DEPTHFLOW_TEST_NEW") == "new"
        assert "DEPTHFLOW_TEST_OLD" not in os.environ
        said = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[None, 'old']"
    assert "DEPTHFLOW_TEST_NEW" not in os.environ
    assert os.environ.pop("DEPTHFLOW_TEST_OLD") == "old"


def test_whoever_copies_the_environment_meanwhile_gets_one() -> None:
    """As ffmpeg's does, while OpenGL is opened on another thread."""
    ended = threading.Event()

    def copies() -> None:
        while not ended.is_set():
            copy = dict(os.environ) if os.environ.get("PATH") else os.environ.copy()
            assert "PATH" in copy

    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(copies) for _ in range(2)]
        for _ in range(3000):
            with environment.seen_by_python(DEPTHFLOW_TEST_NEW="new", HOME=None):
                pass
        ended.set()
        for other in others:
            other.result()


def test_what_others_write_meanwhile_stays() -> None:
    real = os.environ
    with environment.seen_by_python(DEPTHFLOW_TEST_NEW="new"):
        os.environ["DEPTHFLOW_TEST_OTHER"] = "other"
        assert os.environ["DEPTHFLOW_TEST_OTHER"] == "other"
        assert len(os.environ) == len(list(os.environ)) == len(real) + 1
    assert os.environ is real
    assert os.environ.pop("DEPTHFLOW_TEST_OTHER") == "other"


def test_a_value_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LP_NUM_THREADS", "")
    with environment.given("LP_NUM_THREADS", "3"):
        assert os.environ["LP_NUM_THREADS"] == "3"
    assert os.environ["LP_NUM_THREADS"] == ""
    monkeypatch.delenv("LP_NUM_THREADS")
    with pytest.raises(LookupError, match="no room for LP_NUM_THREADS"), environment.given("LP_NUM_THREADS", "3"):
        pass
