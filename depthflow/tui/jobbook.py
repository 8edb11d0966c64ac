"""The jobs as the interface knows them: pages and events go in, rows in order come out. It asks nobody anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from depthflow.client.models import Job, Progress


class JobBook:
    """All jobs that were heard of, newest first.

    Pages and events may come in any order: what is older than what is known is passed over.
    """

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        """Newest first."""
        return iter(sorted(self._jobs.values(), key=lambda job: -job.id))

    def get(self, number: int) -> Job | None:
        return self._jobs.get(number)

    def put(self, jobs: Iterable[Job]) -> set[int]:
        """Take in jobs as the daemon told them; the numbers of those that are news."""
        news = set()
        for job in jobs:
            known = self._jobs.get(job.id)
            if known is not None and (known == job or known.changed_at > job.changed_at):
                continue
            self._jobs[job.id] = job
            news.add(job.id)
        return news

    def progress(self, number: int, progress: Progress) -> bool:
        """A running job moved on; False if it is not known or has ended."""
        known = self._jobs.get(number)
        if known is None or known.ended:
            return False
        self._jobs[number] = known.model_copy(update={"progress": progress})
        return True

    def clear(self) -> None:
        self._jobs.clear()

    @property
    def rate(self) -> float:
        """Frames a second of all jobs that are drawn now."""
        return sum(
            job.progress.rate
            for job in self._jobs.values()
            if job.state == "running" and job.progress is not None and job.progress.stage == "render"
        )
