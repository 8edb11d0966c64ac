"""From the store's records to the contract's answers; nothing is read or decided here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from depthflow.client import models
from depthflow_daemon.records import Attempt, Event, Job, Output

_STAGE_KEYS = ("stage", "done", "total", "seconds", "note", "warning")


def when(seconds: float) -> datetime:
    """Wall-clock seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def progress(data: Mapping[str, Any]) -> models.Progress:
    """A `depthflow.progress.Progress` as a dict, with its rate."""
    known = {key: data[key] for key in _STAGE_KEYS if key in data}
    seconds, done = float(known.get("seconds", 0.0)), int(known.get("done", 0))
    return models.Progress.model_validate({**known, "rate": done / seconds if seconds > 0 else 0.0})


def _known(job: Job, latest: models.Progress | None, folder: str | None) -> dict[str, Any]:
    note = json.loads(job.note)
    return {
        "id": job.id,
        "state": job.state,
        "source": note.get("name", job.source),
        "folder": None if note.get("origin") == "api" else folder,
        "preset": note.get("preset"),
        "motion": note.get("motion"),
        "priority": job.priority,
        "held": job.held,
        "window": job.window,
        "attempt": job.attempt,
        "stopping": job.stopping,
        "worker": job.worker,
        "same_as": job.same_as,
        "error": job.error,
        "added_at": when(job.added_at),
        "changed_at": when(job.changed_at),
        "progress": latest,
    }


def job(record: Job, latest: models.Progress | None = None, folder: str | None = None) -> models.Job:
    return models.Job(**_known(record, latest, folder))


def detail(
    record: Job,
    latest: models.Progress | None,
    folder: str | None,
    *,
    outputs: Sequence[Output],
    attempts: Sequence[Attempt],
    log: Sequence[Event],
) -> models.JobDetail:
    return models.JobDetail(
        **_known(record, latest, folder),
        spec=json.loads(record.spec),
        outputs=[output(number, each) for number, each in enumerate(outputs, 1)],
        attempts=[attempt(each) for each in attempts],
        log=[line(each) for each in log],
    )


def output(number: int, record: Output) -> models.Output:
    facts = {key: value for key, value in (record.facts or {}).items() if key != "path"}
    return models.Output(number=number, path=record.path, made=record.facts is not None, facts=facts)


def attempt(record: Attempt) -> models.Attempt:
    return models.Attempt(
        attempt=record.attempt,
        worker=record.worker,
        started_at=when(record.started_at),
        ended_at=None if record.ended_at is None else when(record.ended_at),
        outcome=record.outcome,
        error=record.error,
        timings=dict(record.timings),
    )


def line(record: Event) -> models.LogLine:
    return models.LogLine(id=record.id, at=when(record.at), job=record.job, kind=record.kind, data=dict(record.data))
