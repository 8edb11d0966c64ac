"""The daemon's API over HTTP (docs/api.md): one file for each part of it; `create_app` puts them together."""

from depthflow_daemon.api.app import create_app

__all__ = ["create_app"]
