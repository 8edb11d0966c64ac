"""Every parameter that can be tuned, as a row, taken from the models of a JobSpec. It knows no widget and no values.

What a model says (kind, limits, default, words) is read from its schema. What no model can know stands here: which
part of a wide range is of use, and which names suggest themselves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import AfterValidator

from depthflow.errors import UsageError
from depthflow.jobs.colours import check_colour
from depthflow.jobs.effects_spec import EffectsSpec
from depthflow.jobs.spec import json_schema
from depthflow.scene.parameters import TABLE, Parameter

Kind = Literal["number", "integer", "choice", "flag", "text", "colour"]
Section = Literal["Motion", "Camera", "Depth", "Layers", "Effects", "Output"]
Value = float | int | str | bool | None
SECTIONS: tuple[Section, ...] = ("Motion", "Camera", "Depth", "Layers", "Effects", "Output")

_SECTION_OF: dict[str, Section] = {
    "motion": "Motion",
    "seed": "Motion",
    "camera": "Camera",
    "depth": "Depth",
    "layers": "Layers",
    "render": "Layers",
    "effects": "Effects",
    "output": "Output",
    "audio": "Output",
}
_HEADINGS = {"render": "Drawing", "output.view": "Stereo and other views"}

LEFT_OUT = {
    "version": "of the format, not of the picture",
    "photo": "chosen beside the parameters",
    "preset": "chosen beside the parameters",
    "timeline": "has an editor of its own",
    "motion.components": "a motion file says them",
    "motion.tracks": "a motion file says them",
    "motion.one_way": "goes with the components",
}
"""What has no row, and why."""

SOFT: dict[str, tuple[float, float]] = {
    "motion.strength": (0, 3),
    "motion.phase": (0, 1),
    "motion.cycles": (0.25, 4),
    "motion.period": (1, 20),
    "motion.hold": (0, 5),
    "motion.pivot_x": (-1, 1),
    "motion.pivot_y": (-1, 1),
    "seed": (0, 9999),
    "camera.relief": (0, 1.5),
    "camera.focus": (0, 1),
    "camera.zoom": (0.5, 3),
    "camera.fov": (20, 110),
    "depth.network_size": (128, 1024),
    "depth.percentile": (0, 5),
    "depth.gamma": (0.2, 4),
    "effects.dof.aperture": (0, 0.1),
    "effects.dof.focus": (0, 1),
    "effects.lens.aberration": (0, 0.02),
    "effects.colour.exposure": (-2, 2),
    "effects.colour.contrast": (0, 2),
    "effects.colour.saturation": (0, 2),
    "effects.colour.gamma": (0.4, 2.5),
    "effects.fog.density": (0, 5),
    "effects.fog.start": (0, 1),
    "effects.particles.size": (0.2, 4),
    "effects.particles.speed": (0, 4),
    "effects.sweep.position": (0, 1),
    "effects.sweep.width": (0.02, 1),
    "effects.sweep.angle": (-180, 180),
    "effects.grain.size": (0.5, 5),
    "effects.fade.begin": (0, 3),
    "effects.fade.end": (0, 3),
    "effects.letterbox.aspect": (1, 3),
    "effects.caption.size": (0.02, 0.2),
    "effects.caption.begin": (0, 10),
    "effects.caption.end": (0, 10),
    "effects.caption.fade": (0, 3),
    "effects.watermark.size": (0.05, 0.5),
    "effects.watermark.begin": (0, 10),
    "effects.watermark.end": (0, 10),
    "effects.watermark.fade": (0, 3),
    "output.fps": (12, 60),
    "output.duration": (1, 20),
    "output.loops": (1, 10),
    "output.poster": (0, 10),
    "output.bitrate": (500_000, 20_000_000),
    "output.target_bytes": (1_000_000, 50_000_000),
    "output.view.separation": (0, 15),
    "render.gl_device": (0, 7),
}
"""The part of a range in which most photos look well: a slider goes over it, typed numbers go beyond."""

_CAPITALS = ("fps", "crf", "fov", "gl")
_UNITS = {"Seconds": "s", "Pixels": "px", "Percent": "%", "Bytes": "bytes", "Bits": "bits/s", "Frames per": "frames/s"}
"""How a description begins, and the unit that it means."""
_STEPS = 100
"""Steps of a slider from end to end, about."""


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter.

    Attributes:
        path: "motion.strength", "effects.fog.density", "output.fps" (of the first output), "seed".
        label, text: for people; what it is called, and what it does.
        section, heading: where it is shown; headings divide a section.
        kind: of its values.
        default: of the model; None follows something else, or is none.
        optional: it may be None.
        low, high: hard limits, infinite where there are none.
        without_low: the lower limit itself is not allowed.
        soft_low, soft_high, step: of the slider.
        unit: for people.
        choices: all that are allowed.
        animated: its name in the table of parameters, if it can change over time.
    """

    path: str
    label: str
    text: str
    section: Section
    heading: str
    kind: Kind
    default: Value
    optional: bool
    low: float = -math.inf
    high: float = math.inf
    without_low: bool = False
    soft_low: float = 0.0
    soft_high: float = 0.0
    step: float = 0.0
    unit: str = ""
    choices: tuple[str, ...] = ()
    animated: str = ""

    @property
    def slides(self) -> bool:
        """It is a number, which a slider can set."""
        return self.kind in ("number", "integer")

    @property
    def start(self) -> float:
        """Where a number begins that is None so far."""
        if isinstance(self.default, int | float):
            return float(self.default)
        if self.animated:
            return TABLE[self.animated].default
        middle = (self.soft_low + self.soft_high) / 2
        return round(middle / self.step) * self.step if self.step else middle

    @property
    def span(self) -> str:
        """The hard limits in words."""
        low = "" if math.isinf(self.low) else f"{'above' if self.without_low else 'at least'} {self.low:g}"
        if math.isinf(self.high):
            return low or "any number"
        return f"{self.low:g} to {self.high:g}" if low and not self.without_low else f"{low} to {self.high:g}".strip()

    def parse(self, text: str) -> Value:
        """What somebody typed, as a value.

        Raises:
            UsageError: it is none; the message says what is allowed.
        """
        text = text.strip()
        if self.optional and text.lower() in ("", "auto", "none"):
            return None
        if self.kind == "flag":
            return _flag(self.label, text)
        if self.slides:
            return self.checked(self._number(text))
        if self.path == "motion.pivot":
            return _number_or_word(text)
        return self.checked(text)

    def checked(self, value: Value) -> Value:
        """The value, if it is allowed.

        Raises:
            UsageError: it is not.
        """
        if value is None and self.optional:
            return None
        if not self.slides:
            if self.choices and value not in self.choices:
                raise UsageError(f"{self.label}: there is no {value!r}", f"allowed: {', '.join(self.choices)}")
            if self.kind == "flag" and not isinstance(value, bool):
                raise UsageError(f"{self.label}: on or off is expected, not {value!r}")
            return check_colour(value) if self.kind == "colour" and isinstance(value, str) else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UsageError(f"{self.label}: a number is expected, {self.span}")
        if not self.low <= value <= self.high or (self.without_low and value == self.low):
            raise UsageError(f"{self.label}: {value:g} is not {self.span}")
        return int(value) if self.kind == "integer" else float(value)

    def _number(self, text: str) -> float:
        try:
            number = float(text.replace(",", "."))
        except ValueError:
            raise UsageError(f"{self.label}: {text!r} is no number; {self.span}") from None
        if self.kind == "integer" and number != int(number):
            raise UsageError(f"{self.label}: {text!r} is no whole number; {self.span}")
        return number

    def nudged(self, value: Value, steps: float) -> float | int:
        """The value some steps on, on the grid of steps, within the hard limits."""
        now = float(value) if isinstance(value, int | float) else self.start
        grid = self.step * (1 if abs(steps) >= 1 or self.kind == "integer" else abs(steps))
        sign = math.copysign(1.0, steps)
        count = max(1.0, abs(steps)) if self.kind != "integer" else max(1.0, round(abs(steps)))
        moved = round(now / grid + sign * count) * grid
        return self.within(moved)

    def within(self, value: float) -> float | int:
        """The nearest value that is allowed, written with as many digits as its steps have."""
        value = min(max(value, self.low), self.high)
        if self.without_low and value <= self.low:
            value = self.low + self.step / 10
        return round(value) if self.kind == "integer" else float(f"{value:.10g}")

    def shown(self, value: Value) -> str:
        """A value for people, without its unit."""
        if value is None:
            return "auto"
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, float):
            return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < 1e4 else f"{value:g}"
        return str(value)


@cache
def rows() -> dict[str, Row]:
    """Every parameter by path, in the order in which the models have them, section by section."""
    schema = json_schema()
    found: list[Row] = []
    for name, node in schema["properties"].items():
        path = "output" if name == "outputs" else name
        target = node["items"] if name == "outputs" else node
        found += _rows_of(schema, path, target)
    order = {section: index for index, section in enumerate(SECTIONS)}
    found.sort(key=lambda row: (order[row.section], row.path == "seed"))
    return {row.path: row for row in found}


def search(words: str) -> list[Row]:
    """The rows that have all the words in name or text; those that have them in their names come first."""
    wanted = words.lower().split()
    found = []
    for row in rows().values():
        name = f"{row.section} {row.heading} {row.label} {row.path}".lower()
        if all(word in name or word in row.text.lower() for word in wanted):
            found.append((not all(word in name for word in wanted), row))
    return [row for _, row in sorted(found, key=lambda each: each[0])]


def flat(spec: Mapping[str, Any]) -> dict[str, Value]:
    """The values of a JobSpec, or of parts of one, by path; only those that have a row."""
    data = dict(spec)
    if outputs := data.pop("outputs", None):
        data["output"] = outputs[0]
    found: dict[str, Value] = {}

    def go(path: str, node: Any) -> None:
        if isinstance(node, Mapping):
            for key, inner in node.items():
                go(f"{path}.{key}" if path else key, inner)
        elif path in rows():
            found[path] = node

    go("", data)
    return found


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Parts of a JobSpec from values by path."""
    made: dict[str, Any] = {}
    for path, value in values.items():
        *above, key = path.split(".")
        node = made
        for step in above:
            node = node.setdefault(step, {})
        node[key] = value
    if "output" in made:
        made["outputs"] = [made.pop("output")]
    return made


@cache
def about(heading: str) -> str:
    """What a group of effects does, in a line; empty for other groups."""
    texts = {_label(part): (field.annotation or type(None)).__doc__ for part, field in EffectsSpec.model_fields.items()}
    return (texts.get(heading) or "").splitlines()[0] if texts.get(heading) else ""


def suggestions(path: str) -> tuple[str, ...]:
    """Names that suggest themselves where any text may stand."""
    return _SUGGESTIONS[path]() if path in _SUGGESTIONS else ()


# -- from the schema -----------------------------------------------------------------------------------------------


def _rows_of(schema: Mapping[str, Any], path: str, node: Mapping[str, Any]) -> list[Row]:
    if path in LEFT_OUT:
        return []
    if "$ref" in node:
        inner = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        return [row for key, each in inner["properties"].items() for row in _rows_of(schema, f"{path}.{key}", each)]
    options = [option for option in node.get("anyOf", [node]) if option.get("type") != "null"]
    optional = len(options) < len(node.get("anyOf", [node]))
    return [_row(path, node, options, optional=optional)]


def _row(path: str, node: Mapping[str, Any], options: list[Mapping[str, Any]], *, optional: bool) -> Row:
    part, _, key = path.rpartition(".")
    first = options[0]
    choices = tuple(str(choice) for choice in first.get("enum", ()))
    kind = _kind(path, options)
    # What is written "auto" here is None in Python.
    text = re.sub(r"\bNone\b", "auto", " ".join(node.get("description", "").split()))
    animated = _animated(path)
    facts: dict[str, Any] = {}
    if kind in ("number", "integer"):
        low = first.get("minimum", first.get("exclusiveMinimum", -math.inf))
        high = first.get("maximum", math.inf)
        soft_low, soft_high = SOFT.get(path, (low, high))
        step = _step(soft_low, soft_high, whole=kind == "integer")
        facts = {"low": low, "high": high, "without_low": "exclusiveMinimum" in first}
        facts |= {"soft_low": soft_low, "soft_high": soft_high, "step": step}
        facts["unit"] = _unit(text, TABLE[animated] if animated else None)
    return Row(
        path=path,
        label=_label(key or path),
        text=text,
        section=_SECTION_OF[path.split(".")[0]],
        heading=_HEADINGS.get(part, _label(part.split(".")[1]) if part.startswith("effects.") else ""),
        kind=kind,
        default=check_colour(node["default"]) if kind == "colour" and node["default"] else node.get("default"),
        optional=optional,
        choices=choices,
        animated=animated,
        **facts,
    )


def _kind(path: str, options: list[Mapping[str, Any]]) -> Kind:
    if "enum" in options[0]:
        return "choice"
    if len(options) > 1:
        return "text"
    if _is_colour(path):
        return "colour"
    kinds: dict[str, Kind] = {"boolean": "flag", "integer": "integer", "number": "number", "string": "text"}
    return kinds[options[0]["type"]]


def _is_colour(path: str) -> bool:
    if path == "render.background":  # checked by a method, which no schema shows
        return True
    part, _, key = path.removeprefix("effects.").partition(".")
    if not path.startswith("effects."):
        return False
    field = EffectsSpec.model_fields[part].annotation.model_fields[key]  # type: ignore[union-attr]
    return any(isinstance(mark, AfterValidator) and mark.func is check_colour for mark in field.metadata)


def _animated(path: str) -> str:
    part, _, key = path.partition(".")
    name = key if part in ("camera", "motion", "effects") else ""
    return name if name in TABLE else ""


def _unit(text: str, row: Parameter | None) -> str:
    if row is not None:
        return {"degrees": "°"}.get(row.unit, row.unit)
    if "degrees" in text:
        return "°"
    if "frame heights" in text:
        return "frame heights"
    return "%" if "per cent" in text else next((unit for begin, unit in _UNITS.items() if text.startswith(begin)), "")


def _label(key: str) -> str:
    words = key.split("_")
    words = [word.upper() if word in _CAPITALS else word for word in words]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def _step(low: float, high: float, *, whole: bool) -> float:
    """1, 2 or 5 times a power of ten, near a hundredth of the range."""
    rough = (high - low) / _STEPS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * by for by in (1, 2, 5, 10) if power * by >= rough * 0.999)
    return max(1.0, round(step)) if whole else float(f"{step:.3g}")


def _flag(label: str, text: str) -> bool:
    words = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}
    if text.lower() not in words:
        raise UsageError(f"{label}: on or off is expected, not {text!r}")
    return words[text.lower()]


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


# -- names ---------------------------------------------------------------------------------------------------------


def _motions() -> tuple[str, ...]:
    from depthflow.jobs.library import names

    return tuple(names("motions"))


def _easings() -> tuple[str, ...]:
    from depthflow.scene.easing import FAMILIES, WORDS

    return (*WORDS, *(f"ease-{way}-{family}" for family in FAMILIES for way in ("in", "out", "in-out")))


def _sizes() -> tuple[str, ...]:
    from depthflow.jobs.sizes import NAMES

    return ("480p", "720p", "1080p", *NAMES, "photo")


def _models() -> tuple[str, ...]:
    from depthflow.depth.registry import load_registry

    return tuple(load_registry())


def _quilts() -> tuple[str, ...]:
    from depthflow.scene.views import DEVICES

    return tuple(DEVICES)


_SUGGESTIONS: dict[str, Callable[[], tuple[str, ...]]] = {
    "motion.name": _motions,
    "motion.easing": _easings,
    "motion.pivot": lambda: ("nearest", "surface"),
    "depth.model": _models,
    "output.size": _sizes,
    "output.encoder": lambda: ("auto", "software"),
    "output.view.quilt": _quilts,
}
