"""Times of day at which a job may begin, such as "22:00-06:00": read from text, compared with a clock; no dates."""

from __future__ import annotations

import re
from datetime import datetime, time

from depthflow.errors import UsageError

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def parse_window(text: str) -> tuple[tuple[time, time], ...]:
    """Spans of local time, each with its end; a span that ends before it begins goes over midnight.

    Args:
        text: "HH:MM-HH:MM", several with commas; empty means always.

    Raises:
        UsageError: not such a text.
    """
    spans = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        found = _SPAN.fullmatch(part)
        if found is None or found[1] + found[2] == found[3] + found[4]:
            raise UsageError(f"{part!r} is no span of a day", "write it as 22:00-06:00; several with commas between")
        spans.append((time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))))
    return tuple(spans)


def is_open(window: str, now: datetime) -> bool:
    """Whether a job may begin now, in the clock's own time zone."""
    spans = parse_window(window)
    return not spans or any(_within(now.time(), *span) for span in spans)


def _within(now: time, start: time, end: time) -> bool:
    return start <= now < end if start < end else now >= start or now < end
