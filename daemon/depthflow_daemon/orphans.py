"""Ends encoders whose worker is gone: one that reads from a pipe ends by itself, one that reads a file does not."""

from __future__ import annotations

import contextlib
import logging
import re

import psutil

from depthflow.video.workfile import is_left_over

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
                ended.append(process.pid)
    if ended:
        log.info("ended %d encoders that their workers left", len(ended))
    return ended
