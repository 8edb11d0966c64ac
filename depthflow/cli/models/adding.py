"""`depthflow models import` and `export`: networks of one's own, after a trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from depthflow.cli.models.common import Overwrite, numbers, say, tell, tried

if TYPE_CHECKING:
    from depthflow.depth.registry import ModelInfo


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
    from depthflow.paths import expanded

    source = expanded(file)
    if not source.is_file():
        raise DepthError(f"{file}: no such model file", "check the path")
    info = described(source.resolve())
    given: dict[str, Any] = {"meaning": meaning, "size": size, "multiple": multiple, "channels": channels}
    given |= {
        "mean": numbers("--mean", mean, 3),
        "std": numbers("--std", std, 3),
        "range": numbers("--range", values, 2),
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
    tell(kept, trial, quiet=False)
    print(f"{kept.name}: {kept.path()}; use it: depthflow render PHOTO --model {kept.name}")


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
            say=lambda line: say(line, quiet=False),
        )
        info = made.info
        if known:
            told = ("licence", "commercial_use", "licence_note", "quality")
            info = info.model_copy(update={key: getattr(known[0], key) for key in told})
        write_model(folder, info.model_copy(update={"sha256": read_sha256(file), "verified": True}))
    for note in made.notes:
        say(f"note: {note}", quiet=False)
    kept = find_model(called)
    tried(kept, quiet=False)
    sides = "any size" if made.dynamic else "one size"
    print(f"{kept.name}: {kept.path()} ({kept.size_mb:g} MB, {sides}, {made.difference:.1e} from torch)")


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
