"""The studio's parameters: all that the models have, with their limits, and what somebody may type."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from depthflow.errors import UsageError
from depthflow.jobs.spec import JobSpec
from depthflow.scene.parameters import TABLE
from depthflow.tui.studio.parameters import LEFT_OUT, SOFT, flat, nested, rows, search, suggestions

ROWS = rows()


def fields(model: type[BaseModel] = JobSpec, path: str = "") -> list[str]:
    """Paths of all fields of the models, found by the models themselves and not by their schema."""
    found = []
    for name, field in model.model_fields.items():
        here = "output" if name == "outputs" else f"{path}.{name}".lstrip(".")
        inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        parts = [kind for kind in inner if issubclass(kind, BaseModel)]
        found += fields(parts[0], here) if parts else [here]
    return found


def test_every_field_has_a_row_or_a_reason() -> None:
    assert set(ROWS) | set(LEFT_OUT) == set(fields())
    assert not set(ROWS) & set(LEFT_OUT)


def test_what_can_be_animated_says_so() -> None:
    effects = {name for name, row in TABLE.items() if row.group == "effects"}
    assert {row.animated for row in ROWS.values() if row.section == "Effects" and row.animated} == effects
    for path in ("camera.relief", "camera.focus", "camera.zoom", "camera.fov", "camera.isometric", "motion.pivot_x"):
        assert ROWS[path].animated == path.split(".")[1]


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.slides], ids=lambda row: row.path)
def test_limits_are_those_of_the_model(row: Any) -> None:
    def allowed(value: float) -> bool:
        try:
            JobSpec.model_validate({"photo": "-", **nested({row.path: value})})
        except ValidationError as error:
            return all("greater" not in each["type"] and "less" not in each["type"] for each in error.errors())
        return True

    unit = 1 if row.kind == "integer" else 1e-6
    assert allowed(row.high)
    assert not allowed(row.high + unit * max(1, row.high))
    assert allowed(row.low) != row.without_low
    assert not allowed(row.low - unit)


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.slides], ids=lambda row: row.path)
def test_sliders_go_over_a_part_of_the_range_in_sensible_steps(row: Any) -> None:
    assert row.low <= row.soft_low < row.soft_high <= row.high
    steps = (row.soft_high - row.soft_low) / row.step
    assert 2 <= steps <= 201
    assert row.soft_low <= row.start <= row.soft_high or row.default is not None
    assert row.text.endswith(".")
    if row.kind == "integer":
        assert row.step == int(row.step)


def test_soft_ranges_are_of_numbers_that_are_there() -> None:
    assert all(ROWS[path].slides for path in SOFT)


def test_defaults_are_those_of_the_models() -> None:
    told = flat(JobSpec(photo="-").model_dump(mode="json"))
    assert {path: row.default for path, row in ROWS.items()} == told


def test_units_of_some() -> None:
    wanted = {"output.duration": "s", "camera.fov": "°", "output.fps": "frames/s", "depth.network_size": "px"}
    wanted |= {"render.supersample": "", "output.view.separation": "%", "effects.sweep.width": "frame heights"}
    assert {path: ROWS[path].unit for path in wanted} == wanted


def test_colours_are_known_as_such() -> None:
    colours = {path for path, row in ROWS.items() if row.kind == "colour"}
    named = {path for path in ROWS if path.endswith(".colour")} | {"render.background"}
    assert colours == named


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("motion.strength", " 1,5 ", 1.5),
        ("output.loops", "3", 3),
        ("camera.relief", "auto", None),
        ("camera.relief", "", None),
        ("motion.reverse", "on", True),
        ("motion.loop", "auto", None),
        ("motion.loop", "no", False),
        ("motion.pivot", "nearest", "nearest"),
        ("motion.pivot", "0.5", 0.5),
        ("effects.fog.colour", "Tomato", "#ff6347"),
        ("output.format", "gif", "gif"),
    ],
)
def test_what_is_typed_is_understood(path: str, text: str, value: Any) -> None:
    parsed = ROWS[path].parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("motion.strength", "11", "-10 to 10"),
        ("motion.strength", "many", "-10 to 10"),
        ("motion.strength", "nan", "-10 to 10"),
        ("output.loops", "2.5", "1 to 1000"),
        ("motion.cycles", "0", "above 0 to 1000"),
        ("motion.reverse", "perhaps", "on or off"),
        ("effects.fog.colour", "greenish", "not a colour"),
        ("output.format", "avi", "avi"),
        ("motion.strength", "", "-10 to 10"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_allowed(path: str, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ROWS[path].parse(text)


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.slides], ids=lambda row: row.path)
def test_steps_go_there_and_back(row: Any) -> None:
    start = row.nudged(row.soft_low, 1)
    assert row.soft_low < start
    assert row.nudged(row.nudged(start, 1), -1) == pytest.approx(start)
    fine = row.nudged(start, 0.1)
    assert start < fine <= row.nudged(start, 1) or fine == row.high
    assert row.checked(row.nudged(row.low, -1)) >= row.low
    assert row.checked(row.nudged(row.high, 5)) == row.high


def test_a_step_from_auto_begins_at_what_is_usual() -> None:
    assert ROWS["camera.relief"].nudged(None, 1) == pytest.approx(TABLE["relief"].default + 0.02)


def test_flat_and_nested_are_each_others_inverse() -> None:
    values = {path: row.default for path, row in ROWS.items()}
    made = nested(values)
    assert flat(made) == values
    TypeAdapter(JobSpec).validate_python({"photo": "-", **made})


def test_searching_finds_names_before_texts() -> None:
    assert [row.path for row in search("fog dens")] == ["effects.fog.density"]
    assert search("focus")[0].label == "Focus"
    assert {"camera.focus", "effects.dof.focus", "camera.fov"} - {row.path for row in search("focus")} == {"camera.fov"}
    assert search("zzz") == []
    assert len(search("")) == len(ROWS)


def test_names_suggest_themselves() -> None:
    assert "orbital" in suggestions("motion.name")
    assert "ease-in-out-sine" in suggestions("motion.easing")
    assert {"720p", "story"} <= set(suggestions("output.size"))
    assert "builtin" in suggestions("depth.model")
    assert suggestions("camera.zoom") == ()
    for path in ("motion.easing", "output.size", "output.view.quilt"):
        for name in suggestions(path):
            mode = {"output.view.mode": "quilt"} if "quilt" in path else {}
            JobSpec.model_validate({"photo": "-", **nested({path: name} | mode)})


def test_values_are_shown_shortly() -> None:
    row = ROWS["motion.strength"]
    assert [row.shown(value) for value in (None, 1.0, 0.1234567, True, 0.0)] == ["auto", "1", "0.1235", "on", "0"]
    assert not math.isinf(row.high)
