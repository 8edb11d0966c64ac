"""What is tuned in the studio: a photo, a preset, and what was changed of it. It shows nothing and asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from depthflow.jobs.library import Preset, apply_preset
from depthflow.jobs.spec import JobSpec
from depthflow.tui.studio.parameters import Value, flat, nested, rows

Slot = Literal["A", "B"]
MOST_STEPS = 500
"""That can be undone."""
TIMELINE = "timeline"

_EXCLUDE = {
    "motion.period": ("motion.cycles",),
    "motion.cycles": ("motion.period",),
    "output.crf": ("output.bitrate",),
    "output.bitrate": ("output.crf",),
    "output.view.mode": (
        "output.view.anaglyph",
        "output.view.quilt",
        "output.view.separation",
        "output.view.swap",
    ),
}
"""Setting the one takes the others back: together they would contradict."""
_FREE = ("output.path", "output.overwrite", "depth.file", "audio", "seed")
"""What a daemon's answer does not teach: it makes paths its own."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything that undo takes back.

    Attributes:
        preset: its name; None begins from the defaults.
        parts: what the preset says, as in `library.Preset`.
        changes: values by path, on top; the timeline as plain data under "timeline".
    """

    preset: str | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)


class StudioModel:
    """Photo, preset and changes, with undo, and two slots to compare.

    Attributes:
        photo: path; empty before one is chosen.
    """

    def __init__(self, photo: str = "") -> None:
        self.photo = photo
        self._state = State()
        self._undo: list[State] = []
        self._redo: list[State] = []
        self._gesture: Hashable | None = None
        self._slots: dict[Slot, State | None] = {"A": None, "B": None}
        self.slot: Slot = "A"
        self._below = {path: row.default for path, row in rows().items()}
        self._base = dict(self._below)
        self._effective: dict[str, Value] = {}
        self._listeners: list[Callable[[], None]] = []

    # -- who wants to know ---------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have it called after every change of values, preset or photo; the answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()

    # -- values --------------------------------------------------------------------------------------------

    @property
    def preset(self) -> str | None:
        return self._state.preset

    @property
    def changed(self) -> frozenset[str]:
        """Paths whose values are not those of the preset."""
        return frozenset(self._state.changes)

    @property
    def timeline(self) -> dict[str, Any] | None:
        """Keyframes over the clip, as plain data."""
        changes = self._state.changes
        found: dict[str, Any] | None = changes[TIMELINE] if TIMELINE in changes else self._state.parts.get(TIMELINE)
        return found

    def get(self, path: str) -> Value:
        """The value of a parameter."""
        if path in self._state.changes:
            value: Value = self._state.changes[path]
            return value
        return self._base[path]

    def base(self, path: str) -> Value:
        """What it is without a change."""
        return self._base[path]

    def effective(self, path: str) -> Value:
        """The value, or for one that follows something else what comes of it, as far as that is known."""
        value = self.get(path)
        return self._effective.get(path) if value is None else value

    def put(self, path: str, value: Any, *, gesture: Hashable | None = None) -> None:
        """Set a parameter, or the timeline.

        Args:
            gesture: steps of one gesture (a drag, a held key) are one step for undo.

        Raises:
            UsageError: the value is not allowed, alone or beside the others; nothing changes.
        """
        self.put_many({path: value}, gesture=gesture)

    def put_many(self, values: Mapping[str, Any], *, gesture: Hashable | None = None) -> None:
        """Set several at once: one step for undo."""
        changes = dict(self._state.changes)
        for path, value in values.items():
            for other in _EXCLUDE.get(path, ()):
                if other not in values and self.get(other) != rows()[other].default:
                    self._lay(changes, other, rows()[other].default)
            self._lay(changes, path, value if path == TIMELINE else rows()[path].checked(value))
        self._go(replace(self._state, changes=changes), gesture)

    def reset(self, paths: Iterable[str] | None = None) -> None:
        """Take changes back: of these paths, or all."""
        gone = set(self._state.changes if paths is None else paths)
        left = {path: value for path, value in self._state.changes.items() if path not in gone}
        self._go(replace(self._state, changes=left))

    def choose(self, preset: str | None, parts: Mapping[str, Any] | None = None) -> None:
        """Begin anew from a preset, or from the defaults; what was changed is given up, which undo brings back."""
        self._go(State(preset, parts or {}, {}))

    def open(self, photo: str, spec: Mapping[str, Any] | None = None) -> None:
        """Another photo; with a spec, everything anew: all that it says is a change, or its preset's name a note."""
        self.photo = photo
        if spec is not None:
            changes = {path: value for path, value in flat(spec).items() if value != self._below[path]}
            # Written by the daemon: where the first job's file went is no place for the next one.
            changes = {path: value for path, value in changes.items() if path not in ("output.path",)}
            if (timeline := spec.get(TIMELINE)) is not None:
                changes[TIMELINE] = timeline
            self._go(State(None, {}, changes))
            return
        self._tell()

    def learn(self, spec: Mapping[str, Any]) -> None:
        """Take from a daemon's answer what its settings make of all that nobody changed."""
        for path, value in flat(spec).items():
            if path in _FREE or path in self._state.changes:
                continue
            if self._base[path] is None:
                self._effective[path] = value
            elif value is not None:
                self._base[path] = value

    def _lay(self, changes: dict[str, Any], path: str, value: Any) -> None:
        base = self._state.parts.get(TIMELINE) if path == TIMELINE else self._base[path]
        if value == base and type(value) is type(base):
            changes.pop(path, None)
        else:
            changes[path] = value

    # -- steps ---------------------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        return bool(self._redo)

    def undo(self) -> bool:
        """Take the last step back; False if there is none."""
        return self._step(self._undo, self._redo)

    def redo(self) -> bool:
        return self._step(self._redo, self._undo)

    def _step(self, source: list[State], target: list[State]) -> bool:
        if not source:
            return False
        target.append(self._state)
        self._set(source.pop())
        self._gesture = None
        self._tell()
        return True

    def _go(self, state: State, gesture: Hashable | None = None) -> None:
        """Take another state, if it is one that can be made.

        Raises:
            UsageError: it is not; nothing changes.
        """
        if state == self._state:
            if gesture is None:
                self._gesture = None  # a drag that ends says once more what it said last
            return
        before, base = self._state, self._base
        self._set(state)
        try:
            self.job()
        except ValueError:
            self._state, self._base = before, base
            raise
        if gesture is None or gesture != self._gesture:
            self._undo = [*self._undo, before][-MOST_STEPS:]
        elif self._undo[-1] == state:
            # Back where the gesture began: as if nothing had been.
            self._undo.pop()
            gesture = None
        self._redo = []
        self._gesture = gesture
        self._tell()

    def _set(self, state: State) -> None:
        if (state.preset, state.parts) != (self._state.preset, self._state.parts):
            self._base = self._below | flat(_job_data(state.parts))
            self._effective = {}
        self._state = state

    # -- two to compare ------------------------------------------------------------------------------------

    def store(self, slot: Slot) -> None:
        """Keep what is there now as A or as B."""
        self._slots[slot] = self._state
        self._tell()

    def stored(self, slot: Slot) -> bool:
        return self._slots[slot] is not None

    def switch(self) -> Slot:
        """Go to the other one of A and B, and keep this one; the first time the other one is the same."""
        other: Slot = "B" if self.slot == "A" else "A"
        self._slots[self.slot] = self._state
        self.slot = other
        target = self._slots[other]
        if target is None:
            self._slots[other] = target = self._state
        if target == self._state:
            self._tell()
        self._go(target)
        return other

    # -- what comes of it ----------------------------------------------------------------------------------

    def spec(self) -> dict[str, Any]:
        """Parts of a JobSpec on top of the preset: only what was changed."""
        changes = dict(self._state.changes)
        timeline = {TIMELINE: changes.pop(TIMELINE)} if TIMELINE in changes else {}
        return nested(changes) | timeline

    def job(self) -> JobSpec:
        """The whole job, as far as it is known here.

        Raises:
            UsageError: values that contradict each other.
        """
        data = {"photo": self.photo or "-", "preset": self.preset, **_job_data(self._state.parts)}
        spec = self.spec()
        if outputs := spec.pop("outputs", None):
            data["outputs"] = [_laid(data.get("outputs", [{}])[0], outputs[0])]
        if TIMELINE in spec:
            data[TIMELINE] = spec.pop(TIMELINE)
        return JobSpec.parse(_without_none(_laid(data, spec)), source="studio")

    def preset_parts(self) -> dict[str, Any]:
        """What a preset of this look says: the preset that it began with, and the changes."""
        from depthflow.jobs.library import PARTS

        made: dict[str, Any] = {part: _copy(values) for part, values in self._state.parts.items()}
        spec = self.spec()
        if outputs := spec.pop("outputs", None):
            spec["output"] = {key: value for key, value in outputs[0].items() if key not in ("path", "overwrite")}
        for part, values in spec.items():
            if part in PARTS:
                laid = _laid(made.get(part, {}), values) if part != TIMELINE and values is not None else values
                made[part] = laid
        return {part: values for part, values in _without_none(made).items() if values}

    def summary(self) -> str:
        """What would be made, in a line."""
        output = self.job().outputs[0]
        passes = f" x {output.loops}" if output.loops > 1 else ""
        what = f"{output.duration:g} s{passes} at {output.fps:g} frames/s"
        if output.poster is not None:
            what = f"one still at {output.poster:g} s"
        return f"{output.size}, {what}, {output.format or _format_of(output.path)}"


def _format_of(path: str | None) -> str:
    return Path(path).suffix.lstrip(".") if path else "mp4"


def _job_data(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Parts of a JobSpec from those of a preset."""
    preset = Preset("", "", {part: dict(values) for part, values in parts.items()}, Path())
    data = apply_preset({}, preset)
    del data["preset"]
    return data


def _laid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(below)
    for key, value in above.items():
        old = made.get(key)
        made[key] = _laid(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return made


def _without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    """The tables without keys that are None, which are their defaults; what lies in lists stays as it is."""
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in data.items()
        if value is not None
    }


def _copy(value: Any) -> Any:
    return {key: _copy(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value
