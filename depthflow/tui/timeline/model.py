"""A timeline as it is edited: plain data, as in a JobSpec, that every edit leaves valid. It knows no terminal.

What a key means, where it stands and what runs between two of them is the engine's matter (`depthflow.scene`): the
model asks it, and changes the data.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from depthflow.scene.easing import easing
from depthflow.scene.keys import After, Key, Laid, Mode, Track, check_easing, limits, parse_time
from depthflow.scene.parameters import TABLE, Parameter, parameter
from depthflow.scene.timeline import Timeline
from depthflow.tui.timeline.times import FORMS, HAIR, Form, form_of, resolved, span, with_at, written

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Array = NDArray[np.float64]

MODES: tuple[Mode, ...] = get_args(Mode)
AFTERS: tuple[After, ...] = get_args(After)
_HARDLY = 1e-6
"""Seconds by which a key may stand beside where it is to stand before its time is written anew."""
_RESTS = {"add": 0.0, "multiply": 1.0}
"""The value that changes nothing; for `set` it is the parameter's own."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A key where it stands.

    Attributes:
        at: as it is written.
        seconds: from the beginning.
        value: in the parameter's unit.
        easing: the curve from here to the next key.
        own: it names that curve itself, and does not take the track's.
        hold: seconds it is stayed at.
    """

    at: str | float
    seconds: float
    value: float
    easing: str
    own: bool
    hold: float

    @property
    def end(self) -> float:
        """Seconds of the end of its hold."""
        return self.seconds + self.hold


@dataclass(frozen=True, slots=True)
class Row:
    """A track as it is.

    Attributes:
        parameter: the row of the table that it changes.
        keys: in order.
        problem: why the keys cannot be laid out in a clip of this length; there are none then.
    """

    parameter: Parameter
    mode: Mode
    easing: str
    after: After
    keys: tuple[Spot, ...]
    problem: str
    laid: Laid | None

    @property
    def name(self) -> str:
        return self.parameter.name

    @property
    def limits(self) -> tuple[float, float]:
        """The values that its keys may have."""
        return limits(self.parameter, self.mode)


class TimelineModel:
    """A timeline and the clip that it is for. Edits raise ValueError, with track and key, and change nothing then.

    Args:
        timeline: plain data, as in a JobSpec or a file of its own; None for one that does nothing.
        seconds: of the clip, of one pass of it.
        fps: frames per second.

    Raises:
        ValueError: it is no timeline.
    """

    def __init__(self, timeline: Mapping[str, Any] | None, seconds: float, fps: float) -> None:
        self.fps = fps
        self.frames = max(1, round(seconds * fps))
        self._data: dict[str, Any] = {}
        self._rows: tuple[Row, ...] = ()
        self._made: dict[str, tuple[Track, float, Row]] = {}
        self._set(copy.deepcopy(dict(timeline or {})), strict=False)

    # -- what is ---------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> tuple[Row, ...]:
        return self._rows

    @property
    def loop(self) -> bool:
        return bool(self._data.get("loop", False))

    @property
    def end(self) -> float:
        """Seconds of 100 %: the last frame, or the one after it of a timeline that loops."""
        return self._end(self._data)

    def _end(self, data: Mapping[str, Any]) -> float:
        return self.frames / self.fps if data.get("loop") else max(self.frames - 1, 1) / self.fps

    @property
    def last(self) -> float:
        """Seconds of the last frame."""
        return (self.frames - 1) / self.fps

    @property
    def empty(self) -> bool:
        return not (self._data.get("tracks") or self._data.get("components"))

    @property
    def data(self) -> Mapping[str, Any]:
        """The plain data itself, which no edit changes: each makes another."""
        return self._data

    def to_dict(self) -> dict[str, Any] | None:
        """Plain data of it; None if it does nothing."""
        return None if self.empty else copy.deepcopy(self._data)

    def frame(self, seconds: float) -> int:
        """The frame that is nearest to that time."""
        return min(max(round(seconds * self.fps), 0), self.frames - 1)

    def snap(self, seconds: float) -> float:
        """The time of the nearest frame, or of 100 % if that is nearer."""
        frame = max(0, round(seconds * self.fps))
        return min(frame / self.fps, self.end)

    def part(self, seconds: float) -> float:
        """That frame as a part of the clip: 0 is the first, 1 the last."""
        return self.frame(seconds) / max(1, self.frames - 1)

    def key_at(self, track: int, seconds: float) -> int | None:
        """The key that stands on the frame of that time; the first of several."""
        for index, spot in enumerate(self._rows[track].keys):
            if abs(spot.seconds - seconds) < 0.5 / self.fps:
                return index
        return None

    def curve(self, track: int, seconds: Array) -> Array:
        """The track's own values at those times."""
        row = self._rows[track]
        return np.full(len(seconds), math.nan) if row.laid is None else row.laid.curve(seconds / self.end)

    def value(self, track: int, seconds: float) -> float:
        """The track's own value at that time."""
        return float(self.curve(track, np.array([seconds]))[0])

    def step(self, track: int) -> float:
        """How much a value is nudged by: about a hundredth of what the keys span, a round number."""
        row = self._rows[track]
        low, high = row.limits
        values = [spot.value for spot in row.keys]
        most = max(values, default=0.0) - min(values, default=0.0) or max(map(abs, values), default=0.0)
        most = most or min(1.0, high - low)
        return float(10.0 ** math.floor(math.log10(most / 10)))

    # -- tracks ----------------------------------------------------------------------------------------------------

    def add_track(self, name: str, seconds: float = 0.0, mode: Mode = "set") -> int:
        """A track of that parameter, with one key that changes nothing. Returns its place."""
        row = parameter(name)
        value = _RESTS.get(mode, row.default)
        track = {"parameter": name, "keys": [{"at": self._written(seconds), "value": value}]}
        self._edit_tracks([*self._tracks(), track | ({} if mode == "set" else {"mode": mode})])
        return len(self._rows) - 1

    def remove_track(self, track: int) -> None:
        self._edit_tracks([each for index, each in enumerate(self._tracks()) if index != track])

    def set_mode(self, track: int, mode: Mode) -> None:
        self._edit(track, {"mode": mode})

    def set_after(self, track: int, after: After) -> None:
        self._edit(track, {"after": after})

    def set_track_easing(self, track: int, name: str) -> None:
        """The curve of those keys that name none."""
        check_easing(name)
        self._edit(track, {"easing": name})

    def set_loop(self, loop: bool) -> None:
        """Begin anew with each pass. 100 % moves by a frame, and with it what is counted by it."""
        data = {**self._data, "loop": loop}
        parsed = _parsed(data)
        tracks = self._tracks()
        for index, (track, row) in enumerate(zip(parsed.tracks, self._rows, strict=True)):
            if self._row(track, data).problem and not row.problem:
                tracks[index] = {**tracks[index], "keys": self._fitted(index, self._end(data))}
        self._set({**data, "tracks": tracks})

    def _fitted(self, track: int, end: float) -> list[dict[str, Any]]:
        """The keys where they stand, but none behind that end, and no hold longer than until the next key."""
        spots = self._rows[track].keys
        times = [end if spot.seconds >= self.end - HAIR else min(spot.seconds, end) for spot in spots]
        holds = [
            min(spot.hold, after - at) for spot, at, after in zip(spots, times, [*times[1:], math.inf], strict=True)
        ]
        keys = [{**key, "hold": span(hold)} for key, hold in zip(self._keys(track), holds, strict=True)]
        return self._placed(keys, times, end)

    # -- keys ------------------------------------------------------------------------------------------------------

    def add_key(self, track: int, seconds: float, value: float | None = None) -> int:
        """A key at that time, on the curve if no value is given. Returns its place.

        A key that stands there already gets the value. A hold that the new key falls into is parted between both.
        """
        row = self._rows[track]
        seconds = self._inside(seconds)
        there = self.key_at(track, seconds)
        if there is not None:
            if value is not None:
                self.set_value(track, there, value)
            return there
        value = _rounded(self.value(track, seconds)) if value is None else value
        low, high = row.limits
        place = sum(spot.seconds <= seconds for spot in row.keys)
        keys, times = self._keys(track), [spot.seconds for spot in row.keys]
        key: dict[str, Any] = {"at": self._written(seconds), "value": min(max(value, low), high)}
        if place and seconds < row.keys[place - 1].end:
            keys[place - 1] = {**keys[place - 1], "hold": span(seconds - times[place - 1])}
            key["hold"] = span(row.keys[place - 1].end - seconds)
        # The curve goes on as before, in two pieces.
        if place and row.keys[place - 1].own:
            key["easing"] = row.keys[place - 1].easing
        keys.insert(place, key)
        times.insert(place, seconds)
        self._edit(track, {"keys": self._placed(keys, times)})
        return place

    def delete_key(self, track: int, key: int) -> None:
        """The others stay where they are; a track without keys goes."""
        keys, times = self._keys(track), [spot.seconds for spot in self._rows[track].keys]
        del keys[key], times[key]
        if keys:
            self._edit(track, {"keys": self._placed(keys, times)})
        else:
            self.remove_track(track)

    def move_key(self, track: int, key: int, seconds: float) -> float:
        """To that time, as far as its neighbours let it; the others stay. Returns where it stands then."""
        spots = self._rows[track].keys
        low = spots[key - 1].end if key else 0.0
        high = spots[key + 1].seconds if key + 1 < len(spots) else max(self.end, spots[key].end)
        seconds = max(low, min(seconds, high - spots[key].hold))
        times = [spot.seconds for spot in spots]
        times[key] = seconds
        self._edit(track, {"keys": self._placed(self._keys(track), times)})
        return self._rows[track].keys[key].seconds

    def put_key(self, track: int, seconds: float, value: float, easing: str = "", hold: float = 0.0) -> int:
        """A key with all that it has at that time; one that stands there becomes like it. Returns its place."""
        place = self.add_key(track, seconds, value)
        self._edit_key(track, place, {"value": value, "easing": easing})
        self.set_hold(track, place, hold)
        return place

    def copy_key(self, track: int, key: int, seconds: float) -> int:
        """The same key at another time. Returns its place."""
        spot = self._rows[track].keys[key]
        return self.put_key(track, seconds, spot.value, spot.easing if spot.own else "", spot.hold)

    def set_value(self, track: int, key: int, value: float) -> None:
        self._edit_key(track, key, {"value": value})

    def set_easing(self, track: int, key: int, name: str) -> None:
        """The curve to the next key; empty takes the track's."""
        if name:
            check_easing(name)
        self._edit_key(track, key, {"easing": name})

    def set_hold(self, track: int, key: int, seconds: float) -> float:
        """Stay at a key that long, as far as the next one lets it. Returns how long."""
        spots = self._rows[track].keys
        times = [spot.seconds for spot in spots]
        most = (times[key + 1] if key + 1 < len(times) else self.end) - times[key]
        keys = self._keys(track)
        keys[key] = {**keys[key], "hold": span(max(0.0, min(seconds, most)))}
        self._edit(track, {"keys": self._placed(keys, times)})
        return self._rows[track].keys[key].hold

    def set_form(self, track: int, key: int, form: Form) -> None:
        """Write its time otherwise; it stays where it is."""
        keys, spots = self._keys(track), self._rows[track].keys
        before = spots[key - 1].end if key else 0.0
        keys[key] = with_at(keys[key], written(spots[key].seconds, form, self.end, before))
        self._edit(track, {"keys": self._placed(keys, [spot.seconds for spot in spots])})

    def next_form(self, track: int, key: int) -> Form:
        """Write its time in the next way there is."""
        form = FORMS[(FORMS.index(form_of(self._rows[track].keys[key].at)) + 1) % len(FORMS)]
        self.set_form(track, key, form)
        return form

    # -- data ------------------------------------------------------------------------------------------------------

    def _tracks(self) -> list[dict[str, Any]]:
        return list(self._data.get("tracks", ()))

    def _keys(self, track: int) -> list[dict[str, Any]]:
        return [dict(key) for key in self._data["tracks"][track]["keys"]]

    def _inside(self, seconds: float) -> float:
        return max(0.0, min(seconds, self.end))

    def _written(self, seconds: float) -> str:
        """A new key's time: the end is the end of a longer clip as well."""
        seconds = self._inside(seconds)
        return "100%" if seconds >= self.end - HAIR else written(seconds, "seconds", self.end, 0.0)

    def _placed(self, keys: list[dict[str, Any]], times: list[float], end: float | None = None) -> list[dict[str, Any]]:
        """The keys at those times: each in its own form, and left as it is written where that is true already."""
        end = self.end if end is None else end
        before, placed = 0.0, []
        for index, (key, seconds) in enumerate(zip(keys, times, strict=True)):
            at, hold = key["at"], parse_time(key.get("hold", 0.0), "hold").seconds(end)
            stands = self._stands(at, before, end)
            if abs(stands - seconds) > _HARDLY or stands < before - HAIR / 2:
                most = times[index + 1] - hold if index + 1 < len(times) else None
                at = written(seconds, form_of(at), end, before, most)
                stands = self._stands(at, before, end)
            placed.append(with_at(key, at))
            before = stands + hold
        return placed

    def _stands(self, at: str | float, before: float, end: float) -> float:
        """Where the engine puts it: a little behind the end counts as the end."""
        seconds = max(0.0, resolved(at, end, before))
        return end if end < seconds <= self.frames / self.fps + HAIR else seconds

    def _edit_key(self, track: int, key: int, changed: Mapping[str, Any]) -> None:
        keys = self._keys(track)
        keys[key] = {**keys[key], **changed}
        self._edit(track, {"keys": keys})

    def _edit(self, track: int, changed: Mapping[str, Any]) -> None:
        tracks = self._tracks()
        tracks[track] = {**tracks[track], **changed}
        self._edit_tracks(tracks)

    def _edit_tracks(self, tracks: list[dict[str, Any]]) -> None:
        self._set({**self._data, "tracks": tracks})

    def _set(self, data: dict[str, Any], *, strict: bool = True) -> None:
        """Take it, once the engine has.

        Args:
            strict: refuse keys that cannot be laid out; else their track has a problem.
        """
        parsed = _parsed(data)
        rows = tuple(self._row(track, data) for track in parsed.tracks)
        if strict:
            old = {row.problem for row in self._rows}
            for row in rows:
                if row.problem and row.problem not in old:
                    raise ValueError(row.problem)
        self._data, self._rows = _tidy(data), rows

    def _row(self, track: Track, data: Mapping[str, Any]) -> Row:
        """What the track is; the very row of before if nothing has changed."""
        end, problem = self._end(data), ""
        kept = self._made.get(track.parameter)
        if kept is not None and kept[:2] == (track, end):
            return kept[2]
        laid: Laid | None = None
        spots: tuple[Spot, ...] = ()
        try:
            laid = track.laid(end, self.frames / self.fps)
        except ValueError as error:
            problem = str(error)
        else:
            length = max(end, 1e-9)
            spots = tuple(
                Spot(
                    key.at,
                    float(at) * length,
                    float(key.value),
                    key.easing or track.easing,
                    bool(key.easing),
                    float(hold) * length,
                )
                for key, at, hold in zip(track.keys, laid.times, laid.holds, strict=True)
            )
        row = Row(parameter(track.parameter), track.mode, track.easing, track.after, spots, problem, laid)
        self._made[track.parameter] = track, end, row
        return row


def easing_curve(name: str, count: int) -> Array:
    """(count,) values of an easing from its beginning to its end; of "spline" as between two keys alone."""
    t = np.linspace(0.0, 1.0, count)
    if name == "spline":
        return Track("x", (Key(0.0, 0.0, name), Key("100%", 1.0))).laid().curve(t)
    return easing(name)(t)


def _rounded(value: float) -> float:
    """As many digits as anybody wants to read."""
    return float(f"{value:.4g}")


def _parsed(data: Mapping[str, Any]) -> Timeline:
    from depthflow.jobs.problems import checked
    from depthflow.jobs.spec import JobSpec

    return checked(_reader().validate_python, dict(data), JobSpec, "timeline", prefix=("timeline",))


@lru_cache
def _reader() -> TypeAdapter[Timeline]:
    from pydantic import TypeAdapter

    return TypeAdapter(Timeline)


def _tidy(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only says what is so anyway."""
    tracks = [_tidy_track(track) for track in data.get("tracks", ())]
    tidy = {key: value for key, value in data.items() if key not in ("tracks", "loop") and value not in ((), [])}
    return {**tidy, **({"tracks": tracks} if tracks else {}), **({"loop": True} if data.get("loop") else {})}


def _tidy_track(track: Mapping[str, Any]) -> dict[str, Any]:
    usual = {"mode": "set", "easing": "ease-in-out", "after": "hold", "kind": "keys"}
    unsaid = {"easing": ("",), "hold": (0, "0s")}
    keys = [{name: value for name, value in key.items() if value not in unsaid.get(name, ())} for key in track["keys"]]
    return {**{name: value for name, value in track.items() if usual.get(name) != value}, "keys": keys}


def free_parameters(model: TimelineModel) -> list[Parameter]:
    """Parameters that have no track yet, in the table's order."""
    taken = {row.name for row in model.rows}
    return [row for row in TABLE.values() if row.name not in taken]
