"""Studio: tune a look with a live moving preview, then save it as a preset or queue the job."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.widgets import Input, OptionList, Static

from depthflow import paths
from depthflow.errors import DepthFlowError
from depthflow.tui import sending
from depthflow.tui.link import LinkState
from depthflow.tui.screens.photo_browser import ChoosePhoto
from depthflow.tui.screens.studio_dialogs import CommandDialog, SaveDialog, SubmitDialog
from depthflow.tui.screens.studio_tuning import SHORT, TABS, StudioTuning
from depthflow.tui.widgets.motions import MotionList
from depthflow.tui.widgets.parameters import ParameterList
from depthflow.tui.widgets.picture import Picture
from depthflow.tui.widgets.tabstrip import TabStrip

HELP = """\
# Studio

Choose a photo with `o`, then tune: the preview moves, and shows every change at once.

| key | |
|---|---|
| `[` `]` | the tab before, the next one |
| `↑` `↓` | another parameter |
| `←` `→` | less, more; with `shift` a little, with `ctrl` much |
| `home` `end` | least and most of the slider; a typed number goes beyond |
| `enter`, a digit | type or choose a value |
| `backspace` | back to what the preset says |
| `/` | search all parameters |
| `ctrl+z` `ctrl+y` | undo, redo |
| `x` | A or B: two versions side by side in time |
| `v` | result, depth, photo, side by side |
| `space` | pause the preview; on a switch, turn it |
| `t` | timeline; `escape` closes it, `tab` goes to the parameters and back |
| `z` `h` | only the preview, only the parameters |
| `s` | save as a preset |
| `c` | the command line that does the same |
| `d` | another seed |
| `r` | make the video |

A dot marks what is not as the preset has it; the line in a slider stands where the preset is.
"""


class StudioScreen(StudioTuning):
    """One photo, its look, how it moves, and what is made of it."""

    PLACE = "studio"
    HELP = HELP
    CSS_PATH = "studio.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        # As useful as they are, for the footer shows as many as there is room for.
        Binding("o", "open", "Photo", id="studio.open"),
        Binding("r", "submit", "Make", id="studio.submit"),
        Binding("t", "timeline", "Timeline", id="studio.timeline"),
        Binding("v", "view", "View", id="studio.view"),
        Binding("s", "save", "Save preset", id="studio.save"),
        Binding("x", "switch", "A/B", id="studio.switch"),
        # Before all others, so that what is typed right after it is searched for and not taken for commands.
        Binding("slash", "search", "Search", id="studio.search", key_display="/", priority=True),
        Binding("ctrl+z", "undo", "Undo", id="studio.undo"),
        Binding("ctrl+y", "redo", "Redo", id="studio.redo"),
        Binding("space", "pause", "Pause the preview", id="studio.pause"),
        Binding("c", "command", "Copy as a command", id="studio.command"),
        Binding("d", "seed", "Another seed", id="studio.seed"),
        Binding("left_square_bracket", "tab(-1)", "Tab before", id="studio.tab_before", show=False),
        Binding("right_square_bracket", "tab(1)", "Next tab", id="studio.tab_next", show=False),
        Binding("z", "hide('right')", "Only the preview", id="studio.only_preview", show=False),
        Binding("h", "hide('left')", "Only the parameters", id="studio.only_parameters", show=False),
        Binding("R", "reset_all", "Reset everything", id="studio.reset_all", show=False),
        Binding("escape", "leave", "Back", id="studio.leave", show=False),
    ]

    def body(self) -> ComposeResult:
        with Horizontal(id="studio"):
            with Vertical(id="left"):
                yield Static(id="title")
                yield Picture(id="preview", moves=True)
                yield Static(id="status")
            with Vertical(id="right"):
                yield TabStrip(TABS, SHORT)
                yield Input(placeholder="Search all parameters", id="search")
                yield OptionList(id="presets", markup=False)
                yield MotionList()
                yield ParameterList(self.model)
                yield Static(id="hint")
                yield Input(id="edit")
        yield Container(id="bottom")

    def on_mount(self) -> None:
        self._begin_player()
        self.model.subscribe(self._changed)
        self.flow.link_changed.subscribe(self, lambda _: self._online())
        for hidden in ("#search", "#edit", "#bottom"):
            self.query_one(hidden).display = False
        self._show_tab("Motion")
        self._changed()
        self._online()

    def _online(self) -> None:
        self._wish()
        self._show_status()
        if self.link.state is LinkState.ONLINE:
            self._load_presets()

    # -- what comes of it ----------------------------------------------------------------------------------

    def action_open(self) -> None:
        from_jobs = [job.source for job in self.link.jobs if Path(job.source).is_file()]
        sample = str(paths.data("config", "samples", "boats.jpg"))
        recent = list(dict.fromkeys([*self.opened, *from_jobs[:8], sample]))[:6]
        photo = Path(self.model.photo) if self.model.photo else None
        self.app.push_screen(ChoosePhoto(recent, photo), lambda chosen: self.open(chosen) if chosen else None)

    def action_save(self) -> None:
        name = "" if self.model.preset is None else self.model.preset
        self.app.push_screen(SaveDialog(name, "", self.model.preset_parts()), self._save)

    def _save(self, answer: tuple[str, str, bool] | None) -> None:
        from depthflow.tui.studio.preset_file import save_preset

        if answer is None:
            return
        name, description, overwrite = answer
        try:
            path = save_preset(name, self.model.preset_parts(), description, overwrite=overwrite)
        except DepthFlowError as error:
            self._say_error(error)
            return
        self.notify(f"Saved as {path}")
        self._load_presets()

    def action_command(self) -> None:
        from depthflow.tui.command import render_command

        if not self.model.photo:
            self.notify("Choose a photo first: o", severity="warning")
            return
        try:
            command = render_command(self.model.job().to_dict())
        except DepthFlowError as error:
            self._say_error(error)
            return
        self.app.copy_to_clipboard(str(command))
        note = (
            "It is in the clipboard." if command.whole else "In the clipboard; keyframes and the like have no options."
        )
        self.app.push_screen(CommandDialog(str(command), note))

    def action_submit(self) -> None:
        if not self.model.photo:
            self.notify("Choose a photo first: o", severity="warning")
            return
        if self.link.state is not LinkState.ONLINE:
            self.notify(f"The daemon is {self.link.state.value}", severity="error")
            return
        changed = len(self.model.changed)
        look = self.model.preset or "default look"
        facts = [
            ("Photo", self.model.photo),
            ("Look", f"{look}, {changed} changed" if changed else look),
            ("Video", self.model.summary()),
            ("Goes", str(self.model.get("output.path") or "beside the photo")),
        ]
        self.app.push_screen(SubmitDialog(facts), self._answered)

    def _answered(self, answer: str | None) -> None:
        if answer is not None:
            self._submit(answer)

    @work(exclusive=True, group="submit")
    async def _submit(self, answer: str) -> None:
        model = self.model
        try:
            roots = None if self.link.system is None else self.link.system.roots
            job = await sending.submit(
                self.link.client, model.photo, spec=model.spec(), preset=model.preset, roots=roots
            )
        except DepthFlowError as error:
            self._say_error(error)
            return
        if job.state == "skipped":
            self.notify(f"Job {job.same_as} makes the same already", severity="warning")
        else:
            self.notify(f"Job {job.id} is queued: {model.summary()}")
        if answer == "go":
            await self.flow.go("queue")
