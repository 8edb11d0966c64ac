"""A timeline of each kind of track, and an application that shows nothing else than the editor."""

from __future__ import annotations

from typing import Any

from textual.app import App, ComposeResult
from textual.widgets import Footer

from depthflow.tui.timeline.editor import TimelineEditor

SECONDS, FPS = 5.0, 30.0

FULL: dict[str, Any] = {
    "tracks": [
        {
            "parameter": "focus",
            "keys": [
                {"at": "0s", "value": 0.1},
                {"at": "2s", "value": 0.9, "hold": "1s"},
                {"at": "100%", "value": 0.1},
            ],
        },
        {
            "parameter": "z",
            "mode": "add",
            "keys": [
                {"at": "1s", "value": 0.0, "easing": "spring(200, 20)"},
                {"at": "+800ms", "value": 0.08, "easing": "ease-in"},
                {"at": "-1s", "value": 0.0},
            ],
        },
        {
            "parameter": "x",
            "easing": "spline",
            "after": "loop",
            "keys": [
                {"at": "0s", "value": 0.0},
                {"at": "0.5s", "value": 0.1},
                {"at": "1.25s", "value": -0.1},
                {"at": "2s", "value": 0.0},
            ],
        },
        {"parameter": "colour.saturation", "keys": [{"at": "10%", "value": 0.0}, {"at": "90%", "value": 1.2}]},
    ],
    "components": [{"parameter": "roll", "kind": "noise", "amount": 0.5, "cycles": 8}],
}


class Bench(App[None]):
    """The editor alone, and what it told."""

    CSS = "TimelineEditor { height: 1fr; }"

    def __init__(self, timeline: dict[str, Any] | None = None, seconds: float = SECONDS, fps: float = FPS) -> None:
        super().__init__()
        self._given = timeline, seconds, fps
        self.changes: list[tuple[dict[str, Any], bool]] = []
        self.scrubs: list[float | None] = []

    def compose(self) -> ComposeResult:
        yield TimelineEditor()
        yield Footer()

    def on_mount(self) -> None:
        self.editor.load(*self._given)
        self.editor.focus()

    @property
    def editor(self) -> TimelineEditor:
        return self.query_one(TimelineEditor)

    def on_timeline_editor_changed(self, event: TimelineEditor.Changed) -> None:
        self.changes.append((event.timeline, event.final))

    def on_timeline_editor_scrubbed(self, event: TimelineEditor.Scrubbed) -> None:
        self.scrubs.append(event.at)
