"""Both clients behind one face, so that every test of one is a test of the other."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

from depthflow.client import AsyncClient, Client


class Awaited:
    """An AsyncClient whose methods wait for their results, on a loop of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = AsyncClient(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        def method(*args: Any, **kwargs: Any) -> Any:
            made = getattr(self._client, name)(*args, **kwargs)
            return self._iterate(made) if inspect.isasyncgen(made) else self._loop.run_until_complete(made)

        return method

    def _iterate(self, given: Any) -> Iterator[Any]:
        try:
            while (value := self._loop.run_until_complete(anext(given, self))) is not self:
                yield value
        finally:
            self._loop.run_until_complete(given.aclose())

    def __enter__(self) -> Awaited:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()


CLIENTS: dict[str, Any] = {"sync": Client, "async": Awaited}
