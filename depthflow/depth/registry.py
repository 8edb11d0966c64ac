"""Reads models/registry.toml and the user's own registry; says where a network lies, and runs none."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from depthflow import paths
from depthflow.errors import DepthError, UnknownNameError

SCHEMA = 1
FILE_NAME = "registry.toml"
Meaning = Literal["disparity", "depth", "metres", "centimetres"]
Triple = tuple[float, float, float]
Side = Annotated[int, Field(ge=1, le=8192)]

_IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
_IMAGENET_STD: Triple = (0.229, 0.224, 0.225)


class _Table(BaseModel):
    """A table of the registry: frozen, and it refuses unknown keys, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputRule(_Table):
    """From a photo (H, W, 3) uint8 sRGB to the input tensor; models/registry.toml documents each key.

    The defaults serve a bare .onnx file: ImageNet statistics, as most published depth networks want them.
    """

    name: str = ""
    """Empty: the network's first input."""
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    channels: Literal["RGB", "BGR"] = "RGB"
    dtype: Literal["float32", "float16"] = "float32"
    range: tuple[float, float] = (0.0, 1.0)
    mean: Triple = _IMAGENET_MEAN
    std: Triple = _IMAGENET_STD
    resize: Literal["keep-aspect", "stretch"] = "keep-aspect"
    fixed: tuple[Side, Side] | None = None
    """stretch only: (height, width)."""
    side: Literal["long", "short"] = "long"
    size: Side = 518
    min_size: Side = 64
    max_size: Side = 2048
    multiple: Annotated[int, Field(ge=1, le=256)] = 32
    filter: Literal["area", "bicubic", "bilinear"] = "area"

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.resize == "stretch" and self.fixed is None:
            raise ValueError("resize = 'stretch' needs fixed = [height, width]")
        if self.min_size > self.max_size:
            raise ValueError("min_size is larger than max_size")
        if self.range[1] <= self.range[0] or min(self.std) <= 0:
            raise ValueError("range must rise and std must be positive")
        return self


class OutputRule(_Table):
    """From the output tensor to a depth map."""

    name: str = ""
    """Empty: the network's first output."""
    shape: str = "NHW"
    meaning: Meaning = "disparity"
    clip: tuple[float, float] | None = None
    stride: Annotated[float, Field(gt=0)] = 1.0
    """Informative: the output is read at whatever size it has."""


class HubFile(_Table):
    """Where a model is fetched from."""

    repo: str
    revision: str
    file: str
    extra_files: tuple[str, ...] = ()


class ModelInfo(_Table):
    """One table of a registry, or one .onnx file on disk."""

    name: str
    """What the user types."""
    title: str = ""
    source: Literal["builtin", "huggingface", "local"] = "local"
    file: str = ""
    hub: HubFile | None = None
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    licence: str = ""
    non_commercial: bool = False
    size_mb: float = 0.0
    opset: int = 0
    verified: bool = False
    quality: str = ""
    input: InputRule = InputRule()
    output: OutputRule = OutputRule()
    registry: Path | None = None
    """The file that this was read from; relative paths start in its folder."""
    bare: bool = False
    """No registry describes this file: shapes and types are taken from the ONNX itself."""

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if self.source == "huggingface" and self.hub is None:
            raise ValueError("source = 'huggingface' needs a table `hub`")
        if self.source != "huggingface" and not self.file:
            raise ValueError(f"source = {self.source!r} needs `file`")
        return self

    @property
    def pull_hint(self) -> str:
        return f"fetch it with: depthflow models pull {self.name}"

    def path(self) -> Path:
        """The .onnx file, whether it exists or not.

        A relative path may not leave its registry's folder; only a user's own `local` entry may be absolute.

        Raises:
            DepthError: the path leaves its folder, or the model was never downloaded.
        """
        if self.source == "huggingface":
            assert self.hub is not None  # noqa: S101 - the validator has seen to it
            own = _confined(paths.models_dir() / self.name, self.hub.file, self.name)
            found = own if own.is_file() else _in_hub_cache(self.hub)
            if found is None:
                raise DepthError(f"model {self.name!r} is not on this computer", self.pull_hint)
            return found
        file = Path(self.file).expanduser() if self.source == "local" else Path(self.file)
        if self.source == "local" and file.is_absolute():
            return file
        folder = self.registry.parent if self.registry else Path.cwd()
        return _confined(folder, self.file, self.name)

    def available(self) -> bool:
        """Whether the file is on this computer."""
        try:
            return self.path().is_file()
        except DepthError:
            return False


def _confined(folder: Path, relative: str, name: str) -> Path:
    """folder/relative, resolved; it must stay inside the folder."""
    root = folder.resolve()
    path = (root / relative).resolve()
    if not path.is_relative_to(root) or path == root:
        raise DepthError(
            f"model {name!r}: the path {relative!r} leaves {root}", "give a path inside the registry's folder"
        )
    return path


def _in_hub_cache(hub: HubFile) -> Path | None:
    """The file in huggingface_hub's cache, if that package is installed and has it."""
    import importlib

    try:
        lookup = importlib.import_module("huggingface_hub").try_to_load_from_cache
        found = lookup(hub.repo, hub.file, revision=hub.revision)
    except (ImportError, AttributeError, ValueError, OSError):
        return None
    return Path(found) if isinstance(found, str) else None


def read_registry(file: Path) -> dict[str, ModelInfo]:
    """Read one registry file.

    Raises:
        DepthError: it cannot be read, is not TOML, or a table is wrong; names the file and the key.
    """
    try:
        data: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DepthError(f"{file}: cannot be read: {error}") from None
    if data.get("schema", SCHEMA) != SCHEMA:
        raise DepthError(
            f"{file}: schema {data['schema']!r} is not {SCHEMA}",
            "update depthflow, or write the file for this one",
        )
    models = data.get("models", {})
    if not isinstance(models, dict):
        raise DepthError(f"{file}: models: tables [models.NAME] are expected")
    return {name: _parse(name, table, file) for name, table in models.items()}


def _parse(name: str, table: Any, file: Path) -> ModelInfo:
    if not isinstance(table, dict):
        raise DepthError(f"{file}: models.{name}: a table is expected")
    try:
        return ModelInfo.model_validate({**table, "name": name, "registry": file})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = ".".join(str(step) for step in ("models", name, *problem["loc"]))
        text = str(problem["msg"]).removeprefix("Value error, ")
        raise DepthError(f"{file}: {key}: {text[:1].lower()}{text[1:]}") from None


def user_registry() -> Path:
    """The user's own registry; it need not exist."""
    return paths.models_dir() / FILE_NAME


def load_registry(files: Iterable[Path] | None = None) -> dict[str, ModelInfo]:
    """All known models by name; the shipped registry first, the user's own entries win.

    Args:
        files: read these instead of the two usual ones.
    """
    if files is None:
        user = user_registry()
        files = [paths.data("models", FILE_NAME), *([user] if user.is_file() else [])]
    models: dict[str, ModelInfo] = {}
    for file in files:
        models.update(read_registry(file))
    return models


def find_model(name_or_path: str, models: dict[str, ModelInfo] | None = None) -> ModelInfo:
    """A model of the registry, or an .onnx file on disk.

    A file that no registry describes is read with the defaults of InputRule and OutputRule (ImageNet
    statistics, disparity out); shapes, layout and types then come from the ONNX itself.

    Raises:
        UnknownNameError: no model has that name; carries the nearest.
        DepthError: the .onnx file is not there.
    """
    models = load_registry() if models is None else models
    if name_or_path in models:
        return models[name_or_path]
    if name_or_path.lower().endswith(".onnx"):
        file = Path(name_or_path).expanduser().resolve()
        if not file.is_file():
            raise DepthError(f"{name_or_path}: no such model file", "check the path, or see: depthflow models list")
        for info in models.values():
            # The same file as a registered one: then its rules are known.
            if info.available() and info.path().resolve() == file:
                return info
        return ModelInfo(name=file.stem, title=file.name, file=str(file), bare=True)
    raise UnknownNameError("model", name_or_path, models)
