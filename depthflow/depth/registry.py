"""Reads models/registry.toml and the user's own registries; says where a network lies, and runs or fetches none.

Each over the one before: what ships, what `depthflow models` wrote beside the files it fetched
(models_dir()/NAME/entry.toml), and what the user wrote (config_dir()/models.toml).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from depthflow import paths
from depthflow.errors import DepthError, UnknownNameError, UsageError
from depthflow.toml_file import read_toml

SCHEMA = 1
FILE_NAME = "registry.toml"
ENTRY_NAME = "entry.toml"
USER_FILE_NAME = "models.toml"
Meaning = Literal["disparity", "depth", "metres", "centimetres"]
Commercial = Literal["yes", "no", "unclear"]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a model may be called: its name is a folder too."""
Triple = tuple[float, float, float]
Side = Annotated[int, Field(ge=1, le=8192)]

_MAX_BYTES = 1 << 20
_IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
_IMAGENET_STD: Triple = (0.229, 0.224, 0.225)


NAME_HINT = "letters, digits, dots, dashes and underscores; a letter or digit first; at most 64"


class _Table(BaseModel):
    """A table of the registry: frozen, and it refuses unknown keys, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_T = TypeVar("_T", bound=_Table)


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

    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: str = ""
    """A commit; empty: not known yet, the newest is taken and written down."""
    file: str
    extra_files: tuple[str, ...] = ()
    """What lies beside the .onnx file and belongs to it, such as external weights."""


class TorchSource(_Table):
    """The weights from which `depthflow models export` makes the network."""

    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: str = ""


class Pulled(_Table):
    """What was really fetched: it fills what the shipped entry leaves open."""

    repo: str
    file: str
    revision: str
    sha256: Sha256
    size_mb: float = 0.0
    verified: bool = False
    """It gave a usable depth map of a sample photo here."""


class ModelInfo(_Table):
    """One table of a registry, or one .onnx file on disk."""

    name: str
    """What the user types."""
    title: str = ""
    source: Literal["builtin", "huggingface", "export", "local"] = "local"
    file: str = ""
    hub: HubFile | None = None
    torch: TorchSource | None = None
    sha256: Sha256 = ""
    licence: str = ""
    commercial_use: Commercial = "unclear"
    """What the licence says of the weights; "unclear" promises nothing either way."""
    licence_note: str = ""
    size_mb: float = 0.0
    opset: int = 0
    mirrored: bool = False
    """The network itself averages with the mirror image: to do so again would only cost time."""
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
        if self.source == "export" and self.torch is None:
            raise ValueError("source = 'export' needs a table `torch`")
        if self.source in ("builtin", "local") and not self.file:
            raise ValueError(f"source = {self.source!r} needs `file`")
        return self

    @property
    def pull_hint(self) -> str:
        """The command that brings the model here."""
        if self.source == "export" and self.torch is not None:
            return f"make it with: depthflow models export {self.torch.repo}"
        if self.source == "local":
            return f"the registry says {self.file}: depthflow models import FILE.onnx --name {self.name}"
        return f"fetch it with: depthflow models pull {self.name}"

    @property
    def folder(self) -> Path:
        """Where its files are kept when they are fetched, imported or exported."""
        return confined(paths.models_dir(), self.name, self.name)

    def path(self) -> Path:
        """The .onnx file, whether it exists or not.

        A relative path may not leave its registry's folder; only a user's own `local` entry may be absolute.

        Raises:
            DepthError: the path leaves its folder, or the model was never downloaded.
        """
        if self.source == "huggingface":
            assert self.hub is not None  # noqa: S101 - the validator has seen to it
            own = confined(self.folder, self.hub.file, self.name)
            files = (self.hub.file, *self.hub.extra_files)
            whole = all(confined(self.folder, file, self.name).is_file() for file in files)
            found = own if whole else _in_hub_cache(self.hub)
            if found is None:
                raise DepthError(f"model {self.name!r} is not on this computer", self.pull_hint)
            return found
        if self.source == "export":
            raise DepthError(f"model {self.name!r} is not on this computer", self.pull_hint)
        file = paths.expanded(self.file) if self.source == "local" else Path(self.file)
        if self.source == "local" and file.is_absolute():
            return file
        folder = self.registry.parent if self.registry else Path.cwd()
        return confined(folder, self.file, self.name)

    def available(self) -> bool:
        """Whether the file is on this computer."""
        try:
            return self.path().is_file()
        except DepthError:
            return False


_KEYS = sorted({key for kind in (ModelInfo, InputRule, OutputRule, HubFile, Pulled) for key in kind.model_fields})


def confined(folder: Path, relative: str, name: str) -> Path:
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
    try:
        from huggingface_hub import try_to_load_from_cache as lookup

        files = (hub.file, *hub.extra_files)
        found, *others = (lookup(hub.repo, file, revision=hub.revision or None) for file in files)
    except (ImportError, AttributeError, ValueError, OSError):
        return None
    return Path(found) if isinstance(found, str) and all(isinstance(other, str) for other in others) else None


def read_registry(file: Path) -> dict[str, ModelInfo]:
    """Read the models of one registry file.

    Raises:
        DepthError: it cannot be read, is not TOML, or a table is wrong; names the file and the key.
    """
    models, _ = _read(file)
    return models


def read_pulled(file: Path) -> dict[str, Pulled]:
    """What a registry file says was fetched; raises as read_registry."""
    _, pulled = _read(file)
    return pulled


def _read(file: Path) -> tuple[dict[str, ModelInfo], dict[str, Pulled]]:
    data = _table(file)
    if data.get("schema", SCHEMA) != SCHEMA:
        raise DepthError(
            f"{file}: schema {data['schema']!r} is not {SCHEMA}",
            "update depthflow, or write the file for this one",
        )
    for key in data:
        if key not in ("schema", "default", "models", "pulled"):
            raise DepthError(f"{file}: {key}: no such key", "a model is a table [models.NAME]")
    models = {name: _parse(name, table, file) for name, table in _tables(data, "models", file).items()}
    pulled = {
        name: _checked(Pulled, table, file, ("pulled", name), {})
        for name, table in _tables(data, "pulled", file).items()
    }
    return models, pulled


def _table(file: Path) -> dict[str, Any]:
    try:
        return read_toml(file, max_bytes=_MAX_BYTES, what="registry of networks")
    except UsageError as error:
        raise DepthError(error.message, error.hint) from None


def _tables(data: dict[str, Any], key: str, file: Path) -> dict[str, Any]:
    tables = data.get(key, {})
    if not isinstance(tables, dict):
        raise DepthError(f"{file}: {key}: tables [{key}.NAME] are expected")
    return tables


def _parse(name: str, table: Any, file: Path) -> ModelInfo:
    if not NAME.fullmatch(name):
        raise DepthError(f"{file}: models.{name}: not a name for a model", NAME_HINT)
    return _checked(ModelInfo, table, file, ("models", name), {"name": name, "registry": file})


def _checked(kind: type[_T], table: Any, file: Path, keys: tuple[str, ...], more: dict[str, Any]) -> _T:
    if not isinstance(table, dict):
        raise DepthError(f"{file}: {'.'.join(keys)}: a table is expected")
    for key in ("name", "registry", "bare"):
        if key in table:
            raise DepthError(f"{file}: {'.'.join((*keys, key))}: no such key")
    try:
        return kind.model_validate({**table, **more})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in (*keys, *problem["loc"]))
        text = str(problem["msg"]).removeprefix("Value error, ")
        hint = "docs/models.md lists the keys and what they may be"
        if problem["type"] == "extra_forbidden":
            text = "no such key"
            near = difflib.get_close_matches(str(problem["loc"][-1]), _KEYS, n=1)
            hint = f"did you mean {near[0]!r}? {hint}" if near else hint
        raise DepthError(f"{file}: {where}: {text[:1].lower()}{text[1:]}", hint) from None


def entry_files() -> list[Path]:
    """What `depthflow models` wrote: one file in the folder of each network that was fetched, imported or exported."""
    # One that begins with a dot is still being filled.
    return sorted(paths.models_dir().glob(f"[!.]*/{ENTRY_NAME}"))


def user_registry() -> Path:
    """The registry that the user writes; it need not exist."""
    return paths.config_dir() / USER_FILE_NAME


def load_registry(files: Iterable[Path] | None = None) -> dict[str, ModelInfo]:
    """All known models by name; what ships first, later files win.

    Args:
        files: read these instead of the usual ones.
    """
    if files is None:
        user = user_registry()
        files = [paths.data("models", FILE_NAME), *entry_files(), *([user] if user.is_file() else [])]
    models: dict[str, ModelInfo] = {}
    pulled: dict[str, Pulled] = {}
    for file in files:
        found, fetched = _read(file)
        models.update(found)
        pulled.update(fetched)
    return {name: _filled(info, pulled.get(name)) for name, info in models.items()}


def _filled(info: ModelInfo, pulled: Pulled | None) -> ModelInfo:
    """The entry with what was learnt when its file was fetched; a pull of another file tells nothing."""
    hub = info.hub
    if pulled is None or hub is None or info.source != "huggingface":
        return info
    if (hub.repo, hub.file) != (pulled.repo, pulled.file) or hub.revision not in ("", pulled.revision):
        return info
    if info.sha256 not in ("", pulled.sha256):
        return info
    return info.model_copy(
        update={
            "hub": hub.model_copy(update={"revision": pulled.revision}),
            "sha256": pulled.sha256,
            "size_mb": pulled.size_mb or info.size_mb,
            "verified": info.verified or pulled.verified,
        }
    )


def find_model(name_or_path: str, models: dict[str, ModelInfo] | None = None) -> ModelInfo:
    """A model of the registry, or an .onnx file on disk.

    A file that no registry describes is read by the keys of the TOML file beside it (network.onnx, network.toml:
    those of a [models.NAME] table), for the rest with the defaults of InputRule and OutputRule (ImageNet
    statistics, disparity out); shapes, layout and types then come from the ONNX itself.

    Raises:
        UnknownNameError: no model has that name; carries the nearest.
        DepthError: the .onnx file is not there, or what lies beside it is wrong.
    """
    models = load_registry() if models is None else models
    if name_or_path in models:
        return models[name_or_path]
    if name_or_path.lower().endswith(".onnx"):
        file = paths.expanded(name_or_path).resolve()
        if not file.is_file():
            raise DepthError(f"{name_or_path}: no such model file", "check the path, or see: depthflow models list")
        for info in models.values():
            # The same file as a registered one: then its rules are known. (To ask where one lies takes a while.)
            known = info.hub.file if info.hub else info.file
            if Path(known).name == file.name and info.available() and info.path().resolve() == file:
                return info
        return described(file)
    raise UnknownNameError("model", name_or_path, models)


def described(file: Path) -> ModelInfo:
    """An .onnx file by what the TOML file beside it says; without one, by the defaults.

    Raises:
        DepthError: the TOML file is wrong; names it and the key.
    """
    beside = file.with_suffix(".toml")
    table: dict[str, Any] = {}
    if beside.is_file():
        table = _table(beside)
    for key in ("source", "file", "hub", "torch"):
        if key in table:
            raise DepthError(f"{beside}: {key}: the file beside this one is meant, leave the key out")
    rule = table.get("input")
    bare = not (isinstance(rule, dict) and "layout" in rule)
    info = _checked(ModelInfo, table, beside, (), {"name": file.stem, "file": str(file)})
    return info.model_copy(update={"title": info.title or file.name, "bare": bare})


def usable_model(name_or_path: str, fallback: Literal["none", "builtin"] = "none") -> tuple[ModelInfo, str]:
    """The model to use and a line for people, empty if it is the one asked for.

    Args:
        fallback: what to do about a registered model that is not on this computer: "none" raises, "builtin" takes
            the network that ships.

    Raises:
        UnknownNameError, DepthError: as find_model; or not here, with the command that brings it.
    """
    models = load_registry()
    info = find_model(name_or_path, models)
    if info.available():
        return info, ""
    if fallback == "builtin" and info.source in ("huggingface", "export"):
        return models["builtin"], f"model {info.name!r} is not on this computer, used 'builtin'; {info.pull_hint}"
    info.path()
    raise DepthError(f"{info.path()}: the file of model {info.name!r} is missing", info.pull_hint)
