"""What every change of the store is put together from: moving a job, closing an attempt, writing the log."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from depthflow.errors import UsageError
from depthflow_daemon.queries import Queries
from depthflow_daemon.records import FINAL, Job, State


class Changes(Queries):
    """Pieces for the halves of `store.Store`; each is called within a transaction."""

    def _check_open(self, db: sqlite3.Connection, job: int) -> Job:
        """The job. Raises UsageError: it has ended already, or there is none."""
        old = self._get(db, job)
        if old.state in FINAL:
            raise UsageError(
                f"job {job} is {old.state} already", "depthflow retry queues failed and cancelled jobs again"
            )
        return old

    def _set(self, db: sqlite3.Connection, job: int, state: State) -> None:
        db.execute(
            "UPDATE jobs SET state = ?, worker = NULL, lease_until = NULL, ready = NULL, stopping = 0, changed_at = ? "
            "WHERE id = ?",
            (state, self._clock.wall(), job),
        )

    def _queue_again(self, db: sqlite3.Connection, job: int) -> None:
        self._set(db, job, "queued")
        db.execute("UPDATE jobs SET crashes = 0, retries = 0, orphaned = 0, error = NULL WHERE id = ?", (job,))

    def _end(
        self,
        db: sqlite3.Connection,
        job: int,
        attempt: int,
        state: State,
        outcome: str,
        error: str | None,
        timings: Mapping[str, float] | None,
    ) -> bool:
        """Close a running attempt and put its job into a state; False if the attempt does not have the job."""
        now = self._clock.wall()
        if not moved(
            db.execute(
                "UPDATE jobs SET error = ? WHERE id = ? AND attempt = ? AND state = 'running'", (error, job, attempt)
            )
        ):
            return False
        self._set(db, job, state)
        db.execute(
            "UPDATE attempts SET ended_at = ?, outcome = ?, error = ?, timings = ? WHERE job = ? AND attempt = ?",
            (now, outcome, error, json.dumps(dict(timings or {})), job, attempt),
        )
        return True

    def _log(self, db: sqlite3.Connection, job: int | None, kind: str, **data: Any) -> None:
        db.execute(
            "INSERT INTO events (at, job, kind, data) VALUES (?, ?, ?, ?)",
            (self._clock.wall(), job, kind, json.dumps(data)),
        )


def check_priority(priority: int) -> None:
    """Raises UsageError: out of range."""
    if not -100 <= priority <= 100:
        raise UsageError(f"priority {priority} is out of range", "allowed: -100 to 100")


def moved(cursor: sqlite3.Cursor) -> bool:
    """Whether the change found its one row."""
    return cursor.rowcount == 1
