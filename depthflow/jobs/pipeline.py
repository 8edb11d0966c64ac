"""Makes what a JobSpec describes: photo -> depth -> frames -> file. Nothing else in the program renders.

Data flows one way, and each stage is a function here. Whoever calls gets Progress events and may cancel between
two frames; then nothing half-written is left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from depthflow.errors import UsageError
from depthflow.images import Limits, Photo, load_photo, name_of
from depthflow.jobs.animation import animation_of, timing_of
from depthflow.jobs.depth import CACHE_BYTES, depth_of, is_local
from depthflow.jobs.library import resolve
from depthflow.jobs.spec import JobSpec, OutputSpec
from depthflow.jobs.view import check_view, fan_of, files_of, layout_of, mix_of, name_note, stereo_of, tag_of
from depthflow.progress import CancelToken, Progress, Report, StageClock, silent
from depthflow.render.fill import named
from depthflow.scene.camera import Camera

if TYPE_CHECKING:
    from depthflow.video.encoders import EncoderChoice
    from depthflow.video.formats import FormatInfo


@dataclass(frozen=True, slots=True)
class Made:
    """One finished file, as read back from it."""

    path: Path
    format: str
    frames: int
    width: int
    height: int
    fps: float
    bytes: int
    encoder: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """What a job made.

    Attributes:
        spec: the job, its motion written out.
        outputs: one entry per file, in the order of the outputs; a pair of views has two.
        timings: seconds per stage.
        notes: what was not as asked for; lines for people.
    """

    spec: JobSpec
    outputs: tuple[Made, ...]
    timings: dict[str, float]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """One output, checked before any work is done."""

    spec: OutputSpec
    paths: tuple[Path, ...]
    format: FormatInfo
    encoder: EncoderChoice


@dataclass
class _Run:
    """What the stages of one job share: whom to tell, and when to stop."""

    report: Report
    cancel: CancelToken
    timings: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, clock: StageClock) -> Iterator[StageClock]:
        self.cancel.check()
        yield clock
        self.timings[clock.stage] = self.timings.get(clock.stage, 0.0) + clock.seconds

    def warn(self, clock: StageClock, *notes: str) -> None:
        for note in notes:
            if note not in self.notes:
                self.notes.append(note)
                clock.warn(note)


def make(
    spec: JobSpec,
    *,
    report: Report = silent,
    cancel: CancelToken | None = None,
    limits: Limits | None = None,
    cache_bytes: int = CACHE_BYTES,
    stdin: BinaryIO | None = None,
) -> Result:
    """Make every output of a job.

    Args:
        report: called with Progress events, from this thread.
        cancel: looked at between frames.
        limits: how large a photo may be.
        cache_bytes: what the cache of depth maps may hold; 0 leaves it alone.
        stdin: where a photo named "-" is read from; the process's standard input if None.

    Raises:
        UsageError, InputError, SystemError_, Cancelled: see `depthflow.errors`. No output is left half-written.
    """
    from depthflow.render import context

    run = _Run(report, cancel or CancelToken())
    started = time.monotonic()
    spec = resolve(spec)
    named(spec.layers.fill)  # one that cannot be loaded is said now
    plans = [_plan(spec, output) for output in spec.outputs]
    _check_apart(plans)
    context.warm(spec.render.gl_backend, spec.render.gl_device)
    with run.stage(StageClock(report, "load", 1)) as clock:
        photo = load_photo(spec.photo, limits=limits or Limits(), stdin=stdin)
        run.warn(clock, *photo.notes)
        clock.update(1)
    with run.stage(StageClock(report, "depth", 1)) as clock:
        depth = depth_of(photo, spec.depth, warn=partial(run.warn, clock), cache_bytes=cache_bytes)
        clock.update(1)
    made = tuple(file for plan in plans for file in _render(spec, plan, photo, depth, run))
    report(Progress("done", len(made), len(made), time.monotonic() - started))
    return Result(spec, made, run.timings, tuple(run.notes))


# -- before any work -------------------------------------------------------------------------------------------


def _plan(spec: JobSpec, output: OutputSpec) -> _Plan:
    """Everything about an output that can be wrong without looking at the photo."""
    from depthflow.video.encoders import choose_encoder
    from depthflow.video.formats import check_output, format_for
    from depthflow.video.workfile import check_free

    timing_of(spec, output)
    info = format_for(output.path, output.format)
    check_view(spec, output)
    paths = files_of(output_path(spec.photo, output, info), output.view, info)
    for path in paths:
        check_output(
            info,
            path=str(path),
            fps=output.fps,
            frames=output.frames,
            crf=output.crf,
            audio=spec.audio is not None,
        )
        for source, what in ((spec.photo, "photo"), (spec.depth.file, "depth map"), (spec.audio, "sound file")):
            if source is not None and _same_file(path, source):
                raise UsageError(f"{path}: is the {what} itself", "name another output with -o")
        check_free(path, overwrite=output.overwrite)
    return _Plan(output, paths, info, choose_encoder(info, output.encoder))


def ending(info: FormatInfo, output: OutputSpec) -> str:
    """What a result's name has after the photo's: a suffix, or "-frames" for a folder of images."""
    return tag_of(output) + ("-frames" if info.kind == "images" and output.frames > 1 else info.suffix)


def output_path(photo: str, output: OutputSpec, info: FormatInfo) -> Path:
    """Where an output goes: as named, or beside the photo; photos without a folder go into the current one."""
    if output.path is not None:
        return Path(output.path).expanduser()
    name = f"{name_of(photo)}{ending(info, output)}"
    if not is_local(photo):
        return Path(name)
    source = Path(photo).expanduser()
    path = source.with_name(name)
    return path if path != source else source.with_name(f"{source.stem}-parallax{source.suffix}")


def _same_file(path: Path, source: str) -> bool:
    try:
        return path.samefile(Path(source).expanduser())
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False


def _check_apart(plans: list[_Plan]) -> None:
    """Two outputs may come to one path by different ways: named in two spellings, or left beside the photo.

    Raises:
        UsageError: they do.
    """
    paths = [path for plan in plans for path in plan.paths]
    places = [path.absolute() for path in paths]
    for place, path in zip(places, paths, strict=True):
        if places.count(place) > 1:
            raise UsageError(f"{path}: two outputs have this path", "give each a path of its own")


# -- frames ----------------------------------------------------------------------------------------------------


def cameras_of(spec: JobSpec, output: OutputSpec, depth: NDArray[np.float32] | None = None) -> list[Camera]:
    """The camera of every frame of an output, without the zoom that hides the photo's border.

    Args:
        depth: the photo's, for motions that turn about a place in it.
    """
    return animation_of(spec, output, depth).cameras


def _render(spec: JobSpec, plan: _Plan, photo: Photo, depth: NDArray[np.float32], run: _Run) -> list[Made]:
    from depthflow.render.frames import FrameRenderer
    from depthflow.render.yuv import pack_420
    from depthflow.video.colour import matrix_for
    from depthflow.video.encode import VideoWriter, close_together

    started = time.monotonic()
    output = plan.spec
    # What ends as 8-bit 4:2:0 is drawn as YUV: half the bytes to move, and no frame to convert.
    packed = plan.format.kind == "video" and plan.format.pixel_format == "yuv420p"
    places, note = layout_of(output, photo.size, plan.format)
    fan = fan_of(output.view)
    # Several files share the views of a frame, one each.
    parts = places.viewports if len(plan.paths) > 1 else ((0, 0, *places.frame),)
    _, _, *size = parts[0]
    # Whatever fails from here on, what is on the GPU is freed and the work file removed.
    with ExitStack() as stack:
        with run.stage(StageClock(run.report, "prepare", 1)) as clock:
            if note:
                run.warn(clock, note)
            for more in (plan.encoder.note, name_note(plan.paths[0], output)):
                if more:
                    run.warn(clock, more)
            cameras = cameras_of(spec, output, depth)
            renderer = stack.enter_context(
                FrameRenderer(
                    photo.pixels,
                    depth,
                    size=places.view,
                    fit=output.fit,
                    edge=spec.render.edge,
                    layers=spec.layers.count,
                    fill=named(spec.layers.fill),
                    supersample=spec.render.supersample,
                    colour=matrix_for(size[1]) if packed else "rgb",
                    views=places,
                    anaglyph=mix_of(output.view),
                    gl_backend=spec.render.gl_backend,
                    gl_device=spec.render.gl_device,
                )
            )
            if renderer.gl.passed_over:
                run.warn(clock, f"drawn through OpenGL by {renderer.gl.backend} ({renderer.gl.passed_over})")
            shots = renderer.shots(renderer.framed(cameras, fan), fan)
            renderer.prepare_shots(shots)
            clock.update(1)
        writers = [
            stack.enter_context(
                VideoWriter(
                    path,
                    width=size[0],
                    height=size[1],
                    fps=output.fps,
                    format=plan.format,
                    encoder=plan.encoder,
                    quality=output.quality,
                    crf=output.crf,
                    preset=output.encoder_preset,
                    pixel_format="yuv420p" if packed else "rgb24",
                    audio=Path(spec.audio) if spec.audio else None,
                    metadata={"comment": f"DepthFlow {spec.shareable().canonical()}"},
                    overwrite=output.overwrite,
                    frames=len(shots),
                    stereo=stereo_of(output.view),
                )
            )
            for path in plan.paths
        ]
        with run.stage(StageClock(run.report, "render", len(shots))) as clock:
            frames = renderer.raw_frames(shots) if packed else renderer.frames(shots)
            for done, frame in enumerate(frames, start=1):
                run.cancel.check()
                for writer, (x, y, width, height) in zip(writers, parts, strict=True):
                    part = frame[y : y + height, x : x + width]
                    writer.write(pack_420(part) if packed else part)
                clock.update(done)
        with run.stage(StageClock(run.report, "publish", 1)) as clock:
            found = close_together(writers)
            clock.update(1)
    return [
        Made(
            path=path,
            format=plan.format.name,
            frames=facts.frames,
            width=facts.width,
            height=facts.height,
            fps=output.fps,
            bytes=facts.bytes,
            encoder=plan.encoder.name,
            seconds=time.monotonic() - started,
        )
        for path, facts in zip(plan.paths, found, strict=True)
    ]
