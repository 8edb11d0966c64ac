"""`depthflow render`: photos in, videos out. It builds JobSpecs and leaves the rest to the pipeline."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from depthflow.cli.show import Display
    from depthflow.jobs.batch import Item
    from depthflow.jobs.spec import JobSpec
    from depthflow.progress import CancelToken

PIVOT = "DEPTH|nearest|surface"
OUTPUT, SCENE, EFFECTS, DEPTH = "Output", "Motion and camera", "Effects", "Depth"
MACHINE, TALK = "Machine", "What is printed"

PATIENCE_S = 2.0
"""A second Ctrl-C within this time after the first is the same impatience: it would only disturb the clearing up."""


def _option(panel: str, *names: str, help: str, metavar: str | None = None) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel)


def render(
    photos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PHOTO",
            help="Photos, folders, http(s) addresses, or - for standard input.",
            show_default=False,
        ),
    ] = None,
    # Text, because a Path forgets the slash at the end, which says that a folder is meant.
    output: Annotated[
        str | None,
        _option(
            OUTPUT, "-o", "--output", help="File; or folder for several photos. Else beside the photo.", metavar="PATH"
        ),
    ] = None,
    size: Annotated[
        str | None,
        _option(OUTPUT, "--size", help="1920x1080, 1920x, x1080, 1080p, 4k, square, story, photo, ...", metavar="SIZE"),
    ] = None,
    fit: Annotated[
        str | None,
        _option(
            OUTPUT,
            "--fit",
            help="With another aspect ratio: crop, pad (bars), fit (smaller) or fill (stretched).",
            metavar="HOW",
        ),
    ] = None,
    fps: Annotated[float | None, _option(OUTPUT, "--fps", help="Frames per second.")] = None,
    duration: Annotated[
        float | None, _option(OUTPUT, "--duration", help="Seconds of one pass of the motion.", metavar="SECONDS")
    ] = None,
    loops: Annotated[int | None, _option(OUTPUT, "--loops", help="Passes of the motion in the file.")] = None,
    format: Annotated[  # noqa: A002
        str | None,
        _option(
            OUTPUT, "--format", help="mp4, hevc, av1, webm, gif, webp, png, ...; else by the suffix.", metavar="NAME"
        ),
    ] = None,
    quality: Annotated[int | None, _option(OUTPUT, "--quality", help="0 to 100.")] = None,
    crf: Annotated[int | None, _option(OUTPUT, "--crf", help="The encoder's own scale instead of --quality.")] = None,
    encoder_preset: Annotated[
        str | None, _option(OUTPUT, "--encoder-preset", help="Its speed, such as veryfast or slow.", metavar="NAME")
    ] = None,
    view: Annotated[
        str | None,
        _option(
            OUTPUT,
            "--view",
            help="sbs, tb (also -half), cross, pair, anaglyph, quilt, rgbd (also -half): docs/stereo.md.",
            metavar="MODE",
        ),
    ] = None,
    separation: Annotated[
        float | None,
        _option(OUTPUT, "--separation", help="Between the eyes, near against far: % of the width.", metavar="PERCENT"),
    ] = None,
    anaglyph: Annotated[
        str | None,
        _option(OUTPUT, "--anaglyph", help="dubois, green-magenta, amber-blue, half-colour, ...", metavar="METHOD"),
    ] = None,
    quilt: Annotated[
        str | None, _option(OUTPUT, "--quilt", help="8x6, or a display: go, portrait, ...", metavar="GRID|DISPLAY")
    ] = None,
    swap_eyes: Annotated[bool, _option(OUTPUT, "--swap-eyes", help="Exchange the eyes.")] = False,
    bitrate: Annotated[
        str | None, _option(OUTPUT, "--bitrate", help="6M, 800k: bits a second on average, instead.", metavar="RATE")
    ] = None,
    max_size: Annotated[
        str | None,
        _option(OUTPUT, "--max-size", help="8MB, 700k: the file must not become larger.", metavar="SIZE"),
    ] = None,
    poster: Annotated[
        float | None,
        _option(OUTPUT, "--poster", help="One still, the frame at this second, not a clip.", metavar="SECOND"),
    ] = None,
    background: Annotated[
        str | None,
        _option(OUTPUT, "--background", help="Behind a transparent photo; else kept, or white.", metavar="COLOUR"),
    ] = None,
    like: Annotated[
        Path | None,
        _option(OUTPUT, "--like", help="Make the job in this video again; options change it.", metavar="VIDEO"),
    ] = None,
    audio: Annotated[
        Path | None, _option(OUTPUT, "--audio", help="Sound file to lay under the video.", metavar="FILE")
    ] = None,
    overwrite: Annotated[
        bool | None, _option(OUTPUT, "--overwrite/--no-overwrite", help="Replace files that are there.")
    ] = None,
    recursive: Annotated[
        bool, _option(OUTPUT, "-r", "--recursive", help="Look into sub-folders; they are mirrored.")
    ] = False,
    preset: Annotated[
        str | None, _option(SCENE, "--preset", help="A named look: depthflow presets list.", metavar="NAME|FILE")
    ] = None,
    motion: Annotated[
        str | None,
        _option(SCENE, "--motion", help="How the camera moves: depthflow motions list.", metavar="NAME|FILE"),
    ] = None,
    strength: Annotated[float | None, _option(SCENE, "--strength", help="How far it moves; 1 is as written.")] = None,
    relief: Annotated[float | None, _option(SCENE, "--relief", help="How deep the scene is; 0 flat, 1 deep.")] = None,
    focus: Annotated[
        float | None, _option(SCENE, "--focus", help="Depth that stays still on screen: 0 far, 1 near.")
    ] = None,
    zoom: Annotated[float | None, _option(SCENE, "--zoom", help="Magnification of the resting camera.")] = None,
    reverse: Annotated[bool, _option(SCENE, "--reverse", help="Play the motion backwards.")] = False,
    phase: Annotated[float | None, _option(SCENE, "--phase", help="Start this part of a pass into the motion.")] = None,
    easing: Annotated[
        str | None,
        _option(SCENE, "--easing", help="Curve of time: linear, ease-in-out, cubic-bezier(...).", metavar="CURVE"),
    ] = None,
    cycles: Annotated[float | None, _option(SCENE, "--cycles", help="Rounds of the motion in one pass.")] = None,
    period: Annotated[
        float | None, _option(SCENE, "--period", help="Seconds of one round, instead.", metavar="SECONDS")
    ] = None,
    hold: Annotated[
        float | None, _option(SCENE, "--hold", help="Stand still this long at the end of a pass.", metavar="SECONDS")
    ] = None,
    loop: Annotated[
        bool | None, _option(SCENE, "--loop/--once", help="End where it begins, or where it gets to; else as written.")
    ] = None,
    pivot: Annotated[
        str | None,
        _option(SCENE, "--pivot", help="Turn about this depth, the nearest thing, or the surface.", metavar=PIVOT),
    ] = None,
    timeline: Annotated[
        Path | None, _option(SCENE, "--timeline", help="Keyframes: docs/motions.md.", metavar="FILE")
    ] = None,
    layers: Annotated[
        int | None,
        _option(SCENE, "--layers", help="2 shows a background behind what is near, 3 one more behind; 1 stretches."),
    ] = None,
    fill: Annotated[
        str | None,
        _option(SCENE, "--fill", help="What invents the background: classic, or an installed one.", metavar="NAME"),
    ] = None,
    edge: Annotated[
        str | None, _option(SCENE, "--edge", help="The photo's border: zoom (hide it), mirror or clamp.", metavar="HOW")
    ] = None,
    effect: Annotated[
        list[str] | None,
        _option(
            EFFECTS,
            "--effect",
            help="A usual amount, or your own value; again for more: depthflow effects list.",
            metavar="NAME|NAME.KEY=VALUE",
        ),
    ] = None,
    caption: Annotated[
        str | None, _option(EFFECTS, "--caption", help="Text over the picture: --effect caption.text=...")
    ] = None,
    watermark: Annotated[
        Path | None,
        _option(EFFECTS, "--watermark", help="Image over the picture: --effect watermark.file=...", metavar="FILE"),
    ] = None,
    seed: Annotated[int | None, _option(SCENE, "--seed", help="Of everything random.")] = None,
    model: Annotated[
        str | None, _option(DEPTH, "--model", help="Depth network: a name, or an .onnx file.", metavar="NAME|FILE")
    ] = None,
    fallback: Annotated[
        str | None,
        _option(DEPTH, "--fallback", help="If that is not here: none (stop), or builtin (use it).", metavar="WHAT"),
    ] = None,
    depth: Annotated[
        Path | None,
        _option(DEPTH, "--depth", help="Depth map of the photo (png, tiff, exr, npy, pfm) instead.", metavar="FILE"),
    ] = None,
    invert_depth: Annotated[bool, _option(DEPTH, "--invert-depth", help="Small values are near.")] = False,
    stretch_depth: Annotated[
        bool, _option(DEPTH, "--stretch-depth", help="Stretch a depth map of another shape over the photo.")
    ] = False,
    embedded_depth: Annotated[
        bool | None,
        _option(DEPTH, "--embedded-depth/--no-embedded-depth", help="Use the depth inside a portrait photo, if any."),
    ] = None,
    network_size: Annotated[
        int | None, _option(DEPTH, "--network-size", help="Pixels that the network sees; 32 to 8192.", metavar="PIXELS")
    ] = None,
    tiles: Annotated[
        int | None, _option(DEPTH, "--tiles", help="Parts along the longer side, for finer depth; 1 to 8.")
    ] = None,
    flip: Annotated[
        bool | None, _option(DEPTH, "--flip/--no-flip", help="Average with the mirrored photo's depth: steadier.")
    ] = None,
    depth_far: Annotated[
        float | None, _option(DEPTH, "--depth-far", help="Depth that becomes farthest, 0 to 1; what is behind too.")
    ] = None,
    depth_near: Annotated[
        float | None, _option(DEPTH, "--depth-near", help="Depth that becomes nearest, 0 to 1; what is before too.")
    ] = None,
    depth_gamma: Annotated[
        float | None, _option(DEPTH, "--depth-gamma", help="Above 1 moves the middle away; 0.1 to 10.")
    ] = None,
    depth_percentile: Annotated[
        float | None,
        _option(DEPTH, "--depth-percentile", help="Percent cut off at each end of the depth range; 0 to 20."),
    ] = None,
    provider: Annotated[
        str | None,
        _option(MACHINE, "--provider", help="ONNX Runtime: auto, cpu, cuda, coreml, directml, ...", metavar="NAME"),
    ] = None,
    gl_backend: Annotated[
        str | None, _option(MACHINE, "--gl-backend", help="OpenGL: auto, egl, osmesa or glfw.", metavar="NAME")
    ] = None,
    gl_device: Annotated[
        int | None, _option(MACHINE, "--gl-device", help="Which GPU: depthflow doctor lists them.", metavar="NUMBER")
    ] = None,
    encoder: Annotated[
        str | None, _option(MACHINE, "--encoder", help="auto, software, nvenc, libx264, ...", metavar="NAME")
    ] = None,
    as_json: Annotated[bool, _option(TALK, "--json", help="One JSON object a line on standard output.")] = False,
    quiet: Annotated[bool, _option(TALK, "-q", "--quiet", help="Errors only.")] = False,
    print_job: Annotated[
        bool, _option(TALK, "--print-job", help="Print the job as TOML and make nothing (see depthflow make).")
    ] = False,
) -> None:
    """Make photos into parallax videos."""
    from depthflow.api import build_spec, view_part
    from depthflow.errors import UsageError
    from depthflow.jobs.amounts import parse_bitrate, parse_bytes
    from depthflow.jobs.batch import Item, collect, is_batch
    from depthflow.jobs.effects_options import from_options
    from depthflow.jobs.embedded import template
    from depthflow.jobs.library import resolve, timeline_data
    from depthflow.jobs.planning import ending, format_of

    photos = photos or []
    if not photos and like is None:
        raise UsageError("no photo is named", "depthflow render photo.jpg; or --like VIDEO, which knows its photo")
    batch = bool(photos) and is_batch(photos)
    if batch and depth is not None:
        raise UsageError("--depth is for one photo", "name them photo.depth.png: a depth map beside its photo is found")
    # A folder that is there takes a video, but the images of one photo go into the folder that is named.
    images = format in ("png", "jpg") and poster is None
    into_folder = output is not None and (
        batch or (Path(output).is_dir() and not images) or output.endswith(("/", os.sep))
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
        },
        "layers": {"count": layers, "fill": fill},
        "camera": {"relief": relief, "focus": focus, "zoom": zoom},
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
    spec = build_spec("-", preset=preset, seed=seed, base=base, **parts)
    if audio is not None:
        spec = spec.with_(audio=str(audio))
    resolve(spec)  # a motion that is not there is said once, and not for every photo
    info = format_of(spec.outputs[0])
    if batch or into_folder:
        folder = Path(output).expanduser() if output is not None else None
        items = collect(photos, ending=ending(info, spec.outputs[0]), folder=folder, recursive=recursive)
    else:
        items = [Item(photos[0], None)]
    if print_job:
        if len(items) > 1:
            raise UsageError(f"--print-job is for one photo, and these are {len(items)}", "run it for each of them")
        print(_job(spec, items[0]).to_toml())
        return
    from depthflow.cli.show import display

    shown = display(as_json=as_json, quiet=quiet)
    with cancelling() as cancel:
        try:
            run_all([(item.photo, _job(spec, item)) for item in items], shown, cancel, batch=batch)
        finally:
            shown.close()


def _number_or_word(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _job(spec: JobSpec, item: Item) -> JobSpec:
    job = spec.with_(photo=item.photo)
    if item.output is None:
        return job
    outputs = [job.outputs[0].model_copy(update={"path": str(item.output)}), *job.outputs[1:]]
    return job.with_(outputs=outputs)


def run_all(jobs: list[tuple[str, JobSpec]], shown: Display, cancel: CancelToken, *, batch: bool) -> None:
    """Make all jobs in turn; in a batch one that fails does not stop the others.

    Raises:
        DepthFlowError: the error of the only job.
        BatchError: some or all of several failed; if all did for like reasons, with the exit code of these.
    """
    from depthflow.api import make_job
    from depthflow.errors import BatchError, Cancelled, DepthFlowError

    failures: list[DepthFlowError] = []
    for number, (photo, job) in enumerate(jobs, start=1):
        if batch and (done := _done_already(job)) is not None:
            shown.skipped(photo, done)
            continue
        shown.begin(photo, number, len(jobs))
        try:
            result = make_job(job, report=shown.report, cancel=cancel)
        except Cancelled:
            raise
        except DepthFlowError as error:
            if not batch and not _machine_readable(shown):
                raise
            shown.failed(photo, error)
            if not batch:
                sys.exit(error.exit_code)
            failures.append(error)
        else:
            shown.finished(photo, result)
    if 0 < len(failures) < len(jobs):
        raise BatchError(f"{len(failures)} of {len(jobs)} photos failed, the others are done")
    if failures:
        nothing = BatchError(f"none of the {len(jobs)} photos could be made")
        codes = {failure.exit_code for failure in failures}
        # Nothing was made, and for one reason: that reason's code says more than "some failed".
        nothing.exit_code = codes.pop() if len(codes) == 1 else BatchError.exit_code
        raise nothing


def _done_already(job: JobSpec) -> Path | None:
    """The result of a job, if it is there and may not be replaced."""
    from depthflow.jobs.view import files_of
    from depthflow.video.formats import format_for

    output = job.outputs[0]
    if output.path is None or output.overwrite:
        return None
    files = files_of(Path(output.path), output.view, format_for(output.path, output.format))
    return files[0] if all(file.exists() for file in files) else None


def _machine_readable(shown: Display) -> bool:
    from depthflow.cli.show import JsonLines

    return isinstance(shown, JsonLines)


@contextmanager
def cancelling() -> Iterator[CancelToken]:
    """A token that Ctrl-C, SIGTERM and a closed terminal set; a later one no longer waits for the end of a step."""
    from depthflow.progress import CancelToken

    token = CancelToken()
    asked = 0.0

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if not token.cancelled:
            asked = time.monotonic()
            token.cancel()
        elif time.monotonic() - asked >= PATIENCE_S:
            raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    # Under nohup the closing of the terminal is ignored, and stays so.
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield token
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
