"""A daemon's API on real sockets, over a real store, without an engine: jobs end when the test says so."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from depthflow_daemon.api.server import Server
from depthflow_daemon.core import Core, Folders, Limits, NoFolders, Places
from depthflow_daemon.folders import FolderFacts
from depthflow_daemon.hub import Hub
from depthflow_daemon.rules import WatchFolder
from depthflow_daemon.store import Store
from depthflow_daemon.waiting import Waiting
from PIL import Image

from depthflow.errors import UnknownNameError

SMALL = {"outputs": [{"size": "64x48", "fps": 8, "duration": 0.5}]}


class StillEngine:
    """Makes nothing, and counts how often it was woken."""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1

    def workers(self) -> list[dict[str, Any]]:
        return [{"name": "w-0", "kind": "render", "pid": 7, "state": "idle", "job": None, "memory_bytes": 1000}]

    def facts(self) -> dict[str, Any]:
        return {"restarts": 3, "renderer": "Test Renderer"}


class TwoFolders:
    """What the service knows of folders, without watching any."""

    def __init__(self, place: Path) -> None:
        self.paused = {"a": False, "b": True}
        self.scanned: list[str] = []
        self.places = {name: WatchFolder(place / name, place / "out", place / "old") for name in self.paused}

    def facts(self) -> list[FolderFacts]:
        return [FolderFacts(name, self.places[name], paused, 2, True, False) for name, paused in self.paused.items()]

    def name_of(self, source: str) -> str | None:
        return next((name for name, place in self.places.items() if source.startswith(f"{place.root}/")), None)

    def waiting(self, name: str) -> list[Waiting]:
        root = self.places[name].root
        return [Waiting(root / f"deep/{number}.jpg", 60.0 * number, "writing", f"why {number}") for number in range(5)]

    def pause(self, name: str, paused: bool = True) -> None:
        if name not in self.paused:
            raise UnknownNameError("folder", name, self.paused)
        self.paused[name] = paused

    def rescan(self, name: str) -> None:
        if name not in self.paused:
            raise UnknownNameError("folder", name, self.paused)
        self.scanned.append(name)


@dataclass
class Daemon:
    """What a test holds of it."""

    core: Core
    server: Server
    client: httpx.Client
    root: Path
    socket: Path
    engine: StillEngine
    ended: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return self.core.store

    def finish(self, made: dict[str, bytes] | None = None) -> int:
        """The next job is taken and done; its outputs get these contents."""
        job = self.store.take("w-0")
        assert job is not None
        facts: dict[str, dict[str, Any]] = {}
        for output in self.store.outputs(job.id):
            path = Path(output.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((made or {}).get(path.name, b"0123456789"))
            facts[output.path] = {"path": output.path, "frames": 4, "bytes": path.stat().st_size}
        self.store.finish(job.id, job.attempt, facts=facts, timings={"render": 2.5, "depth": 0.5})
        self.core.hub.ended(self.store.get(job.id))
        return job.id

    def fail(self, why: str = "no photo") -> int:
        """The next job is taken and fails for good."""
        job = self.store.take("w-0")
        assert job is not None
        self.store.fail(job.id, job.attempt, why, "permanent")
        self.core.hub.ended(self.store.get(job.id))
        return job.id

    def submit(self, **more: Any) -> dict[str, Any]:
        """A job of a photo below the root; each call is another job."""
        photo = self.root / f"photo-{len(list(self.root.iterdir()))}.png"
        photo.write_bytes(picture(len(list(self.root.iterdir()))))
        return self.done(self.client.post("/v1/jobs", json={"photo": str(photo), "spec": SMALL, **more}), 201)

    def done(self, answer: httpx.Response, status: int = 200) -> Any:
        """The answer, which must have this status."""
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@contextmanager
def daemon(
    *,
    listen: tuple[str, int] | None = None,
    token: str | None = None,
    folders: Folders | None = None,
    roots: bool = True,
    work: Path | None = None,
    **limits: Any,
) -> Iterator[Daemon]:
    """A daemon in a folder of its own, with a short path, since names of sockets must be short."""
    with tempfile.TemporaryDirectory(prefix="df-") as place, Store(Path(place) / "q.db") as store:
        home = Path(place).resolve()
        root, socket = home / "photos", home / "run" / "s"
        root.mkdir()
        engine = StillEngine()
        core = Core(
            store,
            Hub(store),
            engine,
            Places(work or home / "work", (root,) if roots else ()),
            folders or NoFolders(),
            Limits(**{"requests_per_second": 100_000.0, **limits}),
        )
        with (
            Server(core, unix=socket, listen=listen, token=token) as server,
            httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://depthflow", timeout=60) as to,
        ):
            yield Daemon(core, server, to, root, socket, engine)


def picture(seed: int = 0, size: tuple[int, int] = (32, 24)) -> bytes:
    """A PNG of noise, another one for each seed."""
    values = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def refusal(answer: httpx.Response, status: int, *parts: str) -> dict[str, Any]:
    """The problem that an answer must be, with these texts in its detail or hint."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = json.loads(answer.content)
    assert problem["status"] == status
    for part in parts:
        assert part in f"{problem['detail']} ({problem['hint']})"
    return problem
