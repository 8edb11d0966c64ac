"""`depthflow motions`, `presets` and `make --schema`: what they print can be read by people and by programs."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from running import depthflow, listing, refused

from depthflow import paths
from depthflow.jobs.spec import json_schema


@pytest.mark.parametrize("kind", ["motions", "presets"])
def test_every_file_of_the_library_is_listed_with_its_description(kind: str, tmp_path: Path) -> None:
    files = {file.stem: file for file in paths.data("config", kind).glob("*.toml")}
    listed = json.loads(depthflow(kind, "list", "--json", cwd=tmp_path).out)
    assert {row["name"]: row["path"] for row in listed} == {name: str(file) for name, file in files.items()}
    for row in listed:
        assert row["description"] == tomllib.loads(files[row["name"]].read_text())["description"]
    done = depthflow(kind, "list", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    for row in listed:
        assert any(line.split()[:1] == [row["name"]] for line in done.out.splitlines()), row["name"]


@pytest.mark.parametrize(("kind", "name"), [("motions", "orbital"), ("presets", "vertigo")])
def test_what_is_shown_is_the_file_and_can_be_used_as_one(kind: str, name: str, tmp_path: Path) -> None:
    shown = depthflow(kind, "show", name, cwd=tmp_path)
    assert (shown.code, shown.err) == (0, "")
    file = paths.data("config", kind, f"{name}.toml")
    assert tomllib.loads(shown.out) == tomllib.loads(file.read_text())
    assert str(file) in shown.out.splitlines()[0]
    (tmp_path / "mine.toml").write_text(shown.out)
    assert depthflow(kind, "show", "mine.toml", cwd=tmp_path).code == 0


def test_the_users_own_motions_are_found(tmp_path: Path) -> None:
    (tmp_path / "motions").mkdir()
    (tmp_path / "motions" / "sway.toml").write_text('description = "mine"\ncomponents = []\n')
    env = {"DEPTHFLOW_CONFIG_DIR": str(tmp_path)}
    listed = json.loads(depthflow("motions", "list", "--json", cwd=tmp_path, **env).out)
    assert [row["description"] for row in listed if row["name"] == "sway"] == ["mine"]
    refused(depthflow("motions", "show", "swya", cwd=tmp_path, **env), 2, "did you mean 'sway'?")
    (tmp_path / "motions" / "sway.toml").write_text('components = [{parameter = "x", kind = "sin", amount = 1}]')
    refused(depthflow("motions", "show", "sway", cwd=tmp_path, **env), 2, "sway.toml: components.0.kind")


@pytest.mark.parametrize("kind", ["motions", "presets"])
def test_a_file_that_is_wrong_is_a_note_and_the_others_are_listed(kind: str, tmp_path: Path) -> None:
    own, text = tmp_path / kind, paths.data("config", kind, "orbital.toml").read_text()
    own.mkdir()
    (own / "broken.toml").write_text("garbage")
    (own / "latin.toml").write_bytes(b"description = '\xff'")
    (own / "folder.toml").mkdir()
    (own / "wrong.toml").write_text("colour = 3")
    (own / "mine.toml").write_text(text)
    (own / "My Look.toml").write_text(text)
    env = {"DEPTHFLOW_CONFIG_DIR": str(tmp_path)}
    everything = {file.stem for file in paths.data("config", kind).glob("*.toml")} | {"mine"}
    done = depthflow(kind, "list", "--json", cwd=tmp_path, **env)
    assert done.code == 0
    assert {row["name"] for row in json.loads(done.out)} == everything
    left_out = ["broken", "folder", "latin", "wrong", "My Look"]
    notes = done.err.splitlines()
    assert len(notes) == len(left_out)
    for name, note in zip(left_out, notes, strict=True):
        assert note.startswith("note: ")
        assert str(own / f"{name}.toml") in note
        assert "left out" in note
    assert "begins with a letter or a digit" in notes[-1]
    for_people = depthflow(kind, "list", cwd=tmp_path, **env)
    assert (for_people.code, for_people.err) == (0, done.err)
    assert "mine" in for_people.out
    # By that name it cannot be asked for, and that is said; by its path it can.
    refused(depthflow(kind, "show", "My Look", cwd=tmp_path, **env), 2, "My Look.toml is no", "rename it")
    assert depthflow(kind, "show", str(own / "My Look.toml"), cwd=tmp_path, **env).code == 0


def test_the_schema_is_the_published_one(tmp_path: Path) -> None:
    done = depthflow("make", "--schema", cwd=tmp_path)
    assert json.loads(done.out) == json_schema()
    assert listing(tmp_path) == {}


def test_the_version_is_told(tmp_path: Path) -> None:
    from depthflow import __version__

    assert depthflow("--version", cwd=tmp_path).out == f"depthflow {__version__}\n"


@pytest.mark.parametrize("command", [(), ("render",), ("make",), ("presets", "show")], ids=" ".join)
def test_help_names_the_exit_codes_or_the_command(command: tuple[str, ...], tmp_path: Path) -> None:
    done = depthflow(*command, "--help", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert f"Usage: {' '.join(('depthflow', *command))}" in done.out
    if command in ((), ("render",)):
        assert "0 ok · 2 wrong usage · 3 bad input" in done.out


def test_the_help_of_render_has_every_option_that_scripts_rely_on(tmp_path: Path) -> None:
    words = set(depthflow("render", "--help", cwd=tmp_path).out.replace("│", " ").split())
    relied_on = (
        "-o --output --size --fps --duration --loops --format --quality --crf --encoder-preset --preset --motion "
        "--strength --relief --focus --zoom --model --depth --invert-depth --seed --gl-backend --provider --encoder "
        "--json --quiet --overwrite --no-overwrite --recursive"
    )
    assert set(relied_on.split()) <= words
