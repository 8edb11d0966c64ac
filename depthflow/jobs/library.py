"""The library of motions and presets: finds them by name, reads them, and puts them into a JobSpec.

A motion moves the camera. A preset is a named fragment of a JobSpec: motion, camera, timeline, output and so on. The
user's own files win over those that ship with the program. A timeline is a file that is named by its path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from depthflow import paths
from depthflow.errors import UnknownNameError, UsageError
from depthflow.jobs.problems import checked
from depthflow.jobs.spec import JobSpec, MotionSpec
from depthflow.scene.motion import Motion
from depthflow.scene.timeline import Timeline
from depthflow.toml_file import read_toml

Kind = Literal["motions", "presets"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NAME_RULE = "a name has up to 64 letters, digits, - and _, and begins with a letter or a digit"
_MAX_BYTES = 1 << 20
_NO_PARTS = ("version", "photo", "seed", "preset", "outputs", "audio")
PARTS = (*(name for name in JobSpec.model_fields if name not in _NO_PARTS), "output")
"""What a preset may say: the parts of a JobSpec, and `output` for its first output."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A fragment of a JobSpec.

    Attributes:
        name: as it was asked for.
        description: one line for people.
        parts: depth, motion, camera and so on as in a JobSpec, and `output` for the first output.
        path: where it was read.
        timeline_path: where its timeline was read; None if that is the same file.
    """

    name: str
    description: str
    parts: dict[str, dict[str, Any]]
    path: Path
    timeline_path: Path | None = None


class _Files(BaseModel):
    """Files' contents in the shape that `first_problem` can describe."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    motion: Motion
    timeline: Timeline


def folders(kind: Kind) -> tuple[Path, Path]:
    """Where they are looked for: the user's folder, then the program's."""
    return paths.config_dir() / kind, paths.data("config", kind)


def names(kind: Kind) -> dict[str, Path]:
    """Every name there is and its file, sorted; the user's file hides the program's of the same name."""
    found: dict[str, Path] = {}
    for folder in reversed(folders(kind)):
        found.update({file.stem: file for file in folder.glob("*.toml") if _NAME.fullmatch(file.stem)})
    return dict(sorted(found.items()))


def misnamed(kind: Kind) -> dict[Path, str]:
    """Files of the user's folder whose names are none, sorted, and why."""
    files = sorted(folders(kind)[0].glob("*.toml"))
    return {file: f"{file.name}: {_NAME_RULE}" for file in files if not _NAME.fullmatch(file.stem)}


def find(kind: Kind, name: str) -> Path:
    """The file of a name, or the file itself when `name` is a path.

    Raises:
        UnknownNameError: nothing has that name; it carries the nearest one.
    """
    if name.endswith(".toml") or "/" in name or "\\" in name:
        path = paths.expanded(name)
        if not path.is_file():
            raise UsageError(
                f"{name}: there is no such {kind[:-1]} file", f"check the path, or take a name: depthflow {kind} list"
            )
        return path
    known = names(kind)
    if name not in known:
        other: Kind = "presets" if kind == "motions" else "motions"
        if name in names(other):
            raise UsageError(f"{name!r} is a {other[:-1]}, not a {kind[:-1]}", f"--{other[:-1]} {name}")
        file = folders(kind)[0] / f"{name}.toml"
        if not _NAME.fullmatch(name) and paths.is_file(file):
            raise UsageError(f"{file.name} is no {kind[:-1]}: {_NAME_RULE}", f"rename it, or name the file: {file}")
        raise UnknownNameError(kind[:-1], name, known)
    return known[name]


def _read(path: Path) -> dict[str, Any]:
    return read_toml(path, max_bytes=_MAX_BYTES, what="motion or preset")


def load_motion(name: str) -> Motion:
    """A motion by name or path.

    Raises:
        UsageError: not there, or its file has unknown keys or values that are not allowed.
    """
    path = find("motions", name)
    return checked(TypeAdapter(Motion).validate_python, _read(path), _Files, str(path), prefix=("motion",))


def load_timeline(path: str | Path) -> Timeline:
    """A timeline file.

    Raises:
        UsageError: not there, or it has unknown keys or values that are not allowed; names file, track and key.
    """
    file = paths.expanded(path)
    if not file.is_file():
        raise UsageError(f"{path}: there is no such timeline file")
    return checked(TypeAdapter(Timeline).validate_python, _read(file), _Files, str(file), prefix=("timeline",))


def timeline_data(path: str | Path) -> dict[str, Any]:
    """A timeline file as the plain data that a JobSpec has in its place, checked."""
    data: dict[str, Any] = TypeAdapter(Timeline).dump_python(load_timeline(path), mode="json", exclude_none=True)
    return data


def load_preset(name: str) -> Preset:
    """A preset by name or path; its values are checked against the JobSpec.

    Raises:
        UsageError: as in `load_motion`; also where its motion is none.
    """
    path = find("presets", name)
    data = _read(path)
    description = data.pop("description", "")
    timeline_path = None
    if isinstance(data.get("timeline"), str):
        # A timeline of its own file lies beside the preset.
        timeline_path = path.parent / paths.expanded(data["timeline"])
        data["timeline"] = timeline_data(timeline_path)
    for key, value in data.items():
        if key not in PARTS:
            raise UsageError(
                f"{path}: {key}: a preset has no such part", f"known here: description, {', '.join(PARTS)}"
            )
        if not isinstance(value, dict):
            raise UsageError(f"{path}: {key}: a table with keys is expected (got {value!r})")
    if not isinstance(description, str):
        raise UsageError(f"{path}: description: text is expected (got {description!r})")
    preset = Preset(name, description, data, path, timeline_path)
    job = apply_preset({"photo": "-"}, preset)
    try:
        spec = parse_job(job, source=str(path), timeline_source=None if timeline_path is None else str(timeline_path))
    except UsageError as error:
        # The job has outputs, the file one output.
        raise UsageError(error.message.replace(": outputs.0", ": output", 1), error.hint) from None
    try:
        motion_of(spec)
    except UsageError as error:
        if error.message.startswith(f"{path}: "):
            raise
        raise UsageError(f"{path}: motion.name: {error.message}", error.hint) from None
    return preset


def parse_job(job: dict[str, Any], *, source: str, timeline_source: str | None = None) -> JobSpec:
    """`JobSpec.parse`, with what is wrong with the timeline told as of the file that it was read from.

    Args:
        source: where the rest of the job comes from.
        timeline_source: the timeline's file; None is the same source.

    Raises:
        UsageError: names source, key and what is allowed.
    """
    if timeline_source is not None:
        JobSpec.parse({key: value for key, value in job.items() if key != "timeline"}, source=source)
    return JobSpec.parse(job, source=timeline_source or source)


def apply_preset(job: dict[str, Any], preset: Preset) -> dict[str, Any]:
    """Job data (see `JobSpec.to_dict`) with the preset's values on top."""
    merged = {**job, "preset": preset.name}
    for part, values in preset.parts.items():
        if part == "output":
            outputs = list(job.get("outputs", ({},)))
            merged["outputs"] = [{**outputs[0], **values}, *outputs[1:]]
            view = values.get("view")
            if isinstance(view, dict) and "mode" not in view:
                # Another separation for the same view; another view begins anew.
                merged["outputs"][0]["view"] = {**outputs[0].get("view", {}), **view}
        else:
            merged[part] = _laid(job.get(part) or {}, values, deep=part == "effects")
    return merged


def _laid(below: dict[str, Any], above: dict[str, Any], *, deep: bool) -> dict[str, Any]:
    """`above` over `below`; deep: key by key in the tables that both have."""
    merged = {**below, **above}
    for key, value in above.items() if deep else ():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            merged[key] = {**below[key], **value}
    return merged


def resolve(spec: JobSpec) -> JobSpec:
    """The spec with its motion written out, so that it means the same on any machine and its digest covers it."""
    motion = motion_of(spec)
    asked = spec.motion
    written = asked.model_copy(
        update={
            "components": motion.components,
            "tracks": motion.tracks,
            "one_way": not motion.loop,
            "loop": motion.loop if asked.loop is None else asked.loop,
            "easing": motion.easing,
            "pivot": motion.pivot,
            "pivot_x": motion.pivot_x,
            "pivot_y": motion.pivot_y,
        }
    )
    camera = spec.camera
    if camera.relief is None:
        camera = camera.model_copy(update={"relief": motion.relief})
    return spec.model_copy(update={"motion": written, "camera": camera})


def motion_of(spec: JobSpec) -> Motion:
    """The motion that a spec asks for: what it is made of, not how it is laid over the clip."""
    asked: MotionSpec = spec.motion
    if asked.components is None and asked.tracks is None:
        base = load_motion(asked.name)
    else:
        base = Motion(components=asked.components or (), tracks=asked.tracks or (), loop=not asked.one_way)
    own = {name: getattr(asked, name) for name in ("easing", "pivot", "pivot_x", "pivot_y")}
    return replace(base, **{name: value for name, value in own.items() if value is not None})
