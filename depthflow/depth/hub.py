"""Fetches a registered network through huggingface_hub; a file gets its name only when it is whole. It runs none."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from depthflow import environment
from depthflow.depth.registry import HubFile, ModelInfo, Pulled, confined
from depthflow.depth.verify import file_sha256
from depthflow.errors import DownloadError, OutputError, RuntimeMissingError, UsageError
from depthflow.progress import CancelToken

INSTALL = "pip install 'depthflow-studio[hub]'"
Report = Callable[[str, int, int | None], None]
"""(file, bytes so far, all bytes or None)."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOCK = 2**20
"""Of a block that has not come whole nothing is kept, and cancelling waits for its end. The library's has 10 MiB."""
_ROOM = 16 * 2**20
"""Bytes that stay free on the disk after a download."""


def hub_library() -> Any:
    """The module huggingface_hub.

    Raises:
        RuntimeMissingError: it is not installed.
    """
    # Else it asks the server for a list of user agents as well, to tell it which one we are.
    silent = os.environ.get("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        with environment.seen_by_python(HF_HUB_DISABLE_TELEMETRY=silent):
            import huggingface_hub
            import huggingface_hub.constants
            import huggingface_hub.errors
            import huggingface_hub.file_download
            import huggingface_hub.utils  # the package itself loads its parts when it likes
    except ImportError as error:
        raise RuntimeMissingError(f"huggingface_hub is not installed ({error})", f"install it: {INSTALL}") from None
    return huggingface_hub


def pull(
    info: ModelInfo,
    *,
    report: Report = lambda *_: None,
    cancel: CancelToken | None = None,
    again: bool = False,
) -> Pulled:
    """Bring a model's files to this computer, or finish what was begun; files that are here and right stay.

    What has come so far is kept beside the model under another name, and a later call goes on from there. The
    SHA-256 is compared with the registry's, else with what the server says of the file.

    Args:
        report: told of progress, some times a second.
        cancel: looked at with every block; what has come is kept.
        again: fetch it even if it is here.

    Raises:
        UsageError: this model is not one to be fetched.
        RuntimeMissingError: huggingface_hub is not installed.
        DownloadError: offline, no answer, no such file, or a wrong SHA-256.
        OutputError: no space, or the models folder cannot be written.
        Cancelled: stopped on request.
    """
    hub = info.hub
    if info.source != "huggingface" or hub is None:
        hint = info.pull_hint if info.source == "export" else "it needs no download"
        raise UsageError(f"model {info.name!r} is not fetched from a hub", hint)
    library = hub_library()
    try:
        pulled = _File(library, info, hub, hub.file, info.sha256).fetch(report, cancel or CancelToken(), again)
        for extra in hub.extra_files:
            pinned = hub.model_copy(update={"revision": pulled.revision})
            _File(library, info, pinned, extra, "").fetch(report, cancel or CancelToken(), again)
    except OSError as error:
        if isinstance(error, DownloadError | OutputError | RuntimeMissingError):
            raise
        raise _unwritable(info.folder, error) from None
    return pulled


class _File:
    """One file of one repository on its way here."""

    def __init__(self, library: Any, info: ModelInfo, hub: HubFile, name: str, sha256: str) -> None:
        self._library, self._info, self._hub, self._name = library, info, hub, name
        self._sha256 = sha256
        self._target = confined(info.folder, name, info.name)

    def fetch(self, report: Report, cancel: CancelToken, again: bool) -> Pulled:
        if self._library.constants.HF_HUB_OFFLINE:
            if self._target.is_file() and not again and self._sha256 in ("", file_sha256(self._target)):
                return self._pulled(file_sha256(self._target), self._hub.revision)
            raise DownloadError(
                f"model {self._info.name!r} is not fetched: HF_HUB_OFFLINE is set",
                f"unset it, or copy the file to {self._target}",
            )
        with self._translated():
            url = self._library.hf_hub_url(self._hub.repo, self._name, revision=self._hub.revision or None)
            facts = self._library.get_hf_file_metadata(url)
        # Of large files the server's tag is the SHA-256.
        said = facts.etag if _SHA256.fullmatch(facts.etag or "") else ""
        if self._sha256 and said and said != self._sha256:
            raise DownloadError(
                f"{self._hub.repo}: {self._name} is not the file of the registry (SHA-256 {said[:12]}…, not "
                f"{self._sha256[:12]}…)",
                "nothing was fetched; update depthflow, or pin the other file in your own models.toml",
            )
        wanted, revision = self._sha256 or said, facts.commit_hash or self._hub.revision
        if self._target.is_file() and not again and wanted == file_sha256(self._target):
            return self._pulled(wanted, revision)
        with self._locked():
            part = self._download(facts, revision, report, cancel)
            found = file_sha256(part)
            if wanted and found != wanted:
                part.unlink()
                raise DownloadError(
                    f"{self._hub.repo}: {self._name} came with SHA-256 {found[:12]}…, not {wanted[:12]}…",
                    f"it was thrown away; try again: depthflow models pull {self._info.name}",
                )
            self._target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(self._target)
        return self._pulled(found, revision)

    def _pulled(self, sha256: str, revision: str) -> Pulled:
        size_mb = round(self._target.stat().st_size / 1e6, 2)
        return Pulled(repo=self._hub.repo, file=self._name, revision=revision, sha256=sha256, size_mb=size_mb)

    @property
    def _parts(self) -> Path:
        return self._info.folder / ".part"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time fetches a file; the lock goes with the process that held it."""
        import filelock  # huggingface_hub brings it

        self._parts.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(self._parts / f"{self._target.name}.lock", timeout=0):
                yield
        except filelock.Timeout:
            raise DownloadError(
                f"model {self._info.name!r} is being fetched by another process", "wait until that one is done"
            ) from None
        shutil.rmtree(self._parts, ignore_errors=True)

    def _download(self, facts: Any, revision: str, report: Report, cancel: CancelToken) -> Path:
        """The whole file under a name that nobody uses; what an earlier call left is continued."""
        # The tag is in the name, so that two versions of a file are never pasted together.
        tag = re.sub(r"\W", "", facts.etag or "")[:16]
        part = self._parts / f"{self._target.name}.{tag}.part"
        part.touch()
        have = part.stat().st_size
        if facts.size is not None:
            have = have if have <= facts.size else 0
            self._check_space(facts.size - have)
        headers = self._library.utils.build_hf_headers(library_name="depthflow")
        url = self._library.hf_hub_url(self._hub.repo, self._name, revision=revision or None)
        with part.open("r+b") as file, self._translated(), _silenced(self._library):
            file.truncate(have)
            file.seek(have)
            counting = _Counting(file, lambda done: report(self._name, done, facts.size), cancel)
            try:
                self._library.file_download.http_get(
                    url, counting, resume_size=have, headers=headers, expected_size=facts.size
                )
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    file.truncate(0)  # it would fill the disk until somebody finds it
                raise
        return part

    def _check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self._info.folder).free
        if needed + _ROOM > free:
            raise OutputError(
                f"{self._info.folder}: {needed / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free",
                "make room, or name another folder in DEPTHFLOW_MODELS_DIR",
            )

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of huggingface_hub and of the HTTP library under it become ours."""
        again = f"try again, it goes on where it stopped: depthflow models pull {self._info.name}"
        try:
            yield
        except self._library.errors.HfHubHTTPError as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            raise DownloadError(
                f"{self._hub.repo}: {self._name}: {_first_line(error)}",
                {
                    401: "no such repository, or it asks for a login: hf auth login",
                    403: "its owner asks for consent: open the model's page, then: hf auth login",
                    404: "the file has moved: update depthflow, or put the new place into your own models.toml",
                }.get(status or 0, again),
            ) from None
        except Exception as error:
            # The HTTP library under huggingface_hub has changed twice: its errors are told by where they come from.
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
                raise _unwritable(self._info.folder, error) from None
            if type(error).__module__.split(".")[0] in _NETWORK or isinstance(error, OSError):
                raise DownloadError(f"{self._hub.repo}: {self._name}: {_first_line(error)}", again) from None
            raise


_NETWORK = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "huggingface_hub")


class _Counting:
    """A file that tells how much of it is written, and stops when asked to."""

    def __init__(self, file: BinaryIO, report: Callable[[int], None], cancel: CancelToken) -> None:
        self._file, self._report, self._cancel = file, report, cancel

    def write(self, data: bytes) -> int:
        self._cancel.check()
        count = self._file.write(data)
        self._report(self._file.tell())
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextlib.contextmanager
def _silenced(library: Any) -> Iterator[None]:
    """Without huggingface_hub's own bar and warnings (the caller shows its own), and in blocks of _BLOCK bytes."""
    utils, constants = library.utils, library.constants
    block = constants.DOWNLOAD_CHUNK_SIZE
    constants.DOWNLOAD_CHUNK_SIZE = _BLOCK
    level = utils.logging.get_verbosity()
    utils.logging.set_verbosity_error()
    utils.disable_progress_bars("huggingface_hub.http_get")
    try:
        yield
    finally:
        utils.logging.set_verbosity(level)
        utils.enable_progress_bars("huggingface_hub.http_get")
        constants.DOWNLOAD_CHUNK_SIZE = block


def _unwritable(folder: Path, error: OSError) -> OutputError:
    hint = "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "make it writable"
    return OutputError(
        f"{folder}: cannot be written: {error.strerror or error}",
        f"{hint}, or name another folder in DEPTHFLOW_MODELS_DIR",
    )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
