"""`depthflow tui` before the interface opens: keys as a table, and terminals in which it cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from depthflow.cli.tui import open_app, print_keys
from depthflow.errors import UsageError
from depthflow.tui.keys import all_keys


def test_all_keys_are_printed_with_those_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "tui.toml").write_text('[keys]\n"go.queue" = "f9"\n', encoding="utf-8")
    print_keys()
    lines = capsys.readouterr().out.splitlines()
    told = [line.split()[:2] for line in lines[1:]]
    for key in all_keys():
        assert [key.id, "f9" if key.id == "go.queue" else key.shown.split()[0]] in told
    assert str(tmp_path / "tui.toml") in lines[-1]


def test_without_a_terminal_it_says_so() -> None:
    with pytest.raises(UsageError, match="needs a terminal"):
        open_app()


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_do_it_is_told(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    with pytest.raises(UsageError, match=f"TERM={term}"):
        open_app()
