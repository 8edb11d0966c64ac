"""Curves of time against the CSS specification's numbers, mathematics on paper and a spring integrated step by step."""

import math
import re

import numpy as np
import pytest

from depthflow.scene.easing import FAMILIES, NAMES, easing

FAMILY_NAMES = [f"ease-{way}-{family}" for family in FAMILIES for way in ("in", "out", "in-out")]
WORDS = [name for name in NAMES if "(" not in name]


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
        ("ease-in-quad", 0.5, 0.25),
        ("ease-out-quad", 0.5, 0.75),
        ("ease-in-out-quad", 0.25, 0.125),
        ("ease-in-sine", 0.5, 1 - math.sqrt(0.5)),
        ("ease-in-out-cubic", 0.75, 1 - 0.5 * 0.5**3),
        ("ease-in-expo", 0.5, 2**-5),
        ("ease-out-circ", 0.5, math.sqrt(0.75)),
        # A tenth beyond the end: the highest point of the cubic, by its derivative.
        ("ease-out-back", 1 - 2 * 1.70158 / (3 * 2.70158), 1 + 4 / 27 * 1.70158**3 / 2.70158**2),
        ("ease-out-bounce", 1 / 2.75, 1.0),
        ("ease-out-bounce", 1.5 / 2.75, 0.75),
        # Two periods and a half from 0.075 to 1: at rest when the sine is 0.
        ("ease-out-elastic", 0.225, 1.0),
        ("EASE-OUT-Quad ", 0.5, 0.75),
    ],
)
def test_values(name, t, expected):
    assert float(easing(name)(t)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", [*WORDS, "cubic-bezier(.5, -.5, .5, 1.5)", "spring(90, 7)", "spring(400, 80, 2)"])
def test_every_curve_begins_at_0_and_ends_at_1(name):
    curve = easing(name)
    assert curve(np.array([-1.0, 0.0, 1.0, 2.0])) == pytest.approx(
        [1.0 if name == "step-start" else 0.0] * 2 + [1.0] * 2, abs=1e-3
    )
    assert float(curve(1.0)) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_in_out_is_symmetrical_and_out_mirrors_in(name):
    t = np.linspace(0, 1, 201)
    curve = easing(name)
    if "-in-out-" in name:
        np.testing.assert_allclose(curve(t), 1 - curve(1 - t), atol=1e-9)
    else:
        other = name.replace("-in-", "-out-") if "-in-" in name else name.replace("-out-", "-in-")
        np.testing.assert_allclose(curve(t), 1 - easing(other)(1 - t), atol=1e-9)


@pytest.mark.parametrize("points", [(0.25, 0.1, 0.25, 1.0), (0.9, -0.4, 0.1, 1.3), (1.0, 0.0, 0.0, 1.0)])
def test_a_bezier_lies_on_its_curve(points):
    """The curve by its parameter s, so that nothing needs to be solved."""
    x1, y1, x2, y2 = points
    s = np.linspace(0.01, 0.99, 99)
    x, y = (3 * (1 - s) ** 2 * s * a + 3 * (1 - s) * s**2 * b + s**3 for a, b in ((x1, x2), (y1, y2)))
    steep = np.gradient(x, s) > 1e-3
    np.testing.assert_allclose(easing(f"cubic-bezier({x1}, {y1}, {x2}, {y2})")(x)[steep], y[steep], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # At 0, 0.3, 0.5 and 1, read off the figures of CSS Easing Functions Level 1.
        ("steps(2)", [0, 0, 0.5, 1]),
        ("steps(2, jump-end)", [0, 0, 0.5, 1]),
        ("steps(2, end)", [0, 0, 0.5, 1]),
        ("steps(2, jump-start)", [0.5, 0.5, 1, 1]),
        ("steps(2, start)", [0.5, 0.5, 1, 1]),
        ("steps(2, jump-none)", [0, 0, 1, 1]),
        ("steps(2, jump-both)", [1 / 3, 1 / 3, 2 / 3, 1]),
        ("step-start", [1, 1, 1, 1]),
        ("step-end", [0, 0, 0, 1]),
        ("hold", [0, 0, 0, 1]),
        ("linear(0, 0.2, 1)", [0, 0.12, 0.2, 1]),
        ("linear(0, 0.25 75%, 1)", [0, 0.1, 1 / 6, 1]),
        ("linear(0, 1 25% 75%, 0)", [0, 1, 1, 0]),
    ],
)
def test_steps_and_lines(name, expected):
    assert easing(name)(np.array([0.0, 0.3, 0.5, 1.0])) == pytest.approx(expected)


@pytest.mark.parametrize("spring", [(200.0, 20.0, 1.0), (400.0, 12.0, 1.0), (100.0, 20.0, 1.0), (300.0, 60.0, 2.0)])
def test_a_spring_is_a_damped_oscillator(spring):
    """Integrated by Runge-Kutta: weak, critical and strong damping."""
    k, c, m = spring
    steps = 20_000
    h = 1.0 / steps
    state = np.array([0.0, 0.0])

    def change(s):
        return np.array([s[1], (k * (1 - s[0]) - c * s[1]) / m])

    path = [0.0]
    for _ in range(steps):
        a = change(state)
        b = change(state + h / 2 * a)
        d = change(state + h / 2 * b)
        e = change(state + h * d)
        state = state + h / 6 * (a + 2 * b + 2 * d + e)
        path.append(state[0])
    t = np.linspace(0, 1, steps + 1)
    # What is left at the end is taken off evenly, so that the curve ends at 1.
    np.testing.assert_allclose(easing(f"spring({k}, {c}, {m})")(t), np.array(path) + (1 - path[-1]) * t, atol=1e-9)
    assert abs(1 - path[-1]) < 0.05


@pytest.mark.parametrize("mass", [0.01, 1.0, 3.0])
@pytest.mark.parametrize("damping", [0.1, 1.0, 5.9, 5.99, 6.1, 20.0])
@pytest.mark.parametrize("stiffness", [0.5, 8.9, 9.1, 100.0, 200.0])
def test_the_way_out_that_a_refused_spring_names_is_one(stiffness, damping, mass):
    try:
        easing(f"spring({stiffness}, {damping}, {mass})")
    except ValueError as error:
        said = str(error)
        named = {word: float(n) for word, n in re.findall(r"a (stiffness|damping) of ([\d.]+)", said)}
        named = {"stiffness": stiffness, **({"damping": 6.05 * mass} if "less damping" in said else {}), **named}
        assert (named["damping"] < damping) or "less" not in said
        easing(f"spring({named['stiffness']}, {named['damping']}, {mass})")


def test_shapes_are_kept():
    assert easing("ease")(np.zeros((2, 3))).shape == (2, 3)
    assert easing("spring")(0.5).shape == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("eas", ["'eas'", "did you mean 'ease'"]),
        ("ease-out-bonce", ["did you mean 'ease-out-bounce'"]),
        ("cubic-bezier(2, 0, 1, 1)", ["x1 and x2", "0 and 1"]),
        ("cubic-bezier(0, 0)", ["4 numbers"]),
        ("cubic-bezier(0, nan, 1, 1)", ["4 numbers"]),
        ("cubic-bezir(0, 0, 1, 1)", ["did you mean 'cubic-bezier(x1, y1, x2, y2)'"]),
        ("", ["known", "linear"]),
        ("steps(0)", ["whole number, 1 to 1000"]),
        ("steps(1, jump-none)", ["whole number, 2 to 1000"]),
        ("steps(2.5)", ["whole number"]),
        ("steps(3, jump)", ["jump-none"]),
        ("spring(100, 1)", ["not at rest", "a damping of"]),
        ("spring(10, 100)", ["not at rest"]),
        ("spring(-1, 2)", ["above 0"]),
        ("spring(soft)", ["1 to 3 numbers"]),
        ("linear(0)", ["two points"]),
        ("linear(0 90%, 1 10%)", ["backwards"]),
    ],
)
def test_refused(name, words):
    with pytest.raises(ValueError, match="easing") as caught:
        easing(name)
    for word in words:
        assert word in str(caught.value)
