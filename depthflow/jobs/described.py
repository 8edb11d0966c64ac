"""Descriptions of a model's fields from the docstrings below them, read only when a schema is asked for.

Pydantic can do it itself (`use_attribute_docstrings`), but then parses the source whenever the program starts.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel


@cache
def descriptions(model: type) -> dict[str, str]:
    """Field -> its docstring, for the fields that `model` itself declares."""
    for node in ast.walk(_module(model.__module__)):
        if isinstance(node, ast.ClassDef) and node.name == model.__name__:
            return dict(_described(node.body))
    return {}


def add_descriptions(schema: dict[str, Any], model: type) -> None:
    """A `json_schema_extra` of pydantic: puts the docstrings into a model's JSON schema."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if owner.__module__.startswith(("depthflow.", "depthflow_daemon.")):
            found |= descriptions(owner)
    if issubclass(model, BaseModel):
        found |= {
            field.alias: found[name] for name, field in model.model_fields.items() if field.alias and name in found
        }
    for name, field in schema.get("properties", {}).items():
        if name in found:
            field.setdefault("description", found[name])


@cache
def _module(name: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[name]))


def _described(body: list[ast.stmt]) -> list[tuple[str, str]]:
    return [
        (field.target.id, inspect.cleandoc(text.value.value))
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    ]
