"""Turns a pydantic ValidationError into one line that names the file, the key and what is allowed."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError

_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
_NO_TABLE = ("model_type", "model_attributes_type", "dataclass_type", "dict_type")
_BOUNDS = (
    ("exclusiveMinimum", "above"),
    ("minimum", "at least"),
    ("exclusiveMaximum", "below"),
    ("maximum", "at most"),
)


def _node_at(model: type[BaseModel], path: tuple[int | str, ...]) -> dict[str, Any]:
    """What the model's JSON schema says at `path`; empty where it says nothing."""
    schema: dict[str, Any] = model.model_json_schema()
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
    key = ".".join(str(step) for step in path) or "(top)"
    hint = ""
    if problem["type"] in _UNKNOWN_KEY:
        known = sorted(_node_at(model, prefix + path[:-1]).get("properties", {}))
        near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
        text = "unknown key"
        hint = (f"did you mean {near[0]!r}? " if near else "") + f"known here: {', '.join(known)}"
    elif problem["type"] in _NO_TABLE:
        text = f"a table with keys is expected (got {problem['input']!r})"
        hint = f"known here: {', '.join(sorted(_node_at(model, prefix + path).get('properties', {})))}"
    else:
        text = str(problem["msg"]).removeprefix("Value error, ")
        text = text[:1].lower() + text[1:]
        if "input" in problem and not isinstance(problem["input"], dict | list | tuple):
            text += f" (got {problem['input']!r})"
        cause = problem.get("ctx", {}).get("error")
        hint = getattr(cause, "hint", "") or _allowed(_node_at(model, prefix + path), problem.get("input"))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{source}: {key}: {text}{more}", hint
