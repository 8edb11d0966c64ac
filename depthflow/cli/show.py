"""How progress is shown: bars on a terminal, plain lines elsewhere, JSON lines for programs, or nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from depthflow.errors import DepthFlowError
from depthflow.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from depthflow.jobs.pipeline import Made, Result

_WORDS = {
    "load": "Loading photo",
    "depth": "Estimating depth",
    "prepare": "Building mesh",
    "render": "Rendering",
    "publish": "Checking file",
}


Outcome = TypeVar("Outcome", contravariant=True)


class Display(Protocol[Outcome]):
    """Where the events of one or several jobs go, and what became of them."""

    for_programs: bool
    """Errors are told in its own form, and not as lines of text."""

    def begin(self, photo: str, number: int, total: int) -> None: ...
    def report(self, progress: Progress) -> None: ...
    def finished(self, photo: str, result: Outcome, /) -> None: ...
    def failed(self, photo: str, error: DepthFlowError) -> None: ...
    def skipped(self, photo: str, output: Path) -> None: ...
    def close(self) -> None: ...


def display(*, as_json: bool, quiet: bool) -> Display[Result]:
    """The display that fits where the output goes."""
    if as_json:
        return JsonLines()
    if quiet:
        return Quiet()
    return BarsDisplay() if sys.stderr.isatty() else PlainLines()


def _summary(result: Result) -> list[str]:
    return [
        f"{made.path}: {made.width}x{made.height}, {_length(made)}, "
        f"{bytes_text(made.bytes)}, {made.encoder}, {made.seconds:.1f} s"
        for made in result.outputs
    ]


def _length(made: Made) -> str:
    return "a still" if made.frames == 1 else f"{made.frames} frames at {made.fps:g}/s"


def bytes_text(count: int) -> str:
    """Such as 4.2 MB, 700 kB or 12 B."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def json_line(data: dict[str, Any]) -> str:
    """JSON in one line, as readable as may be: what is no text in a file's name is escaped, and so is all else then."""
    line = json.dumps(data, ensure_ascii=False)
    return line if line.isascii() or line.encode(errors="replace").decode() == line else json.dumps(data)


def _shown(photo: str) -> str:
    """The photo's name for people: what stands on standard error may end in a log."""
    from depthflow.images import shown

    return shown(photo)


def _error_lines(photo: str, error: DepthFlowError) -> list[str]:
    # Most messages name the file already.
    name = "" if photo in error.message else f"{_shown(photo)}: "
    return [f"error: {name}{error.message}", *([f"  hint: {error.hint}"] if error.hint else [])]


class Errors:
    """What all displays for people have in common."""

    for_programs = False

    def begin(self, photo: str, number: int, total: int) -> None: ...
    def report(self, progress: Progress) -> None: ...
    def skipped(self, photo: str, output: Path) -> None: ...
    def close(self) -> None: ...

    def failed(self, photo: str, error: DepthFlowError) -> None:
        for line in _error_lines(photo, error):
            print(line, file=sys.stderr)


class Quiet(Errors):
    """Errors only."""

    def finished(self, photo: str, result: Result) -> None: ...


class PlainLines(Errors):
    """One line a stage, one every ten percent of the frames: for logs and pipes. Results go to standard output."""

    def begin(self, photo: str, number: int, total: int) -> None:
        self._stage, self._tenth = "", -1
        count = f" ({number} of {total})" if total > 1 else ""
        print(f"{_shown(photo)}{count}", file=sys.stderr, flush=True)

    def report(self, progress: Progress) -> None:
        if progress.warning:
            print(f"  note: {progress.note}", file=sys.stderr, flush=True)
        elif progress.stage == "render" and progress.total:
            tenth = 10 * progress.done // progress.total
            if tenth > self._tenth:
                self._tenth = tenth
                rate = f", {progress.rate:.1f} frames/s" if progress.done else ""
                print(f"  {_WORDS['render']}: {10 * tenth} %{rate}", file=sys.stderr, flush=True)
        elif progress.stage != self._stage and progress.stage in _WORDS:
            self._tenth = -1
            print(f"  {_WORDS[progress.stage]}", file=sys.stderr, flush=True)
        self._stage = progress.stage

    def finished(self, photo: str, result: Result) -> None:
        for line in _summary(result):
            print(line, flush=True)

    def skipped(self, photo: str, output: Path) -> None:
        print(
            f"{_shown(photo)}: skipped, {output} is already there (--overwrite replaces it)",
            file=sys.stderr,
            flush=True,
        )


class BarsDisplay(Errors):
    """A bar for each stage."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self._console = Console(stderr=True)
        self._bars: Bars = Bars(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<16}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("[cyan]{task.fields[rate]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=self._console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def begin(self, photo: str, number: int, total: int) -> None:
        from rich.text import Text

        self._clear()
        count = f" ({number} of {total})" if total > 1 else ""
        self._console.print(Text(f"{_shown(photo)}{count}", style="bold"))
        self._bars.start()

    def report(self, progress: Progress) -> None:
        from rich.text import Text

        if progress.warning:
            self._console.print(Text(f"note: {progress.note}", style="yellow"))
            return
        words = _WORDS.get(progress.stage)
        if words is None:
            return
        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._bars.add_task(words, total=progress.total, rate="")
        rate = f"{progress.rate:.1f} fps" if progress.stage == "render" and progress.done else ""
        self._bars.update(self._tasks[progress.stage], completed=progress.done, total=progress.total, rate=rate)

    def finished(self, photo: str, result: Result) -> None:
        from rich.text import Text

        self._clear()
        for line in _summary(result):
            path, rest = line.split(": ", 1)
            self._console.print(Text.assemble("✓ ", (path, "bold green"), f": {rest}"), soft_wrap=True)

    def failed(self, photo: str, error: DepthFlowError) -> None:
        self._clear()
        super().failed(photo, error)

    def skipped(self, photo: str, output: Path) -> None:
        self._clear()
        self._console.print(
            f"{_shown(photo)}: skipped, {output} is already there (--overwrite replaces it)", markup=False
        )

    def close(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._bars.stop()
        for task in self._tasks.values():
            self._bars.remove_task(task)
        self._tasks.clear()


class Json(Errors):
    """One JSON object a line on standard output; every object has `event` and `photo`."""

    for_programs = True
    _photo = ""

    def report(self, progress: Progress) -> None:
        if progress.warning:
            self.tell("warning", stage=progress.stage, message=progress.note)
        else:
            self.tell(
                "progress",
                stage=progress.stage,
                done=progress.done,
                total=progress.total,
                seconds=round(progress.seconds, 3),
                rate=round(progress.rate, 3),
            )

    def failed(self, photo: str, error: DepthFlowError) -> None:
        self._photo = photo
        kind = type(error).__name__.rstrip("_")
        self.tell("error", kind=kind, message=error.message, hint=error.hint, exit_code=error.exit_code)

    def skipped(self, photo: str, output: Path) -> None:
        self._photo = photo
        self.tell("skipped", output=str(output))

    def tell(self, event: str, **facts: Any) -> None:
        print(json_line({"event": event, "photo": self._photo, **facts}), flush=True)


class JsonLines(Json):
    """What is made, and how far it is."""

    def begin(self, photo: str, number: int, total: int) -> None:
        self._photo = photo
        self.tell("begin", number=number, total=total)

    def finished(self, photo: str, result: Result) -> None:
        outputs = [
            {
                "path": str(made.path),
                "format": made.format,
                "frames": made.frames,
                "width": made.width,
                "height": made.height,
                "fps": made.fps,
                "bytes": made.bytes,
                "encoder": made.encoder,
                "seconds": round(made.seconds, 3),
            }
            for made in result.outputs
        ]
        timings = {stage: round(seconds, 3) for stage, seconds in result.timings.items()}
        self.tell("done", outputs=outputs, timings=timings, notes=list(result.notes), job=result.spec.digest())
