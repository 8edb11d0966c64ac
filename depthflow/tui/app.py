"""The application: places, keys, themes, and the link to the daemon. What a place shows is its screen's matter."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.signal import Signal
from textual.theme import Theme

from depthflow.errors import DepthFlowError
from depthflow.tui import pictures
from depthflow.tui.link import JobsChanged, Link, LinkChanged, News, SystemChanged
from depthflow.tui.palette import Commands, Palette, Themes
from depthflow.tui.places import PLACES
from depthflow.tui.preferences import Preferences
from depthflow.tui.themes import DEFAULT, THEMES

if TYPE_CHECKING:
    from depthflow.tui.screens.base import Place


class DepthFlowApp(App[None]):
    """The terminal interface.

    Args:
        server: the daemon's address; None finds the user's own.
        private: start a daemon if none runs.
        link: makes the link to the daemon; tests give one with scripted data.
        welcome: greet a user who was never here.

    Attributes:
        preferences: what the user chose, today and before.
        pictures: how the terminal shows pictures.
        link_changed, jobs_changed, system_changed: news of the daemon, for whoever subscribes.
    """

    TITLE = "DepthFlow"
    CSS_PATH = "app.tcss"
    COMMANDS: ClassVar[Any] = {Commands}
    MODES: ClassVar[dict[str, str | Callable[[], Screen]]] = {  # type: ignore[type-arg]
        row.name: row.open for row in PLACES
    }
    DEFAULT_MODE = "queue"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]  # noqa: RUF012 - Textual has it that way
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(row.key, f"go('{row.name}')", row.title, id=f"go.{row.name}", show=False, priority=True)
            for row in PLACES
        ),
        Binding(
            "ctrl+p",
            "command_palette",
            "Palette",
            tooltip="Any command",
            id="app.palette",
            priority=True,
            show=False,
        ),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", priority=True, show=False),
    ]

    def __init__(
        self,
        server: str | None = None,
        *,
        private: bool = True,
        link: Callable[..., Link] = Link,
        welcome: bool = False,
    ) -> None:
        super().__init__()
        self._welcome = welcome
        self._doing: set[asyncio.Task[None]] = set()
        self.preferences = Preferences()
        self.preferences.load()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = self._known_theme(self.preferences.theme)
        self.link_changed: Signal[LinkChanged] = Signal(self, "link")
        self.jobs_changed: Signal[JobsChanged] = Signal(self, "jobs")
        self.system_changed: Signal[SystemChanged] = Signal(self, "system")
        self.pictures = pictures.Pictures()
        self.link = link(server, private=private, tell=self._hear)

    def run(self, *args: Any, **kwargs: Any) -> None:
        # The terminal answers now; later its answers would come as keys.
        self.pictures = pictures.find(self.preferences.pictures)
        return super().run(*args, **kwargs)

    def on_mount(self) -> None:
        asyncio.get_running_loop().set_exception_handler(_in_the_loop)
        self._take_keys(self.preferences.keys)
        for message, hint in self.preferences.problems:
            self.notify(_two(message, hint), title="Settings of the interface", severity="warning", timeout=12)
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        self.run_worker(self.link.run(), name="link", exclusive=True)
        if not self.is_headless:
            self.run_worker(self._load_places, name="places", group="places", thread=True)
        if self._welcome and not self.preferences.welcomed:
            self.call_later(self.action_welcome)

    def _load_places(self) -> None:
        for row in PLACES:
            row.load()

    async def on_unmount(self) -> None:
        await self.link.close()

    async def action_quit(self) -> None:
        """Ask first, if a daemon of ours has work."""
        from depthflow.tui.screens.leaving import leave

        self.run_worker(leave(self), name="leave", exclusive=True, group="leave")

    # -- where to go -----------------------------------------------------------------------------------------------

    async def action_go(self, place: str) -> None:
        await self.go(place)

    async def go(self, place: str) -> Place:
        """Show a place; its screen."""
        await self.switch_mode(place)
        return cast("Place", self.screen_stack[0])

    def show_jobs(self, folder: str | None = None) -> asyncio.Task[None]:
        """Go to the queue, and there to the jobs of a folder; it need not be awaited."""
        return self._begin(self._pass_on("queue", "show_jobs", folder=folder))

    def open_in_studio(
        self, photo: Path | str | None, spec: Mapping[str, Any] | None = None, *, preset: str | None = None
    ) -> asyncio.Task[None]:
        """Go to the studio, and open a photo there; it need not be awaited.

        Args:
            photo: None keeps the one that is open.
            spec: parts of a JobSpec to begin with.
            preset: a name of the library to begin with.
        """
        if photo is not None:
            self.remember(lambda: self.preferences.remember_photo(Path(photo)))
            return self._begin(self._pass_on("studio", "open", photo=str(photo), spec=dict(spec or {}) or None))
        return self._begin(self._pass_on("studio", "choose_preset", name=preset))

    def action_open_photo(self) -> None:
        """Go to the studio, and have it ask for a photo."""
        self._begin(self._pass_on("studio", "action_open"))

    async def _pass_on(self, place: str, method: str, **what: Any) -> None:
        """Have a place's screen do something, where it can."""
        screen = await self.go(place)
        if (do := getattr(screen, method, None)) is not None:
            result = do(**what)
            if inspect.isawaitable(result):
                await result

    def _begin(self, doing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(doing)
        self._doing.add(task)  # the loop alone would forget it
        task.add_done_callback(self._doing.discard)
        return task

    def action_command_palette(self) -> None:
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())

    def search_themes(self) -> None:
        self.push_screen(Palette([Themes], placeholder="Search for themes…"))

    def action_welcome(self) -> None:
        from depthflow.tui.screens.welcome import WelcomeScreen

        self.push_screen(WelcomeScreen())

    # -- what is told ----------------------------------------------------------------------------------------------

    def complain(self, error: DepthFlowError) -> None:
        """Tell the user of an error, with the way out."""
        self.notify(_two(error.message, error.hint), severity="error", timeout=10)

    def remember(self, change: Callable[[], None]) -> None:
        """Write a preference in a thread; what does not work is told."""

        async def write() -> None:
            try:
                await asyncio.to_thread(change)
            except DepthFlowError as error:
                self.complain(error)

        self.run_worker(write(), group="preferences")

    def _keep_theme(self, theme: Theme) -> None:
        if theme.name != self.preferences.theme:
            self.remember(lambda: self.preferences.set("interface.theme", theme.name))

    def _known_theme(self, name: str) -> str:
        if name in self.available_themes:
            return name
        from difflib import get_close_matches

        near = get_close_matches(name, self.available_themes, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else "the palette (ctrl+p) lists them"
        self.preferences.problems.append((f"{self.preferences.file.name}: there is no theme {name!r}", hint))
        return DEFAULT

    def _take_keys(self, wanted: Mapping[str, str]) -> None:
        if not wanted:
            return
        from depthflow.tui import keys

        wrong = keys.problems(wanted)
        self.preferences.problems += wrong.values()
        self.set_keymap({name: text for name, text in wanted.items() if name not in wrong})

    def _hear(self, news: News) -> None:
        match news:
            case LinkChanged():
                self.link_changed.publish(news)
            case JobsChanged():
                self.jobs_changed.publish(news)
            case SystemChanged():
                self.system_changed.publish(news)


def _in_the_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # A stream that is given up just when a packet comes: anyio tells a future that nobody waits for any more.
    if isinstance(context.get("exception"), asyncio.InvalidStateError) and "set_result" in str(context.get("handle")):
        return
    loop.default_exception_handler(context)


def _two(message: str, hint: str) -> str:
    # Brackets in a path are no markup.
    from rich.markup import escape

    return escape(f"{message}\n{hint}".strip())
