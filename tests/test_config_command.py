"""`depthflow config` as a user meets it: in a process of its own, with files, variables and editors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from depthflow.settings import KEYS

# The sub-app alone, with what the main command does to errors; the main command has tests of its own.
_MAIN = """
import sys
from depthflow.cli.config import app
from depthflow.errors import DepthFlowError
try:
    app()
except DepthFlowError as error:
    print(f"error: {error.message}", f"hint: {error.hint}", sep="\\n", file=sys.stderr)
    sys.exit(error.exit_code)
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my config" / "depthflow.toml"


@pytest.fixture
def run(file: Path, tmp_path: Path) -> Run:
    def run(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("DEPTHFLOW_")}
        for name in ("VISUAL", "EDITOR"):
            clean.pop(name, None)
        return subprocess.run(
            [sys.executable, "-c", _MAIN, *args],
            env={**clean, "DEPTHFLOW_CONFIG_DIR": str(file.parent), "COLUMNS": "200", **environ},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return run


class TestShow:
    def test_lists_every_key_with_value_and_origin(self, run: Run, file: Path) -> None:
        run("set", "output.size", "4k")
        done = run("show", DEPTHFLOW_OUTPUT_FPS="60")
        rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in done.stdout.splitlines()}
        assert set(KEYS) <= rows.keys()
        assert [cell.strip() for cell in rows["output.fps"]] == ["60.0", "DEPTHFLOW_OUTPUT_FPS"]
        assert [cell.strip() for cell in rows["output.size"]] == ['"4k"', str(file)]
        assert [cell.strip() for cell in rows["render.edge"]] == ['"zoom"', "default"]

    def test_json_has_values_with_their_types(self, run: Run) -> None:
        data = json.loads(run("show", "--json").stdout)
        assert list(data) == list(KEYS)
        assert data["output.fps"] == {"value": 30.0, "origin": "default"}
        assert data["output.overwrite"] == {"value": False, "origin": "default"}

    def test_one_key_and_one_section(self, run: Run) -> None:
        assert list(json.loads(run("show", "camera.fov", "--json").stdout)) == ["camera.fov"]
        section = json.loads(run("show", "camera", "--json").stdout)
        assert list(section) == ["camera.focus", "camera.zoom", "camera.fov"]

    def test_an_unknown_key(self, run: Run) -> None:
        done = run("show", "output.fsp")
        assert done.returncode == 2
        assert "did you mean 'output.fps'?" in done.stderr

    def test_a_misspelt_variable_is_warned_of_on_stderr(self, run: Run) -> None:
        done = run("show", "--json", DEPTHFLOW_OUTPTU_FPS="60")
        assert json.loads(done.stdout)["output.fps"]["value"] == 30.0
        assert "DEPTHFLOW_OUTPUT_FPS?" in done.stderr

    def test_brackets_in_a_value_are_shown_as_they_are(self, run: Run) -> None:
        assert "[red]x" in run("show", "motion.name", DEPTHFLOW_MOTION_NAME="[red]x").stdout

    def test_a_narrow_terminal_loses_no_letter(self, run: Run, file: Path) -> None:
        run("set", "output.fps", "60")
        head, *rows = run("show", "output.fps", COLUMNS="40").stdout.splitlines()
        assert all(len(row) <= 40 for row in rows)
        cell = "".join(row[head.index("from") :] for row in rows)
        assert "".join(cell.split()) == "".join(str(file).split())


class TestSetAndUnset:
    def test_set_writes_the_file_and_unset_takes_it_back(self, run: Run, file: Path) -> None:
        done = run("set", "output.size", "1080P")
        assert (done.returncode, done.stdout) == (0, f'output.size = "1080p"  ({file})\n')
        assert tomllib.loads(file.read_text()) == {"output": {"size": "1080p"}}
        assert run("unset", "output.size").stdout == f"output.size is out of {file}\n"
        assert tomllib.loads(file.read_text()).get("output", {}) == {}
        assert run("unset", "output.size").stdout == f"output.size was not in {file}\n"

    def test_a_negative_number(self, run: Run, file: Path) -> None:
        assert run("set", "--", "motion.strength", "-2").returncode == 0
        assert tomllib.loads(file.read_text()) == {"motion": {"strength": -2.0}}

    def test_a_refused_value(self, run: Run, file: Path) -> None:
        done = run("set", "output.fps", "9999")
        assert done.returncode == 2
        assert done.stderr.count("output.fps") == 1
        assert "at most 480" in done.stderr
        assert not file.exists()

    def test_says_when_a_variable_wins(self, run: Run) -> None:
        done = run("set", "output.fps", "24", DEPTHFLOW_OUTPUT_FPS="60")
        assert done.returncode == 0
        assert "DEPTHFLOW_OUTPUT_FPS is set and wins" in done.stderr

    def test_says_what_else_is_wrong_in_the_file(self, run: Run, file: Path) -> None:
        file.parent.mkdir()
        file.write_text("[output]\nfpss = 24\n")
        done = run("set", "output.fps", "24")
        assert done.returncode == 0
        assert "output.fpss: unknown key" in done.stderr
        assert run("unset", "output.fpss").stderr == ""


class TestPathAndSchema:
    def test_path_is_printed_though_the_file_is_broken(self, run: Run, file: Path) -> None:
        file.parent.mkdir()
        file.write_text("[")
        assert run("path").stdout == f"{file}\n"

    def test_schema_is_json(self, run: Run) -> None:
        assert json.loads(run("schema").stdout)["properties"].keys() >= {"output", "camera", "depth"}


class TestEdit:
    @pytest.fixture
    def editor(self, tmp_path: Path) -> Callable[[str], str]:
        """An editor: a program that writes this text into the file it is given; its path has a space in it."""

        def editor(text: str) -> str:
            script = tmp_path / "my editor.py"
            script.write_text(
                f"import sys, pathlib\nf = pathlib.Path(sys.argv[2])\nprint(f.read_text())\n"
                f"assert sys.argv[1] == '--wait'\nf.write_text({text!r})\n"
            )
            return f'"{sys.executable}" "{script}" --wait'

        return editor

    def test_makes_the_file_with_a_commented_head(self, run: Run, file: Path, editor: Callable[[str], str]) -> None:
        done = run("edit", EDITOR=editor("[output]\nfps = 25\n"))
        assert done.returncode == 0, done.stderr
        head, last = done.stdout.rstrip("\n").rsplit("\n", 1)
        assert all(line.startswith("#") or not line for line in head.splitlines())
        assert last == f"{file} is valid"
        assert file.read_text() == "[output]\nfps = 25\n"

    def test_visual_comes_before_editor(self, run: Run, file: Path, editor: Callable[[str], str]) -> None:
        run("edit", VISUAL=editor("# visual\n"), EDITOR="false")
        assert file.read_text() == "# visual\n"

    def test_says_what_is_wrong_and_keeps_the_text(self, run: Run, file: Path, editor: Callable[[str], str]) -> None:
        done = run("edit", EDITOR=editor("[output]\nfps = 9999\n"))
        assert done.returncode == 2
        assert f"{file}: output.fps" in done.stderr
        assert file.read_text() == "[output]\nfps = 9999\n"
        assert f"{file}:1: not valid TOML" in run("edit", EDITOR=editor("fps\n")).stderr

    def test_no_shell_reads_the_variable(self, run: Run, tmp_path: Path) -> None:
        done = run("edit", EDITOR=f"no-such-editor; touch {tmp_path / 'owned'}")
        assert done.returncode == 2
        assert "'no-such-editor;' cannot be started" in done.stderr
        assert not (tmp_path / "owned").exists()

    def test_an_editor_that_fails(self, run: Run) -> None:
        done = run("edit", EDITOR=f'"{sys.executable}" -c "raise SystemExit(3)"')
        assert done.returncode == 2
        assert "ended with code 3" in done.stderr

    def test_an_unclosed_quote(self, run: Run) -> None:
        done = run("edit", EDITOR='"vim')
        assert (done.returncode, "EDITOR" in done.stderr) == (2, True)

    def test_no_editor_at_all(self, run: Run, file: Path) -> None:
        done = run("edit", PATH="")
        assert done.returncode == 2
        assert "set EDITOR" in done.stderr
        assert str(file) in done.stderr


def test_the_module_is_light() -> None:
    """`depthflow --help` imports it: pydantic, rich's tables and the spec must wait."""
    code = "import sys, depthflow.cli.config; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"pydantic", "numpy", "rich.table", "depthflow.settings", "depthflow.jobs", "tomli_w", "platformdirs"}
    assert heavy & set(loaded.split()) == set()
