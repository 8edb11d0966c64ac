"""A look as a preset of the user's own: a TOML file, whose comments stay when it is saved again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from depthflow.errors import OutputError, UsageError
from depthflow.jobs import library
from depthflow.settings_file import with_tables, write_text

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def preset_toml(parts: Mapping[str, Any], description: str = "") -> str:
    """A preset as text."""
    return tomli_w.dumps(_content(parts, description))


def preset_path(name: str) -> Path:
    """Where a preset of this name is kept.

    Raises:
        UsageError: it cannot be one's name.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a preset's name", "letters, digits, - and _, beginning with a letter or a digit"
        )
    return library.folders("presets")[0] / f"{name}.toml"


def save_preset(name: str, parts: Mapping[str, Any], description: str = "", *, overwrite: bool = False) -> Path:
    """Write it into the user's folder.

    Args:
        parts: what it says, as `StudioModel.preset_parts` has it.
        overwrite: make an existing one say this; its comments stay.

    Raises:
        UsageError: no such name can be, or an existing file cannot be read. OutputError: it is there already, or
            cannot be written.
    """
    path = preset_path(name)
    if path.exists() and not overwrite:
        raise OutputError(f"{path} is there already", "choose another name, or replace it")
    content = _content(parts, description)
    write_text(path, with_tables(path, content) if path.exists() else tomli_w.dumps(content))
    return path


def _content(parts: Mapping[str, Any], description: str) -> dict[str, Any]:
    return ({"description": description} if description else {}) | dict(parts)
