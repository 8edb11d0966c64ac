"""The other half of the studio: looks, motions and parameters, found, typed, chosen and taken back."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from rich.text import Text
from textual import events, work
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from depthflow.errors import DepthFlowError
from depthflow.tui.screens.studio_dialogs import ChooseDialog
from depthflow.tui.screens.studio_preview import StudioPreview
from depthflow.tui.studio.lines import Heading
from depthflow.tui.studio.model import TIMELINE
from depthflow.tui.studio.parameters import SECTIONS, Row, rows, search, suggestions
from depthflow.tui.widgets.motions import MotionList
from depthflow.tui.widgets.parameters import ParameterList
from depthflow.tui.widgets.tabstrip import TabStrip

LOOK = "Look"
TABS = (LOOK, *SECTIONS)
SHORT = ("Look", "Move", "Cam", "Depth", "Layer", "FX", "Out")
SEEDS = 10_000


class StudioTuning(StudioPreview):
    """What changes the model, and shows what it says."""

    def __init__(self) -> None:
        super().__init__()
        self._editing: Row | None = None

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

    # -- looks and motions ---------------------------------------------------------------------------------

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

    # -- parameters ----------------------------------------------------------------------------------------

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
        self.remove_class("only-left")
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
        self.remove_class("only-left")
        box = self.query_one("#search", Input)
        for hidden in ("#presets", "#motions"):
            self.query_one(hidden).display = False
        self.query_one(ParameterList).display = True
        box.display = True
        box.value = ""
        self.set_focus(box)  # at once: the next key is meant for it
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

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A slash within a field is a slash."""
        return not isinstance(self.focused, Input) if action == "search" else super().check_action(action, parameters)

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


def _two_lines(name: str, text: str) -> Text:
    return Text.assemble((name, "bold"), "\n", (text, "dim"), no_wrap=True, overflow="ellipsis")
