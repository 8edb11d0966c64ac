"""The durable queue: which jobs there are, who works on them, and what became of them. It renders and watches nothing.

Clocks: what decides is measured by the monotonic clock and holds within one boot of the machine. The wall clock may
jump by years and nothing runs twice or waits longer; it dates events for people, and opens the schedule's windows,
which are times of day. The monotonic clock stands still while the machine sleeps, so that no lease ends over night.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from depthflow_daemon.changes import check_priority
from depthflow_daemon.clock import Clock
from depthflow_daemon.control import Control
from depthflow_daemon.database import Database
from depthflow_daemon.leases import Leases
from depthflow_daemon.queries import SELECT
from depthflow_daemon.records import OPEN, Job, State
from depthflow_daemon.retention import Retention
from depthflow_daemon.schedule import parse_window

REQUEST_SECONDS = 7 * 86400.0
"""So long a request that is sent again is known."""


class Store(Leases, Control, Retention):
    """Jobs, attempts, outputs, files that were dealt with, and the log of events. Safe to use from any thread.

    What can be asked of it is in `queries`, what an engine does with jobs in `leases`, what people do in `control`, and
    what is forgotten in `retention`; here is what comes in.

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
            key: see `identity.job_key`.
            outputs: the files that will be made; they belong to `source` from now on.
            priority: -100 to 100, higher goes first.
            file: path and signature, remembered together with the job (see `remember`).
            note: kept with the job for whoever added it.
            request: the client's name for its request, and a digest of the request, remembered together with the job
                for REQUEST_SECONDS (see `requested`).

        Raises:
            UsageError: priority or window are not allowed.
        """
        check_priority(priority)
        parse_window(window)
        paths = list(outputs)
        whole = self._is_whole(key)
        with self._database.transaction() as db:
            old = db.execute(SELECT + "WHERE key = ? AND state <> 'skipped'", (key,)).fetchone()
            state = None if old is None else old["state"]
            # Done since it was looked at: just now, then.
            stands = whole if whole is not None else state == "done"
            if window:
                db.execute("INSERT OR IGNORE INTO windows VALUES (?)", (window,))
            if state in OPEN or (stands and state in ("done", None)):
                same_as = None if old is None else old["id"]
                added, kind = self._insert(db, key, "skipped", source, spec, same_as=same_as), "skipped"
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
                    db.execute("DELETE FROM made WHERE path = ?", (path,))
            db.execute("UPDATE jobs SET note = ? WHERE id = ?", (note, added))
            if file is not None:
                self._remember(db, *file, "job")
            if request is not None:
                now = self._clock.wall()
                db.execute("DELETE FROM requests WHERE at < ?", (now - REQUEST_SECONDS,))
                db.execute("INSERT INTO requests VALUES (?, ?, ?, ?)", (*request, added, now))
            self._log(db, added, kind, source=source)
            return self._get(db, added)

    def _is_whole(self, key: str) -> bool | None:
        """Whether all files of done work are there, None if it is not done; the disk is looked at without a lock."""
        with self._database.reading() as db:
            job = db.execute("SELECT id, state FROM jobs WHERE key = ? AND state <> 'skipped'", (key,)).fetchone()
            if job is None:
                rows = db.execute("SELECT path FROM made WHERE key = ?", (key,)).fetchall()
            elif job["state"] == "done":
                rows = db.execute("SELECT path FROM outputs WHERE job = ? AND facts NOT NULL", (job["id"],)).fetchall()
            else:
                return None
        return bool(rows) and all(os.path.exists(row["path"]) for row in rows)  # noqa: PTH110 - no Path for each

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

    # -- files that were dealt with --------------------------------------------------------------------------------

    def remember(self, path: str, signature: str, outcome: str) -> None:
        """Note that a file, as it is now, needs no more looking at.

        Args:
            signature: changes when the file does.
            outcome: "job", or why it was refused.
        """
        with self._database.transaction() as db:
            self._remember(db, path, signature, outcome)

    def _remember(self, db: sqlite3.Connection, path: str, signature: str, outcome: str) -> None:
        db.execute(
            "INSERT OR REPLACE INTO files (path, signature, outcome, seen_at) VALUES (?, ?, ?, ?)",
            (path, signature, outcome, self._clock.wall()),
        )
