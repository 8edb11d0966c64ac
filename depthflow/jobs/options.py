"""The options of Python's `render` and `job`, and the parts of a job that they mean."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from os import PathLike, fspath
from typing import Any, TypedDict, TypeVar

from depthflow.errors import UsageError
from depthflow.jobs.amounts import parse_bitrate, parse_bytes
from depthflow.jobs.effects_options import from_given
from depthflow.jobs.library import timeline_data
from depthflow.jobs.sizes import Fit
from depthflow.jobs.spec import Provider
from depthflow.render.frames import Edge

Source = str | PathLike[str]
Size = str | tuple[int, int]
Effects = str | Iterable[str] | Mapping[str, Any]
Data = dict[str, dict[str, Any]]
F = TypeVar("F", bound=Callable[..., Any])


class RenderOptions(TypedDict, total=False):
    """Keyword arguments of `render` and `job`; `render` says what they mean."""

    preset: str | None
    motion: str | None
    strength: float | None
    reverse: bool | None
    phase: float | None
    cycles: float | None
    period: float | None
    easing: str | None
    hold: float | None
    loop: bool | None
    pivot: float | str | None
    pivot_x: float | None
    pivot_y: float | None
    timeline: Source | Mapping[str, Any] | None
    relief: float | None
    focus: float | None
    zoom: float | None
    fov: float | None
    isometric: float | None
    layers: int | None
    fill: str | None
    edge: Edge | None
    supersample: float | None
    size: Size | None
    fit: Fit | None
    fps: float | None
    seconds: float | None
    loops: int | None
    format: str | None
    quality: int | None
    crf: int | None
    encoder: str | None
    encoder_preset: str | None
    view: str | None
    separation: float | None
    anaglyph: str | None
    quilt: str | None
    swap_eyes: bool | None
    bitrate: int | str | None
    max_size: int | str | None
    target_bytes: int | None
    poster: float | None
    background: str | None
    audio: Source | None
    model: str | None
    depth: Source | None
    invert_depth: bool | None
    depth_options: Mapping[str, Any] | None
    provider: Provider | None
    gl_backend: str | None
    gl_device: int | None
    effects: Effects | None
    seed: int | None
    overwrite: bool


_PLACES = {
    "motion": {
        "motion": "name",
        **{name: name for name in ("strength", "reverse", "phase", "cycles", "period", "easing", "hold", "loop")},
        **{name: name for name in ("pivot", "pivot_x", "pivot_y")},
    },
    "camera": {name: name for name in ("relief", "focus", "zoom", "fov", "isometric")},
    "layers": {"layers": "count", "fill": "fill"},
    "render": {name: name for name in ("gl_backend", "gl_device", "background", "edge", "supersample")},
    "output": {
        "seconds": "duration",
        **{name: name for name in ("fit", "fps", "loops", "format", "quality", "crf", "encoder", "encoder_preset")},
        "poster": "poster",
    },
}
"""Options that are a key of a job as they stand, by the part that has the key."""


def with_options(function: F) -> F:
    """Give a function whose last parameter is `**options` the signature that help() and editors show."""
    signature = inspect.signature(function)
    (*own, _) = signature.parameters.values()
    options = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=name == "overwrite" or None, annotation=kind.__forward_arg__
        )
        for name, kind in inspect.get_annotations(RenderOptions).items()
    ]
    positional = [p for p in own if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    named = [p for p in own if p.kind is inspect.Parameter.KEYWORD_ONLY]
    shown = signature.replace(parameters=[*positional, *options, *named])
    function.__signature__ = shown  # type: ignore[attr-defined]
    return function


def parts_of(options: Mapping[str, Any], *, what: str = "render()") -> Data:
    """The parts of a job that `options` mean, as `api.build_spec` takes them; None is not asked for.

    Args:
        options: a RenderOptions; preset, seed and audio belong to no part.
        what: whose options they are, for messages.

    Raises:
        TypeError: an option that is not known, with the nearest one. UsageError: one that cannot be understood.
    """
    known = tuple(inspect.get_annotations(RenderOptions))
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{what} got an unexpected keyword argument {name!r}{hint}")
    given = options.get
    parts: Data = {
        part: {key: given(name) for name, key in places.items() if given(name) is not None}
        for part, places in _PLACES.items()
    }
    parts["depth"] = depth_part(
        given("depth_options"),
        model=given("model"),
        file=text_of(given("depth")),
        invert=given("invert_depth") or None,
        provider=given("provider"),
    )
    parts["effects"] = from_given(given("effects"))
    size, view = given("size"), {name: given(name) for name in ("separation", "anaglyph", "quilt")}
    if given("max_size") is not None and given("target_bytes") is not None:
        raise UsageError("max_size and target_bytes are the same thing", "give one of them")
    parts["output"] |= {
        "size": None if size is None else size_text(size),
        "view": view_part(given("view"), **view, swap=bool(given("swap_eyes"))),
        "bitrate": _amount(given("bitrate"), parse_bitrate),
        "target_bytes": _amount(given("max_size" if given("target_bytes") is None else "target_bytes"), parse_bytes),
        "overwrite": given("overwrite"),
    }
    if (timeline := timeline_part(given("timeline"))) is not None:
        parts["timeline"] = timeline
    return parts


def timeline_part(timeline: Source | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A timeline, by its file or as plain data, as a job has it.

    Raises:
        UsageError: the file is not there, or is none.
    """
    if timeline is None or isinstance(timeline, Mapping):
        return None if timeline is None else dict(timeline)
    return timeline_data(fspath(timeline))


def timeline_file_of(timeline: Source | Mapping[str, Any] | None) -> str | None:
    """The file that a timeline is given by, if it is."""
    return None if timeline is None or isinstance(timeline, Mapping) else fspath(timeline)


def view_part(
    mode: str | None, *, separation: float | None, anaglyph: str | None, quilt: str | None, swap: bool
) -> dict[str, Any] | None:
    """The `view` of an output from single options; None if none of them is given."""
    if mode is None:
        mode = "anaglyph" if anaglyph is not None else "quilt" if quilt is not None else None
    given = {"mode": mode, "separation": separation, "anaglyph": anaglyph, "quilt": quilt, "swap": swap or None}
    return {name: value for name, value in given.items() if value is not None} or None


def depth_part(options: Mapping[str, Any] | None, **named: object) -> dict[str, Any]:
    """The `depth` of a job: what has an argument of its own wins over the same key among the options."""
    return {**(options or {}), **{key: value for key, value in named.items() if value is not None}}


def size_text(size: Size) -> str:
    """A size as a job has it."""
    return size if isinstance(size, str) else f"{size[0]}x{size[1]}"


def text_of(path: Source | None) -> str | None:
    """A path as a job has it."""
    return None if path is None else fspath(path)


def _amount(value: int | str | None, parse: Callable[[str], int]) -> int | None:
    return parse(value) if isinstance(value, str) else value
