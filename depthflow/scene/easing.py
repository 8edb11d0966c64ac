"""Curves of time: CSS easing names and cubic-bezier(), as functions from [0, 1] to about [0, 1]."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

Curve = Callable[[float], float]

# CSS Easing Functions Level 1 (W3C), the named curves as their control points.
BEZIERS = {
    "ease": (0.25, 0.1, 0.25, 1.0),
    "ease-in": (0.42, 0.0, 1.0, 1.0),
    "ease-out": (0.0, 0.0, 0.58, 1.0),
    "ease-in-out": (0.42, 0.0, 0.58, 1.0),
}

NAMES = ("linear", *BEZIERS, "smooth", "cubic-bezier(x1, y1, x2, y2)")

_NUMBER = r"\s*(-?\d*\.?\d+)\s*"
_BEZIER = re.compile(rf"cubic-bezier\({_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\)")


@lru_cache(maxsize=64)
def easing(name: str) -> Curve:
    """The curve of that name.

    Raises:
        ValueError: unknown, or a Bézier whose x leaves [0, 1] (then time would run backwards).
    """
    if name == "linear":
        return lambda t: t
    if name == "smooth":
        # Smoothstep: slope 0 at both ends.
        return lambda t: t * t * (3.0 - 2.0 * t)
    if name in BEZIERS:
        return _bezier(*BEZIERS[name])
    if match := _BEZIER.fullmatch(name.strip()):
        x1, y1, x2, y2 = (float(v) for v in match.groups())
        if not (0 <= x1 <= 1 and 0 <= x2 <= 1):
            raise ValueError(f"easing {name!r}: x1 and x2 must be within 0 and 1")
        return _bezier(x1, y1, x2, y2)
    raise ValueError(f"unknown easing {name!r}; known: {', '.join(NAMES)}")


def _bezier(x1: float, y1: float, x2: float, y2: float) -> Curve:
    """Cubic Bézier from (0, 0) to (1, 1): y where x = t, by bisection (x grows with the parameter)."""

    def at(a: float, b: float, s: float) -> float:
        return ((1 - 3 * b + 3 * a) * s + (3 * b - 6 * a)) * s * s + 3 * a * s

    def curve(t: float) -> float:
        if t <= 0.0 or t >= 1.0:
            return min(max(t, 0.0), 1.0)
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            if at(x1, x2, middle) < t:
                low = middle
            else:
                high = middle
        return at(y1, y2, (low + high) / 2)

    return curve
