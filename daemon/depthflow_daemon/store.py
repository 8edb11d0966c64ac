"""The durable queue: which jobs there are, who works on them, and what became of them. It renders and watches nothing.

Clocks: what decides is measured by the monotonic clock and holds within one boot of the machine. The wall clock may
jump by years and nothing runs twice or waits longer; it dates events for people, and opens the schedule's windows,
which are times of day. The monotonic clock stands still while the machine sleeps, so that no lease ends over night.

Leases: a job is taken for some seconds and must be heard of within them. Whoever works on it holds its attempt
number; once the lease is over and the job is another's, the old number moves nothing any more.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from depthflow.errors import UsageError
from depthflow_daemon.clock import Clock
from depthflow_daemon.database import Database
from depthflow_daemon.queries import SELECT, Queries, job_of
from depthflow_daemon.records import FINAL, Job, State
from depthflow_daemon.schedule import is_open, parse_window

LEASE_SECONDS = 60.0
MAX_CRASHES = 3
"""A job whose worker died this often is poison, and stops."""
MAX_ORPHANED = 10
"""The same for jobs whose daemon died: most often it was not their fault."""
MAX_RETRIES = 12
"""Transient failures in a row before a job is given up: about six hours."""
BACKOFF_SECONDS = 10.0
BACKOFF_MAX_SECONDS = 3600.0
REQUEST_SECONDS = 7 * 86400.0
"""So long a request that is sent again is known."""

Failure = Literal["transient", "permanent", "crash"]


def job_key(content: Iterable[str], spec: str, model: str, renderer: str) -> str:
    """What makes two jobs the same work: SHA-256, 64 hex digits.

    Args:
        content: SHA-256 of every file that goes in: photo, depth map, sound.
        spec: the canonical JobSpec.
        model: names the depth network and its version.
        renderer: the program's version.
    """
    return hashlib.sha256(json.dumps([sorted(content), spec, model, renderer]).encode()).hexdigest()


def backoff(failures: int) -> float:
    """Seconds until the next try after so many transient failures in a row: doubling, up to an hour."""
    return min(BACKOFF_SECONDS * 2.0 ** min(failures - 1, 60), BACKOFF_MAX_SECONDS)


class Store(Queries):
    """Jobs, attempts, outputs, files that were dealt with, and the log of events. Safe to use from any thread.

    Args:
        path: the SQLite file.

    Raises:
        StoreError: see `Database`.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._boot = self._clock.boot()
        self._database = Database(path)
        with self._database.transaction() as db:
            # What waits for a clock of another boot need not wait any more.
            db.execute(
                "UPDATE jobs SET ready = 0, boot = ? WHERE state = 'waiting' AND boot <> ?", (self._boot, self._boot)
            )

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- in --------------------------------------------------------------------------------------------------------

    def add(
        self,
        key: str,
        spec: str,
        *,
        source: str,
        outputs: Iterable[str] = (),
        priority: int = 0,
        held: bool = False,
        window: str = "",
        file: tuple[str, str] | None = None,
        note: str = "{}",
        request: tuple[str, str] | None = None,
    ) -> Job:
        """Queue work, unless it is queued or done already: then the job that comes back is `skipped`.

        Work that failed or was cancelled, or whose files are gone, is queued again under its old id.

        Args:
            key: see `job_key`.
            outputs: the files that will be made; they belong to `source` from now on.
            priority: -100 to 100, higher goes first.
            file: path and signature, remembered together with the job (see `remember`).
            note: kept with the job for whoever added it.
            request: the client's name for its request, and a digest of the request, remembered together with the job
                for REQUEST_SECONDS (see `requested`).

        Raises:
            UsageError: priority or window are not allowed.
        """
        _check_priority(priority)
        parse_window(window)
        paths = list(outputs)
        with self._database.transaction() as db:
            old = db.execute(SELECT + "WHERE key = ? AND state <> 'skipped'", (key,)).fetchone()
            if window:
                db.execute("INSERT OR IGNORE INTO windows VALUES (?)", (window,))
            if old is not None and self._stands(db, job_of(old)):
                added, kind = self._insert(db, key, "skipped", source, spec, same_as=old["id"]), "skipped"
            elif old is not None:
                added, kind = old["id"], "queued"
                self._queue_again(db, added)
                db.execute(
                    "UPDATE jobs SET spec = ?, source = ?, priority = ?, held = ?, window = ? WHERE id = ?",
                    (spec, source, priority, held, window, added),
                )
            else:
                added, kind = self._insert(db, key, "queued", source, spec, priority, held, window), "added"
            if kind != "skipped":
                for path in paths:
                    db.execute("INSERT OR REPLACE INTO outputs VALUES (?, ?, ?, NULL)", (path, added, source))
            db.execute("UPDATE jobs SET note = ? WHERE id = ?", (note, added))
            if file is not None:
                self._remember(db, *file, "job")
            if request is not None:
                now = self._clock.wall()
                db.execute("DELETE FROM requests WHERE at < ?", (now - REQUEST_SECONDS,))
                db.execute("INSERT INTO requests VALUES (?, ?, ?, ?)", (*request, added, now))
            self._log(db, added, kind, source=source)
            return self._get(db, added)

    def _stands(self, db: sqlite3.Connection, job: Job) -> bool:
        """The work need not be done again."""
        if job.state != "done":
            return job.state in ("queued", "waiting", "running")
        made = [
            row["path"] for row in db.execute("SELECT path FROM outputs WHERE job = ? AND facts NOT NULL", (job.id,))
        ]
        return bool(made) and all(os.path.exists(path) for path in made)  # noqa: PTH110 - no Path for each of many

    def _insert(
        self,
        db: sqlite3.Connection,
        key: str,
        state: State,
        source: str,
        spec: str,
        priority: int = 0,
        held: bool = False,
        window: str = "",
        same_as: int | None = None,
    ) -> int:
        now = self._clock.wall()
        done = db.execute(
            "INSERT INTO jobs (key, state, source, spec, priority, held, window, same_as, added_at, changed_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (key, state, source, spec, priority, held, window, same_as, now, now),
        )
        return int(done.lastrowid or 0)

    # -- work ------------------------------------------------------------------------------------------------------

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
            if not _moved(
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
            state = "queued" if kind == "orphaned" else "waiting"
        self._end(db, job, attempt, state, kind, error, timings)
        if column:
            db.execute(f"UPDATE jobs SET {column} = ? WHERE id = ?", (count, job))  # noqa: S608 - from _LIMITS
        wait = 0.0
        if state == "waiting":
            wait = backoff(count)
            db.execute(
                "UPDATE jobs SET ready = ?, boot = ? WHERE id = ?", (self._clock.steady() + wait, self._boot, job)
            )
        self._log(db, job, state, attempt=attempt, error=error, cause=kind, wait=wait)
        return True

    def release(self, job: int, attempt: int) -> bool:
        """Give a job back unfinished, as a daemon does that is told to end; it is no failure."""
        with self._database.transaction() as db:
            old = self._find(db, job)
            state: State = "cancelled" if old is not None and old.stopping else "queued"
            if not self._end(db, job, attempt, state, "released", None, None):
                return False
            self._log(db, job, state, attempt=attempt)
            return True

    def expire(self) -> list[Job]:
        """Take jobs from workers that were not heard of within their lease; end such a worker before it is replaced."""
        with self._database.transaction() as db:
            late = db.execute(
                SELECT + "WHERE state = 'running' AND (boot <> ? OR lease_until < ?)",
                (self._boot, self._clock.steady()),
            ).fetchall()
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

    # -- asked for by people ---------------------------------------------------------------------------------------

    def cancel(self, job: int) -> Job:
        """Stop a job; one that runs is marked, and is cancelled once its worker has stopped.

        Raises:
            UsageError: it has ended already, or there is no such job.
        """
        with self._database.transaction() as db:
            old = self._get(db, job)
            if old.state in FINAL:
                raise UsageError(f"job {job} is {old.state} already")
            if old.state == "running":
                db.execute("UPDATE jobs SET stopping = 1 WHERE id = ?", (job,))
                self._log(db, job, "stopping")
            else:
                self._set(db, job, "cancelled")
                self._log(db, job, "cancelled")
            return self._get(db, job)

    def retry(self, job: int) -> Job:
        """Queue a job that failed, was cancelled or waits, with a clean record.

        Raises:
            UsageError: it is in another state, or there is no such job.
        """
        with self._database.transaction() as db:
            old = self._get(db, job)
            if old.state not in ("failed", "cancelled", "waiting"):
                raise UsageError(f"job {job} is {old.state}", "failed, cancelled and waiting jobs can be tried again")
            self._queue_again(db, job)
            self._log(db, job, "queued")
            return self._get(db, job)

    def hold(self, job: int, held: bool = True) -> Job:
        """Keep a job from being taken, or release it; one that runs goes on.

        Raises:
            UsageError: it has ended already, or there is no such job.
        """
        with self._database.transaction() as db:
            self._check_open(db, job)
            db.execute("UPDATE jobs SET held = ?, changed_at = ? WHERE id = ?", (held, self._clock.wall(), job))
            self._log(db, job, "held" if held else "released")
            return self._get(db, job)

    def set_priority(self, job: int, priority: int) -> Job:
        """Higher goes first, -100 to 100.

        Raises:
            UsageError: out of range, it has ended already, or there is no such job.
        """
        _check_priority(priority)
        with self._database.transaction() as db:
            self._check_open(db, job)
            db.execute("UPDATE jobs SET priority = ?, changed_at = ? WHERE id = ?", (priority, self._clock.wall(), job))
            self._log(db, job, "priority", priority=priority)
            return self._get(db, job)

    def pause(self, paused: bool = True) -> None:
        """Let no job begin, or let them begin again; what runs goes on. It outlasts the daemon."""
        with self._database.transaction() as db:
            db.execute("INSERT OR REPLACE INTO flags VALUES ('paused', ?)", (str(int(paused)),))
            self._log(db, None, "paused" if paused else "resumed")

    def pause_folder(self, name: str, paused: bool = True) -> None:
        """Note that photos of a watched folder are not to be taken; it outlasts the daemon."""
        flag = f"paused folder {name}"
        with self._database.transaction() as db:
            if paused:
                db.execute("INSERT OR REPLACE INTO flags VALUES (?, '1')", (flag,))
            else:
                db.execute("DELETE FROM flags WHERE name = ?", (flag,))
            self._log(db, None, "folder-paused" if paused else "folder-resumed", folder=name)

    # -- files that were dealt with --------------------------------------------------------------------------------

    def remember(self, path: str, signature: str, outcome: str) -> None:
        """Note that a file, as it is now, needs no more looking at.

        Args:
            signature: changes when the file does.
            outcome: "job", or why it was refused.
        """
        with self._database.transaction() as db:
            self._remember(db, path, signature, outcome)

    def prune(self, *, jobs: int, events: int) -> int:
        """Forget the oldest jobs that have ended, and events, beyond these numbers; how many jobs were forgotten."""
        with self._database.transaction() as db:
            marks = ", ".join("?" * len(FINAL))
            gone = db.execute(
                f"DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state IN ({marks}) "  # noqa: S608 - question marks
                "ORDER BY id DESC LIMIT -1 OFFSET ?)",
                (*FINAL, jobs),
            ).rowcount
            db.execute("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", (events,))
            return gone

    # -- pieces ----------------------------------------------------------------------------------------------------

    def _check_open(self, db: sqlite3.Connection, job: int) -> None:
        old = self._get(db, job)
        if old.state in FINAL:
            raise UsageError(f"job {job} is {old.state} already")

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
        if not _moved(
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

    def _remember(self, db: sqlite3.Connection, path: str, signature: str, outcome: str) -> None:
        db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (path, signature, outcome, self._clock.wall()))

    def _log(self, db: sqlite3.Connection, job: int | None, kind: str, **data: Any) -> None:
        db.execute(
            "INSERT INTO events (at, job, kind, data) VALUES (?, ?, ?, ?)",
            (self._clock.wall(), job, kind, json.dumps(data)),
        )


_LIMITS = {
    "transient": ("retries", MAX_RETRIES),
    "crash": ("crashes", MAX_CRASHES),
    "orphaned": ("orphaned", MAX_ORPHANED),
}


def _check_priority(priority: int) -> None:
    if not -100 <= priority <= 100:
        raise UsageError(f"priority {priority} is out of range", "allowed: -100 to 100")


def _moved(cursor: sqlite3.Cursor) -> bool:
    return cursor.rowcount == 1
