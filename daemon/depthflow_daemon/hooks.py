"""Tells programs and web addresses what happened; whatever they do, nobody waits for them but the next one told.

Each program and each address has a queue and a thread of its own, so that what is slow delays only itself. A queue that
is full loses its oldest entry. Nothing of this is kept over the daemon's end.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from depthflow import __version__
from depthflow.errors import UsageError
from depthflow_daemon.config import HookEvent, HookSettings, WebhookSettings
from depthflow_daemon.logs import hide, secret_in

log = logging.getLogger(__name__)

QUEUE_LENGTH = 1000
BACKOFF_SECONDS = 1.0
BACKOFF_MAX_SECONDS = 60.0
_SAFE_PATH = os.environ.get("PYTHONSAFEPATH", "")
"""As the user has it; the workers' must not be that of hooks, which may be scripts with modules beside them."""
TOKEN = "DEPTHFLOW_TOKEN"  # noqa: S105 - the name of a variable
_SAID = 2000
"""Characters of a failed program's words that are logged."""


@dataclass(frozen=True, slots=True)
class Happening:
    """What is told.

    Attributes:
        event: its kind.
        data: plain data about it, JSON-ready; a program gets its texts and numbers as DEPTHFLOW_<KEY>.
        at: wall-clock seconds.
    """

    event: HookEvent
    data: Mapping[str, Any]
    at: float = field(default_factory=time.time)

    def environment(self) -> dict[str, str]:
        """As variables: lists as lines, None as empty."""
        found: dict[str, str] = {"DEPTHFLOW_EVENT": self.event}
        for key, value in self.data.items():
            lines = value if isinstance(value, list | tuple) else [value]
            text = "\n".join("" if line is None else str(line) for line in lines)
            # A null byte can stand in no variable.
            found[f"DEPTHFLOW_{key.upper()}"] = text.replace("\0", "")
        return found

    def body(self) -> bytes:
        at = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")
        return json.dumps({"event": self.event, "at": at, **self.data}).encode()


class Hooks:
    """All that want to be told.

    Raises:
        UsageError: a webhook's secret cannot be read.
    """

    def __init__(self, settings: HookSettings) -> None:
        self._queues: list[tuple[frozenset[str], _Queue]] = []
        programs: dict[HookEvent, tuple[str, ...]] = {
            "before-job": settings.before_job,
            "after-job": settings.after_job,
            "folder-drained": settings.folder_drained,
        }
        wanted = {event: argv for event, argv in programs.items() if argv}
        if wanted:
            # One queue for all of them: what is told of a job's begin has ended before its end is told.
            hidden = {TOKEN, *(webhook.secret_env for webhook in settings.webhooks)}
            self._add(frozenset(wanted), _Programs(wanted, settings.seconds, hidden), "hooks")
        for webhook in settings.webhooks:
            self._add(frozenset(webhook.events), _Webhook(webhook), f"webhook {shown(webhook.url)}")

    def _add(self, events: frozenset[str], tell: _Programs | _Webhook, name: str) -> None:
        self._queues.append((events, _Queue(tell, name)))

    def tell(self, happening: Happening) -> None:
        """Returns at once."""
        for events, queue in self._queues:
            if happening.event in events:
                queue.put(happening)

    def close(self, seconds: float) -> None:
        """Let what was told reach its ends, for so long; then no more."""
        end = time.monotonic() + seconds
        for _, queue in self._queues:
            queue.finish()
        for _, queue in self._queues:
            queue.stop(max(0.0, end - time.monotonic()))


class _Queue(threading.Thread):
    """What is to be told to one, in order."""

    def __init__(self, tell: _Programs | _Webhook, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._tell = tell
        self._todo: deque[Happening] = deque()
        self._news = threading.Condition()
        self._finishing = False
        self.start()

    def put(self, happening: Happening) -> None:
        with self._news:
            if len(self._todo) >= QUEUE_LENGTH:
                self._todo.popleft()
                log.warning("%s: cannot keep up; the oldest events are not told", self.name)
            self._todo.append(happening)
            self._news.notify()

    def run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._todo or self._finishing)
                if not self._todo:
                    return
                happening = self._todo.popleft()
            try:
                self._tell(happening)
            except Exception:
                log.exception("%s: %s was not told", self.name, happening.event)

    def finish(self) -> None:
        """End when everything has been told."""
        with self._news:
            self._finishing = True
            self._news.notify()

    def stop(self, seconds: float) -> None:
        self.join(seconds)
        if self.is_alive():
            with self._news:
                left = len(self._todo) + 1
                self._todo.clear()
            self._tell.stop()
            log.warning("%s: %d events were not told before the end", self.name, left)
            self.join(5.0)


class _Programs:
    """Runs the program of an event.

    Args:
        hidden: variables that no program is given.
    """

    def __init__(
        self, programs: Mapping[HookEvent, tuple[str, ...]], seconds: float, hidden: Collection[str | None]
    ) -> None:
        self._programs, self._seconds, self._hidden = programs, seconds, hidden
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, happening: Happening) -> None:
        argv = self._programs[happening.event]
        about = {"event": "hook", "hook": happening.event}
        environment = {name: value for name, value in os.environ.items() if name not in self._hidden}
        environment["PYTHONSAFEPATH"] = _SAFE_PATH
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**environment, **happening.environment()},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            log.warning("hook %s: %s cannot be started: %s", happening.event, argv[0], error, extra=about)
            return
        self._process = process
        said = bytearray()
        reader = threading.Thread(target=_read, args=(process, said), daemon=True)
        reader.start()
        try:
            code: int | None = process.wait(self._seconds)
        except subprocess.TimeoutExpired:
            code = None
            self.stop()
        # What it started may hold its output open: that is not waited for.
        reader.join(1.0)
        self._process = None
        if code is None:
            log.warning("hook %s: %s ended after %g s", happening.event, argv[0], self._seconds, extra=about)
        elif code:
            words = bytes(said[-_SAID:]).decode(errors="replace").strip()
            log.warning("hook %s: %s: exit code %d: %s", happening.event, argv[0], code, words, extra=about)

    def stop(self) -> None:
        """End the program that runs, and all that it started."""
        process = self._process
        if process is None:
            return
        if sys.platform == "win32":
            process.kill()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(process: subprocess.Popen[bytes], into: bytearray) -> None:
    assert process.stdout is not None  # noqa: S101
    with process.stdout as stream:
        while data := stream.read1(65536):  # type: ignore[attr-defined]
            into += data
            del into[: -2 * _SAID]


class _Webhook:
    """Posts events to an address, signed, again and again until it is answered 2xx.

    Headers: X-DepthFlow-Event, X-DepthFlow-Delivery (the same for each attempt), X-DepthFlow-Timestamp, and with a
    secret X-DepthFlow-Signature: "sha256=" and the hexadecimal HMAC-SHA256 of "<timestamp>.<body>".
    """

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._secret = secret_of(settings)
        self._stopping = threading.Event()

    def __call__(self, happening: Happening) -> None:
        import httpx

        body, delivery = happening.body(), str(uuid.uuid4())
        about = {"event": "webhook", "hook": happening.event}
        place = shown(self._settings.url)
        problem = ""
        with httpx.Client(timeout=self._settings.seconds, follow_redirects=False) as client:
            for attempt in range(self._settings.retries + 1):
                if attempt and self._stopping.wait(min(BACKOFF_SECONDS * 2.0 ** (attempt - 1), BACKOFF_MAX_SECONDS)):
                    return
                try:
                    answer = client.post(
                        self._settings.url, content=body, headers=self._headers(happening, delivery, body)
                    )
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    problem = type(error).__name__
                    continue
                if answer.is_success:
                    return
                problem = f"HTTP {answer.status_code}"
                if answer.status_code < 500 and answer.status_code not in (408, 425, 429):
                    break  # it would be refused again
        log.warning("webhook %s: %s was not told: %s", place, happening.event, problem, extra=about)

    def _headers(self, happening: Happening, delivery: str, body: bytes) -> dict[str, str]:
        stamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"depthflowd/{__version__}",
            "X-DepthFlow-Event": happening.event,
            "X-DepthFlow-Delivery": delivery,
            "X-DepthFlow-Timestamp": stamp,
        }
        if self._secret:
            headers["X-DepthFlow-Signature"] = "sha256=" + signature(self._secret, stamp, body)
        return headers

    def stop(self) -> None:
        """Wait for no further attempt."""
        self._stopping.set()


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Hexadecimal HMAC-SHA256 of time stamp, dot and body: who receives it compares, and refuses old stamps."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def secret_of(settings: WebhookSettings, environ: Mapping[str, str] = os.environ) -> str:
    """The webhook's secret, empty if it has none; from now on it stands in no log.

    Raises:
        UsageError: the file cannot be read, or it or the variable is empty.
    """
    if settings.secret_file is not None:
        return secret_in(settings.secret_file)
    if settings.secret_env is None:
        return ""
    secret = environ.get(settings.secret_env, "")
    if not secret:
        raise UsageError(
            f"environment variable {settings.secret_env}: holds no secret",
            f"the webhook {shown(settings.url)} wants one",
        )
    hide(secret)
    return secret


def shown(url: str) -> str:
    """An address without what may be secret in it: user, password, query."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"
