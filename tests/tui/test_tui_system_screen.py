"""The System screen, key by key."""

# ruff: noqa: F811, F401 - a fixture of another module

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeLink, system
from system_data import REPORT, Scripted, local_app, local_link, scripted
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, RichLog, Static

from depthflow.errors import ServerError
from depthflow.settings import load_settings
from depthflow.tui.app import DepthFlowApp
from depthflow.tui.commands import Result
from depthflow.tui.link import SystemChanged
from depthflow.tui.screens.asking import Confirm
from depthflow.tui.screens.system import SystemScreen
from depthflow.tui.system.log_lines import LEVELS
from depthflow.tui.system.logs_tab import LogsTab

TABS = ("overview", "doctor", "encoders", "workers", "logs", "settings")


async def settle(pilot: Pilot[None]) -> None:
    """Whatever was begun and comes to an end has ended."""
    for _ in range(2):
        await pilot.pause()
        # Those of a log and of a download end when the test lets them.
        await until(pilot, lambda: not [w for w in pilot.app.workers if w.group not in ("logs", "fetch", "default")])
    await pilot.pause()


async def ended(pilot: Pilot[None], group: str) -> None:
    """The workers of a group have ended."""
    await until(pilot, lambda: not [w for w in pilot.app.workers if w.group == group and w.name != "link"])


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """What comes from threads and processes comes when it comes."""
    async with asyncio.timeout(60):
        while not condition():
            await pilot.pause()


def text(app: DepthFlowApp, name: str) -> str:
    return str(app.screen.query_one(name, Static).visual)


def cells(app: DepthFlowApp, name: str) -> list[list[str]]:
    table = app.screen.query_one(name, DataTable)
    return [[str(cell) for cell in table.get_row_at(row)] for row in range(table.row_count)]


def notes(app: DepthFlowApp) -> str:
    return "\n".join(note.message for note in app._notifications)


def lines(app: DepthFlowApp) -> list[str]:
    return [strip.text.rstrip() for strip in app.screen.query_one("#log", RichLog).lines]


async def test_numbers_go_to_the_tabs(scripted: Scripted) -> None:
    app = local_app()
    async with app.run_test() as pilot:
        await pilot.press("f5")
        for number, name in enumerate(TABS, 1):
            await pilot.press(str(number))
            await settle(pilot)
            screen = app.screen
            assert isinstance(screen, SystemScreen)
            assert screen.tab.id == name
            if name != "settings":
                assert screen.focused is not None
                assert screen.tab in screen.focused.ancestors


async def test_the_doctor_is_asked_once_and_again_with_r(scripted: Scripted) -> None:
    app = local_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f5")
        await settle(pilot)
        assert scripted.ran == [], "nothing runs before somebody looks"
        await pilot.press("2")
        await settle(pilot)
        await pilot.press("1", "2")
        await settle(pilot)
        assert scripted.ran == [("doctor", "--json")]
        assert cells(app, "#checks")[1][1:] == ["onnx", "ONNX Runtime is not installed"]
        assert app.screen.query_one("#checks", DataTable).cursor_row == 1, "what is broken comes first"
        assert "1 broken, 1 to look at" in text(app, "#doctor-line")
        await pilot.press("c")
        assert app.clipboard == "pip install 'depthflow-studio[cpu]'"
        await pilot.press("up", "c")
        assert app.clipboard == "pip install 'depthflow-studio[cpu]'"
        assert "nothing to mend" in notes(app)
        await pilot.press("r")
        await settle(pilot)
        assert scripted.ran == [("doctor", "--json")] * 2


async def test_a_doctor_that_breaks_is_told(scripted: Scripted) -> None:
    scripted.results["doctor"] = Result(1, "", "error: it fell ill\n  hint: call another one\n")
    app = local_app()
    async with app.run_test() as pilot:
        await pilot.press("f5", "2")
        await settle(pilot)
        assert "it fell ill\ncall another one" in notes(app)
        assert not app.screen.query_one("#checks").loading


async def test_encoders_come_from_the_doctor(scripted: Scripted) -> None:
    app = local_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f5", "3")
        await settle(pilot)
        assert scripted.ran == [("doctor", "--json")]
        rows = cells(app, "#encoders-table")
        assert rows[0] == ["●", "h264_nvenc", "hardware", ""]
        assert rows[-1] == ["✖", "hevc_nvenc", "refused", "No capable devices found"]
        assert "ffmpeg 7.1" in text(app, "#encoders-line")
        await pilot.press("r")
        await settle(pilot)
        assert len(scripted.ran) == 2


async def test_of_a_daemon_elsewhere_its_own_encoders_are_shown(scripted: Scripted) -> None:
    link = FakeLink(system=lambda **asked: system(encoders=["libx264"] if asked == {"encoders": True} else []))
    app = DepthFlowApp(link=link)  # type: ignore[arg-type]
    async with app.run_test() as pilot:
        await pilot.press("f5", "3")
        await settle(pilot)
        assert cells(app, "#encoders-table") == [["●", "libx264", "tried there", ""]]
        assert scripted.ran == []
        await pilot.press("5")
        await settle(pilot)
        assert any("another machine" in line for line in lines(app))


async def test_workers_and_their_jobs(scripted: Scripted) -> None:
    app = local_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f5", "4")
        await settle(pilot)
        assert cells(app, "#workers-table") == [["1", "busy", "#5", "photo5.jpg", "4712", "512 MB"]]
        assert "1 restart " in text(app, "#workers-line")
        app.link.system = system(workers=[])
        app.system_changed.publish(SystemChanged(app.link.system))
        await pilot.pause()
        assert cells(app, "#workers-table") == []


async def test_the_log_is_followed_held_filtered_and_searched(scripted: Scripted) -> None:
    app = local_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f5", "5")
        await until(pilot, lambda: len(lines(app)) == 6)
        assert scripted.followers == 1
        await pilot.press("space")
        scripted.later.set()
        book = app.screen.query_one(LogsTab).book
        await until(pilot, lambda: len(book) == 7)
        assert len(lines(app)) == 6, "it is held"
        assert "held" in text(app, "#logs-state")
        await pilot.press("space")
        await pilot.pause()
        assert lines(app)[-1].endswith("one more")
        await pilot.press("l", "l")
        await pilot.pause()
        assert [line[20:27].strip() for line in lines(app)] == ["warning", "error", ""]
        await pilot.press("l", "l", "slash", *"photo3")
        await pilot.pause()
        assert len(lines(app)) == 1
        assert "1 of 7 lines" in text(app, "#logs-state")
        await pilot.press("escape")
        assert app.screen.focused is app.screen.query_one("#log")
        await pilot.press("slash", "enter")
        assert app.screen.focused is app.screen.query_one("#log")
        await pilot.press("1")
        await until(pilot, lambda: scripted.followers == 0)  # nobody looks, so nobody follows
        await pilot.press("5")
        await until(pilot, lambda: scripted.followers == 1)
        await pilot.press("f1")
        await until(pilot, lambda: scripted.followers == 0)


@pytest.mark.parametrize(("tab", "field"), [("5", "#logs-search"), ("6", "#settings-search")])
async def test_what_is_typed_ahead_is_searched_for(tab: str, field: str, scripted: Scripted) -> None:
    app = local_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f5", tab)
        await until(pilot, lambda: app.screen.focused is not None)
        for key in ("slash", *"re/level"):
            app.post_message(Key("slash" if key == "/" else key, "/" if key in ("/", "slash") else key))
        await until(pilot, lambda: app.screen.query_one(field, Input).value == "re/level")
        assert app.screen.query_one(LogsTab).book.level == LEVELS[0]


async def test_a_setting_is_edited_checked_written_and_reset(scripted: Scripted, tmp_path: Path) -> None:
    app = local_app()
    file = tmp_path / "config" / "depthflow.toml"
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f5", "6")
        await settle(pilot)
        await pilot.press("slash", *"output fps", "enter")
        await settle(pilot)
        assert [row[0] for row in cells(app, "#settings-table")] == ["output.fps"]
        await pilot.press("enter")
        value = app.screen.query_one("#value", Input)
        assert app.screen.focused is value
        value.value = "999"
        await pilot.pause()
        assert "480" in text(app, "#value-problem")
        await pilot.press("enter")
        await settle(pilot)
        assert not file.exists(), "what is wrong is not written"
        value.value = "60"
        await pilot.pause()
        await pilot.press("enter")
        await settle(pilot)
        assert file.read_text(encoding="utf-8") == "[output]\nfps = 60.0\n"
        assert cells(app, "#settings-table") == [["output.fps", "60.0", "file"]]
        assert app.screen.focused is app.screen.query_one("#settings-table")
        await pilot.press("e")
        value.value = "25"
        await pilot.press("escape")
        await settle(pilot)
        assert load_settings().value("output.fps") == 60, "escape leaves it"
        await pilot.press("backspace")
        await settle(pilot)
        assert load_settings().origin["output.fps"] == "default"
        assert "has its default again" in notes(app)


async def test_a_variable_that_wins_is_told(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHFLOW_OUTPUT_FPS", "12")
    app = local_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f5", "6")
        await settle(pilot)
        await pilot.press("down", "down", "e")
        app.screen.query_one("#value", Input).value = "60"
        await pilot.press("enter")
        await settle(pilot)
        assert "DEPTHFLOW_OUTPUT_FPS is set and wins" in notes(app)


async def test_settings_that_are_broken_are_told(scripted: Scripted, tmp_path: Path) -> None:
    (tmp_path / "config" / "depthflow.toml").write_text("[output]\nfps = 'many'\n", encoding="utf-8")
    app = local_app()
    async with app.run_test() as pilot:
        await pilot.press("f5", "6")
        await settle(pilot)
        assert "output.fps" in notes(app)


async def test_the_queue_is_paused_and_resumed(scripted: Scripted) -> None:
    link = local_link()
    app = DepthFlowApp(link=link)  # type: ignore[arg-type]
    async with app.run_test() as pilot:
        await pilot.press("f5", "p")
        await settle(pilot)
        link.system = system(paused=True)
        await pilot.press("p")
        await settle(pilot)
        assert [asked[0] for asked in link.client.asked if asked[0] in ("pause", "resume")] == ["pause", "resume"]


async def test_draining_asks_first(scripted: Scripted) -> None:
    link = local_link()
    app = DepthFlowApp(link=link)  # type: ignore[arg-type]
    async with app.run_test() as pilot:
        await pilot.press("f5", "D")
        assert isinstance(app.screen, Confirm)
        await pilot.press("escape", "D", "y")
        await settle(pilot)
        assert [asked[0] for asked in link.client.asked].count("drain") == 1


@pytest.mark.parametrize("keys", [("p",), ("D", "y")])
async def test_a_daemon_that_does_not_answer_is_told(keys: tuple[str, ...], scripted: Scripted) -> None:
    gone: Any = ServerError("no daemon answers", "depthflow daemon start")
    app = local_app(pause=gone, drain=gone)
    async with app.run_test() as pilot:
        await pilot.press("f5", *keys)
        await settle(pilot)
        assert "no daemon answers\ndepthflow daemon start" in notes(app)


async def test_a_theme_changes_what_is_drawn(scripted: Scripted) -> None:
    app = local_app()
    async with app.run_test() as pilot:
        await pilot.press("f5")
        await pilot.pause()
        app.theme = "depthflow-light"
        await settle(pilot)
        assert app.screen.query_one("#overview").colour("success") == "#17663A"  # type: ignore[attr-defined]


def test_the_report_of_the_tests_is_one_the_doctor_could_write() -> None:
    from depthflow.doctor import CHECKS

    assert {check["name"] for check in REPORT["checks"]} <= set(CHECKS)
