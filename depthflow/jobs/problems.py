"""Turns a pydantic ValidationError into one line that names the file, the key and what is allowed."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError

_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Keys known at `path` inside the model's JSON schema."""
    schema: dict[str, Any] = model.model_json_schema()
    node: Any = schema
    for step in path:
        node = _follow(schema, node)
        node = node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
    return sorted(_follow(schema, node).get("properties", {}))


def _follow(schema: dict[str, Any], node: Any) -> Any:
    """Resolve $ref and take the object or array out of an optional field."""
    while True:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        elif "anyOf" in node:
            node = next((n for n in node["anyOf"] if n.get("type") != "null"), {})
        else:
            return node


def first_problem(error: ValidationError, model: type[BaseModel], source: str) -> tuple[str, str]:
    """(message, hint) of the first problem; the message counts the others."""
    # A misspelt key also leaves the right one missing: the misspelling says more.
    problems = sorted(error.errors(include_url=False), key=lambda p: p["type"] not in _UNKNOWN_KEY)
    problem = problems[0]
    path = problem["loc"]
    key = ".".join(str(step) for step in path) or "(top)"
    hint = ""
    if problem["type"] in _UNKNOWN_KEY:
        known = _fields_at(model, path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
        text = "unknown key"
        hint = (f"did you mean {near[0]!r}? " if near else "") + f"known here: {', '.join(known)}"
    else:
        text = str(problem["msg"]).removeprefix("Value error, ")
        text = text[:1].lower() + text[1:]
        if "input" in problem and not isinstance(problem["input"], dict | list | tuple):
            text += f" (got {problem['input']!r})"
        cause = problem.get("ctx", {}).get("error")
        hint = getattr(cause, "hint", "")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{source}: {key}: {text}{more}", hint
