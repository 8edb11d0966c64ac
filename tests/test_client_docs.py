"""The examples of docs/client.md do what they say, against a daemon."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest
from daemon_api import daemon
from typer.main import get_command

from depthflow.cli import app

TEXT = (Path(__file__).parents[1] / "docs" / "client.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["sync", "async"])
def test_examples_in_python_run(
    example: str, photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (photo.parent / "photo.jpg").write_bytes(photo.read_bytes())
    with daemon() as running:
        monkeypatch.setenv("DEPTHFLOW_SOCKET", str(running.socket))
        monkeypatch.chdir(photo.parent)
        over = threading.Event()

        def work() -> None:
            while not running.store.counts()["queued"] and not over.wait(0.02):
                pass
            running.finish()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            exec(compile(example, "docs/client.md", "exec"), {})  # noqa: S102 - our own text
        finally:
            over.set()
            thread.join()
    if "clip.mp4" in example:
        assert (photo.parent / "clip.mp4").read_bytes() == b"0123456789"
    else:
        assert capsys.readouterr().out.splitlines()[-2:] == ["done None", "1 photo.jpg"]


def test_commands_in_the_page_are_there() -> None:
    group: Any = get_command(app)
    shown = re.findall(r"^depthflow (\w+) ?(.*?)(?:  +#.*)?$", TEXT, flags=re.MULTILINE)
    assert {name for name, _ in shown} == {
        *("submit", "jobs", "show", "tail", "cancel", "retry", "priority", "pause", "resume")
    }
    for name, rest in shown:
        command = group.commands[name]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        asked = {word for word in rest.split() if word.startswith("-") and word != "-"}
        assert asked <= known, (name, asked - known)
