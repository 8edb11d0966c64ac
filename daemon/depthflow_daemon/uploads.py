"""Keeps files that clients send, each content once, and the folders of what is made of them. It knows no HTTP.

uploads/incoming/      what is being received; emptied at the daemon's start
uploads/SHA-256.jpg    a file by its content
results/KEY/           what a job without a place for its results makes of an upload
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import threading
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from depthflow.errors import OutputError
from depthflow.video.workfile import explain

_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


class NoSpaceError(OutputError):
    """The disk with the daemon's own folder is full."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was received whole.

    Attributes:
        path: where it lies.
        digest: SHA-256 of its bytes, hex.
        name: as the client called it, without folders.
        receipt: which time it was received, for `Uploads.settle`.
    """

    path: Path
    digest: str
    name: str
    receipt: str = ""


class Uploads:
    """Safe to use from any thread."""

    def __init__(self, work: Path) -> None:
        self.place, self.results = work / "uploads", work / "results"
        self._guard = threading.Lock()
        self._fresh: dict[Path, str] = {}
        self._incoming = self.place / "incoming"

    def sweep(self) -> None:
        """Remove what was not received whole. To be called once, before anything is received."""
        shutil.rmtree(self._incoming, ignore_errors=True)

    def receive(self, name: str) -> Receiving:
        """A file to write to.

        Raises:
            OutputError: nothing can be written there.
        """
        try:
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
            return Receiving(self, self._incoming / secrets.token_hex(16), name)
        except OSError as error:
            raise _explained(error, self._incoming) from error

    def kept(self, incoming: Path, place: Path) -> None:
        """Give what was received whole its name; one with the same bytes that is there already takes its place."""
        with self._guard:
            if _is_whole(place, incoming):
                place.touch()
                # Somebody else counts on it now too.
                self._fresh.pop(place, None)
            else:
                incoming.replace(place)
                self._fresh[place] = incoming.name

    def settle(self, upload: Upload, *, used: bool) -> None:
        """Whether what was asked for with it was accepted; else it goes, unless somebody else sent the same."""
        with self._guard:
            mine = self._fresh.get(upload.path) == upload.receipt
            if mine:
                del self._fresh[upload.path]
            if mine and not used:
                upload.path.unlink(missing_ok=True)

    def prune(self, known: set[str], outputs: set[str], *, least_age: float = 3600.0) -> int:
        """Remove what no job knows any more; how many files and folders.

        Args:
            known: every file that any job, ended or not, was made from.
            outputs: every file that any job made or is to make.
            least_age: seconds; what is younger stays, since its job may not be in the store yet.
        """
        gone = 0
        folders = {str(Path(path).parent) for path in outputs}
        before = time.time() - least_age
        for file in _entries(self.place):
            # Its age is looked at with the lock: who sends the same now makes it young.
            with self._guard, contextlib.suppress(OSError):
                status = file.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and status.st_mtime <= before and file.path not in known:
                    os.unlink(file.path)  # noqa: PTH108 - no Path for each of many
                    gone += 1
        for folder in _entries(self.results):
            if folder.path not in folders and folder.stat(follow_symlinks=False).st_mtime <= before:
                shutil.rmtree(folder.path, ignore_errors=True)
                gone += 1
        return gone


class Receiving:
    """A file that is being received; `close` removes what was not kept."""

    def __init__(self, uploads: Uploads, path: Path, name: str) -> None:
        self._uploads, self._path = uploads, path
        self.name = plain_name(name)
        self._digest = hashlib.sha256()
        self._file: Any = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def write(self, data: bytes) -> None:
        """Raises OutputError: the disk is full or failing."""
        try:
            self._digest.update(data)
            self._file.write(data)
        except OSError as error:
            raise _explained(error, self._path) from error

    def keep(self) -> Upload:
        """The file is whole; one with the same bytes that is there already takes its place.

        Raises:
            OutputError: the disk is full or failing.
        """
        digest = self._digest.hexdigest()
        suffix = PurePosixPath(self.name).suffix.lower()
        place = self._uploads.place / f"{digest}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._uploads.kept(self._path, place)
        except OSError as error:
            raise _explained(error, self._path) from error
        return Upload(place, digest, self.name, self._path.name)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what is still to be written may find no space
            self._file.close()
        self._path.unlink(missing_ok=True)


def _explained(error: OSError, path: Path) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError("the daemon's disk is full", "free some space there, or send less")
    return explain(error, path)


def plain_name(name: str) -> str:
    """A client's name for a file without its folders and without what no file may be called."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in last).strip(" .")
    return kept[-100:] or "photo"


def _is_whole(place: Path, received: Path) -> bool:
    try:
        found = place.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == received.stat().st_size


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(f"{folder}: cannot be read: {error.strerror}") from error
