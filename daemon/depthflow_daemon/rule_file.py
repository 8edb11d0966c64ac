"""Reads one rule file, `.depthflow.toml` of a folder or `photo.toml` beside a photo; it knows nothing of the others."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from depthflow.errors import UsageError
from depthflow.jobs.library import PARTS, Preset, load_preset
from depthflow.jobs.part import Part
from depthflow.jobs.problems import first_problem, refuse_other_types
from depthflow.toml_file import read_toml
from depthflow_daemon.regular import read_regular
from depthflow_daemon.schedule import parse_window
from depthflow_daemon.stable import Settle
from depthflow_daemon.template import check_template

_MAX_BYTES = 32 << 10
"""The time that TOML takes grows with the square of a key's parts: 2.4 s at this size, 40 minutes at a megabyte."""
_MAX_DEPTH = 32
_NAMES = (("motion", "name"), ("depth", "model"))
_PATH = re.compile(r"[/\\]|\.(toml|onnx)$")


class SettleRule(Part):
    """When a photo counts as written whole."""

    mode: Literal["quiet", "rename", "sentinel"] = "quiet"
    """quiet: unchanged for some seconds; rename: one look is enough; sentinel: another file says so."""
    seconds: Annotated[float, Field(ge=0, le=86400)] = 5.0
    """Without any change."""
    patience: Annotated[float, Field(ge=0, le=604800)] = 60.0
    """Seconds after the last change until a photo that does not decode is given up."""
    sentinel: Annotated[str, Field(pattern=r"^[\w.-]{1,40}$")] = ".done"
    """What the other file's name has behind the photo's."""


class Rules(Part):
    """What a rule file says besides the parts of a job."""

    preset: Annotated[str, Field(max_length=64)] | None = None
    """A preset of the library."""
    preset_folders: bool = True
    """A sub-folder that is named like a preset uses it."""
    name: Annotated[str, Field(min_length=1, max_length=200)] = "{stem}"
    """The results' name without its suffix; words: stem, ext, preset, motion, format, size, n."""
    after: Literal["keep", "archive", "delete"] = "keep"
    """What becomes of the photo once all its results are there."""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    """Higher goes first."""
    hold: bool = False
    """Jobs wait until they are released by hand."""
    window: Annotated[str, Field(max_length=200)] = ""
    """Times of day at which jobs may begin, such as 22:00-06:00."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    """Seeds everything that is random."""
    settle: SettleRule = SettleRule()

    @field_validator("window")
    @classmethod
    def _window_is_one(cls, value: str) -> str:
        parse_window(value)
        return value

    @field_validator("name")
    @classmethod
    def _name_is_a_template(cls, value: str) -> str:
        check_template(value)
        return value

    @property
    def settling(self) -> Settle:
        return Settle(**self.settle.model_dump())


KEYS = (*Rules.model_fields, *PARTS, "outputs")


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file's contents.

    Attributes:
        path: the file.
        rules: the keys of `Rules` that it has, checked.
        preset: the preset that it names.
        parts: parts of a job, and `output` for what all its outputs have in common.
        outputs: what each output has of its own; None if the file does not say.
    """

    path: Path
    rules: dict[str, Any]
    preset: Preset | None
    parts: dict[str, dict[str, Any]]
    outputs: list[dict[str, Any]] | None


def read_rules(path: Path) -> RuleFile:
    """Read and check a file by itself; whether its parts fit the others only the whole job shows.

    Raises:
        UsageError: names the file, the key, what is allowed and the nearest known key.
    """
    data = read_toml(path, max_bytes=_MAX_BYTES, what="rule file", read=read_regular)
    for key in data:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"{path}: {key}: unknown key", f"{hint}known here: {', '.join(KEYS)}")
    _refuse_files(path, data, ())
    own = {key: value for key, value in data.items() if key in Rules.model_fields}
    refuse_other_types(own, Rules, str(path))
    try:
        Rules.model_validate(own)
    except ValidationError as error:
        raise UsageError(*first_problem(error, Rules, str(path))) from None
    parts = {key: value for key, value in data.items() if key in PARTS}
    for key, value in parts.items():
        if not isinstance(value, dict):
            raise UsageError(f"{path}: {key}: a table with keys is expected (got {value!r})")
    outputs = data.get("outputs")
    if outputs is not None and not (
        isinstance(outputs, list) and outputs and all(isinstance(o, dict) for o in outputs)
    ):
        raise UsageError(f"{path}: outputs: tables are expected", "write each as [[outputs]]")
    return RuleFile(path, own, _preset(path, own.get("preset")), parts, outputs)


def _refuse_files(path: Path, value: Any, way: tuple[str, ...]) -> None:
    """Whoever may drop photos may write rules, and must not have the daemon read or write any other file by them."""
    if len(way) > _MAX_DEPTH:
        raise UsageError(f"{path}: {'.'.join(way[:3])}...: nested too deep")
    if isinstance(value, list):
        for item in value:
            _refuse_files(path, item, way)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_files(path, inner, (*way, str(key)))
    elif way and way[-1] in ("file", "font", "path", "overwrite"):
        raise UsageError(
            f"{path}: {'.'.join(way)}: rules name no files",
            "results are placed by `name`; a depth map lies beside its photo as photo.depth.png",
        )
    elif (way == ("preset",) or way[-2:] in _NAMES) and isinstance(value, str) and _PATH.search(value):
        raise UsageError(f"{path}: {'.'.join(way)}: a name is expected, no path (got {value!r})")


def _preset(path: Path, name: str | None) -> Preset | None:
    if name is None:
        return None
    try:
        return load_preset(name)
    except UsageError as error:
        raise UsageError(f"{path}: preset: {error.message}", error.hint) from None
