"""Studio: tune a look with a live moving preview, then save it as a preset or queue the job."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from depthflow import paths
from depthflow.client.frames import Frame
from depthflow.errors import DepthFlowError
from depthflow.jobs.sizes import frame_size
from depthflow.tui.link import LinkState
from depthflow.tui.screens.base import Place
from depthflow.tui.screens.studio_dialogs import (
    ChooseDialog,
    CommandDialog,
    PhotoDialog,
    SaveDialog,
    SubmitDialog,
)
from depthflow.tui.studio import photos
from depthflow.tui.studio.lines import Heading
from depthflow.tui.studio.model import TIMELINE, StudioModel
from depthflow.tui.studio.parameters import SECTIONS, Row, rows, search, suggestions
from depthflow.tui.studio.player import Player, Wish
from depthflow.tui.widgets.motions import MotionList
from depthflow.tui.widgets.parameters import ParameterList
from depthflow.tui.widgets.picture import Picture
from depthflow.tui.widgets.tabstrip import TabStrip

if TYPE_CHECKING:
    from depthflow.tui.timeline.editor import TimelineEditor

View = Literal["result", "depth", "photo", "side by side"]
VIEWS: tuple[View, ...] = ("result", "depth", "photo", "side by side")
LOOK = "Look"
TABS = (LOOK, *SECTIONS)
SHORT = ("Look", "Move", "Cam", "Depth", "Layer", "FX", "Out")
RATE = 15.0
NARROW = 100
"""Columns below which preview and parameters share a small screen."""
WIDE = 140
"""Columns from which there is room for whole names."""
SEEDS = 10_000
MOST_FRAMES = 2000
"""Of a preview: the daemon draws longer clips with fewer frames a second."""
FINE_ROOM = 110
"""Columns of a picture up to which frames are asked for with twice its pixels, and look smoother."""

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


class StudioScreen(Place):
    """One photo, its look, and how it moves."""

    PLACE = "studio"
    HELP = HELP
    CSS_PATH = "studio.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "open", "Photo", id="studio.open"),
        Binding("r", "submit", "Make", id="studio.submit"),
        Binding("s", "save", "Save preset", id="studio.save"),
        Binding("v", "view", "View", id="studio.view"),
        Binding("x", "switch", "A/B", id="studio.switch"),
        Binding("slash", "search", "Search", id="studio.search"),
        Binding("t", "timeline", "Timeline", id="studio.timeline"),
        Binding("ctrl+z", "undo", "Undo", id="studio.undo"),
        Binding("ctrl+y", "redo", "Redo", id="studio.redo", show=False),
        Binding("left_square_bracket", "tab(-1)", "Tab before", id="studio.tab_before", show=False),
        Binding("right_square_bracket", "tab(1)", "Next tab", id="studio.tab_next", show=False),
        Binding("space", "pause", "Pause the preview", id="studio.pause", show=False),
        Binding("c", "command", "Copy as a command", id="studio.command", show=False),
        Binding("d", "seed", "Another seed", id="studio.seed", show=False),
        Binding("z", "hide('right')", "Only the preview", id="studio.only_preview", show=False),
        Binding("h", "hide('left')", "Only the parameters", id="studio.only_parameters", show=False),
        Binding("R", "reset_all", "Reset everything", id="studio.reset_all", show=False),
        Binding("escape", "leave", "Back", id="studio.leave", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.model = StudioModel()
        self.view: View = "result"
        self.paused = False
        self.at: float | None = None
        self._player: Player | None = None
        self._seen: photos.Seen | None = None
        self._frame: Frame | None = None
        self._trouble: DepthFlowError | None = None
        self._times: deque[float] = deque(maxlen=30)
        self._told = 0.0
        self._said = ""
        self._editing: Row | None = None
        self._hearing = False
        self._opened: list[str] = []

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
        self._player = Player(
            self.link.client, frame=self._take_frame, trouble=self._take_trouble, told=self.model.learn
        )
        self.model.subscribe(self._changed)
        self.flow.link_changed.subscribe(self, lambda _: self._online())
        for hidden in ("#search", "#edit", "#bottom"):
            self.query_one(hidden).display = False
        self._show_tab("Motion")
        self._changed()
        self._online()

    # -- the preview ---------------------------------------------------------------------------------------

    def on_screen_resume(self) -> None:
        if self._player is not None:
            self._play(self._player)
            self._wish()

    @work(exclusive=True, group="player")
    async def _play(self, player: Player) -> None:
        await player.run()

    def on_screen_suspend(self) -> None:
        self.workers.cancel_group(self, "player")

    async def on_unmount(self) -> None:
        if self._player is not None:
            await self._player.close()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < NARROW, "narrow")
        self.set_class(event.size.width >= WIDE, "wide")
        self.call_after_refresh(self._wish)

    def _online(self) -> None:
        self._wish()
        self._show_status()
        if self.link.state is LinkState.ONLINE:
            self._load_presets()

    def _wish(self) -> None:
        """Tell the player what is to be shown now."""
        if self._player is None or not self.is_attached:
            return
        if not self.model.photo or self._seen is None or self.link.state is not LinkState.ONLINE:
            self._player.want(None)
            return
        picture = self.query_one("#preview", Picture)
        if not picture.size:
            return
        width, height = picture.pixels_wanted
        if self.view == "side by side":
            width //= 2
        finer = 2 if picture.size.width <= FINE_ROOM and width <= 2 * FINE_ROOM else 1
        output = self.model.job().outputs[0]
        frame = frame_size(output.size, self._seen.size, output.fit)
        self._player.want(
            Wish(
                photo=self.model.photo,
                preset=self.model.preset,
                spec=self.model.spec(),
                size=photos.frame_in((width * finer, height * finer), frame[0] / frame[1]),
                rate=RATE,
                show="depth" if self.view == "depth" else "result",
                paused=self.paused or self.view == "photo",
                at=self.at,
            )
        )

    def _take_frame(self, frame: Frame) -> None:
        if not self.query("#preview"):
            return  # the screen is being taken down
        if frame.problem:
            self._trouble = DepthFlowError(frame.problem, frame.hint)
            self._show_status()
            return
        self._frame, self._trouble = frame, None
        self._paint()
        if self._editor is not None and not self.paused and self.at is None:
            self._editor.follow(self._part(frame))
        now = time.monotonic()
        self._times.append(now)
        if now - self._told >= 1.0:
            self._told = now
            self._show_status()

    def _part(self, frame: Frame) -> float:
        """Where in the clip a frame of the preview is, 0 the first and 1 the last."""
        output = self.model.job().outputs[0]
        frames = max(1, round(output.duration * min(RATE, max(1.0, MOST_FRAMES / output.duration))))
        return min(1.0, frame.number / max(1, frames - 1))

    def _take_trouble(self, trouble: DepthFlowError | None) -> None:
        if self.query("#preview") and trouble is not self._trouble:
            self._trouble = trouble
            self._show_status()

    def _paint(self) -> None:
        """Show what the view asks for, of what is there."""
        picture = self.query_one("#preview", Picture)
        photo = None if self._seen is None else self._seen.pixels
        frame = None
        if self._frame is not None:
            shape = self._frame.height, self._frame.width, 3
            frame = np.frombuffer(self._frame.pixels, np.uint8).reshape(shape)
        if self.view == "photo" or frame is None:
            picture.set_image(photo)
        elif self.view == "side by side" and photo is not None:
            picture.set_image(photos.beside(photo, frame))
        else:
            picture.set_image(frame)

    def _rate(self) -> float:
        """Frames a second lately."""
        times = self._times
        if self.paused or self.at is not None or len(times) < 2 or time.monotonic() - times[-1] > 2.0:
            return 0.0
        return (len(times) - 1) / max(times[-1] - times[0], 1e-6)

    def _show_status(self) -> None:
        text = Text(no_wrap=True, overflow="ellipsis")
        if self._trouble is not None:
            # Of a path the name is what tells.
            said = str(self._trouble).replace(self.model.photo or "\0", Path(self.model.photo).name)
            text.append(said, self._error_style)
            if self._trouble.hint:
                text.append(f" - {self._trouble.hint}", "dim")
        elif not self.model.photo:
            text.append("o", "bold").append(" chooses a photo")
        elif self.link.state is not LinkState.ONLINE:
            text.append(f"{self.link.state.value} {self.link.why}".strip(), "dim")
        else:
            editor = self._editor
            stands = f"stands at {editor.playhead:.2f} s" if editor is not None and editor.still else ""
            words = [self.view, "paused" if self.paused else stands]
            if self._frame is not None and self.view != "photo":
                words.append(f"{self._frame.width} x {self._frame.height}")
                words.append(f"{rate:.0f} frames/s" if (rate := self._rate()) >= 1 else "")
            elif self._frame is None:
                words.append("the preview begins ...")
            text.append(" · ".join(filter(None, words)), "dim")
        self.query_one("#status", Static).update(text)

    @property
    def _error_style(self) -> str:
        return f"bold {self.app.theme_variables.get('text-error', 'red')}"

    # -- what is tuned -------------------------------------------------------------------------------------

    def open(self, photo: str, spec: Mapping[str, Any] | None = None) -> None:
        """Tune this photo, from a job's spec if one is given."""
        try:
            self.model.open(photo, spec)
        except DepthFlowError as error:
            self._say_error(error)
            return
        self._opened = [photo, *(each for each in self._opened if each != photo)]
        self._seen = self._frame = self._trouble = None
        self._load_photo(photo)

    @work(thread=True, exclusive=True, group="photo")
    def _load_photo(self, path: str) -> None:
        try:
            seen = photos.load(path)
        except DepthFlowError as error:
            self.app.call_from_thread(self._take_trouble, error)
        else:
            self.app.call_from_thread(self._photo_is, path, seen)

    def _photo_is(self, path: str, seen: photos.Seen) -> None:
        if path == self.model.photo:
            self._seen = seen
            self._paint()
            self._show_status()
            self._wish()

    def _changed(self) -> None:
        """The model has other values."""
        model = self.model
        self.query_one(ParameterList).update()
        changed = {rows()[path].section for path in model.changed if path != TIMELINE}
        marked = {*changed, *([LOOK] if model.preset else [])}
        self.query_one(TabStrip).mark(frozenset(marked))
        self.query_one(MotionList).choose(str(model.get("motion.name")))
        title = Text(no_wrap=True, overflow="ellipsis")
        title.append(f" {model.slot} ", "reverse bold").append(" ")
        title.append(Path(model.photo).name or "no photo", "bold")
        title.append(f"  {model.preset or 'default look'}", "dim")
        if model.changed:
            title.append(f"  {len(model.changed)} changed", "italic dim")
        self.query_one("#title", Static).update(title)
        self._show_hint()
        if not self._hearing:
            self._load_timeline()
        self._wish()
        self._show_status()

    @work(exclusive=True, group="presets")
    async def _load_presets(self) -> None:
        try:
            known = await self.link.client.presets()
        except DepthFlowError:
            return  # the link says that the daemon is gone
        made = [Option(_two_lines("default look", "Nothing but the defaults"), id="")]
        for preset in known or ():
            mine = " (yours)" if preset.source == "user" else ""
            made.append(Option(_two_lines(preset.name + mine, preset.description), id=preset.name))
        shown = self.query_one("#presets", OptionList)
        shown.clear_options()
        shown.add_options(made)
        names = [option.id for option in made]
        if (now := self.model.preset or "") in names:
            shown.highlighted = names.index(now)

    @work(exclusive=True, group="preset")
    async def choose_preset(self, name: str) -> None:
        """Begin anew from a preset; "" from the defaults."""
        try:
            parts = (await self.link.client.preset(name)).parts if name else {}
            self.model.choose(name or None, parts)
        except DepthFlowError as error:
            self._say_error(error)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if event.option_list.id == "presets":
            self.choose_preset(str(event.option_id))
        else:
            self.query_one(ParameterList).focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_list.id == "motions" and event.option_list.has_focus:
            self._put(rows()["motion.name"], str(event.option_id), gesture="motions")

    def _put(self, row: Row, value: Any, *, gesture: str | None = None) -> bool:
        try:
            self.model.put(row.path, value, gesture=gesture)
        except DepthFlowError as error:
            self._say_error(error)
            return False
        return True

    # -- the parameters' side ------------------------------------------------------------------------------

    def _show_tab(self, name: str) -> None:
        tabs, shown = self.query_one(TabStrip), self.query_one(ParameterList)
        tabs.chosen = name
        self.query_one("#search").display = False
        self.query_one("#presets").display = name == LOOK
        self.query_one("#motions").display = name == "Motion"
        shown.display = name != LOOK
        shown.show([row for row in rows().values() if row.section == name and row.path != "motion.name"])
        self._focus_side()

    def _focus_side(self) -> None:
        """The keys go to what the tab shows."""
        shown = self.query_one(ParameterList)
        (shown if shown.display else self.query_one("#presets")).focus()

    def action_tab(self, by: int) -> None:
        self._show_tab(self.query_one(TabStrip).beside(by))

    def on_tab_strip_chosen(self, event: TabStrip.Chosen) -> None:
        self._show_tab(event.name)

    def on_parameter_list_highlighted(self) -> None:
        self._show_hint()

    def on_parameter_list_refused(self, event: ParameterList.Refused) -> None:
        self._say_error(event.error)

    def _show_hint(self, problem: str = "") -> None:
        hint = self.query_one("#hint", Static)
        line = self.query_one(ParameterList).line
        row = self._editing or line
        text = Text()
        if problem:
            text.append(problem, self._error_style)
        elif isinstance(row, Row) and self.query_one(ParameterList).display:
            facts = [row.span if row.slides else ""]
            if row.unit and row.unit not in row.text:
                facts.append(row.unit)
            base = self.model.base(row.path)
            facts.append(f"{self.model.preset or 'default'}: {row.shown(base)}" if base != "" else "")
            text.append(" · ".join(filter(None, facts)), "dim").append(f"\n{row.text}")
        elif isinstance(row, Heading):
            text.append("enter opens and closes the group, backspace resets it", "dim")
        hint.update(text)

    def on_parameter_list_edit(self, event: ParameterList.Edit) -> None:
        row = event.row
        if row is self._editing:
            # Typed faster than the focus went to the field.
            self._typed(event.begun)
            return
        names = row.choices or suggestions(row.path)
        if row.choices:
            chosen = [*(["auto"] if row.optional else []), *names]
            self.app.push_screen(
                ChooseDialog(row.label, chosen, row.shown(self.model.get(row.path))),
                lambda name: self._chosen(row, name),
            )
            return
        from textual.suggester import SuggestFromList

        self._editing = row
        edit = self.query_one("#edit", Input)
        value = self.model.get(row.path)
        edit.value = event.begun or ("" if value is None else row.shown(value))
        edit.suggester = SuggestFromList(names, case_sensitive=False) if names else None
        edit.placeholder = f"{row.label}, {row.span}" if row.slides else row.label
        edit.select_on_focus = not event.begun  # or the next digit would take the place of the first
        edit.display = True
        edit.focus()
        if event.begun:
            edit.cursor_position = len(edit.value)
        self._show_hint()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "search":
            self.query_one(ParameterList).show(search(event.value), titled=True)
        elif self._editing is not None:
            self._show_hint(self._wrong(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "search":
            self.query_one(ParameterList).focus()
            return
        self._take_value()

    def _typed(self, text: str) -> None:
        """Goes on with what is being typed; no text is the end of it."""
        if text:
            self.query_one("#edit", Input).insert_text_at_cursor(text)
        else:
            self._take_value()

    def _take_value(self) -> None:
        """Set what was typed, if it is allowed."""
        if self._editing is None:
            return
        text = self.query_one("#edit", Input).value
        if wrong := self._wrong(text):
            self._show_hint(wrong)
        elif self._put(self._editing, self._editing.parse(text)):
            self._stop_editing()

    def _chosen(self, row: Row, name: str | None) -> None:
        if name is not None:
            self._put(row, row.parse(name))

    def _wrong(self, text: str) -> str:
        """What stands against a typed value; nothing if it is allowed."""
        assert self._editing is not None  # noqa: S101 - asked by both callers
        try:
            self._editing.parse(text)
        except DepthFlowError as error:
            return f"{error}. {error.hint}".removesuffix(" ")
        return ""

    def _stop_editing(self) -> None:
        self._editing = None
        self.query_one("#edit").display = False
        self.query_one(ParameterList).focus()
        self._show_hint()

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        if event.widget.id == "edit" and self._editing is not None:
            self._stop_editing()

    def action_search(self) -> None:
        box = self.query_one("#search", Input)
        for hidden in ("#presets", "#motions"):
            self.query_one(hidden).display = False
        self.query_one(ParameterList).display = True
        box.display = True
        box.value = ""
        box.focus()
        self.query_one(ParameterList).show(search(""), titled=True)

    def action_leave(self) -> None:
        """Out of the search, or of typing a value, or of the keyframes, or of a hidden pane."""
        if self._editing is not None:
            self._stop_editing()
        elif self.query_one("#search").display:
            line = self.query_one(ParameterList).row
            self._show_tab(line.section if line is not None else self.query_one(TabStrip).chosen)
            if line is not None:
                self.query_one(ParameterList).go_to(line.path)
        elif self._editor is not None and self._editor.has_focus:
            self.action_timeline()
        else:
            self.remove_class("only-left", "only-right")
            self.call_after_refresh(self._wish)

    # -- what keys do --------------------------------------------------------------------------------------

    def action_undo(self) -> None:
        if not self.model.undo():
            self.notify("There is nothing to undo")

    def action_redo(self) -> None:
        if not self.model.redo():
            self.notify("There is nothing to redo")

    def action_reset_all(self) -> None:
        self.model.reset()

    def action_switch(self) -> None:
        self.model.switch()

    def action_seed(self) -> None:
        self._put(rows()["seed"], secrets.randbelow(SEEDS))
        self.notify(f"Seed {self.model.get('seed')}")

    def action_view(self) -> None:
        self.view = VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)]
        self._paint()
        self._wish()
        self._show_status()

    def action_pause(self) -> None:
        if self._editor is not None:
            self._editor.action_play()  # it has the playhead
            return
        self.paused = not self.paused
        self._times.clear()
        self._wish()
        self._show_status()

    def action_hide(self, pane: str) -> None:
        name, other = ("only-left", "only-right") if pane == "right" else ("only-right", "only-left")
        self.remove_class(other)
        self.toggle_class(name)
        self.call_after_refresh(self._wish)

    def action_timeline(self) -> None:
        """Show the keyframes, or hide them."""
        bottom = self.query_one("#bottom")
        if (open_one := self._editor) is not None:
            if open_one.has_focus:
                self._focus_side()
            open_one.still = False  # what is hidden holds nothing
            bottom.display = False
            self.at = None
        else:
            from depthflow.tui.timeline.editor import TimelineEditor

            bottom.display = True
            if not bottom.children:
                bottom.mount(TimelineEditor())
            self._load_timeline()
            editor = bottom.query_one(TimelineEditor)
            editor.focus()
            if self.paused and self._frame is not None:
                editor.stand(self._part(self._frame))
        self._show_status()
        self.call_after_refresh(self._wish)

    def _load_timeline(self) -> None:
        """Have the keyframes' editor show what holds now, if it is open."""
        editor = self._editor
        if editor is not None:
            output = self.model.job().outputs[0]
            editor.load(self.model.timeline, output.duration, output.fps)

    @property
    def _editor(self) -> TimelineEditor | None:
        """The keyframes' editor; None while it is not shown."""
        bottom = self.query_one("#bottom")
        return cast("TimelineEditor", bottom.children[0]) if bottom.display and bottom.children else None

    def on_timeline_editor_changed(self, event: TimelineEditor.Changed) -> None:
        self._hearing = True  # the editor may be ahead of what it told: it is not to be taken back
        try:
            self.model.put(TIMELINE, event.timeline or None, gesture=None if event.final else TIMELINE)
        except DepthFlowError as error:
            self._say_error(error)
            self._load_timeline()
        finally:
            self._hearing = False

    def on_timeline_editor_scrubbed(self, event: TimelineEditor.Scrubbed) -> None:
        if self._editor is None:
            return  # it was closed meanwhile
        self.at = event.at
        self.paused = False  # it stands, or plays, because the editor says so
        self._wish()
        self._show_status()

    def action_open(self) -> None:
        from_jobs = [job.source for job in self.link.jobs if Path(job.source).is_file()]
        sample = str(paths.data("config", "samples", "boats.jpg"))
        recent = list(dict.fromkeys([*self._opened, *from_jobs[:8], sample]))[:6]
        folder = Path(self.model.photo).parent if self.model.photo else Path.cwd()
        self.app.push_screen(
            PhotoDialog(recent, folder, photos.pixels), lambda photo: self.open(photo) if photo else None
        )

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
            job = await self.link.client.submit(model.photo, spec=model.spec(), preset=model.preset)
        except DepthFlowError as error:
            self._say_error(error)
            return
        if job.state == "skipped":
            self.notify(f"Job {job.same_as} makes the same already", severity="warning")
        else:
            self.notify(f"Job {job.id} is queued: {model.summary()}")
        if answer == "go":
            await self.flow.go("queue")

    def _say_error(self, error: DepthFlowError) -> None:
        hint = f"\n{error.hint}" if error.hint else ""
        self.notify(f"{error}{hint}", severity="error", markup=False)


def _two_lines(name: str, text: str) -> Text:
    return Text.assemble((name, "bold"), "\n", (text, "dim"), no_wrap=True, overflow="ellipsis")
