"""Opens the daemon's SQLite file: one owner, local disk, newest schema, whole transactions. It knows no table."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path

from depthflow.errors import StoreError
from depthflow_daemon.mounts import file_system, is_remote

_BUSY_SECONDS = 5.0


class Database:
    """The file, locked for this process until `close`, or until the process dies in whatever way.

    One connection serves all threads, one transaction at a time. Do not fork without exec while it is open.

    Args:
        path: of the SQLite file; its folder is made if it is not there.

    Raises:
        StoreError: another daemon has it, it lies on a network mount, is no database, damaged, or of a newer program.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.RLock()
        lock = _locked(path)
        try:
            self._connection = _connect(path)
        except BaseException:
            os.close(lock)
            raise
        self._lock: int | None = lock

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, also when the process is killed; what is committed is on the disk.

        Raises:
            StoreError: the disk is full or failing.
        """
        with self._guard:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                except BaseException:
                    self._connection.rollback()
                    raise
                self._connection.commit()
            except sqlite3.DatabaseError as error:
                with suppress(sqlite3.Error):
                    self._connection.rollback()
                raise _explained(self.path, error) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For SELECT only.

        Raises:
            StoreError: the disk is failing.
        """
        with self._guard:
            try:
                yield self._connection
            except sqlite3.DatabaseError as error:
                raise _explained(self.path, error) from error

    def close(self) -> None:
        with self._guard:
            self._connection.close()
            # Once: by the second time the number may be another file's.
            lock, self._lock = self._lock, None
            if lock is not None:
                os.close(lock)


def _locked(path: Path) -> int:
    """A handle whose lock ends with it; the lock file itself stays, since removing it would make two of them."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if is_remote(path.parent):
            raise StoreError(
                f"{path}: lies on a network mount ({file_system(path.parent)}), where SQLite loses data",
                "put the store on a local disk; the watched folders may be anywhere",
            )
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened: {error.strerror}", "choose another place for the store") from error
    try:
        _lock_soon(handle)
    except OSError:
        owner = os.read(handle, 32).decode(errors="replace").strip()
        os.close(handle)
        raise StoreError(
            f"{path}: another daemon has this store{f' (process {owner})' if owner.isdigit() else ''}",
            "stop that one first, or give this one a store of its own",
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle


def _lock_soon(handle: int) -> None:
    """Who looks whether the store is open (`holder`) has the lock for a moment too."""
    for pause in (0.02, 0.1):
        try:
            _lock(handle)
            break
        except OSError:
            time.sleep(pause)
    else:
        _lock(handle)


def holder(path: Path) -> int | None:
    """The process that has this store open; None if none has."""
    try:
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR)
    except OSError:
        return None
    try:
        _lock(handle)
    except OSError:
        owner = os.read(handle, 32).decode(errors="replace").strip()
        return int(owner) if owner.isdigit() else None
    finally:
        os.close(handle)
    return None


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        # Far behind the process's number, so that others may read that.
        os.lseek(handle, 1 << 20, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        made = not path.exists()
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise _explained(path, error) from error
    try:
        if made:
            path.chmod(0o600)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a job whose acceptance was told is there after a power cut too.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # In KiB: what lists are filtered by stays in memory with 100,000 jobs.
        connection.execute("PRAGMA cache_size = -16384")
        _migrate(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise _explained(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def migrations() -> dict[int, str]:
    """Every step of the schema by number, as SQL, in order."""
    folder = resources.files("depthflow_daemon") / "migrations"
    found = {}
    for file in folder.iterdir():
        if match := re.fullmatch(r"(\d{4})_\w+\.sql", file.name):
            found[int(match[1])] = file.read_text(encoding="utf-8")
    return dict(sorted(found.items()))


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    steps = migrations()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > max(steps):
        raise StoreError(
            f"{path}: was written by a newer DepthFlow (schema {version}, this one knows {max(steps)})",
            "update DepthFlow, or give this one a store of its own",
        )
    for number, script in steps.items():
        if number > version:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")


def _explained(path: Path, error: sqlite3.Error) -> StoreError:
    text = str(error)
    if "full" in text:
        return StoreError(f"{path}: the disk is full", "free some space; nothing that was stored is lost")
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return StoreError(f"{path}: is no database, or a damaged one ({text})", "restore it, or move it out of the way")
    return StoreError(f"{path}: cannot be used: {text}", "check the disk and its permissions")
