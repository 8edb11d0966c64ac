"""Puts the application together."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from depthflow import __version__
from depthflow.client.models import API_VERSION, Event, PreviewRequest, Problem, Submit
from depthflow_daemon.api import events, files, jobs, library, metrics, previews, problems, queue, system
from depthflow_daemon.api.guards import Paced, Sized
from depthflow_daemon.core import Core

_REF = "#/components/schemas/{model}"
_PROBLEM = {
    "description": "Refused",
    "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


UPLOADS = frozenset(("POST", f"/{API_VERSION}/{part}") for part in ("jobs", "previews"))
"""What reads its body by itself, with a limit of its own."""


def create_app(core: Core) -> FastAPI:
    """The API over a daemon's parts.

    Args:
        core: outlives the application; its parts may be used from any thread.
    """
    app = FastAPI(
        title="DepthFlow daemon",
        version=__version__,
        openapi_url=f"/{API_VERSION}/openapi.json",
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=_name,
        redirect_slashes=False,
        responses={"4XX": _PROBLEM, "5XX": _PROBLEM},
    )
    app.state.core = core
    app.state.metrics = metrics.Metrics(core)
    for part in (jobs, events, files, queue, library, system, previews):
        app.include_router(part.router, prefix=f"/{API_VERSION}")
    app.include_router(system.health)
    app.include_router(metrics.router)
    problems.install(app)
    app.add_middleware(Sized, limit=core.limits.body_bytes, free=UPLOADS)
    app.add_middleware(Paced, per_second=core.limits.requests_per_second, counter=app.state.metrics.requests)
    app.add_middleware(problems.AllProblems)
    app.openapi = lambda: schema(app)  # type: ignore[method-assign]
    return app


def schema(app: FastAPI) -> dict[str, Any]:
    """The published contract (docs/openapi.json is this, written out)."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=API_VERSION,
            summary="Queue of parallax videos: submit photos, follow jobs, fetch results.",
            description="How to use it: docs/api.md. Every refusal is a Problem as application/problem+json.",
            routes=app.routes,
            license_info={"name": "AGPL-3.0-only", "identifier": "AGPL-3.0-only"},
        )
        parts = made["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            parts.pop(name, None)
        kinds: tuple[tuple[Any, str], ...] = (
            (Problem, "Problem"),
            (Submit, "Submit"),
            (PreviewRequest, "PreviewRequest"),
            (Event, "Event"),
        )
        for kind, name in kinds:
            own = TypeAdapter(kind).json_schema(ref_template=_REF)
            parts.update(own.pop("$defs", {}))
            parts[name] = own
        parts.update(_job_spec())
        for name in ("Submit", "PreviewRequest"):
            parts[name]["properties"]["spec"] = {
                "$ref": "#/components/schemas/JobSpecParts",
                "description": "What it leaves out has its default.",
            }
        for path in made["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        made["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "Over TCP; the Unix socket needs none."}
        }
        made["security"] = [{"token": []}, {}]
        app.openapi_schema = made
    return app.openapi_schema


def _job_spec() -> dict[str, Any]:
    from depthflow.jobs.spec import json_schema

    text = json_schema()
    found = {f"Job{name}" if not name.startswith("Job") else name: part for name, part in text.pop("$defs").items()}
    text.pop("$schema")
    # Of a request every part may be left out.
    text.pop("required", None)
    text["title"] = "JobSpecParts"
    found["JobSpecParts"] = text
    moved: dict[str, Any] = _moved(found)
    return moved


def _moved(node: Any) -> Any:
    """References of a schema of its own, as components."""
    if isinstance(node, dict):
        return {key: _target(value) if key == "$ref" else _moved(value) for key, value in node.items()}
    return [_moved(each) for each in node] if isinstance(node, list) else node


def _target(reference: str) -> str:
    name = reference.removeprefix("#/$defs/")
    return f"#/components/schemas/{name if name.startswith('Job') else f'Job{name}'}"


def _name(route: APIRoute) -> str:
    return route.name
