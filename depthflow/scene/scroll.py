"""Endless scrolling: which mirrored copies of the photo the camera sees. Pure numbers; it draws nothing.

A scroll slides the photo, with its depth, before the camera looks at it: the photo is repeated side by side, every
second copy mirrored, so that colours and depth go on over the seams. The camera itself does not move along, so the
picture of scroll 2 is exactly that of scroll 0, and a camera that stands closer (z above 0) sees near things pass
faster than far ones. A renderer draws the one mesh of the photo once for each copy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy along one axis: a point p of the photo stands at sign * p + offset.

    Attributes:
        sign: 1, or -1 for a mirrored copy.
        offset: halves of the photo's longer side.
    """

    sign: int
    offset: float


def copies(scroll: float, half: float, seen: float) -> list[Copy]:
    """Copies of the photo along one axis that lie within -seen .. seen, from low to high; at least one.

    Args:
        scroll: photo widths (or heights) by which the photo has slid towards the negative.
        half: half the photo's width (or height), in halves of its longer side (see `photo_extent`).
        seen: how far from the middle the camera may see, same unit (see `framing.seen`).
    """
    first = math.ceil(scroll - (seen / half + 1.0) / 2.0 + 1e-9)
    last = math.floor(scroll + (seen / half + 1.0) / 2.0 - 1e-9)
    if last < first:
        first = last = round(scroll)
    return [Copy(1 if k % 2 == 0 else -1, 2.0 * half * (k - scroll)) for k in range(first, last + 1)]
