"""The keyframes' editor in the studio: its edits are steps of undo, and preview and playhead go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio_scene import Studio, studio

from depthflow.tui.timeline.editor import TimelineEditor
from depthflow.tui.widgets.parameters import ParameterList

KEYS = [{"at": "0s", "value": 1.0}, {"at": "2s", "value": 1.2}, {"at": "4s", "value": 1.0}]
TIMELINE: dict[str, Any] = {"tracks": [{"parameter": "zoom", "keys": KEYS}]}


async def opened(run: Studio, timeline: dict[str, Any] | None = TIMELINE) -> TimelineEditor:
    """The editor, with the keys."""
    if timeline is not None:
        run.model.put("timeline", timeline)
    await run.press("t")
    editor = run.screen._editor
    assert editor is not None
    await run.until(lambda: editor.has_focus and editor.size.height)
    return editor


async def stands(run: Studio, at: float | None) -> None:
    """The preview was asked to stand there; None: to play."""

    def asked() -> Any:
        told = [*run.link.client.calls("begin_preview"), *run.link.client.calls("change_preview")]
        places = [each.get("at") for each in told if "at" in each or "paused" in each]
        return places[-1] if places else None

    await run.until(lambda: asked() is None if at is None else asked() is not None and abs(asked() - at) < 0.005)


async def test_edits_are_steps_of_undo_and_undo_comes_back_to_the_editor(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        editor = await opened(run, None)
        await run.press("plus", *"zoom", "enter")
        await run.until(lambda: run.model.timeline)
        await run.press("end", "a", *["shift+up"] * 2)
        keys = run.model.timeline["tracks"][0]["keys"]  # type: ignore[index]
        assert [key["value"] for key in keys] == [1.0, 1.11]
        await run.press("ctrl+z", "ctrl+z")
        assert [spot.value for spot in editor.model.rows[0].keys] == [1.0, 1.0]
        await run.press("ctrl+z", "ctrl+z")
        assert not editor.model.rows
        assert run.model.timeline is None
        assert not run.model.can_undo
        await run.press(*["ctrl+y"] * 4)
        assert [spot.value for spot in editor.model.rows[0].keys] == [1.0, 1.11]
        await run.press("X", "ctrl+z")
        assert len(editor.model.rows) == 1


async def test_two_drags_are_two_steps(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        editor = await opened(run)
        before = run.model.timeline
        places = []
        for seconds in (0.5, 1.0):
            spot = editor.model.rows[0].keys[1]
            column = editor._names + editor.scale.column(spot.seconds)
            await run.pilot.mouse_down(TimelineEditor, offset=(column, 2))
            for step in (0.5, 1.0):
                target = editor._names + editor.scale.column(2.0 + seconds * step)
                await run.pilot.hover(TimelineEditor, offset=(target, 2))
            await run.pilot.mouse_up(TimelineEditor, offset=(target, 2))
            await run.pilot.pause()
            places.append(run.model.timeline)
        assert before != places[0] != places[1]
        await run.press("ctrl+z")
        assert run.model.timeline == places[0]
        await run.press("ctrl+z")
        assert run.model.timeline == before


async def test_what_is_told_late_does_not_take_the_editor_back(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        editor = await opened(run)
        for _ in range(3):
            editor.action_next_key(1)
            editor.action_nudge(1)  # no turn of the loop between: the studio hears of all of them later
        made = editor.model.to_dict()
        await run.pilot.pause()
        assert editor.model.to_dict() == run.model.timeline == made


async def test_undo_in_the_middle_of_a_drag_ends_it(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        editor = await opened(run)
        at_end = editor._names + editor.scale.column(4.0)
        await run.pilot.mouse_down(TimelineEditor, offset=(at_end, 2))
        await run.press("ctrl+z")
        assert not editor.model.rows
        await run.pilot.hover(TimelineEditor, offset=(at_end - 5, 2))
        await run.pilot.mouse_up(TimelineEditor, offset=(at_end - 5, 2))
        assert not editor.model.rows
        assert run.model.timeline is None
        await run.press("ctrl+y")
        await run.pilot.mouse_down(TimelineEditor, offset=(at_end, 2))
        await run.press("x")
        await run.pilot.hover(TimelineEditor, offset=(at_end - 5, 2))
        await run.pilot.mouse_up(TimelineEditor, offset=(at_end - 5, 2))
        assert [spot.seconds for spot in editor.model.rows[0].keys] == [0.0, 2.0]


async def test_the_preview_stands_at_the_playhead_and_playing_moves_it(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        editor = await opened(run)
        run.previews.frame(number=37)
        await run.until(lambda: editor.playhead > 2.0)
        assert abs(editor.playhead - editor.model.last / 2) < 0.05  # 75 frames of a preview of 5 s
        await run.press("full_stop")
        assert editor.playhead == 4.0
        await stands(run, 4.0 / editor.model.last)
        assert "stands at 4.00 s" in run.text()
        run.previews.frame(number=3)
        await run.until(lambda: run.screen._frame.number == 3)  # type: ignore[union-attr]
        assert editor.playhead == 4.0  # a late frame does not move it
        await run.press("space")
        await stands(run, None)
        run.previews.frame(number=10)
        await run.until(lambda: editor.playhead < 1.0)


async def test_space_means_the_playhead_wherever_the_focus_is(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        run.model.put("timeline", TIMELINE)
        await run.press("space")
        await run.until(lambda: {"paused": True} in run.link.client.calls("change_preview"))
        run.previews.frame(number=37)
        await run.until(lambda: run.screen._frame.number == 37)  # type: ignore[union-attr]
        assert run.screen.paused
        editor = await opened(run, None)
        assert editor.still  # it stood, and stands
        assert not run.screen.paused
        await stands(run, 0.5)
        await run.press("space")
        assert (editor.still, run.screen.paused, run.screen.at) == (False, False, None)
        await run.press("tab")
        assert not editor.has_focus
        await run.press("space")
        assert editor.still
        assert run.screen.at is not None


async def test_escape_closes_it_and_the_preview_plays_on(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        editor = await opened(run)
        await run.press("end")
        await stands(run, 1.0)
        await run.press("escape")
        assert run.screen._editor is None
        assert run.screen.query_one(ParameterList).has_focus
        await stands(run, None)
        assert "stands" not in run.text()
        await run.press("t")
        assert run.screen._editor is editor
        assert not editor.still
        run.previews.frame(number=10)
        await run.until(lambda: 0 < editor.playhead < 1.0)
        await run.press("tab", "t")
        assert run.screen._editor is None


async def test_a_longer_clip_has_a_longer_ruler(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        editor = await opened(run)
        run.model.put("output.duration", 8.0)
        assert editor.model.frames == round(8.0 * editor.model.fps)
        run.model.undo()
        assert editor.model.frames == round(5.0 * editor.model.fps)


async def test_what_is_queued_has_the_keys(tmp_path: Path) -> None:
    async with studio(tmp_path) as run:
        await opened(run)
        await run.press("r")
        await run.press("enter")
        await run.until(lambda: run.link.client.calls("submit"))
        (sent,) = run.link.client.calls("submit")
        assert sent["spec"]["timeline"] == TIMELINE
