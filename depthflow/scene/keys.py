"""Keyframes of one parameter: when, how much, and how one key leads to the next. It knows no files and no camera."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from depthflow.scene.easing import WORDS, easing
from depthflow.scene.parameters import Parameter, number, parameter

Array = NDArray[np.float64]
Mode = Literal["set", "add", "multiply"]
After = Literal["hold", "loop", "mirror"]

SPLINE = "spline"
"""The easing that passes through its keys without stopping at them."""

KINDS = ("keys",)
"""Kinds of tracks that are understood. Tracks of prompts, morphs and beats will be further kinds."""

MOST_KEYS = 100_000

_TIME = re.compile(r"(?P<sign>[+-]?)\s*(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>s|ms|%|)")
_TIMES = 'write "2s", "250ms", "50%", "+1s" (after the key before) or "-1s" (before the end)'
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Time:
    """A time as people write it.

    Attributes:
        amount: seconds, or parts of the whole (1 = 100 %).
        part: `amount` counts parts of the whole.
        sign: "+" after the key before, "-" before the end, "" from the beginning.
    """

    amount: float
    part: bool = False
    sign: str = ""

    def seconds(self, length: float) -> float:
        """The amount in seconds of a whole that is `length` long."""
        return self.amount * length if self.part else self.amount


def parse_time(value: str | float, what: str = "at") -> Time:
    """Understand "2s", "250ms", "50%", "+1s", "-10%", or a number of seconds.

    Raises:
        ValueError: not a time, or beyond an hour or 100 %.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        number(what, value, 0, _HOUR)
        return Time(float(value))
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{what}: {value!r} is no time; {_TIMES}")
    amount, unit = float(match["number"]), match["unit"]
    if unit == "%":
        if amount > 100:
            raise ValueError(f"{what}: {value!r} is beyond the whole; 0% to 100% are allowed")
        amount /= 100
    else:
        amount = amount / 1000 if unit == "ms" else amount
        number(what, amount, 0, _HOUR)
    return Time(amount, unit == "%", match["sign"])


def check_easing(name: str) -> None:
    """Refuse what is neither a curve nor "spline".

    Raises:
        ValueError: with the nearest name.
    """
    if name != SPLINE:
        if difflib.get_close_matches(name, [SPLINE, *WORDS], n=1, cutoff=0.8) == [SPLINE]:
            raise ValueError(f"unknown easing {name!r}; did you mean {SPLINE!r}?")
        easing(name)


def limits(row: Parameter, mode: Mode) -> tuple[float, float]:
    """The least and the greatest value that a key of that parameter may have."""
    most = max(abs(row.low), abs(row.high))
    return {"set": (row.low, row.high), "add": (-most, most)}.get(mode, (-1000.0, 1000.0))


@dataclass(frozen=True, slots=True)
class Key:
    """One keyframe.

    Attributes:
        at: seconds from the beginning, or text: "2s", "250ms", "50%" of the whole, "+1s" after the key before,
            "-1s" before the end.
        value: in the parameter's unit.
        easing: curve from here to the next key: a CSS name, cubic-bezier(), steps(), spring(), hold (stay, then
            jump) or spline (pass through without stopping); empty takes the track's.
        hold: how long to stay here before moving on, "0.5s" or "10%".
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "allow_inf_nan": False}

    at: str | float
    value: float
    easing: str = ""
    hold: str | float = 0.0

    def __post_init__(self) -> None:
        parse_time(self.at)
        if parse_time(self.hold, "hold").sign:
            raise ValueError(f'hold: {self.hold!r} has a sign; write a length such as "0.5s" or "10%"')
        if self.easing:
            check_easing(self.easing)


@dataclass(frozen=True, slots=True)
class Track:
    """The keyframes of one parameter.

    Attributes:
        parameter: what they change; a name of the table of parameters.
        keys: in order of time; two at one time make a jump.
        mode: set replaces what the motion gave, add adds to it, multiply multiplies it.
        easing: of the keys that name none.
        after: what follows the last key: its value is held, the keys start again (loop), or run backwards and
            forwards (mirror). Before the first key its value holds.
        kind: "keys"; other kinds of tracks are not known yet.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "allow_inf_nan": False}

    parameter: str
    keys: tuple[Key, ...]
    mode: Mode = "set"
    easing: str = "ease-in-out"
    after: After = "hold"
    kind: str = "keys"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"tracks of kind {self.kind!r} are not known; known: {', '.join(KINDS)}")
        row = parameter(self.parameter)
        check_easing(self.easing)
        if not 1 <= len(self.keys) <= MOST_KEYS:
            raise ValueError(f"track {self.parameter!r}: 1 to {MOST_KEYS} keys are expected, not {len(self.keys)}")
        low, high = limits(row, self.mode)
        for index, key in enumerate(self.keys):
            number(f"track {self.parameter!r}, key {index}: value", key.value, low, high)

    def laid(self, end: float | None = 1.0, whole: float | None = None) -> Laid:
        """The track with its times as parts of the whole.

        Args:
            end: seconds from the beginning to the last frame; None where there are no seconds, as in a motion,
                whose length is not known before it is used.
            whole: seconds of the whole; a key that stands later than `end` and not later than this is at `end`.

        Raises:
            ValueError: a key before the one before it, a hold that runs into the next key, seconds where there
                are none; names track and key.
        """
        length = 1.0 if end is None else max(end, 1e-9)
        whole = length if whole is None else whole
        times: list[float] = []
        holds: list[float] = []
        for index, key in enumerate(self.keys):
            where = f"track {self.parameter!r}, key {index}"
            at, hold = parse_time(key.at), parse_time(key.hold, "hold")
            if end is None and not ((at.part or at.amount == 0) and (hold.part or hold.amount == 0)):
                raise ValueError(f"{where}: a motion has no seconds of its own; write a percentage such as '50%'")
            seconds = at.seconds(length)
            if at.sign == "+":
                seconds += times[-1] + holds[-1] if times else 0.0
            elif at.sign == "-":
                seconds = length - seconds
            if length < seconds <= whole + 1e-9:
                seconds = length
            if times and seconds < times[-1] + holds[-1] - 1e-9:
                before = times[-1] + holds[-1]
                raise ValueError(
                    f"{where}: at {key.at!r} is {seconds:g} s, before the end of key {index - 1} at {before:g} s"
                    if end is not None
                    else f"{where}: at {key.at!r} is before the end of key {index - 1} at {before:.0%}"
                )
            if seconds < -1e-9:
                raise ValueError(f"{where}: at {key.at!r} lies before the beginning; the whole is {length:g} s long")
            times.append(max(0.0, seconds))
            holds.append(hold.seconds(length))
        names = tuple(key.easing or self.easing for key in self.keys)
        return Laid(
            self.parameter,
            np.array(times) / length,
            np.array(holds) / length,
            np.array([float(key.value) for key in self.keys]),
            names,
            self.mode,
            self.after,
        )


@dataclass(frozen=True, slots=True)
class Laid:
    """A track over normalised time.

    Attributes:
        parameter: what it changes.
        times, holds, values: (N,) of the keys, times and holds as parts of the whole.
        easings: N names of curves.
        mode, after: as in `Track`.
    """

    parameter: str
    times: Array
    holds: Array
    values: Array
    easings: tuple[str, ...]
    mode: Mode
    after: After

    def apply(self, value: Array | float, t: Array | float, strength: float = 1.0, seed: int = 0) -> Array:
        """The parameter's new value at the times t; strength scales how far it is taken."""
        value, keyed = np.asarray(value, np.float64), self.curve(np.asarray(t, np.float64))
        match self.mode:
            case "set":
                return value + (keyed - value) * strength
            case "add":
                return value + keyed * strength
            case "multiply":
                return value * (1.0 + (keyed - 1.0) * strength)

    def curve(self, t: Array) -> Array:
        """The keys' own value at the times t, parts of the whole."""
        t = np.atleast_1d(self._repeated(t))
        if len(self.times) == 1:
            return np.full(t.shape, self.values[0])
        # The key that a time follows: the last one that is not later.
        k = np.clip(np.searchsorted(self.times, t, side="right") - 1, 0, len(self.times) - 2)
        start = self.times + self.holds
        span = self.times[k + 1] - start[k]
        u = np.where(span > 1e-12, (t - start[k]) / np.maximum(span, 1e-12), 1.0)
        u = np.where(t >= self.times[-1], 1.0, np.clip(u, 0.0, 1.0))
        first, last = self.values[k], self.values[k + 1]
        result = np.empty(t.shape)
        # One call for each curve, however many keys there are.
        names, which = np.unique(np.array(self.easings), return_inverse=True)
        for index, name in enumerate(names):
            here = which[k] == index
            if name == SPLINE:
                slopes = self._slopes()
                leave, arrive = slopes[k] * span, slopes[k + 1] * span
                result[here] = _hermite(u, first, last, leave, arrive)[here]
            else:
                result[here] = first[here] + (last - first)[here] * easing(str(name))(u[here])
        return result

    def _repeated(self, t: Array) -> Array:
        """Times brought back between the first and the last key where the track goes on after it."""
        first, span, stay = self.times[0], self.times[-1] - self.times[0], self.holds[-1]
        if self.after == "hold" or span <= 1e-12:
            return t
        # On the way back the first key is reached when its hold begins anew.
        period = span + stay + (span - self.holds[0] if self.after == "mirror" else 0.0)
        rounds = (t - first) / period
        whole = np.rint(rounds)
        inside = np.where(np.abs(rounds - whole) < 1e-9, 0.0, rounds % 1.0) * period
        if self.after == "mirror":
            inside = np.where(inside > span + stay, 2 * span + stay - inside, inside)
        else:
            # The end of the clip is the end of a round and not the beginning of another.
            inside = np.where((inside == 0.0) & (t >= 1.0), span, inside)
        return np.where(t > first, first + np.minimum(inside, span), t)

    def _slopes(self) -> Array:
        """Slope at every key of a cubic that never overshoots its keys (Fritsch and Carlson 1980).

        A key with a hold, or beside a segment that is no spline, is reached and left at rest.
        """
        count = len(self.times)
        slopes = np.zeros(count)
        gaps = np.diff(self.times)
        rises = np.diff(self.values) / np.where(gaps > 1e-12, gaps, np.inf)
        closed = self.after == "loop" and count > 2 and self.values[0] == self.values[-1]
        for k in range(count):
            ends = k in (0, count - 1)
            if (ends and not closed) or self.holds[k] > 0:
                continue
            left, right = (count - 2, 0) if ends else (k - 1, k)
            if self.easings[left] != SPLINE or self.easings[right] != SPLINE or rises[left] * rises[right] <= 0:
                continue
            a, b = 2 * gaps[right] + gaps[left], gaps[right] + 2 * gaps[left]
            slopes[k] = (a + b) / (a / rises[left] + b / rises[right])
        return slopes


def _hermite(u: Array, first: Array, last: Array, leave: Array, arrive: Array) -> Array:
    """Cubic from `first` to `last` with these slopes at its ends."""
    return np.asarray(
        first * (1 + 2 * u) * (1 - u) ** 2
        + last * u**2 * (3 - 2 * u)
        + leave * u * (1 - u) ** 2
        - arrive * u**2 * (1 - u)
    )
