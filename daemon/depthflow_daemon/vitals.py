"""Whether the daemon's parts still turn; what is done about one that does not is for others to decide."""

from __future__ import annotations

from collections.abc import Callable

Pulse = Callable[[], int]
"""A number that rises whenever its part has gone round once. Asking also has the part go round soon."""


class Vitals:
    """Asks each part at every look; one whose number has not risen since the last look stands still.

    A part with nothing to do goes round too, because it is asked to: so an idle daemon is alive, and one that hangs
    is not, however busy it seems.

    Args:
        parts: by name; None for one that there is not.
    """

    def __init__(self, **parts: Pulse | None) -> None:
        self._parts = {name: pulse for name, pulse in parts.items() if pulse is not None}
        self._last = dict.fromkeys(self._parts, -1)

    def standing_still(self) -> list[str]:
        """Names of the parts that have not gone round since the last call."""
        found = []
        for name, pulse in self._parts.items():
            number = pulse()
            if number == self._last[name]:
                found.append(name)
            self._last[name] = number
        return found
