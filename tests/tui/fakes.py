"""A daemon of scripted data for the interface: no process, no clock. What its client is asked is noted."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from depthflow.client.address import Address
from depthflow.client.frames import Frame
from depthflow.client.models import Job, Limits, Preview, Progress, System, Worker
from depthflow.errors import UsageError
from depthflow.tui.jobbook import JobBook
from depthflow.tui.link import JobsChanged, LinkChanged, LinkState, News, SystemChanged

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def job(number: int, state: str = "queued", **more: Any) -> Job:
    """A row of the queue."""
    at = NOW - timedelta(minutes=100 - number % 100)
    facts = {"source": f"photos/photo{number}.jpg", "preset": "orbital", "motion": "orbital", **more}
    return Job.model_validate({"id": number, "state": state, "added_at": at, "changed_at": at, **facts})


def some_jobs() -> list[Job]:
    """One of each kind."""
    drawing = Progress(stage="render", done=60, total=150, seconds=3.0, rate=20.0)
    return [
        job(7, "queued", source="photos/Ünïcödé 山.jpg", preset="cinematic"),
        job(6, "queued", priority=10, held=True),
        job(5, "running", attempt=1, worker="1", progress=drawing),
        job(4, "waiting", attempt=2, error="the disk is full"),
        job(3, "failed", attempt=3, error="photo3.jpg: not an image"),
        job(2, "done", attempt=1, folder="holidays"),
        job(1, "skipped", same_as=2),
    ]


def system(jobs: Sequence[Job] = (), **more: Any) -> System:
    """The daemon as a whole."""
    states = ("queued", "waiting", "running", "done", "failed", "cancelled", "skipped")
    counts = {state: sum(each.state == state for each in jobs) for state in states}
    limits = Limits(upload_bytes=1 << 30, pixels=250_000_000, frames=200_000, requests_per_second=500)
    facts = {
        "version": "0.1.0",
        "pid": 4711,
        "started_at": NOW - timedelta(hours=2),
        "uptime_seconds": 7200.0,
        "paused": False,
        "jobs": counts,
        "workers": [Worker(name="1", pid=4712, state="busy", job=5, memory_bytes=512_000_000)],
        "roots": ["/"],
        "limits": limits,
    }
    return System.model_validate(facts | more)


class FakeClient:
    """Answers from scripts: `answers[name]` is what the method of that name returns, or calls, or raises."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.address = Address("http://depthflowd")
        self.answers = answers
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        async def method(*args: Any, **kwargs: Any) -> Any:
            self.asked.append((name, args, kwargs))
            answer = self.answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer(*args, **kwargs) if callable(answer) else answer

        return method

    async def frames(self, preview: str) -> AsyncGenerator[Frame]:
        """What `answers["frames"]` yields for this preview."""
        self.asked.append(("frames", (preview,), {}))
        if (answer := self.answers.get("frames")) is not None:
            async for frame in answer(preview):
                yield frame

    def calls(self, name: str) -> list[dict[str, Any]]:
        """The keyword arguments of all calls of a method."""
        return [kwargs for asked, _, kwargs in self.asked if asked == name]


class FakePreviews:
    """Previews of one colour each: `FakeLink(**previews.answers)`. A frame comes after every change, and when asked.

    Attributes:
        colour: of the frames to come.
        ended: names of those that were ended.
    """

    def __init__(self) -> None:
        self.colour = (200, 100, 50)
        self.revision = 0
        self.begun = 0
        self.ended: list[str] = []
        self.refuse: Exception | None = None
        self._queues: dict[str, asyncio.Queue[Frame | None]] = {}
        self._asked: dict[str, Any] = {}

    @property
    def answers(self) -> dict[str, Any]:
        return {
            "begin_preview": self._begin,
            "change_preview": self._change,
            "end_preview": self._end,
            "frames": self._frames,
        }

    def frame(self, *, problem: str = "", hint: str = "", number: int = 0) -> None:
        """Send one to whoever reads."""
        width, height = (0, 0) if problem else (self._asked["width"], self._asked["height"])
        pixels = bytes(self.colour) * (width * height)
        for queue in self._queues.values():
            queue.put_nowait(Frame(self.revision, number, width, height, pixels, problem, hint))

    def expire(self) -> None:
        """End all, as the daemon does."""
        for queue in self._queues.values():
            queue.put_nowait(None)
        self._queues.clear()

    def _begin(self, photo: str, **asked: Any) -> Preview:
        if self.refuse is not None:
            raise self.refuse
        self.begun += 1
        self._asked = asked
        self._queues[f"preview{self.begun}"] = asyncio.Queue()
        return self._answer()

    def _change(self, preview: str, **asked: Any) -> Preview:
        if preview not in self._queues:
            raise UsageError(f"there is no preview {preview}")
        self._asked = self._asked | asked
        return self._answer()

    def _answer(self) -> Preview:
        self.revision += 1
        self.frame()
        facts = {key: self._asked[key] for key in ("width", "height", "rate")}
        name = f"preview{self.begun}"
        return Preview(id=name, revision=self.revision, spec={}, expires_seconds=60, **facts)

    def _end(self, preview: str) -> None:
        self.ended.append(preview)
        self._queues.pop(preview, None)

    async def _frames(self, preview: str) -> AsyncGenerator[Frame]:
        queue = self._queues[preview]
        while (frame := await queue.get()) is not None:
            yield frame


class FakeLink:
    """A link that is online with scripted jobs; `tell` is the application's ear."""

    def __init__(self, jobs: Sequence[Job] | None = None, **answers: Any) -> None:
        self.scripted = some_jobs() if jobs is None else list(jobs)
        self.client = FakeClient(answers)
        self.jobs = JobBook()
        self.system = system(self.scripted)
        self.state, self.why, self.hint = LinkState.SEARCHING, "", ""
        self.rates: deque[float] = deque(maxlen=60)
        self.private = self.shared = self.may_start = False
        self.local = self.loaded = True
        self.started = 0
        self.kept: bool | None = None
        self.closed = False
        self.tell: Callable[[News], None] = lambda _: None

    def __call__(self, server: str | None, *, private: bool, tell: Callable[[News], None]) -> FakeLink:
        """Stands in for the class `Link`."""
        self.tell = tell
        return self

    async def run(self) -> None:
        self.go_online()

    def go_online(self) -> None:
        self.state = LinkState.ONLINE
        self.jobs.put(self.scripted)
        self.tell(SystemChanged(self.system))
        self.tell(LinkChanged(self.state))
        self.tell(JobsChanged(None))

    def go_offline(self, why: str, hint: str = "") -> None:
        self.state, self.why, self.hint = LinkState.OFFLINE, why, hint
        self.tell(LinkChanged(self.state, why, hint))

    def start_one(self) -> None:
        self.started += 1

    async def close(self, *, keep: bool = False) -> None:
        if not self.closed:
            self.closed, self.kept = True, keep
