"""What the store can be asked; nothing here changes it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import fields

from depthflow.errors import UsageError
from depthflow_daemon.clock import Clock
from depthflow_daemon.database import Database
from depthflow_daemon.records import STATES, Attempt, Event, Job, Output, State

SELECT = f"SELECT {', '.join(field.name for field in fields(Job))} FROM jobs "  # noqa: S608 - names of our own


class Queries:
    """The reading half of `store.Store`."""

    _database: Database
    _clock: Clock

    def get(self, job: int) -> Job:
        """Raises UsageError: there is no such job."""
        with self._database.reading() as db:
            return self._get(db, job)

    def page(self, *, state: State | None = None, before: int | None = None, limit: int = 50) -> list[Job]:
        """Jobs, newest first.

        Args:
            before: the last id of the page before.
            limit: 1 to 1000.
        """
        if not 1 <= limit <= 1000:
            raise UsageError(f"limit {limit} is out of range", "allowed: 1 to 1000")
        before = 2**63 - 1 if before is None else before
        which, values = ("state = ? AND ", (state,)) if state else ("", ())
        query = SELECT + f"WHERE {which}id < ? ORDER BY id DESC LIMIT ?"
        with self._database.reading() as db:
            return [job_of(row) for row in db.execute(query, (*values, before, limit))]

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state; all states are there."""
        with self._database.reading() as db:
            found = dict(map(tuple, db.execute("SELECT state, count(*) FROM jobs GROUP BY state")))
        return {state: found.get(state, 0) for state in STATES}

    def attempts(self, job: int) -> list[Attempt]:
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT attempt, worker, started_at, ended_at, outcome, error, timings FROM attempts WHERE job = ?",
                (job,),
            )
            return [Attempt(**{**dict(row), "timings": json.loads(row["timings"])}) for row in rows]

    def outputs(self, job: int) -> list[Output]:
        with self._database.reading() as db:
            rows = db.execute("SELECT path, facts FROM outputs WHERE job = ? ORDER BY path", (job,))
            return [Output(row["path"], None if row["facts"] is None else json.loads(row["facts"])) for row in rows]

    def owner_of(self, output: str) -> str | None:
        """The source that an output's path belongs to; None if no job ever asked for it."""
        with self._database.reading() as db:
            row = db.execute("SELECT source FROM outputs WHERE path = ?", (output,)).fetchone()
        return None if row is None else row["source"]

    def open_jobs(self, source: str) -> list[Job]:
        """What is still to be done for a source."""
        with self._database.reading() as db:
            rows = db.execute(
                SELECT + "WHERE source = ? AND state IN ('queued', 'waiting', 'running') ORDER BY id", (source,)
            )
            return [job_of(row) for row in rows]

    def events(self, *, after: int = 0, job: int | None = None, limit: int = 100) -> list[Event]:
        """The log from behind the id `after`, oldest first."""
        which, values = ("job = ? AND ", (job,)) if job is not None else ("", ())
        query = f"SELECT id, at, job, kind, data FROM events WHERE {which}id > ? ORDER BY id LIMIT ?"  # noqa: S608
        with self._database.reading() as db:
            rows = db.execute(query, (*values, after, limit))
            return [Event(row["id"], row["at"], row["job"], row["kind"], json.loads(row["data"])) for row in rows]

    @property
    def paused(self) -> bool:
        with self._database.reading() as db:
            return self._flag(db, "paused")

    def seconds_to_next(self) -> float | None:
        """Until the first waiting job's next try; None if none waits. Windows open besides."""
        with self._database.reading() as db:
            row = db.execute(
                "SELECT min(ready) AS ready FROM jobs INDEXED BY jobs_ready WHERE state = 'waiting'"
            ).fetchone()
        return None if row["ready"] is None else max(0.0, float(row["ready"]) - self._clock.steady())

    def is_known(self, path: str, signature: str) -> bool:
        with self._database.reading() as db:
            row = db.execute("SELECT signature FROM files WHERE path = ?", (path,)).fetchone()
        return row is not None and row["signature"] == signature

    def _find(self, db: sqlite3.Connection, job: int) -> Job | None:
        row = db.execute(SELECT + "WHERE id = ?", (job,)).fetchone()
        return None if row is None else job_of(row)

    def _get(self, db: sqlite3.Connection, job: int) -> Job:
        found = self._find(db, job)
        if found is None:
            raise UsageError(f"there is no job {job}")
        return found

    def _flag(self, db: sqlite3.Connection, name: str) -> bool:
        row = db.execute("SELECT value FROM flags WHERE name = ?", (name,)).fetchone()
        return row is not None and row["value"] == "1"


def job_of(row: sqlite3.Row) -> Job:
    values = dict(row)
    return Job(**{**values, "held": bool(values["held"]), "stopping": bool(values["stopping"])})
