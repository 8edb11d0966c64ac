"""What is imported when: the package and its help stay light, and only what a command needs is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NEVER = {"torch", "diffusers", "transformers", "audiocraft", "dask", "distributed", "fastapi", "gradio", "textual"}
HEAVY = NEVER | {"numpy", "onnxruntime", "vispy", "OpenGL", "cv2", "PIL", "pydantic", "httpx", "OpenEXR", "pillow_heif"}

_TELL = """
import json, sys
def tell():
    print("\\n" + json.dumps([name for name in sys.modules if "." not in name]))
"""


def loaded_after(script: str, cwd: Path) -> set[str]:
    """Top-level names of all modules that are loaded at the end of a script."""
    done = subprocess.run([sys.executable, "-c", f"{_TELL}{script}\ntell()"], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def command(*args: str) -> str:
    return f"""
from depthflow.cli import run
sys.argv = ["depthflow", *{args!r}]
try:
    run()
except SystemExit as end:
    assert not end.code, end.code
"""


def test_the_package_itself_loads_next_to_nothing(tmp_path: Path) -> None:
    loaded = loaded_after("import depthflow\ndir(depthflow)\ndepthflow.__version__", tmp_path)
    assert "depthflow" in loaded
    assert loaded & (HEAVY | {"rich", "typer"}) == set()


@pytest.mark.parametrize("args", [("--help",), ("--version",), ()], ids=" ".join)
def test_help_loads_nothing_heavy(args: tuple[str, ...], tmp_path: Path) -> None:
    script = command(*args) if args else "import depthflow.cli"
    assert loaded_after(script, tmp_path) & HEAVY == set()


@pytest.mark.parametrize("name", ["render", "depth", "make", "doctor", "watch", "daemon", "submit", "jobs", "tail"])
def test_a_commands_help_loads_nothing_heavy_of_ours(name: str, tmp_path: Path) -> None:
    # typer itself takes pydantic to read options.
    assert loaded_after(command(name, "--help"), tmp_path) & HEAVY <= {"pydantic"}


def test_lists_need_no_graphics_and_no_network_runtime(tmp_path: Path) -> None:
    loaded = loaded_after(command("motions", "list"), tmp_path)
    assert loaded & (NEVER | {"onnxruntime", "vispy", "OpenGL", "cv2"}) == set()


def test_a_render_with_its_own_depth_map_needs_no_network_runtime(photo: Path, depth_map: Path) -> None:
    options = ("--depth", str(depth_map), "--size", "64x48", "--fps", "4", "--duration", "0.5", "--quiet")
    loaded = loaded_after(command("render", str(photo), *options), photo.parent)
    assert photo.with_suffix(".mp4").is_file()
    assert {"numpy", "vispy", "cv2"} <= loaded
    # Codecs of formats that the photo has not take a tenth of a second to load.
    assert loaded & (NEVER | {"onnxruntime", "httpx", "pillow_heif"}) == set()


def test_the_program_ends_at_once_but_not_before_threads_and_what_is_registered_for_the_end(tmp_path: Path) -> None:
    script = """
import atexit, sys, threading
from depthflow.cli import main
go = threading.Event()
atexit.register(lambda: print("registered"))
threading._register_atexit(go.set)  # as thread pools learn that the program ends
threading.Thread(target=lambda: go.wait() and print("thread")).start()
sys.argv = ["depthflow", *sys.argv[1:]]
main()
print("not reached")
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}

    def ended(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *args]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    good, bad = ended("motions", "list"), ended("motions", "show", "no such motion")
    assert good.returncode == 0
    assert good.stdout.splitlines()[-2:] == ["thread", "registered"]
    assert bad.returncode == 2
    assert bad.stdout.splitlines()[-2:] == ["thread", "registered"]
