"""The Models screen, key by key."""

# ruff: noqa: F811, F401 - a fixture of another module

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import FakeLink
from system_data import Scripted, local_app, scripted
from test_tui_system_screen import cells, ended, notes, settle, text, until
from textual.widgets import DataTable, Input

from depthflow.client.models import Model
from depthflow.errors import Cancelled, DownloadError, RuntimeMissingError
from depthflow.progress import CancelToken
from depthflow.tui import model_list
from depthflow.tui.app import DepthFlowApp
from depthflow.tui.commands import Result
from depthflow.tui.model_list import Fetched
from depthflow.tui.screens.asking import AskPath, Confirm

BUILTIN, SMALL, LARGE, MADE, MINE = range(5)


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_list, "hub_trouble", lambda: None)


def go_to(app: DepthFlowApp, row: int) -> None:
    app.screen.query_one("#models", DataTable).move_cursor(row=row)


async def test_networks_are_listed_with_licence_and_default(scripted: Scripted) -> None:
    app = local_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f4")
        await settle(pilot)
        rows = cells(app, "#models")
        assert rows[BUILTIN] == ["●", "builtin", "yes", "9.7 MB", "unclear", "AGPL-3.0-only"]
        assert rows[LARGE] == [" ", "large", "-", "1.3 GB", "no", "CC-BY-NC-4.0"]
        go_to(app, LARGE)
        await pilot.pause()
        assert app.screen.query_one("#details").border_title == "A large one"


class Download:
    """Stands in for `model_list.fetch`: it goes as far as the test lets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.told, self.go_on = threading.Event(), threading.Event()
        self.error: Exception | None = None
        monkeypatch.setattr(model_list, "fetch", self.fetch)

    def fetch(self, name: str, tell: Callable[[Fetched], None], cancel: CancelToken) -> None:
        self.names.append(name)
        if self.error is not None:
            raise self.error
        tell(Fetched("model.onnx", 25_000_000, 100_000_000, 5_000_000.0))
        self.told.set()
        while not self.go_on.wait(0.01):
            cancel.check()


@pytest.fixture
def download(monkeypatch: pytest.MonkeyPatch) -> Download:
    return Download(monkeypatch)


async def test_a_network_is_fetched_with_progress_and_tried(scripted: Scripted, download: Download) -> None:
    app = local_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f4")
        await settle(pilot)
        go_to(app, SMALL)
        await pilot.press("f")
        await until(pilot, lambda: "esc stops" in text(app, "#activity"))
        for words in ("small", "25.0 MB of 100 MB", "5.0 MB/s", "15 s left", "esc stops"):
            assert words in text(app, "#activity")
        await pilot.press("f")
        assert "small is being fetched" in notes(app)
        download.go_on.set()
        await ended(pilot, "fetch")
        await settle(pilot)
        assert "small is here" in notes(app)
        assert scripted.ran == [("models", "verify", "small", "--json")]
        assert not app.screen.query_one("#activity").display


async def test_escape_stops_a_fetch(scripted: Scripted, download: Download) -> None:
    app = local_app()
    async with app.run_test() as pilot:
        await pilot.press("f4")
        await settle(pilot)
        go_to(app, SMALL)
        await pilot.press("enter")
        await until(pilot, download.told.is_set)
        await pilot.press("escape")
        await ended(pilot, "fetch")
        await settle(pilot)
        assert "goes on next time" in notes(app)
        assert scripted.ran == []


async def test_a_licence_that_forbids_trade_is_agreed_to_first(scripted: Scripted, download: Download) -> None:
    app = local_app()
    download.go_on.set()
    async with app.run_test() as pilot:
        await pilot.press("f4")
        await settle(pilot)
        go_to(app, LARGE)
        await pilot.press("f")
        assert isinstance(app.screen, Confirm)
        await pilot.press("escape")
        await pilot.pause()
        assert download.names == []
        await pilot.press("f", "y")
        await ended(pilot, "fetch")
        assert download.names == ["large"]


@pytest.mark.parametrize("error", [DownloadError("no network", "look at the cable"), Cancelled("stopped")])
async def test_a_fetch_that_fails_is_told(error: Exception, scripted: Scripted, download: Download) -> None:
    download.error = error
    app = local_app()
    async with app.run_test() as pilot:
        await pilot.press("f4")
        await settle(pilot)
        go_to(app, SMALL)
        await pilot.press("f")
        await ended(pilot, "fetch")
        await settle(pilot)
        assert "no network\nlook at the cable" in notes(app) or "what has come is kept" in notes(app)
        assert not app.screen.query_one("#activity").display


async def test_without_the_hub_the_install_command_is_told(
    scripted: Scripted,
    download: Download,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = RuntimeMissingError("huggingface_hub is not installed", "install it: pip install 'depthflow-studio[hub]'")
    monkeypatch.setattr(model_list, "hub_trouble", lambda: missing)
    app = local_app()
    async with app.run_test() as pilot:
        await pilot.press("f4")
        await settle(pilot)
        go_to(app, SMALL)
        await pilot.press("f")
        await pilot.pause()
        assert "depthflow-studio\\[hub]" in notes(app)
        assert download.names == []


async def test_what_is_no_download_says_how_it_is_made(scripted: Scripted, download: Download) -> None:
    app = local_app()
    async with app.run_test() as pilot:
        await pilot.press("f4")
        await settle(pilot)
        go_to(app, MADE)
        await pilot.press("f")
        go_to(app, BUILTIN)
        await pilot.press("f")
        await pilot.pause()
        assert "depthflow models export a/b" in notes(app)
        assert "builtin is here" in notes(app)
        assert download.names == []


async def test_the_default_is_chosen(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(model_list, "choose", chosen.append)
    app = local_app()
    async with app.run_test() as pilot:
        await pilot.press("f4")
        await settle(pilot)
        go_to(app, MINE)
        await pilot.press("d")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        go_to(app, SMALL)
        await pilot.press("d")
        await settle(pilot)
        assert chosen == ["mine", "mine"]
        assert "small is not on this computer" in notes(app)


async def test_a_network_is_verified_and_timed(scripted: Scripted) -> None:
    app = local_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f4")
        await settle(pilot)
        go_to(app, MINE)
        await pilot.press("v")
        await settle(pilot)
        assert "ran on cpu" in notes(app)
        await pilot.press("b")
        await settle(pilot)
        assert scripted.ran == [
            ("models", "verify", "mine", "--json"),
            ("models", "bench", "mine", "--runs", "3", "--json"),
        ]
        drawn = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        for words in ("384x256", "182", "cuda failed: no device"):
            assert words in drawn


async def test_a_file_of_ones_own_is_imported(scripted: Scripted, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(b"")
    app = local_app()
    async with app.run_test() as pilot:
        await pilot.press("f4")
        await settle(pilot)
        for result, words in (
            (scripted.results["import"], "net: kept"),
            (Result(3, "", "error: no network"), "no net"),
        ):
            scripted.results["import"] = result
            await pilot.press("i")
            assert isinstance(app.screen, AskPath)
            app.screen.query_one(Input).value = str(file)
            await pilot.press("enter")
            await ended(pilot, "default")
            await settle(pilot)
            assert words in notes(app)
        assert scripted.ran == [("models", "import", str(file))] * 2


async def test_a_network_is_removed_after_a_question(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []

    def remove(name: str) -> int:
        removed.append(name)
        return 12_000_000

    monkeypatch.setattr(model_list, "remove", remove)
    app = local_app()
    async with app.run_test() as pilot:
        await pilot.press("f4")
        await settle(pilot)
        await pilot.press("x")
        assert "ships with the program" in notes(app)
        go_to(app, MINE)
        await pilot.press("x", "n")
        await pilot.pause()
        assert removed == []
        await pilot.press("x", "y")
        await settle(pilot)
        assert removed == ["mine"]
        assert "12.0 MB are free again" in notes(app)


async def test_of_a_daemon_elsewhere_there_is_only_the_list(scripted: Scripted, download: Download) -> None:
    far = [Model(name="far", title="Far away", source="huggingface", here=True, size_mb=5.0, licence="MIT")]
    app = DepthFlowApp(link=FakeLink(depth_models=far))  # type: ignore[arg-type]
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f4")
        await settle(pilot)
        assert [row[1] for row in cells(app, "#models")] == ["far"]
        for key in "fdvbix":
            await pilot.press(key)
            await pilot.pause()
        assert (scripted.ran, download.names) == ([], [])
        assert notes(app).count("another machine") == 6


async def test_r_looks_again(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    app = local_app()
    async with app.run_test() as pilot:
        await pilot.press("f4")
        await settle(pilot)
        monkeypatch.setattr(model_list, "local_rows", lambda: ([], ""))
        await pilot.press("r")
        await settle(pilot)
        assert cells(app, "#models") == []
