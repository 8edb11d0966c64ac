"""Ends encoders whose worker is gone: one that reads from a pipe ends by itself, one that reads a file does not."""

from __future__ import annotations

import contextlib
import logging
import re
import time

import psutil

from depthflow.video.workfile import is_left_over

_GONE_SECONDS = 1.0

log = logging.getLogger(__name__)


def end_orphans() -> list[int]:
    """End every ffmpeg of this machine that writes a work file of a process that is no more; their process numbers."""
    ended = []
    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or []
        if not (process.info["name"] or "").startswith("ffmpeg"):
            continue
        if any(is_left_over(re.split(r"[/\\]", word)[-1]) for word in words):
            with contextlib.suppress(psutil.Error):
                process.kill()
                ended.append(process)
    if ended:
        # Until it is gone it may still make its file, which is to be removed now.
        deadline = time.monotonic() + _GONE_SECONDS
        while any(map(_runs, ended)) and time.monotonic() < deadline:
            time.sleep(0.01)
        log.info("ended %d encoders that their workers left", len(ended))
    return [process.pid for process in ended]


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
