"""`depthflow daemon folders` as a user meets it: it edits their settings, and refuses what would not work."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from houses import House
from running import Done, depthflow_here, refused

MINE = """# my daemon
drain_seconds = 5.0   # soon

[engine]
workers = 1   # one is enough
"""


class Desk:
    """A user's settings file and folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "config" / "depthflowd.toml"
        self.file.parent.mkdir()
        self.file.write_text(MINE)
        for name in ("drop", "other"):
            (root / name).mkdir()

    def does(self, *args: str | Path, data: str = "") -> Done:
        env = {"DEPTHFLOW_CONFIG_DIR": str(self.file.parent), "DEPTHFLOW_STATE_DIR": str(self.root / "state")}
        return depthflow_here("daemon", "folders", *args, cwd=self.root, data=data.encode(), **env)

    def ok(self, *args: str | Path, data: str = "") -> str:
        done = self.does(*args, data=data)
        assert done.code == 0, done.err
        return done.out

    def says(self, *args: str | Path, data: str = "") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ok(*args, "--json", data=data))
        return found

    @property
    def table(self) -> dict[str, Any]:
        return tomllib.loads(self.file.read_text())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_folder_is_added_changed_listed_and_removed(desk: Desk) -> None:
    said = desk.ok("add", "drop", "out", "--preset", "cinematic")
    assert said == f"drop is watched: {desk.root}/drop -> {desk.root}/out\nno daemon runs (depthflow daemon start)\n"
    assert desk.file.read_text() == MINE + (
        f'\n[[folders]]\nname = "drop"\nin = "{desk.root}/drop"\nout = "{desk.root}/out"\npreset = "cinematic"\n'
    )
    assert desk.ok("list") == f"drop: {desk.root}/drop -> {desk.root}/out with cinematic\n"
    desk.ok("set", "drop", "--name", "holidays", "--no-preset", "--archive", "old", "--paused")
    (folder,) = desk.says("list")["folders"]
    assert folder == {
        "name": "holidays", "in": f"{desk.root}/drop", "out": f"{desk.root}/out", "archive": f"{desk.root}/old",
        "preset": None, "paused": True, "there": True,
    }  # fmt: skip
    assert desk.ok("list").endswith("(paused)\n")
    assert "holidays is not watched any more" in desk.ok("remove", "holidays")
    assert desk.file.read_text() == MINE
    assert (desk.root / "drop").is_dir()
    assert "has no folders" in desk.ok("list")


def test_names_are_made_of_the_folders(desk: Desk) -> None:
    (desk.root / "Fotos März 2026!").mkdir()
    (desk.root / "雪").mkdir()
    (desk.root / "other" / "drop").mkdir()
    for place in ("drop", "other/drop", "Fotos März 2026!", "雪"):
        desk.ok("add", place, "out")
    names = [folder["name"] for folder in desk.table["folders"]]
    assert names == ["drop", "drop-2", "Fotos-Marz-2026", "folder"]


def test_a_dry_run_tells_what_is_there_and_writes_nothing(desk: Desk) -> None:
    for place in ("a.jpg", "cinematic/b.PNG", "cinematic/c.heic", "plain/orbital/d.jpg", ".hidden/e.jpg", "out/f.jpg"):
        file = desk.root / "drop" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    (desk.root / "drop" / "plain" / ".depthflow.toml").write_text("")
    found = desk.says("add", "drop", "drop/out", "--dry-run")
    assert found["found"] == {
        "photos": 4, "preset_folders": ["cinematic", "plain/orbital"], "rule_files": ["plain"], "whole": True,
    }  # fmt: skip
    assert (found["written"], found["daemon"], found["name"]) == (False, None, "drop")
    assert tomllib.loads(found["text"])["folders"][0]["name"] == "drop"
    assert desk.file.read_text() == MINE
    done = desk.does("add", "drop", "drop/out", "--dry-run")
    assert "4 photos are there; folders with a preset: cinematic, plain/orbital" in done.err
    assert done.out == found["text"]


@pytest.mark.parametrize(
    ("args", "code", "parts"),
    [
        (["add", "drop", "drop"], 2, ["results would lie among the photos"]),
        (["add", "drop", "out", "--preset", "cinematc"], 2, ["unknown preset 'cinematc'", "did you mean 'cinematic'?"]),
        (["add", "drop", "out", "--name", "a b"], 2, ["folders.0.name", "up to 64 letters"]),
        (["add", "nowhere", "out"], 2, ["there is no such folder", "--create makes it"]),
        (["add", "config/depthflowd.toml", "out"], 3, ["is no folder"]),
        (["set", "drp", "--paused"], 2, ["unknown folder 'drp'", "known: none"]),
        (["remove", "drop"], 2, ["unknown folder 'drop'"]),
    ],
)
def test_what_would_not_work_is_refused_and_changes_nothing(
    desk: Desk, args: list[str], code: int, parts: list[str]
) -> None:
    refused(desk.does(*args), code, *parts)
    assert desk.file.read_text() == MINE


def test_a_folder_within_a_watched_one_is_refused(desk: Desk) -> None:
    desk.ok("add", "drop", "out")
    before = desk.file.read_text()
    (desk.root / "drop" / "deep").mkdir()
    refused(desk.does("add", "drop/deep", "out2"), 2, "'deep' and 'drop' watch the same photos")
    refused(desk.does("add", "other", "out", "--name", "drop"), 2, "two of them are called 'drop'")
    refused(desk.does("set", "drop"), 2, "nothing to change")
    refused(desk.does("set", "drop", "--preset", "night", "--no-preset"), 2, "exclude each other")
    refused(desk.does("set", "dro", "--paused"), 2, "did you mean 'drop'?")
    assert desk.file.read_text() == before


def test_a_missing_folder_can_be_made(desk: Desk) -> None:
    desk.ok("add", "new/deep", "out", "--create", "--dry-run")
    assert not (desk.root / "new").exists()
    desk.ok("add", "new/deep", "out", "--create")
    assert (desk.root / "new" / "deep").is_dir()


def test_a_mistake_in_the_file_can_be_mended_from_here(desk: Desk) -> None:
    desk.ok("add", "drop", "out")
    desk.file.write_text(desk.file.read_text() + 'preset = "cinematc"\n')
    refused(desk.does("list"), 2, "unknown preset 'cinematc'")
    desk.ok("set", "drop", "--preset", "cinematic")
    assert desk.table["folders"][0]["preset"] == "cinematic"
    desk.file.write_text("a = [\n")
    refused(desk.does("remove", "drop"), 2, "not valid TOML")


def test_rules_are_shown_changed_and_checked(desk: Desk) -> None:
    desk.ok("add", "drop", "out")
    rules = desk.root / "drop" / ".depthflow.toml"
    found = desk.says("rules", "drop")
    assert (found["there"], found["valid"], found["text"], found["wrong"]) == (False, True, "", None)
    rules.write_text("# the family's\n\n[motion]   # slower\nstrength = 0.5\n")
    desk.ok("rules", "drop", "--set", "after=archive", "--set", "settle.mode=rename", "--outputs", "mp4,gif")
    assert rules.read_text() == (
        '# the family\'s\n\nafter = "archive"\n\n[motion]   # slower\nstrength = 0.5\n\n[settle]\nmode = "rename"\n\n'
        '[[outputs]]\nformat = "mp4"\n\n[[outputs]]\nformat = "gif"\n'
    )
    found = desk.says("rules", "drop", "--unset", "after", "--outputs", "gif")
    assert (found["after"], found["settle"], found["outputs"]) == (None, {"mode": "rename"}, ["gif"])
    assert found["other"] == ["motion"]
    before = rules.read_text()
    done = desk.does("rules", "drop", "--set", "after=burn")
    refused(done, 2, str(rules), "after", "archive")
    assert rules.read_text() == before


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("after = \n", 1, "not valid TOML"),
        ('preset = "night"\n\n[settle]\nmode = "slow"\n', 4, "settle.mode"),
        ("\nafer = 'keep'\n", 2, "did you mean 'after'?"),
        ("[motion]\nname = 'orbital'\nstrength = 'much'\n", 3, "motion.strength"),
        ('preset = "nigth"\n', 1, "did you mean 'night'?"),
        ("[[outputs]]\nformat = 'mp4'\n[[outputs]]\nformat = 'mp5'\n", 4, "mp5"),
    ],
)
def test_a_mistake_in_rules_is_told_with_its_line_and_not_written(desk: Desk, text: str, line: int, said: str) -> None:
    desk.ok("add", "drop", "out")
    done = desk.does("rules", "drop", "--write", "--json", data=text)
    wrong = json.loads(done.out)["wrong"]
    assert wrong["line"] == line, wrong
    assert said in f"{wrong['message']} {wrong['hint']}"
    assert str(desk.root / "drop" / ".depthflow.toml") in wrong["message"]
    assert done.code == 2
    assert not (desk.root / "drop" / ".depthflow.toml").exists()


def test_rules_of_a_sub_folder_and_none_outside(desk: Desk) -> None:
    desk.ok("add", "drop", "out")
    (desk.root / "drop" / "deep").mkdir()
    desk.ok("rules", "drop", "--within", "deep", "--write", data="hold = true\n")
    assert (desk.root / "drop" / "deep" / ".depthflow.toml").read_text() == "hold = true\n"
    for place in ("..", "nowhere", "/"):
        refused(desk.does("rules", "drop", "--within", place, "--write", data="hold = true\n"), 2, "no folder in")
    (desk.root / "drop" / "link").symlink_to(desk.root / "other")
    refused(desk.does("rules", "drop", "--within", "link", "--write", data="hold = true\n"), 2, "no folder in")
    assert not list((desk.root / "other").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_running_daemon_takes_the_change_at_once(house: House) -> None:
    pid = house.start()
    (house.root / "second").mkdir()
    done = house.does("folders", "add", "second", "out2")
    assert (done.code, f"process {pid} reads its folders again" in done.out) == (0, True), done.err
    house.until("folders read again: 2 watched")
    with house.client() as client:
        assert [folder.name for folder in client.folders()] == ["drop", "second"]
    assert house.does("folders", "remove", "drop").code == 0
    house.until("folders read again: 1 watched")
    assert house.does("stop", "--now").code == 0
