"""Paths that complete themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_tui_system_screen import until
from textual.app import App, ComposeResult
from textual.widgets import Input

from depthflow.images import is_photo_name
from depthflow.tui.widgets.pathfield import PathField, completed


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("b cat.jpg", "dog.png", "notes.txt", ".hidden.jpg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "holiday").mkdir()
    return tmp_path


def _photo(path: Path) -> bool:
    return is_photo_name(path.name)


def test_what_is_wanted_is_offered_and_folders() -> None:
    assert completed("/nowhere/x", _photo) is None


def test_completion_knows_photos_and_folders_only(photos: Path) -> None:
    assert completed(f"{photos}/", _photo) == f"{photos}/b cat.jpg"
    assert completed(f"{photos}/h", _photo) == f"{photos}/holiday/"
    assert completed(f"{photos}/n", _photo) is None
    assert completed(f"{photos}/.h", _photo) is None, "a hidden photo is none"
    assert completed(f"{photos}/", lambda _: False) == f"{photos}/holiday/"
    assert completed(f"{photos}/n", lambda path: path.suffix == ".txt") == f"{photos}/notes.txt"


class Bench(App[None]):
    def compose(self) -> ComposeResult:
        yield PathField(wanted=_photo)
        yield Input(id="next")


async def test_tab_completes_and_goes_on_once_there_is_nothing_to_complete(photos: Path) -> None:
    app = Bench()
    async with app.run_test() as pilot:
        rung: list[bool] = []
        app.bell = lambda: rung.append(True)  # type: ignore[method-assign]
        field = app.query_one(PathField)
        field.focus()
        await until(pilot, lambda: field.has_focus)
        await pilot.press("tab")
        assert app.query_one("#next").has_focus, "nothing was begun"
        await pilot.press("shift+tab", *f"{photos}/ho", "tab")
        await until(pilot, lambda: field.value == f"{photos}/holiday/")
        await pilot.press("tab")
        await until(pilot, lambda: app.query_one("#next").has_focus)
        field.value = f"{photos}/nothing"
        field.focus()
        await until(pilot, lambda: field.has_focus)
        await pilot.press("tab")
        await until(pilot, lambda: rung)
        assert field.has_focus
