"""What holds on all screens: themes, keys of one's own, palette, help, sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import FakeLink
from test_tui_system_screen import ended, settle, until
from textual.command import CommandList
from textual.geometry import Region
from textual.widgets import Input
from textual.widgets._footer import FooterKey

from depthflow import paths
from depthflow.client.models import Preset
from depthflow.errors import ServerError
from depthflow.tui.app import DepthFlowApp
from depthflow.tui.places import PLACES
from depthflow.tui.preferences import Preferences
from depthflow.tui.screens.asking import AskPath, Confirm
from depthflow.tui.screens.help import HelpScreen
from depthflow.tui.widgets.keybar import KeyBar

SIZES = ((80, 24), (100, 30), (250, 70), (60, 16), (80, 24))


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    return tmp_path


def app_with(**answers: Any) -> DepthFlowApp:
    return DepthFlowApp(link=FakeLink(**answers))  # type: ignore[arg-type]


def wishes(text: str) -> None:
    (paths.config_dir() / "tui.toml").write_text(text, encoding="utf-8")


def notes(app: DepthFlowApp) -> str:
    return "\n".join(note.message for note in app._notifications)


async def test_a_theme_that_was_chosen_is_there_the_next_day() -> None:
    app = app_with()
    async with app.run_test() as pilot:
        assert app.theme == "depthflow-dark"
        app.theme = "depthflow-contrast"
        await pilot.pause()
        await settle(pilot)
    assert app_with().theme == "depthflow-contrast"


async def test_a_theme_that_is_not_there_is_told_with_the_nearest() -> None:
    wishes('[interface]\ntheme = "depthflow-drak"\n')
    app = app_with()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == "depthflow-dark"
        assert "depthflow-drak" in notes(app)
        assert "did you mean 'depthflow-dark'" in notes(app)


async def test_keys_of_ones_own_work_and_wrong_ones_are_told() -> None:
    wishes('[keys]\n"go.system" = "f9"\n"go.sistem" = "f8"\n"go.queue" = "f2"\n')
    app = app_with()
    async with app.run_test() as pilot:
        await pilot.press("f9")
        assert app.current_mode == "system"
        await pilot.press("f2")  # taken, so it stays what it was
        assert app.current_mode == "studio"
        assert "go.sistem" in notes(app)
        assert "did you mean go.system" in notes(app)
        assert "f2 is go.studio already" in notes(app)


async def test_without_colour_it_is_drawn_in_grey(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_with()
    async with app.run_test() as pilot:
        await pilot.pause()
        colours = {
            colour.get_truecolor()
            for line in app.screen._compositor.render_strips()
            for segment in line.apply_filter(app._filters[-1], app.screen.background_colors[0])
            if segment.style
            for colour in (segment.style.color, segment.style.bgcolor)
            if colour is not None
        }
        assert colours
        assert all(max(colour) - min(colour) <= 1 for colour in colours)


@pytest.mark.parametrize("row", PLACES, ids=lambda row: row.name)
async def test_help_fits_a_small_terminal_and_tells_every_key(row: Any) -> None:
    app = app_with()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(row.key)
        await pilot.pause()
        shown = {a.binding.description for a in app.screen.active_bindings.values() if not a.binding.system}
        app.screen.set_focus(None)  # a field would take the question mark as text
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        sheet = app.screen.query_one("#sheet")
        assert app.screen.region.contains_region(sheet.region)
        assert {"Queue", "Quit"} <= shown
        told = {text for _, rows in app.screen._groups for _, text in rows}
        assert all(any(text.startswith(word) for text in told) for word in ("Queue", "Quit", "Help"))
        await pilot.press("question_mark")
        assert not isinstance(app.screen, HelpScreen)
        await pilot.press("question_mark")
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpScreen)


async def test_help_shows_the_keys_as_they_are_now() -> None:
    wishes('[keys]\n"go.queue" = "f12"\n')
    app = app_with()
    async with app.run_test() as pilot:
        app.screen.set_focus(None)
        await pilot.press("question_mark")
        rows = {text: keys for _, rows in app.screen._groups for keys, text in rows}  # type: ignore[attr-defined]
        assert rows["Queue"] == "f12"


async def test_the_palette_goes_to_places_and_changes_the_theme() -> None:
    app = app_with(presets=[Preset(name="cinematic", description="slow", source="builtin")])
    async with app.run_test(size=(120, 40)) as pilot:
        for query, wanted in (("go to system", "system"), ("go to folders", "folders")):
            await pilot.press("ctrl+p", *query.replace(" ", "_").replace("_", " "))
            await pilot.pause()
            await ended(pilot, "default")
            commands = app.screen.query_one(CommandList)
            await until(pilot, lambda commands=commands: commands.option_count)  # type: ignore[misc]
            await pilot.press("enter")
            await until(pilot, lambda wanted=wanted: app.current_mode == wanted)  # type: ignore[misc]


@pytest.mark.parametrize("row", PLACES, ids=lambda row: row.name)
async def test_the_footer_has_whole_keys_only(row: Any) -> None:
    app = app_with()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(row.key)
        bar = app.screen.query_one(KeyBar)
        for width in (60, 80, 120, 250):
            await pilot.resize_terminal(width, 24)
            await until(pilot, lambda width=width: bar._fitted == width and len(bar.query(FooterKey)) > 2)  # type: ignore[misc]
            await until(pilot, lambda: all(key.region for key in bar.query(FooterKey)))
            keys = [key.region for key in bar.query(FooterKey)]
            assert all(bar.region.contains_region(key) for key in keys)
            assert not any(one.overlaps(two) for one in keys for two in keys if one is not two)
            assert [key.description for key in bar.query(FooterKey)][-2:] == ["Help", "Palette"]
            first = bar.query(FooterKey)[0].description
            assert first in {"Add photos", "Set", "Add", "Fetch", "Look again"}, "the most useful one stays"


async def test_our_own_themes_are_offered_first() -> None:
    app = app_with()
    async with app.run_test(size=(120, 40)) as pilot:
        app.search_themes()
        await until(pilot, lambda: app.screen.query(CommandList) and app.screen.query_one(CommandList).option_count)
        commands = app.screen.query_one(CommandList)
        assert [str(commands.get_option_at_index(at).prompt).split("\n")[0] for at in range(4)] == [
            "depthflow-dark",
            "depthflow-light",
            "depthflow-contrast",
            "ansi-dark",
        ]
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: app.theme == "depthflow-contrast")


async def test_palette_commands_come_from_the_bindings_of_the_screen() -> None:
    from depthflow.tui.palette import Commands
    from depthflow.tui.screens.queue import QueueScreen

    app = app_with(presets=[Preset(name="cinematic", description="slow", source="builtin")])
    async with app.run_test() as pilot:
        await pilot.press("f5")
        provider = Commands(app.screen)
        await provider.startup()
        titles = [command.title for command in provider._all()]
        actions = {a.binding.description for a in app.screen.active_bindings.values() if a.binding.id}
        actions -= {row.title for row in PLACES} | {"Palette", ""}
        assert actions <= set(titles)
        await pilot.press("f1")
        screen = app.screen
        assert isinstance(screen, QueueScreen)
        await until(pilot, lambda: screen.table.has_focus)
        offered = {command.title: command for command in Commands(screen)._actions()}
        assert not {"Up", "Page down", "First", "Select upwards"} & set(offered), "nobody looks for these by name"
        assert str(offered["Add photos"].shown("Add photos")) == "Add photos  a"
        assert {"Go to Queue", "Preset: cinematic", "Theme: depthflow-light", "Open photo in studio…"} <= set(titles)
        assert len(titles) == len(set(titles))


async def test_the_palette_works_offline() -> None:
    from depthflow.tui.palette import Commands

    app = app_with(presets=ServerError("no daemon"))
    async with app.run_test():
        provider = Commands(app.screen)
        await provider.startup()
        assert "Go to Queue" in [command.title for command in provider._all()]


async def test_every_screen_takes_every_size() -> None:
    app = app_with()
    async with app.run_test(size=SIZES[0]) as pilot:
        for row in PLACES:
            await pilot.press(row.key)
            for width, height in SIZES:
                await pilot.resize_terminal(width, height)
                await pilot.pause()
                for widget in app.screen.query("Masthead, Footer, #body"):
                    assert widget.region.width > 0, (row.name, width, height, widget)
                    assert widget.region.height > 0, (row.name, width, height, widget)
                    assert app.screen.region.contains_region(widget.region)
                if height >= 24:
                    for widget in app.screen.focus_chain:
                        size = widget.outer_size
                        assert min(size) > 0, (row.name, width, height, widget)


async def test_a_tiny_terminal_gets_a_friendly_line() -> None:
    app = app_with()
    async with app.run_test(size=(59, 15)) as pilot:
        await pilot.pause()
        assert app.screen.query_one("#too-small").display
        assert "60 columns and 16 rows" in str(app.screen.query_one("#too-small").render())
        assert not app.screen.query_one("Masthead").display
        await pilot.resize_terminal(60, 16)
        await pilot.pause()
        assert not app.screen.query_one("#too-small").display
        assert app.screen.query_one("Masthead").display


async def test_confirmations_take_y_n_and_escape() -> None:
    app = app_with()
    async with app.run_test() as pilot:
        for key, answer in (("y", True), ("n", False), ("escape", False), ("enter", False)):
            heard: list[bool | None] = []
            app.push_screen(Confirm("Remove [b]?", "It is gone then.", yes="Remove"), heard.append)
            await pilot.pause()
            assert "Remove [b]?" in app.screen.query_one(".dialog").render_lines(Region(0, 0, 64, 1))[0].text
            await pilot.press(key)
            await pilot.pause()
            assert heard == [answer]


async def test_a_path_is_asked_for_until_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "network.onnx").write_bytes(b"")
    (tmp_path / "network.txt").write_bytes(b"")
    app = app_with()
    async with app.run_test() as pilot:
        heard: list[Path | None] = []
        app.push_screen(AskPath("Import", "A file", value=f"{tmp_path}/nothing", suffix=".onnx"), heard.append)
        await pilot.pause()
        for missing in (f"{tmp_path}/nothing", "~nobody-of-this-name/network.onnx", "x" * 300):
            app.screen.query_one(Input).value = missing
            await pilot.press("enter")
            await ended(pilot, "default")
            assert heard == []
        typed = app.screen.query_one(Input)
        typed.value = f"{tmp_path}/netw"
        typed.cursor_position = len(typed.value)
        await until(pilot, lambda: typed._suggestion)
        await pilot.press("tab", "enter")
        await ended(pilot, "default")
        await pilot.pause()
        assert heard == [tmp_path / "network.onnx"]


async def test_others_go_to_places_through_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    from depthflow.tui.screens.queue import QueueScreen
    from depthflow.tui.screens.studio import StudioScreen

    asked: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(QueueScreen, "show_jobs", lambda self, **what: asked.append(("queue", what)), raising=False)

    async def open_photo(self: Any, **what: Any) -> None:
        asked.append(("studio", what))

    monkeypatch.setattr(StudioScreen, "open", open_photo, raising=False)
    monkeypatch.setattr(
        StudioScreen, "choose_preset", lambda self, **what: asked.append(("preset", what)), raising=False
    )
    monkeypatch.setattr(StudioScreen, "action_open", lambda self: asked.append(("ask", {})), raising=False)
    app = app_with()
    async with app.run_test() as pilot:
        await app.open_in_studio(Path("/a.jpg"), {"motion": {"name": "zoom"}})
        assert app.current_mode == "studio"
        await app.show_jobs("holidays")
        assert app.current_mode == "queue"
        await app.open_in_studio(None, preset="cinematic")
        app.action_open_photo()
        await until(pilot, lambda: len(asked) == 4)
        await until(pilot, lambda: app.preferences.photos == [Path("/a.jpg")])
    assert asked == [
        ("studio", {"photo": "/a.jpg", "spec": {"motion": {"name": "zoom"}}}),
        ("queue", {"folder": "holidays"}),
        ("preset", {"name": "cinematic"}),
        ("ask", {}),
    ]


def test_preferences_of_the_app_are_the_file_in_the_settings_folder() -> None:
    assert Preferences().file == paths.config_dir() / "tui.toml"
