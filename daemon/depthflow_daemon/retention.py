"""What is forgotten, and when: old jobs and log lines, and files that are long gone. What is open stays for ever."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable

from depthflow_daemon.changes import Changes
from depthflow_daemon.records import FINAL

MISSING_DAYS = 30.0
"""A file that is not there is remembered this long: its share may be unmounted."""
_DAY = 86400.0
_AT_ONCE = 200
"""Rows in one transaction, so that nobody waits long for the store."""
_MARKS = ", ".join("?" * len(FINAL))


class Retention(Changes):
    """The half of `store.Store` that keeps it small."""

    def prune(self, *, days: float | None = None, jobs: int | None = None, events: int | None = None) -> int:
        """Forget jobs that have ended. Work whose files are still there is not done again for all that.

        Args:
            days: jobs that ended longer ago.
            jobs: the oldest beyond this number of ended ones.
            events: the oldest log lines beyond this number; those of forgotten jobs go in any case.

        Returns:
            How many jobs were forgotten.
        """
        forgotten = 0
        while chosen := self._ended(days, jobs):
            with self._database.transaction() as db:
                for job in chosen:
                    forgotten += self._forget(db, job)
        if events is not None:
            with self._database.transaction() as db:
                db.execute("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", (events,))
        self._forget_missing("made")
        self._forget_missing("files")
        return forgotten

    def _ended(self, days: float | None, jobs: int | None) -> list[int]:
        """Some of the jobs that may go, oldest first."""
        found: set[int] = set()
        with self._database.reading() as db:
            if days is not None:
                before = self._clock.wall() - days * _DAY
                query = f"SELECT id FROM jobs WHERE state IN ({_MARKS}) AND changed_at < ? LIMIT ?"  # noqa: S608
                found |= {row["id"] for row in db.execute(query, (*FINAL, before, _AT_ONCE))}
            if jobs is not None:
                query = (
                    f"SELECT id FROM jobs INDEXED BY jobs_names WHERE state IN ({_MARKS}) ORDER BY id LIMIT "  # noqa: S608 - question marks
                    f"max(0, min(?, (SELECT count(*) FROM jobs WHERE state IN ({_MARKS})) - ?))"
                )
                found |= {row["id"] for row in db.execute(query, (*FINAL, _AT_ONCE, *FINAL, jobs))}
        return sorted(found)

    def _forget(self, db: sqlite3.Connection, job: int) -> bool:
        found = self._find(db, job)
        if found is None or found.state not in FINAL:
            return False  # tried again meanwhile
        if found.state == "done":
            db.execute(
                "INSERT OR REPLACE INTO made (path, key, source) "
                "SELECT path, ?, source FROM outputs WHERE job = ? AND facts NOT NULL",
                (found.key, job),
            )
        db.execute("DELETE FROM events WHERE job = ?", (job,))
        db.execute("DELETE FROM jobs WHERE id = ?", (job,))
        return True

    def _forget_missing(self, table: str) -> None:
        """Note which files are not there, and forget those that have not been for long."""
        last = ""
        while True:
            with self._database.reading() as db:
                query = f"SELECT path, missing_at FROM {table} WHERE path > ? ORDER BY path LIMIT ?"  # noqa: S608
                rows = db.execute(query, (last, _AT_ONCE)).fetchall()
            if not rows:
                return
            last = rows[-1]["path"]
            there = {row["path"]: os.path.lexists(row["path"]) for row in rows}
            lost = [row["path"] for row in rows if not there[row["path"]] and row["missing_at"] is None]
            back = [row["path"] for row in rows if there[row["path"]] and row["missing_at"] is not None]
            late = self._clock.wall() - MISSING_DAYS * _DAY
            gone = [row["path"] for row in rows if not there[row["path"]] and (row["missing_at"] or late) < late]
            if lost or back or gone:
                with self._database.transaction() as db:
                    _each(db, f"UPDATE {table} SET missing_at = {self._clock.wall()} WHERE path = ?", lost)  # noqa: S608
                    _each(db, f"UPDATE {table} SET missing_at = NULL WHERE path = ?", back)  # noqa: S608
                    _each(db, f"DELETE FROM {table} WHERE path = ?", gone)  # noqa: S608


def _each(db: sqlite3.Connection, command: str, paths: Iterable[str]) -> None:
    db.executemany(command, ((path,) for path in paths))
