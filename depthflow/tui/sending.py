"""Submits photos so that no result of another job is replaced: a name that is taken gets a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from depthflow.client import AsyncClient
from depthflow.client.models import Job
from depthflow.errors import DepthFlowError
from depthflow.paths import expanded

TRIES = 50


async def submit(
    client: AsyncClient,
    photo: str,
    *,
    preset: str | None = None,
    spec: Mapping[str, Any] | None = None,
    roots: Sequence[str] | None = None,
) -> Job:
    """Queue a photo; work that is done already is `skipped`, other work goes into a file of its own.

    Args:
        As of `client.submit`.

    Raises:
        DepthFlowError: as `client.submit`.
    """
    parts: dict[str, Any] = dict(spec or {})
    number = 1
    while True:
        try:
            return await client.submit(photo, preset=preset, spec=parts, roots=roots)
        except DepthFlowError as error:
            taken = taken_place(error, photo, parts)
            number += 1
            if taken is None or number > TRIES:
                raise
            # Only the daemon knows which names are promised to jobs that have not been made yet.
            parts = with_path(parts, numbered(taken, number))


def taken_place(error: DepthFlowError, photo: str, parts: Mapping[str, Any]) -> Path | None:
    """The file that a refusal is about, as it was asked for first; None if it is about something else."""
    named, colon, _ = error.message.partition(": ")
    path = Path(named)
    asked = _path(parts)
    if not colon or not path.is_absolute():
        return None
    if asked is not None:
        return unnumbered(path) if path == Path(asked) else None
    source = expanded(photo).absolute()
    beside = path.parent == source.parent and path.name.startswith(source.stem) and path.suffix != source.suffix
    return path if beside else None


def numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def unnumbered(path: Path) -> Path:
    """Without the number that `numbered` gave it."""
    stem, dash, number = path.stem.rpartition("-")
    return path.with_name(stem + path.suffix) if dash and number.isdigit() and len(number) <= 2 else path


def with_path(parts: Mapping[str, Any], path: Path) -> dict[str, Any]:
    outputs = list(parts.get("outputs") or [{}])
    return {**parts, "outputs": [{**outputs[0], "path": str(path)}, *outputs[1:]]}


def _path(parts: Mapping[str, Any]) -> str | None:
    outputs = parts.get("outputs") or [{}]
    path: str | None = outputs[0].get("path")
    return path


def varied(spec: Mapping[str, Any], *, same_look: bool, output: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a job's spec that another one like it is sent with.

    Args:
        spec: of the job.
        same_look: else a preset says how it looks, and only depth, sound and seed are taken over.
        output: what differs in the first output.
    """
    kept = tuple(spec) if same_look else ("depth", "audio", "seed")
    parts = {key: value for key, value in spec.items() if key in kept and key not in ("photo", "preset", "version")}
    first = dict((spec.get("outputs") or [{}])[0])
    place, photo = first.pop("path", None), Path(spec.get("photo", ""))
    first.pop("overwrite", None)
    laid = {**(first if same_look else {}), **output}
    if place is not None and Path(place).parent != photo.parent:
        # Not beside the photo: there, where the other one is, but not over it.
        suffix = f".{output['format']}" if output.get("format") not in (None, first.get("format")) else ""
        path = Path(place)
        laid["path"] = str(numbered(unnumbered(path.with_suffix(suffix) if suffix else path), 2))
    return {**parts, "outputs": [laid]}
