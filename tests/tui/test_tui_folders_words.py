"""Words and signs of watched folders, without any widget."""

from __future__ import annotations

import pytest
from fakes import NOW
from folder_data import HOME, RULES, folder, rules_said, some_lines, some_waiting
from rich.console import Console

from depthflow.tui.folders.words import (
    MISSING,
    PAUSED,
    POLLING,
    WATCHING,
    RulesHere,
    State,
    card,
    count_signs,
    count_words,
    event_lines,
    found_words,
    rules_text,
    short,
    state_of,
    style_of,
    waiting_lines,
)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, WATCHING),
        ({"polling": True}, POLLING),
        ({"polling": True, "paused": True}, PAUSED),
        ({"paused": True, "there": False}, MISSING),
    ],
)
def test_states(facts: dict[str, bool], state: State) -> None:
    assert state_of(folder("a", **facts)) is state


def test_counts_leave_out_what_there_is_none_of() -> None:
    one = folder("a", pending=3, jobs={"queued": 1, "waiting": 2, "done": 5, "failed": 0})
    assert count_signs(one, {}).plain == "◔3 ▪3 ✓5"
    assert count_words(one, {}).plain == "◔ 3 waiting   ▪ 3 queued   ✓ 5 done"
    assert count_words(folder("a"), {}).plain == "no photo came yet"


@pytest.mark.parametrize("width", [24, 40, 76])
def test_a_card_fits_whatever_the_names(width: int) -> None:
    one = folder("x" * 64, preset="y" * 30, root="/" + "deep/" * 40, paused=True, pending=12, jobs={"done": 99999})
    console = Console(width=width, color_system=None, legacy_windows=False)
    with console.capture() as shown:
        console.print(card(one, {}, home=None))
    lines = shown.get().splitlines()
    assert len(lines) == 2
    assert all(len(line) <= width for line in lines)
    assert "◔12 ✓99999" in lines[0]
    assert "paused" in lines[1]
    assert "…" in lines[0]


def test_paths_are_short_at_home_only() -> None:
    assert short(f"{HOME}/Pictures/a", HOME) == "~/Pictures/a"
    assert short(str(HOME), HOME) == "~"
    assert short("/home/adamant", HOME) == "/home/adamant"
    assert short(f"{HOME}/Pictures", None) == f"{HOME}/Pictures"


def test_what_waits_and_what_happened() -> None:
    found = some_waiting()
    lines = waiting_lines(found.model_copy(update={"total": 10}), {}).plain.splitlines()
    assert lines[0:2] == ["IMG_2041.jpg", found.items[0].why]
    assert lines[-1] == "and 7 more"
    told = event_lines(some_lines(), {}, today=NOW).plain.splitlines()
    assert told[0] == "12:00:00 ▶ started  IMG_2040.jpg"
    assert told[2] == "11:46:00 ✓ done     beach/IMG_2039.jpg"
    assert told[4] == "         IMG_2038.jpg: not an image"
    assert told[5] == "11:32:00 ▶ the folder was resumed"
    later = event_lines(some_lines(), {}, today=NOW.replace(day=27)).plain.splitlines()
    assert later[0] == "26 Nov 12:00 ▶ started  IMG_2040.jpg"


def test_rules() -> None:
    text = rules_text(RulesHere.read(rules_said()), {}).plain
    assert text.startswith(f"✓ valid\n\n{RULES}")
    assert text.endswith("Sub-folders named like a preset\n  cinematic\n  beach/night\n\nRules of their own\n  raw")
    wrong = {"message": "/f.toml: afer: unknown key", "hint": "did you mean 'after'?", "line": 1}
    text = rules_text(RulesHere.read(rules_said(text="afer = 1", file="/f.toml", wrong=wrong)), {}).plain
    assert text.startswith("✗ line 1: afer: unknown key\n  did you mean 'after'?\n")


@pytest.mark.parametrize(
    ("photos", "presets", "rules", "whole", "said"),
    [
        (0, [], [], True, "no photos are there yet"),
        (1, ["night"], [], True, "1 photo is there, and becomes a video; 1 sub-folder named like presets: night"),
        (3, list("abcd"), ["."], True, "4 sub-folders named like presets: a, b, c, …; it has rules already"),
        (100_000, [], [], False, "at least 100,000 photos are there, and become videos"),
    ],
)  # fmt: skip
def test_what_lies_in_a_folder(photos: int, presets: list[str], rules: list[str], whole: bool, said: str) -> None:
    found = {"photos": photos, "preset_folders": presets, "rule_files": rules, "whole": whole}
    assert said in found_words(found)


def test_colours_that_rich_does_not_know_are_left_out() -> None:
    assert style_of({"text-success": "#00ff00"}, "text-success", "bold") == "bold #00ff00"
    assert style_of({"text-muted": "auto 60%"}, "text-muted") == "dim"
    assert style_of({"text-error": "ansi_red"}, "text-error") == ""
