"""Curves of time by name: CSS easing, the usual families, springs and steps, from [0, 1] to about [0, 1].

Sources: CSS Easing Functions Level 2 (W3C) for the named curves, cubic-bezier(), steps() and linear(); the closed
form of the damped oscillator for spring(). The families (sine, quad ... bounce) are the usual mathematics.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Curve = Callable[[ArrayLike], Array]
"""Times, of any shape, to progress of the same shape. Times beyond 0 and 1 count as 0 and 1."""

_Plain = Callable[[Array], Array]

# CSS Easing Functions: the named curves as their control points.
BEZIERS = {
    "ease": (0.25, 0.1, 0.25, 1.0),
    "ease-in": (0.42, 0.0, 1.0, 1.0),
    "ease-out": (0.0, 0.0, 0.58, 1.0),
    "ease-in-out": (0.42, 0.0, 0.58, 1.0),
}

_BACK = 1.70158  # overshoots by a tenth


def _bounce_out(t: Array) -> Array:
    """Four parabolas of a falling ball, each bounce a quarter as high as the one before."""
    width = 2.75
    pieces = ((0.0, 1 / width, 0.0), (1.5 / width, 2 / width, 0.75), (2.25 / width, 2.5 / width, 0.9375))
    result = 0.984375 + 7.5625 * (t - 2.625 / width) ** 2
    for middle, end, base in reversed(pieces):
        result = np.where(t < end, base + 7.5625 * (t - middle) ** 2, result)
    return result


# How each family eases in; out and in-out follow by symmetry.
FAMILIES: dict[str, _Plain] = {
    "sine": lambda t: 1.0 - np.cos(t * math.pi / 2),
    "quad": lambda t: t**2,
    "cubic": lambda t: t**3,
    "quart": lambda t: t**4,
    "quint": lambda t: t**5,
    "expo": lambda t: np.where(t <= 0, 0.0, 2.0 ** (10.0 * t - 10.0)),
    "circ": lambda t: 1.0 - np.sqrt(np.maximum(0.0, 1.0 - t**2)),
    "back": lambda t: (_BACK + 1) * t**3 - _BACK * t**2,
    "elastic": lambda t: np.where(t <= 0, 0.0, -(2.0 ** (10.0 * t - 10.0)) * np.sin((10.0 * t - 10.75) * math.tau / 3)),
    "bounce": lambda t: 1.0 - _bounce_out(1.0 - t),
}

WORDS = ("linear", *BEZIERS, "smooth", "step-start", "step-end", "hold", "spring")
CALLS = (
    "cubic-bezier(x1, y1, x2, y2)",
    "steps(count, jump-end)",
    "spring(stiffness, damping, mass)",
    "linear(0, 0.25 75%, 1)",
)
NAMES = (*WORDS, *(f"ease-{way}-{family}" for family in FAMILIES for way in ("in", "out", "in-out")), *CALLS)
"""Every name; the last four show the shape of a call."""

_CALL = re.compile(r"([a-z-]+)\((.*)\)")
_JUMPS = ("jump-start", "jump-end", "jump-none", "jump-both", "start", "end")
_SPRING = (200.0, 20.0, 1.0)
_REST = 0.05


@lru_cache(maxsize=256)
def easing(name: str) -> Curve:
    """The curve of that name.

    Raises:
        ValueError: unknown (with the nearest name), or numbers that make no curve: a Bézier whose x leaves
            [0, 1], so that time would run backwards; a spring that is not at rest in the end.
    """
    plain = _find(name.strip().lower(), name)

    def curve(t: ArrayLike) -> Array:
        return np.asarray(plain(np.clip(np.asarray(t, np.float64), 0.0, 1.0)))

    return curve


def _find(text: str, name: str) -> _Plain:
    if text == "linear":
        return lambda t: t
    if text == "smooth":
        # Smoothstep: slope 0 at both ends.
        return lambda t: t * t * (3.0 - 2.0 * t)
    if text in BEZIERS:
        return _bezier(*BEZIERS[text])
    if text in ("step-end", "hold"):
        return _steps(1, "end")
    if text == "step-start":
        return _steps(1, "start")
    if text == "spring":
        return _spring(name, *_SPRING)
    way, _, family = text.removeprefix("ease-").rpartition("-")
    if text.startswith("ease-") and family in FAMILIES and way in ("in", "out", "in-out"):
        return _family(FAMILIES[family], way)
    if match := _CALL.fullmatch(text):
        arguments = [a.strip() for a in match[2].split(",")]
        if found := _call(match[1], arguments, name):
            return found
    word = text.split("(")[0]
    candidates = {n.split("(")[0]: n for n in reversed(NAMES)}
    near = difflib.get_close_matches(word, candidates, n=1, cutoff=0.5)
    hint = f"did you mean {candidates[near[0]]!r}? " if near else ""
    families = f"ease-in-, ease-out- and ease-in-out- with {', '.join(FAMILIES)}"
    raise ValueError(f"unknown easing {name!r}; {hint}known: {', '.join((*WORDS, families, *CALLS))}")


def _call(function: str, arguments: list[str], name: str) -> _Plain | None:
    if function == "cubic-bezier":
        x1, y1, x2, y2 = _numbers(name, arguments, 4, 4)
        if not (0 <= x1 <= 1 and 0 <= x2 <= 1):
            raise ValueError(f"easing {name!r}: x1 and x2 must be within 0 and 1")
        return _bezier(x1, y1, x2, y2)
    if function == "steps":
        jump = arguments[1] if len(arguments) == 2 else "end"
        if len(arguments) > 2 or jump not in _JUMPS:
            raise ValueError(f"easing {name!r}: write steps(count) or steps(count, jump); jumps: {', '.join(_JUMPS)}")
        (count,) = _numbers(name, arguments[:1], 1, 1)
        least = 2 if jump == "jump-none" else 1
        if not (count.is_integer() and least <= count <= 1000):
            raise ValueError(f"easing {name!r}: the count must be a whole number, {least} to 1000")
        return _steps(int(count), jump)
    if function == "spring":
        given = _numbers(name, arguments, 1, 3)
        return _spring(name, *(*given, *_SPRING[len(given) :]))
    if function == "linear":
        return _linear(name, arguments)
    return None


def _numbers(name: str, arguments: list[str], least: int, most: int) -> list[float]:
    try:
        values = [float(a) for a in arguments]
    except ValueError:
        values = []
    if not (least <= len(values) <= most and all(math.isfinite(v) and abs(v) <= 1e6 for v in values)):
        count = f"{least}" if least == most else f"{least} to {most}"
        raise ValueError(f"easing {name!r}: {count} numbers are expected in the brackets")
    return values


def _family(into: _Plain, way: str) -> _Plain:
    if way == "in":
        return into
    if way == "out":
        return lambda t: 1.0 - into(1.0 - t)
    return lambda t: np.where(t < 0.5, into(2.0 * t) / 2.0, 1.0 - into(2.0 - 2.0 * t) / 2.0)


def _bezier(x1: float, y1: float, x2: float, y2: float) -> _Plain:
    """Cubic Bézier from (0, 0) to (1, 1): y where x = t, by bisection (x grows with the parameter)."""

    def at(a: float, b: float, s: Array) -> Array:
        return ((1 - 3 * b + 3 * a) * s + (3 * b - 6 * a)) * s * s + 3 * a * s

    def curve(t: Array) -> Array:
        low, high = np.zeros_like(t), np.ones_like(t)
        for _ in range(40):
            middle = (low + high) / 2
            before = at(x1, x2, middle) < t
            low, high = np.where(before, middle, low), np.where(before, high, middle)
        return np.where(t <= 0, 0.0, np.where(t >= 1, 1.0, at(y1, y2, (low + high) / 2)))

    return curve


def _steps(count: int, jump: str) -> _Plain:
    """CSS steps(): a stair whose jumps lie before, after, between or around its treads."""
    first = jump in ("jump-start", "start", "jump-both")
    jumps = count + (jump == "jump-both") - (jump == "jump-none")

    def curve(t: Array) -> Array:
        # A hair of tolerance: 0.3 * 10 must count as 3.
        stair = np.floor(t * count + 1e-9) + first
        return np.asarray(np.clip(stair, 0, jumps) / jumps)

    return curve


def _linear(name: str, arguments: list[str]) -> _Plain:
    """CSS linear(): straight lines through points; a point without a place lies halfway between its neighbours."""
    values: list[float] = []
    places: list[float | None] = []
    for argument in arguments:
        words = argument.split()
        spots = [w for w in words if w.endswith("%")]
        numbers = [w for w in words if not w.endswith("%")]
        (value,) = _numbers(name, numbers, 1, 1)
        where = [v / 100 for v in _numbers(name, [s[:-1] for s in spots], 0, 2)]
        values += [value] * max(1, len(where))
        places += where or [None]
    if len(values) < 2:
        raise ValueError(f"easing {name!r}: two points at least, such as linear(0, 0.25 75%, 1)")
    places[0] = 0.0 if places[0] is None else places[0]
    places[-1] = 1.0 if places[-1] is None else places[-1]
    known = [i for i, place in enumerate(places) if place is not None]
    spread = np.interp(np.arange(len(places)), known, [places[i] or 0.0 for i in known])
    if (np.diff(spread) < 0).any():
        raise ValueError(f"easing {name!r}: the places must not go backwards")
    return lambda t: np.asarray(np.interp(t, spread, values))


def _spring(name: str, stiffness: float, damping: float, mass: float) -> _Plain:
    """A mass on a damped spring let go at 0, pulled to 1; the unit of time is the whole of the curve.

    It ends exactly at 1: what is left of the swing there (at most 5 %, else it is refused) is taken off evenly.
    """
    if not (stiffness > 0 and damping > 0 and mass > 0):
        raise ValueError(f"easing {name!r}: stiffness, damping and mass must be above 0")
    omega = math.sqrt(stiffness / mass)
    zeta = damping / (2.0 * math.sqrt(stiffness * mass))
    # The slowest part of the motion: exp(-rate t).
    rate = zeta * omega if zeta <= 1 else omega * (zeta - math.sqrt(zeta * zeta - 1))
    if math.exp(-rate) > _REST:
        enough = -math.log(_REST) * 1.01  # and a little, for the digits that are not said
        damped, least = f"a damping of {2.0 * mass * enough:.3g}", 1.01 * enough
        advice = "less damping" if zeta > 1 else damped
        if omega < least:  # no damping brings so weak a spring to rest
            advice = f"a stiffness of {mass * least**2:.3g} or more, with {damped},"
        raise ValueError(f"easing {name!r}: the spring is not at rest in the end; {advice} brings it there")

    def free(t: Array) -> Array:
        if abs(zeta - 1) < 1e-6:
            return 1.0 - np.exp(-omega * t) * (1.0 + omega * t)
        if zeta < 1:
            damped = omega * math.sqrt(1 - zeta * zeta)
            swing = np.cos(damped * t) + zeta * omega / damped * np.sin(damped * t)
            return np.asarray(1.0 - np.exp(-zeta * omega * t) * swing)
        root = math.sqrt(zeta * zeta - 1)
        slow, fast = omega * (zeta - root), omega * (zeta + root)
        return np.asarray(1.0 - (fast * np.exp(-slow * t) - slow * np.exp(-fast * t)) / (fast - slow))

    left = 1.0 - float(free(np.asarray(1.0)))
    return lambda t: free(t) + left * t
