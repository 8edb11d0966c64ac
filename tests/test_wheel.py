"""The wheel: what is in it, and that it renders where there is no checkout."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import SHORT, environment, pixels

import depthflow

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=environment(**env), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # With the build tool at hand nothing has to be downloaded.
    alone = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    run(*PIP, "wheel", "--quiet", "--no-deps", *alone, "--wheel-dir", folder, ROOT, cwd=folder)
    (file,) = folder.iterdir()
    return file


def test_it_carries_its_data_and_no_recipes_and_no_tests(wheel: Path) -> None:
    assert wheel.name.startswith(f"depthflow_studio-{depthflow.__version__}-py3-none-any")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.getinfo("depthflow/data/models/builtin.onnx").file_size > 100_000
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
        entries = archive.read(next(name for name in names if name.endswith("/entry_points.txt"))).decode()
    expected = {"depthflow/py.typed", "depthflow/data/models/registry.toml", "depthflow/data/config/depthflow.toml"}
    for kind in ("shaders", "config"):
        expected |= {
            f"depthflow/data/{file.relative_to(ROOT).as_posix()}"
            for file in (ROOT / kind).rglob("*")
            if file.is_file() and not file.name.startswith(".")
        }
    for kind in ("py", "tcss", "html", "css", "js"):
        expected |= {file.relative_to(ROOT).as_posix() for file in (ROOT / "depthflow").rglob(f"*.{kind}")}
    daemon = ROOT / "daemon"
    expected |= {file.relative_to(daemon).as_posix() for kind in ("py", "sql") for file in daemon.rglob(f"*.{kind}")}
    assert expected <= names
    outside = [name for name in names if not name.startswith(("depthflow/", "depthflow_studio-", "depthflow_daemon/"))]
    assert outside == []
    assert not [name for name in names if "training" in name or "test" in name.lower().split("/")[-1]]
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert "depthflow = depthflow.cli:main" in entries
    assert "depthflowd = depthflow.cli.daemon:depthflowd" in entries
    assert "License-Expression: AGPL-3.0-only" in metadata
    for extra in ("cpu", "gpu", "daemon"):
        assert f"Provides-Extra: {extra}" in metadata


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Scripts of an environment that has the wheel, and of ours only what the wheel needs."""
    place = tmp_path_factory.mktemp("elsewhere")
    venv.create(place / "venv", with_pip=False, symlinks=os.name != "nt")
    paths = {"base": str(place / "venv"), "platbase": str(place / "venv")}
    scripts = Path(sysconfig.get_path("scripts", "venv", paths))
    python = scripts / Path(sys.executable).name
    run(*PIP, "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=place)
    # A line in a .pth file adds a folder, but the .pth files in that folder, such as the one of an editable
    # install, are not read. It comes after the environment's own, so the wheel's depthflow is first.
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    site = Path(sysconfig.get_path("purelib", "venv", paths))
    (site / "dependencies.pth").write_text("\n".join(sorted(ours)) + "\n")
    yield scripts
    shutil.rmtree(place, ignore_errors=True)


@pytest.mark.gl
def test_installed_it_renders_without_the_checkout(elsewhere: Path, photo: Path) -> None:
    cwd = photo.parent
    env = {"PYTHONPATH": "", "DEPTHFLOW_CACHE_DIR": str(cwd / "cache")}
    python = elsewhere / Path(sys.executable).name
    script = "import depthflow; from depthflow import paths; print(depthflow.__file__); print(paths.data_root())"
    module, data = map(Path, run(python, "-c", script, cwd=cwd, **env).splitlines())
    assert module.is_relative_to(elsewhere.parent)
    assert data == module.parent / "data"
    out = run(elsewhere / "depthflow", "render", photo, "-o", "out/video.mp4", *SHORT, cwd=cwd, **env)
    assert out.startswith("out/video.mp4: 64x48, 4 frames at 8/s")
    frames = pixels(cwd / "out" / "video.mp4")
    assert frames.shape == (4, 48, 64, 3)
    assert frames.std() > 20, "a picture"
    assert "orbital" in run(elsewhere / "depthflow", "motions", "list", cwd=cwd, **env)
