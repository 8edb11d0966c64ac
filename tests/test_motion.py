"""Motions over time: every kind of component, loops that close, easing against the CSS specification's numbers."""

import math
from dataclasses import astuple

import pytest

from depthflow.jobs.library import load_motion, names
from depthflow.scene.camera import Camera
from depthflow.scene.component import Component
from depthflow.scene.easing import easing
from depthflow.scene.motion import Motion, Timing, pose, poses

LIBRARY = sorted(names("motions"))


@pytest.mark.parametrize("name", LIBRARY)
def test_a_looping_motion_of_the_library_ends_where_it_began(name):
    motion = load_motion(name)
    assert motion.description
    assert motion.loop
    first, last = pose(motion, Camera(), 0.0), pose(motion, Camera(), 1.0)
    assert [v for v in astuple(last) if v is not None] == pytest.approx(
        [v for v in astuple(first) if v is not None], abs=1e-9
    )


@pytest.mark.parametrize("name", [n for n in LIBRARY if n != "still"])
def test_a_motion_of_the_library_moves_and_keeps_its_distance(name):
    motion = load_motion(name)
    rest = Camera(relief=motion.relief)
    clip = list(poses(motion, rest, Timing(frames=30), strength=1.0))
    assert len({astuple(c) for c in clip}) > 10
    assert all(c.z < 0.8 / (1 + rest.relief) for c in clip)


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
    ],
)
def test_what_a_component_does_to_the_value_2(component, t, expected):
    assert component.apply(2.0, t) == pytest.approx(expected)


def test_strength_scales_what_is_added_and_how_far_a_value_is_set():
    assert Component("x", "sine", 2.0).apply(0.0, 0.25, strength=0.5) == pytest.approx(1.0)
    assert Component("x", "set", 2.0).apply(1.0, 0.0, strength=0.5) == pytest.approx(1.5)
    assert Component("zoom", "exponential", 4.0).apply(1.0, 1.0, strength=0.5) == pytest.approx(2.0)


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


def test_phase_starts_later_and_loops_repeat():
    loop = Motion((Component("x", "sine", 1.0),))
    assert [c.x for c in poses(loop, Camera(), Timing(4, phase=0.25))] == pytest.approx([1, 0, -1, 0], abs=1e-12)
    assert list(Timing(4, loops=2).times(loop)) == [0, 0.25, 0.5, 0.75] * 2


@pytest.mark.parametrize(
    ("name", "t", "expected"),
    [
        # Values of the curves at their quarter points, from their Bézier parameters solved by hand.
        ("linear", 0.3, 0.3),
        ("ease-in-out", 0.5, 0.5),
        ("ease", 0.5, 0.8024034),
        ("ease-in", 0.5, 0.3153568),
        ("ease-out", 0.5, 0.6846432),
        ("cubic-bezier(0, 0, 1, 1)", 0.37, 0.37),
        ("smooth", 0.25, 0.15625),
    ],
)
def test_easing_values(name, t, expected):
    assert easing(name)(t) == pytest.approx(expected, abs=1e-6)
    assert easing(name)(0.0) == 0.0
    assert easing(name)(1.0) == 1.0


@pytest.mark.parametrize("name", ["eas", "cubic-bezier(2, 0, 1, 1)", "cubic-bezier(0, 0)", ""])
def test_easing_refuses(name):
    with pytest.raises(ValueError, match="easing"):
        easing(name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"parameter": "w", "kind": "sine", "amount": 1.0},
        {"parameter": "x", "kind": "sine", "amount": math.nan},
        {"parameter": "x", "kind": "sine", "amount": 1e9},
        {"parameter": "zoom", "kind": "exponential", "amount": 0.0},
    ],
)
def test_a_component_refuses_what_makes_no_sense(wrong):
    with pytest.raises(ValueError, match=r"parameter|amount"):
        Component(**wrong)
