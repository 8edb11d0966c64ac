"""Turns a pydantic ValidationError into one line that names the file, the key and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from depthflow.errors import UsageError

_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
_NO_TABLE = ("model_type", "model_attributes_type", "dataclass_type", "dict_type")
_BRANCHES = {"str": "text", "float": "a number", "int": "a whole number", "bool": "true or false"}
"""What pydantic adds to the path of a value that may be of several types."""

_EXPECTED = {
    "tuple_type": "a list",
    "list_type": "a list",
    "string_type": "text",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
}
"""What pydantic's kinds of problems mean."""

_BOUNDS = (
    ("exclusiveMinimum", "above"),
    ("minimum", "at least"),
    ("exclusiveMaximum", "below"),
    ("maximum", "at most"),
)


T = TypeVar("T")
_NOT_THERE = object()

_WORDS = {"number": "a number", "integer": "a whole number", "boolean": "true or false"}


@cache
def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def refuse_other_types(data: Any, model: type[BaseModel], source: str, *, prefix: tuple[str, ...] = ()) -> None:
    """Refuse text and true/false where a number belongs, and the like, which pydantic would turn into one.

    Args:
        data, model, source, prefix: as in `first_problem`; data is plain, as TOML and JSON give it.

    Raises:
        UsageError: names source and key.
    """
    schema = _schema_of(model)
    node: Any = schema
    for step in prefix:
        node = _follow(schema, node).get("properties", {}).get(step, {})
    _compare(schema, node, data, source, ())


def checked(
    validate: Callable[[Any], T], data: Any, model: type[BaseModel], source: str, *, prefix: tuple[str, ...] = ()
) -> T:
    """What `validate` makes of plain data, as TOML and JSON give it.

    Args:
        model: whose schema tells what is allowed.
        source: the file or thing that the data came from.
        prefix: where in the model the data sits.

    Raises:
        UsageError: names source, key and what is allowed.
    """
    try:
        made = validate(data)
    except ValidationError as error:
        refuse_other_types(data, model, source, prefix=prefix)
        raise UsageError(*first_problem(error, model, source, prefix=prefix)) from None
    # The schema takes longer to work out than all else: not before something looks like it has become a number.
    if not _as_given(data, made):
        refuse_other_types(data, model, source, prefix=prefix)
    return made


def _as_given(data: Any, made: Any) -> bool:
    """Whether for certain no text and no true or false has become a number or the like on the way from data."""
    if isinstance(data, dict):
        return all(_as_given(value, getattr(made, key, _NOT_THERE)) for key, value in data.items())
    if isinstance(data, list | tuple):
        alike = isinstance(made, list | tuple) and len(made) == len(data)
        return alike and all(map(_as_given, data, made))
    if isinstance(data, bool):
        return isinstance(made, bool)
    return not isinstance(data, str) or isinstance(made, str)


def _compare(schema: dict[str, Any], node: Any, value: Any, source: str, path: tuple[int | str, ...]) -> None:
    options = [_follow(schema, option) for option in node.get("anyOf", [node])]
    if isinstance(value, dict):
        for key, inner in value.items():
            known: Any = next((o["properties"][key] for o in options if key in o.get("properties", {})), {})
            _compare(schema, known, inner, source, (*path, key))
    elif isinstance(value, list | tuple):
        items: Any = next((o["items"] for o in options if "items" in o), {})
        for index, inner in enumerate(value):
            _compare(schema, items, inner, source, (*path, index))
    elif isinstance(value, bool | str):
        kinds = {option.get("type") for option in options}
        if kinds & set(_WORDS) and ("boolean" if isinstance(value, bool) else "string") not in kinds:
            wanted = " or ".join(word for kind, word in _WORDS.items() if kind in kinds)
            key = ".".join(map(str, path))
            raise UsageError(f"{source}: {key}: {wanted} is expected (got {value!r})")


def _node_at(model: type[BaseModel], path: tuple[int | str, ...]) -> dict[str, Any]:
    """What the model's JSON schema says at `path`; empty where it says nothing."""
    schema = _schema_of(model)
    node: Any = schema
    for step in path:
        node = _follow(schema, node)
        node = node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
    found: dict[str, Any] = _follow(schema, node)
    return found


def _follow(schema: dict[str, Any], node: Any) -> Any:
    """Resolve $ref and take the object or array out of an optional field."""
    while True:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        elif "anyOf" in node:
            node = next((n for n in node["anyOf"] if n.get("type") != "null"), {})
        else:
            return node


def _allowed(node: dict[str, Any], got: Any) -> str:
    """The values or the range that a schema node allows, in words; empty if it sets no bounds."""
    if choices := node.get("enum"):
        near = difflib.get_close_matches(str(got), map(str, choices), n=1, cutoff=0.5)
        return (f"did you mean {near[0]!r}? " if near else "") + f"allowed: {', '.join(map(str, choices))}"
    bounds = [f"{word} {node[name]}" for name, word in _BOUNDS if name in node]
    return f"allowed: {' and '.join(bounds)}" if bounds else ""


def _branch(model: type[BaseModel], path: tuple[int | str, ...], prefix: tuple[str, ...]) -> bool:
    """The last step of the path names a type that was tried, and no key."""
    parent = _node_at(model, prefix + path[:-1])
    return bool(path) and path[-1] in _BRANCHES and path[-1] not in parent.get("properties", {})


def _short(value: Any) -> bool:
    return not isinstance(value, dict | list | tuple)


def first_problem(
    error: ValidationError, model: type[BaseModel], source: str, *, prefix: tuple[str, ...] = ()
) -> tuple[str, str]:
    """(message, hint) of the first problem; the message counts the others.

    Args:
        model: whose schema tells what is allowed.
        source: the file or thing that the data came from.
        prefix: where in the model the validated data sits.
    """
    # A misspelt key also leaves the right one missing: the misspelling says more.
    problems = sorted(error.errors(include_url=False), key=lambda p: p["type"] not in _UNKNOWN_KEY)
    # A list is also called too short when its only item was refused: that item's problem says it all.
    deeper = {p["loc"][:n] for p in problems for n in range(len(p["loc"]))}
    problems = [p for p in problems if p["type"] != "too_short" or p["loc"] not in deeper]
    problem = problems[0]
    path = problem["loc"]
    wanted = ""
    if _branch(model, path, prefix):
        # All types that were tried say that they are not what was given: that is one problem.
        path = path[:-1]
        tried = [p for p in problems if p["loc"][:-1] == path]
        wanted = " or ".join(_BRANCHES.get(str(p["loc"][-1]), "another kind") for p in tried)
        if any(p["type"] == "finite_number" for p in tried):
            wanted = _EXPECTED["finite_number"]
        problems = [problem, *(p for p in problems if p not in tried)]
    key = "".join(f"{step}." for step in path).removesuffix(".")
    hint = ""
    if problem["type"] in _UNKNOWN_KEY:
        known = sorted(_node_at(model, prefix + path[:-1]).get("properties", {}))
        near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
        text = "unknown key"
        hint = (f"did you mean {near[0]!r}? " if near else "") + f"known here: {', '.join(known)}"
    elif wanted:
        text = f"{wanted} is expected (got {problem['input']!r})"
    elif problem["type"] in _EXPECTED:
        got = problem["input"]
        text = f"{_EXPECTED[problem['type']]} is expected" + (f" (got {got!r})" if _short(got) else "")
        hint = _allowed(_node_at(model, prefix + path), got)
    elif problem["type"] in _NO_TABLE:
        text = f"a table with keys is expected (got {problem['input']!r})"
        hint = f"known here: {', '.join(sorted(_node_at(model, prefix + path).get('properties', {})))}"
    else:
        text = str(problem["msg"]).removeprefix("Value error, ")
        text = text[:1].lower() + text[1:]
        got = problem.get("input")
        said = isinstance(got, str) and repr(got) in text
        if "input" in problem and _short(got) and not said:
            text += f" (got {got!r})"
        cause = problem.get("ctx", {}).get("error")
        hint = getattr(cause, "hint", "") or _allowed(_node_at(model, prefix + path), problem.get("input"))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    where = f"{source}: {key}" if key and key != source else source
    return f"{where}: {text}{more}", hint
