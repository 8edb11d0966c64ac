"""The image's steps, taken without Docker: what it installs, where it writes, and that it makes a video."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from depthflow_daemon.config import load
from running import environment, pixels

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "daemon" / "docker"
INSTALL = DOCKER / "install.sh"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a shell script")


def dockerfile() -> list[tuple[str, str]]:
    """Its instructions and their arguments, comments left out and continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in text.splitlines() if line]


def variables() -> dict[str, str]:
    """What ENV sets, without PATH."""
    (text,) = [argument for name, argument in dockerfile() if name == "ENV"]
    return {key: value for key, _, value in (pair.partition("=") for pair in shlex.split(text)) if key != "PATH"}


def test_the_image_copies_what_there_is_and_runs_as_no_root() -> None:
    steps = dockerfile()
    for name, argument in steps:
        if name == "COPY" and not argument.startswith("--from"):
            assert (ROOT / argument.split()[0]).exists(), argument
    assert [argument for name, argument in steps if name == "USER"] == ["depthflow"]
    words = re.findall(r"install\.sh (\w+)", " ".join(argument for name, argument in steps if name == "RUN"))
    assert sorted(words) == ["packages", "places", "program"]
    unknown = subprocess.run([INSTALL, "nothing"], capture_output=True, text=True)
    assert unknown.returncode == 2
    assert "install.sh program TARGET EXTRA" in unknown.stderr
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    (health,) = [argument for name, argument in steps if name == "HEALTHCHECK"]
    (entry,) = [argument for name, argument in steps if name == "ENTRYPOINT"]
    assert json.loads(entry)[0] in scripts
    assert json.loads(health.partition("CMD ")[2]) == ["depthflow", "daemon", "status"]


def test_the_packages_are_the_makefiles() -> None:
    (line,) = re.findall(r"^GL_PACKAGES := (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert f"--no-install-recommends {line}\n" in INSTALL.read_text()


def test_every_place_is_made_and_the_settings_are_good(tmp_path: Path) -> None:
    subprocess.run([INSTALL, "places", str(tmp_path)], check=True)
    folder = load(DOCKER / "depthflowd.toml").settings.folders[0]
    for place in (folder.input, folder.output, Path(variables()["DEPTHFLOW_STATE_DIR"])):
        assert (tmp_path / place.relative_to("/")).is_dir(), place
    assert (tmp_path / Path(variables()["DEPTHFLOW_RUNTIME_DIR"]).relative_to("/")).is_dir()


def test_compose_files_fit_the_image() -> None:
    plain, gpu = (yaml.safe_load((DOCKER / name).read_text()) for name in ("compose.yaml", "compose.gpu.yaml"))
    service = plain["services"]["depthflowd"]
    build = service["build"]
    assert (DOCKER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).samefile(DOCKER / "Dockerfile")
    targets = [volume.rpartition(":")[2] for volume in service["volumes"]]
    assert targets == ["/photos", "/videos", "/state"]
    assert service["read_only"]
    assert service["tmpfs"][1].startswith(variables()["DEPTHFLOW_RUNTIME_DIR"] + ":")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert gpu["services"]["depthflowd"]["build"]["args"]["EXTRA"] in extras
    assert "graphics" in gpu["services"]["depthflowd"]["environment"]["NVIDIA_DRIVER_CAPABILITIES"]


@pytest.mark.gl
@pytest.mark.soak
def test_its_steps_make_a_daemon_that_makes_a_video(tmp_path: Path, photo: Path, depth_map: Path) -> None:
    scripts = tmp_path / "venv" / "bin"
    subprocess.run([INSTALL, "program", str(scripts.parent), "cpu"], check=True, env=environment(PYTHON=sys.executable))
    subprocess.run([INSTALL, "places", str(tmp_path)], check=True)
    # The image's root is this test's folder.
    settings = (DOCKER / "depthflowd.toml").read_text().replace('"/', f'"{tmp_path}/')
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "depthflowd.toml").write_text(settings)
    where = {key: str(tmp_path / Path(value).relative_to("/")) for key, value in variables().items()}
    where |= {
        "DEPTHFLOW_CONFIG_DIR": str(tmp_path / "etc"),
        "PYTHONPATH": "",
        "DEPTHFLOW_SOCKET": f"/tmp/dfd-{os.getpid()}",
    }
    env = environment(**where)
    check = [scripts / "depthflow", "daemon", "status"]
    assert subprocess.run(check, env=env, cwd=tmp_path, capture_output=True).returncode == 3
    with subprocess.Popen([scripts / "depthflowd"], env=env, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as daemon:
        assert daemon.stderr is not None
        try:
            for line in daemon.stderr:
                if "watching" in line:
                    break
            deadline = time.monotonic() + 60
            while subprocess.run(check, env=env, cwd=tmp_path, capture_output=True).returncode != 0:
                assert time.monotonic() < deadline
            (tmp_path / "photos" / ".depthflow.toml").write_text('[output]\nsize = "64x48"\nfps = 8\nduration = 0.5\n')
            shutil.copy(depth_map, tmp_path / "photos" / "cat.depth.png")
            shutil.copy(photo, tmp_path / "photos" / "cat.png")
            for line in daemon.stderr:
                assert "failed" not in line
                if "done" in line:
                    break
        finally:
            daemon.terminate()
            daemon.stderr.read()  # it has more to say, and would miss whoever listens
    assert daemon.returncode == 0
    assert pixels(tmp_path / "videos" / "cat.mp4").shape == (4, 48, 64, 3)
