"""Writes and removes the networks in the models folder: one folder each, with an entry.toml that describes it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from depthflow import paths
from depthflow.depth.registry import (
    ENTRY_NAME,
    NAME,
    NAME_HINT,
    SCHEMA,
    ModelInfo,
    Pulled,
    confined,
    load_registry,
    user_registry,
)
from depthflow.errors import DepthError, OutputError, UsageError

ONNX_NAME = "model.onnx"
_HEAD = "# Written by `depthflow models`. Your own networks stand in models.toml in the settings folder.\n"
_OF_THE_FILE = {"name", "registry", "bare", "hub", "source", "file"}


def check_name(name: str, *, overwrite: bool) -> Path:
    """The folder that a network of this name gets.

    Raises:
        UsageError: not a name for a model, or taken.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a name for a model", NAME_HINT)
    known = load_registry().get(name)
    if known is not None and known.source == "builtin":
        raise UsageError(f"{name!r} is the network that ships", "choose another --name")
    if known is not None and known.available() and not overwrite:
        raise UsageError(f"there is a model {name!r} already", "choose another --name, or add --overwrite")
    return confined(paths.models_dir(), name, name)


@contextlib.contextmanager
def new_folder(name: str) -> Iterator[Path]:
    """A folder to fill; it becomes the model's folder when the block ends well, else it goes.

    Raises:
        OutputError: the models folder cannot be written.
    """
    target = confined(paths.models_dir(), name, name)
    with _writing(target):
        paths.models_dir().mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=paths.models_dir()))
        folder.chmod(0o755)
    try:
        yield folder
        with _writing(target):
            _delete(target)
            folder.replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_model(folder: Path, info: ModelInfo) -> None:
    """Describe the network whose file ONNX_NAME lies in this folder.

    Raises:
        OutputError: it cannot be written.
    """
    table = info.model_dump(mode="json", exclude=_OF_THE_FILE, exclude_none=True)
    table = {"source": "local", "file": ONNX_NAME, **table}
    _write(folder, {"schema": SCHEMA, "models": {info.name: table}})


def write_pulled(info: ModelInfo, pulled: Pulled) -> None:
    """Write down what was fetched, beside it.

    Raises:
        OutputError: it cannot be written.
    """
    _write(info.folder, {"schema": SCHEMA, "pulled": {info.name: pulled.model_dump(mode="json")}})


def import_file(file: Path, info: ModelInfo, *, overwrite: bool = False) -> ModelInfo:
    """Copy an .onnx file, and the weights that lie beside it, into the models folder.

    Args:
        info: how it is called and read; its place is not looked at.

    Raises:
        UsageError: the name is no good, or taken.
        DepthError: the file is not there.
        OutputError: the models folder cannot be written.
    """
    check_name(info.name, overwrite=overwrite)
    if not file.is_file():
        raise DepthError(f"{file}: no such model file", "check the path")
    with new_folder(info.name) as folder, _writing(folder):
        shutil.copyfile(file, folder / ONNX_NAME)
        # External weights are found by the name that the .onnx file gives them.
        for beside in (file.with_name(f"{file.name}_data"), file.with_name(f"{file.name}.data")):
            if beside.is_file():
                shutil.copyfile(beside, folder / beside.name)
        write_model(folder, info)
    return load_registry()[info.name]


def remove(info: ModelInfo) -> int:
    """Delete a network from the models folder; bytes that were freed. Nothing outside of that folder is touched.

    Raises:
        UsageError: it ships with the program, stands in the user's own registry, or is not there.
        OutputError: it cannot be deleted.
    """
    if info.source == "builtin":
        raise UsageError(f"model {info.name!r} ships with the program", "it cannot be removed")
    # A path would be no name: "..", for one, has the models folder for its parent.
    folder = paths.models_dir().resolve() / info.name
    if not NAME.fullmatch(info.name) or not (folder.is_dir() or folder.is_symlink()):
        if info.registry == user_registry():
            raise UsageError(f"model {info.name!r} stands in {info.registry}", "take its table out of that file")
        if info.available():
            raise UsageError(f"{info.path()} is not in the models folder", "delete it where it is: hf cache rm")
        raise UsageError(f"model {info.name!r} is not on this computer", "see: depthflow models list")
    freed = 0 if folder.is_symlink() else sum(f.lstat().st_size for f in folder.rglob("*") if not f.is_dir())
    with _writing(folder):
        _delete(folder)
    return freed


def _delete(folder: Path) -> None:
    """A folder with all that is in it; of links, wherever they are, only the link."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _write(folder: Path, data: dict[str, Any]) -> None:
    import tomli_w

    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{ENTRY_NAME}.{os.getpid()}"
        temporary.write_text(_HEAD + tomli_w.dumps(data), encoding="utf-8")
        temporary.replace(folder / ENTRY_NAME)


@contextlib.contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{place}: cannot be written: {error.strerror or error}",
            "make room or make it writable, or name another folder in DEPTHFLOW_MODELS_DIR",
        ) from None
