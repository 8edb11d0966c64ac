"""The application: places, keys, themes, and the link to the daemon. What a place shows is its screen's matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.signal import Signal

from depthflow.tui import pictures
from depthflow.tui.link import JobsChanged, Link, LinkChanged, News, SystemChanged
from depthflow.tui.places import PLACES


class DepthFlowApp(App[None]):
    """The terminal interface.

    Args:
        server: the daemon's address; None finds the user's own.
        private: start a daemon if none runs.
        link: makes the link to the daemon; tests give one with scripted data.

    Attributes:
        pictures: how the terminal shows pictures.
        link_changed, jobs_changed, system_changed: news of the daemon, for whoever subscribes.
    """

    TITLE = "DepthFlow"
    CSS_PATH = "app.tcss"
    MODES: ClassVar[dict[str, str | Callable[[], Screen]]] = {  # type: ignore[type-arg]
        row.name: row.open for row in PLACES
    }
    DEFAULT_MODE = "queue"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(row.key, f"go('{row.name}')", row.title, id=f"go.{row.name}", show=False, priority=True)
            for row in PLACES
        ),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", priority=True, show=False),
    ]

    def __init__(self, server: str | None = None, *, private: bool = True, link: Callable[..., Link] = Link) -> None:
        super().__init__()
        self.link_changed: Signal[LinkChanged] = Signal(self, "link")
        self.jobs_changed: Signal[JobsChanged] = Signal(self, "jobs")
        self.system_changed: Signal[SystemChanged] = Signal(self, "system")
        self.pictures = pictures.Pictures()
        self.link = link(server, private=private, tell=self._hear)

    def run(self, *args: Any, **kwargs: Any) -> None:
        # The terminal answers now; later its answers would come as keys.
        self.pictures = pictures.find()
        return super().run(*args, **kwargs)

    def on_mount(self) -> None:
        self.run_worker(self.link.run(), name="link", exclusive=True)

    async def on_unmount(self) -> None:
        await self.link.close()

    def action_go(self, place: str) -> None:
        self.switch_mode(place)

    @work
    async def open_in_studio(self, photo: str, spec: Mapping[str, Any] | None = None) -> None:
        """Go to the studio with a photo, and a job's spec to begin from."""
        from depthflow.tui.screens.studio import StudioScreen

        await self.switch_mode("studio")
        screen = self.screen_stack[0]
        if isinstance(screen, StudioScreen):
            screen.open(photo, spec)

    def _hear(self, news: News) -> None:
        match news:
            case LinkChanged():
                self.link_changed.publish(news)
            case JobsChanged():
                self.jobs_changed.publish(news)
            case SystemChanged():
                self.system_changed.publish(news)
