"""`depthflow cache` shows what is kept and clears it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import depthflow


@pytest.fixture
def folder(tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one map."""
    monkeypatch.setenv("DEPTHFLOW_CACHE_DIR", str(tmp_path / "cache"))
    assert depthflow("depth", photo, "--network-size", "64", "-q", cwd=tmp_path).code == 0
    return tmp_path / "cache" / "depth"


def test_show_and_clear(folder: Path, tmp_path: Path) -> None:
    facts = json.loads(depthflow("cache", "show", "--json", cwd=tmp_path).out)
    (file,) = folder.iterdir()
    assert facts == {"folder": str(folder), "maps": 1, "bytes": file.stat().st_size, "limit_bytes": 1024 * 10**6}
    shown = depthflow("cache", "show", cwd=tmp_path)
    assert shown.out.splitlines()[0] == str(folder)
    assert shown.out.splitlines()[1].startswith("1 depth maps, 0.")
    (folder / "notes.txt").write_text("not ours")
    assert depthflow("cache", "clear", cwd=tmp_path).out.startswith("1 depth maps removed, 0.")
    assert [left.name for left in folder.iterdir()] == ["notes.txt"]
    assert depthflow("cache", "clear", cwd=tmp_path).out.startswith("0 depth maps removed")


def test_a_cache_that_is_switched_off(tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHFLOW_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DEPTHFLOW_CACHE_DEPTH_MEGABYTES", "0")
    depthflow("depth", photo, "--network-size", "64", "-q", cwd=tmp_path)
    assert "new ones are not kept" in depthflow("cache", "show", cwd=tmp_path).out
    assert not list((tmp_path / "cache").glob("depth/*"))
