"""The jobs as the interface knows them: pages and events go in, rows in order come out. It asks nobody anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from depthflow.client.models import Job, JobState, Progress


class JobBook:
    """All jobs that were heard of, newest first.

    Pages and events may come in any order: what is older than what is known is passed over.

    Attributes:
        counts: how many are in each state.
    """

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._running: set[int] = set()
        self.counts: Counter[JobState] = Counter()

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        """Newest first."""
        return iter(sorted(self._jobs.values(), key=lambda job: -job.id))

    def numbers(self) -> Collection[int]:
        return self._jobs.keys()

    def get(self, number: int) -> Job | None:
        return self._jobs.get(number)

    def put(self, jobs: Iterable[Job]) -> set[int]:
        """Take in jobs as the daemon answered them; the numbers of those that are news."""
        return self._taken(
            job for job in jobs if (known := self._jobs.get(job.id)) is None or known.changed_at <= job.changed_at
        )

    def hear(self, jobs: Iterable[Job]) -> set[int]:
        """Take in jobs as the stream of events tells them: in order, so that clocks do not matter; the news."""
        return self._taken(jobs)

    def _taken(self, jobs: Iterable[Job]) -> set[int]:
        news = set()
        for job in jobs:
            if (known := self._jobs.get(job.id)) == job:
                continue
            if known is not None:
                self.counts[known.state] -= 1
            self._jobs[job.id] = job
            self.counts[job.state] += 1
            (self._running.add if job.state == "running" else self._running.discard)(job.id)
            news.add(job.id)
        return news

    def progress(self, number: int, progress: Progress) -> bool:
        """A running job moved on; False if it is not known or does not run any more."""
        known = self._jobs.get(number)
        if known is None or known.ended:
            return False
        self._jobs[number] = known.model_copy(update={"progress": progress})
        return True

    def drop(self, numbers: Iterable[int]) -> set[int]:
        """Forget jobs; the numbers of those that were known."""
        gone = set()
        for number in numbers:
            if (job := self._jobs.pop(number, None)) is not None:
                self.counts[job.state] -= 1
                self._running.discard(number)
                gone.add(number)
        return gone

    def clear(self) -> None:
        self._jobs.clear()
        self._running.clear()
        self.counts.clear()

    @property
    def rate(self) -> float:
        """Frames a second of all jobs that are drawn now."""
        progresses = (self._jobs[number].progress for number in self._running)
        return sum(each.rate for each in progresses if each is not None and each.stage == "render")
