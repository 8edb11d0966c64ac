"""Welcome: shown once. What this is, and a first video in less than a minute."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from depthflow.client.models import Job
from depthflow.errors import DepthFlowError
from depthflow.tui import first_clip, opening
from depthflow.tui.first_clip import Clip
from depthflow.tui.link import LinkState
from depthflow.tui.steady import Modal
from depthflow.tui.units import bar

if TYPE_CHECKING:
    from depthflow.tui.app import DepthFlowApp

_BAR = 30
WORDS = (
    "DepthFlow makes a video of one photo: it sees how far away everything is, and flies "
    "a camera through it. Your photos stay on this computer."
)
_START = (
    ("sample", "Render the sample photo", "a clip of 3 seconds, in under a minute"),
    ("photo", "Take a photo of mine", "and tune it with a live preview"),
    ("folder", "Watch a folder", "whatever is put into it becomes a video"),
    ("skip", "Look around first", "? explains every screen"),
)
_END = (
    ("open", "Open the video", ""),
    ("place", "Open its folder", ""),
    ("studio", "Tune this look in the studio", ""),
    ("skip", "Done", ""),
)


class WelcomeScreen(Modal[None]):
    """The first steps; it is not shown again once something was chosen."""

    CSS_PATH = "welcome.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "choose('skip')", "Skip", id="welcome.skip")]

    def __init__(self) -> None:
        super().__init__()
        self._clip: Clip | None = None
        self._busy = False
        self._link_changed = asyncio.Event()

    @property
    def flow(self) -> DepthFlowApp:
        return cast("DepthFlowApp", self.app)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="welcome") as sheet:
            sheet.border_title = "Welcome to DepthFlow"
            sheet.border_subtitle = "enter chooses · esc skips"
            yield Static(WORDS, id="words")
            yield OptionList(*_options(_START), id="choices")
            yield Static(id="state")

    def on_mount(self) -> None:
        self.flow.link_changed.subscribe(self, lambda _: self._link_changed.set())
        self.query_one("#choices").focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.action_choose(event.option.id or "skip")

    def action_choose(self, what: str) -> None:
        if what == "sample":
            if not self._busy:
                self.make()
        elif what == "photo":
            self._leave()
            self.call_later(self.flow.action_open_photo)
        elif what == "folder":
            self._leave()
            self.call_later(self.flow.action_go, "folders")
        elif what == "studio":
            self._leave()
            self.call_later(self.flow.open_in_studio, first_clip.sample(), first_clip.SPEC)
        elif what in ("open", "place") and self._clip is not None:
            self.show_file(self._clip.file if what == "open" else self._clip.file.parent)
        else:
            self._leave()

    def _leave(self) -> None:
        self.flow.remember(lambda: self.flow.preferences.set("interface.welcomed", True))
        self.dismiss()

    @work(exclusive=True, group="sample")
    async def make(self) -> None:
        """Have the sample photo rendered, and tell where the video is."""
        self._busy = True
        if not await self._online():
            self._busy = False
            return
        file = first_clip.place()
        self._say(f"to {file}")
        try:
            self._clip = await first_clip.make(self.flow.link.client, file, lambda job: self._show_job(job, file))
        except DepthFlowError as error:
            self._say(f"{error.message}\n{error.hint}".strip(), "error")
            return
        finally:
            self._busy = False
        self.flow.remember(lambda: self.flow.preferences.set("interface.welcomed", True))
        self._say(f"Here it is, after {self._clip.seconds:.0f} seconds:\n{self._clip.file}", "success")
        choices = self.query_one("#choices", OptionList)
        choices.clear_options()
        choices.add_options(_options(_END if opening.opener() is not None else _END[2:]))
        choices.highlighted = 0

    async def _online(self) -> bool:
        """Wait for the daemon, which may be starting; False if it does not come, which is told."""
        link = self.flow.link
        while link.state in (LinkState.SEARCHING, LinkState.STARTING):
            self._say(f"{link.state.value}…")
            self._link_changed.clear()
            await self._link_changed.wait()
        if link.state is LinkState.OFFLINE:
            self._say(f"There is no daemon: {link.why}", "error")
        return link.state is LinkState.ONLINE

    @work(exclusive=True, group="open")
    async def show_file(self, path: Path) -> None:
        try:
            await opening.open_path(path)
        except DepthFlowError as error:
            self.flow.complain(error)

    def _show_job(self, job: Job, file: Path) -> None:
        progress = job.progress
        words = job.state if progress is None else progress.stage
        if progress is not None and progress.total:
            words += f" {progress.done}/{progress.total}"
        colour = self.app.theme_variables["text-primary"]
        self.query_one("#state", Static).update(
            Text.assemble((bar(first_clip.share(job), _BAR), colour), f" {words}\n", (f"to {file}", "dim"))
        )

    def _say(self, words: str, colour: str = "") -> None:
        style = self.app.theme_variables[f"text-{colour}"] if colour else "dim"
        self.query_one("#state", Static).update(Text(words, style))


def _options(choices: tuple[tuple[str, str, str], ...]) -> list[Option]:
    return [Option(Text.assemble((title, "bold"), "  ", (text, "dim")), id=name) for name, title, text in choices]
