"""An engine that makes nothing, for benchmarks of what surrounds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class NoEngine:
    def wake(self) -> None:
        pass

    def workers(self) -> Sequence[dict[str, Any]]:
        return ()

    def facts(self) -> dict[str, Any]:
        return {}
