"""The timeline's data under edits: whatever is done in whatever order, the engine takes it."""

from __future__ import annotations

import copy
import json
import random
import tomllib
from typing import Any

import numpy as np
import pytest
import tomli_w
from timelines import FPS, FULL, SECONDS

from depthflow.jobs.spec import JobSpec
from depthflow.scene.easing import NAMES, easing
from depthflow.scene.keys import parse_time
from depthflow.scene.parameters import TABLE
from depthflow.tui.timeline.model import AFTERS, MODES, TimelineModel, easing_curve, free_parameters
from depthflow.tui.timeline.times import FORMS, form_of, resolved, span, written

HALF_MS = 0.0005
"""What writing a time in few digits may shift it by."""


def full(**more: Any) -> TimelineModel:
    return TimelineModel({**FULL, **more}, SECONDS, FPS)


def times(model: TimelineModel, track: int) -> list[float]:
    return [spot.seconds for spot in model.rows[track].keys]


def accepted(model: TimelineModel) -> JobSpec:
    """The engine takes it as part of a job of this clip."""
    output = {"duration": model.frames / model.fps, "fps": model.fps}
    return JobSpec.parse({"photo": "cat.png", "outputs": [output], "timeline": model.to_dict()})


# -- what is -------------------------------------------------------------------------------------------------------


def test_what_is_loaded_is_kept_as_it_is_written() -> None:
    assert full().to_dict() == FULL
    assert TimelineModel(None, 5, 30).to_dict() is None
    assert TimelineModel({}, 5, 30).rows == ()


def test_what_only_says_what_is_so_anyway_is_left_out() -> None:
    key = {"at": 0, "value": 1.0, "easing": "", "hold": 0.0}
    track = {
        "parameter": "zoom",
        "keys": [key],
        "mode": "set",
        "easing": "ease-in-out",
        "after": "hold",
        "kind": "keys",
    }
    model = TimelineModel({"tracks": [track], "components": [], "loop": False}, 5, 30)
    assert model.to_dict() == {"tracks": [{"parameter": "zoom", "keys": [{"at": 0, "value": 1.0}]}]}


def test_the_given_data_is_left_alone() -> None:
    given = copy.deepcopy(FULL)
    model = TimelineModel(given, SECONDS, FPS)
    model.move_key(0, 1, 2.5)
    model.to_dict()["tracks"].clear()  # type: ignore[index]
    assert given == FULL
    assert len(model.rows) == 4


def test_keys_stand_where_the_documentation_says() -> None:
    model = full()
    last = 149 / 30
    assert times(model, 0) == pytest.approx([0, 2, last])
    assert model.rows[0].keys[1].end == pytest.approx(3)
    assert times(model, 1) == pytest.approx([1, 1.8, last - 1])
    assert times(model, 3) == pytest.approx([last / 10, last * 9 / 10])
    assert [spot.easing for spot in model.rows[1].keys] == ["spring(200, 20)", "ease-in", "ease-in-out"]
    assert [spot.own for spot in model.rows[1].keys] == [True, True, False]


def test_values_are_the_engines() -> None:
    model = full()
    spec = accepted(model)
    assert spec.timeline is not None
    frames = np.arange(model.frames)
    values: dict[str, Any] = {}
    spec.timeline.apply(values, model.frames, 1, FPS)
    for index, row in enumerate(model.rows):
        if row.mode == "set":
            assert model.curve(index, frames / FPS) == pytest.approx(values[row.name], abs=1e-9), row.name
    assert model.value(0, 2.5) == 0.9


def test_a_track_that_does_not_fit_the_clip_has_a_problem_and_the_others_none() -> None:
    model = TimelineModel({"tracks": [FULL["tracks"][3], FULL["tracks"][1]]}, 0.9, FPS)
    assert model.rows[0].problem == ""
    assert "track 'z', key 2" in model.rows[1].problem
    assert model.rows[1].keys == ()
    assert np.isnan(model.curve(1, np.array([0.0]))).all()
    model.set_value(0, 0, 0.2)
    model.remove_track(1)
    assert not any(row.problem for row in model.rows)


@pytest.mark.parametrize(
    ("timeline", "part"),
    [
        ({"tracks": [{"parameter": "zom", "keys": [{"at": 0, "value": 1}]}]}, "zoom"),
        ({"tracks": [{"parameter": "zoom", "keys": [{"at": 0, "value": 1}, {"at": "2x", "value": 1}]}]}, r"keys.1"),
        ({"tracks": [{"parameter": "zoom", "keys": []}]}, "zoom"),
        ({"tracks": [{"parameter": "zoom", "keys": [{"at": 0, "value": 1e9}]}]}, "key 0"),
        ({"trax": []}, "trax"),
    ],
)
def test_what_is_no_timeline_is_refused(timeline: dict[str, Any], part: str) -> None:
    with pytest.raises(ValueError, match=part):
        TimelineModel(timeline, 5, 30)


@pytest.mark.parametrize(
    ("seconds", "fps", "frames", "last"), [(5, 30, 150, 149 / 30), (0.01, 30, 1, 0), (1, 24, 24, 23 / 24)]
)
def test_frames_of_the_clip(seconds: float, fps: float, frames: int, last: float) -> None:
    model = TimelineModel(None, seconds, fps)
    assert (model.frames, model.last) == (frames, pytest.approx(last))
    assert model.part(0) == 0
    assert model.part(model.last) == (1 if frames > 1 else 0)
    assert model.frame(99) == frames - 1
    for frame in range(frames):
        assert round(model.part(frame / fps) * (frames - 1)) == frame
        assert model.snap(frame / fps + 0.4 / fps) == pytest.approx(min(frame / fps, model.end))


# -- tracks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("mode", MODES)
def test_every_parameter_may_have_a_track_which_changes_nothing_yet(name: str, mode: Any) -> None:
    model = TimelineModel(None, 5, 30)
    assert model.add_track(name, 1.0, mode) == 0
    spec = accepted(model)
    assert spec.timeline is not None
    values: dict[str, Any] = {}
    spec.timeline.apply(values, 150, 1, 30)
    assert values[name] == pytest.approx(TABLE[name].default)
    assert name not in [row.name for row in free_parameters(model)]
    model.remove_track(0)
    assert model.to_dict() is None


def test_mode_after_easing_and_loop() -> None:
    model = full()
    model.set_mode(2, "add")
    model.set_after(2, "mirror")
    model.set_track_easing(2, "linear")
    model.set_loop(True)
    track = model.to_dict()["tracks"][2]  # type: ignore[index]
    assert (track["mode"], track["after"], track["easing"]) == ("add", "mirror", "linear")
    assert model.loop
    assert model.end == pytest.approx(5.0)
    assert model.to_dict()["loop"] is True  # type: ignore[index]
    model.set_loop(False)
    assert "loop" not in model.to_dict()  # type: ignore[operator]


def test_what_the_engine_refuses_changes_nothing() -> None:
    model = full()
    before = model.to_dict()
    for wrong, part in (
        (lambda: model.set_value(0, 1, 99), "track 'focus', key 1"),
        (lambda: model.set_easing(0, 1, "ease-in-ot"), "ease-in-out"),
        (lambda: model.set_track_easing(0, "spring(200, 0.1)"), "at rest"),
        (lambda: model.set_mode(3, "sideways"), "mode"),  # type: ignore[arg-type]
        (lambda: model.add_track("zom"), "zoom"),
    ):
        with pytest.raises(ValueError, match=part):
            wrong()
        assert model.to_dict() == before


# -- keys ----------------------------------------------------------------------------------------------------------


def test_a_new_key_lies_on_the_curve_and_moves_no_other() -> None:
    model = full()
    before = [times(model, track) for track in range(4)]
    for track, seconds in ((0, 1.0), (1, 1.4), (1, 3.0), (2, 0.9), (3, 2.5)):
        value = model.value(track, seconds)
        place = model.add_key(track, seconds)
        spot = model.rows[track].keys[place]
        assert spot.seconds == pytest.approx(seconds, abs=HALF_MS)
        assert spot.value == pytest.approx(value, rel=1e-3, abs=1e-4)
    for track in range(4):
        for old in before[track]:
            assert min(abs(np.array(times(model, track)) - old)) < HALF_MS
    accepted(model)


def test_a_key_where_one_is_takes_its_place() -> None:
    model = full()
    assert model.add_key(0, 2.0 + 0.4 / FPS) == 1
    assert model.add_key(0, 2.0, 0.7) == 1
    assert [spot.value for spot in model.rows[0].keys] == [0.1, 0.7, 0.1]


def test_a_key_within_a_hold_parts_it() -> None:
    model = full()
    before = model.curve(0, np.linspace(0, 4.9, 50))
    assert model.add_key(0, 2.5) == 2
    first, second = model.rows[0].keys[1:3]
    assert (first.end, second.seconds, second.end) == pytest.approx((2.5, 2.5, 3.0))
    assert model.curve(0, np.linspace(0, 4.9, 50)) == pytest.approx(before)


def test_a_key_moves_as_far_as_its_neighbours_let_it() -> None:
    model = full()
    assert model.move_key(0, 1, 2.5) == pytest.approx(2.5)
    assert times(model, 0) == pytest.approx([0, 2.5, 149 / 30])
    assert model.move_key(0, 1, 99) == pytest.approx(149 / 30 - 1, abs=HALF_MS)
    assert model.move_key(0, 1, -1) == 0
    assert model.move_key(0, 2, -1) == pytest.approx(1.0), "the hold before it stays"
    assert model.move_key(1, 1, 0.2) == pytest.approx(1.0)
    assert model.move_key(1, 1, 2.0) == pytest.approx(2.0, abs=HALF_MS)
    assert times(model, 1)[2] == pytest.approx(149 / 30 - 1)


def test_times_keep_their_form() -> None:
    model = full()
    model.move_key(1, 1, 2.0)
    model.move_key(1, 2, 4.0)
    model.move_key(3, 0, 1.0)
    forms = [[form_of(spot.at) for spot in row.keys] for row in model.rows]
    assert forms[1] == ["seconds", "after", "before the end"]
    assert forms[3] == ["percent", "percent"]
    assert model.rows[1].keys[1].at == "+1s"
    model.move_key(1, 0, 0.5)
    assert model.rows[1].keys[1].at == "+1.5s", "what stands after a key stays where it is"
    assert times(model, 1)[1] == pytest.approx(2.0)


def test_what_is_counted_from_a_deleted_key_stays() -> None:
    model = full()
    model.delete_key(1, 0)
    assert times(model, 1) == pytest.approx([1.8, 149 / 30 - 1], abs=HALF_MS)
    model.delete_key(1, 0)
    model.delete_key(1, 0)
    assert [row.name for row in model.rows] == ["focus", "x", "colour.saturation"]


@pytest.mark.parametrize("form", FORMS)
def test_a_time_is_written_otherwise_and_stays(form: Any) -> None:
    model = full()
    for track, row in enumerate(model.rows):
        for key, spot in enumerate(row.keys):
            model.set_form(track, key, form)
            assert form_of(model.rows[track].keys[key].at) == form
            assert times(model, track)[key] == pytest.approx(spot.seconds, abs=HALF_MS)
            accepted(model)


def test_forms_go_round() -> None:
    model = full()
    assert [model.next_form(0, 1) for _ in range(4)] == ["percent", "after", "before the end", "seconds"]
    assert model.rows[0].keys[1].at == "2s"


def test_a_copy_is_the_same_key_elsewhere() -> None:
    model = full()
    place = model.copy_key(1, 0, 3.0)
    spot = model.rows[1].keys[place]
    assert (spot.value, spot.easing, spot.own) == (0.0, "spring(200, 20)", True)
    place = model.copy_key(0, 1, 4.0)
    spot = model.rows[0].keys[place]
    assert (spot.value, spot.end) == (0.9, pytest.approx(149 / 30)), "its hold ends at the next key"


def test_a_hold_ends_at_the_next_key() -> None:
    model = full()
    assert model.set_hold(0, 0, 9) == pytest.approx(2.0)
    assert model.set_hold(0, 0, 0.25) == 0.25
    assert model.to_dict()["tracks"][0]["keys"][0]["hold"] == "0.25s"  # type: ignore[index]
    assert model.set_hold(0, 0, 0) == 0
    assert "hold" not in model.to_dict()["tracks"][0]["keys"][0]  # type: ignore[index]


def test_an_easing_is_the_keys_own_or_the_tracks() -> None:
    model = full()
    for name in ("ease-out-cubic", "cubic-bezier(0.3, 0, 0.2, 1)", "spring(300, 30)", "steps(4)", "hold", "spline"):
        model.set_easing(0, 0, name)
        assert (model.rows[0].keys[0].easing, model.rows[0].keys[0].own) == (name, True)
        accepted(model)
    model.set_easing(0, 0, "")
    assert (model.rows[0].keys[0].easing, model.rows[0].keys[0].own) == ("ease-in-out", False)


def test_pictures_of_easings_are_their_curves() -> None:
    for name in (name for name in NAMES if "(" not in name):
        assert easing_curve(name, 9) == pytest.approx(easing(name)(np.linspace(0, 1, 9)))
    assert easing_curve("spline", 3) == pytest.approx([0, 0.5, 1])


def test_the_step_of_a_value_is_round_and_small() -> None:
    model = full()
    assert [model.step(track) for track in range(4)] == pytest.approx([0.01, 0.001, 0.01, 0.1])
    for name in TABLE:
        lone = TimelineModel(None, 5, 30)
        lone.add_track(name)
        step = lone.step(0)
        assert 0 < step <= (TABLE[name].high - TABLE[name].low) / 9, name


# -- any edits in any order ------------------------------------------------------------------------------------------


def random_edit(model: TimelineModel, draw: random.Random) -> None:
    """One edit of any kind, with anything that a hand at the keys could give."""
    seconds = draw.choice([draw.uniform(-1, model.end + 1), model.snap(draw.uniform(0, model.end)), 0.0, model.end])
    if not model.rows or draw.random() < 0.05:
        model.add_track(draw.choice(list(TABLE)), seconds, draw.choice(MODES))
        return
    track = draw.randrange(len(model.rows))
    row = model.rows[track]
    key = draw.randrange(len(row.keys))
    low, high = row.limits
    value = draw.choice([low, high, draw.uniform(low, high)])
    edits = [
        lambda: model.add_key(track, seconds),
        lambda: model.add_key(track, seconds, value),
        lambda: model.move_key(track, key, seconds),
        lambda: model.move_key(track, key, row.keys[key].seconds + draw.choice([-1, 1]) / model.fps),
        lambda: model.copy_key(track, key, seconds),
        lambda: model.set_value(track, key, value),
        lambda: model.set_hold(track, key, draw.uniform(0, 1)),
        lambda: model.set_easing(track, key, draw.choice(["", "linear", "spline", "hold", "ease-out-back", "spring"])),
        lambda: model.set_track_easing(track, draw.choice(["linear", "spline", "ease-in"])),
        lambda: model.next_form(track, key),
        lambda: model.set_after(track, draw.choice(AFTERS)),
        lambda: model.set_loop(draw.random() < 0.5),
        lambda: model.delete_key(track, key),
    ]
    draw.choices(edits, weights=[3, 3, 4, 4, 2, 1, 2, 1, 1, 3, 1, 0.3, 1.5])[0]()


@pytest.mark.parametrize("seed", range(24))
def test_any_sequence_of_edits_stays_valid_and_sorted(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    fps = draw.choice([1.0, 23.976, 24.0, 30.0, 59.94, 240.0])
    seconds = draw.choice([1 / fps, 0.5, 2.0, 5.0, 7.3, 61.0])
    model = TimelineModel(FULL if seed % 2 and seconds >= 5 else None, seconds, fps)
    for _ in range(150):
        random_edit(model, draw)
        assert not any(row.problem for row in model.rows)
        for row in model.rows:
            for before, after in zip(row.keys, row.keys[1:], strict=False):
                assert before.end <= after.seconds + 1e-8
    accepted(model)
    data = model.to_dict()
    assert data is None or json.loads(json.dumps(data)) == data
    again = TimelineModel(tomllib.loads(tomli_w.dumps(data or {})), seconds, fps)
    assert again.to_dict() == data
    assert [row.keys for row in again.rows] == [row.keys for row in model.rows]


@pytest.mark.parametrize("seed", range(12))
def test_no_edit_moves_another_key(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    model = TimelineModel(FULL, draw.choice([5.0, 12.0]), draw.choice([24.0, 30.0, 60.0]))
    for _ in range(60):
        track = draw.randrange(len(model.rows))
        before = [spot.seconds for spot in model.rows[track].keys]
        key, seconds = draw.randrange(len(before)), draw.uniform(0, model.end)
        if draw.random() < 0.5:
            model.move_key(track, key, seconds)
            del before[key]
        else:
            model.next_form(track, key)
        after = [spot.seconds for spot in model.rows[track].keys]
        for old in before:
            assert min(abs(old - now) for now in after) < HALF_MS


@pytest.mark.parametrize("form", FORMS)
def test_written_times_mean_what_is_meant(form: Any) -> None:
    draw = random.Random(1)  # noqa: S311
    for _ in range(3000):
        length = draw.choice([0.5, 4.966666666666667, 59.983333, 3600.0])
        seconds = draw.uniform(0, length)
        before = draw.choice([0.0, seconds, draw.uniform(0, seconds)])
        text = written(seconds, form, length, before)
        value = resolved(text, length, before)
        assert before - 1e-9 < value <= length + 1e-9, text
        assert abs(value - seconds) <= HALF_MS
        hold = span(seconds)
        assert parse_time(hold, "hold").amount <= seconds + 1e-9
        assert parse_time(hold, "hold").amount == pytest.approx(seconds, abs=HALF_MS)
