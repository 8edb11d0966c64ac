"""Screens that come to rest after the terminal was resized."""

from __future__ import annotations

from typing import TypeVar

from textual import events
from textual.screen import ModalScreen, Screen

T = TypeVar("T")


class Steady(Screen[T]):
    """A screen for which the terminal is as large as it is now, also when it hears of a former size late.

    Textual's screens tell themselves of each size that they were laid out for. Two sizes that wait in the queue of one
    screen, with another message between them, are then laid out in turn for ever: each tells of itself once more. The
    queue is never empty, so no timer runs and no key is heard.
    """

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Resize) and event.size != self.app.size:
            event = events.Resize.from_dimensions(self.app.size, event.pixel_size)
        await super().on_event(event)


class Modal(ModalScreen[T], Steady[T]):
    """A screen in front of another one."""  # Textual looks for styles along the first base
