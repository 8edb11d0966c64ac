"""What all pieces of a JobSpec share: strict about keys, and numbers whose range the table of parameters has."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from depthflow.jobs.described import add_descriptions
from depthflow.scene.parameters import TABLE


class Part(BaseModel):
    """A piece of a JobSpec: frozen, and it refuses keys that it does not know, NaN and infinity."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra=add_descriptions,
        defer_build=True,  # the JobSpec that they are pieces of is built, and holds what they are
    )


def animated(name: str, *, default: Any = ...) -> Any:
    """A field with the range, the default and the description of a parameter.

    Args:
        default: instead of the table's, such as None for "follow something else".
    """
    row = TABLE[name]
    text = f"{row.text[:1].upper()}{row.text[1:]}" + (f" ({row.unit})" if row.unit else "") + "."
    start = row.default if default is ... else default
    return Field(start, ge=row.low, le=row.high, description=text)
