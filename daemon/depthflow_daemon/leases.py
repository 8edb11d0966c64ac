"""Work on jobs: taken for some seconds, kept by being heard of, ended, given back, taken away. It adds no job.

Whoever works on a job holds its attempt number; once the lease is over and the job is another's, the old number moves
nothing any more.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal

from depthflow_daemon.changes import Changes, moved
from depthflow_daemon.queries import SELECT
from depthflow_daemon.records import Job, State
from depthflow_daemon.schedule import is_open

LEASE_SECONDS = 60.0
MAX_CRASHES = 3
"""A job whose worker died this often is poison, and stops."""
MAX_ORPHANED = 10
"""The same for jobs whose daemon died: most often it was not their fault."""
BLAMELESS = 2
"""So many deaths of the daemon a job takes without waiting; then others go first."""
MAX_RETRIES = 12
"""Transient failures in a row before a job is given up: about six hours."""
BACKOFF_SECONDS = 10.0
BACKOFF_MAX_SECONDS = 3600.0

Failure = Literal["transient", "permanent", "crash"]
_LIMITS = {
    "transient": ("retries", MAX_RETRIES),
    "crash": ("crashes", MAX_CRASHES),
    "orphaned": ("orphaned", MAX_ORPHANED),
}


def backoff(failures: int) -> float:
    """Seconds until the next try after so many transient failures in a row: doubling, up to an hour."""
    return min(BACKOFF_SECONDS * 2.0 ** min(failures - 1, 60), BACKOFF_MAX_SECONDS)


class Leases(Changes):
    """The half of `store.Store` that an engine uses."""

    _boot: str

    def take(self, worker: str, *, lease_seconds: float = LEASE_SECONDS) -> Job | None:
        """The next job, now running and this worker's: highest priority, then oldest; None if none may begin."""
        with self._database.transaction() as db:
            if self._flag(db, "paused"):
                return None
            steady = self._clock.steady()
            # Left to itself SQLite reads every waiting row by the index of states: 20 ms for 10,000.
            db.execute(
                "UPDATE jobs INDEXED BY jobs_ready SET state = 'queued', ready = NULL "
                "WHERE state = 'waiting' AND ready <= ?",
                (steady,),
            )
            chosen = self._next(db)
            if chosen is None:
                return None
            now = self._clock.wall()
            db.execute(
                "UPDATE jobs SET state = 'running', attempt = attempt + 1, worker = ?, boot = ?, lease_until = ?, "
                "changed_at = ? WHERE id = ?",
                (worker, self._boot, steady + lease_seconds, now, chosen),
            )
            job = self._get(db, chosen)
            db.execute(
                "INSERT INTO attempts (job, attempt, worker, started_at) VALUES (?, ?, ?, ?)",
                (job.id, job.attempt, worker, now),
            )
            self._log(db, job.id, "started", attempt=job.attempt, worker=worker)
            return job

    def _next(self, db: sqlite3.Connection) -> int | None:
        """One look into the index for each window that is open, however many jobs wait for others."""
        now = datetime.fromtimestamp(self._clock.wall())
        windows = [row["text"] for row in db.execute("SELECT text FROM windows")]
        found = []
        for window in ("", *(text for text in windows if is_open(text, now))):
            row = db.execute(
                "SELECT priority, id FROM jobs WHERE state = 'queued' AND held = 0 AND window = ? "
                "ORDER BY priority DESC, id LIMIT 1",
                (window,),
            ).fetchone()
            if row is not None:
                found.append((-row["priority"], row["id"]))
        return min(found)[1] if found else None

    def beat(self, job: int, attempt: int, *, lease_seconds: float = LEASE_SECONDS) -> Literal["go", "stop", "lost"]:
        """A worker is heard of: it goes on, should stop because the job was cancelled, or has lost it to another."""
        with self._database.transaction() as db:
            until = self._clock.steady() + lease_seconds
            if not moved(
                db.execute(
                    "UPDATE jobs SET lease_until = ? WHERE id = ? AND attempt = ? AND state = 'running'",
                    (until, job, attempt),
                )
            ):
                return "lost"
            return "stop" if self._get(db, job).stopping else "go"

    def finish(
        self,
        job: int,
        attempt: int,
        *,
        facts: Mapping[str, Mapping[str, Any]],
        timings: Mapping[str, float] | None = None,
    ) -> bool:
        """The work is done.

        Args:
            facts: of every file that was made, by its path.
            timings: seconds per stage.

        Returns:
            Whether it counted: False if the job was not this attempt's any more.
        """
        with self._database.transaction() as db:
            if not self._end(db, job, attempt, "done", "done", None, timings):
                return False
            source = self._get(db, job).source
            for path, known in facts.items():
                db.execute(
                    "INSERT OR REPLACE INTO outputs VALUES (?, ?, ?, ?)", (path, job, source, json.dumps(dict(known)))
                )
            self._log(db, job, "done", attempt=attempt, outputs=list(facts))
            return True

    def fail(
        self, job: int, attempt: int, error: str, kind: Failure, *, timings: Mapping[str, float] | None = None
    ) -> bool:
        """The work failed.

        Args:
            error: why, for people.
            kind: transient (disk full, share gone) is tried again later and later; permanent (no image) is not;
                a crash is tried again until MAX_CRASHES.

        Returns:
            Whether it counted, as in `finish`.
        """
        with self._database.transaction() as db:
            return self._fail(db, job, attempt, error, kind, timings)

    def _fail(
        self,
        db: sqlite3.Connection,
        job: int,
        attempt: int,
        error: str,
        kind: Failure | Literal["orphaned"],
        timings: Mapping[str, float] | None = None,
    ) -> bool:
        old = self._find(db, job)
        if old is None or old.state != "running" or old.attempt != attempt:
            return False
        column, limit = _LIMITS.get(kind, ("", 0))
        count = getattr(old, column) + 1 if column else 1
        if old.stopping:
            state: State = "cancelled"
        elif count >= limit:
            state = "failed"
            if column:
                error = f"given up after {count} attempts: {error}"
        else:
            state = "queued" if kind == "orphaned" and count <= BLAMELESS else "waiting"
        self._end(db, job, attempt, state, kind, error, timings)
        if column:
            db.execute(f"UPDATE jobs SET {column} = ? WHERE id = ?", (count, job))  # noqa: S608 - from _LIMITS
        wait = 0.0
        if state == "waiting":
            wait = backoff(count - BLAMELESS if kind == "orphaned" else count)
            db.execute(
                "UPDATE jobs SET ready = ?, boot = ? WHERE id = ?", (self._clock.steady() + wait, self._boot, job)
            )
        self._log(db, job, state, attempt=attempt, error=error, cause=kind, wait=wait)
        return True

    def release(self, job: int, attempt: int) -> bool:
        """Give a job back unfinished, as a daemon does that is told to end; it is no failure."""
        with self._database.transaction() as db:
            old = self._find(db, job)
            stopping = old is not None and old.stopping
            state: State = "cancelled" if stopping else "queued"
            why = old.error if old is not None and stopping else None
            if not self._end(db, job, attempt, state, "released", why, None):
                return False
            self._log(db, job, state, attempt=attempt, **({"error": why} if why else {}))
            return True

    def expire(self, *, spare: Collection[int] = ()) -> list[Job]:
        """Take jobs from workers that were not heard of within their lease; end such a worker before it is replaced.

        Args:
            spare: jobs that are known to be worked on.
        """
        with self._database.transaction() as db:
            rows = db.execute(
                SELECT + "WHERE state = 'running' AND (boot <> ? OR lease_until < ?)",
                (self._boot, self._clock.steady()),
            ).fetchall()
            late = [row for row in rows if row["id"] not in spare]
            for row in late:
                self._fail(db, row["id"], row["attempt"], f"nothing heard of worker {row['worker']}", "crash")
            return [self._get(db, row["id"]) for row in late]

    def recover(self) -> list[Job]:
        """Queue what was running when the last daemon died. To be called once, before any job is taken."""
        with self._database.transaction() as db:
            left = db.execute(SELECT + "WHERE state = 'running'").fetchall()
            for row in left:
                self._fail(db, row["id"], row["attempt"], "the daemon ended while this was running", "orphaned")
            return [self._get(db, row["id"]) for row in left]
