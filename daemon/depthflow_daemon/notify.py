"""Tells systemd how the daemon is, over the socket that it names (sd_notify(3)); silent where there is none."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping


class Notifier:
    """The socket of NOTIFY_SOCKET, which is taken out of the environment: it is meant for nobody that we start.

    Attributes:
        watchdog_seconds: within these systemd wants to hear of us, else it starts us anew; None if it does not.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_seconds: float | None = None
        micros, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        if micros.isdigit() and pid in ("", str(os.getpid())):
            self.watchdog_seconds = int(micros) / 1e6
        self._status = ""

    @property
    def silent(self) -> bool:
        """Nobody listens."""
        return not self._address

    def ready(self) -> None:
        """Everything answers; also after `reloading`."""
        self._send("READY=1")

    def reloading(self) -> None:
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Work goes on; to be sent several times within `watchdog_seconds`."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """A line for people; sent when it changed."""
        if text != self._status:
            self._status = text
            self._send("STATUS=" + text.replace("\n", " "))

    def _send(self, text: str) -> None:
        if self._address and hasattr(socket, "AF_UNIX"):
            # Whoever started us may be gone; we go on.
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(1.0)
                sender.sendto(text.encode(), self._address)
