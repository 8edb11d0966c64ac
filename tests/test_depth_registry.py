"""The model registry: every shipped entry reads, every wrong one is refused with file and key named."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from depth_networks import save_network

from depthflow import paths
from depthflow.depth import verify
from depthflow.depth.registry import ModelInfo, find_model, load_registry, read_registry, usable_model
from depthflow.depth.verify import checked_file, file_sha256, model_sha256
from depthflow.errors import DepthError, UnknownNameError

REMOTE = """
[models.big]
source = "huggingface"
hub = { repo = "someone/big", revision = "0123abc", file = "onnx/model.onnx" }
"""


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHFLOW_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("DEPTHFLOW_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", str(tmp_path / "config"))
    # Whether huggingface_hub is installed here, and what its cache holds, must not matter.
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(try_to_load_from_cache=lambda *_, **__: None))


def registry(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "registry.toml"
    file.write_text(f"schema = 1\n{text}", encoding="utf-8")
    return file


class TestShipped:
    def test_every_entry_reads(self) -> None:
        models = load_registry()
        assert "builtin" in models
        for info in models.values():
            assert info.title
            assert info.licence
            assert info.sha256 or not info.verified or info.source == "builtin"

    def test_builtin_is_there_and_whole(self) -> None:
        info = find_model("builtin")
        assert info.output.meaning == "disparity"
        assert checked_file(info).stat().st_size > 1_000_000

    def test_builtin_by_path_has_its_own_rules(self) -> None:
        assert find_model(str(find_model("builtin").path())).input == find_model("builtin").input


class TestReading:
    def test_user_entries_win(self, tmp_path: Path) -> None:
        table = '[models.builtin]\nsource="local"\nfile="x.onnx"\ntitle="{}"\n'
        (tmp_path / "models" / "builtin").mkdir(parents=True)
        (tmp_path / "models" / "builtin" / "entry.toml").write_text(table.format("written by a command"))
        assert find_model("builtin").title == "written by a command"
        (tmp_path / "config").mkdir()
        save_network(tmp_path / "config" / "x.onnx")
        (tmp_path / "config" / "models.toml").write_text(table.format("mine"))
        assert find_model("builtin").title == "mine"
        assert find_model("builtin").path() == (tmp_path / "config" / "x.onnx").resolve()

    def test_a_folder_that_is_still_being_filled_is_not_read(self, tmp_path: Path) -> None:
        (tmp_path / "models" / ".new.x").mkdir(parents=True)
        (tmp_path / "models" / ".new.x" / "entry.toml").write_text("rubbish")
        assert "builtin" in load_registry()

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[models.m]\nsource = 'local'\n", r"models\.m: source = 'local' needs `file`"),
            ("[models.m]\nfile = 'x'\nsha256 = 'ABC'\n", r"models\.m\.sha256"),
            ("[models.m]\nfile = 'x'\ncolour = 1\n", r"models\.m\.colour"),
            ("[models.m]\nfile = 'x'\n[models.m.input]\nlayout = 'CHW'\n", r"models\.m\.input\.layout"),
            ("[models.m]\nfile = 'x'\n[models.m.input]\nresize = 'stretch'\n", "needs fixed"),
            ("[models.m]\nfile = 'x'\n[models.m.input]\nstd = [1, 0, 1]\n", "std must be positive"),
            ("[models.m]\nfile = 'x'\n[models.m.input]\nmean = [nan, 0, 1]\n", r"models\.m\.input\.mean"),
            ("[models.m]\nfile = 'x'\n[models.m.output]\nmeaning = 'miles'\n", r"models\.m\.output\.meaning"),
            ("[models.m]\nsource = 'huggingface'\n", "needs a table `hub`"),
            ("[models.m]\nsource = 'export'\n", "needs a table `torch`"),
            ("[models.m]\nfile = 'x'\ncommercial_use = 'maybe'\n", r"models\.m\.commercial_use: .*'unclear'"),
            ("[models.m]\nfile = 'x'\nregistry = '/etc'\n", r"models\.m\.registry: no such key"),
            ("[models.m]\nsource='huggingface'\nhub={repo='a/../b', file='x'}\n", r"models\.m\.hub\.repo"),
            ("[models.'../m']\nfile = 'x'\n", r"models\.\.\./m: not a name"),
            ("[model.m]\nfile = 'x'\n", "model: no such key"),
            ("[pulled.m]\nrepo = 'a/b'\n", r"pulled\.m\.file"),
            ("models = 3\n", "tables"),
            ("[models]\nm = 3\n", r"models\.m: a table"),
            ("[models.m\n", "not valid TOML"),
            pytest.param("a = " + "[" * 5000, "nested too deep", id="deep"),
        ],
    )
    def test_wrong_entries_name_file_and_key(self, tmp_path: Path, text: str, said: str) -> None:
        file = registry(tmp_path, text)
        with pytest.raises(DepthError, match=said) as caught:
            read_registry(file)
        assert str(file) in caught.value.message
        assert "\n" not in caught.value.message

    def test_another_schema(self, tmp_path: Path) -> None:
        file = tmp_path / "registry.toml"
        file.write_text("schema = 2\n")
        with pytest.raises(DepthError, match="schema 2 is not 1"):
            read_registry(file)


class TestFinding:
    def test_misspelt(self) -> None:
        with pytest.raises(UnknownNameError) as caught:
            find_model("buildin")
        assert "did you mean 'builtin'?" in caught.value.hint

    def test_onnx_that_is_not_there(self) -> None:
        with pytest.raises(DepthError, match=r"nowhere\.onnx: no such model file"):
            find_model("nowhere.onnx")

    def test_bare_file(self, tmp_path: Path) -> None:
        file = save_network(tmp_path / "mine.onnx")
        info = find_model(str(file))
        assert (info.name, info.bare, info.path()) == ("mine", True, file.resolve())

    def test_not_downloaded_says_what_fetches_it(self, tmp_path: Path) -> None:
        info = read_registry(registry(tmp_path, REMOTE))["big"]
        assert not info.available()
        with pytest.raises(DepthError, match="not on this computer") as caught:
            checked_file(info)
        assert "depthflow models pull big" in caught.value.hint

    def test_downloaded_into_our_folder(self, tmp_path: Path) -> None:
        info = read_registry(registry(tmp_path, REMOTE))["big"]
        own = paths.models_dir() / "big" / "onnx" / "model.onnx"
        own.parent.mkdir(parents=True)
        save_network(own)
        assert info.path() == own.resolve()

    def test_downloaded_into_the_hub_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def look(repo: str, file: str, revision: str) -> str:
            asked.append((repo, file, revision))
            return str(tmp_path / "blob")

        monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(try_to_load_from_cache=look))
        assert read_registry(registry(tmp_path, REMOTE))["big"].path() == tmp_path / "blob"
        assert asked == [("someone/big", "onnx/model.onnx", "0123abc")]


class TestPulled:
    """What was learnt of a fetched file fills the shipped entry, if it is of the very file that the entry names."""

    PULLED = f"""
[pulled.big]
repo = "someone/big"
file = "onnx/model.onnx"
revision = "0123abc"
sha256 = "{"ab" * 32}"
size_mb = 7.5
verified = true
"""

    def read(self, folder: Path, shipped: str, pulled: str) -> ModelInfo:
        first, second = registry(folder / "a", shipped), registry(folder / "b", pulled)
        return load_registry([first, second])["big"]

    def test_fills_what_is_open(self, tmp_path: Path) -> None:
        info = self.read(tmp_path, REMOTE.replace('revision = "0123abc", ', ""), self.PULLED)
        assert info.hub is not None
        assert (info.hub.revision, info.sha256, info.size_mb, info.verified) == ("0123abc", "ab" * 32, 7.5, True)
        assert not self.read(tmp_path, REMOTE, self.PULLED.replace("true", "false")).verified

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("someone/big", "another/big"),
            ("model.onnx", "model_fp16.onnx"),
            ("0123abc", "fedcba9"),
        ],
    )
    def test_of_another_file_nothing_is_taken(self, tmp_path: Path, old: str, new: str) -> None:
        info = self.read(tmp_path, REMOTE, self.PULLED.replace(old, new))
        assert (info.sha256, info.verified) == ("", False)

    def test_a_pinned_checksum_stays(self, tmp_path: Path) -> None:
        info = self.read(tmp_path, f'{REMOTE}sha256 = "{"cd" * 32}"\n', self.PULLED)
        assert (info.sha256, info.verified) == ("cd" * 32, False)


class TestBeside:
    """A TOML file beside a bare .onnx file."""

    def test_its_keys_hold(self, tmp_path: Path) -> None:
        file = save_network(tmp_path / "net.onnx")
        file.with_suffix(".toml").write_text('licence = "MIT"\n[input]\nsize = 96\n[output]\nmeaning = "metres"\n')
        info = find_model(str(file))
        assert (info.licence, info.input.size, info.output.meaning, info.title) == ("MIT", 96, "metres", "net.onnx")
        assert info.bare  # the layout is still the network's to tell
        file.with_suffix(".toml").write_text('[input]\nlayout = "NHWC"\n')
        assert not find_model(str(file)).bare

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[input]\nlayout = 3\n", r"net\.toml: input\.layout"),
            ("hub = 1\n", r"net\.toml: hub: "),
            ("file = 'other.onnx'\n", r"net\.toml: file: "),
            ("input = 3\n", r"net\.toml: input"),
            ("=", r"net\.toml: not valid TOML"),
        ],
    )
    def test_wrong_ones(self, tmp_path: Path, text: str, said: str) -> None:
        file = save_network(tmp_path / "net.onnx")
        file.with_suffix(".toml").write_text(text)
        with pytest.raises(DepthError, match=said):
            find_model(str(file))


class TestFallback:
    def test_only_if_it_is_allowed(self) -> None:
        with pytest.raises(DepthError, match="'midas-small' is not on this computer") as caught:
            usable_model("midas-small")
        assert "depthflow models pull midas-small" in caught.value.hint
        info, note = usable_model("midas-small", "builtin")
        assert info.source == "builtin"
        assert "'midas-small' is not on this computer" in note
        assert "depthflow models pull midas-small" in note

    def test_what_is_here_is_used(self) -> None:
        info, note = usable_model("builtin", "builtin")
        assert (info.name, note) == ("builtin", "")

    def test_a_misspelt_name_or_path_never_falls_back(self) -> None:
        with pytest.raises(UnknownNameError):
            usable_model("midas-smal", "builtin")
        with pytest.raises(DepthError, match="no such model file"):
            usable_model("nowhere.onnx", "builtin")

    def test_one_that_must_be_made_says_how(self) -> None:
        with pytest.raises(DepthError) as caught:
            usable_model("zoedepth-nyu-kitti")
        assert "depthflow models export Intel/zoedepth-nyu-kitti" in caught.value.hint


class TestConfinement:
    @pytest.mark.parametrize("file", ["../secret.onnx", "/etc/passwd", "a/../../b.onnx", "."])
    def test_shipped_entries_stay_in_their_folder(self, tmp_path: Path, file: str) -> None:
        found = read_registry(registry(tmp_path / "r", f"[models.m]\nsource='builtin'\nfile='{file}'\n"))
        with pytest.raises(DepthError, match="leaves"):
            found["m"].path()

    @pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
    def test_a_link_out_of_the_folder(self, tmp_path: Path) -> None:
        file = registry(tmp_path / "r", "[models.m]\nsource='builtin'\nfile='link.onnx'\n")
        (tmp_path / "secret.onnx").write_bytes(b"x")
        (file.parent / "link.onnx").symlink_to(tmp_path / "secret.onnx")
        with pytest.raises(DepthError, match="leaves"):
            read_registry(file)["m"].path()

    def test_hub_file_stays_in_the_models_folder(self, tmp_path: Path) -> None:
        text = REMOTE.replace("onnx/model.onnx", "../../x.onnx")
        with pytest.raises(DepthError, match="leaves"):
            read_registry(registry(tmp_path, text))["big"].path()

    def test_local_may_be_absolute(self, tmp_path: Path) -> None:
        target = (tmp_path / "far" / "x.onnx").as_posix()
        found = read_registry(registry(tmp_path / "r", f"[models.m]\nsource='local'\nfile='{target}'\n"))
        assert found["m"].path() == Path(target)


class TestChecksum:
    def info(self, file: Path, sha256: str) -> ModelInfo:
        return ModelInfo(name="m", file=str(file), sha256=sha256, verified=True)

    def test_right_and_wrong(self, tmp_path: Path) -> None:
        file = save_network(tmp_path / "m.onnx")
        right = hashlib.sha256(file.read_bytes()).hexdigest()
        assert checked_file(self.info(file, right)) == file
        assert model_sha256(self.info(file, "")) == right
        with pytest.raises(DepthError, match="SHA-256 differs"):
            checked_file(self.info(file, "0" * 64))

    def test_altered_file_is_read_again(self, tmp_path: Path) -> None:
        file = tmp_path / "m.onnx"
        file.write_bytes(b"one")
        first = file_sha256(file)
        file.write_bytes(b"two")  # the same size
        os.utime(file, ns=(1, 1))
        assert file_sha256(file) == hashlib.sha256(b"two").hexdigest() != first

    def test_unaltered_file_is_not_read_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "m.onnx"
        file.write_bytes(b"one")
        first = file_sha256(file)
        monkeypatch.setattr(verify.hashlib, "file_digest", None)  # reading would now fail
        assert file_sha256(file) == first

    def test_damaged_memory_is_no_error(self, tmp_path: Path) -> None:
        file = tmp_path / "m.onnx"
        file.write_bytes(b"one")
        memory = paths.cache_dir() / "models-sha256.json"
        memory.parent.mkdir()
        for rubbish in (b"\xff{", b"[1]", b'{"a": 3}'):
            memory.write_bytes(rubbish)
            assert file_sha256(file) == hashlib.sha256(b"one").hexdigest()

    def test_missing_and_empty(self, tmp_path: Path) -> None:
        file = tmp_path / "m.onnx"
        with pytest.raises(DepthError, match="missing"):
            checked_file(self.info(file, ""))
        file.touch()
        with pytest.raises(DepthError, match="empty"):
            checked_file(self.info(file, ""))
