"""A motion: terms that add up to parameters over one round of normalised time, and how rounds lie over frames."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from depthflow.scene import evaluate
from depthflow.scene.camera import Camera, matrix
from depthflow.scene.component import Component
from depthflow.scene.easing import easing
from depthflow.scene.keys import Track
from depthflow.scene.parameters import nearest, number, parameter

Array = NDArray[np.float64]

PLACES = ("nearest", "surface")
"""Pivots that the depth map decides."""


def check_pivot(pivot: float | str | None) -> None:
    """Refuse what is neither a depth nor a word for one.

    Raises:
        ValueError: with the range and the words.
    """
    if isinstance(pivot, str):
        if pivot not in PLACES:
            raise ValueError(f"pivot {pivot!r} is no place; {nearest(pivot, PLACES)}, or a depth (0 far, 1 near)")
    elif pivot is not None:
        row = parameter("pivot")
        number("pivot", pivot, row.low, row.high)


@dataclass(frozen=True, slots=True)
class Motion:
    """A named way of moving.

    Attributes:
        components: formulas, applied in order to the resting camera.
        tracks: keyframes, applied after them; their times are parts of a round, such as "50%".
        loop: the end of a round meets its beginning; else the motion goes one way.
        easing: curve of time over one round; a loop wants "linear".
        description: one line for people.
        relief: suggested relief of the scene.
        pivot: what yaw, pitch and roll turn about: a depth (0 far, 1 near) at (pivot_x, pivot_y); "surface", the
            photo's own depth there; "nearest", the nearest thing in the photo, wherever it is; None turns the
            camera about itself.
        pivot_x, pivot_y: halves of the photo's longer side, right of and above its middle.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "allow_inf_nan": False}

    components: tuple[Component, ...] = ()
    tracks: tuple[Track, ...] = ()
    loop: bool = True
    easing: str = "linear"
    description: str = ""
    relief: float = 0.6
    pivot: float | str | None = None
    pivot_x: float = 0.0
    pivot_y: float = 0.0

    def __post_init__(self) -> None:
        easing(self.easing)
        number("relief", self.relief, 0, 10)
        check_pivot(self.pivot)
        for name in ("pivot_x", "pivot_y"):
            number(name, getattr(self, name), -10, 10)
        self.terms()

    def terms(self) -> tuple[evaluate.Term, ...]:
        """Everything that it is made of, in order."""
        return (*self.components, *(track.laid(None) for track in self.tracks))


@dataclass(frozen=True, slots=True)
class Timing:
    """How a motion is laid over frames.

    Attributes:
        frames: frames of one pass.
        loops: passes.
        phase: rounds to start into the motion; what goes one way, and only once, starts that far on its way and
            stands still at its end.
        reverse: from the end to the beginning.
        cycles: rounds in one pass. A looping motion goes round and round; a one-way motion goes there, back,
            there again. Whole numbers make the clip close; the passes of one that closes join in any case.
        loop: the pass's last frame leads to its first; None leaves it to the motion. A one-way motion that must
            close goes there and back in each round. A loop that need not close ends exactly where it began.
        hold: frames at the end of a pass in which the motion stands still.
    """

    frames: int
    loops: int = 1
    phase: float = 0.0
    reverse: bool = False
    cycles: float = 1.0
    loop: bool | None = None
    hold: int = 0

    def times(self, motion: Motion) -> Array:
        """(frames * loops,) time within 0 .. 1 of every frame of the clip, eased."""
        closing = motion.loop if self.loop is None else self.loop
        moving = max(1, self.frames - max(0, self.hold))
        steps = np.minimum(np.arange(self.frames), moving)
        t = np.minimum(1.0, steps / (moving if closing else max(1, moving - 1)))
        if moving < self.frames:
            t[moving:] = 1.0
        if self.reverse:
            t = 1.0 - t
        curve = easing(motion.easing)
        before = self._before(closing)
        if motion.loop:
            rounds = t * self.cycles + self.phase + before
            inside = rounds - np.floor(rounds)
            # The very end of a round is its end and not its beginning.
            inside[(inside == 0.0) & (t == 1.0)] = 1.0
            return curve(inside).ravel()
        legs = (t * self.cycles + before + self.phase) * (2.0 if closing else 1.0)
        if not closing and self.cycles <= 1.0:
            return curve(np.clip(legs, 0.0, 1.0)).ravel()
        return curve(1.0 - np.abs(1.0 - legs % 2.0)).ravel()

    def _before(self, closing: bool) -> Array:
        """(loops, 1) part of a round that is over when each pass begins: a pass that is to close goes on where the one
        before it ended, however many rounds it has; one that is not begins anew.
        """
        passes = np.arange(self.loops, dtype=np.float64)[:, None]
        if self.reverse:
            passes = passes[::-1]
        return passes * self.cycles % 1.0 if closing else np.zeros_like(passes)


def values(
    motion: Motion,
    rest: Camera,
    times: Array,
    *,
    strength: float = 1.0,
    seed: int = 0,
    others: Mapping[str, float] | None = None,
) -> dict[str, Array]:
    """Every parameter at these times, before limits; arrays of (N,), or scalars where nothing moves.

    Args:
        others: what layers and effects are before the motion, by parameter; else the table's defaults.

    Raises:
        ValueError: the motion's pivot is a word, which only a depth map can turn into a place.
    """
    if isinstance(motion.pivot, str):
        raise ValueError(f"the pivot {motion.pivot!r} must be made a depth before")
    if motion.pivot is not None:
        rest = replace(rest, pivot=motion.pivot, pivot_x=motion.pivot_x, pivot_y=motion.pivot_y)
    found: dict[str, Array] = evaluate.rest_values(rest)
    moved = {term.parameter for term in motion.terms()}
    found |= {name: np.asarray(value, np.float64) for name, value in (others or {}).items() if name in moved}
    evaluate.evaluate(motion.terms(), found, times, strength=strength, seed=seed)
    return found


def pose(motion: Motion, rest: Camera, t: float, *, strength: float = 1.0, seed: int = 0) -> Camera:
    """The camera at time t."""
    found = values(motion, rest, np.array([t], np.float64), strength=strength, seed=seed)
    return evaluate.cameras(evaluate.limited(found), 1)[0]


def closes(motion: Motion, *, strength: float = 1.0, seed: int = 0) -> bool:
    """Whether a round ends where it begins; whole turns and whole mirrored pairs of photos look alike."""
    if isinstance(motion.pivot, str):
        motion = replace(motion, pivot=0.5)
    first, last = (pose(motion, Camera(), t, strength=strength, seed=seed) for t in (0.0, 1.0))
    slid = np.array([last.scroll_x - first.scroll_x, last.scroll_y - first.scroll_y])
    return bool(np.allclose(matrix(first), matrix(last), atol=1e-6) and np.allclose(np.cos(np.pi * slid), 1.0))


def poses(motion: Motion, rest: Camera, timing: Timing, *, strength: float = 1.0, seed: int = 0) -> Iterator[Camera]:
    """The camera of every frame of the clip."""
    times = timing.times(motion)
    found: Mapping[str, Array] = values(motion, rest, times, strength=strength, seed=seed)
    yield from evaluate.cameras(evaluate.limited(found), len(times))


def rounds(seconds: float, period: float) -> float:
    """Rounds in `seconds` of a motion whose round takes `period` seconds; whole where it is nearly whole."""
    count = seconds / period
    return float(round(count)) if math.isclose(count, round(count), rel_tol=1e-9) else count
