"""Keyframes against values on paper: times as people write them, every way between two keys, clips of every length."""

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest

from depthflow.errors import UsageError
from depthflow.jobs.animation import animation_of, motion_notes
from depthflow.jobs.library import load_timeline, names, resolve, timeline_data
from depthflow.jobs.spec import JobSpec, motion_schema, timeline_schema
from depthflow.scene.camera import Camera
from depthflow.scene.component import Component
from depthflow.scene.evaluate import rest_values
from depthflow.scene.keys import Key, Time, Track, parse_time
from depthflow.scene.motion import Motion, Timing, poses
from depthflow.scene.parameters import TABLE
from depthflow.scene.timeline import Timeline, as_timeline

DOCS = Path(__file__).parent.parent / "docs"


def curve(keys, t, *, end=1.0, whole=None, **more):
    """A track's own values at times in seconds of a whole that is `end` long."""
    track = Track("x", tuple(Key(*key) if isinstance(key, tuple) else key for key in keys), **more)
    return track.laid(end, whole).curve(np.asarray(t, float) / end).tolist()


# -- times -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (2, Time(2.0)),
        (0.25, Time(0.25)),
        ("2s", Time(2.0)),
        (" 1.5 s", Time(1.5)),
        ("250ms", Time(0.25)),
        ("3", Time(3.0)),
        ("50%", Time(0.5, part=True)),
        ("+1s", Time(1.0, sign="+")),
        ("+10%", Time(0.1, part=True, sign="+")),
        ("-500ms", Time(0.5, sign="-")),
        (".5s", Time(0.5)),
    ],
)
def test_a_time_as_people_write_it(text, expected):
    assert parse_time(text) == expected


@pytest.mark.parametrize("text", ["", "s", "2x", "1:30", "101%", "-3", "1e3s", "+", "99999s", -1, math.nan, True, None])
def test_what_is_no_time(text):
    if text == "-3":
        assert parse_time(text).sign == "-"
        return
    with pytest.raises(ValueError, match="at"):
        parse_time(text)


def test_relative_and_absolute_times():
    keys = [("1s", 0.0), ("+500ms", 1.0), ("50%", 2.0), ("+10%", 3.0), ("-2s", 4.0), ("-0s", 5.0)]
    laid = Track("x", tuple(Key(*key) for key in keys)).laid(10.0)
    assert (laid.times * 10).tolist() == pytest.approx([1.0, 1.5, 5.0, 6.0, 8.0, 10.0])


def test_a_key_at_the_very_end_is_on_the_last_frame():
    """Five seconds at 10 a second: the last of 50 frames stands at 4.9 s."""
    timeline = Timeline(tracks=(Track("x", (Key(0, 0.0), Key("5s", 4.9)), easing="linear"),))
    values = {}
    timeline.apply(values, 50, 1, 10.0)
    assert values["x"].tolist() == pytest.approx(np.arange(50) / 10)
    values = {}
    Timeline(tracks=(Track("roll", (Key("0%", 0.0), Key("100%", 49.0)), easing="linear"),)).apply(values, 50, 1, 10.0)
    assert values["roll"].tolist() == pytest.approx(np.arange(50))


def test_seconds_are_seconds_whatever_the_length():
    for frames in (30, 50, 90):
        values = {}
        Timeline(tracks=(Track("x", (Key(0, 0.0), Key("1s", 1.0)), easing="linear"),)).apply(values, frames, 1, 10.0)
        assert values["x"][:12].tolist() == pytest.approx([*np.arange(11) / 10, 1.0])


# -- between two keys ------------------------------------------------------------------------------------------


def test_values_hold_before_the_first_and_after_the_last_key():
    keys = [("20%", 1.0), ("60%", 3.0)]
    assert curve(keys, [0, 0.1, 0.2, 0.4, 0.6, 0.9, 1], easing="linear") == pytest.approx([1, 1, 1, 2, 3, 3, 3])


def test_easing_is_the_keys_own_or_the_tracks():
    keys = [("0%", 0.0, "ease-in-quad"), ("50%", 1.0), ("100%", 2.0)]
    assert curve(keys, [0.25, 0.75], easing="linear") == pytest.approx([0.25, 1.5])
    # CSS ease at half time, from its Bézier.
    assert curve([("0%", 0.0, "ease"), ("100%", 1.0)], [0.5]) == pytest.approx([0.8024034], abs=1e-6)
    assert curve([("0%", 0.0), ("100%", 1.0)], [0.25]) == curve([("0%", 0.0, "ease-in-out"), ("100%", 1.0)], [0.25])


def test_holds_and_jumps():
    held = [Key("0%", 1.0, hold="40%"), Key("80%", 3.0)]
    assert curve(held, [0, 0.2, 0.4, 0.6, 0.8], easing="linear") == pytest.approx([1, 1, 1, 2, 3])
    jump = [("0%", 1.0), ("50%", 2.0), ("50%", 5.0), ("100%", 6.0)]
    assert curve(jump, [0.25, 0.49999, 0.5, 0.75], easing="linear") == pytest.approx([1.5, 2.0, 5.0, 5.5], abs=1e-4)
    stairs = [("0%", 1.0), ("50%", 2.0), ("100%", 3.0)]
    assert curve(stairs, [0, 0.49, 0.5, 0.99, 1], easing="hold") == [1, 1, 2, 2, 3]
    # A relative time counts from where the key before lets go.
    after = [Key("1s", 0.0, hold="1s"), Key("+1s", 1.0)]
    assert curve(after, [2.0, 2.5, 3.0], end=4.0, easing="linear") == pytest.approx([0, 0.5, 1])


def test_a_spring_overshoots_and_arrives():
    found = np.array(curve([("0%", 0.0), ("100%", 2.0)], np.linspace(0, 1, 500), easing="spring(400, 12)"))
    # The first peak of a damped oscillator: 1 + exp(-zeta pi / sqrt(1 - zeta^2)).
    zeta = 12 / (2 * 20)
    assert found.max() == pytest.approx(2 * (1 + math.exp(-zeta * math.pi / math.sqrt(1 - zeta**2))), abs=2e-3)
    assert found[-1] == pytest.approx(2.0)


def test_what_follows_the_last_key():
    keys = [("0s", 0.0), ("1s", 1.0)]
    t = [0.5, 1.0, 1.25, 2.5, 3.75]
    assert curve(keys, t, end=4, easing="linear") == pytest.approx([0.5, 1, 1, 1, 1])
    assert curve(keys, t, end=4, easing="linear", after="loop") == pytest.approx([0.5, 0, 0.25, 0.5, 0.75])
    assert curve(keys, [1.0, 2.0, 4.0], end=4, easing="linear", after="loop") == pytest.approx([0, 0, 1])
    assert curve(keys, t, end=4, easing="linear", after="mirror") == pytest.approx([0.5, 1, 0.75, 0.5, 0.25])
    assert curve([("1s", 3.0)], [0, 1, 4], end=4, after="loop") == [3, 3, 3]


def test_the_last_key_is_held_before_the_keys_start_again():
    keys = [Key("0s", 0.0, hold="0.2s"), Key("0.5s", 1.0, hold="0.3s")]
    t = np.arange(17) / 10
    up = [0, 0, 0, 1 / 3, 2 / 3, 1, 1, 1]
    assert curve(keys, t, end=2, easing="linear", after="loop") == pytest.approx([*up, *up, 0])
    # To and fro: each end is held once, and the way back takes as long as the way there.
    assert curve(keys, t, end=2, easing="linear", after="mirror") == pytest.approx(
        [*up, 1, 2 / 3, 1 / 3, *up[:6]], abs=1e-9
    )


def test_a_spline_passes_through_its_keys_without_stopping_or_overshooting():
    keys = [("0%", 0.0), ("30%", 1.0), ("60%", 3.0), ("80%", 3.0), ("100%", 0.0)]
    t = np.linspace(0, 1, 2001)
    found = np.array(curve(keys, t, easing="spline"))
    for (_, value), at in zip(keys, (0, 0.3, 0.6, 0.8, 1.0), strict=True):
        assert found[round(at * 2000)] == pytest.approx(value)
    speed = np.diff(found) * 2000
    # Smooth: the speed has no jump (an ease between keys would stop at 30 %).
    assert np.abs(np.diff(speed)).max() < 0.3
    assert speed[600] > 3
    # Monotone between keys: nothing beyond them.
    assert found.max() <= 3.0 + 1e-9
    assert np.diff(found)[:1200].min() >= -1e-12


def test_a_spline_that_loops_is_smooth_at_its_seam():
    keys = [("0%", 0.0), ("40%", 1.0), ("60%", 0.5), ("80%", -1.0), ("100%", 0.0)]
    found = np.array(curve(keys, np.linspace(0, 1, 2001), easing="spline", after="loop"))
    speed = np.diff(found) * 2000
    assert speed[0] == pytest.approx(speed[-1], abs=0.05)
    assert speed[0] > 1


@pytest.mark.parametrize(
    ("mode", "expected"), [("set", [4.0, 5.0]), ("add", [2.0 + 4, 2.0 + 5]), ("multiply", [2.0 * 4, 2.0 * 5])]
)
def test_modes(mode, expected):
    laid = Track("zoom", (Key("0%", 4.0), Key("100%", 5.0)), mode=mode).laid()
    assert laid.apply(2.0, np.array([0.0, 1.0])).tolist() == pytest.approx(expected)


# -- the whole -------------------------------------------------------------------------------------------------


def test_components_of_a_motion_are_components_of_a_timeline():
    motion = Motion((Component("x", "sine", 0.2), Component("zoom", "exponential", 2.0)))
    cameras = list(poses(motion, Camera(), Timing(12)))
    values = rest_values(Camera())
    as_timeline(motion).apply(values, 12, 1, 24.0)
    assert values["x"].tolist() == pytest.approx([c.x for c in cameras])
    assert values["zoom"].tolist() == pytest.approx([c.zoom for c in cameras])


def test_a_timeline_runs_over_the_clip_and_one_that_loops_over_each_pass():
    track = Track("x", (Key("0%", 0.0), Key("100%", 1.0)), easing="linear")
    values = {}
    Timeline(tracks=(track,)).apply(values, 3, 2, 30.0)
    assert values["x"].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    values = {}
    Timeline(tracks=(track,), loop=True).apply(values, 4, 2, 30.0)
    assert values["x"].tolist() == pytest.approx([0, 0.25, 0.5, 0.75] * 2)


def test_a_clip_of_one_frame_shows_the_beginning():
    values = {}
    Timeline(
        tracks=(
            Track(
                "x",
                (Key("0%", 1.0), Key("100%", 2.0)),
            ),
        )
    ).apply(values, 1, 1, 30.0)
    assert values["x"].tolist() == [1.0]


def job(timeline, **more):
    data = {"photo": "x", "motion": {"name": "still"}, "outputs": [{"fps": 10, "duration": 1}]}
    return JobSpec.parse(data | {"timeline": timeline} | more)


def test_a_jobs_timeline_stands_on_top_of_its_motion():
    spec = job(
        {
            "tracks": [
                {"parameter": "x", "mode": "add", "keys": [{"at": 0, "value": 1.0}]},
                {"parameter": "fov", "easing": "linear", "keys": [{"at": 0, "value": 30}, {"at": "1s", "value": 60}]},
            ],
            "components": [{"parameter": "relief", "kind": "set", "amount": 2.0}],
        },
        motion={"components": [{"parameter": "x", "kind": "cosine", "amount": 0.5}]},
    )
    cameras = animation_of(spec, spec.outputs[0]).cameras
    assert [c.x for c in cameras] == pytest.approx([1 + 0.5 * math.cos(math.tau * i / 10) for i in range(10)])
    assert [c.fov for c in cameras] == pytest.approx(np.linspace(30, 60, 10))
    assert {c.relief for c in cameras} == {2.0}


def test_a_job_with_a_timeline_survives_text_and_its_digest_covers_it():
    spec = job({"tracks": [{"parameter": "z", "keys": [{"at": "10%", "value": 0.1, "hold": 0.5}]}]})
    assert JobSpec.from_toml(spec.to_toml()) == spec
    assert JobSpec.from_json(spec.to_json()) == spec
    assert resolve(spec).timeline == spec.timeline
    assert spec.digest() != job({"tracks": [{"parameter": "z", "keys": [{"at": "10%", "value": 0.2}]}]}).digest()


def test_values_of_effects_come_beside_the_cameras():
    keys = [{"at": "0%", "value": 0.5}, {"at": "100%", "value": 1.0}]
    spec = job({"tracks": [{"parameter": "fade.amount", "mode": "add", "easing": "linear", "keys": keys}]})
    found = animation_of(spec, spec.outputs[0])
    assert len(found.cameras) == 10
    assert found.values["fade.amount"].tolist() == pytest.approx(0.5 + np.arange(10) / 18)
    # What the job says and the key; what leaves the range is brought back to it.
    found = animation_of(spec.with_(effects={"fade": {"amount": 0.25}}), spec.outputs[0])
    assert set(found.values) == {"fade.amount"}
    assert found.values["fade.amount"].tolist() == pytest.approx(np.minimum(0.75 + np.arange(10) / 18, 1.0))
    assert animation_of(spec.with_(timeline=None), spec.outputs[0]).values == {}


def test_ten_thousand_frames_of_many_keys_are_cheap():
    keys = tuple(Key(f"{i / 20:g}%", math.sin(i), "ease-in-out") for i in range(2000))
    timeline = Timeline(tracks=tuple(Track(name, keys) for name in ("x", "y", "focus")))
    started = time.process_time()
    values = {}
    timeline.apply(values, 10_000, 1, 60.0)
    assert len(values["x"]) == 10_000
    assert time.process_time() - started < 2.0


# -- files -----------------------------------------------------------------------------------------------------

FILE = """
[[tracks]]
parameter = "focus"
keys = [
  { at = "0s", value = 0.2 },
  { at = "+1s", value = 0.8, easing = "spring(200, 20)", hold = "250ms" },
  { at = "100%", value = 0.2 },
]
"""


def test_a_timeline_file(tmp_path):
    path = tmp_path / "t.toml"
    path.write_text(FILE)
    assert load_timeline(path).parameters() == ("focus",)
    assert job(timeline_data(path), outputs=[{"duration": 3}]).timeline == load_timeline(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('parameter = "zom"\nkeys = [{at = 0, value = 1}]', ["tracks.0", "'zom'", "did you mean 'zoom'", "relief"]),
        ('parameter = "vignette"\nkeys = [{at = 0, value = 1}]', ["unknown parameter 'vignette'", "known: x"]),
        ('keys = [{at = 0, value = 1}]\nparametr = "x"', ["parametr", "did you mean 'parameter'"]),
        ('parameter = "x"\nkeys = []', ["tracks.0", "1 to 100000 keys"]),
        ('parameter = "x"', ["tracks.0.keys", "required"]),
        ('parameter = "x"\nkeys = [{at = 0}]', ["tracks.0.keys.0.value", "required"]),
        ('parameter = "x"\nkeys = [{at = 0, value = nan}]', ["tracks.0.keys.0.value", "finite"]),
        ('parameter = "x"\nkeys = [{at = nan, value = 0}]', ["tracks.0.keys.0.at: a finite number is expected"]),
        ('parameter = "x"\nkeys = {at = 0, value = 0}', ["tracks.0.keys: a list is expected"]),
        ('parameter = "x"\nkeys = [{at = 0, value = "3"}]', ["tracks.0.keys.0.value", "a number is expected"]),
        ('parameter = "x"\nkeys = [{at = 0, value = true}]', ["tracks.0.keys.0.value", "a number is expected"]),
        ('parameter = "x"\nkeys = [{at = 0, vale = 1}]', ["keys.0.vale", "did you mean 'value'"]),
        (
            'parameter = "isometric"\nkeys = [{at = 0, value = 0}, {at = 1, value = 3}]',
            ["tracks.0", "'isometric', key 1", "0 and 1"],
        ),
        ('parameter = "x"\nkeys = [{at = 0, value = 0}, {at = "2y", value = 3}]', ["tracks.0.keys.1", "2y", "250ms"]),
        ('parameter = "x"\nkeys = [{at = [], value = 0}]', ["tracks.0.keys.0.at", "text or a number is expected"]),
        ('parameter = "x"\nkeys = [{at = true, value = 0}]', ["tracks.0.keys.0.at", "expected"]),
        ('parameter = "x"\nkeys = [{at = "101%", value = 0}]', ["tracks.0.keys.0", "0% to 100%"]),
        ('parameter = "x"\nkeys = [{at = 0, value = 0, easing = "ese"}]', ["tracks.0.keys.0", "did you mean 'ease'"]),
        ('parameter = "x"\neasing = "splin"\nkeys = [{at = 0, value = 0}]', ["tracks.0", "did you mean 'spline'"]),
        ('parameter = "x"\nkeys = [{at = 0, value = 0, hold = "+1s"}]', ["tracks.0.keys.0", "hold", "sign"]),
        ('parameter = "x"\nafter = "lop"\nkeys = [{at = 0, value = 0}]', ["tracks.0.after", "did you mean 'loop'"]),
        ('parameter = "x"\nmode = "ad"\nkeys = [{at = 0, value = 0}]', ["tracks.0.mode", "did you mean 'add'"]),
        ('kind = "prompt"\nparameter = "x"\nkeys = [{at = 0, value = 0}]', ["tracks.0", "'prompt'", "known: keys"]),
    ],
)
def test_a_timeline_file_is_refused_with_file_key_and_way_out(tmp_path, text, words):
    path = tmp_path / "t.toml"
    path.write_text(f"[[tracks]]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        load_timeline(path)
    for word in [str(path), *words]:
        assert word in f"{caught.value.message} {caught.value.hint}"


def test_what_has_no_effect_is_a_note():
    def notes(*tracks, **more):
        made = [
            {"parameter": name, "mode": mode, "keys": [{"at": at, "value": 0.5} for at in times]}
            for name, mode, *times in tracks
        ]
        return motion_notes(resolve(job({"tracks": made, **more}, outputs=[{"fps": 10, "duration": 2, "loops": 2}])))

    assert notes(("x", "set", "0s", "3.95s", "4s"), ("x", "add", "0s"), ("y", "set", "100%")) == []
    (note,) = notes(("x", "set", "0s", "10s"))
    assert note == "timeline: track 'x', key 1: at '10s' is after the end, which is at 4 s"
    (note,) = notes(("x", "add", "3s"), loop=True)
    assert note.endswith("key 0: at '3s' is after the end, which is at 2 s")
    (note,) = notes(("x", "set", "0s"), ("y", "set", "0s"), ("x", "set", "1s"))
    assert note == "timeline: 2 tracks set 'x', and the last one replaces the others"


def test_a_motion_that_jumps_is_a_note(tmp_path):
    def notes(text, **timing):
        file = tmp_path / "own.toml"
        file.write_text(f'{text}\n[[components]]\nparameter = "x"\nkind = "linear"\namount = 0.2\n')
        return motion_notes(resolve(JobSpec.parse({"photo": "a.jpg", "motion": {"name": str(file), **timing}})))

    (note,) = notes("")
    assert "does not end where it begins" in note
    for quiet in (notes("loop = false"), notes("", loop=False), notes("", strength=0.0)):
        assert quiet == []
    for name in names("motions"):
        assert motion_notes(resolve(JobSpec.parse({"photo": "a.jpg", "motion": {"name": name}}))) == []


@pytest.mark.parametrize(
    ("kind", "key", "used"),
    [
        ("linear", "cycles", "amount, start, fixed"),
        ("exponential", "phase", "amount, start, fixed"),
        ("set", "start", "amount, fixed"),
        ("add", "bias", "amount, fixed"),
        ("sine", "start", "amount, cycles, phase, bias, final, fixed"),
        ("noise", "start", "amount, cycles, phase, bias, final, fixed"),
    ],
)
def test_a_key_that_a_components_kind_does_not_use_is_refused(kind, key, used):
    part = {"parameter": "zoom", "kind": kind, "amount": 1.0}
    with pytest.raises(UsageError, match=rf"kind '{kind}' does not use '{key}'; it uses {used}"):
        job({"components": [{**part, key: 0.5}]})
    # What it is without being given may be written out, as it is in the job of a video.
    written = job({"components": [part]}).to_dict()["timeline"]["components"][0]
    assert written["cycles"] == 1.0
    job({"components": [written]})


def test_other_ways_to_be_no_timeline(tmp_path):
    with pytest.raises(UsageError, match="no such timeline file"):
        load_timeline(tmp_path / "gone.toml")
    path = tmp_path / "t.toml"
    for text, word in (("tracks = 3", "tracks"), ("trakcs = []", "did you mean 'tracks'"), ("[", "TOML")):
        path.write_text(text)
        with pytest.raises(UsageError) as caught:
            load_timeline(path)
        assert word in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([("4s", 0), ("50%", 1)], ["track 'x', key 1", "50%", "before the end of key 0 at 4 s"]),
        ([{"at": "1s", "value": 0, "hold": "2s"}, ("2s", 1)], ["key 1", "before the end of key 0 at 3 s"]),
        ([("-9s", 0)], ["key 0", "-9s", "before the beginning"]),
    ],
)
def test_keys_that_do_not_fit_the_clip_are_refused_with_the_job(keys, words):
    keys = [key if isinstance(key, dict) else {"at": key[0], "value": key[1]} for key in keys]
    with pytest.raises(UsageError) as caught:
        job({"tracks": [{"parameter": "x", "keys": keys}]}, outputs=[{"duration": 5.0, "fps": 30}])
    for word in ["timeline", *words]:
        assert word in caught.value.message


@pytest.mark.parametrize(("name", "made"), [("timeline", timeline_schema), ("motion", motion_schema)])
def test_the_published_schemas_are_these(name, made):
    published = json.loads((DOCS / f"{name}.schema.json").read_text())
    assert published == made(), "write it again: depthflow motions schema [--timeline] > docs/..."
    assert published["$defs"]["Track"]["properties"]["parameter"]["enum"] == list(TABLE)
