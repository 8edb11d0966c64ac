"""`depthflow models`: lists, fetches, imports, exports, checks, times and removes depth networks; prints, no more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from depthflow.depth.registry import ModelInfo
    from depthflow.depth.trial import Trial

app = typer.Typer(help="Depth networks: list, fetch, add, check, time, remove.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name of `depthflow models list`.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Else all that are here.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Provider = Annotated[str, typer.Option("--provider", metavar="NAME", help="ONNX Runtime: auto, cpu, cuda, ...")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a model of this name.")]


def row(info: ModelInfo) -> dict[str, Any]:
    """What is worth knowing of a model, as plain data."""
    here = info.available()
    return {
        "name": info.name,
        "title": info.title,
        "source": info.source,
        "here": here,
        "path": str(info.path()) if here else "",
        "size_mb": info.size_mb,
        "licence": info.licence,
        "commercial_use": info.commercial_use,
        "licence_note": info.licence_note,
        "verified": info.verified,
        "quality": info.quality,
        "get": "" if here else info.pull_hint,
    }


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List all known networks: which are here, and what their licences allow."""
    from depthflow.depth.registry import load_registry

    rows = [row(info) for info in load_registry().values()]
    if as_json:
        _json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "here", "MB", "licence"):
        table.add_column(heading, no_wrap=True, overflow="fold")
    table.add_column("commercial use", max_width=10)
    table.add_column("what it is", overflow="fold")
    for one in rows:
        here = "yes" if one["here"] else "no"
        table.add_row(
            one["name"],
            here,
            f"{one['size_mb']:g}",
            one["licence"],
            one["commercial_use"],
            one["quality"] or one["title"],
        )
    console = Console(markup=False)  # titles and licences come from anybody's files
    console.print(table)
    console.print("\nA licence's note: depthflow models info NAME. Fetch one: depthflow models pull NAME.", style="dim")


@app.command("info")
def show_model(name: Name, as_json: AsJson = False) -> None:
    """Show all that is known of one network."""
    from depthflow.depth.registry import find_model

    info = find_model(name)
    facts = row(info)
    rules = {"input": info.input.model_dump(mode="json"), "output": info.output.model_dump(mode="json")}
    if info.hub is not None:
        facts |= {"repository": info.hub.repo, "revision": info.hub.revision, "file": info.hub.file}
    if info.torch is not None:
        facts |= {"torch": info.torch.repo}
    facts |= {"sha256": info.sha256, "opset": info.opset, "registry": str(info.registry or "")}
    if as_json:
        _json(facts | rules)
        return
    for key, value in facts.items():
        text = ("yes" if value else "no") if isinstance(value, bool) else value or "-"
        print(f"{key.replace('_', ' ')}: {text}")
    for kind, rule in rules.items():
        print(
            f"{kind}: " + ", ".join(f"{key} {_short(value)}" for key, value in rule.items() if value not in (None, ""))
        )


@app.command("pull")
def pull_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of `depthflow models list`.")],
    accept: Annotated[
        bool, typer.Option("--accept-licence", help="Do not ask about a licence that forbids commercial use.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Fetch it even if it is here.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")] = False,
) -> None:
    """Fetch networks from Hugging Face; what was interrupted goes on where it stopped.

    The licence is shown first. HF_HUB_OFFLINE=1 forbids the network, HF_ENDPOINT names another server.
    """
    from depthflow.cli.render import cancelling
    from depthflow.depth.hub import pull
    from depthflow.depth.installed import write_pulled
    from depthflow.depth.registry import find_model, load_registry

    models = load_registry()
    wanted = [find_model(name, models) for name in dict.fromkeys(names)]
    for info in wanted:
        _agree(info, accept=accept, quiet=quiet)
    for info in wanted:
        if info.source == "builtin":
            _say(f"{info.name}: ships with the program", quiet=quiet)
            continue
        with cancelling() as cancel, _bar(quiet=quiet) as report:
            pulled = pull(info, report=report, cancel=cancel, again=again)
        write_pulled(info, pulled)
        fetched = find_model(info.name)
        trial = _tried(fetched, quiet=quiet)
        if trial is not None:
            write_pulled(info, pulled.model_copy(update={"verified": not trial.notes}))
        _say(f"{info.name}: {fetched.path()} ({pulled.size_mb:g} MB, sha256 {pulled.sha256[:16]}…)", quiet=quiet)


@app.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="A depth network.")],
    name: Annotated[str | None, typer.Option("--name", help="What it shall be called; else as the file.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="What people see.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Its licence, for the list.")] = None,
    meaning: Annotated[
        str | None, typer.Option("--meaning", help="Of its output: disparity, depth, metres or centimetres.")
    ] = None,
    size: Annotated[int | None, typer.Option("--size", help="Pixels of the photo's long side in the network.")] = None,
    multiple: Annotated[int | None, typer.Option("--multiple", help="Both sides are multiples of this.")] = None,
    mean: Annotated[str | None, typer.Option("--mean", metavar="R,G,B", help="Subtracted from each channel.")] = None,
    std: Annotated[str | None, typer.Option("--std", metavar="R,G,B", help="Then divided by.")] = None,
    values: Annotated[
        str | None, typer.Option("--range", metavar="LOW,HIGH", help="Of a pixel before that: 0,1 or 0,255.")
    ] = None,
    channels: Annotated[str | None, typer.Option("--channels", help="RGB or BGR.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Copy an ONNX file into the models folder, after it gave a depth map of a sample photo.

    The same keys may stand in FILE.toml beside FILE.onnx (docs/models.md); options win.
    """
    from depthflow.depth.installed import check_name, import_file
    from depthflow.depth.registry import described
    from depthflow.depth.trial import try_model
    from depthflow.depth.verify import read_sha256
    from depthflow.errors import DepthError

    source = file.expanduser()
    if not source.is_file():
        raise DepthError(f"{file}: no such model file", "check the path")
    info = described(source.resolve())
    given: dict[str, Any] = {"meaning": meaning, "size": size, "multiple": multiple, "channels": channels}
    given |= {
        "mean": _numbers("--mean", mean, 3),
        "std": _numbers("--std", std, 3),
        "range": _numbers("--range", values, 2),
    }
    info = _with(info, {"name": name or info.name, "title": title, "licence": licence}, given)
    check_name(info.name, overwrite=overwrite)
    trial = try_model(info)
    kept = import_file(
        source.resolve(),
        info.model_copy(
            update={
                "verified": True,
                "sha256": read_sha256(source),
                "size_mb": round(source.stat().st_size / 1e6, 2),
                "licence": info.licence or "not stated",
            }
        ),
        overwrite=overwrite,
    )
    _tell(kept, trial, quiet=False)
    print(f"{kept.name}: {kept.path()}; use it: depthflow render PHOTO --model {kept.name}")


@app.command("export")
def export_model(
    source: Annotated[str, typer.Argument(metavar="HF_ID", help="owner/model on Hugging Face, or a saved folder.")],
    name: Annotated[str | None, typer.Option("--name", help="What it shall be called; else as the model.")] = None,
    revision: Annotated[str, typer.Option("--revision", metavar="COMMIT", help="Else the newest.")] = "",
    precision: Annotated[
        str, typer.Option("--precision", help="float32; float16: half the file, for GPUs; int8: for CPUs.")
    ] = "float32",
    meaning: Annotated[
        str | None, typer.Option("--meaning", help="Of its output: disparity, depth, metres or centimetres.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make an ONNX network of a torch depth model, compare the two, and add it to the models.

    Needs torch and transformers: pip install 'depthflow-studio[export]'.
    """
    from typing import cast, get_args

    from depthflow.depth.export import Precision, export
    from depthflow.depth.installed import ONNX_NAME, check_name, new_folder, write_model
    from depthflow.depth.registry import Meaning, find_model, load_registry
    from depthflow.depth.verify import read_sha256
    from depthflow.errors import UnknownNameError

    for value, allowed, kind in (
        (precision, get_args(Precision), "precision"),
        (meaning, get_args(Meaning), "meaning"),
    ):
        if value is not None and value not in allowed:
            raise UnknownNameError(kind, value, allowed)
    known = [info for info in load_registry().values() if info.torch is not None and info.torch.repo == source]
    called = name or (known[0].name if known else Path(source).name.lower().removesuffix("-hf"))
    if known and known[0].torch is not None and not revision:
        revision = known[0].torch.revision
    check_name(called, overwrite=overwrite)
    with new_folder(called) as folder:
        file = folder / ONNX_NAME
        made = export(
            source,
            file,
            name=called,
            revision=revision,
            precision=cast("Precision", precision),
            meaning=cast("Meaning | None", meaning),
            say=lambda line: _say(line, quiet=False),
        )
        info = made.info
        if known:
            told = ("licence", "commercial_use", "licence_note", "quality")
            info = info.model_copy(update={key: getattr(known[0], key) for key in told})
        write_model(folder, info.model_copy(update={"sha256": read_sha256(file), "verified": True}))
    for note in made.notes:
        _say(f"note: {note}", quiet=False)
    kept = find_model(called)
    _tried(kept, quiet=False)
    sides = "any size" if made.dynamic else "one size"
    print(f"{kept.name}: {kept.path()} ({kept.size_mb:g} MB, {sides}, {made.difference:.1e} from torch)")


@app.command("remove")
def remove_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Networks in the models folder.")],
) -> None:
    """Delete networks from the models folder; nothing outside of it."""
    from depthflow.depth.installed import remove
    from depthflow.depth.registry import find_model, load_registry

    models = load_registry()
    for info in [find_model(name, models) for name in dict.fromkeys(names)]:
        print(f"{info.name}: removed, {remove(info) / 1e6:.1f} MB are free again")


@app.command("verify")
def verify_models(names: Names = None, as_json: AsJson = False, provider: Provider = "auto") -> None:
    """Read the files of networks to their end, compare SHA-256, and run each over a sample photo."""
    results = [_verified(info, provider) for info in _chosen(names)]
    if as_json:
        _json(results)
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
    return {"name": info.name, "ok": True, "sha256": found, "text": f"{known}; {_came_out(trial)}"}


@app.command("bench")
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

    chosen = _chosen(names)
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
        _json(rows)
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


# -- what the commands share -----------------------------------------------------------------------------------


def _chosen(names: list[str] | None) -> list[ModelInfo]:
    from depthflow.depth.registry import find_model, load_registry

    models = load_registry()
    if names:
        return [find_model(name, models) for name in dict.fromkeys(names)]
    return [info for info in models.values() if info.available()]


def _agree(info: ModelInfo, *, accept: bool, quiet: bool) -> None:
    """Show the licence; where it forbids commercial use, go on only with a yes.

    Raises:
        UsageError: nobody can be asked, or the answer is no.
    """
    from depthflow.errors import UsageError

    note = f" {info.licence_note}" if info.licence_note else ""
    _say(
        f"{info.name}: {info.size_mb:g} MB, licence {info.licence}, commercial use: {info.commercial_use}.{note}",
        quiet=quiet,
    )
    if info.commercial_use != "no" or accept or info.available():
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"the licence of model {info.name!r} ({info.licence}) forbids commercial use",
            "if that is fine: --accept-licence",
        )
    if not typer.confirm("The licence forbids commercial use. Fetch it?", default=False, err=True):
        raise UsageError(f"model {info.name!r} was not fetched", "depth-anything-v2-small allows commercial use")


class _bar:  # noqa: N801 - a context manager, used like a function
    """A progress bar on stderr: bytes, rate, time left; nothing where nobody watches."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, file: str, done: int, total: int | None) -> None:
        if file not in self._tasks:
            self._tasks[file] = self._progress.add_task(file, total=total)
        self._progress.update(self._tasks[file], completed=done, total=total)


def _tried(info: ModelInfo, *, quiet: bool) -> Trial | None:
    """A trial of what was just fetched; None, and the reason told, if it could not be run."""
    from depthflow.depth.trial import try_model
    from depthflow.errors import DepthFlowError

    try:
        trial = try_model(info)
    except DepthFlowError as error:
        _say(f"note: {info.name} could not be tried: {error.message}", quiet=quiet)
        return None
    _tell(info, trial, quiet=quiet)
    return trial


def _tell(info: ModelInfo, trial: Trial, *, quiet: bool) -> None:
    _say(f"{info.name}: {_came_out(trial)}", quiet=quiet)


def _came_out(trial: Trial) -> str:
    alike = "" if trial.agreement is None else f", rank correlation with the built-in {trial.agreement:.2f}"
    notes = "".join(f"; note: {note}" for note in trial.notes)
    return f"ran on {trial.provider} in {trial.seconds:.2f} s, depth map {trial.size[0]}x{trial.size[1]}{alike}{notes}"


def _with(info: ModelInfo, facts: dict[str, Any], rules: dict[str, Any]) -> ModelInfo:
    """The description with what the options say, checked again.

    Raises:
        UsageError: an option's value is not allowed.
    """
    from pydantic import ValidationError

    from depthflow.depth.registry import InputRule, ModelInfo, OutputRule
    from depthflow.errors import UsageError

    data = info.model_dump()
    data |= {key: value for key, value in facts.items() if value is not None}
    for key, value in rules.items():
        if value is not None:
            data["output" if key in OutputRule.model_fields else "input"][key] = value
    if rules.get("size") is not None:
        data["input"]["max_size"] = max(data["input"]["max_size"], 4 * rules["size"])
        data["input"]["min_size"] = min(data["input"]["min_size"], rules["size"])
    assert set(rules) <= {*InputRule.model_fields, *OutputRule.model_fields}  # noqa: S101 - a slip of this file
    try:
        return ModelInfo.model_validate(data)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = str(problem["loc"][-1]) if problem["loc"] else ""
        text = str(problem["msg"]).removeprefix("Value error, ")
        raise UsageError(
            f"--{key}: {text[:1].lower()}{text[1:]}" if key else text, "see: depthflow models import --help"
        ) from None


def _numbers(option: str, text: str | None, count: int) -> list[float] | None:
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


def _short(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _say(line: str, *, quiet: bool) -> None:
    if not quiet:
        print(line, file=sys.stderr, flush=True)


def _json(data: Any) -> None:
    import json

    print(json.dumps(data, indent=2, ensure_ascii=False))
