"""The timeline's questions: a text that is checked as it is typed, and a choice that is searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from depthflow.scene.easing import CALLS, FAMILIES, WORDS
from depthflow.scene.keys import SPLINE, check_easing
from depthflow.scene.parameters import Parameter
from depthflow.tui.steady import Modal
from depthflow.tui.timeline.model import easing_curve
from depthflow.tui.timeline.plot import braille

_GLYPH = 10
"""Columns of the picture of a curve."""


_COLUMNS = 58
_LARGE = 3
"""Columns and lines of the picture of the one that is looked at."""


def glyph(easing: str, columns: int = _GLYPH) -> str:
    """The curve of an easing in one line; what overshoots is cut off."""
    return braille(easing_curve(easing, columns * 2), 1, 0.0, 1.0)[0]


class _Question(Modal[str | None]):
    """Common looks; escape answers None."""

    DEFAULT_CSS = """
    _Question { align: center middle; }
    _Question > Vertical { width: 64; max-width: 95%; height: auto; max-height: 90%; background: $panel;
                           border: round $primary; padding: 0 1; }
    _Question Input { border: none; height: 1; padding: 0 1; margin-top: 1; background: $surface; }
    _Question Input:focus { border: none; }
    _Question .hint { color: $text-muted; }
    _Question .problem { color: $text-error; }
    _Question OptionList { height: auto; max-height: 10; border: none; background: $panel; margin-top: 1; padding: 0; }
    _Question OptionList { text-wrap: nowrap; text-overflow: ellipsis; }
    _Question #picture { color: $text-success; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Cancel", id="timeline.cancel")]

    def action_leave(self) -> None:
        self.dismiss(None)


class Ask(_Question):
    """Asks for a text.

    Args:
        title, hint: above and below it.
        text: to begin with.
        check: raises ValueError for what cannot be taken; said at once.
    """

    def __init__(self, title: str, hint: str, text: str, check: Callable[[str], object]) -> None:
        super().__init__()
        self._title, self._hint, self._text, self._check = title, hint, text, check

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Text(self._title, "bold"))
            yield Input(self._text, select_on_focus=True)
            yield Label(self._hint, id="said", classes="hint", markup=False)

    def _problem(self, text: str) -> str:
        try:
            self._check(text)
        except ValueError as error:
            return str(error)
        return ""

    def on_input_changed(self, event: Input.Changed) -> None:
        said = self.query_one("#said", Label)
        problem = self._problem(event.value)
        said.update(problem or self._hint)
        said.set_class(bool(problem), "problem")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if not self._problem(event.value):
            self.dismiss(event.value)


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be picked: `words` are searched."""

    id: str
    line: Text
    words: str


class Pick(_Question):
    """Asks for one of many.

    Args:
        title: above them.
        choices: all there are.
        current: the one to begin at.
        free: what is typed may be taken as it is, unless this raises ValueError.
        picture: of the id that is looked at, shown below.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "step(1)", "Next", id="timeline.pick.next", show=False),
        Binding("up", "step(-1)", "Previous", id="timeline.pick.previous", show=False),
    ]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        current: str = "",
        placeholder: str = "type to search",
        free: Callable[[str], object] | None = None,
        picture: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__()
        self._title, self._choices, self._current = title, tuple(choices), current
        self._placeholder, self._free, self._picture = placeholder, free, picture

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Text(self._title, "bold"))
            yield Input(placeholder=self._placeholder)
            yield OptionList(*(Option(choice.line, choice.id) for choice in self._choices), markup=False)
            yield Label("", id="said", classes="problem", markup=False)
            if self._picture is not None:
                yield Label("", id="picture", markup=False)

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.can_focus = False
        ids = [choice.id for choice in self._choices]
        options.highlighted = ids.index(self._current) if self._current in ids else 0

    def on_input_changed(self, event: Input.Changed) -> None:
        words = event.value.lower().split()
        options = self.query_one(OptionList)
        options.clear_options()
        found = [choice for choice in self._choices if all(word in choice.words.lower() for word in words)]
        found.sort(key=lambda choice: not choice.id.startswith(event.value.lower()))
        options.add_options([Option(choice.line, choice.id) for choice in found])
        options.highlighted = 0 if found else None
        problem = "" if found else self._problem(event.value)
        self.query_one("#said", Label).update(problem)
        if not found:
            self._draw(None if problem else event.value)

    def _problem(self, text: str) -> str:
        if self._free is None:
            return "nothing of that name"
        try:
            self._free(text)
        except ValueError as error:
            return str(error)
        return ""

    def on_input_submitted(self, event: Input.Submitted) -> None:
        options = self.query_one(OptionList)
        if options.highlighted is not None:
            self.dismiss(options.get_option_at_index(options.highlighted).id)
        elif not self._problem(event.value):
            self.dismiss(event.value)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self._draw(event.option.id)

    def _draw(self, of: str | None) -> None:
        if self._picture is not None:
            self.query_one("#picture", Label).update("" if of is None else self._picture(of))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def action_step(self, by: int) -> None:
        options = self.query_one(OptionList)
        if by > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()


def pick_easing(current: str, usual: str) -> Pick:
    """All curves with their pictures; calls such as cubic-bezier() are typed. "" stands for the track's own."""
    names = [*WORDS, SPLINE, *(f"ease-{way}-{family}" for family in FAMILIES for way in ("in", "out", "in-out"))]
    shown = names if current in names or not current else [current, *names]
    choices = [Choice("", Text.assemble(f"{glyph(usual)}  as the track: {usual}"), f"as the track {usual}")]

    def picture(name: str) -> str:
        return "\n".join(braille(easing_curve(name or usual, _COLUMNS * 2), _LARGE, -0.2, 1.2))

    choices += [Choice(name, Text.assemble((glyph(name), "bold"), f"  {name}"), name) for name in shown]
    return Pick(
        "Easing to the next key",
        choices,
        current=current,
        placeholder=f"search, or type {CALLS[0].split('(')[0]}(0.3, 0, 0.2, 1), spring(200, 20), steps(4)",
        free=check_easing,
        picture=picture,
    )


def pick_parameter(rows: Sequence[Parameter]) -> Pick:
    """What a new track may change."""
    width = max((len(row.name) for row in rows), default=0)
    choices = [
        Choice(row.name, Text.assemble((f"{row.name:<{width}}", "bold"), f"  {row.text}"), f"{row.name} {row.text}")
        for row in rows
    ]
    return Pick("New track", choices)
