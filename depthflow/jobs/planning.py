"""Checks every output of a job before any work is done: what can be wrong is said now. It makes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from depthflow.errors import UsageError
from depthflow.images import WHITE, Photo, name_of
from depthflow.jobs.animation import timing_of
from depthflow.jobs.colours import rgb
from depthflow.jobs.depth import is_local
from depthflow.jobs.effects import active_effects, check_files
from depthflow.jobs.spec import JobSpec, OutputSpec
from depthflow.jobs.view import check_view, files_of, layout_of, name_note, size_note, tag_of
from depthflow.paths import expanded
from depthflow.scene.views import Layout

if TYPE_CHECKING:
    from depthflow.video.encoders import EncoderChoice
    from depthflow.video.formats import FormatInfo

BACKGROUND = "#{:02x}{:02x}{:02x}".format(*WHITE)


@dataclass(frozen=True, slots=True)
class Plan:
    """One output that can be made, as far as that can be told.

    Attributes:
        paths: of its files; only a pair of views has two.
        shown: which of the clip's frames are made.
        layout: of the views in a frame; None until the photo is known.
        alpha: the photo's transparency is kept.
        notes: what will not be as asked for, lines for people.
    """

    spec: OutputSpec
    paths: tuple[Path, ...]
    format: FormatInfo
    encoder: EncoderChoice
    shown: range
    layout: Layout | None = None
    alpha: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of an output's frames, made as files of its own.

    Attributes:
        frames: first and last of them, counted among those that the output shows.
        files: where they go, one for each file of the output; what is there is replaced.
    """

    frames: range
    files: tuple[Path, ...]


def cut(plan: Plan, piece: Piece) -> Plan:
    """The plan for a piece of an output."""
    output = plan.spec.model_copy(update={"overwrite": True})
    return replace(plan, spec=output, paths=piece.files, shown=plan.shown[piece.frames.start : piece.frames.stop])


def plan_outputs(spec: JobSpec) -> list[Plan]:
    """Everything about the outputs that can be wrong without looking at the photo.

    Raises:
        UsageError: what is asked for cannot be. InputError: the sound is none.
        OutputError: a name is taken, or nothing can be written there. FFmpegError: nothing encodes it here.
    """
    plans = [_plan(spec, output) for output in spec.outputs]
    paths = [path for plan in plans for path in plan.paths]
    places = [path.absolute() for path in paths]
    for place, path in zip(places, paths, strict=True):
        # Two outputs may come to one path by different ways: named in two spellings, or left beside the photo.
        if places.count(place) > 1:
            raise UsageError(f"{path}: two outputs have this path", "give each a path of its own")
    return plans


def _plan(spec: JobSpec, output: OutputSpec) -> Plan:
    from depthflow.video.encode import check_request
    from depthflow.video.encoders import choose_encoder
    from depthflow.video.formats import check_output

    timing_of(spec, output)
    check_files(spec.effects)
    info = format_of(output)
    check_view(spec, output)
    paths = files_of(output_path(spec.photo, output, info), output.view, info)
    for path in paths:
        check_output(
            info,
            path=str(path),
            fps=output.fps,
            frames=len(output.shown),
            crf=output.crf,
            audio=spec.audio is not None,
            target_bytes=output.target_bytes,
            bitrate=output.bitrate,
        )
        for source, what in _sources(spec):
            if source is not None and _same_file(path, source):
                raise UsageError(f"{path}: is the {what} itself", "name another output with -o")
    encoder = choose_encoder(info, output.encoder)
    notes: tuple[str, ...] = ()
    for path in paths:
        notes = check_request(
            path,
            format=info,
            encoder=encoder,
            frames=len(output.shown),
            still=output.poster is not None,
            quality=output.quality,
            crf=output.crf,
            preset=output.encoder_preset,
            audio=None if spec.audio is None else expanded(spec.audio),
            seconds=output.frames / output.fps,
            overwrite=output.overwrite,
        )
    more = tuple(note for note in (size_note(output), name_note(paths[0], output)) if note)
    return Plan(output, paths, info, encoder, output.shown, notes=(*notes, *more))


def _sources(spec: JobSpec) -> list[tuple[str | None, str]]:
    """Files that a job reads and must not write, and what they are."""
    return [
        (spec.photo, "photo"),
        (spec.depth.file, "depth map"),
        (spec.audio, "sound file"),
        (spec.effects.watermark.file, "watermark"),
        (spec.effects.caption.font, "font"),
    ]


def for_photo(plan: Plan, spec: JobSpec, photo: Photo) -> Plan:
    """The plan for frames of this photo: their size, their transparency, and the encoder that takes them.

    Raises:
        UsageError: the format does not take frames of this size. OutputError: the disk is too full for them.
    """
    from depthflow.video.encoders import choose_encoder
    from depthflow.video.formats import check_output
    from depthflow.video.space import check_space

    output, info = plan.spec, plan.format
    places, uneven = layout_of(output, photo.size, info)
    # Each file of a pair holds one of the views.
    size = places.frame if len(plan.paths) == 1 else places.viewports[0][2:]
    opaque_view = output.view.mode in ("anaglyph", "rgbd", "rgbd-half")
    # Its blur would have to be worked out for colour and opacity together.
    blurs = "dof" in active_effects(spec)
    alpha = photo.alpha is not None and info.alpha and spec.render.background is None
    alpha = alpha and not (opaque_view or blurs)
    check_output(info, width=size[0], height=size[1])
    encoder = choose_encoder(info, output.encoder, size=size, alpha=alpha)
    limited = output.target_bytes is not None or output.bitrate is not None
    full = check_space(plan.paths[0], info, size, len(plan.shown) * len(plan.paths), again=limited)
    opaque = ""
    if photo.alpha is not None and not alpha:
        reason = (
            ""
            if spec.render.background
            else ", because depth of field keeps no transparency"
            if blurs and info.alpha and not opaque_view
            else f", because {info.name if not info.alpha else output.view.mode} keeps no transparency"
        )
        opaque = f"the transparent photo lies on {spec.render.background or BACKGROUND}{reason}"
    notes = (*plan.notes, uneven, encoder.note, opaque, full)
    return replace(plan, layout=places, alpha=alpha, encoder=encoder, notes=tuple(note for note in notes if note))


def laid(photo: Photo, spec: JobSpec) -> Photo:
    """The photo on the job's background, opaque."""
    return photo.over(rgb(spec.render.background or BACKGROUND))


def format_of(output: OutputSpec) -> FormatInfo:
    """The format of an output: as named, else by its path's suffix, else mp4, or png for a poster.

    Raises:
        UsageError: no format of that name or suffix, or a poster as a video.
    """
    from depthflow.video.formats import format_for

    named = output.format or ("png" if output.poster is not None and output.path is None else None)
    info = format_for(output.path, named)
    if output.poster is not None and info.kind == "video":
        raise UsageError(f"a poster is one still, and {info.name} a video", "choose png, jpg, webp or avif")
    return info


def ending(info: FormatInfo, output: OutputSpec) -> str:
    """What a result's name has after the photo's: a suffix, or "-frames" for a folder of images.

    The grid of a quilt comes last, where the programs of its displays look for it.
    """
    if output.poster is not None:
        return f"-poster{tag_of(output)}{info.suffix}"
    return f"-frames{tag_of(output)}" if info.kind == "images" and output.frames > 1 else tag_of(output) + info.suffix


def output_path(photo: str, output: OutputSpec, info: FormatInfo) -> Path:
    """Where an output goes: as named, or beside the photo; photos without a folder go into the current one."""
    if output.path is not None:
        return expanded(output.path)
    name = f"{name_of(photo)}{ending(info, output)}"
    if not is_local(photo):
        return Path(name)
    source = expanded(photo)
    path = source.parent / name
    return path if path != source else source.with_name(f"{source.stem}-parallax{source.suffix}")


def _same_file(path: Path, source: str) -> bool:
    try:
        return path.samefile(expanded(source))
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False


def notes_of(plans: Sequence[Plan]) -> list[str]:
    """The notes of all plans, each once."""
    return list(dict.fromkeys(note for plan in plans for note in plan.notes))
