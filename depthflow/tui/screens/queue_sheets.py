"""Small sheets of the queue: how to leave, and another way to make a photo."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical
from textual.content import Content
from textual.types import CSSPathType
from textual.validation import Number
from textual.widgets import Button, Input, Label, Select, Static

from depthflow.errors import DepthFlowError
from depthflow.jobs.sizes import check_size
from depthflow.tui.steady import Modal

FORMATS = ("mp4", "hevc", "av1", "webm", "prores", "gif", "webp", "apng", "png", "jpg")
SIZES = ("720p", "1080p", "4k", "square", "portrait", "story", "photo")


class Sheet(Modal[Any]):
    """What all sheets share: a frame in the middle, and escape."""

    CSS_PATH: ClassVar[CSSPathType | None] = "queue_sheets.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel", id="sheet.cancel")]
    TITLE_TEXT = ""

    def on_mount(self) -> None:
        self.query_one(".sheet", Vertical).border_title = self.TITLE_TEXT


class Leave(Sheet):
    """How to quit while a daemon of ours has work; the answer is "end", "keep" or None."""

    TITLE_TEXT = "Quit"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "dismiss('end')", "Quit", id="leave.end"),
        Binding("k", "dismiss('keep')", "Keep it running", id="leave.keep"),
        Binding("s", "dismiss(None)", "Stay", id="leave.stay"),
    ]

    def __init__(self, running: int, waiting: int) -> None:
        super().__init__()
        self._begun, self._queued = running, waiting

    def compose(self) -> ComposeResult:
        words = [
            f"{self._begun} running" if self._begun else "",
            f"{self._queued} queued" if self._queued else "",
        ]
        said = " and ".join(word for word in words if word)
        with Vertical(classes="sheet small"):
            yield Static(
                Content(f"Jobs are not done yet: {said}. They are made by a daemon that ends with this program.")
            )
            yield Static(Content.assemble(
                ("Quit", "bold"), ": what runs is given back to the queue, and goes on when DepthFlow opens again.\n",
                ("Keep", "bold"), ": the daemon goes on in the background; depthflow daemon stop ends it.",
            ), classes="muted")  # fmt: skip
            with Horizontal(classes="buttons"):
                yield Button("Stay (s)", id="stay", compact=True)
                yield Button("Keep running (k)", id="keep", variant="primary", compact=True)
                yield Button("Quit (q)", id="end", variant="warning", compact=True)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#stay").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(None if event.button.id == "stay" else event.button.id)


class Leaving(Sheet):
    """Says that the daemon is ending; nothing can be done."""

    TITLE_TEXT = "Quit"

    def compose(self) -> ComposeResult:
        with Vertical(classes="sheet small"):
            yield Static("The daemon is ending; what runs is given back to the queue.")

    async def action_dismiss(self, result: object = None) -> None:
        """No key takes it away."""


class Again(Sheet):
    """The same photo, made in another way: the answer is (preset, output), what differs from the job, or "studio".

    Args:
        name: of the photo.
        presets: names to choose from.
        preset: of the job; None for none.
        output: the job's first output, as its spec has it.
        count: how many jobs are made again.
        studio: there is one to go to.
    """

    TITLE_TEXT = "Make again"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "submit", "Submit", id="again.submit")]

    def __init__(
        self, name: str, presets: list[str], preset: str | None, output: dict[str, Any], *, count: int = 1,
        studio: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self._photo, self._count, self._studio = name, count, studio
        self._presets = list(dict.fromkeys([*([preset] if preset else []), *presets]))
        self._preset, self._output = preset, output

    def compose(self) -> ComposeResult:
        said = self._photo if self._count == 1 else f"{self._photo} and {self._count - 1} more"
        output = self._output
        with Vertical(classes="sheet form"):
            yield Static(Content(said), classes="muted")
            with Grid(classes="fields"):
                yield Label("Preset")
                yield Select(
                    [(name, name) for name in self._presets], prompt="as it is", compact=True, id="preset",
                    value=self._preset if self._preset else Select.NULL,
                )  # fmt: skip
                yield Label("Size")
                yield Input(str(output.get("size", "1080p")), compact=True, id="size")
                yield Label("Seconds")
                yield Input(f"{output.get('duration', 5):g}", compact=True, id="duration",
                            validators=[Number(0.01, 3600)])  # fmt: skip
                yield Label("Format")
                yield Select([(name, name) for name in FORMATS], compact=True, id="format", allow_blank=False,
                             value=output.get("format") or "mp4")  # fmt: skip
            yield Static(f"size: {', '.join(SIZES)}, 1920x1080, ...", classes="muted")
            yield Static(id="problem", classes="bad")
            with Horizontal(classes="buttons"):
                yield Button("Cancel (esc)", id="cancel", compact=True)
                if self._studio:
                    yield Button("Open in studio", id="studio", compact=True)
                yield Button("Queue it (ctrl+s)", id="submit", variant="primary", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "submit":
                self.action_submit()
            case "studio":
                self.dismiss("studio")
            case _:
                self.dismiss(None)

    def on_input_submitted(self) -> None:
        self.action_submit()

    def action_submit(self) -> None:
        size, duration = self.query_one("#size", Input).value, self.query_one("#duration", Input)
        problem = self.query_one("#problem", Static)
        try:
            size = check_size(size)
        except DepthFlowError as error:
            problem.update(Content(f"{error.message}: {error.hint}"))
            return
        if not duration.is_valid or not duration.value:
            problem.update("seconds: more than 0, at most 3600")
            return
        chosen = self.query_one("#preset", Select).value
        output = {"size": size, "duration": float(duration.value), "format": self.query_one("#format", Select).value}
        self.dismiss((None if chosen is Select.NULL else str(chosen), output))
