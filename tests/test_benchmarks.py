"""The benchmarks still run: what they measure moves about in the program."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("name", sorted(file.name for file in FOLDER.glob("*.py")))
def test_every_benchmark_tells_how_it_is_run(name: str) -> None:
    done = subprocess.run([sys.executable, FOLDER / name, "--help"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


@pytest.mark.gl
def test_the_stages_are_measured() -> None:
    command = [sys.executable, FOLDER / "stages.py", "--size", "160x90", "--frames", "2", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "end to end" in done.stdout
