"""Where the files of a request may lie: whatever a JobSpec can name is below the daemon's roots, or was received."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from depthflow.errors import InputError, UsageError
from depthflow.jobs.spec import JobSpec

if TYPE_CHECKING:
    from depthflow_daemon.core import Core

SOURCE = "job"
"""What messages call the request."""


def confined(core: Core, spec: JobSpec, received: set[str]) -> JobSpec:
    """The spec with all its paths resolved, links too; they lie below a root or were received.

    Raises:
        UsageError: one does not.
    """
    place = partial(_place, core, received)
    outputs = tuple(
        output
        if output.path is None
        else output.model_copy(update={"path": place(output.path, f"outputs[{number}].path")})
        for number, output in enumerate(spec.outputs)
    )
    depth = spec.depth
    if depth.file is not None:
        depth = depth.model_copy(update={"file": place(depth.file, "depth.file")})
    if is_path(depth.model) or depth.model.endswith(".onnx"):
        depth = depth.model_copy(update={"model": place(depth.model, "depth.model")})
    motion = spec.motion
    if motion.components is None and motion.tracks is None and (is_path(motion.name) or motion.name.endswith(".toml")):
        raise UsageError(
            f"{SOURCE}: motion.name: {motion.name!r} is a path, and motions are taken from the library",
            "name a motion, or send its components and tracks",
        )
    effects = spec.effects
    if effects.caption.font is not None:
        font = place(effects.caption.font, "effects.caption.font")
        effects = effects.model_copy(update={"caption": effects.caption.model_copy(update={"font": font})})
    if effects.watermark.file is not None:
        file = place(effects.watermark.file, "effects.watermark.file")
        effects = effects.model_copy(update={"watermark": effects.watermark.model_copy(update={"file": file})})
    photo = place(spec.photo, "photo")
    if depth.file is None:
        from depthflow.depth.files import sidecar

        if photo not in received and (beside := sidecar(photo)) is not None:
            depth = depth.model_copy(update={"file": place(str(beside), "depth.file")})
    return spec.model_copy(
        update={
            "photo": photo,
            "audio": None if spec.audio is None else place(spec.audio, "audio"),
            "depth": depth,
            "effects": effects,
            "outputs": outputs,
        }
    )


def _place(core: Core, received: set[str], text: str, key: str) -> str:
    if text in received:
        return text
    roots = [root.resolve() for root in core.places.roots]
    try:
        path = Path(text)
        resolved = path.resolve() if path.is_absolute() else None
    except (OSError, ValueError, RuntimeError):  # a name too long, a NUL, links in a circle
        resolved = None
    if resolved is None or not any(resolved.is_relative_to(root) and resolved != root for root in roots):
        # The same words whether it exists or not.
        raise UsageError(
            f"{SOURCE}: {key}: {text!r} is not an absolute path below one of the daemon's roots",
            f"roots: {', '.join(map(str, roots))}" if roots else "the daemon has no roots: send the file itself",
        )
    return str(resolved)


def is_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.startswith(("~", "."))


def check_file(path: Path, what: str, name: str) -> None:
    """Before it is opened: a pipe that has a photo's name would be waited for without end."""
    try:
        regular = path.is_file()
        there = regular or path.exists()
    except (OSError, ValueError):
        there = regular = False
    if there and not regular and not path.is_dir():
        raise InputError(f"{name}: the {what} is no regular file", "give a file")
    if what != "photo" and not regular:
        raise InputError(f"{name}: there is no such {what}", "check the path")


def files_of(spec: JobSpec) -> list[tuple[str, Path]]:
    """Whatever else than the photo is read, and what it is."""
    found = [
        ("depth map", spec.depth.file),
        ("sound file", spec.audio),
        ("font", spec.effects.caption.font),
        ("watermark", spec.effects.watermark.file),
        ("network", spec.depth.model if is_path(spec.depth.model) else None),
    ]
    return [(what, Path(file)) for what, file in found if file is not None]
