"""Whether the daemon's parts still turn; what is done about one that does not is for others to decide."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 5.0
"""Two looks may be a moment apart, and a part that works may take this long to go round."""

Pulse = Callable[[], int]
"""A number that rises whenever its part has gone round once. Asking also has the part go round soon."""


class Vitals:
    """Asks each part at every look; one whose number has not risen for a while stands still.

    A part with nothing to do goes round too, because it is asked to: so an idle daemon is alive, and one that hangs
    is not, however busy it seems.

    Args:
        clock: monotonic, seconds.
        parts: by name; None for one that there is not.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, **parts: Pulse | None) -> None:
        self._clock = clock
        self._parts = {name: pulse for name, pulse in parts.items() if pulse is not None}
        self._risen = dict.fromkeys(self._parts, (-1, 0.0))

    def standing_still(self) -> list[str]:
        """Names of the parts that have not gone round for PATIENCE_SECONDS, as far as was looked."""
        found, now = [], self._clock()
        for name, pulse in self._parts.items():
            number = pulse()
            last, since = self._risen[name]
            if number != last:
                self._risen[name] = number, now
            elif now - since >= PATIENCE_SECONDS:
                found.append(name)
        return found
