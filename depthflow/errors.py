"""One tree of errors; each says what, where and why, and how to go on. It knows nothing of who raises them.

    DepthFlowError                1
    ├── UsageError (ValueError)   2   the request itself is wrong: options, spec, settings
    │   └── UnknownNameError          a name that is not there, with the nearest one that is
    ├── InputError (ValueError)   3   a file given to us is no good
    │   ├── PhotoError
    │   └── DepthError
    ├── SystemError_ (OSError)    4   it cannot be done here: no GL, no ffmpeg, no space, a name that is taken
    │   ├── GLError
    │   ├── FFmpegError
    │   ├── RuntimeMissingError       a library that comes by extra is not installed, or ONNX Runtime runs nowhere
    │   ├── DownloadError             no network, offline mode, or the server has another file
    │   ├── OutputError               the result cannot be written where it was asked for
    │   ├── StoreError                the daemon's database cannot be used, or another daemon has it
    │   └── ServerError               no daemon answers, or it cannot do now what it is asked for
    ├── BatchError                5   some of several jobs failed, the others are done
    └── Cancelled               130   stopped on request; nothing half-written is left

The number is the exit code of the command line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DepthFlowError(Exception):
    """Base of all errors that are raised on purpose.

    Args:
        message: one line: what is wrong, with the file's name where there is a file, and why.
        hint: one line: the way out, such as the command that mends it; empty if there is none.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[type[DepthFlowError], tuple[str, str]]:
        # OSError and ValueError pickle their args only, which would lose the hint between processes.
        return type(self), (self.message, self.hint)


def told(error: DepthFlowError | OSError) -> DepthFlowError:
    """The error itself if it is one of ours, else what the system refused, in words for people."""
    if isinstance(error, DepthFlowError):
        return error
    name = "" if error.filename is None else f"{error.filename}: "
    return SystemError_(f"{name}{error.strerror or error}", "check the path, its permissions, and the room on its disk")


class UsageError(DepthFlowError, ValueError):
    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is not there.

    Args:
        kind: what was looked for, such as "motion".
        name: what was asked for.
        known: the names there are.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(f"unknown {kind} {name!r}", f"{hint}known: {', '.join(names) or 'none'}")
        self.kind, self.name, self.known = kind, name, names

    def __reduce__(self) -> tuple[type[DepthFlowError], tuple[str, str]]:
        return UsageError, (self.message, self.hint)


class InputError(DepthFlowError, ValueError):
    exit_code = 3


class PhotoError(InputError):
    """The photo cannot be used."""


class DepthError(InputError):
    """The depth map, or the network that should make it, cannot be used."""


class SystemError_(DepthFlowError, OSError):  # noqa: N801, N818 - the trailing underscore spares the builtin
    exit_code = 4


class GLError(SystemError_):
    """No OpenGL context, or it cannot do what is needed."""


class FFmpegError(SystemError_):
    """ffmpeg is missing, lacks an encoder, or ended badly; the message carries its last lines."""


class RuntimeMissingError(SystemError_):
    """ONNX Runtime or another library that comes by extra is not installed, or no provider works."""


class DownloadError(SystemError_):
    """A file cannot be fetched, or is not the one that was asked for; what was fetched is not used."""


class OutputError(SystemError_):
    """The result cannot be written where it was asked for."""


class StoreError(SystemError_):
    """The daemon's database cannot be used, or another daemon has it."""


class ServerError(SystemError_):
    """No daemon answers, or it cannot do now what it is asked for."""


class BatchError(DepthFlowError):
    """Some of several jobs failed; the others are done."""

    exit_code = 5


class Cancelled(DepthFlowError):  # noqa: N818 - it is no fault
    """Stopped on request between two frames; nothing half-written is left."""

    exit_code = 130
