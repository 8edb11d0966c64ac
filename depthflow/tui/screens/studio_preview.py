"""The moving half of the studio: the photo, its preview, and the keyframes whose playhead the preview follows."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from rich.text import Text
from textual import events, work
from textual.widgets import Static

from depthflow.client.frames import Frame
from depthflow.errors import DepthFlowError
from depthflow.jobs.sizes import frame_size
from depthflow.tui.link import LinkState
from depthflow.tui.screens.base import Place
from depthflow.tui.studio import photos
from depthflow.tui.studio.model import TIMELINE, StudioModel
from depthflow.tui.studio.player import Player, Wish
from depthflow.tui.widgets.picture import Picture

if TYPE_CHECKING:
    from depthflow.tui.timeline.editor import TimelineEditor

View = Literal["result", "depth", "photo", "side by side"]
VIEWS: tuple[View, ...] = ("result", "depth", "photo", "side by side")
RATE = 15.0
NARROW = 100
"""Columns below which preview and parameters share a small screen."""
WIDE = 140
"""Columns from which there is room for whole names."""
MOST_FRAMES = 2000
"""Of a preview: the daemon draws longer clips with fewer frames a second."""
FINE_ROOM = 110
"""Columns of a picture up to which frames are asked for with twice its pixels, and look smoother."""


class StudioPreview(Place):
    """What is seen of the model.

    Attributes:
        model: what is tuned.
        opened: photos that were opened here, the last one first.
        view, paused: what the preview shows, and whether it stands.
        at: seconds of the clip that it stands at, as the keyframes say; None while it moves.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model = StudioModel()
        self.opened: list[str] = []
        self.view: View = "result"
        self.paused = False
        self.at: float | None = None
        self._player: Player | None = None
        self._seen: photos.Seen | None = None
        self._frame: Frame | None = None
        self._trouble: DepthFlowError | None = None
        self._times: deque[float] = deque(maxlen=30)
        self._told = 0.0
        self._hearing = False

    def _begin_player(self) -> None:
        self._player = Player(
            self.link.client, frame=self._take_frame, trouble=self._take_trouble, told=self.model.learn
        )

    def _focus_side(self) -> None:
        """The keys go to what is tuned."""
        raise NotImplementedError

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
            self._player.want(None)
            await self._player.close()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < NARROW, "narrow")
        self.set_class(event.size.width >= WIDE, "wide")
        self.call_after_refresh(self._wish)

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
                words.append(f"{self._frame.width}×{self._frame.height}")
                words.append(f"{rate:.0f} fps" if (rate := self._rate()) >= 1 else "")
            elif self._frame is None:
                words.append("the preview begins ...")
            text.append(" · ".join(filter(None, words)), "dim")
        self.query_one("#status", Static).update(text)

    @property
    def _error_style(self) -> str:
        return f"bold {self.app.theme_variables.get('text-error', 'red')}"

    def _say_error(self, error: DepthFlowError) -> None:
        hint = f"\n{error.hint}" if error.hint else ""
        self.notify(f"{error}{hint}", severity="error", markup=False)

    # -- the photo -----------------------------------------------------------------------------------------

    def open(self, photo: str, spec: Mapping[str, Any] | None = None) -> None:
        """Tune this photo, from a job's spec if one is given."""
        try:
            self.model.open(photo, spec)
        except DepthFlowError as error:
            self._say_error(error)
            return
        self.opened = [photo, *(each for each in self.opened if each != photo)]
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

    # -- what is seen of it --------------------------------------------------------------------------------

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

    # -- keyframes -----------------------------------------------------------------------------------------

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
