"""Prints the contract: `python -m depthflow_daemon.api > docs/openapi.json`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from depthflow_daemon.api.app import create_app, schema
from depthflow_daemon.core import Core, Places
from depthflow_daemon.hub import Hub
from depthflow_daemon.store import Store


class _NoEngine:
    def wake(self) -> None:
        pass

    def workers(self) -> Sequence[dict[str, Any]]:
        return ()

    def facts(self) -> dict[str, Any]:
        return {}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "q.db") as store:
        app = create_app(Core(store, Hub(store), _NoEngine(), Places(Path(folder))))
        print(json.dumps(schema(app), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
