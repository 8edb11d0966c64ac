"""Welcome, and the first video of a new user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fakes import job
from system_data import local_link
from test_tui_system_screen import notes, settle, text, until
from textual.pilot import Pilot
from textual.widgets import OptionList

from depthflow.client.models import Job, Progress
from depthflow.errors import ServerError
from depthflow.tui import first_clip, opening
from depthflow.tui.app import DepthFlowApp
from depthflow.tui.link import LinkState
from depthflow.tui.preferences import Preferences
from depthflow.tui.screens.welcome import WelcomeScreen


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opening, "opener", lambda: ["/bin/true"])
    return tmp_path


def newcomer(*, ends: str = "done", error: str = "", **answers: Any) -> DepthFlowApp:
    """The interface as somebody sees it who was never here; the daemon makes a job in three steps."""
    link = local_link(submit=job(9), **answers)
    steps = [
        job(9),
        job(9, "running", progress=Progress(stage="render", done=36, total=72, seconds=1.0, rate=36.0)),
        job(9, ends, error=error or None),
    ]

    async def follow(number: int) -> AsyncIterator[Job]:
        assert number == 9
        for step in steps:
            yield step

    async def download(number: int, output: int, target: Path) -> Path:
        target.write_bytes(b"video")
        return target

    link.client.follow = follow
    link.client.download = download
    return DepthFlowApp(link=link, welcome=True)  # type: ignore[arg-type]


def choose(app: DepthFlowApp, name: str) -> None:
    choices = app.screen.query_one("#choices", OptionList)
    choices.highlighted = choices.get_option_index(name)


async def leave_welcome(pilot: Pilot[None]) -> None:
    await pilot.press("enter")
    await settle(pilot)


async def test_who_was_never_here_is_greeted_once() -> None:
    app = newcomer()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert isinstance(app.screen, WelcomeScreen)
        await pilot.press("escape")
        await settle(pilot)
        assert not isinstance(app.screen, WelcomeScreen)
    again = newcomer()
    async with again.run_test() as pilot:
        await pilot.pause()
        assert not isinstance(again.screen, WelcomeScreen)
        again.action_welcome()
        await pilot.pause()
        assert isinstance(again.screen, WelcomeScreen), "the palette shows it again"


async def test_the_sample_photo_becomes_a_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    async def open_path(path: Path) -> None:
        opened.append(path)

    monkeypatch.setattr(opening, "open_path", open_path)
    app = newcomer()
    async with app.run_test() as pilot:
        await pilot.pause()
        await leave_welcome(pilot)
        file = home / "out" / first_clip.NAME
        assert file.read_bytes() == b"video"
        assert str(file) in text(app, "#state").replace("\n", "")
        link: Any = app.link
        name, (photo,), asked = next(each for each in link.client.asked if each[0] == "submit")
        assert (name, photo, asked["roots"]) == ("submit", first_clip.sample(), ())
        await pilot.press("enter")
        await settle(pilot)
        choose(app, "place")
        await pilot.press("enter")
        await settle(pilot)
        assert opened == [file, file.parent]
        choose(app, "skip")
        await leave_welcome(pilot)
        assert not isinstance(app.screen, WelcomeScreen)
    preferences = Preferences()
    preferences.load()
    assert preferences.welcomed


@pytest.mark.parametrize(("ends", "error"), [("failed", "the disk is full"), ("cancelled", "")])
async def test_a_job_that_does_not_work_out_is_told(ends: str, error: str, home: Path) -> None:
    app = newcomer(ends=ends, error=error)
    async with app.run_test() as pilot:
        await pilot.pause()
        await leave_welcome(pilot)
        assert (error or "was cancelled") in text(app, "#state")
        assert not (home / "out").exists()
        assert app.screen.query_one("#choices", OptionList).option_count == 4, "it can be tried again"


async def test_without_a_daemon_it_says_so() -> None:
    app = newcomer()
    async with app.run_test() as pilot:
        await pilot.pause()
        link: Any = app.link
        link.go_offline("nobody answers")
        await leave_welcome(pilot)
        assert "There is no daemon: nobody answers" in text(app, "#state")


async def test_a_daemon_that_is_starting_is_waited_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = newcomer()
    link: Any = app.link
    started = asyncio.Event()

    async def run() -> None:
        link.state = LinkState.STARTING
        await started.wait()
        link.go_online()

    monkeypatch.setattr(link, "run", run)
    async with app.run_test() as pilot:
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: "starting a daemon" in text(app, "#state"))
        started.set()
        await settle(pilot)
        assert (home / "out" / first_clip.NAME).exists()


async def test_a_refused_job_is_told() -> None:
    app = newcomer()
    link: Any = app.link
    link.client.answers["submit"] = ServerError("too much to do", "come back later")
    async with app.run_test() as pilot:
        await pilot.pause()
        await leave_welcome(pilot)
        assert "come back later" in text(app, "#state")


@pytest.mark.parametrize(("choice", "place"), [("folder", "folders"), ("photo", "studio")])
async def test_the_other_ways_lead_to_their_places(choice: str, place: str) -> None:
    app = newcomer()
    async with app.run_test() as pilot:
        await pilot.pause()
        choose(app, choice)
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == place)
        assert notes(app) == ""


def test_the_file_goes_where_videos_are_and_replaces_none(home: Path) -> None:
    assert first_clip.place() == home / "out" / first_clip.NAME
    (home / "Videos").mkdir()
    assert first_clip.place() == home / "Videos" / first_clip.NAME
    first_clip.place().write_bytes(b"")
    assert first_clip.place() == home / "Videos" / "depthflow-boats-2.mp4"


def test_the_bar_only_rises() -> None:
    stages = [
        job(1),
        *(
            job(1, "running", progress=Progress(stage=stage, done=done, total=10))
            for stage in first_clip.STAGES
            for done in (0, 5, 10)
        ),
        job(1, "done"),
    ]
    shares = [first_clip.share(each) for each in stages]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert first_clip.share(job(1, "running", progress=Progress(stage="something new"))) == 0.0
