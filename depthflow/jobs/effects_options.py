"""Effects as people ask for them: names alone, name.key=value, or tables. It knows no renderer."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from typing import Any

from depthflow.errors import UnknownNameError, UsageError
from depthflow.jobs.effects_spec import SUGGESTED, EffectsSpec

Data = dict[str, dict[str, Any]]

PARTS = tuple(EffectsSpec.model_fields)

_SHOWN = {"caption": "caption.text", "watermark": "watermark.file"}
"""What a text alone means."""


def keys() -> dict[str, Any]:
    """Every "effect.key" and its field, in order."""
    found = {}
    for part, field in EffectsSpec.model_fields.items():
        for key, inner in field.annotation.model_fields.items():  # type: ignore[union-attr]
            found[f"{part}.{key}"] = inner
    return found


def from_options(options: Iterable[str]) -> Data:
    """What `--effect` says: NAME for a usual amount, NAME.KEY=VALUE for a value of one's own; the later wins.

    Raises:
        UsageError: an unknown name, with the nearest one, or no value.
    """
    data: Data = {}
    for option in options:
        name, equals, text = option.partition("=")
        name = name.strip()
        if not equals:
            _lay(data, suggested(name))
            continue
        if "." not in name and name not in PARTS:
            raise UnknownNameError("effect", name, (*PARTS, *SUGGESTED))
        if "." not in name:
            known = [key for key in keys() if key.startswith(f"{name}.")]
            hint = f"write one of {', '.join(f'{key}=' for key in known)}"
            raise UsageError(f"effect {option}: {name} has no value of its own", hint)
        _lay(data, {_key(name): _value(name, text.strip())})
    return data


def from_given(effects: str | Iterable[str] | Mapping[str, Any] | None) -> Data:
    """What Python code says: a name, several as `from_options` takes them, or a table as `from_table` does.

    Raises:
        UsageError: an unknown name, with the nearest one, or something that is none of these.
    """
    if isinstance(effects, Mapping):
        return from_table(effects)
    named = [effects] if isinstance(effects, str) else effects
    if named is None:
        return {}
    names = list(named) if isinstance(named, Iterable) else [named]
    for name in names:
        if not isinstance(name, str):
            raise UsageError(
                f"effects: names, or a table by name, are expected (got {name!r})", 'write {"vignette": True}'
            )
    return from_options(names)


def from_table(table: Mapping[str, Any]) -> Data:
    """A table: {"vignette": True, "fog": {"density": 2}, "grain.strength": 0.2, "caption": "Hello"}; True is a usual
    amount, False and None are nothing.

    Raises:
        UsageError: an unknown name, with the nearest one, or a value where several are needed.
    """
    data: Data = {}
    for name, value in table.items():
        if not isinstance(name, str):
            raise UnknownNameError("effect", str(name), PARTS)
        if value is True:
            _lay(data, suggested(name))
        elif isinstance(value, Mapping):
            if name not in PARTS:
                raise UnknownNameError("effect", name, PARTS)
            _lay(data, {f"{name}.{key}": inner for key, inner in value.items()})
        elif name in _SHOWN and isinstance(value, str | PathLike):
            _lay(data, {_SHOWN[name]: fspath(value)})
        elif value is not False and value is not None:
            if name in PARTS:
                known = [key for key in keys() if key.startswith(f"{name}.")]
                raise UsageError(
                    f"effects: {name}: {'text' if name in _SHOWN else 'True'} or a table is expected (got {value!r})",
                    f'write {{"{_SHOWN.get(name, known[0])}": ...}}; known here: {", ".join(known)}',
                )
            _lay(data, {_key(name): value})
    return data


def suggested(name: str) -> dict[str, Any]:
    """The usual amount of an effect, by "effect.key".

    Raises:
        UnknownNameError: no such name.
    """
    if name in ("caption", "watermark"):
        raise UsageError(f"effect {name}: what should it show?", "write caption.text=..., or watermark.file=...")
    if name not in SUGGESTED:
        raise UnknownNameError("effect", name, SUGGESTED)
    return SUGGESTED[name]


def _key(name: str) -> str:
    known = keys()
    if name not in known:
        part = name.partition(".")[0]
        raise UnknownNameError(
            "effect", name, [key for key in known if part not in PARTS or key.startswith(f"{part}.")]
        )
    return name


def _lay(data: Data, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        part, _, key = name.partition(".")
        data.setdefault(part, {})[key] = value


def unescaped(text: str) -> str:
    """A text of the command line: backslash and n are a line break, two backslashes and n a backslash and n."""
    return re.sub(r"(\\?)\\n", lambda found: r"\n" if found[1] else "\n", text)


def escaped(text: str) -> str:
    """What `unescaped` makes this text of; line breaks stay what they are."""
    return text.replace(r"\n", r"\\n")


def _value(name: str, text: str) -> Any:
    """The text as TOML has numbers and true or false, or the text itself where text belongs."""
    if name == "caption.text":
        return unescaped(text)
    annotation = str(keys()[name].annotation)
    if "float" not in annotation and "bool" not in annotation:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except (ValueError, RecursionError):
        return text
