"""Renders jobs in a process of its own: one JSON line in, lines of progress and one of the result out.

    in   {"job": 7, "attempt": 1, "spec": {...}, "content": "sha256 or empty"}    {"cancel": 7}
    out  {"job": 7, "progress": {...}}   {"alive": true}
         {"job": 7, "done": {"facts": {...}, "timings": {...}}}   {"job": 7, "failed": {"error": "...", "kind": "..."}}
         {"job": 7, "stopped": true}

It stays warm between jobs, and ends when its input does: a daemon that was killed leaves no worker behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from depthflow.errors import Cancelled, InputError, SystemError_, UsageError
from depthflow.progress import CancelToken, Progress

ALIVE_SECONDS = 5.0


class _Channel:
    """Whole lines only, from any thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._guard = stream, threading.Lock()

    def send(self, **message: Any) -> None:
        with self._guard:
            self._stream.write(json.dumps(message) + "\n")
            self._stream.flush()


def main() -> None:
    # Nothing that a library prints may come between the lines.
    channel = _Channel(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    # The daemon decides what a Ctrl-C in its terminal means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs: queue.SimpleQueue[tuple[dict[str, Any], CancelToken] | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    threading.Thread(target=_live, args=(channel,), daemon=True).start()
    try:
        while (order := jobs.get()) is not None:
            channel.send(job=order[0]["job"], **_work(*order, channel))
    except BrokenPipeError:
        # Nobody listens any more.
        os._exit(0)


def _listen(jobs: queue.SimpleQueue[tuple[dict[str, Any], CancelToken] | None]) -> None:
    tokens: dict[int, CancelToken] = {}
    for line in sys.stdin:
        message = json.loads(line)
        if "cancel" in message:
            if message["cancel"] in tokens:
                tokens[message["cancel"]].cancel()
        else:
            tokens = {message["job"]: CancelToken()}
            jobs.put((message, tokens[message["job"]]))
    for token in tokens.values():
        token.cancel()
    jobs.put(None)


def _live(channel: _Channel) -> None:
    pause = threading.Event()
    while not pause.wait(ALIVE_SECONDS):
        try:
            channel.send(alive=True)
        except BrokenPipeError:
            return


def _work(order: dict[str, Any], token: CancelToken, channel: _Channel) -> dict[str, Any]:
    from depthflow.api import make_job
    from depthflow.jobs.spec import JobSpec

    def report(progress: Progress) -> None:
        channel.send(job=order["job"], progress=asdict(progress))

    try:
        spec = JobSpec.parse(order["spec"], source=f"job {order['job']}")
        _check_content(Path(spec.photo), order["content"])
        result = make_job(spec, report=report, cancel=token)
    except Cancelled:
        return {"stopped": True}
    except (UsageError, InputError) as error:
        return _failed(error, "permanent")
    except (SystemError_, OSError) as error:
        return _failed(error, "transient")
    except Exception as error:
        return _failed(error, "crash")
    facts = {str(made.path): {**asdict(made), "path": str(made.path)} for made in result.outputs}
    return {"done": {"facts": facts, "timings": result.timings}}


def _check_content(photo: Path, content: str) -> None:
    """What is rendered is what was queued, byte for byte."""
    if not content:
        return
    with photo.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != content:
        raise InputError(f"{photo}: changed after it was queued", "what it is now has a job of its own")


def _failed(error: BaseException, kind: str) -> dict[str, Any]:
    text = str(error) or type(error).__name__
    hint = getattr(error, "hint", "")
    return {"failed": {"error": f"{text} ({hint})" if hint else text, "kind": kind}}


if __name__ == "__main__":
    main()
