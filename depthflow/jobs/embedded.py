"""The job that is written into a result: puts it into a text, reads it back, and lets it be made again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from depthflow.errors import InputError, UsageError
from depthflow.jobs.spec import JobSpec, OutputSpec

_MARK = "DepthFlow "


def embedded(spec: JobSpec, output: OutputSpec, format_name: str) -> str:
    """What a result's comment says: the job of this one output, without the folders of this computer."""
    named = output.model_copy(update={"format": format_name})
    return f"{_MARK}{spec.only(named).shareable().canonical()}"


def read_embedded(metadata: Mapping[str, str], source: Path) -> JobSpec | None:
    """The job in a file's texts; None if there is none.

    Raises:
        InputError: the job is of another version, or damaged.
    """
    comment = metadata.get("comment", "")
    if not comment.startswith(_MARK):
        return None
    try:
        return JobSpec.from_json(comment.removeprefix(_MARK), source=str(source))
    except UsageError as error:
        raise InputError(
            f"the job in {error.message}", "it was made by another version of DepthFlow; make it with that one"
        ) from None


def job_of(file: Path) -> JobSpec:
    """The job that a video, an animation, a still or a folder of images was made from.

    Raises:
        InputError: it is none of these, or carries no job that can be read.
    """
    from depthflow.video.probe import probe
    from depthflow.video.probe_images import comment_of

    # Whatever else lies in a folder does not matter here.
    comment = comment_of(file) if file.is_dir() else None
    spec = read_embedded({"comment": comment} if comment else probe(file, depth="count").metadata, file)
    if spec is None:
        raise InputError(
            f"{file}: carries no job",
            "DepthFlow writes one into its results, of a sequence into the first image; other programs drop it when "
            "they write the file anew",
        )
    return spec


_RATES = ("quality", "crf", "bitrate")
_PLAYED = ("strength", "phase", "cycles", "period", "reverse", "hold")
"""What says how a motion is played, and not which it is."""


def template(file: Path, parts: Mapping[str, Mapping[str, Any]], *, photo: str | None, audio: bool) -> dict[str, Any]:
    """The job in a file as plain data, ready for options to be laid over it (see `api.build_spec`).

    The files that it names are looked for beside it, then in the current folder. What an option replaces is taken out
    where both together would contradict.

    Args:
        parts: the options: depth, motion, output and so on, each with its keys; None is not given.
        photo: takes the place of the job's own.
        audio: another sound is given.

    Raises:
        InputError: there is no job, or a file that it needs is not found.
    """
    spec = job_of(file)
    job = spec.to_dict()
    given = {part: {key for key, value in values.items() if value is not None} for part, values in parts.items()}
    job["photo"] = photo or _found(spec.photo, file, "photo", "name it: depthflow render --like FILE PHOTO")
    if spec.audio is not None and not audio:
        job["audio"] = _found(spec.audio, file, "sound file", "name it with --audio")
    depth = job["depth"]
    if given["depth"] & {"file", "model"}:
        depth.pop("file", None)
    elif spec.depth.file is not None:
        depth["file"] = _found(spec.depth.file, file, "depth map", "name it with --depth")
    elif spec.depth.model.endswith(".onnx"):
        depth["model"] = _found(spec.depth.model, file, "depth network", "name it with --model")
    marks = (
        ("watermark", "file", "watermark", "--watermark"),
        ("caption", "font", "font", "--effect caption.font=FILE"),
    )
    for part, key, what, option in marks:
        name = getattr(getattr(spec.effects, part), key)
        if name is not None and key not in (parts.get("effects") or {}).get(part, {}):
            job["effects"][part][key] = _found(name, file, what, f"name it with {option}")
    motion = job["motion"]
    if "name" in given["motion"]:
        job["motion"] = motion = {key: motion[key] for key in _PLAYED if key in motion}
    if given["motion"] & {"cycles", "period"}:
        motion.pop("cycles", None)
        motion.pop("period", None)
    _make_way(job["outputs"][0], given["output"], parts["output"])
    return job


def _make_way(output: dict[str, Any], given: set[str], options: Mapping[str, Any]) -> None:
    """Take out of an output what contradicts the options, or would win over them."""
    from depthflow.video.formats import FORMATS, looks_like_a_file

    if given & set(_RATES):
        for key in _RATES:
            output.pop(key, None)
    info = FORMATS[output["format"]]
    fits = "path" not in given or Path(options["path"]).suffix.lower() in info.suffixes
    # A name without a suffix of ours is a folder's, which images go into.
    fits = fits or (info.kind == "images" and "poster" not in output and not looks_like_a_file(options["path"]))
    if "format" in given or "poster" in given or not fits:
        for key in ("format", "encoder", "encoder_preset"):
            output.pop(key, None)
    if "poster" not in given and _asks_for_a_video(options):
        output.pop("poster", None)


def _asks_for_a_video(options: Mapping[str, Any]) -> bool:
    from depthflow.video.formats import format_for

    path, name = options.get("path"), options.get("format")
    if path is None and name is None:
        return False
    try:
        return format_for(path, name).kind == "video"
    except UsageError:  # said later, and better
        return False


def _found(name: str, video: Path, what: str, hint: str) -> str:
    """The path of a file of which the job knows the name only; folders that a stranger wrote into it are left out."""
    name = PurePath(name).name
    if name not in ("", "-"):
        for folder in (video.parent, Path()):
            if (folder / name).is_file():
                return str(folder / name)
    where = "standard input" if name == "-" else name
    raise InputError(f"{video}: its {what}, {where}, is neither beside it nor in the current folder", hint)
