"""`depthflow depth` as a user meets it: options in, files, lines and exit codes out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from depthflow.cli.depth import depth
from depthflow.depth.files import load_depth, sidecar
from depthflow.errors import DepthFlowError


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    x, y = np.meshgrid(np.arange(120), np.arange(80))
    pixels = np.stack([x * 2, y * 3, (x + y) % 256], axis=2).astype(np.uint8)
    path = tmp_path / "photos" / "cat.png"
    path.parent.mkdir()
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in this process, in an empty home and folder; errors as the main command prints them."""
    for name in [name for name in os.environ if name.startswith("DEPTHFLOW_")]:
        monkeypatch.delenv(name)
    for kind in ("CONFIG", "CACHE", "MODELS"):
        monkeypatch.setenv(f"DEPTHFLOW_{kind}_DIR", str(tmp_path / kind.lower()))
    monkeypatch.chdir(tmp_path)
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(depth)

    def run(*args: object, stdin: bytes | None = None) -> Done:
        result = CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)
        if isinstance(result.exception, DepthFlowError):
            error = result.exception
            return Done(error.exit_code, result.stdout, f"{result.stderr}error: {error.message}\nhint: {error.hint}\n")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    return run


def test_default_is_a_sidecar_that_render_finds(run: Run, photo: Path) -> None:
    done = run(photo)
    assert done.returncode == 0, done.stderr
    file = sidecar(photo)
    assert file == photo.with_name("cat.depth.png")
    assert Image.open(file).mode.startswith("I;16")
    assert load_depth(file, photo_size=(120, 80)).shape == (80, 120)
    assert "cat.depth.png: 120x80, builtin on cpu" in done.stderr
    assert done.stdout == ""

    again = run(photo)
    assert again.returncode == 4
    assert "already there" in again.stderr
    assert run(photo, "--overwrite", "-q").stderr == ""


def test_cached_map_gives_the_same_file(run: Run, photo: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1.npy", tmp_path / "2.npy"
    assert "on cpu" in run(photo, "-o", first).stderr
    done = run(photo, "-o", second, "--json")
    assert json.loads(done.stdout)["cached"] is True
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--colormap", "turbo"], "cat.depth-turbo.png"),
        (["--raw", "--format", "exr"], "cat.depth-raw.exr"),
        (["--invert", "--format", "png8"], "cat.depth-inverted.png"),
        (["--format", "tiff"], "cat.depth.tiff"),
    ],
)
def test_maps_that_are_no_depth_for_render_are_no_sidecars(
    run: Run, photo: Path, options: list[str], name: str
) -> None:
    done = run(photo, "--json", *options)
    facts = json.loads(done.stdout)
    assert (facts["event"], Path(facts["path"]).name) == ("done", name)
    assert (photo.parent / name).is_file()
    assert (sidecar(photo) is None) == ("-" in name)


def test_inverted_and_sizes(run: Run, photo: Path, tmp_path: Path) -> None:
    run(photo, "-o", tmp_path / "plain.npy", "--size", "60")
    run(photo, "-o", tmp_path / "turned.npy", "--size", "60x40", "--invert")
    plain, turned = np.load(tmp_path / "plain.npy"), np.load(tmp_path / "turned.npy")
    assert plain.shape == (40, 60)
    np.testing.assert_allclose(turned, 1 - plain, atol=1e-6)


def test_tone(run: Run, photo: Path, tmp_path: Path) -> None:
    run(photo, "-o", tmp_path / "plain.npy", "--raw")
    run(photo, "-o", tmp_path / "toned.npy", "--raw", "--depth-far", "0.2", "--depth-near", "0.7", "--depth-gamma", "2")
    plain, toned = np.load(tmp_path / "plain.npy"), np.load(tmp_path / "toned.npy")
    np.testing.assert_allclose(toned, np.clip((plain - 0.2) / 0.5, 0, 1) ** 2, atol=1e-5)


def test_what_changes_the_networks_map_is_kept_apart_in_the_cache(run: Run, photo: Path, tmp_path: Path) -> None:
    ways = ([], ["--network-size", "128", "--tiles", "2"], ["--depth-percentile", "5"])
    maps = []
    for i, options in enumerate(ways):
        for cached in (False, True):
            file = tmp_path / f"{i}{cached}.npy"
            done = json.loads(run(photo, "-o", file, "--raw", "--json", *options).stdout)
            assert done["cached"] is cached, options
        first, second = (tmp_path / f"{i}{cached}.npy" for cached in (False, True))
        assert first.read_bytes() == second.read_bytes()
        maps.append(np.load(first))
    for i, one in enumerate(maps):
        for other in maps[:i]:
            assert one.shape != other.shape or np.abs(one - other).max() > 1e-3


def test_standard_input_goes_to_the_current_folder(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("-", stdin=photo.read_bytes()).returncode == 0
    assert (tmp_path / "photo.depth.png").is_file()


def test_folder_and_suffixless_outputs(run: Run, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    run(photo, "-o", tmp_path / "out")
    run(photo, "-o", tmp_path / "out" / "named", "--format", "npy")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["cat.depth.png", "named.npy"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--format", "jpeg"], 2, "unknown depth format 'jpeg'"),
        (["--colormap", "infern"], 2, "did you mean 'inferno'"),
        (["--size", "big"], 2, "size 'big' is not known"),
        (["--size", "99999x99999"], 2, "more than"),
        (["--bits", "12"], 2, "has no 12 bits"),
        (["--format", "png8", "--bits", "16"], 2, "leave one of them out"),
        (["--format", "exr", "-o", "x.png"], 2, "contradicts"),
        (["-o", "x.jpg"], 2, ".jpg is no format"),
        (["-o", "photos/cat.png", "--overwrite"], 2, "that is the photo itself"),
        (["-o", "nowhere/x.png"], 4, "no such folder"),
        (["--model", "buildin"], 2, "did you mean 'builtin'"),
        (["--model", "nothing.onnx"], 3, "no such model file"),
        (["--provider", "gpu"], 2, "depth.provider: input should be 'auto'"),
        (["--network-size", "5"], 2, "depth.network_size: input should be greater than or equal to 32"),
        (["--tiles", "9"], 2, "depth.tiles: input should be less than or equal to 8"),
        (["--depth-gamma", "0"], 2, "depth.gamma"),
        (["--depth-percentile", "50"], 2, "depth.percentile"),
        (["--depth-far", "0.8", "--depth-near", "0.5"], 2, "far (0.8) must be less than near (0.5)"),
    ],
)
def test_what_is_wrong_is_said(run: Run, photo: Path, tmp_path: Path, options: list[str], code: int, said: str) -> None:
    before = photo.read_bytes()
    done = run(photo, *options)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert photo.read_bytes() == before
    assert list(photo.parent.iterdir()) == [photo]


def test_errors_as_json(run: Run, tmp_path: Path) -> None:
    done = run(tmp_path / "no.jpg", "--json")
    facts = json.loads(done.stdout)
    assert (facts["event"], facts["kind"], facts["exit_code"]) == ("error", "PhotoError", 3)
    assert done.returncode == 3
