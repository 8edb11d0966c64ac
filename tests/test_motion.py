"""Motions over time: every kind of component, the whole library, and how rounds lie over frames."""

import math
import time
from dataclasses import asdict, astuple, replace

import numpy as np
import pytest

from depthflow.jobs.library import load_motion, names
from depthflow.scene.camera import Camera, magnification, matrix, project
from depthflow.scene.component import Component
from depthflow.scene.keys import Key, Track
from depthflow.scene.motion import Motion, Timing, pose, poses
from depthflow.scene.parameters import TABLE
from depthflow.scene.scroll import copies

LIBRARY = sorted(names("motions"))
WANTED = {
    *("still", "horizontal", "vertical", "circle", "ellipse", "orbital", "dolly", "zoom", "zoom-in", "zoom-out"),
    *("zoom-in-linear", "zoom-out-linear", "push-in", "pull-out", "arc", "spiral", "pendulum", "figure-eight", "roll"),
    *("handheld", "fly-through", "scroll", "rotation", "rotation-nearest"),
}


def library(name):
    """A motion with its pivot at a place, as the pipeline gives it one."""
    motion = load_motion(name)
    return replace(motion, pivot=0.9, pivot_x=0.4, pivot_y=-0.2) if isinstance(motion.pivot, str) else motion


def numbers(camera):
    """The camera's numbers; whole turns and whole mirrored pairs of photos look alike."""
    found = {name: value for name, value in asdict(camera).items() if value is not None}
    turn, slide = math.radians(found.pop("roll")), math.pi * found.pop("scroll_x")
    return [*found.values(), math.cos(turn), math.sin(turn), math.cos(slide), math.sin(slide)]


def test_the_library_is_complete():
    assert set(LIBRARY) >= WANTED


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
def test_a_looping_motion_of_the_library_ends_where_it_began_and_a_one_way_motion_does_not(name, strength):
    motion = library(name)
    assert motion.description
    first, last = (numbers(pose(motion, Camera(), t, strength=strength, seed=5)) for t in (0.0, 1.0))
    assert (last == pytest.approx(first, abs=1e-9)) == motion.loop


@pytest.mark.parametrize("name", [n for n in LIBRARY if n != "still"])
@pytest.mark.parametrize("strength", [1.0, 2.0])
def test_a_motion_of_the_library_moves_and_keeps_its_distance(name, strength):
    motion = library(name)
    rest = Camera(relief=motion.relief)
    clip = list(poses(motion, rest, Timing(frames=30), strength=strength))
    assert len({astuple(c) for c in clip}) > 10
    # The nearest thing stands at 1 / (1 + relief); where the limit itself is met, the end of the motion is cut off.
    assert max(c.z - c.dolly for c in clip) < 0.9 / (1 + rest.relief)
    if motion.pivot is None:
        assert all(matrix(c)[3] @ [0, 0, 1, 1 + rest.relief] > 0 for c in clip)


@pytest.mark.parametrize("name", LIBRARY)
def test_no_motion_jumps_between_two_frames(name):
    motion = library(name)
    clip = np.array([astuple(replace(c, pivot=0.0)) for c in poses(motion, Camera(), Timing(600), seed=1)])
    steps = np.abs(np.diff(clip, axis=0)).max(axis=0)
    spans = np.ptp(clip, axis=0)
    assert (steps <= 0.05 * spans + 1e-12).all()


def test_still_is_the_rest():
    assert set(poses(load_motion("still"), Camera(), Timing(frames=5))) == {Camera()}


@pytest.mark.parametrize(
    ("component", "t", "expected"),
    [
        (Component("zoom", "set", 3.0), 0.5, 3.0),
        (Component("zoom", "add", 3.0), 0.5, 5.0),
        (Component("zoom", "linear", 3.0, start=1.0), 0.25, 2.0 + 1.5),
        (Component("zoom", "exponential", 4.0), 0.5, 4.0),
        (Component("x", "sine", 2.0), 0.25, 2.0 + 2.0),
        (Component("x", "cosine", 2.0, bias=1.0), 0.5, 2.0 - 2.0 + 1.0),
        (Component("x", "sine", 2.0, cycles=2.0, phase=0.25), 0.25, 2.0 - 2.0),
        (Component("x", "triangle", 1.0), 0.125, 2.5),
        (Component("x", "triangle", 1.0), 0.75, 1.0),
        (Component("zoom", "exponential", 1.0, start=9.0), 0.5, 2.0 * 3.0),
        (Component("x", "sine", 2.0, cycles=1.0, final=0.0), 0.25, 2.0 + 1.5),
        (Component("x", "cosine", 1.0, cycles=0.5, final=3.0), 1.0, 2.0 - 3.0),
    ],
)
def test_what_a_component_does_to_the_value_2(component, t, expected):
    assert component.apply(2.0, t) == pytest.approx(expected)


def test_strength_scales_what_is_added_and_how_far_a_value_is_set():
    assert Component("x", "sine", 2.0).apply(0.0, 0.25, strength=0.5) == pytest.approx(1.0)
    assert Component("x", "set", 2.0).apply(1.0, 0.0, strength=0.5) == pytest.approx(1.5)
    assert Component("zoom", "exponential", 4.0).apply(1.0, 1.0, strength=0.5) == pytest.approx(2.0)
    turn = Component("roll", "linear", 360.0, fixed=True)
    for strength, end in ((0.5, 360.0), (3.0, 360.0), (0.0, 0.0), (-0.5, -360.0)):
        assert turn.apply(0.0, 1.0, strength=strength) == pytest.approx(end)


def test_noise_is_seeded_and_closes():
    wave = Component("x", "noise", 1.0, cycles=5)
    values = [wave.apply(0.0, i / 500, seed=3) for i in range(501)]
    assert values[0] == pytest.approx(values[-1])
    assert values == [wave.apply(0.0, i / 500, seed=3) for i in range(501)]
    assert values != [wave.apply(0.0, i / 500, seed=4) for i in range(501)]
    assert math.sqrt(sum(v * v for v in values[:-1]) / 500) == pytest.approx(0.5, abs=1e-6)


def test_two_components_of_one_parameter_add_up():
    motion = Motion((Component("x", "add", 1.0), Component("x", "sine", 0.5)))
    assert pose(motion, Camera(x=4), 0.25).x == pytest.approx(5.5)


LINE = Motion((Component("x", "linear", 1.0),), loop=False)


def test_a_loop_leaves_out_the_last_frame_and_a_one_way_motion_does_not():
    loop = Motion((Component("x", "linear", 1.0),), loop=True)
    assert list(Timing(4).times(loop)) == [0, 0.25, 0.5, 0.75]
    assert list(Timing(5).times(LINE)) == [0, 0.25, 0.5, 0.75, 1]
    assert list(Timing(1).times(LINE)) == [0]


def test_reverse_plays_the_same_frames_backwards():
    there = [c.x for c in poses(LINE, Camera(), Timing(7))]
    back = [c.x for c in poses(LINE, Camera(), Timing(7, reverse=True))]
    assert back == pytest.approx(there[::-1])
    loop = Motion((Component("x", "sine", 1.0),))
    around = [c.x for c in poses(loop, Camera(), Timing(8))]
    turned = [c.x for c in poses(loop, Camera(), Timing(8, reverse=True))]
    assert turned == pytest.approx([around[0], *around[:0:-1]])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("hold", [0, 5])
@pytest.mark.parametrize("cycles", [0.3, 1.0, 1.25, 2.5])
@pytest.mark.parametrize("closes", [True, False])
def test_passes_join_whatever_the_number_of_rounds(cycles, hold, reverse, closes):
    """No step from one pass to the next is larger than those within a pass."""
    loop = Motion((Component("x", "sine", 1.0),))
    motion, timing = (loop, None) if closes else (LINE, True)
    steps = np.abs(np.diff(xs(motion, Timing(40, 4, cycles=cycles, hold=hold, reverse=reverse, loop=timing))))
    assert steps.max() <= np.delete(steps, [39, 79, 119]).max() * 1.01
    assert steps.max() > 0.01


def test_passes_that_are_not_to_close_begin_anew():
    assert xs(LINE, Timing(3, 2)) == pytest.approx([0, 0.5, 1, 0, 0.5, 1])
    assert xs(Motion((Component("x", "sine", 1.0),)), Timing(4, 2, cycles=0.75, loop=False)) == pytest.approx(
        [0, 1, 0, -1] * 2
    )


def test_phase_starts_later_and_loops_repeat():
    loop = Motion((Component("x", "sine", 1.0),))
    assert [c.x for c in poses(loop, Camera(), Timing(4, phase=0.25))] == pytest.approx([1, 0, -1, 0], abs=1e-12)
    assert list(Timing(4, loops=2).times(loop)) == [0, 0.25, 0.5, 0.75] * 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"parameter": "w", "kind": "sine", "amount": 1.0},
        {"parameter": "x", "kind": "sine", "amount": math.nan},
        {"parameter": "x", "kind": "sine", "amount": 1e9},
        {"parameter": "zoom", "kind": "exponential", "amount": 0.0},
        {"parameter": "isometric", "kind": "set", "amount": 1.5},
        {"parameter": "x", "kind": "sine", "amount": 1.0, "cycles": math.inf},
        {"parameter": "x", "kind": "sine", "amount": 1.0, "phase": 1e9},
        {"parameter": "x", "kind": "sine", "amount": "1"},
    ],
)
def test_a_component_refuses_what_makes_no_sense(wrong):
    with pytest.raises(ValueError, match=r"parameter|amount|cycles|phase"):
        Component(**wrong)


def xs(motion, timing, **more):
    return [c.x for c in poses(motion, Camera(), timing, **more)]


def test_smooth_zoom_has_constant_speed_to_the_eye_and_linear_zoom_has_not():
    smooth = [c.zoom for c in poses(load_motion("zoom-in"), Camera(), Timing(11))]
    ratios = np.array(smooth[1:]) / smooth[:-1]
    np.testing.assert_allclose(ratios, 1.3**0.1, rtol=1e-12)
    straight = [c.zoom for c in poses(load_motion("zoom-in-linear"), Camera(), Timing(11))]
    np.testing.assert_allclose(np.diff(straight), 0.03, rtol=1e-9)
    back = [c.zoom for c in poses(load_motion("zoom-out"), Camera(), Timing(11))]
    assert back == pytest.approx(smooth[::-1])


def test_rounds_within_one_pass():
    loop = Motion((Component("x", "sine", 1.0),))
    assert xs(loop, Timing(8, cycles=2)) == pytest.approx([0, 1, 0, -1] * 2, abs=1e-12)
    # Clip length apart from loop length: two and a half rounds.
    assert xs(loop, Timing(10, cycles=2.5)) == pytest.approx([0, 1, 0, -1] * 2 + [0, 1], abs=1e-12)


def test_a_one_way_motion_with_two_rounds_goes_there_and_back():
    assert xs(LINE, Timing(5, cycles=2)) == pytest.approx([0, 0.5, 1, 0.5, 0])
    # Asked to loop, it closes: the frame after the last is the first.
    assert xs(LINE, Timing(4, loop=True)) == pytest.approx([0, 0.5, 1, 0.5])
    assert xs(LINE, Timing(4, loop=True, loops=2)) == pytest.approx([0, 0.5, 1, 0.5] * 2)


def test_a_loop_played_once_ends_exactly_where_it_began():
    around = Motion((Component("x", "cosine", 1.0),))
    assert xs(around, Timing(5, loop=False)) == pytest.approx([1, 0, -1, 0, 1], abs=1e-12)


def test_hold_stands_still_at_the_end_of_a_pass():
    assert xs(LINE, Timing(6, hold=3)) == pytest.approx([0, 0.5, 1, 1, 1, 1])
    assert xs(LINE, Timing(6, hold=3, reverse=True)) == pytest.approx([1, 0.5, 0, 0, 0, 0])
    assert xs(LINE, Timing(4, hold=2, loops=2)) == pytest.approx([0, 1, 1, 1] * 2)
    around = Motion((Component("x", "cosine", 1.0),))
    assert xs(around, Timing(6, hold=2)) == pytest.approx([1, 0, -1, 0, 1, 1], abs=1e-12)
    assert len(xs(LINE, Timing(1, hold=5))) == 1


def test_easing_runs_over_each_round():
    eased = Motion((Component("x", "linear", 1.0),), loop=False, easing="ease-in-quad")
    assert xs(eased, Timing(5, cycles=2)) == pytest.approx([0, 0.25, 1, 0.25, 0])


def test_phase_of_a_one_way_motion_starts_it_further_on_and_it_stops_at_its_end():
    assert xs(LINE, Timing(5, phase=0.5)) == pytest.approx([0.5, 0.75, 1, 1, 1])


def test_phase_of_a_one_way_motion_that_comes_back_stands_still_nowhere():
    closed = Timing(8, loop=True)
    for phase, first in ((0.25, 2), (0.5, 4), (1.0, 0)):
        turned = xs(LINE, replace(closed, phase=phase))
        assert turned == pytest.approx([*xs(LINE, closed)[first:], *xs(LINE, closed)[:first]])
    assert xs(LINE, Timing(9, cycles=2, phase=0.5)) == pytest.approx([0.5, 0.75, 1, 0.75, 0.5, 0.25, 0, 0.25, 0.5])


def test_a_motion_may_have_keyframes():
    motion = Motion(
        (Component("x", "add", 1.0),),
        (Track("x", (Key("0%", 0.0), Key("50%", 2.0), Key("100%", 0.0)), mode="add", easing="linear"),),
    )
    assert xs(motion, Timing(4)) == pytest.approx([1, 2, 3, 2])
    assert xs(motion, Timing(4), strength=0.5) == pytest.approx([0.5, 1, 1.5, 1])
    with pytest.raises(ValueError, match="percentage"):
        Motion(tracks=(Track("x", (Key("2s", 1.0),)),))


def test_a_camera_is_kept_before_the_nearest_thing_and_values_in_their_ranges():
    wild = Motion((Component("z", "linear", 5.0), Component("isometric", "add", 0.9), Component("zoom", "add", -50.0)))
    camera = pose(wild, Camera(relief=1.0), 1.0, strength=3.0)
    assert camera.z == pytest.approx(0.95 / 2)
    assert camera.isometric == 1.0
    assert camera.zoom == 0.01
    # The camera stands at z - dolly.
    forwards = pose(Motion((Component("dolly", "add", -0.9),)), Camera(relief=1.0), 0.0)
    assert forwards.z - forwards.dolly == pytest.approx(0.95 / 2)
    # A dolly ends before its focus plane: the picture would turn upside down there.
    for focus, end in ((1.0, 0.95 / 2), (2.0, 0.95 / 3), (-5.0, 0.95 / 2)):
        held = pose(Motion((Component("dolly", "add", -0.9),)), Camera(relief=1.0, focus=focus), 0.0)
        assert held.dolly == pytest.approx(-end)
        assert magnification(held) > 0


def test_a_pivot_that_is_a_word_must_be_made_a_place_first():
    with pytest.raises(ValueError, match="depth"):
        pose(Motion(pivot="nearest"), Camera(), 0.0)
    with pytest.raises(ValueError, match="did you mean 'nearest'"):
        Motion(pivot="neerest")


def test_a_pivot_stays_where_it_is_while_the_camera_turns():
    motion = Motion(
        (Component("yaw", "sine", 9.0), Component("roll", "sine", 30.0)), pivot=0.8, pivot_x=0.5, pivot_y=0.2
    )
    for isometric in (0.0, 0.5, 1.0):
        camera = pose(motion, Camera(isometric=isometric), 0.2)
        seen = project(camera, np.array([[0.5, 0.2]]), np.array([0.8]))
        np.testing.assert_allclose(seen, [[0.5, 0.2]], atol=1e-12)
        assert not np.allclose(project(camera, np.array([[0.5, 0.2]]), np.array([0.1])), [[0.5, 0.2]], atol=1e-3)


def test_the_table_of_parameters_is_that_of_the_camera():
    rest = asdict(Camera())
    assert set(rest) == {name for name in TABLE if "." not in name}
    for name, value in rest.items():
        row = TABLE[name]
        assert row.low <= row.default <= row.high
        assert value == row.default or name == "pivot"


@pytest.mark.parametrize(
    ("scroll", "half", "seen", "expected"),
    [
        # The photo itself, exactly as wide as what is seen.
        (0.0, 1.0, 1.0, [(1, 0.0)]),
        # A little more is seen: a mirrored neighbour on each side.
        (0.0, 1.0, 1.1, [(-1, -2.0), (1, 0.0), (-1, 2.0)]),
        # Half a photo on: two copies meet in the middle.
        (0.5, 0.75, 0.75, [(1, -0.75), (-1, 0.75)]),
        (2.0, 1.0, 1.0, [(1, 0.0)]),
        (-1.0, 1.0, 1.0, [(-1, 0.0)]),
    ],
)
def test_copies_of_the_photo_that_a_scroll_shows(scroll, half, seen, expected):
    found = copies(scroll, half, seen)
    assert [c.sign for c in found] == [sign for sign, _ in expected]
    assert [c.offset for c in found] == pytest.approx([offset for _, offset in expected])


@pytest.mark.parametrize("scroll", [0.0, 0.3, 1.7, -5.2, 123.45])
def test_every_place_that_a_scroll_shows_is_covered_once_and_mirrored_at_the_seams(scroll):
    half, seen = 0.6, 1.4
    for place in np.linspace(-seen, seen, 101):
        inside = [(place - c.offset) * c.sign for c in copies(scroll, half, seen)]
        inside = [p for p in inside if abs(p) <= half + 1e-9]
        # A triangle wave over the endless strip, worked out apart from the copies.
        strip = (place / (2 * half) + scroll + 0.5) % 2.0
        wanted = (1.0 - abs(1.0 - strip)) * 2 * half - half
        assert inside
        assert inside == pytest.approx([wanted] * len(inside), abs=1e-9)


def test_ten_thousand_frames_are_cheap():
    motion = load_motion("handheld")
    started = time.process_time()
    assert len(list(poses(motion, Camera(), Timing(10_000)))) == 10_000
    assert time.process_time() - started < 1.0
