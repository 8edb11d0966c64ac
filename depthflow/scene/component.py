"""One term of a motion: a formula of time that changes one parameter. It knows no files and no keyframes."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from depthflow.scene.parameters import number, parameter

Array = NDArray[np.float64]
Kind = Literal["set", "add", "linear", "exponential", "sine", "cosine", "triangle", "noise"]

MOST_CYCLES = 1000.0

_WAVE = ("cycles", "phase", "bias", "final")
_USED: dict[str, tuple[str, ...]] = {"set": (), "add": (), "linear": ("start",), "exponential": ("start",)}
"""Beside parameter, kind, amount and fixed; all other kinds are waves."""


@dataclass(frozen=True, slots=True)
class Component:
    """One term of one parameter, over time t in [0, 1].

    Attributes:
        parameter: what it changes; a name of the table of parameters.
        kind: what it does with the value so far:
            set: replaces it by `amount`; add: adds `amount`;
            linear: adds `start` + (`amount` - `start`) t;
            exponential: multiplies by `start` ** (1 - t) * `amount` ** t (constant speed to the eye, for zoom);
            sine, cosine, triangle: add `bias` + `amount` * wave(cycles t + phase), the wave within -1 .. 1;
            noise: adds smooth seeded noise, standard deviation about `amount` / 2, that closes after t = 1.
        amount: in the parameter's unit, at strength 1; a factor for exponential.
        start: where linear (None: 0) and exponential (None: 1) begin.
        cycles: periods over t = 0 .. 1; for noise its highest frequency, a whole number.
        phase: in periods.
        bias: added by the waves and the noise.
        final: amount of the waves and the noise at t = 1, so that they swell or fade evenly; None keeps `amount`.
        fixed: of the strength only the sign counts, as whole turns and whole photos must stay whole; 0 stops it.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "allow_inf_nan": False}

    parameter: str
    kind: Kind
    amount: float
    start: float | None = None
    cycles: float = 1.0
    phase: float = 0.0
    bias: float = 0.0
    final: float | None = None
    fixed: bool = False

    def __post_init__(self) -> None:
        row = parameter(self.parameter)
        used = _USED.get(self.kind, _WAVE)
        for item in fields(self):
            if item.name in ("start", *_WAVE) and item.name not in used and getattr(self, item.name) != item.default:
                known = ", ".join(("amount", *used, "fixed"))
                raise ValueError(f"a component of kind {self.kind!r} does not use {item.name!r}; it uses {known}")
        if self.kind == "exponential":
            for name in ("amount", "start"):
                value = getattr(self, name)
                if value is not None:
                    number(f"{name} of an exponential {self.parameter}", value, 0.001, 1000)
        elif self.kind == "set":
            number(f"amount of {self.parameter}", self.amount, row.low, row.high)
        else:
            most = max(abs(row.low), abs(row.high))
            for name in ("amount", "start", "bias", "final"):
                value = getattr(self, name)
                if value is not None:
                    number(f"{name} of {self.parameter}", value, -most, most)
        number("cycles", self.cycles, -MOST_CYCLES, MOST_CYCLES)
        number("phase", self.phase, -MOST_CYCLES, MOST_CYCLES)

    def apply(self, value: Array | float, t: Array | float, strength: float = 1.0, seed: int = 0) -> Array:
        """The parameter's new value at the times t, with every amount scaled by `strength`."""
        if self.fixed and strength:
            strength = math.copysign(1.0, strength)
        value, t = np.asarray(value, np.float64), np.asarray(t, np.float64)
        match self.kind:
            case "set":
                return value + (self.amount - value) * strength
            case "add":
                return value + self.amount * strength
            case "linear":
                start = self.start or 0.0
                return value + (start + (self.amount - start) * t) * strength
            case "exponential":
                start = 1.0 if self.start is None else self.start
                logarithm = math.log(start) * (1.0 - t) + math.log(self.amount) * t
                return value * np.exp(strength * logarithm)
            case "noise":
                wave = self._noise(t, seed)
            case "sine":
                wave = np.sin(math.tau * (self.cycles * t + self.phase))
            case "cosine":
                wave = np.cos(math.tau * (self.cycles * t + self.phase))
            case "triangle":
                # Like the sine with straight lines: 0 at 0, 1 at 1/4, -1 at 3/4.
                wave = 4.0 * np.abs((self.cycles * t + self.phase - 0.25) % 1.0 - 0.5) - 1.0
        final = self.amount if self.final is None else self.final
        return np.asarray(value + (self.bias + (self.amount + (final - self.amount) * t) * wave) * strength)

    def _noise(self, t: Array, seed: int) -> Array:
        """Sum of whole-number harmonics 1 .. cycles with seeded phases, amplitude falling as 1/sqrt(k).

        Whole numbers make it close after t = 1; its variance is 1/4, so that it rarely leaves -1 .. 1. The
        parameter's name and the frequency are part of the seed: two noises are never the same curve.
        """
        top = max(1, round(abs(self.cycles)))
        phases = np.random.default_rng((seed, zlib.crc32(self.parameter.encode()), top)).random(top)
        k = np.arange(1, top + 1)
        weights = 1.0 / np.sqrt(k)
        weights /= math.sqrt(2.0 * float((weights**2).sum()))
        angles = math.tau * (k * (t[..., None] + self.phase / top) + phases)
        return np.asarray((weights * np.sin(angles)).sum(axis=-1))
