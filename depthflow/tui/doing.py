"""Does one thing to many jobs, a few at a time, and sums up in a sentence what came of it. It knows no screen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from depthflow.errors import DepthFlowError, ServerError

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 6
REFUSED = 3
"""Times in a row that the daemon cannot, after which the rest is not tried."""


@dataclass
class Outcome(Generic[R]):
    """What came of it.

    Attributes:
        done: the answers.
        errors: of those that failed, in no order.
        left: how many were not tried, because the daemon is gone.
    """

    done: list[R] = field(default_factory=list)
    errors: list[DepthFlowError] = field(default_factory=list)
    left: int = 0

    def sentence(self, did: str) -> tuple[str, str, str]:
        """(what happened, the hint, the severity), such as "3 jobs cancelled; 1 not: job 4 is done already".

        Args:
            did: such as "cancelled".
        """
        many = len(self.done)
        said = f"{many} {'job' if many == 1 else 'jobs'} {did}" if many or not self.errors else ""
        if not self.errors:
            return said, "", "information"
        first = self.errors[0]
        failed = len(self.errors) + self.left
        why = first.message if failed == 1 and not many else f"{failed} not: {first.message}"
        return "; ".join(part for part in (said, why) if part), first.hint, "warning" if many else "error"


async def each(things: Iterable[T], act: Callable[[T], Awaitable[R]], *, at_once: int = AT_ONCE) -> Outcome[R]:
    """`act` on each of them; once the daemon is gone, the rest is not tried."""
    outcome: Outcome[R] = Outcome()
    todo: Sequence[T] = list(things)
    waiting = iter(todo)
    tried = refused = 0

    async def work() -> None:
        nonlocal tried, refused
        for thing in waiting:
            tried += 1
            try:
                outcome.done.append(await act(thing))
                refused = 0
            except DepthFlowError as error:
                outcome.errors.append(error)
                refused = refused + 1 if isinstance(error, ServerError) else 0
            if refused >= REFUSED:
                return

    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(at_once, len(todo))):
            tasks.create_task(work())
    outcome.left = len(todo) - tried
    return outcome
