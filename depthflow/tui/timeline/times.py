"""Times of keys as people write them, written anew: seconds, per cent, after the key before, before the end."""

from __future__ import annotations

from typing import Any, Literal

from depthflow.scene.keys import Time, parse_time

Form = Literal["seconds", "percent", "after", "before the end"]
FORMS: tuple[Form, ...] = ("seconds", "percent", "after", "before the end")

_DIGITS = (3, 4, 6, 9, 12)
_NEAR = 0.0005
"""Seconds by which what is written may miss what is meant."""
HAIR = 1e-9
"""What the engine lets pass as equal, in seconds."""


def form_of(at: str | float) -> Form:
    """How a time is written; what mixes two forms goes by its sign."""
    time = parse_time(at)
    if time.sign:
        return "after" if time.sign == "+" else "before the end"
    return "percent" if time.part else "seconds"


def resolved(at: str | float, length: float, before: float) -> float:
    """Seconds from the beginning.

    Args:
        length: of the whole, in seconds.
        before: seconds of the end of the key before.
    """
    time: Time = parse_time(at)
    seconds = time.seconds(length)
    return before + seconds if time.sign == "+" else length - seconds if time.sign == "-" else seconds


def written(seconds: float, form: Form, length: float, before: float, most: float | None = None) -> str:
    """The shortest text of that form that means hardly anything beside `seconds`.

    Args:
        seconds, length, before: as in `resolved`; what is written is not before `before`.
        most: seconds that it is not behind; the end if not given.
    """
    most = max(length, seconds) if most is None else most
    for digits in _DIGITS:
        text = _text(seconds, form, length, before, digits)
        value = resolved(text, length, before)
        if abs(value - seconds) <= _NEAR and max(0.0, before) - HAIR / 2 <= value <= most + HAIR / 2:
            return text
    return f"{max(seconds, before):.12f}s"


def _text(seconds: float, form: Form, length: float, before: float, digits: int) -> str:
    match form:
        case "seconds":
            return f"{_plain(seconds, digits)}s"
        case "percent":
            return f"{_plain(min(100.0, seconds / length * 100), digits)}%"
        case "after":
            return f"+{_plain(max(0.0, seconds - before), digits)}s"
        case _:
            return f"-{_plain(max(0.0, length - seconds), digits)}s"


def span(seconds: float) -> str | float:
    """A length of time, such as a hold; never longer than `seconds` by more than the engine lets pass."""
    if seconds <= HAIR:
        return 0.0
    for digits in _DIGITS:
        text = _plain(seconds, digits)
        if seconds - _NEAR <= float(text) <= seconds + HAIR / 2:
            return f"{text}s"
    return f"{seconds:.12f}s"


def _plain(number: float, digits: int) -> str:
    return f"{number:.{digits}f}".rstrip("0").rstrip(".") or "0"


def with_at(key: dict[str, Any], at: str) -> dict[str, Any]:
    """That key at another time, what it says in the same order."""
    return {**key, "at": at}
