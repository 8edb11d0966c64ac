"""The studio's screen: every key, with scripted previews."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import job
from studio_scene import Studio, a_photo, studio
from textual.events import Key
from textual.widgets import Input, OptionList

from depthflow.client.models import Job
from depthflow.errors import UsageError
from depthflow.jobs import library
from depthflow.tui import sending
from depthflow.tui.screens import studio_dialogs
from depthflow.tui.screens.photo_browser import ChoosePhoto
from depthflow.tui.screens.studio import StudioScreen
from depthflow.tui.studio.parameters import SECTIONS
from depthflow.tui.widgets.parameters import ParameterList
from depthflow.tui.widgets.picture import Picture
from depthflow.tui.widgets.tabstrip import TabStrip


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "config" / "presets"


def notes(run: Studio) -> list[str]:
    return [each.message for each in run.app._notifications]


async def to(run: Studio, path: str) -> ParameterList:
    """The cursor to a parameter."""
    shown = run.screen.query_one(ParameterList)
    section = next(row for row in SECTIONS if row.lower() == path.split(".")[0])
    run.screen._show_tab(section)
    shown.go_to(path)
    await run.pilot.pause()
    return shown


# -- the preview ---------------------------------------------------------------------------------------------------


async def test_the_preview_is_asked_for_as_large_as_the_picture_and_shown(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        (asked,) = run.link.client.calls("begin_preview")
        columns = run.screen.query_one(Picture).size.width
        assert (asked["width"], asked["height"]) == (2 * columns, round(2 * columns * 64 / 96))
        assert asked["show"] == "result"
        run.previews.colour = (0, 255, 0)
        run.previews.frame()
        await run.until(lambda: run.screen._frame.pixels[:3] == b"\x00\xff\x00")  # type: ignore[union-attr]
        await run.pilot.pause()
        strip = run.app.screen._compositor.render_strips()[20].crop(20, 21)
        assert [each.style.bgcolor.triplet.hex for each in strip if each.text] == ["#00ff00"]


async def test_a_key_changes_the_preview(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        await to(run, "camera.zoom")
        await run.press("right", "right")
        await run.until(lambda: run.screen._frame.revision == run.screen._player.revision > 1)  # type: ignore[union-attr]
        assert run.link.client.calls("change_preview")[-1]["spec"]["camera"]["zoom"] == pytest.approx(1.1)


async def test_views_go_round(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        await run.press("v")
        await run.until(lambda: run.link.client.calls("change_preview"))
        assert run.link.client.calls("change_preview")[-1] == {"show": "depth"}
        await run.press("v")
        await run.until(lambda: len(run.link.client.calls("change_preview")) == 2)
        assert run.link.client.calls("change_preview")[-1] == {"show": "result", "paused": True}
        assert "photo" in run.row(38)
        photo = run.app.screen._compositor.render_strips()[20].crop(2, 60)
        assert len({each.style.bgcolor.triplet for each in photo if each.style}) > 20
        await run.press("v")
        await run.until(lambda: len(run.link.client.calls("change_preview")) == 3)
        asked = run.link.client.calls("change_preview")[-1]
        assert asked["paused"] is False
        assert asked["width"] <= run.screen.query_one(Picture).size.width
        await run.press("v")
        assert run.screen.view == "result"


async def test_the_line_below_the_picture_is_whole_in_a_small_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StudioScreen, "_rate", lambda _: 15.0)
    async with studio(tmp_path, size=(80, 24)) as run:
        run.screen.view = "side by side"
        run.screen._show_status()
        await run.until(lambda: "side by side" in run.row(22))
        assert " · 15 fps " in run.row(22)


async def test_a_frame_that_comes_while_the_screen_goes_is_nothing(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        frame = run.screen._frame
        assert frame is not None
        await run.screen.query_one("#studio").remove()
        run.screen._take_frame(frame)
        run.screen._take_trouble(UsageError("late"))


async def test_space_pauses(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        assert run.screen.query_one(ParameterList).has_focus
        await run.press("space")
        await run.until(lambda: run.link.client.calls("change_preview") == [{"paused": True}])
        assert "paused" in run.row(38)


async def test_elsewhere_the_preview_is_not_read(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        await run.press("f1")
        workers = [each for each in run.app.workers if each.group == "player" and each.is_running]
        assert workers == []
        await run.press("f2")
        frame = run.screen._frame
        run.previews.frame()
        await run.until(lambda: run.screen._frame is not frame)


async def test_problems_are_a_line_and_go(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        run.previews.frame(problem="the depth map is not there", hint="take another")
        await run.until(lambda: "the depth map is not there - take another" in run.row(38))
        run.previews.frame()
        await run.until(lambda: "result" in run.row(38))


async def test_a_photo_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no picture")
    async with studio(tmp_path, photo=False) as run:
        assert "chooses a photo" in run.row(38)
        run.screen.open(str(tmp_path / "x.png"))
        await run.until(lambda: "x.png" in run.row(38))


async def test_offline_is_said_and_online_goes_on(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        run.link.go_offline("no daemon answers")
        await run.until(lambda: "no daemon answers" in run.row(38))
        await run.press("r")
        assert any("offline" in note for note in notes(run))
        run.link.go_online()
        await run.until(lambda: run.previews.begun == 2)


# -- parameters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("right", 1.05),
        ("left", 0.95),
        ("shift+right", 1.005),
        ("shift+left", 0.995),
        ("ctrl+right", 1.5),
        ("ctrl+left", 0.5),
        ("end", 3.0),
        ("home", 0.0),
        ("2 . 5 enter", 2.5),
        ("enter backspace 7 enter", 7.0),
        ("right right backspace", 1.0),
        ("right right delete", 1.0),
        ("right ctrl+z", 1.0),
        ("right ctrl+z ctrl+y", 1.05),
    ],
)
async def test_keys_of_a_slider(tmp_path: Path, keys: str, value: float) -> None:
    async with studio(tmp_path, photo=False) as run:
        await to(run, "motion.strength")
        await run.press(*keys.split())
        assert run.model.get("motion.strength") == pytest.approx(value)
        assert run.screen.query_one(ParameterList).has_focus


async def test_a_number_that_is_not_allowed_is_refused_with_the_range(tmp_path: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        await to(run, "motion.strength")
        await run.press("9", "9", "enter")
        assert "99 is not -10 to 10" in run.text()
        assert run.model.get("motion.strength") == 1.0
        await run.press("escape")
        assert run.screen.query_one(ParameterList).has_focus
        assert not run.screen.query_one("#edit").display


async def test_steps_that_follow_at_once_are_one_for_undo(tmp_path: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        shown = await to(run, "motion.strength")
        now = 100.0
        shown._clock = lambda: now
        await run.press("right", "right", "right")
        now = 102.0
        await run.press("right")
        await run.press("ctrl+z")
        assert run.model.get("motion.strength") == pytest.approx(1.15)
        await run.press("ctrl+z")
        assert run.model.get("motion.strength") == 1.0
        await run.press("ctrl+z")
        assert "There is nothing to undo" in notes(run)


async def test_switches_and_choices(tmp_path: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        await to(run, "motion.reverse")
        await run.press("space")
        assert run.model.get("motion.reverse") is True
        await to(run, "motion.loop")
        await run.press("right", "right")
        assert run.model.get("motion.loop") is False
        await to(run, "output.fit")
        await run.press("left")
        assert run.model.get("output.fit") == "fill"
        await run.press("enter")
        assert isinstance(run.app.screen, studio_dialogs.ChooseDialog)
        await run.press("up", "up", "enter")
        assert run.model.get("output.fit") == "pad"
        await to(run, "output.format")
        await run.press("enter", "home", "enter")
        assert run.model.get("output.format") is None


async def test_names_suggest_themselves_while_typing(tmp_path: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        await to(run, "motion.easing")
        await run.press("enter", *"ease-in-out-si")
        await run.until(lambda: run.screen.query_one("#edit", Input)._suggestion)
        await run.press("right", "enter")
        assert run.model.get("motion.easing") == "ease-in-out-sine"
        await run.press("enter", *"xx", "enter")
        assert any("easing" in note for note in notes(run))


async def test_groups_open_and_close_and_reset(tmp_path: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        run.screen._show_tab("Effects")
        await run.pilot.pause()
        assert "Vignette" in run.text()
        assert "Aperture" not in run.text()
        await run.press("enter")
        assert "half dia" not in run.text()
        await run.press("down", "right", "right", "up", "left")
        assert "1 changed" in run.text()
        await run.press("backspace")
        assert run.model.changed == frozenset()


async def test_the_mouse_drags_a_slider(tmp_path: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        shown = await to(run, "motion.strength")
        left, width = shown._track
        row = next(index for index, line in enumerate(shown._lines) if line is shown.row)
        await run.pilot.mouse_down(shown, offset=(left, row))
        await run.pilot.hover(shown, offset=(left + width // 2, row))
        await run.pilot.hover(shown, offset=(left + width - 1, row))
        await run.pilot.mouse_up(shown, offset=(left + width - 1, row))
        assert run.model.get("motion.strength") == 3.0
        await run.press("ctrl+z")
        assert run.model.get("motion.strength") == 1.0


async def test_the_search_finds_everywhere(tmp_path: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        await run.press("slash", *"fog dens", "enter")
        assert run.screen.query_one(ParameterList).has_focus
        assert "Effects · Fog" in run.text()
        await run.press("down", "right", "escape")
        assert run.model.get("effects.fog.density") == pytest.approx(0.05)
        assert run.screen.query_one(TabStrip).chosen == "Effects"
        assert run.screen.query_one(ParameterList).row.path == "effects.fog.density"  # type: ignore[union-attr]


async def test_what_is_typed_ahead_is_searched_for_and_is_no_command(tmp_path: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        for key in ("slash", *"food"):
            run.app.post_message(Key(key, "/" if key == "slash" else key))
        await run.until(lambda: run.screen.query_one("#search", Input).value == "food")
        assert run.app.screen is run.screen  # o opens no photo
        assert notes(run) == []  # d takes no other seed
        await run.press("slash")
        assert run.screen.query_one("#search", Input).value == "food/"


async def test_tabs_go_round_and_are_clicked(tmp_path: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        tabs = run.screen.query_one(TabStrip)
        seen = []
        for _ in range(7):
            await run.press("right_square_bracket")
            seen.append(tabs.chosen)
        assert seen == ["Camera", "Depth", "Layers", "Effects", "Output", "Look", "Motion"]
        await run.press("left_square_bracket")
        assert tabs.chosen == "Look"
        await run.pilot.click(TabStrip, offset=(15, 0))
        assert tabs.chosen == "Camera"


# -- looks ---------------------------------------------------------------------------------------------------------


async def test_a_preset_is_chosen_and_undone(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        await run.press("left_square_bracket")
        shown = run.screen.query_one("#presets", OptionList)
        await run.until(lambda: shown.option_count == 4)
        shown.highlighted = 2
        await run.press("enter")
        await run.until(lambda: run.model.preset == "dramatic")
        await run.until(lambda: run.previews.revision > 1)
        assert "dramatic" in run.row(1)
        assert run.link.client.calls("begin_preview")[-1]["preset"] == "dramatic" or (
            run.link.client.calls("change_preview")[-1]["preset"] == "dramatic"
        )
        await run.press("ctrl+z")
        assert run.model.preset is None


async def test_motions_show_at_once(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        run.screen.query_one("#motions").focus()
        await run.press("down", "down")
        names = list(library.names("motions"))
        wanted = names[names.index("orbital") + 2]
        assert run.model.get("motion.name") == wanted
        await run.until(lambda: run.link.client.calls("change_preview"))
        await run.press("ctrl+z")
        assert run.model.get("motion.name") == "orbital"


async def test_a_and_b(tmp_path: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        await to(run, "motion.strength")
        await run.press("end", "x", "home")
        assert " B " in run.row(1)
        assert run.model.get("motion.strength") == 0.0
        await run.press("x")
        assert " A " in run.row(1)
        assert run.model.get("motion.strength") == 3.0
        await run.press("R")
        assert run.model.changed == frozenset()


async def test_another_seed(tmp_path: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        await run.press("d")
        assert any(note.startswith("Seed ") for note in notes(run))


async def test_panes_hide(tmp_path: Path) -> None:
    async with studio(tmp_path, size=(80, 24)) as run:
        picture = run.screen.query_one(Picture)
        narrow = picture.size.width
        await run.press("z")
        assert picture.size.width > 1.9 * narrow
        await run.press("h")
        assert not run.screen.query_one("#left").display
        await run.press("escape")
        assert picture.size.width == narrow


# -- what comes of it ----------------------------------------------------------------------------------------------


async def test_the_job_is_queued_with_what_was_changed(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        await to(run, "camera.zoom")
        await run.press("2", "enter", "r")
        assert "1080p, 5 s at 30 frames/s, mp4" in run.text()
        await run.press("enter")
        await run.until(lambda: run.link.client.calls("submit"))
        (call,) = run.link.client.calls("submit")
        assert (call["spec"], call["preset"], call["roots"]) == ({"camera": {"zoom": 2.0}}, None, ["/"])
        await run.until(lambda: any("Job 8 is queued" in note for note in notes(run)))
        assert run.app.current_mode == "studio"
        await run.press("r", "g")
        await run.until(lambda: run.app.current_mode == "queue")


async def test_a_result_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    taken = tmp_path / "lake.mp4"
    asked: list[dict[str, Any]] = []

    def submit(_: str, *, spec: dict[str, Any], **__: object) -> Job:
        asked.append(spec)
        if len(asked) == 1:
            raise UsageError(f"{taken}: is there already", "give --overwrite")
        return job(8)

    async with studio(tmp_path, submit=submit) as run:
        await run.press("r", "enter")
        await run.until(lambda: any("Job 8 is queued" in note for note in notes(run)))
        assert [sending._path(spec) for spec in asked] == [None, str(tmp_path / "lake-2.mp4")]


async def test_what_is_searched_is_seen_also_where_only_the_preview_was(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        shown = run.screen.query_one(ParameterList)
        await run.press("z")
        await run.until(lambda: not shown.size)
        await run.press("slash", *"zoom", "enter")
        await run.until(lambda: shown.size)
        assert "Zoom" in run.text()
        await run.press("z")
        await run.until(lambda: not shown.size)
        run.screen._show_tab("Camera")
        await run.press("z")
        await run.until(lambda: "Isometric" in run.text())


@pytest.mark.parametrize(
    ("answer", "said"),
    [(job(9, "skipped", same_as=4), "Job 4 makes the same already"), (UsageError("too long", "be brief"), "be brief")],
)
async def test_what_is_not_queued_is_said(tmp_path: Path, answer: object, said: str) -> None:
    given = answer if isinstance(answer, Exception) else lambda *_, **__: answer
    async with studio(tmp_path, submit=given) as run:
        await run.press("r", "enter")
        await run.until(lambda: any(said in note for note in notes(run)))


async def test_a_look_is_saved_and_replaced_only_when_asked(tmp_path: Path, own_folder: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        await to(run, "camera.zoom")
        await run.press("2", "enter", "s", *"mine", "tab", *"closer")
        assert "zoom = 2.0" in run.text()
        await run.press("enter")
        assert library.load_preset("mine").parts == {"camera": {"zoom": 2.0}}
        assert library.load_preset("mine").description == "closer"
        await to(run, "camera.zoom")
        await run.press("3", "enter")
        assert run.model.get("camera.zoom") == 3.0
        await run.press("s", *"mine")
        assert isinstance(run.app.screen, studio_dialogs.SaveDialog)
        assert "Replace" in run.text()
        await run.press("escape")
        assert library.load_preset("mine").parts == {"camera": {"zoom": 2.0}}
        await run.press("s", *"mine", "enter")
        assert library.load_preset("mine").parts == {"camera": {"zoom": 3.0}}


async def test_a_bad_name_is_not_saved(tmp_path: Path, own_folder: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        await run.press("s", *"a/b", "enter")
        assert "cannot be a preset" in run.text()
        assert not own_folder.exists()


async def test_the_command_is_copied_and_shown(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        await to(run, "camera.zoom")
        await run.press("2", "enter", "c")
        assert run.app.clipboard.startswith("depthflow render ")
        assert run.app.clipboard.endswith("lake.png --zoom 2")
        assert "--zoom" in run.text()


async def test_a_photo_is_chosen_by_its_path(tmp_path: Path) -> None:
    photo = a_photo(tmp_path)
    async with studio(tmp_path, photo=False) as run:
        await run.press("o")
        dialog = run.app.screen
        assert isinstance(dialog, ChoosePhoto)
        dialog.query_one("#path", Input).value = "/nowhere.png"
        await run.press("enter")
        await run.until(lambda: "there is no such photo" in run.text())
        dialog.query_one("#path", Input).value = f"'{photo}'"
        await run.press("enter")
        await run.until(lambda: run.screen._frame is not None)
        assert run.model.photo == photo
        await run.press("o")
        await run.until(lambda: run.app.screen.query("#recent"))
        assert run.app.screen.query_one("#recent", OptionList).get_option_at_index(0).id == photo
        run.model.photo = ""
        await run.press("enter")  # nothing typed: the last one
        await run.until(lambda: run.model.photo == photo)


async def test_a_job_is_opened_with_what_it_says(tmp_path: Path) -> None:
    from depthflow.jobs.spec import JobSpec

    async with studio(tmp_path, photo=False) as run:
        spec = JobSpec(photo="x").with_(camera={"zoom": 2.0}).to_dict()
        await run.app.open_in_studio(a_photo(tmp_path), spec)
        await run.until(lambda: run.screen._frame is not None)
        assert run.link.client.calls("begin_preview")[0]["spec"] == {"camera": {"zoom": 2.0}}


async def test_without_a_photo_nothing_is_made(tmp_path: Path) -> None:
    async with studio(tmp_path, photo=False) as run:
        await run.press("r", "c")
        assert sum("Choose a photo first" in note for note in notes(run)) == 2
