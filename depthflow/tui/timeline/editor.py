"""The timeline as a widget: keys and curves over a ruler, for keyboard and mouse. The model knows what edits do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from depthflow.tui.timeline.drawing import COMPONENTS, CSS, Drawing, View
from depthflow.tui.timeline.keymap import HELP, KEYS
from depthflow.tui.timeline.model import AFTERS, MODES, TimelineModel, free_parameters
from depthflow.tui.timeline.pickers import Ask, pick_easing, pick_parameter
from depthflow.tui.timeline.scale import Scale

_ZOOM = 1.5
"""How much closer each turn of the wheel goes."""
_NEAR = 1
"""Columns beside a key that still mean it."""


class TimelineEditor(Widget, can_focus=True):
    """Keyframes of a clip.

    `load` gives it a timeline; what becomes of it is told by `Changed`, and what is to be seen by `Scrubbed`.

    Attributes:
        track: the row that keys act on.
        playhead: seconds from the beginning.
        still: the preview is to stand at the playhead.
    """

    HELP = HELP
    DEFAULT_CSS = CSS
    COMPONENT_CLASSES: ClassVar[set[str]] = set(COMPONENTS)
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    track = reactive(0)
    playhead = reactive(0.0)
    still = reactive(False)
    in_frames = reactive(False)

    class Changed(Message):
        """The timeline is another one.

        Args:
            timeline: plain data, as in a JobSpec; empty if it does nothing any more.
            final: nothing is being dragged; what comes between is not worth a step of undo.
        """

        def __init__(self, editor: TimelineEditor, timeline: dict[str, Any], *, final: bool = True) -> None:
            super().__init__()
            self.editor, self.timeline, self.final = editor, timeline, final

        @property
        def control(self) -> TimelineEditor:
            return self.editor

    class Scrubbed(Message):
        """Show this part of the clip, 0 the first frame and 1 the last, and stand there; None plays on."""

        def __init__(self, editor: TimelineEditor, at: float | None) -> None:
            super().__init__()
            self.editor, self.at = editor, at

        @property
        def control(self) -> TimelineEditor:
            return self.editor

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.model = TimelineModel(None, 5.0, 30.0)
        self.problem = ""
        self._scale: Scale | None = None
        self._top = 0
        self._plots: dict[Any, Any] = {}
        self._chosen: int | None = None
        self._clipboard: tuple[float, str, float] | None = None
        self._drag: Callable[[float], None] | None = None
        self._dragged = False

    # -- what it is given ------------------------------------------------------------------------------------------

    def load(self, timeline: Mapping[str, Any] | None, seconds: float, fps: float) -> None:
        """Show a timeline, for a clip of that many seconds a pass; what is in view stays as far as it can."""
        problem = self.problem
        try:
            model, self.problem = TimelineModel(timeline, seconds, fps), ""
        except ValueError as error:
            model, self.problem = TimelineModel(None, seconds, fps), str(error)
        same = (model.frames, model.fps) == (self.model.frames, self.model.fps)
        if same and model.data == self.model.data and self.problem == problem:
            return
        self._let_go()
        if not same:
            self._scale = None
        self.model = model
        self._plots.clear()
        self.playhead = min(self.playhead, model.last)
        self._settle()

    def follow(self, at: float) -> None:
        """The preview plays, and shows this part of the clip."""
        if not self.still:
            self.playhead = at * self.model.last
            self._chosen = None

    def stand(self, at: float) -> None:
        """Stand at this part of the clip."""
        self._scrub(at * self.model.last)

    @property
    def selected(self) -> int | None:
        """The key at the playhead, of the chosen track."""
        if not self.model.rows:
            return None
        keys = self.model.rows[self.track].keys
        there = [key for key, spot in enumerate(keys) if self._frame(spot.seconds) == self.model.frame(self.playhead)]
        return self._chosen if self._chosen in there else there[0] if there else None

    def _frame(self, seconds: float) -> int:
        """The frame that shows a key; one that stands behind the clip has none, but 100 % is the last one's."""
        return self.model.frame(seconds) if seconds <= self.model.end + 0.5 / self.model.fps else -1

    # -- looks -----------------------------------------------------------------------------------------------------

    @property
    def scale(self) -> Scale:
        columns = max(2, self.size.width - self._names)
        if self._scale is None:
            self._scale = Scale.whole(columns, self.model.end)
        elif self._scale.columns != columns:
            self._scale = self._scale.resized(columns)
        return self._scale

    @property
    def _names(self) -> int:
        """Columns of the names and values."""
        return 30 if self.size.width >= 100 else 26 if self.size.width >= 60 else 16

    def view(self) -> View:
        """All that is drawn."""
        return View(
            model=self.model,
            scale=self.scale,
            names=self._names,
            height=self.size.height,
            top=self._top,
            track=self.track,
            key=self.selected,
            playhead=self.playhead,
            still=self.still,
            in_frames=self.in_frames,
            problem=self.problem,
        )

    def render_line(self, y: int) -> Strip:
        drawing = Drawing(self.view(), lambda name: self.get_component_rich_style(f"timeline--{name}"), self._plots)
        return drawing.line(y, self.size.width, self.rich_style)

    def on_resize(self) -> None:
        self._settle()

    def watch_track(self) -> None:
        self._settle()

    def _settle(self) -> None:
        """Bring the chosen track and the playhead into view."""
        self.track = min(max(self.track, 0), max(0, len(self.model.rows) - 1))
        self._top = self.view().settled_top()
        self.refresh()

    # -- moving about ----------------------------------------------------------------------------------------------

    def _scrub(self, seconds: float) -> None:
        """Stand at that time."""
        self.playhead = min(max(self.model.snap(seconds), 0.0), self.model.last)
        self._scale = self.scale.showing(self.playhead)
        self.still = True
        self.refresh()
        self.post_message(self.Scrubbed(self, self.model.part(self.playhead)))

    def action_step(self, by: int) -> None:
        """By about a column, a whole number of frames."""
        frames = max(1, round(self.scale.span / (self.scale.columns - 1) * self.model.fps))
        self.action_frame(by * frames)

    def action_frame(self, by: int) -> None:
        self._scrub((self.model.frame(self.playhead) + by) / self.model.fps)

    def action_go_to(self, part: float) -> None:
        self._scrub(part * self.model.last)

    def action_next_key(self, by: int) -> None:
        """The next key of the track in that direction, also one of several at one time."""
        if not self.model.rows:
            return
        keys, here = self.model.rows[self.track].keys, self.selected
        if here is not None:
            place: int | None = here + by
        else:
            before = sum(spot.seconds < self.playhead for spot in keys)
            place = before if by > 0 else before - 1
        if place is not None and 0 <= place < len(keys):
            self._choose(place)

    def _choose(self, key: int) -> None:
        self._chosen = key
        self._scrub(self.model.rows[self.track].keys[key].seconds)

    def action_go_track(self, by: int) -> None:
        self.track = min(max(self.track + by, 0), max(0, len(self.model.rows) - 1))
        self._chosen = None

    def action_play(self) -> None:
        if self.still:
            self.still = False
            self.post_message(self.Scrubbed(self, None))
        else:
            self._scrub(self.playhead)

    def action_frames(self) -> None:
        self.in_frames = not self.in_frames

    def action_zoom(self, by: int) -> None:
        around = self.playhead if self.scale.sees(self.playhead) else self.scale.seconds(self.scale.columns / 2)
        self._zoom(by, around)

    def _zoom(self, by: int, around: float) -> None:
        scale = self.scale
        self._scale = (
            scale.zoomed(_ZOOM**by, around, self.model.fps) if by else Scale.whole(scale.columns, self.model.end)
        )
        self.refresh()

    # -- edits -----------------------------------------------------------------------------------------------------

    def _edit(self, change: Callable[[], object], *, final: bool = True) -> bool:
        """Do it, and tell; what the engine refuses is said and changes nothing."""
        before = self.model.data
        try:
            change()
        except ValueError as error:
            self.notify(str(error), severity="error")
            return False
        if final:
            self._let_go()
        self._settle()
        if self.model.data != before:
            self.post_message(self.Changed(self, self.model.to_dict() or {}, final=final))
        return True

    def _with_key(self, change: Callable[[int, int], object], word: str) -> None:
        """Do something to the selected key; say so if there is none."""
        key = self.selected
        if key is None:
            self.notify(f"no key at the playhead to {word}; , and . go to keys, a makes one")
        else:
            self._edit(lambda: change(self.track, key))

    def action_add_key(self) -> None:
        if not self.model.rows:
            self.action_add_track()
            return

        def add() -> None:
            self._chosen = self.model.add_key(self.track, self.playhead)

        if self._edit(add):
            self._scrub(self.playhead)

    def action_delete_key(self) -> None:
        self._with_key(self.model.delete_key, "delete")

    def action_move_key(self, by: int) -> None:
        key = self.selected

        def move(track: int, key: int) -> None:
            self._chosen = key
            spot = self.model.rows[track].keys[key]
            self.model.move_key(track, key, self.model.snap(spot.seconds + by / self.model.fps))

        self._with_key(move, "move")
        if key is not None:
            self._scrub(self.model.rows[self.track].keys[key].seconds)

    def action_nudge(self, by: int) -> None:
        def nudge(track: int, key: int) -> None:
            row = self.model.rows[track]
            low, high = row.limits
            step = self.model.step(track)
            value = round((row.keys[key].value + by * step) / step) * step
            self.model.set_value(track, key, min(max(float(f"{value:.6g}"), low), high))

        self._with_key(nudge, "change")

    def action_copy_key(self) -> None:
        def copy(track: int, key: int) -> None:
            spot = self.model.rows[track].keys[key]
            self._clipboard = spot.value, spot.easing if spot.own else "", spot.hold

        self._with_key(copy, "copy")

    def action_paste_key(self) -> None:
        if self._clipboard is None:
            self.notify("no key was copied; c copies one")
            return
        if not self.model.rows:
            return
        value, easing, hold = self._clipboard

        def paste() -> None:
            self._chosen = self.model.put_key(self.track, self.playhead, value, easing, hold)

        if self._edit(paste):
            self._scrub(self.playhead)

    def action_next_form(self) -> None:
        self._with_key(self.model.next_form, "rewrite")

    def action_next_mode(self) -> None:
        self._with_track(
            lambda track: self.model.set_mode(track, MODES[(MODES.index(self.model.rows[track].mode) + 1) % len(MODES)])
        )

    def action_next_after(self) -> None:
        self._with_track(
            lambda track: self.model.set_after(
                track, AFTERS[(AFTERS.index(self.model.rows[track].after) + 1) % len(AFTERS)]
            )
        )

    def action_remove_track(self) -> None:
        self._with_track(self.model.remove_track)

    def _with_track(self, change: Callable[[int], object]) -> None:
        if self.model.rows:
            self._edit(lambda: change(self.track))

    def action_loop(self) -> None:
        self._edit(lambda: self.model.set_loop(not self.model.loop))

    # -- questions -------------------------------------------------------------------------------------------------

    def action_add_track(self) -> None:
        def add(name: str | None) -> None:
            if name is not None and self._edit(lambda: self.model.add_track(name, self.playhead)):
                self.track = len(self.model.rows) - 1
                self._scrub(self.playhead)

        self.app.push_screen(pick_parameter(free_parameters(self.model)), add)

    def action_edit_value(self) -> None:
        key = self.selected
        if key is None:
            self.action_add_key()
            key = self.selected
        if key is None:
            return
        track, row = self.track, self.model.rows[self.track]
        low, high = row.limits
        unit = f" {row.parameter.unit}" if row.parameter.unit and row.mode != "multiply" else ""

        def check(text: str) -> float:
            try:
                value = float(text.replace(",", "."))
            except ValueError:
                raise ValueError("a number is expected") from None
            if not (math.isfinite(value) and low <= value <= high):
                raise ValueError(f"{low:g} to {high:g} is allowed")
            return value

        def set_value(text: str | None) -> None:
            if text is not None:
                self._edit(lambda: self.model.set_value(track, key, check(text)))

        hint = f"{low:g} to {high:g}{unit}: {row.parameter.text}"
        self.app.push_screen(Ask(f"Value of {row.name}", hint, f"{row.keys[key].value:g}", check), set_value)

    def action_hold(self) -> None:
        key = self.selected
        if key is None:
            self.notify("no key at the playhead to hold; , and . go to keys, a makes one")
            return
        track, spot = self.track, self.model.rows[self.track].keys[key]

        def check(text: str) -> float:
            try:
                value = float(text.removesuffix("s").replace(",", "."))
            except ValueError:
                raise ValueError("a number of seconds is expected") from None
            if not 0 <= value <= 3600:
                raise ValueError("0 to 3600 seconds are allowed")
            return value

        def set_hold(text: str | None) -> None:
            if text is not None:
                self._edit(lambda: self.model.set_hold(track, key, check(text)))

        self.app.push_screen(
            Ask("Hold", "seconds to stay at the key; at most to the next one", f"{spot.hold:g}", check), set_hold
        )

    def action_ease(self) -> None:
        key = self.selected
        if key is None:
            self.notify("no key at the playhead to ease; , and . go to keys, a makes one")
            return
        track, row = self.track, self.model.rows[self.track]
        spot = row.keys[key]

        def ease(name: str | None) -> None:
            if name is not None:
                self._edit(lambda: self.model.set_easing(track, key, name))

        self.app.push_screen(pick_easing(spot.easing if spot.own else "", row.easing), ease)

    def action_ease_track(self) -> None:
        if not self.model.rows:
            return
        track, row = self.track, self.model.rows[self.track]

        def ease(name: str | None) -> None:
            if name:
                self._edit(lambda: self.model.set_track_easing(track, name))

        self.app.push_screen(pick_easing(row.easing, row.easing), ease)

    # -- mouse -----------------------------------------------------------------------------------------------------

    def on_mouse_down(self, event: events.MouseDown) -> None:
        event.stop()
        self.focus()
        if event.button != 1:
            return
        column, row = event.x - self._names, self.view().row_at(event.y)
        if event.y == 0:
            if column >= 0:
                self._begin(self._scrub)
                self._scrub(self.scale.seconds(column))
            return
        if row is None:
            return
        self.track = row
        self._chosen = None
        if column < 0:
            return
        key = self._key_near(row, column)
        if key is None:
            self._begin(self._scrub)
            self._scrub(self.scale.seconds(column))
        else:
            self._choose(key)
            self._begin(lambda seconds: self._drag_key(row, key, seconds))

    def _key_near(self, row: int, column: int) -> int | None:
        """The key that is meant by that column: the nearest, of several at one time the last."""
        columns = [self.scale.column(spot.seconds) for spot in self.model.rows[row].keys]
        near = [(abs(place - column), -key) for key, place in enumerate(columns) if abs(place - column) <= _NEAR]
        return -min(near)[1] if near else None

    def _begin(self, drag: Callable[[float], None]) -> None:
        self._drag, self._dragged = drag, False
        self.capture_mouse()

    def _drag_key(self, track: int, key: int, seconds: float) -> None:
        to = self.model.snap(seconds)
        if to != self.model.rows[track].keys[key].seconds:
            before = self.model.data
            if self._edit(lambda: self.model.move_key(track, key, to), final=False):
                self._dragged = self._dragged or self.model.data != before
                self._choose(key)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._drag is not None:
            event.stop()
            self._drag(self.scale.seconds(event.x - self._names))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._drag is None:
            return
        event.stop()
        dragged = self._dragged
        self._let_go()
        if dragged:
            self.post_message(self.Changed(self, self.model.to_dict() or {}))

    def _let_go(self) -> None:
        """End a drag: what was dragged may be gone, or another one by now."""
        if self._drag is not None:
            self._drag, self._dragged = None, False
            self.release_mouse()

    def on_click(self, event: events.Click) -> None:
        event.stop()
        column, row = event.x - self._names, self.view().row_at(event.y)
        if event.chain == 2 and row is not None and column >= 0 and self._key_near(row, column) is None:
            self.action_add_key()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, -1)

    def _wheel(self, event: events.MouseEvent, by: int) -> None:
        event.stop()
        if event.x < self._names:
            self.action_go_track(-by)
        else:
            self._zoom(by, self.scale.seconds(event.x - self._names))
