"""The cache of depth maps: exact, bounded, least recently used out, and unharmed by processes at the same time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from depthflow.depth.cache import DepthCache, depth_key
from depthflow.depth.registry import InputRule, ModelInfo, OutputRule

F32 = NDArray[np.float32]


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def depth(number: int, shape: tuple[int, int] = (24, 32)) -> F32:
    return np.random.default_rng(number).random(shape).astype(np.float32)


@pytest.fixture
def cache(tmp_path: Path) -> DepthCache:
    return DepthCache(tmp_path / "depth")


def used(cache: DepthCache, number: int, age: float) -> None:
    """Make an entry's last use `age` seconds ago."""
    then = time.time() - age
    os.utime(cache.folder / f"{key(number)}.npz", (then, then))


class TestBasics:
    def test_gives_back_the_very_same_bits(self, cache: DepthCache) -> None:
        assert cache.get(key(1)) is None
        assert cache.put(key(1), depth(1))
        got = cache.get(key(1))
        assert got is not None
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, depth(1))
        assert cache.get(key(2)) is None

    def test_size_and_clear(self, cache: DepthCache) -> None:
        assert (cache.size(), cache.clear()) == (0, 0)
        for i in range(3):
            cache.put(key(i), depth(i))
        assert cache.size() == sum(file.stat().st_size for file in cache.folder.iterdir()) > 0
        (cache.folder / "notes.txt").write_text("not ours")
        assert cache.clear() == 3
        assert [file.name for file in cache.folder.iterdir()] == ["notes.txt"]

    @pytest.mark.parametrize("bad", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n"])
    def test_keys_are_confined(self, cache: DepthCache, bad: str) -> None:
        with pytest.raises(ValueError, match="no key"):
            cache.get(bad)

    def test_default_place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEPTHFLOW_CACHE_DIR", str(tmp_path / "c"))
        assert DepthCache().folder == tmp_path / "c" / "depth"

    def test_nowhere_to_write_is_no_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        cache = DepthCache(tmp_path / "file" / "depth")
        assert not cache.put(key(1), depth(1))
        assert cache.get(key(1)) is None
        assert cache.size() == 0


class TestLimit:
    def test_least_recently_used_goes_first(self, cache: DepthCache) -> None:
        for i in range(4):
            cache.put(key(i), depth(i))
            used(cache, i, age=100 - i)
        cache.max_bytes = cache.size() + 100  # room for four, whose sizes differ by a few bytes
        assert cache.get(key(0)) is not None  # the oldest is used again
        cache.put(key(9), depth(9))
        assert cache.size() <= cache.max_bytes
        assert cache.get(key(1)) is None
        for i in (0, 2, 3, 9):
            assert cache.get(key(i)) is not None

    def test_the_newest_stays_even_if_the_clock_says_otherwise(self, cache: DepthCache) -> None:
        cache.put(key(1), depth(1))
        used(cache, 1, age=-1000)  # from the future
        cache.max_bytes = cache.size() + 10
        cache.put(key(2), depth(2))
        assert cache.get(key(2)) is not None
        assert cache.get(key(1)) is None

    def test_larger_than_the_limit_is_not_stored(self, cache: DepthCache) -> None:
        cache.put(key(1), depth(1))
        cache.max_bytes = cache.size() + 10
        assert not cache.put(key(2), depth(2, (240, 320)))
        assert cache.get(key(1)) is not None

    def test_parts_of_dead_writers_go(self, cache: DepthCache) -> None:
        cache.folder.mkdir()
        old, young = cache.folder / "a.part", cache.folder / "b.part"
        for file in (old, young):
            file.write_bytes(b"half")
        os.utime(old, (1, 1))
        cache.put(key(1), depth(1))
        assert not old.exists()
        assert young.exists()
        os.utime(young, (1, 1))
        assert cache.clear() == 1
        assert list(cache.folder.iterdir()) == []


class TestDamage:
    @pytest.mark.parametrize("part", [0.0, 0.3, 0.99])
    def test_cut_short_is_a_miss_and_removed(self, cache: DepthCache, part: float) -> None:
        cache.put(key(1), depth(1))
        file = cache.folder / f"{key(1)}.npz"
        raw = file.read_bytes()
        file.write_bytes(raw[: int(len(raw) * part)])
        assert cache.get(key(1)) is None
        assert not file.exists()

    def test_flipped_bytes_are_found_by_the_checksum(self, cache: DepthCache) -> None:
        cache.put(key(1), depth(1))
        file = cache.folder / f"{key(1)}.npz"
        raw = file.read_bytes()
        rng = np.random.default_rng(0)
        for _ in range(40):
            damaged = bytearray(raw)
            damaged[int(rng.integers(60, len(raw) - 120))] ^= 0xFF
            file.write_bytes(bytes(damaged))
            got = cache.get(key(1))
            assert got is None or np.array_equal(got, depth(1))

    def test_every_damage_to_the_archives_table_is_a_miss(self, cache: DepthCache) -> None:
        cache.put(key(1), np.zeros((2, 2), np.float32))
        file = cache.folder / f"{key(1)}.npz"
        raw = file.read_bytes()
        for spot in range(len(raw)):
            for bits in (0x01, 0x40, 0xFF):  # of a flag, 1 says that the file is encrypted
                damaged = bytearray(raw)
                damaged[spot] ^= bits
                file.write_bytes(bytes(damaged))
                got = cache.get(key(1))
                assert got is None or np.array_equal(got, np.zeros((2, 2)))

    @pytest.mark.parametrize(
        "content",
        [{"depth": np.zeros((3, 3))}, {"other": depth(1)}, {"depth": np.zeros(4, np.float32)},
         {"depth": np.full((2, 2), np.nan, np.float32)}],
    )  # fmt: skip
    def test_other_arrays(self, cache: DepthCache, content: dict[str, F32]) -> None:
        cache.folder.mkdir()
        np.savez(cache.folder / f"{key(1)}.npz", **content)
        assert cache.get(key(1)) is None

    def test_pickles_are_not_run(self, cache: DepthCache) -> None:
        cache.folder.mkdir()
        np.savez(cache.folder / f"{key(1)}.npz", depth=np.array([[{}]], object))
        assert cache.get(key(1)) is None


_WORKER = """
import hashlib, sys, time
import numpy as np
from pathlib import Path
from depthflow.depth.cache import DepthCache

cache = DepthCache(Path(sys.argv[1]), max_bytes=int(sys.argv[2]))
rng = np.random.default_rng(int(sys.argv[3]))
hits = 0
end = time.monotonic() + 1.5
while time.monotonic() < end:
    number = int(rng.integers(0, 12))
    key = hashlib.sha256(str(number).encode()).hexdigest()
    want = np.random.default_rng(number).random((24, 32)).astype(np.float32)
    got = cache.get(key)
    if got is not None:
        hits += 1
        assert np.array_equal(got, want), "another map under this key"
    # Windows refuses to replace a file that another process reads at this moment.
    assert cache.put(key, want) or sys.platform == "win32", "a put was refused"
print(hits)
"""


def test_many_processes_in_one_folder(tmp_path: Path) -> None:
    probe = DepthCache(tmp_path / "probe")
    probe.put(key(0), depth(0))
    limit = probe.size() * 6  # half of the keys fit, so entries are dropped all the time
    folder = tmp_path / "depth"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(folder), str(limit), str(i)], stdout=subprocess.PIPE, text=True
        )
        for i in range(4)
    ]
    hits = [int(worker.communicate(timeout=60)[0] or -1) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    assert min(hits) > 0
    cache = DepthCache(folder, max_bytes=limit)
    cache.put(key(0), depth(0))
    assert cache.size() <= limit
    assert not list(folder.glob("*.part"))


class TestKey:
    model = ModelInfo(name="m", file="m.onnx", sha256="a" * 64)

    def test_everything_that_changes_the_map_changes_the_key(self) -> None:
        keys = [
            depth_key("p1", self.model),
            depth_key("p2", self.model),
            depth_key("p1", self.model, size=512),
            depth_key("p1", self.model, flip=True),
            depth_key("p1", self.model, tiles=2),
            depth_key("p1", self.model, percentile=1.0),
            depth_key("p1", self.model.model_copy(update={"sha256": "b" * 64})),
            depth_key("p1", self.model.model_copy(update={"input": InputRule(size=400)})),
            depth_key("p1", self.model.model_copy(update={"output": OutputRule(meaning="metres")})),
        ]
        assert len(set(keys)) == len(keys)
        assert all(len(k) == 64 for k in keys)

    def test_names_and_places_do_not(self) -> None:
        other = self.model.model_copy(update={"name": "n", "title": "t", "registry": Path("x"), "file": "y"})
        assert depth_key("p1", other) == depth_key("p1", self.model)
