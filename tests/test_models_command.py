"""`depthflow models` without a network: list, info, import, verify, bench, remove, and what they refuse."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from depth_networks import save_network
from onnx import TensorProto
from running import depthflow, listing, refused

from depthflow import paths
from depthflow.depth import installed, providers
from depthflow.depth.registry import ModelInfo, find_model, load_registry
from depthflow.depth.trial import rank_correlation, time_model
from depthflow.errors import UsageError

LINKS = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of this test alone."""
    for name in ("config", "cache", "models"):
        monkeypatch.setenv(f"DEPTHFLOW_{name.upper()}_DIR", str(tmp_path / name))
    return tmp_path


def add(place: Path, name: str = "mine", **network: object) -> ModelInfo:
    """A network in the models folder, put there without the command."""
    file = save_network(place / f"{name}.onnx", **network)  # type: ignore[arg-type]
    return installed.import_file(file, ModelInfo(name=name, file=str(file)))


class TestList:
    def test_tells_what_is_here_and_what_the_licence_allows(self, place: Path) -> None:
        rows = {row["name"]: row for row in json.loads(depthflow("models", "list", "--json", cwd=place).out)}
        assert {
            "builtin",
            "depth-anything-v2-small",
            "depth-anything-v2-base",
            "depth-anything-v2-large",
            "depth-anything-small",
            "midas-small",
            "dpt-large",
            "zoedepth-nyu-kitti",
            "depth-pro",
        } <= rows.keys()
        assert [name for name, row in rows.items() if row["here"]] == ["builtin"]
        assert rows["builtin"]["commercial_use"] == "unclear"
        assert rows["depth-anything-v2-large"]["commercial_use"] == "no"
        assert rows["depth-anything-v2-small"]["get"] == "fetch it with: depthflow models pull depth-anything-v2-small"
        text = depthflow("models", "list", cwd=place).out
        (line,) = [line for line in text.splitlines() if line.startswith("depth-anything-v2-large")]
        assert "CC-BY-NC-4.0" in line
        assert " no " in line

    def test_what_users_write_is_no_markup(self, place: Path) -> None:
        (place / "config").mkdir()
        table = "[models.mine]\nfile = 'x.onnx'\nlicence = '[bold]mine[/no]'\nquality = '[/]'\n"
        (place / "config" / "models.toml").write_text(table)
        done = depthflow("models", "list", cwd=place)
        assert (done.code, "[bold]mine[/no]" in done.out) == (0, True), done

    def test_info_gives_the_note_of_the_licence(self, place: Path) -> None:
        text = depthflow("models", "info", "builtin", cwd=place).out
        assert "mostly research-only" in text
        assert "meaning disparity" in text
        facts = json.loads(depthflow("models", "info", "midas-small", "--json", cwd=place).out)
        assert facts["input"]["fixed"] == [256, 256]
        refused(depthflow("models", "info", "midas-smal", cwd=place), 2, "did you mean 'midas-small'?")


class TestImport:
    def test_copies_checks_and_is_used(self, place: Path, photo: Path) -> None:
        file = save_network(place / "red.onnx", gain=-1.0, shift=2.0)
        options = ("--meaning", "metres", "--mean", "0,0,0", "--std", "1,1,1", "--multiple", "8", "--size", "64")
        done = depthflow("models", "import", file, "--name", "red-1", "--licence", "CC0-1.0", *options, cwd=place)
        assert done.code == 0, done
        assert "rank correlation with the built-in" in done.err
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        file.unlink()
        info = load_registry()["red-1"]
        assert (info.sha256, info.licence, info.verified, info.source) == (digest, "CC0-1.0", True, "local")
        assert (info.output.meaning, info.input.multiple, info.input.size, info.input.mean) == (
            "metres",
            8,
            64,
            (0, 0, 0),
        )
        assert info.path() == (paths.models_dir() / "red-1" / "model.onnx").resolve()
        used = depthflow("depth", photo, "--model", "red-1", "--json", cwd=place)
        assert used.event("done")["model"] == "red-1"
        assert [event for event in used.events if event["event"] == "warning"] == []

    def test_the_file_beside_it_describes_it(self, place: Path) -> None:
        save_network(place / "net.onnx")
        (place / "net.toml").write_text(
            'licence = "MIT"\n[input]\nsize = 96\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n[output]\nmeaning = "depth"\n'
        )
        assert depthflow("models", "import", "net.onnx", "--size", "128", cwd=place).code == 0
        info = load_registry()["net"]
        assert (info.licence, info.input.size, info.output.meaning) == ("MIT", 128, "depth")

    def test_near_and_far_swapped_are_noticed(self, place: Path) -> None:
        # Of the sample photo: its far sky is bright.
        bright_is_near = save_network(place / "bright.onnx")
        dark_is_near = save_network(place / "dark.onnx", gain=-1.0)
        said = {
            file.stem: depthflow("models", "import", file, cwd=place).err for file in (bright_is_near, dark_is_near)
        }
        assert "near and far look swapped" in said["bright"]
        assert "swapped" not in said["dark"]

    @pytest.mark.parametrize(
        ("arguments", "code", "parts"),
        [
            (("nowhere.onnx",), 3, ("nowhere.onnx: no such model file",)),
            (("text.onnx",), 3, ("text.onnx",)),
            (("net.onnx", "--name", "../evil"), 2, ("not a name for a model",)),
            (("net.onnx", "--name", "builtin"), 2, ("the network that ships",)),
            (("net.onnx", "--meaning", "miles"), 2, ("--meaning", "disparity")),
            (("net.onnx", "--mean", "1,2"), 2, ("--mean", "3 numbers")),
            (("net.onnx", "--std", "1,0,1"), 2, ("std must be positive",)),
            (("net.onnx", "--multiple", "0"), 2, ("--multiple",)),
            (("four.onnx",), 3, ("4 channels",)),
            (("flat.onnx",), 3, ("same depth everywhere",)),
        ],
    )
    def test_refuses(self, place: Path, arguments: tuple[str, ...], code: int, parts: tuple[str, ...]) -> None:
        (place / "text.onnx").write_text("this is no network")
        save_network(place / "net.onnx")
        save_network(place / "four.onnx", shape=(1, 4, "h", "w"))
        save_network(place / "flat.onnx", gain=0.0)
        refused(depthflow("models", "import", *arguments, cwd=place), code, *parts)
        assert not paths.models_dir().exists()

    def test_a_wrong_file_beside_it_names_the_key(self, place: Path) -> None:
        save_network(place / "net.onnx")
        (place / "net.toml").write_text("[input]\nsizes = 3\n")
        refused(
            depthflow("models", "import", "net.onnx", cwd=place), 3, "net.toml: input.sizes", "did you mean 'size'?"
        )

    def test_a_name_that_is_taken(self, place: Path) -> None:
        add(place)
        file = save_network(place / "mine.onnx", gain=3.0)
        refused(depthflow("models", "import", file, cwd=place), 2, "there is a model 'mine'", "--overwrite")
        assert depthflow("models", "import", file, "--overwrite", cwd=place).code == 0
        assert load_registry()["mine"].path().read_bytes() == file.read_bytes()

    def test_half_floats(self, place: Path) -> None:
        file = save_network(place / "half.onnx", dtype=TensorProto.FLOAT16)
        assert depthflow("models", "import", file, cwd=place).code == 0

    def test_what_fails_meanwhile_leaves_nothing(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        add(place)
        before = listing(paths.models_dir())

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(installed.shutil, "copyfile", full)
        file = save_network(place / "mine.onnx", gain=3.0)
        with pytest.raises(OSError, match="No space left"):
            installed.import_file(file, ModelInfo(name="mine", file=str(file)), overwrite=True)
        assert listing(paths.models_dir()) == before


class TestRemove:
    def test_takes_the_folder_and_nothing_else(self, place: Path) -> None:
        add(place)
        add(place, "other")
        done = depthflow("models", "remove", "mine", cwd=place)
        assert (done.code, "removed" in done.out) == (0, True)
        assert sorted(path.name for path in paths.models_dir().iterdir()) == ["other"]
        assert (place / "mine.onnx").is_file()
        refused(depthflow("models", "remove", "mine", cwd=place), 2, "unknown model 'mine'")

    @pytest.mark.parametrize(
        ("name", "parts"),
        [
            ("builtin", ("ships with the program",)),
            ("midas-small", ("not on this computer",)),
            ("../config", ("unknown model",)),
            ("..", ("unknown model",)),
            (".", ("unknown model",)),
        ],
    )
    def test_refuses(self, place: Path, name: str, parts: tuple[str, ...]) -> None:
        (place / "config").mkdir()
        add(place)
        refused(depthflow("models", "remove", name, cwd=place), 2, *parts)
        assert (place / "config").is_dir()
        assert load_registry()["mine"].available()

    def test_a_file_elsewhere_stays(self, place: Path) -> None:
        file = save_network(place / "far.onnx")
        (place / "config").mkdir()
        (place / "config" / "models.toml").write_text(f'[models.far]\nfile = "{file.as_posix()}"\n')
        said = refused(depthflow("models", "remove", "far", cwd=place), 2)
        assert "models.toml" in said
        assert file.is_file()

    @LINKS
    def test_of_a_linked_folder_only_the_link_goes(self, place: Path) -> None:
        add(place)
        real = place / "elsewhere"
        (paths.models_dir() / "mine").rename(real)
        (paths.models_dir() / "mine").symlink_to(real)
        entry = real / "entry.toml"
        info = load_registry()["mine"]
        installed.remove(info)
        assert entry.is_file()
        assert list(paths.models_dir().iterdir()) == []

    def test_a_name_that_leaves_the_folder_is_refused_by_the_library_too(self, place: Path) -> None:
        (place / "config").mkdir()
        add(place)
        (paths.models_dir() / "mine" / "b").mkdir()
        for name in ("../config", "", ".", "..", "mine/b", str(place / "config")):
            with pytest.raises(UsageError):
                installed.remove(ModelInfo(name=name, file="model.onnx"))
        assert (place / "config").is_dir()
        assert (paths.models_dir() / "mine" / "b").is_dir()


class TestVerify:
    def test_good_and_altered(self, place: Path) -> None:
        info = add(place)
        installed.write_model(info.path().parent, info.model_copy(update={"sha256": hash_of(info.path())}))
        good = depthflow("models", "verify", "mine", cwd=place)
        assert (good.code, good.out.startswith("mine: ok: SHA-256 as known; ran on ")) == (0, True), good
        stat = info.path().stat()
        data = bytearray(info.path().read_bytes())
        data[-1] ^= 1
        info.path().write_bytes(data)
        # Same size and time: only reading it to the end tells.
        os.utime(info.path(), ns=(stat.st_atime_ns, stat.st_mtime_ns))
        bad = depthflow("models", "verify", "--json", cwd=place)
        assert bad.code == 3
        results = {one["name"]: one for one in json.loads(bad.out)}
        assert (results["builtin"]["ok"], results["mine"]["ok"]) == (True, False)
        assert "SHA-256" in results["mine"]["text"]

    def test_one_that_is_not_here(self, place: Path) -> None:
        done = depthflow("models", "verify", "midas-small", cwd=place)
        assert done.code == 3
        assert "depthflow models pull midas-small" in done.out


def hash_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


class TestBench:
    def test_times_every_provider_here(self, place: Path) -> None:
        add(place)
        done = depthflow("models", "bench", "builtin", "mine", "--runs", "1", "--size", "64", "--json", cwd=place)
        assert done.code == 0, done
        rows = json.loads(done.out)
        cpu = [row for row in rows if row["provider"] == "cpu"]
        assert [row["model"] for row in cpu] == ["builtin", "mine"]
        for row in cpu:
            assert row["error"] == ""
            assert 0 < row["best_ms"] <= row["median_ms"]
            assert max(row["size"]) >= 64
        assert len(rows) == 2 * len(providers.available())
        table = depthflow(
            "models", "bench", "builtin", "--provider", "cpu", "--runs", "1", "--size", "64", cwd=place
        ).out
        assert "median ms" in table.splitlines()[0]
        assert table.splitlines()[1].split()[:2] == ["builtin", "cpu"]

    def test_a_provider_that_is_not_here(self, place: Path) -> None:
        refused(depthflow("models", "bench", "--provider", "qnn", cwd=place), 2, "unknown provider 'qnn'")

    def test_one_that_cannot_run_is_told_in_its_row(self, place: Path) -> None:
        info = add(place)
        info.path().write_text("damaged")
        rows = json.loads(depthflow("models", "bench", "mine", "--provider", "cpu", "--json", cwd=place).out)
        assert "cannot be run on cpu" in rows[0]["error"]
        table = depthflow("models", "bench", "mine", "--provider", "cpu", cwd=place)
        assert table.code == 0
        assert "[ONNXRuntimeError]" in table.out

    def test_the_first_photo_is_not_among_the_timed_ones(self, place: Path) -> None:
        timing = time_model(find_model("builtin"), "cpu", np.zeros((64, 96, 3), np.uint8), runs=1, size=64)
        assert timing.median_s == timing.best_s
        assert timing.load_s > 0


def test_rank_correlation_against_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(5)
    one = random.normal(size=(9, 11)).astype(np.float32)
    for two in (one**3, -one, random.normal(size=one.shape), np.round(one)):
        want = stats.spearmanr(one.ravel(), np.asarray(two).ravel()).statistic
        assert rank_correlation(one, np.asarray(two, np.float32)) == pytest.approx(want, abs=1e-6)
    assert rank_correlation(one, np.zeros_like(one)) == 0


def test_a_model_that_is_not_here_falls_back_only_if_it_may(tmp_path: Path, photo: Path) -> None:
    missing = ("depth", photo, "--model", "midas-small", "--overwrite")
    said = refused(depthflow(*missing, cwd=tmp_path), 3, "'midas-small' is not on this computer")
    assert "depthflow models pull midas-small" in said
    allowed = [depthflow(*missing, "--fallback", "builtin", "--json", cwd=tmp_path)]
    allowed.append(depthflow(*missing, "--json", cwd=tmp_path, DEPTHFLOW_DEPTH_FALLBACK="builtin"))
    for done in allowed:
        assert done.event("done")["model"] == "builtin"
        assert "used 'builtin'" in done.event("warning")["message"]
    refused(depthflow(*missing, "--fallback", "other", cwd=tmp_path), 2, "fallback")
