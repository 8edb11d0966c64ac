"""`depthflow models verify` and `bench`: whether networks do what they should, and how fast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from depthflow.cli.models.common import AsJson, Names, Provider, came_out, models_of, print_data

if TYPE_CHECKING:
    from depthflow.depth.registry import ModelInfo


def verify_models(names: Names = None, as_json: AsJson = False, provider: Provider = "auto") -> None:
    """Read the files of networks to their end, compare SHA-256, and run each over a sample photo."""
    results = [_verified(info, provider) for info in models_of(names)]
    if as_json:
        print_data(results)
    else:
        for one in results:
            print(f"{one['name']}: {'ok' if one['ok'] else 'FAILED'}: {one['text']}")
    if not all(one["ok"] for one in results):
        from depthflow.errors import DepthError

        raise typer.Exit(DepthError.exit_code)


def _verified(info: ModelInfo, provider: str) -> dict[str, Any]:
    from depthflow.depth.trial import try_model
    from depthflow.depth.verify import read_sha256
    from depthflow.errors import DepthFlowError

    found = ""
    try:
        found = read_sha256(info.path())
        if info.sha256 and found != info.sha256:
            text = f"SHA-256 is {found[:16]}…, not {info.sha256[:16]}…: damaged, or another file; {info.pull_hint}"
            return {"name": info.name, "ok": False, "sha256": found, "text": text}
        trial = try_model(info, provider)
    except DepthFlowError as error:
        text = f"{error.message}; {error.hint}" if error.hint else error.message
        return {"name": info.name, "ok": False, "sha256": found, "text": text}
    known = "SHA-256 as known" if info.sha256 else f"SHA-256 {found[:16]}… (none to compare with)"
    return {"name": info.name, "ok": True, "sha256": found, "text": f"{known}; {came_out(trial)}"}


def bench_models(
    names: Names = None,
    providers: Annotated[
        list[str] | None, typer.Option("--provider", metavar="NAME", help="Only this one (repeatable); else all here.")
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", help="Network size in pixels instead of each model's own.")
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, max=100, help="Timed photos after the first.")] = 5,
    photo: Annotated[Path | None, typer.Option("--photo", metavar="FILE", help="Else the sample that ships.")] = None,
    as_json: AsJson = False,
) -> None:
    """Time networks on every ONNX Runtime provider that is here."""
    from depthflow.depth import providers as known
    from depthflow.depth.trial import sample_pixels, time_model
    from depthflow.errors import DepthFlowError
    from depthflow.images import load_photo

    chosen = models_of(names)
    there = known.available()
    wanted = [known.candidates(name, there)[0] for name in providers or there]
    pixels = load_photo(str(photo)).pixels if photo is not None else sample_pixels()
    rows: list[dict[str, Any]] = []
    for info in chosen:
        for provider in wanted:
            facts: dict[str, Any] = {"model": info.name, "provider": provider, "error": ""}
            try:
                timing = time_model(info, provider, pixels, runs=runs, size=size)
            except DepthFlowError as error:
                rows.append(facts | {"error": error.message})
                continue
            seconds = {"load": timing.load_s, "first": timing.first_s, "median": timing.median_s, "best": timing.best_s}
            rows.append(
                facts | {"size": list(timing.size)} | {f"{k}_ms": round(v * 1e3, 1) for k, v in seconds.items()}
            )
    if as_json:
        print_data(rows)
    else:
        _print_timings(rows)


def _print_timings(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "provider", "depth map", box=None, pad_edge=False)
    for heading in ("load ms", "first ms", "median ms", "best ms"):
        table.add_column(heading, justify="right")
    for one in rows:
        if one["error"]:
            table.add_row(one["model"], one["provider"], f"failed: {one['error']}")
            continue
        times = [f"{one[f'{key}_ms']:.1f}" for key in ("load", "first", "median", "best")]
        table.add_row(one["model"], one["provider"], f"{one['size'][0]}x{one['size'][1]}", *times)
    Console(markup=False).print(table)
