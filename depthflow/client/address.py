"""Where a daemon listens, and the token that opens it. It opens no connection."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from depthflow import paths
from depthflow.errors import UsageError

SYSTEM_SOCKET = Path("/run/depthflow/depthflowd.sock")
"""Of a daemon that runs for the whole machine; taken if the user has none."""

SPELLINGS = "unix:///path/of/depthflowd.sock, http://host:port or https://host:port"
MAX_TOKEN = 4096


@dataclass(frozen=True, slots=True)
class Address:
    """One daemon.

    Attributes:
        url: what requests begin with.
        socket: the Unix socket, if it is one: then files need not be sent, both sides see the same disk.
        token: of a daemon on TCP.
    """

    url: str
    socket: Path | None = None
    token: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.url if self.socket is None else str(self.socket)

    def sees(self, path: Path, roots: Sequence[str]) -> bool:
        """Whether the daemon has the same file under this path, and may read it.

        Args:
            roots: the folders that it takes paths from (`System.roots`).
        """
        place = paths.expanded(path).resolve()
        return self.socket is not None and any(place.is_relative_to(root) and str(place) != root for root in roots)

    @classmethod
    def find(cls, server: str | None = None, *, token: str | None = None) -> Address:
        """The daemon that is meant.

        Args:
            server: one of SPELLINGS; None takes DEPTHFLOW_SERVER, else the user's own daemon.
            token: None takes DEPTHFLOW_TOKEN, else the file that DEPTHFLOW_TOKEN_FILE names.

        Raises:
            UsageError: it is none of these, or the token cannot be read.
        """
        server = server or os.environ.get("DEPTHFLOW_SERVER") or None
        if server is None:
            own = paths.socket_file()
            named = bool(os.environ.get("DEPTHFLOW_SOCKET"))
            return cls._unix(SYSTEM_SOCKET if not named and not _there(own) and _there(SYSTEM_SOCKET) else own)
        try:
            parts = urlsplit(server)
        except ValueError:  # such as half of an IPv6 address
            raise _no_address(server) from None
        if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
            return cls._unix(Path(server.removeprefix("unix://")))
        if server.startswith(("/", "./", "~")):
            return cls._unix(paths.expanded(server))
        return cls._tcp(server, _token() if token is None else token)

    @classmethod
    def _unix(cls, socket: Path) -> Address:
        return cls("http://depthflowd", socket.absolute())

    @classmethod
    def _tcp(cls, server: str, token: str | None) -> Address:
        parts = urlsplit(server)
        if parts.username or parts.password:
            raise UsageError(
                "a server's address holds no password: others can read it in the list of processes",
                "put the token into DEPTHFLOW_TOKEN, or a file and its name into DEPTHFLOW_TOKEN_FILE",
            )
        try:
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good or parts.query or parts.fragment:
            raise _no_address(server)
        return cls(server.rstrip("/"), token=token)


def _there(socket: Path) -> bool:
    """Also if it lies in a folder that is another user's: then connecting says so."""
    try:
        return socket.exists()
    except PermissionError:
        return True


def _no_address(server: str) -> UsageError:
    return UsageError(f"{server!r} is no address of a daemon", f"write {SPELLINGS}")


def _token() -> str | None:
    if given := os.environ.get("DEPTHFLOW_TOKEN"):
        return _checked(given.strip(), "DEPTHFLOW_TOKEN")
    named = os.environ.get("DEPTHFLOW_TOKEN_FILE")
    return None if not named else read_token(paths.expanded(named))


def read_token(file: Path) -> str:
    """The token in a file, without the line's end.

    Raises:
        UsageError: it cannot be read, or holds no token.
    """
    try:
        with file.open(encoding="utf-8") as opened:
            text = opened.read(MAX_TOKEN + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise UsageError(f"{file}: the token cannot be read: {why}", "check the path of its file") from None
    return _checked(text, str(file))


def _checked(token: str, source: str) -> str:
    if not token or len(token) > MAX_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"{source}: this is no token", "one line of plain letters and digits, as the daemon has it")
    return token
