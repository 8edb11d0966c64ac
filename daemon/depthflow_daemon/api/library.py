"""What there is to choose from: presets and depth networks."""

from __future__ import annotations

from fastapi import APIRouter

from depthflow.client.models import Model, Preset, PresetDetail
from depthflow.errors import UnknownNameError, UsageError
from depthflow.jobs import library
from depthflow_daemon.api.parts import Name
from depthflow_daemon.api.problems import RefusedError

router = APIRouter(tags=["library"])


@router.get("/presets")
def list_presets() -> list[Preset]:
    """The presets of the library by name; those that are broken are left out."""
    found = []
    for name in library.names("presets"):
        try:
            found.append(Preset.model_validate(_preset(name).model_dump()))
        except UsageError:
            continue
    return found


@router.get("/presets/{name}")
def show_preset(name: Name) -> PresetDetail:
    """One preset with what it says."""
    known = library.names("presets")
    if name not in known:
        error = UnknownNameError("preset", name, known)
        raise RefusedError(404, str(error), error.hint)
    return _preset(name)


@router.get("/models")
def list_models() -> list[Model]:
    """The depth networks of the registry, here or not."""
    from depthflow.depth.registry import load_registry

    return [
        Model(
            name=info.name,
            title=info.title,
            source=info.source,
            here=(here := info.available()),
            size_mb=info.size_mb,
            licence=info.licence,
            commercial_use=info.commercial_use,
            get="" if here else info.pull_hint,
        )
        for info in load_registry().values()
    ]


def _preset(name: str) -> PresetDetail:
    preset = library.load_preset(name)
    own = preset.path.is_relative_to(library.folders("presets")[0])
    return PresetDetail(
        name=name, description=preset.description, source="user" if own else "builtin", parts=preset.parts
    )
