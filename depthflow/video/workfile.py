"""Hidden work files beside the result, and how they become it: all at once or not at all.

It knows files and folders, and nothing of what is in them.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import secrets
import shutil
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from depthflow import paths
from depthflow.errors import OutputError

STALE_SECONDS = 3600.0
"""A dead process's work file is left alone this long: its ffmpeg may still be finishing it."""
_STALE_ANYWHERE_SECONDS = 86400.0
"""The same where we cannot see whether the process lives: another host, or Windows."""

_NAME = re.compile(r"\.(?P<stem>.+)\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}\.part(?:\.\w+)?", re.DOTALL)


def explain(error: OSError, path: Path) -> OutputError:
    """An operating system's error in plain words, about the path that the user asked for."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return OutputError(f"{path}: the disk is full", "free some space, or write to another disk")
        case errno.EACCES | errno.EPERM:
            return OutputError(f"{path}: no permission to write here", "choose another folder with -o")
        case errno.EROFS:
            return OutputError(f"{path}: the file system is read-only", "choose another folder with -o")
        case errno.ENAMETOOLONG:
            return OutputError(f"{path}: the name is too long", "choose a shorter one with -o")
        case errno.ENOTDIR:
            return OutputError(f"{path}: part of the path is a file, not a folder", "choose another folder with -o")
    return OutputError(f"{path}: cannot be written: {error.strerror or error}", "choose another place with -o")


class WorkPlace:
    """A hidden file (or folder) beside the result.

    Its name is `.name.<host>-<pid>-<random>.part.ext`. Folders that are missing on the way are made, and
    taken away again by `discard` if nothing came to lie in them.

    Args:
        final: where the result goes.
        folder: the work place is a folder; else it is a file, made at once, so that what cannot be written
            is known before any work is done.

    Raises:
        OutputError: it cannot be made here.
    """

    def __init__(self, final: Path, *, folder: bool = False) -> None:
        self.final = final
        self.folder = folder
        self._made: list[Path] = []
        self._extra: list[Path] = []
        parent = final.parent
        try:
            self._make_folders(parent)
            with contextlib.suppress(FileNotFoundError):
                final.lstat()  # a name that is too long: the hidden one is shorter, and would not tell
            sweep(parent)
            self.path = parent / _hidden_name(final, folder=folder)
            if folder:
                self.path.mkdir()
            else:
                self.path.touch(exist_ok=False)
        except OSError as error:
            self._remove_folders()
            raise explain(error, final) from error

    def beside(self, suffix: str) -> Path:
        """The name of one more hidden file, removed with the work place; nothing is made yet."""
        extra = self.final.parent / _hidden_name(self.final.with_suffix(suffix), folder=False)
        self._extra.append(extra)
        return extra

    def publish(self, *, overwrite: bool) -> None:
        """Give the finished file its name.

        Raises:
            OutputError: something has that name by now and may not be replaced, or the disk failed.
        """
        publish_file(self.path, self.final, overwrite=overwrite)
        self._made.clear()
        self._clear_extra()

    def discard(self) -> None:
        """Remove the work place and all that lies in it; calling it again does nothing."""
        self._clear_extra()
        if self.folder:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
        self._remove_folders()

    def _clear_extra(self) -> None:
        for extra in self._extra:
            with contextlib.suppress(OSError):
                extra.unlink(missing_ok=True)

    def _make_folders(self, parent: Path) -> None:
        missing = []
        while not parent.exists():
            missing.append(parent)
            parent = parent.parent
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                self._made.append(folder)

    def _remove_folders(self) -> None:
        with contextlib.suppress(OSError):
            while self._made:
                self._made.pop().rmdir()


def exists(path: Path) -> OutputError:
    """The error for a result that is there already."""
    return OutputError(f"{path}: is there already", "give --overwrite to replace it, or another name")


def check_free(path: Path, *, overwrite: bool) -> None:
    """Say before any work that a file's name is taken.

    Raises:
        OutputError: a folder or a device has this name, or a file that may not be replaced.
    """
    if paths.is_folder(path):
        raise OutputError(f"{path}: is a folder", f"name a file in it, such as {path / 'video.mp4'}")
    if paths.exists(path) and not path.is_file():
        # A rename would put a file in its place, also in that of /dev/null.
        raise OutputError(f"{path}: is a device or a pipe", "name a file")
    if not overwrite and paths.exists(path):
        raise exists(path)


def publish_file(source: Path, final: Path, *, overwrite: bool) -> None:
    """Put a finished file on the disk for certain, and give it its name.

    Raises:
        OutputError: something has that name by now and may not be replaced, or the disk failed.
    """
    try:
        _sync(source)
        if overwrite:
            source.replace(final)
        else:
            _rename_new(source, final)
        _sync(final.parent)
    except FileExistsError:
        raise exists(final) from None
    except OSError as error:
        raise explain(error, final) from error


def publish_images(
    work: WorkPlace, final: Path, *, overwrite: bool, ours: re.Pattern[str], after: Iterable[str]
) -> None:
    """Give a folder of images its name, or move the images into a folder that is there already.

    Args:
        final: the folder they go to.
        overwrite: images of these names that are there may be replaced. No other file is touched, but for `after`.
        ours: names of the images.
        after: names with which their numbers go on. What has them is the tail of an older and longer sequence, and
            goes, up to the first one that is not there; what comes behind such a gap is none of it.

    Raises:
        OutputError: see `check_images`, or the disk failed.
    """
    try:
        images = sorted(work.path.iterdir())
        for image in images:
            _sync(image)
        _sync(work.path)
        if not final.exists():
            work.path.rename(final)
        else:
            check_images(final, overwrite=overwrite, ours=ours)
            for image in images:
                image.replace(final / image.name)
            for old in itertools.takewhile(Path.is_file, (final / name for name in after)):
                old.unlink()
        _sync(final.parent)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise explain(error, final) from error
    work.discard()


def check_images(folder: Path, *, overwrite: bool, ours: re.Pattern[str]) -> None:
    """Say before any work that images cannot go into a folder.

    Raises:
        OutputError: it is a file, or it holds images of that name that may not be replaced.
    """
    if not paths.is_folder(folder):
        if paths.exists(folder):
            raise OutputError(f"{folder}: is a file, and the images need a folder", "choose another name with -o")
    elif not overwrite:
        try:
            there = [file for file in folder.iterdir() if ours.fullmatch(file.name)]
        except OSError as error:
            raise explain(error, folder) from error
        if there:
            raise exists(min(there))


def sweep(
    folder: Path, *, stale_seconds: float = STALE_SECONDS, spare: Callable[[Path], bool] = lambda _: False
) -> None:
    """Remove work files that dead processes left in a folder. One listing; what cannot be removed stays.

    Args:
        stale_seconds: how long a dead process's file is left alone.
        spare: whether one is left alone nevertheless.
    """
    with contextlib.suppress(OSError):
        for file in _left_over(folder, stale_seconds):
            if spare(file):
                continue
            if file.is_dir():
                shutil.rmtree(file, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    file.unlink()


def folders_left(final: Path) -> list[Path]:
    """The work folders for this result that dead processes of this host left, whatever their age."""
    stem = _short(final.name)
    with contextlib.suppress(OSError), os.scandir(final.parent) as entries:
        return [
            Path(entry.path)
            for entry in entries
            if (match := _NAME.fullmatch(entry.name))
            and match["stem"] == stem
            and is_left_over(entry.name)
            and entry.is_dir(follow_symlinks=False)
        ]
    return []


def is_left_over(name: str) -> bool:
    """A work file's name, of a process of this host that is no more."""
    match = _NAME.fullmatch(name)
    return match is not None and match["host"] == _host() and sys.platform != "win32" and not _alive(int(match["pid"]))


def _left_over(folder: Path, stale_seconds: float) -> Iterator[Path]:
    now = time.time()
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") or not (match := _NAME.fullmatch(entry.name)):
                continue
            here = match["host"] == _host() and sys.platform != "win32"
            if here and _alive(int(match["pid"])):
                continue
            with contextlib.suppress(OSError):
                if now - entry.stat().st_mtime > (stale_seconds if here else _STALE_ANYWHERE_SECONDS):
                    yield Path(entry.path)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """It has ended and nobody fetches its exit code, as in containers without an init. Known on Linux only."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _host() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _short(stem: str) -> str:
    while len(os.fsencode(stem)) > 180:
        stem = stem[:-1]
    return stem or "out"


def _hidden_name(final: Path, *, folder: bool) -> str:
    """A name that no one else has, and not longer than file systems take (255 bytes)."""
    stem = _short(final.name if folder else final.stem)
    suffix = "" if folder else final.suffix
    return f".{stem}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}.part{suffix}"


def _rename_new(source: Path, target: Path) -> None:
    """Rename without replacing: FileExistsError if somebody was faster."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        # No hard links here (exFAT, some network shares): a check just before is the best there is.
        if target.exists():
            raise FileExistsError(errno.EEXIST, "exists", str(target)) from None
        source.replace(target)
    else:
        source.unlink()


def _sync(path: Path) -> None:
    """Have a file or folder on the disk for certain."""
    if path.is_dir() and sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY if sys.platform != "win32" else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems cannot sync folders, and say so with EINVAL.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
