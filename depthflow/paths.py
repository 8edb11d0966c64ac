"""Where things are: the data that ships with the program, and the user's own folders. It reads no file's content."""

from __future__ import annotations

import os
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Literal

import platformdirs

from depthflow.errors import SystemError_

_PACKAGE = Path(__file__).resolve().parent
_APP = "depthflow"

Kind = Literal["shaders", "models", "config"]


@cache
def data_root() -> Path:
    """The folder that holds shaders/, models/ and config/.

    A checkout wins over what the package carries: an editable install *copies* that data once, and the copy
    goes stale, so an edited shader or preset would have no effect.
    """
    for root in (_PACKAGE.parent, _PACKAGE / "data"):
        if (root / "shaders").is_dir() and (root / "config" / "depthflow.toml").is_file():
            return root
    raise SystemError_(
        f"the program's data is missing beside {_PACKAGE}",
        "reinstall: pip install --force-reinstall depthflow-studio",
    )


def data(kind: Kind, *parts: str) -> Path:
    """A file or folder that ships with the program; whether it exists is for the caller to see."""
    return data_root().joinpath(kind, *parts)


def expanded(path: str | PathLike[str]) -> Path:
    """The path with ~ and ~user written out. Where no such user is, ~ is a sign of the name like any other."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - pathlib raises RuntimeError there


def is_folder(path: str | PathLike[str]) -> bool:
    """Whether a folder is there, as far as this user can see."""
    # Not `is_dir` of pathlib: before Python 3.14 it fails on names that are too long and in folders that are closed.
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: str | PathLike[str]) -> bool:
    """Whether a file is there, as far as this user can see."""
    return os.path.isfile(path)  # noqa: PTH113 - as above


def exists(path: str | PathLike[str]) -> bool:
    """Whether something is there, as far as this user can see."""
    return os.path.exists(path)  # noqa: PTH110 - as above


def _folder(variable: str, default: str) -> Path:
    # An empty variable counts as unset, as the XDG rules have it.
    return expanded(os.environ.get(variable) or default)


def config_dir() -> Path:
    """User settings, presets and motions (DEPTHFLOW_CONFIG_DIR overrides)."""
    return _folder("DEPTHFLOW_CONFIG_DIR", platformdirs.user_config_dir(_APP, appauthor=False))


def cache_dir() -> Path:
    """What can be made again: depth maps, probes (DEPTHFLOW_CACHE_DIR overrides)."""
    return _folder("DEPTHFLOW_CACHE_DIR", platformdirs.user_cache_dir(_APP, appauthor=False))


def models_dir() -> Path:
    """Downloaded and imported networks (DEPTHFLOW_MODELS_DIR overrides)."""
    return _folder("DEPTHFLOW_MODELS_DIR", str(Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "models"))


def state_dir() -> Path:
    """What the daemon must not lose: its stores (DEPTHFLOW_STATE_DIR overrides)."""
    return _folder("DEPTHFLOW_STATE_DIR", platformdirs.user_state_dir(_APP, appauthor=False))


def runtime_dir() -> Path:
    """What lives as long as the daemon: its socket (DEPTHFLOW_RUNTIME_DIR overrides).

    The user's runtime folder, where the system has one (XDG_RUNTIME_DIR): private, and gone after a reboot.
    """
    session = os.environ.get("XDG_RUNTIME_DIR")
    return _folder("DEPTHFLOW_RUNTIME_DIR", str(Path(session) / _APP if session else state_dir() / "run"))


def socket_file() -> Path:
    """The daemon's Unix socket (DEPTHFLOW_SOCKET overrides); it is there while a daemon runs."""
    return _folder("DEPTHFLOW_SOCKET", str(runtime_dir() / "depthflowd.sock"))


def user_config_file() -> Path:
    """The user's settings file; it need not exist."""
    return config_dir() / "depthflow.toml"
