"""The timeline under fingers: every key, the mouse, and what is told of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, OptionList
from timelines import FULL, Bench

from depthflow.tui.timeline.editor import TimelineEditor
from depthflow.tui.timeline.pickers import Ask, Pick

LAST = 149 / 30
NAMES = 26
"""Columns of the names at 80 columns."""
WIDTH = 80


def column(seconds: float) -> int:
    """Of the widget, when everything is in view."""
    return NAMES + round(seconds / LAST * (WIDTH - NAMES - 1))


def lines(app: Bench) -> list[str]:
    editor = app.editor
    return ["".join(piece.text for piece in editor.render_line(y)) for y in range(editor.size.height)]


def times(app: Bench, track: int | None = None) -> list[float]:
    editor = app.editor
    return [round(spot.seconds, 3) for spot in editor.model.rows[editor.track if track is None else track].keys]


async def test_what_is_loaded_is_shown() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 24)):
        shown = lines(app)
        assert shown[0].startswith(" ▶ 0.00 s  f0/149")
        for word in ("1s", "2s", "3s", "4s"):
            assert f"╵{word}" in shown[0]
        assert [line.split()[0] for line in shown[1:-1] if line.startswith(" ") and line.strip()] == [
            "z",
            "x",
            "colour.saturation",
        ]
        assert shown[1].startswith("▌focus")
        assert sum(line.count("◆") for line in shown[1:-1]) == 3 + 3 + 4 + 2
        assert re.search("[\u2801-\u28ff]{5}", "".join(shown)), "curves"
        assert shown[-1].startswith(" ◆ 1/3   0.1 depth   at 0s")
        assert app.changes == [] and app.scrubs == []  # noqa: PT018


async def test_nothing_is_there_yet() -> None:
    app = Bench()
    async with app.run_test(size=(80, 12)) as pilot:
        assert "+ adds one" in lines(app)[1]
        keys = "left right up down shift+up shift+down comma full_stop left_square_bracket x X c v t m o e E h"
        await pilot.press(*keys.split())
        assert app.changes == []
        await pilot.press("a")
        assert isinstance(app.screen, Pick), "the first key needs a track"


async def test_what_is_wrong_is_said() -> None:
    app = Bench({"tracks": [{"parameter": "zom", "keys": [{"at": 0, "value": 1}]}]})
    async with app.run_test(size=(80, 12)) as pilot:
        assert "zom" in lines(app)[1]
        app.editor.load(None, 5, 30)
        await pilot.pause()
        assert "no tracks yet" in lines(app)[1]
        app.editor.load({"tracks": [FULL["tracks"][1]]}, 0.5, 30)
        assert "track 'z'" in lines(app)[1]
        app.editor.load(FULL, 5, 30)
        assert "zom" not in "".join(lines(app))


# -- moving about --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "frame"),
    [
        ("shift+right", 1),
        ("shift+right shift+right shift+left", 1),
        ("shift+left", 0),
        ("right", 3),
        ("right right left", 3),
        ("end", 149),
        ("end home", 0),
        ("end shift+right", 149),
        ("full_stop", 60),
        ("full_stop full_stop", 149),
        ("full_stop full_stop full_stop", 149),
        ("end comma", 60),
        ("shift+right comma", 0),
        ("right right full_stop comma", 0),
    ],
)
async def test_the_playhead_moves(keys: str, frame: int) -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press(*keys.split())
        assert app.scrubs[-1] == pytest.approx(frame / 149)
        assert f" f{frame}/149" in lines(app)[0]
        assert lines(app)[0].startswith(" ■")
        assert lines(app)[0].index("▼") == column(frame / 30)
        assert app.changes == []


async def test_space_plays_on_and_stands_still() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("full_stop", "space", "space")
        assert app.scrubs == [pytest.approx(60 / 149), None, pytest.approx(60 / 149)]
        await pilot.press("space")
        app.editor.follow(0.5)
        await pilot.pause()
        assert " f74/149" in lines(app)[0]
        await pilot.press("space")
        app.editor.follow(0.9)
        assert app.editor.playhead == pytest.approx(74.5 / 30, abs=0.02), "what stands still follows nothing"


async def test_tracks_are_gone_through() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        seen = [app.editor.track]
        for key in ("up", "down", "down", "down", "down", "up"):
            await pilot.press(key)
            seen.append(app.editor.track)
        assert seen == [0, 0, 1, 2, 3, 3, 2]
        assert lines(app)[3].startswith("▌x")


@pytest.mark.parametrize("height", [4, 5, 8])
async def test_a_small_pane_follows_the_track(height: int) -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, height + 1)) as pilot:
        for name in ("focus", "z", "x", "colour", "colour"):
            assert any(line.startswith(f"▌{name}") for line in lines(app)[1:-1]), name
            await pilot.press("down")
        for _ in range(4):
            await pilot.press("up")
        assert lines(app)[1].startswith("▌focus")


@pytest.mark.parametrize("size", [(80, 8), (200, 20), (40, 6), (24, 4), (250, 70)])
async def test_all_sizes(size: tuple[int, int]) -> None:
    app = Bench(FULL)
    async with app.run_test(size=size) as pilot:
        for line in lines(app):
            assert len(line) == app.editor.size.width
        await pilot.press("full_stop", "equals_sign", "down", "end")
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert all(len(line) == 100 for line in lines(app))


async def test_closer_and_farther() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        whole = app.editor.scale
        await pilot.press("full_stop", "equals_sign", "equals_sign")
        scale = app.editor.scale
        assert scale.span == pytest.approx(whole.span / 1.5**2)
        assert scale.column(2.0) == whole.column(2.0), "the playhead stays where it is"
        await pilot.press("end")
        assert app.editor.scale.sees(LAST), "and stays in view"
        assert "‹" in "".join(lines(app)[1:-1]), "there are keys out of view"
        await pilot.press("minus")
        assert app.editor.scale.span == pytest.approx(whole.span / 1.5)
        await pilot.press("0")
        assert app.editor.scale == whole
        await pilot.press("minus")
        assert app.editor.scale == whole
        await pilot.press(*["equals_sign"] * 30)
        assert app.editor.scale.span == pytest.approx(8 / 30), "eight frames at least"


async def test_the_ruler_counts_frames() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("f")
        assert "╵50" in lines(app)[0]
        assert "╵100" in lines(app)[0]
        await pilot.press("f")
        assert "╵1s" in lines(app)[0]


# -- edits ---------------------------------------------------------------------------------------------------------


async def test_a_key_is_added_on_the_curve() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press(*["shift+right"] * 30, "a")
        assert times(app) == [0, 1, 2, round(LAST, 3)]
        change, final = app.changes[-1]
        assert final
        assert change["tracks"][0]["keys"][1]["at"] == "1s"
        assert 0.1 < change["tracks"][0]["keys"][1]["value"] < 0.9
        assert app.editor.selected == 1
        await pilot.press("a")
        assert len(app.changes) == 1, "there is one already"


@pytest.mark.parametrize("key", ["x", "delete"])
async def test_a_key_is_deleted(key: str) -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("full_stop", key)
        assert times(app) == [0, round(LAST, 3)]
        assert len(app.changes) == 1
        await pilot.press(key)
        assert len(app.changes) == 1, "no key is at the playhead now"
        await pilot.press("comma", key, "full_stop", key)
        assert "focus" not in [track["parameter"] for track in app.changes[-1][0]["tracks"]]
        assert "z" in lines(app)[1]


async def test_the_last_track_goes() -> None:
    app = Bench({"tracks": [FULL["tracks"][3]]})
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("X")
        assert app.changes == [({}, True)]
        assert "no tracks yet" in lines(app)[1]


@pytest.mark.parametrize(
    ("key", "frames"),
    [
        ("right_square_bracket", 1),
        ("left_square_bracket", -1),
        ("right_curly_bracket", 10),
        ("left_curly_bracket", -10),
    ],
)
async def test_a_key_is_moved(key: str, frames: int) -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("full_stop", key, key)
        assert times(app)[1] == pytest.approx(2 + 2 * frames / 30, abs=0.001)
        assert app.editor.selected == 1
        assert app.scrubs[-1] == pytest.approx((60 + 2 * frames) / 149), "the playhead goes with it"
        assert [final for _, final in app.changes] == [True, True]


async def test_a_value_is_nudged_and_typed() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("shift+up", "shift+up", "shift+down")
        assert app.editor.model.rows[0].keys[0].value == pytest.approx(0.11)
        await pilot.press("enter")
        assert isinstance(app.screen, Ask)
        field = app.screen.query_one(Input)
        assert field.value == "0.11"
        await pilot.press(*"0,35")
        assert field.value == "0,35", "what was there is replaced"
        await pilot.press("enter")
        assert app.editor.model.rows[0].keys[0].value == 0.35
        await pilot.press("enter", *"99", "enter")
        assert isinstance(app.screen, Ask), "what is out of range is not taken"
        assert app.screen.query_one("#said").has_class("problem")
        await pilot.press("escape")
        assert app.editor.model.rows[0].keys[0].value == 0.35
        assert len(app.changes) == 4


async def test_enter_makes_a_key_where_none_is() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press(*["shift+right"] * 30, "enter", *"0.5", "enter")
        assert times(app)[1] == 1
        assert app.editor.model.rows[0].keys[1].value == 0.5


async def test_nudges_stop_at_the_limits() -> None:
    app = Bench({"tracks": [{"parameter": "fade.amount", "keys": [{"at": 0, "value": 0.95}]}]})
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press(*["shift+up"] * 12)
        assert app.editor.model.rows[0].keys[0].value == 1.0


async def test_an_easing_is_searched_picked_and_typed() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("e")
        assert isinstance(app.screen, Pick)
        options = app.screen.query_one(OptionList)
        assert options.option_count > 38
        assert re.search("[\u2801-\u28ff]{5}", str(options.get_option_at_index(3).prompt)), "with their curves"
        await pilot.press(*"out cubic")
        assert options.option_count == 2
        await pilot.press("enter")
        assert app.editor.model.rows[0].keys[0].easing == "ease-out-cubic"
        await pilot.press("e", *"spring(300, 30)", "enter")
        assert app.editor.model.rows[0].keys[0].easing == "spring(300, 30)"
        await pilot.press("e", *"spring(3001", "enter")
        assert isinstance(app.screen, Pick), "what is no curve is not taken"
        await pilot.press("escape", "e")
        await pilot.press("home", "up", "up", "up", "up", "up")
        await pilot.press("escape")
        assert app.editor.model.rows[0].keys[0].easing == "spring(300, 30)"
        assert len(app.changes) == 2
        assert "spring(300, 30)" in lines(app)[-1]


async def test_an_easing_may_be_the_tracks() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("E", *"linear", "enter")
        assert app.editor.model.rows[0].easing == "linear"
        await pilot.press("down", "home", *["shift+right"] * 30, "e")
        options = app.screen.query_one(OptionList)
        assert options.get_option_at_index(options.highlighted or 0).id == "spring(200, 20)"
        await pilot.press(*"as the track", "down", "enter")
        assert app.editor.model.rows[1].keys[0].own is False


async def test_how_long_a_key_holds() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("h", *"0.5s", "enter")
        assert app.editor.model.rows[0].keys[0].hold == 0.5
        assert "holds 0.5 s" in lines(app)[-1]
        await pilot.press("h", *"many", "enter")
        assert isinstance(app.screen, Ask)
        await pilot.press("escape", "h", *"99", "enter")
        assert app.editor.model.rows[0].keys[0].hold == pytest.approx(2.0)


async def test_a_key_is_copied() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("v")
        assert app.changes == []
        await pilot.press("full_stop", "c", *["shift+right"] * 45, "v")
        assert times(app) == [0, 2, 3.5, round(LAST, 3)]
        copied = app.editor.model.rows[0].keys[2]
        assert (copied.value, copied.hold) == (0.9, pytest.approx(1.0))
        await pilot.press("down", "v")
        assert app.editor.model.rows[1].keys[2].value == 0.9, "also onto another track"


async def test_a_time_is_written_in_other_ways() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("full_stop")
        seen = []
        for _ in range(4):
            await pilot.press("t")
            seen.append(app.changes[-1][0]["tracks"][0]["keys"][1]["at"])
        assert seen == ["40.268%", "+2s", "-2.967s", "2s"]


async def test_how_a_track_acts() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        seen = []
        for key in ("m", "m", "m", "o", "o", "o", "l", "l"):
            await pilot.press(key)
            track = app.changes[-1][0]["tracks"][0]
            seen.append((track.get("mode"), track.get("after"), app.changes[-1][0].get("loop")))
        assert seen == [
            ("add", None, None),
            ("multiply", None, None),
            (None, None, None),
            (None, "loop", None),
            (None, "mirror", None),
            (None, None, None),
            (None, None, True),
            (None, None, None),
        ]


async def test_a_track_is_searched_and_added() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("full_stop", "plus")
        options = app.screen.query_one(OptionList)
        names = [options.get_option_at_index(index).id for index in range(options.option_count)]
        assert "focus" not in names, "it has one"
        await pilot.press(*"corners")
        assert options.option_count == 2
        await pilot.press("enter")
        track = app.changes[-1][0]["tracks"][-1]
        assert track == {"parameter": "vignette.strength", "keys": [{"at": "2s", "value": 0.0}]}
        assert app.editor.track == 4
        await pilot.press("plus", *"nonsense", "enter")
        assert isinstance(app.screen, Pick)
        await pilot.press("escape")
        assert len(app.changes) == 1


async def test_what_the_engine_refuses_is_said_and_changes_nothing() -> None:
    app = Bench({"tracks": [{"parameter": "zoom", "mode": "multiply", "keys": [{"at": 0, "value": 500.0}]}]})
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("m")
        await pilot.pause()
        assert app.changes == []
        (said,) = app._notifications
        assert said.severity == "error"
        assert "track 'zoom', key 0" in said.message


# -- mouse ---------------------------------------------------------------------------------------------------------


async def test_a_click_selects_and_the_ruler_scrubs() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 16)) as pilot:
        await pilot.click(TimelineEditor, offset=(column(2.0), 2))
        assert app.editor.selected == 1
        assert app.scrubs[-1] == pytest.approx(60 / 149)
        rows = {name: y for y, line in enumerate(lines(app)) for name in ("z", "x") if line[1:3] == f"{name} "}
        await pilot.click(TimelineEditor, offset=(3, rows["x"]))
        assert app.editor.track == 2
        await pilot.mouse_down(TimelineEditor, offset=(column(1.0), 0))
        assert app.scrubs[-1] == pytest.approx(30 / 149, abs=0.011)
        await pilot.hover(TimelineEditor, offset=(column(3.0), 4))
        assert app.scrubs[-1] == pytest.approx(90 / 149, abs=0.011)
        await pilot.mouse_up(TimelineEditor, offset=(column(3.0), 4))
        await pilot.hover(TimelineEditor, offset=(column(4.0), 4))
        assert app.scrubs[-1] == pytest.approx(90 / 149, abs=0.011), "it was let go"
        assert app.changes == []


async def test_a_key_is_dragged() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 16)) as pilot:
        await pilot.mouse_down(TimelineEditor, offset=(column(2.0), 2))
        for seconds in (2.5, 3.0, 4.9):
            await pilot.hover(TimelineEditor, offset=(column(seconds), 3))
        assert times(app)[1] == pytest.approx(LAST - 1, abs=0.04), "as far as the next one lets it"
        await pilot.hover(TimelineEditor, offset=(column(3.0), 3))
        await pilot.mouse_up(TimelineEditor, offset=(column(3.0), 3))
        assert times(app)[1] == pytest.approx(3.0, abs=0.04)
        assert round(times(app)[1] * 30, 1) % 1 == pytest.approx(0, abs=0.05), "it snaps to frames"
        finals = [final for _, final in app.changes]
        assert finals[-1] is True
        assert not any(finals[:-1])
        assert app.changes[-1][0]["tracks"][0]["keys"][1]["at"] == app.editor.model.rows[0].keys[1].at


async def test_a_click_without_a_drag_changes_nothing() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 16)) as pilot:
        await pilot.click(TimelineEditor, offset=(column(2.0), 2))
        await pilot.double_click(TimelineEditor, offset=(column(2.0), 2))
        assert app.changes == []


async def test_a_double_click_adds() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 16)) as pilot:
        await pilot.double_click(TimelineEditor, offset=(column(1.0), 3))
        assert times(app) == [0, pytest.approx(1.0, abs=0.04), 2, round(LAST, 3)]
        assert len(app.changes) == 1


async def test_the_wheel_zooms_and_goes_through_tracks() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 16)) as pilot:
        whole = app.editor.scale
        offset = (column(3.0), 3)
        await pilot._post_mouse_events([_wheel("up")], TimelineEditor, offset, button=0)
        assert app.editor.scale.span == pytest.approx(whole.span / 1.5)
        assert app.editor.scale.column(3.0) == pytest.approx(whole.column(3.0), abs=1), "what is pointed at stays"
        await pilot._post_mouse_events([_wheel("down")], TimelineEditor, offset, button=0)
        assert app.editor.scale == whole
        await pilot._post_mouse_events([_wheel("down")], TimelineEditor, (3, 3), button=0)
        assert app.editor.track == 1


def _wheel(way: str) -> Any:
    from textual import events

    return {"up": events.MouseScrollUp, "down": events.MouseScrollDown}[way]


# -- who uses it ---------------------------------------------------------------------------------------------------


async def test_undo_is_another_load() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("down", "home", "full_stop", "equals_sign", "x")
        before = app.editor.scale, app.editor.playhead, app.editor.track
        app.editor.load(FULL, 5, 30)
        await pilot.pause()
        assert app.editor.model.to_dict() == FULL
        assert (app.editor.scale, app.editor.playhead, app.editor.track) == before, "what is in view stays"
        assert len(app.changes) == 1, "what is loaded is no change"
        app.editor.load(FULL, 1.0, 30)
        assert app.editor.playhead <= 29 / 30


async def test_an_echo_is_no_news() -> None:
    app = Bench(FULL)
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.press("right_square_bracket")
        model = app.editor.model
        app.editor.load(app.changes[-1][0] if app.changes else FULL, 5, 30)
        assert app.editor.model is model


def test_every_key_is_in_the_help_and_has_a_name() -> None:
    bindings = list(TimelineEditor.BINDINGS)
    names = [binding.id for binding in bindings]  # type: ignore[union-attr]
    assert len(set(names)) == len(names)
    assert all(name and name.startswith("timeline.") for name in names)
    words = "plus + full_stop . comma , equals_sign = minus - left ← right → up ↑ down ↓ left_square_bracket ["
    words += " right_square_bracket ] left_curly_bracket { right_curly_bracket }"
    signs = dict(zip(words.split()[::2], words.split()[1::2], strict=True))
    for binding in bindings:
        for key in binding.key.split(","):  # type: ignore[union-attr]
            sign = signs.get(key, key)
            assert f"`{sign}`" in TimelineEditor.HELP or key.startswith("shift+"), key


# -- looks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_looks(snap_compare: Any, size: tuple[int, int]) -> None:
    assert snap_compare(Bench(FULL), terminal_size=size, press=["full_stop"])


def test_looks_of_the_easings(snap_compare: Any) -> None:
    assert snap_compare(Bench(FULL), terminal_size=(80, 24), press=["e"])


def test_snapshots_are_small() -> None:
    for file in (Path(__file__).parent / "__snapshots__").rglob("*timeline*/*"):
        assert file.stat().st_size < 150_000, file
