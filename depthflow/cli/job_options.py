"""The options that say what is to be made, and the jobs that they mean; `render` and `submit` have them in common."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from depthflow.cli import depth_options
from depthflow.cli.panels import DEPTH, EFFECTS, MACHINE, OUTPUT, SCENE, option

if TYPE_CHECKING:
    from depthflow.jobs.batch import Item
    from depthflow.jobs.spec import JobSpec

PIVOT = "DEPTH|nearest|surface"

_ONCE = ("output", "preset", "motion", "loop", "timeline", "caption", "watermark")
"""Options of which two might be thought to add up, or that contradict each other."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options ask for.

    Attributes:
        spec: the job of every photo, without the photo and its place.
        items: the photos, and where the result of each goes.
        batch: several photos are meant, even if one is found.
        named: where the results go was said, and is not only beside the photos.
    """

    spec: JobSpec
    items: list[Item]
    batch: bool
    named: bool

    def job(self, item: Item) -> JobSpec:
        """The whole job of one photo."""
        job = self.spec.with_(photo=item.photo)
        if item.output is None:
            return job
        outputs = [job.outputs[0].model_copy(update={"path": str(item.output)}), *job.outputs[1:]]
        return job.with_(outputs=outputs)


class OnceCommand(TyperCommand):
    """A command some of whose options are refused when given twice; of the others the last one counts, so that what a
    script gives can be given anew.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        from depthflow.errors import UsageError

        _, _, order = self.make_parser(ctx).parse_args(list(args))
        given = Counter(parameter.name for parameter in order)
        for parameter in self.params:
            if parameter.name in _ONCE and given[parameter.name] > 1:
                names = " and ".join((*parameter.opts[-1:], *parameter.secondary_opts[:1]))
                raise UsageError(f"{names} can be given only once", "leave all but one of them out")
        return super().parse_args(ctx, args)


def takes_job_options(command: Callable[..., None], *, first: Callable[[], None] = lambda: None) -> Callable[..., None]:
    """Make `command(wanted, *, own options)` a command with the options of `wanted` before its own.

    Args:
        first: called before the jobs are worked out, which takes a while.
    """
    shared = _shared()
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

    @functools.wraps(command)
    def joined(**values: Any) -> None:
        first()
        asked = wanted(**{name: values.pop(name) for name in shared})
        command(asked, **values)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*shared.values(), *own)]
    joined.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    joined.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return joined


@functools.cache
def _shared() -> Mapping[str, inspect.Parameter]:
    return inspect.signature(wanted, eval_str=True).parameters


def wanted(
    photos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PHOTO",
            help="Photos, folders, patterns, http(s) addresses, or - for standard input.",
            show_default=False,
        ),
    ] = None,
    listed: Annotated[
        str | None, option(OUTPUT, "--list", help="Photos named in a file, one a line; - for standard input.")
    ] = None,
    # Text, because a Path forgets the slash at the end, which says that a folder is meant.
    output: Annotated[
        str | None,
        option(
            OUTPUT, "-o", "--output", help="File; or folder for several photos. Else beside the photo.", metavar="PATH"
        ),
    ] = None,
    size: Annotated[
        str | None,
        option(OUTPUT, "--size", help="1920x1080, 1920x, x1080, 1080p, 4k, square, story, photo, ...", metavar="SIZE"),
    ] = None,
    fit: Annotated[
        str | None,
        option(
            OUTPUT,
            "--fit",
            help="With another aspect ratio: crop, pad (bars), fit (smaller) or fill (stretched).",
            metavar="HOW",
        ),
    ] = None,
    fps: Annotated[float | None, option(OUTPUT, "--fps", help="Frames per second.")] = None,
    duration: Annotated[
        float | None, option(OUTPUT, "--duration", help="Seconds of one pass of the motion.", metavar="SECONDS")
    ] = None,
    loops: Annotated[int | None, option(OUTPUT, "--loops", help="Passes of the motion in the file.")] = None,
    format: Annotated[  # noqa: A002
        str | None,
        option(
            OUTPUT, "--format", help="mp4, hevc, av1, webm, gif, webp, png, ...; else by the suffix.", metavar="NAME"
        ),
    ] = None,
    quality: Annotated[int | None, option(OUTPUT, "--quality", help="0 to 100.")] = None,
    crf: Annotated[int | None, option(OUTPUT, "--crf", help="The encoder's own scale instead of --quality.")] = None,
    encoder_preset: Annotated[
        str | None, option(OUTPUT, "--encoder-preset", help="Its speed, such as veryfast or slow.", metavar="NAME")
    ] = None,
    view: Annotated[
        str | None,
        option(
            OUTPUT,
            "--view",
            help="sbs, tb (also -half), cross, pair, anaglyph, quilt, rgbd (also -half): docs/stereo.md.",
            metavar="MODE",
        ),
    ] = None,
    separation: Annotated[
        float | None,
        option(OUTPUT, "--separation", help="Between the eyes, near against far: % of the width.", metavar="PERCENT"),
    ] = None,
    anaglyph: Annotated[
        str | None,
        option(OUTPUT, "--anaglyph", help="dubois, green-magenta, amber-blue, half-colour, ...", metavar="METHOD"),
    ] = None,
    quilt: Annotated[
        str | None, option(OUTPUT, "--quilt", help="8x6, or a display: go, portrait, ...", metavar="GRID|DISPLAY")
    ] = None,
    swap_eyes: Annotated[bool, option(OUTPUT, "--swap-eyes", help="Exchange the eyes.")] = False,
    bitrate: Annotated[
        str | None, option(OUTPUT, "--bitrate", help="6M, 800k: bits a second on average, instead.", metavar="RATE")
    ] = None,
    max_size: Annotated[
        str | None,
        option(OUTPUT, "--max-size", help="8MB, 700k: the file must not become larger.", metavar="SIZE"),
    ] = None,
    poster: Annotated[
        float | None,
        option(OUTPUT, "--poster", help="One still, the frame at this second, not a clip.", metavar="SECOND"),
    ] = None,
    background: Annotated[
        str | None,
        option(OUTPUT, "--background", help="Behind a transparent photo; else kept, or white.", metavar="COLOUR"),
    ] = None,
    like: Annotated[
        Path | None,
        option(OUTPUT, "--like", help="Make the job in this video or image again; options change it.", metavar="FILE"),
    ] = None,
    audio: Annotated[
        Path | None, option(OUTPUT, "--audio", help="Sound file to lay under the video.", metavar="FILE")
    ] = None,
    overwrite: Annotated[
        bool | None, option(OUTPUT, "--overwrite/--no-overwrite", help="Replace files that are there.")
    ] = None,
    recursive: Annotated[
        bool, option(OUTPUT, "-r", "--recursive", help="Look into sub-folders; they are mirrored.")
    ] = False,
    preset: Annotated[
        str | None, option(SCENE, "--preset", help="A named look: depthflow presets list.", metavar="NAME|FILE")
    ] = None,
    motion: Annotated[
        str | None,
        option(SCENE, "--motion", help="How the camera moves: depthflow motions list.", metavar="NAME|FILE"),
    ] = None,
    strength: Annotated[float | None, option(SCENE, "--strength", help="How far it moves; 1 is as written.")] = None,
    relief: Annotated[float | None, option(SCENE, "--relief", help="How deep the scene is; 0 flat, 1 deep.")] = None,
    focus: Annotated[
        float | None, option(SCENE, "--focus", help="Depth that stays still on screen: 0 far, 1 near.")
    ] = None,
    zoom: Annotated[float | None, option(SCENE, "--zoom", help="Magnification of the resting camera.")] = None,
    fov: Annotated[
        float | None,
        option(SCENE, "--fov", help="Field of view across the photo's longer side, 1 to 150.", metavar="DEGREES"),
    ] = None,
    isometric: Annotated[
        float | None, option(SCENE, "--isometric", help="0 perspective, 1 orthographic: a paper model.")
    ] = None,
    reverse: Annotated[bool, option(SCENE, "--reverse", help="Play the motion backwards.")] = False,
    phase: Annotated[float | None, option(SCENE, "--phase", help="Start this many rounds into the motion.")] = None,
    easing: Annotated[
        str | None,
        option(SCENE, "--easing", help="Curve of time: linear, ease-in-out, cubic-bezier(...).", metavar="CURVE"),
    ] = None,
    cycles: Annotated[float | None, option(SCENE, "--cycles", help="Rounds of the motion in one pass.")] = None,
    period: Annotated[
        float | None, option(SCENE, "--period", help="Seconds of one round, instead.", metavar="SECONDS")
    ] = None,
    hold: Annotated[
        float | None, option(SCENE, "--hold", help="Stand still this long at the end of a pass.", metavar="SECONDS")
    ] = None,
    loop: Annotated[
        bool | None, option(SCENE, "--loop/--once", help="End where it begins, or where it gets to; else as written.")
    ] = None,
    pivot: Annotated[
        str | None,
        option(SCENE, "--pivot", help="Turn about this depth, the nearest thing, or the surface.", metavar=PIVOT),
    ] = None,
    pivot_x: Annotated[
        float | None,
        option(SCENE, "--pivot-x", help="Place of the pivot, right of the photo's middle: halves of its longer side."),
    ] = None,
    pivot_y: Annotated[float | None, option(SCENE, "--pivot-y", help="The same above its middle.")] = None,
    timeline: Annotated[
        Path | None, option(SCENE, "--timeline", help="Keyframes: docs/motions.md.", metavar="FILE")
    ] = None,
    layers: Annotated[
        int | None,
        option(SCENE, "--layers", help="2 shows a background behind what is near, 3 one more behind; 1 stretches."),
    ] = None,
    fill: Annotated[
        str | None,
        option(SCENE, "--fill", help="What invents the background: classic, or an installed one.", metavar="NAME"),
    ] = None,
    edge: Annotated[
        str | None, option(SCENE, "--edge", help="The photo's border: zoom (hide it), mirror or clamp.", metavar="HOW")
    ] = None,
    effect: Annotated[
        list[str] | None,
        option(
            EFFECTS,
            "--effect",
            help="A usual amount, or your own value; again for more: depthflow effects list.",
            metavar="NAME|NAME.KEY=VALUE",
        ),
    ] = None,
    caption: Annotated[
        str | None,
        option(EFFECTS, "--caption", help="Text over the picture; \\n begins a line: --effect caption.text=..."),
    ] = None,
    watermark: Annotated[
        Path | None,
        option(EFFECTS, "--watermark", help="Image over the picture: --effect watermark.file=...", metavar="FILE"),
    ] = None,
    seed: Annotated[int | None, option(SCENE, "--seed", help="Of everything random.")] = None,
    model: depth_options.Model = None,
    fallback: depth_options.Fallback = None,
    depth: Annotated[
        Path | None,
        option(DEPTH, "--depth", help="Depth map of the photo (png, tiff, exr, npy, pfm) instead.", metavar="FILE"),
    ] = None,
    invert_depth: Annotated[bool, option(DEPTH, "--invert-depth", help="Small values are near.")] = False,
    stretch_depth: Annotated[
        bool, option(DEPTH, "--stretch-depth", help="Stretch a depth map of another shape over the photo.")
    ] = False,
    embedded_depth: depth_options.Embedded = None,
    network_size: depth_options.NetworkSize = None,
    tiles: depth_options.Tiles = None,
    flip: depth_options.Flip = None,
    depth_far: depth_options.Far = None,
    depth_near: depth_options.Near = None,
    depth_gamma: depth_options.Gamma = None,
    depth_percentile: depth_options.Percentile = None,
    provider: depth_options.Provider = None,
    gl_backend: Annotated[
        str | None, option(MACHINE, "--gl-backend", help="OpenGL: auto, egl, osmesa or glfw.", metavar="NAME")
    ] = None,
    gl_device: Annotated[
        int | None, option(MACHINE, "--gl-device", help="Which GPU: depthflow doctor lists them.", metavar="NUMBER")
    ] = None,
    encoder: Annotated[
        str | None, option(MACHINE, "--encoder", help="auto, software, nvenc, libx264, ...", metavar="NAME")
    ] = None,
) -> Wanted:
    """The jobs that these options mean.

    Raises:
        UsageError: they contradict each other, or name something that is not there.
    """
    from depthflow import paths
    from depthflow.api import build_spec
    from depthflow.errors import UsageError
    from depthflow.jobs.amounts import parse_bitrate, parse_bytes
    from depthflow.jobs.batch import Item, collect, expanded, is_batch
    from depthflow.jobs.effects_options import from_options
    from depthflow.jobs.embedded import template
    from depthflow.jobs.library import resolve, timeline_data
    from depthflow.jobs.options import view_part
    from depthflow.jobs.planning import ending, format_of
    from depthflow.video.formats import looks_like_a_file

    photos = [*(photos or ()), *([] if listed is None else _listed(listed))]
    if not photos and like is None:
        raise UsageError("no photo is named", "name one, such as photo.jpg; or --like FILE, which knows its photo")
    batch = bool(photos) and (is_batch(photos) or listed is not None)
    photos = expanded(photos)
    if batch and depth is not None:
        raise UsageError("--depth is for one photo", "name them photo.depth.png: a depth map beside its photo is found")
    # A folder that is there takes a video, but the images of one photo go into the folder that is named.
    images = format in ("png", "jpg") and poster is None
    into_folder = output is not None and (
        batch or (paths.is_folder(paths.expanded(output)) and not images) or output.endswith(("/", os.sep))
    )
    if batch and output is not None and looks_like_a_file(output) and not paths.is_folder(paths.expanded(output)):
        raise UsageError(
            f"{output}: several photos go into a folder, and this names a file", f"-o {Path(output).stem}/"
        )
    parts: dict[str, dict[str, Any]] = {
        "depth": {
            "model": model,
            "fallback": fallback,
            "file": None if depth is None else str(depth),
            "invert": invert_depth or None,
            "stretch": stretch_depth or None,
            "embedded": embedded_depth,
            "provider": provider,
            "network_size": network_size,
            "tiles": tiles,
            "flip": flip,
            "far": depth_far,
            "near": depth_near,
            "gamma": depth_gamma,
            "percentile": depth_percentile,
        },
        "motion": {
            "name": motion,
            "strength": strength,
            "reverse": reverse or None,
            "phase": phase,
            "easing": easing,
            "cycles": cycles,
            "period": period,
            "hold": hold,
            "loop": loop,
            "pivot": _number_or_word(pivot),
            "pivot_x": pivot_x,
            "pivot_y": pivot_y,
        },
        "layers": {"count": layers, "fill": fill},
        "camera": {"relief": relief, "focus": focus, "zoom": zoom, "fov": fov, "isometric": isometric},
        "render": {"gl_backend": gl_backend, "gl_device": gl_device, "edge": edge, "background": background},
        "effects": from_options(
            [
                *(effect or ()),
                *([] if caption is None else [f"caption.text={caption}"]),
                *([] if watermark is None else [f"watermark.file={watermark}"]),
            ]
        ),
        "output": {
            "path": None if into_folder else output,
            "size": size,
            "fit": fit,
            "fps": fps,
            "duration": duration,
            "loops": loops,
            "format": format,
            "quality": quality,
            "crf": crf,
            "encoder": encoder,
            "encoder_preset": encoder_preset,
            "view": view_part(view, separation=separation, anaglyph=anaglyph, quilt=quilt, swap=swap_eyes),
            "bitrate": None if bitrate is None else parse_bitrate(bitrate),
            "target_bytes": None if max_size is None else parse_bytes(max_size),
            "poster": poster,
            "overwrite": overwrite,
        },
    }
    base = None
    if like is not None:
        base = template(like, parts, photo=photos[0] if photos else None, audio=audio is not None)
        photos = photos or [base["photo"]]
    if timeline is not None:
        parts["timeline"] = timeline_data(timeline)
    spec = build_spec(
        "-",
        preset=preset,
        seed=seed,
        base=base,
        timeline_file=None if timeline is None else str(timeline),
        **parts,
    )
    if audio is not None:
        spec = spec.with_(audio=str(audio))
    resolve(spec)  # a motion that is not there is said once, and not for every photo
    info = format_of(spec.outputs[0])
    if batch or into_folder:
        folder = paths.expanded(output) if output is not None else None
        items = collect(photos, ending=ending(info, spec.outputs[0]), folder=folder, recursive=recursive)
    else:
        items = [Item(photos[0], None)]
    return Wanted(spec, items, batch, output is not None)


def _listed(file: str) -> list[str]:
    from depthflow.errors import UsageError
    from depthflow.jobs.batch import read_list
    from depthflow.paths import expanded

    try:
        text = sys.stdin.read() if file == "-" else expanded(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise UsageError(
            f"{file}: the list cannot be read: {why}", "a file with the name of a photo on each line"
        ) from None
    photos = read_list(text)
    if not photos:
        raise UsageError(f"{file}: the list names no photo", "the name of a photo on each line")
    return photos


def _number_or_word(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text
