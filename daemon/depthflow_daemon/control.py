"""What people ask of jobs: cancel, retry, hold, priority, pause. It takes and ends no work itself."""

from __future__ import annotations

from depthflow.errors import UsageError
from depthflow_daemon.changes import Changes, check_priority
from depthflow_daemon.records import Job


class Control(Changes):
    """The half of `store.Store` that people use."""

    def cancel(self, job: int, reason: str | None = None) -> Job:
        """Stop a job; one that runs is marked, and is cancelled once its worker has stopped.

        Args:
            reason: for people, if they did not ask for it themselves.

        Raises:
            UsageError: it has ended already, or there is no such job.
        """
        with self._database.transaction() as db:
            if self._check_open(db, job).state == "running":
                db.execute("UPDATE jobs SET stopping = 1, error = ? WHERE id = ?", (reason, job))
                self._log(db, job, "stopping", **({"error": reason} if reason else {}))
            else:
                self._set(db, job, "cancelled")
                db.execute("UPDATE jobs SET error = coalesce(?, error) WHERE id = ?", (reason, job))
                self._log(db, job, "cancelled", **({"error": reason} if reason else {}))
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
        check_priority(priority)
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
