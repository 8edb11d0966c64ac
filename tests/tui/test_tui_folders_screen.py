"""The folders screen: what it shows, and every key of it, with a scripted daemon and scripted commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from fakes import FakeLink
from folder_data import (
    HOME,
    Commands,
    folder,
    noon,
    refusal,
    rules_said,
    scripted,
    settled,
    some_folders,
)
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Checkbox, Input, Select, Static, TextArea

from depthflow.errors import ServerError
from depthflow.tui.app import DepthFlowApp
from depthflow.tui.commands import Result
from depthflow.tui.folders.asking import ChooseFolder
from depthflow.tui.folders.edit import EditFolder
from depthflow.tui.folders.panes import FolderList, Pane
from depthflow.tui.folders.rules import RulesForm, RulesText
from depthflow.tui.screens.asking import Confirm
from depthflow.tui.screens.folders import FoldersScreen
from depthflow.tui.screens.queue import QueueScreen

S = TypeVar("S", bound=Screen[Any])


@pytest.fixture(autouse=True)
def _frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FoldersScreen, "now", lambda _: noon())
    monkeypatch.setattr(Path, "home", lambda: HOME)
    monkeypatch.setattr("depthflow.tui.folders.edit.PAUSE_S", 0.01)
    monkeypatch.setattr("depthflow.tui.screens.folders.PAUSE_S", 0.0)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(monkeypatch)


@asynccontextmanager
async def opened(link: FakeLink, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[None]]:
    app = DepthFlowApp(link=link)  # type: ignore[arg-type]
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.press("f3")
        await settled(pilot)
        yield pilot


def text_of(pilot: Pilot[None], name: str) -> str:
    widget = pilot.app.screen_stack[0].query_one(f"#{name}")
    static = widget.query_one(Static) if isinstance(widget, Pane) else widget
    return str(static.render())  # type: ignore[attr-defined]


def told(pilot: Pilot[None]) -> list[str]:
    return [notification.message for notification in pilot.app._notifications]


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Let the interface go on until something holds; the timeout of the test ends what never does."""
    while not holds():
        await pilot.pause()


async def sheet_of(pilot: Pilot[None], key: str, kind: type[S]) -> S:
    """The sheet that a key opens: what it shows may have to be read first."""
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, kind))
    return cast("S", pilot.app.screen)


# -- what it shows -------------------------------------------------------------------------------------------------


async def test_the_chosen_folder_is_told_about(commands: Commands) -> None:
    link = scripted()
    async with opened(link) as pilot:
        assert "watching" in text_of(pilot, "facts")
        assert "128 done" in text_of(pilot, "facts").replace("✓ ", "")
        assert "waits for Ünïcödé 山 [1].jpg.done" in text_of(pilot, "waiting")
        assert "IMG_2038.jpg: not an image" in text_of(pilot, "log")
        assert "12:00:00 ▶ started  IMG_2040.jpg" in text_of(pilot, "log")
        assert "✓ valid" in text_of(pilot, "rules")
        assert 'after = "archive"' in text_of(pilot, "rules")
        assert commands.asked("rules") == [("holidays", "--json")]
        await pilot.press("down", "down")
        await settled(pilot)
        assert "paused" in text_of(pilot, "facts")
        assert ("waiting_photos", ("phone",), {"limit": 200}) in link.client.asked
        assert commands.asked("rules")[-1] == ("phone", "--json")


async def test_counters_are_live_and_the_cursor_stays(commands: Commands) -> None:
    link = scripted()
    async with opened(link) as pilot:
        await pilot.press("down")
        await settled(pilot)
        folders = some_folders()
        folders[1] = folder("scans", polling=True, jobs={"done": 5124})
        link.client.answers["folders"] = folders
        link.go_online()
        await settled(pilot)
        assert "5124" in text_of(pilot, "facts")
        assert pilot.app.screen.query_one(FolderList).chosen == "scans"


async def test_nothing_is_asked_while_another_place_is_shown(commands: Commands) -> None:
    link = scripted()
    async with opened(link) as pilot:
        await pilot.press("f1")
        await pilot.pause()
        link.client.asked.clear()
        link.go_online()
        await settled(pilot)
        assert not [name for name, _, _ in link.client.asked if name == "folders"]


async def test_an_empty_state_explains_and_offers_to_add(commands: Commands) -> None:
    async with opened(scripted([])) as pilot:
        assert "No folder is watched yet" in text_of(pilot, "empty-title")
        assert "Press a to watch the first one" in text_of(pilot, "empty-text")
        await pilot.press("e", "p", "s", "x", "j", "r", "t")
        await settled(pilot)
        assert len(pilot.app.screen_stack) == 1, "there is nothing to edit"
        await sheet_of(pilot, "a", EditFolder)


async def test_a_daemon_elsewhere_is_not_edited_from_here_and_says_why(commands: Commands) -> None:
    async with opened(scripted(here=False)) as pilot:
        assert "its folders are changed in depthflowd.toml there" in text_of(pilot, "notice")
        await pilot.press("a", "e", "r", "t", "x")
        await settled(pilot)
        assert len(pilot.app.screen_stack) == 1
        assert commands.ran == []
        assert "on the daemon's machine" in text_of(pilot, "rules")


async def test_offline_is_said_and_actions_say_so_too(commands: Commands) -> None:
    link = scripted()
    async with opened(link) as pilot:
        link.go_offline("no daemon answers at the socket")
        await pilot.pause()
        assert "Offline: no daemon answers at the socket" in text_of(pilot, "notice")
        await pilot.press("p")
        await settled(pilot)
        assert "no daemon answers" in told(pilot)[-1]
        assert not [name for name, _, _ in link.client.asked if name == "pause_folder"]


async def test_broken_rules_are_told_with_their_line(commands: Commands) -> None:
    file = f"{HOME}/Pictures/holidays/.depthflow.toml"
    wrong = {"message": f"{file}: afer: unknown key", "hint": "did you mean 'after'?", "line": 2}
    commands.answers["rules"] = rules_said(text="\nafer = 1\n", wrong=wrong, valid=False)
    async with opened(scripted()) as pilot:
        assert "✗ line 2: afer: unknown key\n  did you mean 'after'?" in text_of(pilot, "rules")
        sheet = await sheet_of(pilot, "r", RulesText)  # a form cannot show what cannot be read
        assert sheet.query_one(TextArea).cursor_location == (1, 0)


@pytest.mark.parametrize(("key", "name"), [("1", "waiting"), ("2", "rules"), ("3", "log")])
async def test_numbers_go_to_the_panes(commands: Commands, key: str, name: str) -> None:
    async with opened(scripted(), (80, 24)) as pilot:
        await pilot.press(key)
        await pilot.pause()
        pane = pilot.app.screen.query_one(f"#{name}", Pane)
        assert pane.has_focus
        shown = [each.id for each in pilot.app.screen.query(Pane) if each.display]
        assert shown == [name], "where there is room for one"


# -- what is done --------------------------------------------------------------------------------------------------


async def test_pause_resume_and_scan(commands: Commands) -> None:
    link = scripted()
    async with opened(link) as pilot:
        await pilot.press("p")
        await settled(pilot)
        await pilot.press("s", "down", "down")
        await settled(pilot)
        await pilot.press("p")
        await settled(pilot)
        done = [(name, args) for name, args, _ in link.client.asked if name.endswith("_folder")]
        assert done == [
            ("pause_folder", ("holidays",)), ("rescan_folder", ("holidays",)), ("resume_folder", ("phone",)),
        ]  # fmt: skip


async def test_a_refusal_of_the_daemon_is_told_with_its_hint(commands: Commands) -> None:
    link = scripted()
    link.client.answers["rescan_folder"] = ServerError("the store [x] is full", "make room")
    async with opened(link) as pilot:
        await pilot.press("s")
        await settled(pilot)
        assert "the store" in told(pilot)[-1]
        assert "make room" in told(pilot)[-1]


@pytest.mark.parametrize("key", ["enter", "j"])
async def test_the_jobs_of_a_folder_are_shown_in_the_queue(commands: Commands, key: str) -> None:
    async with opened(scripted()) as pilot:
        await pilot.press(key)
        await until(pilot, lambda: isinstance(pilot.app.screen, QueueScreen))
        queue = cast("QueueScreen", pilot.app.screen)
        await until(pilot, lambda: bool(queue.jobs.query))
        assert {job.folder for job in map(queue.link.jobs.get, queue.jobs) if job} == {"holidays"}


async def test_a_folder_is_added(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    link = scripted()
    added = folder("drop", root="/srv/drop", output="/srv/drop-videos", preset="gentle")
    found = {"photos": 3, "preset_folders": ["cinematic", "night"], "rule_files": [], "whole": True}
    said = {
        "name": "drop", "in": added.root, "out": added.output, "preset": "gentle", "there": True, "done": "watched",
        "daemon": 4711, "found": found,
    }  # fmt: skip
    commands.answers["add"] = said
    monkeypatch.setattr("depthflow.tui.screens.folders.TRIES", 100_000)
    async with opened(link) as pilot:
        sheet = await sheet_of(pilot, "a", EditFolder)
        await pilot.press(*"/srv/drop")
        assert sheet.query_one("#out", Input).value == "/srv/drop-videos", "beside the photos"
        sheet.query_one("#preset", Select).value = "gentle"
        await until(pilot, lambda: "3 photos are there" in str(sheet.query_one("#verdict", Static).render()))
        verdict = str(sheet.query_one("#verdict", Static).render())
        assert "2 sub-folders named like presets: cinematic, night" in verdict
        assert "--dry-run" in commands.asked("add")[-1]
        link.client.answers["folders"] = [*some_folders(), added]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pilot.app.screen is not sheet)
        await settled(pilot)
        assert commands.asked("add")[-1] == ("--json", "--preset", "gentle", "--", "/srv/drop", "/srv/drop-videos")
        assert told(pilot)[-1] == "drop is watched."
        await until(pilot, lambda: pilot.app.screen.query_one(FolderList).chosen == "drop")


async def test_a_mistake_is_told_in_the_sheet_and_nothing_is_lost(commands: Commands) -> None:
    commands.answers["add"] = refusal("/nowhere: there is no such folder", "--create makes it")
    async with opened(scripted()) as pilot:
        sheet = await sheet_of(pilot, "a", EditFolder)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "Both folders are needed" in str(sheet.query_one("#verdict", Static).render())
        await pilot.press(*"/nowhere")
        await pilot.press("enter")
        await until(pilot, lambda: "no such folder" in str(sheet.query_one("#verdict", Static).render()))
        assert "tick the box" in str(sheet.query_one("#verdict", Static).render())
        tick = sheet.query_one("#create", Checkbox)
        assert "X" not in str(tick.render())
        tick.value = True
        assert "X" in str(tick.render())
        await until(pilot, lambda: "--create" in commands.asked("add")[-1])
        await pilot.press("escape")
        await pilot.pause()
        assert pilot.app.screen is not sheet


async def test_only_what_changed_is_set(commands: Commands) -> None:
    commands.answers["set"] = {"name": "hols", "done": "changed", "daemon": None, "in": "", "out": "", "preset": None}
    async with opened(scripted()) as pilot:
        sheet = await sheet_of(pilot, "e", EditFolder)
        assert sheet.query_one("#in", Input).value == f"{HOME}/Pictures/holidays"
        sheet.query_one("#name", Input).value = "hols"
        sheet.query_one("#preset", Select).value = ""
        await pilot.pause()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pilot.app.screen is not sheet)
        assert commands.asked("set")[-1] == ("--json", "holidays", "--name", "hols", "--no-preset")
        assert "No daemon was told" in told(pilot)[-1]
        await sheet_of(pilot, "e", EditFolder)
        await pilot.press("ctrl+s")
        await settled(pilot)
        assert len(commands.asked("set")) == len([c for c in commands.asked("set") if "--name" in c])
        assert not isinstance(pilot.app.screen, EditFolder), "nothing to change closes it"


async def test_what_is_being_saved_is_not_tried_beside(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    commands.answers["set"] = {"name": "hols", "done": "changed", "daemon": None, "in": "", "out": "", "preset": None}
    run, saved = commands._run, asyncio.Event()

    async def slow(*args: str, data: str = "") -> Result:
        answer = await run(*args, data=data)
        if "--dry-run" not in args:
            await saved.wait()
        return answer

    async with opened(scripted()) as pilot:
        sheet = await sheet_of(pilot, "e", EditFolder)
        assert isinstance(sheet, EditFolder)
        monkeypatch.setattr("depthflow.tui.commands.run", slow)
        monkeypatch.setattr("depthflow.tui.folders.edit.PAUSE_S", 3600)
        sheet.query_one("#name", Input).value = "hols"
        await pilot.pause()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: len(commands.asked("set")) == 1)
        await sheet.try_now().wait()
        saved.set()
        await until(pilot, lambda: pilot.app.screen is not sheet)
        assert commands.asked("set") == [("--json", "holidays", "--name", "hols")]


async def test_a_folder_is_chosen_in_the_browser(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "file.jpg").touch()
    async with opened(scripted()) as pilot:
        sheet = await sheet_of(pilot, "a", EditFolder)
        sheet.query_one("#in", Input).value = str(tmp_path / "not-there-yet")
        browser = await sheet_of(pilot, "ctrl+o", ChooseFolder)
        tree = browser.query_one("FolderTree")
        await until(pilot, lambda: bool(tree.root.children))  # type: ignore[attr-defined]
        assert [str(node.label) for node in tree.root.children] == ["photos"]  # type: ignore[attr-defined]
        await pilot.press("down", "ctrl+s")
        await until(pilot, lambda: pilot.app.screen is sheet)
        assert sheet.query_one("#in", Input).value == str(tmp_path / "photos")


@pytest.mark.parametrize(("answer", "ran"), [("y", 1), ("n", 0), ("escape", 0)])
@pytest.mark.parametrize("key", ["x", "delete"])
async def test_removing_asks_first_and_says_that_files_stay(
    commands: Commands, key: str, answer: str, ran: int
) -> None:
    commands.answers["remove"] = {"name": "holidays", "done": "not watched any more", "daemon": 4711}
    link = scripted()
    async with opened(link) as pilot:
        sheet = await sheet_of(pilot, key, Confirm)
        assert "stay where they are" in str(sheet.query(Static).first().render())
        link.client.answers["folders"] = some_folders()[1:]
        await pilot.press(answer)
        await until(pilot, lambda: pilot.app.screen is not sheet)
        await settled(pilot)
        assert commands.asked("remove") == [("holidays", "--json")] * ran


async def test_rules_are_changed_in_a_form(commands: Commands) -> None:
    async with opened(scripted()) as pilot:
        sheet = await sheet_of(pilot, "r", RulesForm)
        assert sheet.query_one("#outputs", Input).value == "mp4, gif"
        assert "output" in str(sheet.query_one("#others", Static).render())
        sheet.query_one("#outputs", Input).value = "mp4 webm"
        sheet.query_one("#preset", Select).value = ""
        sheet.query_one("#seconds", Input).value = "2"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pilot.app.screen is not sheet)
        change = ("--unset", "preset", "--set", "settle.seconds=2", "--outputs", "mp4,webm")
        assert ("holidays", "--json", *change) in commands.asked("rules")


@pytest.mark.parametrize(("answer", "saved"), [("y", True), ("n", False)])
async def test_deleting_photos_is_confirmed(commands: Commands, answer: str, saved: bool) -> None:
    async with opened(scripted()) as pilot:
        sheet = await sheet_of(pilot, "r", RulesForm)
        sheet.query_one("#after", Select).value = "delete"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        assert "for good" in str(pilot.app.screen.query(Static).first().render())
        await pilot.press(answer)
        await until(pilot, lambda: not isinstance(pilot.app.screen, Confirm))
        await pilot.pause()
        await settled(pilot)
        changed = [command for command in commands.asked("rules") if "after=delete" in command]
        assert bool(changed) == saved
        assert (pilot.app.screen is sheet) != saved


async def test_a_mistake_in_the_form_stays_in_the_form(commands: Commands) -> None:
    async with opened(scripted()) as pilot:
        sheet = await sheet_of(pilot, "r", RulesForm)
        commands.answers["rules"] = refusal("outputs.0.format: unknown format 'mp5'", "did you mean 'mp4'?")
        sheet.query_one("#outputs", Input).value = "mp5"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "unknown format 'mp5'" in str(sheet.query_one("#verdict", Static).render()))
        assert "did you mean 'mp4'?" in str(sheet.query_one("#verdict", Static).render())


async def test_rules_are_edited_as_text_and_a_mistake_points_at_its_line(commands: Commands) -> None:
    async with opened(scripted()) as pilot:
        sheet = await sheet_of(pilot, "t", RulesText)
        area = sheet.query_one(TextArea)
        area.text = "hold = true\nafer = 1\n"
        file = f"{HOME}/Pictures/holidays/.depthflow.toml"
        wrong = {"message": f"{file}: afer: unknown key", "hint": "did you mean 'after'?", "line": 2}
        commands.answers["rules"] = rules_said(wrong=wrong)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "line 2: afer: unknown key" in str(sheet.query_one("#verdict", Static).render()))
        assert area.cursor_location == (1, 0)
        assert commands.data[-1] == "hold = true\nafer = 1\n"
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("n")
        await until(pilot, lambda: pilot.app.screen is sheet)
        commands.answers["rules"] = rules_said(text="hold = true\n")
        area.text = "hold = true\n"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pilot.app.screen is not sheet)
        assert "The rules are saved" in told(pilot)[-1]


async def test_no_rules_yet_begin_with_a_sample(commands: Commands) -> None:
    commands.answers["rules"] = rules_said(text="", there=False)
    async with opened(scripted()) as pilot:
        assert "No rules here" in text_of(pilot, "rules")
        sheet = await sheet_of(pilot, "t", RulesText)
        assert "docs/daemon.md" in sheet.query_one(TextArea).text
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, RulesText))


def test_every_key_has_an_id_of_its_own() -> None:
    ids = [binding.id for binding in FoldersScreen.BINDINGS]  # type: ignore[union-attr]
    assert all(name and name.startswith("folders.") for name in ids)
    assert len(set(ids)) == len(ids)


# -- how it looks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_folders_look(snap_compare: Any, commands: Commands, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await pilot.press("f3")
        await settled(pilot)

    app = DepthFlowApp(link=scripted())  # type: ignore[arg-type]
    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize(
    ("key", "kind"), [("a", EditFolder), ("r", RulesForm), ("t", RulesText), ("x", Confirm)], ids=["a", "r", "t", "x"]
)
def test_sheets_look(snap_compare: Any, commands: Commands, key: str, kind: type[Screen[Any]]) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await pilot.press("f3")
        await settled(pilot)
        await sheet_of(pilot, key, kind)
        await settled(pilot)

    app = DepthFlowApp(link=scripted())  # type: ignore[arg-type]
    assert snap_compare(app, terminal_size=(80, 24), run_before=before)
