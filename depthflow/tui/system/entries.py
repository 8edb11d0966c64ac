"""Every setting as a row: value, origin, what it may be. It draws nothing, and writes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tomli_w

from depthflow.errors import DepthFlowError
from depthflow.settings import KEYS, VARIABLES, Loaded, check_value, json_schema, load_settings

_NOWHERE = Path(os.devnull)
"""A settings file without a setting."""
_NAMES = {key: variable for variable, key in VARIABLES.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting.

    Attributes:
        value, default: as they read in the file.
        origin: "default", "file" or the name of an environment variable.
        text: what it is for.
        allowed: what it may be; empty for any text.
    """

    key: str
    value: str
    default: str
    origin: str
    text: str
    allowed: str

    @property
    def changed(self) -> bool:
        return self.origin != "default"


def read_entries() -> list[Entry]:
    """All settings as they are now.

    Raises:
        UsageError: the user's file or a variable is wrong.
    """
    loaded, plain = load_settings(), load_settings(environ={}, user_file=_NOWHERE)
    return [_entry(key, loaded, plain) for key in KEYS]


def wrong(key: str, text: str) -> str:
    """Why a text is no value for a key, and what is allowed; empty if it is one."""
    try:
        check_value(key, text)
    except DepthFlowError as error:
        said = error.message.removeprefix(f"{key}: {key}: ").removeprefix(f"{key}: ")
        return f"{said}; {error.hint}" if error.hint else said
    return ""


def overruled(key: str) -> str:
    """The environment variable that wins over the file for this key; empty if none is set."""
    variable = _NAMES[key]
    return variable if os.environ.get(variable) else ""


def matching(entries: list[Entry], words: str) -> list[Entry]:
    """Those whose key, value or text contains all words."""
    wanted = words.lower().split()
    return [
        entry for entry in entries if all(word in f"{entry.key} {entry.value} {entry.text}".lower() for word in wanted)
    ]


def as_typed(value: str) -> str:
    """A value as one would type it: text without its quotes."""
    bare = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return value if "\\" in bare else bare


def _entry(key: str, loaded: Loaded, plain: Loaded) -> Entry:
    section, _, name = key.partition(".")
    schema = _schema()
    node = schema["$defs"][schema["properties"][section]["$ref"].rpartition("/")[2]]["properties"][name]
    origin = loaded.origin[key]
    from_file = origin not in ("default", _NAMES[key])
    return Entry(
        key,
        _toml(loaded.value(key)),
        _toml(plain.value(key)),
        "file" if from_file else origin,
        " ".join(str(node.get("description", "")).split()),
        allowed(node),
    )


_BOUNDS = (("exclusiveMinimum", "above"), ("minimum", "from"), ("exclusiveMaximum", "below"), ("maximum", "to"))


def allowed(node: dict[str, Any]) -> str:
    """What a schema's node lets a value be, in words."""
    if "anyOf" in node:
        return " or ".join(allowed(each) for each in node["anyOf"])
    if "enum" in node:
        return ", ".join(map(str, node["enum"]))
    if "const" in node:
        return str(node["const"])
    if node.get("type") == "boolean":
        return "true or false"
    bounds = " ".join(f"{word} {node[name]:g}" for name, word in _BOUNDS if name in node)
    kind = {"integer": "a whole number", "number": "a number"}.get(str(node.get("type")), "")
    return f"{kind} {bounds}".strip()


@cache
def _schema() -> dict[str, Any]:
    return json_schema()


def _toml(value: Any) -> str:
    return tomli_w.dumps({"v": value}).removeprefix("v = ").strip()
