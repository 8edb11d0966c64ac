"""Amounts as people write them, 8MB or 6M, as numbers. Pure text."""

from __future__ import annotations

import re

from depthflow.errors import UsageError

_POWERS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_AMOUNT = re.compile(r"(\d{1,16}(?:\.\d{1,9})?)\s*([kmg]i?|)\s*([a-z/]*)", re.IGNORECASE | re.ASCII)


def parse_bytes(text: str) -> int:
    """A number of bytes.

    >>> parse_bytes("8MB"), parse_bytes("1.5 MiB"), parse_bytes("700k")
    (8000000, 1572864, 700000)

    Raises:
        UsageError: it is none.
    """
    return _parse(text, ("", "b", "byte", "bytes"), "a size in bytes", "write it as 8MB, 700k or 5MiB")


def parse_bitrate(text: str) -> int:
    """Bits a second.

    >>> parse_bitrate("6M"), parse_bitrate("800 kbit/s")
    (6000000, 800000)

    Raises:
        UsageError: it is none.
    """
    return _parse(text, ("", "b", "bit/s", "bps", "b/s"), "a bit rate", "write it as 6M or 800k, bits a second")


def _parse(text: str, units: tuple[str, ...], what: str, hint: str) -> int:
    match = _AMOUNT.fullmatch(text.strip())
    if match is None or match[3].lower() not in units or not 1 <= (amount := _amount(match)) < 2**53:
        raise UsageError(f"{text!r} is not {what}", hint)
    return amount


def _amount(match: re.Match[str]) -> int:
    return round(float(match[1]) * _POWERS[match[2].lower()])
