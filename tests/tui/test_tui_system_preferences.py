"""Preferences, themes and keys, without a screen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from depthflow.errors import OutputError
from depthflow.tui import keys
from depthflow.tui.keys import Key
from depthflow.tui.preferences import PHOTOS, Preferences
from depthflow.tui.themes import DEFAULT, THEMES

TEXTS = (
    "foreground", "primary", "secondary", "accent", "success", "warning", "error", "text-muted", "text-primary",
    "text-secondary", "text-accent", "text-success", "text-warning", "text-error", "footer-key-foreground",
)  # fmt: skip
GROUNDS = ("background", "surface", "panel")
PAIRS = (
    ("block-cursor-foreground", "block-cursor-background"),
    ("block-cursor-blurred-foreground", "block-cursor-blurred-background"),
    ("button-color-foreground", "primary"),
    ("button-color-foreground", "error"),
    ("footer-description-foreground", "footer-background"),
    ("foreground", "boost"),
    ("text-muted", "boost"),
    ("foreground", "block-hover-background"),
)


def luminance(colour: str) -> float:
    """Of WCAG 2.2, worked out from its formula."""
    parts = [part / 255 for part in Color.parse(colour).rgb]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, two: str) -> float:
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_gives_the_known_contrasts() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_text_can_be_read_on_every_ground(theme: object) -> None:
    colours = theme.to_color_system().generate()  # type: ignore[attr-defined]
    least = 7.0 if theme.name == "depthflow-contrast" else 4.5  # type: ignore[attr-defined]
    pairs = [(text, ground) for text in TEXTS for ground in GROUNDS] + list(PAIRS)
    bad = {pair: round(ratio, 2) for pair in pairs if (ratio := contrast(colours[pair[0]], colours[pair[1]])) < least}
    assert bad == {}


def test_our_themes_stand_beside_those_of_textual() -> None:
    names = [theme.name for theme in THEMES]
    assert DEFAULT in names
    assert not set(names) & set(BUILTIN_THEMES)


# -- preferences ---------------------------------------------------------------------------------------------------


def loaded(file: Path, text: str = "") -> Preferences:
    if text:
        file.write_text(text, encoding="utf-8")
    preferences = Preferences(file)
    preferences.load()
    return preferences


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    preferences = loaded(tmp_path / "tui.toml")
    assert (preferences.theme, preferences.pictures, preferences.welcomed) == (DEFAULT, "auto", False)
    assert preferences.keys == {}
    assert preferences.problems == []
    assert preferences.folder == Path.cwd()


def test_what_is_set_is_there_the_next_time_and_comments_stay(tmp_path: Path) -> None:
    file = tmp_path / "tui.toml"
    preferences = loaded(file, '# mine\n[interface]\ntheme = "nord"  # calm\n\n[keys]\n"go.queue" = "f9"\n')
    preferences.set("interface.pictures", "half")
    preferences.set("interface.welcomed", True)
    preferences.set("interface.theme", "depthflow-light")
    again = loaded(file)
    assert (again.theme, again.pictures, again.welcomed) == ("depthflow-light", "half", True)
    assert again.keys == {"go.queue": "f9"}
    text = file.read_text(encoding="utf-8")
    assert "# mine" in text
    assert "# calm" in text


def test_what_is_wrong_is_told_and_the_rest_holds(tmp_path: Path) -> None:
    text = '[interface]\npictures = "oil"\nthem = "nord"\nwelcomed = "yes"\ntheme = "nord"\n'
    text += "[last]\nfolder = 3\n[more]\na = 1\n"
    preferences = loaded(tmp_path / "tui.toml", text)
    assert preferences.theme == "nord"
    assert (preferences.pictures, preferences.welcomed, preferences.folder) == ("auto", False, Path.cwd())
    told = " | ".join(f"{message} ({hint})" for message, hint in preferences.problems)
    assert len(preferences.problems) == 5
    for words in ("interface.pictures", "'auto', 'half', 'kitty' or 'sixel'", "interface.them: unknown key",
                  "did you mean 'theme'", "interface.welcomed", "last.folder", "more: unknown key"):  # fmt: skip
        assert words in told


@pytest.mark.parametrize("text", ["[interface", "interface = 3\n", "\x00", "[keys]\na = 1\nb = []\n"])
def test_no_file_is_a_crash(tmp_path: Path, text: str) -> None:
    preferences = loaded(tmp_path / "tui.toml", text)
    assert preferences.problems
    assert preferences.theme == DEFAULT


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_file_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError):
        loaded(tmp_path / "deep" / "tui.toml").set("interface.welcomed", True)


def test_the_last_photos_newest_first_each_once(tmp_path: Path) -> None:
    preferences = loaded(tmp_path / "tui.toml")
    for number in (*range(PHOTOS + 2), 3):
        preferences.remember_photo(tmp_path / f"{number}.jpg")
    again = loaded(tmp_path / "tui.toml")
    assert [photo.stem for photo in again.photos] == ["3", *map(str, [9, 8, 7, 6, 5, 4, 2])]
    assert again.folder == tmp_path


# -- keys ----------------------------------------------------------------------------------------------------------


def test_every_binding_has_an_id_and_each_id_is_one_thing() -> None:
    assert keys.without_id() == []
    ids = [key.id for key in keys.all_keys()]
    assert {name for name in ids if ids.count(name) > 1} == set()
    assert {"app.help", "app.quit", "app.palette", "go.queue", "help.close"} <= set(ids)


def test_no_key_means_two_things_at_one_place() -> None:
    assert keys.clashes() == []


def test_clashes_are_seen() -> None:
    from depthflow.tui.app import DepthFlowApp
    from depthflow.tui.screens.queue import QueueScreen
    from depthflow.tui.screens.system import SystemScreen

    app = Key("go.queue", ("f1",), "", DepthFlowApp, "app")
    one = Key("queue.a", ("a", "f1"), "", QueueScreen, "screen")
    two = Key("queue.b", ("a",), "", QueueScreen, "screen")
    elsewhere = Key("system.a", ("a",), "", SystemScreen, "screen")
    assert keys.clashes([app, one, two, elsewhere]) == [("f1", "go.queue", "queue.a"), ("a", "queue.a", "queue.b")]


def test_what_a_user_wishes_of_keys_is_looked_at() -> None:
    wrong = keys.problems(
        {"go.queue": "f2", "go.quere": "f9", "app.help": "f1, f11", "go.system": "f10", "app.quit": " "}
    )
    assert set(wrong) == {"go.queue", "go.quere", "app.quit"}
    assert "f2 is go.studio already" in wrong["go.queue"][0]
    assert "did you mean go.queue?" in wrong["go.quere"][1]


def test_two_keys_may_be_swapped() -> None:
    assert keys.problems({"go.queue": "f2", "go.studio": "f1"}) == {}
