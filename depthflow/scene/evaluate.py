"""The one way in which motions and timelines become numbers: terms applied in order, for all frames at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from depthflow.scene.camera import Camera
from depthflow.scene.parameters import TABLE

Array = NDArray[np.float64]

CLOSEST = 0.95
"""How far forwards a camera goes at most, in distances to the nearest thing; by a dolly, to the focus plane too."""

CAMERA = tuple(f.name for f in fields(Camera))


class Term(Protocol):
    """What changes one parameter over normalised time: a `Component` or a laid-out track of keys."""

    @property
    def parameter(self) -> str:
        """Name in the table of parameters."""
        ...

    def apply(self, value: Array | float, t: Array | float, strength: float = 1.0, seed: int = 0) -> Array:
        """The new values at the times t, made of the values so far."""
        ...


def evaluate(
    terms: Iterable[Term], values: dict[str, Array], t: Array, *, strength: float = 1.0, seed: int = 0
) -> None:
    """Apply terms to `values`, in place.

    Args:
        values: (N,) or scalar arrays by parameter; what is missing starts at the table's default.
        t: (N,) times within 0 .. 1.
        strength: scales every term.
        seed: of the noise.
    """
    for term in terms:
        name = term.parameter
        before = values.get(name)
        values[name] = term.apply(TABLE[name].default if before is None else before, t, strength, seed)


def rest_values(rest: Camera) -> dict[str, Array]:
    """The parameters of a resting camera; a camera without pivot has none."""
    pairs = ((name, getattr(rest, name)) for name in CAMERA)
    return {name: np.asarray(value, np.float64) for name, value in pairs if value is not None}


def limited(values: Mapping[str, Array]) -> dict[str, Array]:
    """The values brought back into their ranges, and the camera kept before the nearest thing."""
    result = {name: np.clip(value, TABLE[name].low, TABLE[name].high) for name, value in values.items()}
    if "z" in result and "relief" in result:
        # The camera stands at z - dolly.
        most = CLOSEST / (1.0 + result["relief"])
        # Beyond the focus plane a field of view that keeps its size would turn the picture upside down.
        before_focus = CLOSEST / np.maximum(1.0, 1.0 + result["relief"] * result.get("focus", np.asarray(0.0)))
        dolly = np.maximum(result.get("dolly", np.asarray(0.0)), -np.minimum(most, before_focus))
        result["dolly"] = dolly
        result["z"] = np.minimum(result["z"], most + dolly)
    return result


def cameras(values: Mapping[str, Array], count: int) -> list[Camera]:
    """One camera per frame from values as `limited` gives them."""
    columns = {name: np.broadcast_to(values[name], (count,)).tolist() for name in CAMERA if name in values}
    names = tuple(columns)
    return [Camera(**dict(zip(names, row, strict=True))) for row in zip(*columns.values(), strict=True)]
