"""The user's defaults: shipped file, user file, environment, each over the one before. It makes no job.

What a value may be is what JobSpec allows: the fields below take their limits from the spec's parts. What a
value is by default stands in config/depthflow.toml only.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema

from depthflow import paths
from depthflow.errors import UnknownNameError, UsageError
from depthflow.jobs.described import descriptions
from depthflow.jobs.part import Part
from depthflow.jobs.problems import first_problem
from depthflow.jobs.sizes import Fit, check_size
from depthflow.jobs.spec import (
    CameraSpec,
    DepthSpec,
    Format,
    GLBackend,
    MotionSpec,
    OutputSpec,
    Provider,
    RenderSpec,
)
from depthflow.settings_file import read_table, with_key, without_key, write_text

PREFIX = "DEPTHFLOW_"
PATH_VARIABLES = ("DEPTHFLOW_CONFIG_DIR", "DEPTHFLOW_CACHE_DIR", "DEPTHFLOW_MODELS_DIR", "DEPTHFLOW_STATE_DIR")
"""Variables of depthflow.paths; `DEPTHFLOW_CACHE_DIR` is no key `dir` of the section `cache`."""

AUTO = "auto"
"""What stands in a settings file where a JobSpec has None; TOML has no null."""


class _Like:
    """Marks a field that accepts what `part`'s field `name` accepts, and is described by it."""

    def __init__(self, part: type[Part], name: str) -> None:
        self._part, self._name = part, name
        self._field = part.model_fields[name]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        kind: Any = self._field.annotation
        for constraint in self._field.metadata:
            kind = Annotated[kind, constraint]
        return handler.generate_schema(kind)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core), "description": descriptions(self._part)[self._name]}


class OutputSettings(Part):
    size: Annotated[str, _Like(OutputSpec, "size"), AfterValidator(check_size)]
    fit: Annotated[Fit, _Like(OutputSpec, "fit")]
    fps: Annotated[float, _Like(OutputSpec, "fps")]
    duration: Annotated[float, _Like(OutputSpec, "duration")]
    loops: Annotated[int, _Like(OutputSpec, "loops")]
    format: Literal["auto", Format]
    """auto takes it from the path's suffix, else mp4."""
    quality: Annotated[int, _Like(OutputSpec, "quality")]
    encoder: Annotated[str, _Like(OutputSpec, "encoder")]
    encoder_preset: Annotated[str, Field(min_length=1, max_length=40)]
    """auto, or the encoder's own speed preset, such as veryfast."""
    overwrite: Annotated[bool, _Like(OutputSpec, "overwrite")]


class MotionSettings(Part):
    name: Annotated[str, _Like(MotionSpec, "name")]
    strength: Annotated[float, _Like(MotionSpec, "strength")]


class CameraSettings(Part):
    focus: Annotated[float, _Like(CameraSpec, "focus")]
    zoom: Annotated[float, _Like(CameraSpec, "zoom")]
    fov: Annotated[float, _Like(CameraSpec, "fov")]


class DepthSettings(Part):
    model: Annotated[str, _Like(DepthSpec, "model")]
    fallback: Annotated[Literal["none", "builtin"], _Like(DepthSpec, "fallback")]
    provider: Annotated[Provider, _Like(DepthSpec, "provider")]
    embedded: Annotated[bool, _Like(DepthSpec, "embedded")]
    tiles: Annotated[int, _Like(DepthSpec, "tiles")]
    flip: Annotated[bool, _Like(DepthSpec, "flip")]


class RenderSettings(Part):
    gl_backend: Annotated[GLBackend, _Like(RenderSpec, "gl_backend")]
    gl_device: Literal["auto"] | Annotated[int, Field(ge=0, le=31)]
    """Number of the GPU among EGL's devices, as `depthflow doctor` lists them; auto takes the best."""
    edge: Annotated[str, _Like(RenderSpec, "edge")]
    supersample: Annotated[float, _Like(RenderSpec, "supersample")]


class LimitSettings(Part):
    max_photo_bytes: Annotated[int, Field(ge=1)]
    """A larger file is refused unread."""
    max_photo_pixels: Annotated[int, Field(ge=1)]
    """A larger photo is refused before it is decoded."""


class CacheSettings(Part):
    depth_megabytes: Annotated[float, Field(ge=0)]
    """Depth maps that are kept, 10^6 bytes; the least recently used go first; 0 keeps none."""


class Settings(Part):
    """All settings. No field has a default: every default stands in the shipped file."""

    output: OutputSettings
    motion: MotionSettings
    camera: CameraSettings
    depth: DepthSettings
    render: RenderSettings
    limits: LimitSettings
    cache: CacheSettings


KEYS = tuple(
    f"{section}.{key}"
    for section, part in Settings.model_fields.items()
    if isinstance(part.annotation, type) and issubclass(part.annotation, Part)
    for key in part.annotation.model_fields
)
"""All keys as `section.key`, in the order of the shipped file."""

VARIABLES = {PREFIX + key.replace(".", "_").upper(): key for key in KEYS}
"""Environment variable -> key."""


@dataclass(frozen=True)
class Loaded:
    """Settings and their history.

    Attributes:
        settings: what holds before the command line has its say.
        origin: for each key "default", the path of the user's file, or the name of an environment variable.
        warnings: lines for people, such as a variable whose name is probably misspelt.
    """

    settings: Settings
    origin: dict[str, str]
    warnings: tuple[str, ...] = field(default=())

    def value(self, key: str) -> Any:
        """One value by its dotted key.

        Raises:
            UnknownNameError: no such key.
        """
        section, name = _split(key)
        return getattr(getattr(self.settings, section), name)


def load_settings(*, user_file: Path | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """Settings of the shipped file, the user's file and the environment, in rising order.

    Args:
        user_file: None takes the one of depthflow.paths; a file that does not exist adds nothing.
        environ: None takes os.environ; an empty value counts as unset.

    Raises:
        UsageError: names the file or variable, the key, what is allowed and the nearest known key.
    """
    shipped = paths.data("config", "depthflow.toml")
    table = read_table(shipped)
    settings = _validate(table, str(shipped))
    origin = dict.fromkeys(KEYS, "default")

    user_file = paths.user_config_file() if user_file is None else user_file
    if user_table := read_table(user_file):
        table = _merged(table, user_table)
        settings = _validate(table, str(user_file))
        origin.update((key, str(user_file)) for key in KEYS if _has(user_table, key))

    environ = os.environ if environ is None else environ
    for variable, key in VARIABLES.items():
        if text := environ.get(variable):
            value = _parse_value(key, text, source=variable)
            table = _merged(table, _nested(key, value))
            origin[key] = variable
            settings = _validate(table, variable)
    return Loaded(settings, origin, tuple(_misspelt(environ)))


def job_base(settings: Settings) -> dict[str, Any]:
    """The fragment of a JobSpec that these settings give: plain data, to lie under a preset and the options.

    Values that are "auto" where a JobSpec has None are left out.
    """
    data = settings.model_dump(mode="json")
    output = data["output"]
    for key in ("format", "encoder_preset"):
        if output[key] == AUTO:
            del output[key]
    if data["render"]["gl_device"] == AUTO:
        del data["render"]["gl_device"]
    return {
        "depth": data["depth"],
        "motion": data["motion"],
        "camera": data["camera"],
        "render": data["render"],
        "outputs": [output],
    }


def check_value(key: str, text: str) -> Any:
    """The value that `set_value` would write; nothing is written. Raises as that one, but for OutputError."""
    _split(key)
    return _parse_value(key, text, source=key)


def set_value(key: str, text: str, *, user_file: Path | None = None) -> Any:
    """Write one key into the user's file, which is made if it is not there; the value as it was understood.

    Args:
        key: such as "output.fps".
        text: a TOML value (60, true, "1080p"), or a bare string (1080p).

    Raises:
        UnknownNameError: no such key.
        UsageError: the value is not allowed, or the user's file is not TOML.
        OutputError: the file cannot be written.
    """
    value = check_value(key, text)
    user_file = paths.user_config_file() if user_file is None else user_file
    write_text(user_file, with_key(user_file, key, value))
    return value


def unset_value(key: str, *, user_file: Path | None = None) -> bool:
    """Take one key out of the user's file; False if it was not in it.

    A key that is not known may be taken out too: that is how a misspelt one goes.

    Raises:
        UnknownNameError: neither a setting nor in the file.
        UsageError: the user's file is not TOML.
        OutputError: the file cannot be written.
    """
    user_file = paths.user_config_file() if user_file is None else user_file
    if not _has(read_table(user_file), key):
        _split(key)
        return False
    write_text(user_file, without_key(user_file, key))
    return True


def json_schema() -> dict[str, Any]:
    """The JSON schema of a user's settings file: every section and key may be left out."""
    schema = Settings.model_json_schema()
    for node in (schema, *schema["$defs"].values()):
        node.pop("required", None)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "DepthFlow settings"
    return schema


def _validate(table: dict[str, Any], source: str) -> Settings:
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        raise UsageError(*first_problem(error, Settings, source)) from None


def _parse_value(key: str, text: str, *, source: str) -> Any:
    """The text's value for `key`: as TOML if that is allowed there, else as a bare string."""
    shipped = read_table(paths.data("config", "depthflow.toml"))
    candidates: list[Any] = []
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        parsed = {}
    # A line break in the text could smuggle in more keys.
    if parsed.keys() == {"value"}:
        candidates.append(parsed["value"])
    # A string is tried too: the preset of SVT-AV1 is the string "8".
    candidates.append(text)
    section, name = _split(key)
    failures = []
    for candidate in candidates:
        try:
            settings = _validate(_merged(shipped, _nested(key, candidate)), source)
        except UsageError as error:
            failures.append(error)
        else:
            return settings.model_dump(mode="json")[section][name]
    raise failures[0]


def _misspelt(environ: Mapping[str, str]) -> Iterator[str]:
    """A warning for each variable that looks like a setting and is none."""
    sections = tuple(PREFIX + name.upper() + "_" for name in Settings.model_fields)
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in VARIABLES or variable in PATH_VARIABLES:
            continue
        near = difflib.get_close_matches(variable, VARIABLES, n=1, cutoff=0.6)
        close = difflib.get_close_matches(variable, (*VARIABLES, *PATH_VARIABLES), n=1, cutoff=0.85)
        if close:
            yield f"environment variable {variable} is not known and has no effect; did you mean {close[0]}?"
        elif variable.startswith(sections):
            nearest = f"; the nearest is {near[0]}" if near else ""
            yield f"environment variable {variable} is not known and has no effect{nearest}"


def _split(key: str) -> tuple[str, str]:
    if key not in KEYS:
        raise UnknownNameError("setting", key, KEYS)
    section, _, name = key.partition(".")
    return section, name


def _nested(key: str, value: Any) -> dict[str, Any]:
    section, _, name = key.partition(".")
    return {section: {name: value}}


def _has(table: Mapping[str, Any], key: str) -> bool:
    section, dot, name = key.partition(".")
    if not dot:
        return section in table
    part = table.get(section)
    return isinstance(part, dict) and name in part


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`, section by section; neither is changed."""
    merged = dict(below)
    for section, part in above.items():
        old = merged.get(section)
        merged[section] = {**old, **part} if isinstance(old, dict) and isinstance(part, dict) else part
    return merged
