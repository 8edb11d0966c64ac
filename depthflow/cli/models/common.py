"""What the commands about depth networks have in common."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from depthflow.depth.registry import ModelInfo
    from depthflow.depth.trial import Trial


Name = Annotated[str, typer.Argument(metavar="NAME", help="A name of `depthflow models list`.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Else all that are here.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Provider = Annotated[str, typer.Option("--provider", metavar="NAME", help="ONNX Runtime: auto, cpu, cuda, ...")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a model of this name.")]


def models_of(names: list[str] | None) -> list[ModelInfo]:
    """The models of these names, each once; without names all that are here."""
    from depthflow.depth.registry import find_model, load_registry

    models = load_registry()
    if names:
        return [find_model(name, models) for name in dict.fromkeys(names)]
    return [info for info in models.values() if info.available()]


def tell(info: ModelInfo, trial: Trial, *, quiet: bool) -> None:
    """Say on standard error how a trial came out."""
    say(f"{info.name}: {came_out(trial)}", quiet=quiet)


def came_out(trial: Trial) -> str:
    """A trial in one line."""
    alike = "" if trial.agreement is None else f", rank correlation with the built-in {trial.agreement:.2f}"
    notes = "".join(f"; note: {note}" for note in trial.notes)
    return f"ran on {trial.provider} in {trial.seconds:.2f} s, depth map {trial.size[0]}x{trial.size[1]}{alike}{notes}"


def numbers(option: str, text: str | None, count: int) -> list[float] | None:
    """So many numbers, with commas between.

    Raises:
        UsageError: it is something else.
    """
    from depthflow.errors import UsageError

    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise UsageError(
            f"{option} {text!r}: {count} numbers are expected", f"such as {option} {','.join(['0.5'] * count)}"
        )
    return numbers


def say(line: str, *, quiet: bool) -> None:
    """A line on standard error."""
    if not quiet:
        print(line, file=sys.stderr, flush=True)


def print_data(data: Any) -> None:
    """JSON on standard output."""
    import json

    print(json.dumps(data, indent=2, ensure_ascii=False))


def tried(info: ModelInfo, *, quiet: bool) -> Trial | None:
    """A trial of what was just fetched; None, and the reason told, if it could not be run."""
    from depthflow.depth.trial import try_model
    from depthflow.errors import DepthFlowError

    try:
        trial = try_model(info)
    except DepthFlowError as error:
        say(f"note: {info.name} could not be tried: {error.message}", quiet=quiet)
        return None
    tell(info, trial, quiet=quiet)
    return trial
