"""Where the daemon's socket is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from depthflow import paths


def test_the_socket_lies_in_the_sessions_folder_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DEPTHFLOW_RUNTIME_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert paths.socket_file() == tmp_path / "depthflow" / "depthflowd.sock"
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    monkeypatch.setenv("DEPTHFLOW_STATE_DIR", str(tmp_path / "state"))
    assert paths.socket_file() == tmp_path / "state" / "run" / "depthflowd.sock"


def test_folder_and_socket_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEPTHFLOW_RUNTIME_DIR", str(tmp_path))
    assert paths.socket_file() == tmp_path / "depthflowd.sock"
    monkeypatch.setenv("DEPTHFLOW_SOCKET", str(tmp_path / "other"))
    assert paths.socket_file() == tmp_path / "other"
