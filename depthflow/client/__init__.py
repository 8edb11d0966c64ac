"""Speaks with a running daemon; it knows the contract (`models`) and nothing of how the daemon works.

from depthflow.client import Client

with Client() as client:
    job = client.submit("photo.jpg", preset="cinematic")
    print(client.wait(job.id).outputs[0].path)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from depthflow.client.address import Address
    from depthflow.client.aio import AsyncClient
    from depthflow.client.sync import Client

__all__ = ["Address", "AsyncClient", "Client"]

_HOMES = {
    "Address": "depthflow.client.address",
    "AsyncClient": "depthflow.client.aio",
    "Client": "depthflow.client.sync",
}


def __getattr__(name: str) -> Any:
    """Import a public name at first use: the daemon needs the models and no HTTP client."""
    if name not in _HOMES:
        raise AttributeError(f"module 'depthflow.client' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
