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
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from depthflow.images import Limits, Photo, load_photo
from depthflow.jobs.animation import animation_of, motion_notes
from depthflow.jobs.depth import CACHE_BYTES, begin, check_named, depth_of
from depthflow.jobs.effects import effect_notes, effects_of, moving
from depthflow.jobs.embedded import embedded
from depthflow.jobs.library import resolve
from depthflow.jobs.planning import Piece, Plan, cut, for_photo, laid, notes_of, plan_outputs
from depthflow.jobs.spec import JobSpec, OutputSpec
from depthflow.jobs.transparency import colour_and_opacity, put_together, taken_apart
from depthflow.jobs.view import fan_of, mix_of, stereo_of
from depthflow.paths import expanded
from depthflow.progress import CancelToken, Progress, Report, StageClock, silent
from depthflow.render.fill import named
from depthflow.scene.camera import Camera


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


@dataclass
class _Run:
    """What the stages of one job share: whom to tell, and when to stop."""

    report: Report
    cancel: CancelToken
    decode_all: bool = False
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
    piece: Piece | None = None,
    decode_all: bool = False,
    beside: bool = True,
) -> Result:
    """Make every output of a job.

    Args:
        report: called with Progress events, from this thread.
        cancel: looked at between frames.
        limits: how large a photo may be.
        cache_bytes: what the cache of depth maps may hold; 0 leaves it alone.
        stdin: where a photo named "-" is read from; the process's standard input if None.
        piece: make only these frames of the only output; see `segments`.
        decode_all: decode every video to its end before it gets its name; see `VideoWriter`.
        beside: whether to look for a depth map beside the photo, if the job names none.

    Raises:
        UsageError, InputError, SystemError_, Cancelled: see `depthflow.errors`. No output is left half-written.
    """
    from depthflow.render import context

    run = _Run(report, cancel or CancelToken(), decode_all)
    started = time.monotonic()
    spec = resolve(spec)
    named(spec.layers.fill)  # one that cannot be loaded is said now
    check_named(spec.depth)
    begun = begin(spec.depth)
    plans = plan_outputs(spec)
    if piece is not None:
        # Its sound is laid under the whole.
        plans, spec = [cut(plans[0], piece)], spec.model_copy(update={"audio": None})
    context.warm(spec.render.gl_backend, spec.render.gl_device)
    with run.stage(StageClock(report, "load", 1)) as clock:
        photo = load_photo(spec.photo, limits=limits or Limits(), stdin=stdin)
        plans = [for_photo(plan, spec, photo) for plan in plans]
        run.warn(clock, *photo.notes, *notes_of(plans), *motion_notes(spec), *effect_notes(spec))
        flat = laid(photo, spec)
        clock.update(1)
    with run.stage(StageClock(report, "depth", 1)) as clock:
        warn = partial(run.warn, clock)
        depth = depth_of(flat, spec.depth, warn=warn, cache_bytes=cache_bytes, beside=beside, begun=begun)
        clock.update(1)
    made = tuple(file for plan in plans for file in _render(spec, plan, photo if plan.alpha else flat, depth, run))
    report(Progress("done", len(made), len(made), time.monotonic() - started))
    return Result(spec, made, run.timings, tuple(run.notes))


# -- frames ----------------------------------------------------------------------------------------------------


def cameras_of(spec: JobSpec, output: OutputSpec, depth: NDArray[np.float32] | None = None) -> list[Camera]:
    """The camera of every frame of an output, without the zoom that hides the photo's border.

    Args:
        depth: the photo's, for motions that turn about a place in it.
    """
    return animation_of(spec, output, depth).cameras


def _render(spec: JobSpec, plan: Plan, photo: Photo, depth: NDArray[np.float32], run: _Run) -> list[Made]:
    from depthflow.render.frames import FrameRenderer
    from depthflow.render.yuv import pack_420
    from depthflow.video.colour import matrix_for
    from depthflow.video.encode import VideoWriter, close_together

    started = time.monotonic()
    output = plan.spec
    # What ends as 8-bit 4:2:0 is drawn as YUV: half the bytes to move, and no frame to convert.
    packed = plan.format.kind == "video" and plan.format.pixel_format == "yuv420p" and not plan.alpha
    places = plan.layout
    assert places is not None  # noqa: S101 - the photo is known
    fan = fan_of(output.view)
    # Several files share the views of a frame, one each.
    parts = places.viewports if len(plan.paths) > 1 else ((0, 0, *places.frame),)
    _, _, *size = parts[0]
    # Whatever fails from here on, what is on the GPU is freed and the work file removed.
    with ExitStack() as stack:
        # Their encoders load while the frames are prepared.
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
                    bitrate=output.bitrate,
                    target_bytes=output.target_bytes,
                    pixel_format="yuv420p" if packed else "rgba" if plan.alpha else "rgb24",
                    audio=expanded(spec.audio) if spec.audio else None,
                    metadata={"comment": embedded(spec, output, plan.format.name)},
                    overwrite=output.overwrite,
                    frames=len(plan.shown),
                    still=output.poster is not None,
                    verify="decode" if run.decode_all else "auto",
                    stereo=stereo_of(output.view),
                    poll=run.cancel.check,
                )
            )
            for path in plan.paths
        ]
        with run.stage(StageClock(run.report, "prepare", 1)) as clock:
            animation = animation_of(spec, output, depth)
            effects = effects_of(
                spec.effects,
                places.view,
                seed=spec.seed,
                seconds=output.duration,
                animated=animation.values,
                warn=partial(run.warn, clock),
            )
            pictures, opacity = [photo.pixels], None
            if plan.alpha:
                pictures = list(colour_and_opacity(photo))
                # Effects see colour and opacity together; without any, both are drawn alike, each by itself.
                opacity = pictures.pop() if effects.active() else None
            renderers = [
                stack.enter_context(
                    FrameRenderer(
                        picture,
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
                        effects=effects,
                        pack=packed and len(plan.paths) == 1,
                        twin=True,
                        opacity=opacity,
                        gl_backend=spec.render.gl_backend,
                        gl_device=spec.render.gl_device,
                    )
                )
                for picture in pictures
            ]
            if (gl := renderers[0].gl).passed_over:
                run.warn(clock, f"drawn through OpenGL by {gl.backend} ({gl.passed_over})")
            framed = renderers[0].framed(animation.cameras, fan)
            closer = framed[0].zoom / animation.cameras[0].zoom
            if closer > 1.0 > min(camera.zoom for camera in animation.cameras):
                run.warn(clock, f"zoomed in {closer:.2g} times, so that the photo's border is hidden (edge: zoom)")
            clip = renderers[0].shots(framed, fan)
            clip = moving(clip, effects, animation.values, passes=output.loops, fps=output.fps)
            for renderer in renderers:
                renderer.prepare_shots(clip)
            shots = [clip[index] for index in plan.shown]
            clock.update(1)
        with run.stage(StageClock(run.report, "render", len(shots))) as clock:
            frames = renderers[0].raw_frames(shots) if packed else renderers[0].frames(shots)
            if plan.alpha:
                drawn = [renderer.raw_frames(shots) for renderer in renderers]
                frames = map(taken_apart, *drawn) if opacity is not None else map(put_together, *drawn)
            for done, frame in enumerate(frames, start=1):
                run.cancel.check()
                for writer, (x, y, width, height) in zip(writers, parts, strict=True):
                    part = frame if renderers[0].packs else frame[y : y + height, x : x + width]
                    writer.write(pack_420(part) if packed and not renderers[0].packs else part)
                clock.update(done)
        with run.stage(StageClock(run.report, "publish", 1)) as clock:
            found = close_together(writers)
            run.warn(clock, *(f"{writer.path.name}: {writer.note}" for writer in writers if writer.note))
            clock.update(1)
    return [
        Made(
            path=path,
            format=plan.format.name,
            frames=facts.frames,
            width=facts.width,
            height=facts.height,
            fps=facts.fps if writer.note and plan.format.name == "gif" else output.fps,
            bytes=facts.bytes,
            encoder=plan.encoder.name,
            seconds=time.monotonic() - started,
        )
        for path, facts, writer in zip(plan.paths, found, writers, strict=True)
    ]
