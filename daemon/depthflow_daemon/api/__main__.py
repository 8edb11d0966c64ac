"""Prints the contract: `python -m depthflow_daemon.api > docs/openapi.json`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from depthflow_daemon.api.app import create_app, schema
from depthflow_daemon.core import Core, NoEngine, Places
from depthflow_daemon.hub import Hub
from depthflow_daemon.store import Store


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "q.db") as store:
        app = create_app(Core(store, Hub(store), NoEngine(), Places(Path(folder))))
        print(json.dumps(schema(app), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
