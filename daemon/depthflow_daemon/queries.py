"""What the store can be asked; nothing here changes it."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from depthflow.errors import UsageError
from depthflow_daemon.clock import Clock
from depthflow_daemon.database import Database
from depthflow_daemon.records import STATES, Attempt, Event, Job, Output, StageTime, State

_COLUMNS = [field.name for field in fields(Job)]
_HELD, _STOPPING = _COLUMNS.index("held"), _COLUMNS.index("stopping")
SELECT = f"SELECT {', '.join(_COLUMNS)} FROM jobs "  # noqa: S608 - names of our own


class Queries:
    """The reading half of `store.Store`."""

    _database: Database
    _clock: Clock

    def get(self, job: int) -> Job:
        """Raises UsageError: there is no such job."""
        with self._database.reading() as db:
            return self._get(db, job)

    def page(
        self,
        *,
        state: State | Sequence[State] | None = None,
        below: str | None = None,
        search: str = "",
        before: int | None = None,
        after: int | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Jobs, newest first.

        Args:
            state: one of these.
            below: those whose source lies in this folder.
            search: those whose source has this text in it; the case of A to Z does not matter.
            before: the last id of the page before.
            after: the same, and the oldest first; 0 begins there.
            limit: 1 to 1000.
        """
        if not 1 <= limit <= 1000:
            raise UsageError(f"limit {limit} is out of range", "allowed: 1 to 1000")
        states = (state,) if isinstance(state, str) else tuple(state or ())
        newest = after is None
        which = ["id < ?" if newest else "id > ?"]
        values: list[Any] = [after if after is not None else 2**63 - 1 if before is None else before]
        if states:
            which.append(f"state IN ({', '.join('?' * len(states))})")
            values += states
        if below is not None:
            which.append("source > ? AND source < ?")
            values += _bounds(below)
        if search:
            which.append("source LIKE ? ESCAPE '\\'")
            values.append("%" + re.sub(r"([%_\\])", r"\\\1", search) + "%")
        order = "DESC" if newest else "ASC"
        inner = f"SELECT id FROM jobs WHERE {' AND '.join(which)} ORDER BY id {order} LIMIT ?"  # noqa: S608 - our words
        if below is not None or search:
            # By the index that has no specs in it: rows are long, and 100,000 are looked through in milliseconds.
            inner = inner.replace("FROM jobs", "FROM jobs INDEXED BY jobs_names")
        with self._database.reading() as db:
            query = SELECT + f"WHERE id IN ({inner}) ORDER BY id {order}"
            return [job_of(row) for row in db.execute(query, (*values, limit))]

    def standing(self, key: str) -> Job | None:
        """The job that has this work, whatever became of it; see `identity.job_key`."""
        with self._database.reading() as db:
            row = db.execute(SELECT + "WHERE key = ? AND state <> 'skipped'", (key,)).fetchone()
        return None if row is None else job_of(row)

    def requested(self, key: str) -> tuple[Job, str] | None:
        """The job that a client's request made, and the request's digest; None if no such request is known."""
        with self._database.reading() as db:
            row = db.execute("SELECT job, digest FROM requests WHERE key = ?", (key,)).fetchone()
            return None if row is None else (self._get(db, row["job"]), row["digest"])

    def notes(self, below: str) -> list[tuple[str, str]]:
        """Source and note of every job, ended or not, whose source lies in this folder."""
        query = "SELECT source, note FROM jobs INDEXED BY jobs_names WHERE source > ? AND source < ?"
        with self._database.reading() as db:
            return [(row["source"], row["note"]) for row in db.execute(query, _bounds(below))]

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state; all states are there."""
        with self._database.reading() as db:
            found = dict(map(tuple, db.execute("SELECT state, count(*) FROM jobs GROUP BY state")))
        return {state: found.get(state, 0) for state in STATES}

    def counts_below(self, folders: Sequence[str]) -> list[dict[State, int]]:
        """How many jobs with sources in each of these folders are in each state; none lies within another."""
        found: list[dict[State, int]] = [dict.fromkeys(STATES, 0) for _ in folders]
        if not folders:
            return found
        cases = " ".join(f"WHEN source > ? AND source < ? THEN {number}" for number in range(len(folders)))
        query = (
            f"SELECT CASE {cases} END AS folder, state, count(*) AS jobs FROM jobs INDEXED BY jobs_names "  # noqa: S608
            "GROUP BY 1, 2"
        )
        with self._database.reading() as db:
            for row in db.execute(query, [bound for folder in folders for bound in _bounds(folder)]):
                if row["folder"] is not None:
                    found[row["folder"]][row["state"]] = row["jobs"]
        return found

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

    def stage_times(self, *, limit: int = 1000) -> dict[str, StageTime]:
        """What each stage took in the newest jobs that are done, by its name."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT key, count(*) AS jobs, sum(value) AS seconds, max(value) AS slowest FROM "
                "(SELECT timings FROM attempts WHERE outcome = 'done' ORDER BY job DESC LIMIT ?), json_each(timings) "
                "GROUP BY key ORDER BY key",
                (limit,),
            )
            return {row["key"]: StageTime(row["jobs"], row["seconds"], row["slowest"]) for row in rows}

    def outputs_below(self, folder: str) -> set[str]:
        """Every file in this folder that a job made or is to make."""
        with self._database.reading() as db:
            query = "SELECT path FROM outputs WHERE path > ? AND path < ?"
            return {row["path"] for row in db.execute(query, _bounds(folder))}

    def owner_of(self, output: str) -> str | None:
        """The source that an output's path belongs to; None if no job that is remembered asked for it."""
        either = "SELECT source FROM outputs WHERE path = ? UNION ALL SELECT source FROM made WHERE path = ?"
        with self._database.reading() as db:
            row = db.execute(either, (output, output)).fetchone()
        return None if row is None else row["source"]

    def is_claimed(self, output: str, key: str) -> bool:
        """Whether a job that has not ended, and is not this work, is to write there."""
        query = (
            "SELECT 1 FROM outputs JOIN jobs ON jobs.id = outputs.job WHERE path = ? AND key <> ? "
            "AND state IN ('queued', 'waiting', 'running')"
        )
        with self._database.reading() as db:
            return db.execute(query, (output, key)).fetchone() is not None

    def open_jobs(self, source: str) -> list[Job]:
        """What is still to be done for a source."""
        with self._database.reading() as db:
            rows = db.execute(
                SELECT + "WHERE source = ? AND state IN ('queued', 'waiting', 'running') ORDER BY id", (source,)
            )
            return [job_of(row) for row in rows]

    def begun(self) -> list[Job]:
        """Jobs that were worked on before, and are to be worked on again."""
        with self._database.reading() as db:
            rows = db.execute(SELECT + "WHERE state IN ('queued', 'waiting') AND attempt > 0 ORDER BY id")
            return [job_of(row) for row in rows]

    def given_up(self) -> list[str]:
        """Files that jobs were to make that were begun, and then failed or were cancelled."""
        query = (
            "SELECT path FROM outputs JOIN jobs ON jobs.id = outputs.job "
            "WHERE state IN ('failed', 'cancelled') AND attempt > 0 AND facts IS NULL"
        )
        with self._database.reading() as db:
            return [row["path"] for row in db.execute(query)]

    def events(self, *, after: int = 0, job: int | None = None, limit: int = 100) -> list[Event]:
        """The log from behind the id `after`, oldest first."""
        which, values = ("job = ? AND ", (job,)) if job is not None else ("", ())
        query = f"SELECT id, at, job, kind, data FROM events WHERE {which}id > ? ORDER BY id LIMIT ?"  # noqa: S608
        with self._database.reading() as db:
            rows = db.execute(query, (*values, after, limit))
            return [_event_of(row) for row in rows]

    def last_event(self) -> int:
        """The id of the newest line of the log; 0 if there is none."""
        with self._database.reading() as db:
            return int(db.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])

    def latest_events(self, job: int, limit: int = 100) -> list[Event]:
        """The last lines of a job's log, oldest first."""
        query = "SELECT id, at, job, kind, data FROM events WHERE job = ? ORDER BY id DESC LIMIT ?"
        with self._database.reading() as db:
            return [_event_of(row) for row in reversed(db.execute(query, (job, limit)).fetchall())]

    def folder_events(self, folder: str, name: str, *, limit: int = 50, among: int = 20_000) -> list[tuple[Event, str]]:
        """The last lines of the log that are about a watched folder or its jobs, newest first, with their sources.

        Args:
            folder: where it lies.
            name: what it is called.
            among: so many of the last lines are looked through.
        """
        query = (
            "SELECT e.id, e.at, e.job, e.kind, e.data, j.source FROM events e LEFT JOIN jobs j ON j.id = e.job "
            "WHERE e.id > (SELECT coalesce(max(id), 0) FROM events) - ? AND ((j.source > ? AND j.source < ?) "
            "OR (e.job IS NULL AND json_extract(e.data, '$.folder') = ?)) ORDER BY e.id DESC LIMIT ?"
        )
        with self._database.reading() as db:
            rows = db.execute(query, (among, *_bounds(folder), name, limit))
            return [(_event_of(row), row["source"] or "") for row in rows]

    @property
    def paused(self) -> bool:
        with self._database.reading() as db:
            return self._flag(db, "paused")

    def paused_folders(self) -> set[str]:
        """Names of the watched folders whose photos are not to be taken."""
        start = "paused folder "
        with self._database.reading() as db:
            rows = db.execute("SELECT name FROM flags WHERE name GLOB ?", (f"{start}*",))
            return {row["name"].removeprefix(start) for row in rows}

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


def _bounds(folder: str) -> tuple[str, str]:
    """Between these lies every path below a folder: texts are compared byte by byte, and 0 comes after the slash."""
    plain = folder.rstrip("/")
    return f"{plain}/", f"{plain}0"


def _event_of(row: sqlite3.Row) -> Event:
    return Event(row["id"], row["at"], row["job"], row["kind"], json.loads(row["data"]))


def job_of(row: sqlite3.Row) -> Job:
    values = list(row)
    values[_HELD], values[_STOPPING] = bool(values[_HELD]), bool(values[_STOPPING])
    return Job(*values)
