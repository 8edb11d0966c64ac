"""What systemd is told, read from a socket of our own in its place."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from depthflow_daemon.notify import Notifier

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="systemd")


def heard(listener: socket.socket) -> list[str]:
    """All datagrams so far."""
    listener.setblocking(False)
    found = []
    while True:
        try:
            found.append(listener.recv(4096).decode())
        except BlockingIOError:
            return found


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_each_word_is_a_datagram_of_its_own(tmp_path: Path, kind: str) -> None:
    if kind == "abstract" and sys.platform != "linux":
        pytest.skip("only Linux has abstract sockets")
    name = str(tmp_path / "n") if kind == "path" else f"@depthflow-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0"))
        environ = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
        notifier = Notifier(environ)
        assert environ == {}, "nobody that is started hears of it"
        assert notifier.watchdog_seconds == 30.0
        notifier.ready()
        notifier.status("2 queued\nREADY=1")
        notifier.status("2 queued\nREADY=1")
        notifier.alive()
        notifier.stopping()
        assert heard(listener) == ["READY=1", "STATUS=2 queued READY=1", "WATCHDOG=1", "STOPPING=1"]
        notifier.reloading()
        (text,) = heard(listener)
        assert text.startswith("RELOADING=1\nMONOTONIC_USEC=")


def test_where_nobody_listens_nothing_happens(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}):
        notifier = Notifier(environ)
        notifier.ready()
        assert notifier.watchdog_seconds is None
