"""A motion: components that add up to camera parameters over normalised time. It reads no files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from depthflow.scene.camera import PARAMETERS, Camera
from depthflow.scene.easing import easing

Kind = Literal["set", "add", "linear", "exponential", "sine", "cosine", "triangle", "noise"]

_LIMIT = 1000.0


def _check(name: str, value: float) -> None:
    if not math.isfinite(value) or abs(value) > _LIMIT:
        raise ValueError(f"{name} must be a number within -{_LIMIT:g} and {_LIMIT:g}, not {value!r}")


@dataclass(frozen=True, slots=True)
class Component:
    """One term of one camera parameter, over time t in [0, 1].

    Attributes:
        parameter: the camera parameter it changes.
        kind: what it does with the value so far:
            set: replaces it by `amount`; add: adds `amount`;
            linear: adds `start` + (`amount` - `start`) t;
            exponential: multiplies by `amount` ** t (constant speed to the eye, for zoom);
            sine, cosine, triangle: add `bias` + `amount` * wave(cycles t + phase), the wave within -1 .. 1;
            noise: adds smooth seeded noise, standard deviation about `amount` / 2, that closes after t = 1.
        amount: in the parameter's unit, at strength 1.
        start: where linear begins.
        cycles: periods over one pass; for noise its highest frequency.
        phase: in periods.
        bias: added by the waves.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "allow_inf_nan": False}

    parameter: str
    kind: Kind
    amount: float
    start: float = 0.0
    cycles: float = 1.0
    phase: float = 0.0
    bias: float = 0.0

    def __post_init__(self) -> None:
        if self.parameter not in PARAMETERS:
            raise ValueError(f"unknown camera parameter {self.parameter!r}; known: {', '.join(PARAMETERS)}")
        for name in ("amount", "start", "cycles", "phase", "bias"):
            _check(name, getattr(self, name))
        if self.kind == "exponential" and self.amount <= 0:
            raise ValueError(f"an exponential amount must be above 0, not {self.amount!r}")

    def apply(self, value: float, t: float, strength: float = 1.0, seed: int = 0) -> float:
        """The parameter's new value at time t, with every amount scaled by `strength`."""
        match self.kind:
            case "set":
                return value + (self.amount - value) * strength
            case "add":
                return value + self.amount * strength
            case "linear":
                return value + (self.start + (self.amount - self.start) * t) * strength
            case "exponential":
                return value * float(self.amount ** (strength * t))
            case "noise":
                wave = _noise(t, max(1, round(self.cycles)), (seed, PARAMETERS.index(self.parameter)))
            case _:
                wave = _WAVES[self.kind](self.cycles * t + self.phase)
        return value + (self.bias + self.amount * wave) * strength


def _triangle(x: float) -> float:
    """Like the sine with straight lines: 0 at 0, 1 at 1/4, -1 at 3/4."""
    return 4.0 * abs((x - 0.25) % 1.0 - 0.5) - 1.0


_WAVES = {
    "sine": lambda x: math.sin(math.tau * x),
    "cosine": lambda x: math.cos(math.tau * x),
    "triangle": _triangle,
}


def _noise(t: float, top: int, seed: tuple[int, int]) -> float:
    """Sum of whole-number harmonics 1 .. top with seeded phases, amplitude falling as 1/sqrt(k).

    Whole numbers make it close after t = 1; its variance is 1/4, so that it rarely leaves -1 .. 1.
    """
    phases = np.random.default_rng(seed).random(top)
    k = np.arange(1, top + 1)
    weights = 1.0 / np.sqrt(k)
    weights /= math.sqrt(2.0 * float((weights**2).sum()))
    return float((weights * np.sin(math.tau * (k * t + phases))).sum())


@dataclass(frozen=True, slots=True)
class Motion:
    """A named way of moving.

    Attributes:
        components: applied in order to the resting camera.
        loop: the end meets the beginning (frames at i / n); else it goes one way (frames at i / (n - 1)).
        easing: curve of time over one pass; a loop wants "linear".
        description: one line for people.
        relief: suggested relief of the scene.
        pivot: depth of the point that yaw and pitch turn about; None turns the camera about itself.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "allow_inf_nan": False}

    components: tuple[Component, ...] = ()
    loop: bool = True
    easing: str = "linear"
    description: str = ""
    relief: float = 0.6
    pivot: float | None = None

    def __post_init__(self) -> None:
        easing(self.easing)
        if not 0 <= self.relief <= 10:
            raise ValueError(f"relief must be within 0 and 10, not {self.relief!r}")
        if self.pivot is not None:
            _check("pivot", self.pivot)


@dataclass(frozen=True, slots=True)
class Timing:
    """How a motion is laid over frames.

    Attributes:
        frames: frames of one pass.
        loops: passes.
        phase: passes to start into the motion.
        reverse: from the end to the beginning.
    """

    frames: int
    loops: int = 1
    phase: float = 0.0
    reverse: bool = False

    def times(self, motion: Motion) -> Iterator[float]:
        """Time in [0, 1] of every frame of the clip, eased."""
        curve = easing(motion.easing)
        for index in range(self.frames * self.loops):
            step = index % self.frames
            t = step / self.frames if motion.loop else step / max(1, self.frames - 1)
            if self.reverse:
                t = 1.0 - t
            if motion.loop:
                t = (t + self.phase) % 1.0
            elif self.phase:
                t = min(max(t + self.phase, 0.0), 1.0)
            yield curve(t)


def pose(motion: Motion, rest: Camera, t: float, *, strength: float = 1.0, seed: int = 0) -> Camera:
    """The camera at time t."""
    values: dict[str, float] = {}
    for component in motion.components:
        name = component.parameter
        values[name] = component.apply(values.get(name, getattr(rest, name)), t, strength, seed)
    return replace(rest, pivot=motion.pivot, **values)


def poses(
    motion: Motion, rest: Camera, timing: Timing, *, strength: float = 1.0, seed: int = 0
) -> Iterator[Camera]:
    """The camera of every frame of the clip."""
    for t in timing.times(motion):
        yield pose(motion, rest, t, strength=strength, seed=seed)
