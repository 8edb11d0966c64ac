"""Numbers as people read them. It knows nothing of what they mean."""

from __future__ import annotations


def size(count: float | None) -> str:
    """Bytes in powers of 1000: "1.5 GB"; "?" if nobody knows."""
    if count is None:
        return "?"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def span(seconds: float) -> str:
    """A time in its two largest units: "2 h 5 min"."""
    whole = int(seconds)
    for length, unit, smaller, word in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= length:
            rest = whole % length // smaller
            return f"{whole // length} {unit}" + (f" {rest} {word}" if rest else "")
    return f"{whole} s"


def bar(share: float, width: int) -> str:
    """A bar of `width` cells, `share` (0 to 1) of it full, to an eighth of a cell."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width, "░")
