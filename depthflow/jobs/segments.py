"""Long videos in pieces: which frames each has, how one is made, and how they become the video.

Every piece is drawn as the whole clip would be: the same cameras, mesh and textures. So the pieces' frames are the
clip's, to the pixel, and only the encoder begins anew.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from depthflow import paths
from depthflow.errors import OutputError, UsageError
from depthflow.images import Limits
from depthflow.jobs.depth import CACHE_BYTES
from depthflow.jobs.embedded import embedded
from depthflow.jobs.library import resolve
from depthflow.jobs.pipeline import Made, Result, make
from depthflow.jobs.planning import Piece, format_of, output_path, plan_outputs
from depthflow.jobs.spec import JobSpec, OutputSpec
from depthflow.jobs.view import files_of, stereo_of
from depthflow.progress import CancelToken, Progress, Report, StageClock, silent


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished piece.

    Attributes:
        first: its first frame, among those that the output shows.
        files: one for each file of the output.
        frames: that each of them holds.
        width, height: of a file's frames in pixels.
        encoder: what encoded it.
        seconds: that it took.
    """

    first: int
    files: tuple[Path, ...]
    frames: int
    width: int
    height: int
    encoder: str
    seconds: float = 0.0


def runs(output: OutputSpec, seconds: float) -> list[range]:
    """The runs of frames that an output is cut into: about equally long, none shorter than `seconds`.

    Args:
        seconds: of video in a piece, about; 0 cuts nothing.

    Returns:
        One run for what cannot be cut: animations and images, whose files hold together, and videos that are to
        meet a size, which takes all of their frames.
    """
    count = len(output.shown)
    whole = [range(count)]
    if (
        seconds <= 0
        or format_of(output).kind != "video"
        or output.target_bytes is not None
        or output.bitrate is not None
    ):
        return whole
    pieces = int(count / output.fps / seconds)
    if pieces < 2:
        return whole
    marks = [count * number // pieces for number in range(pieces + 1)]
    return [range(first, last) for first, last in pairwise(marks)]


def places_of(spec: JobSpec, output: OutputSpec) -> tuple[Path, ...]:
    """Where the files of an output go; a pair of views has two."""
    info = format_of(output)
    return files_of(output_path(spec.photo, output, info), output.view, info)


def make_segment(
    spec: JobSpec,
    piece: Piece,
    *,
    report: Report = silent,
    cancel: CancelToken | None = None,
    limits: Limits | None = None,
    cache_bytes: int = CACHE_BYTES,
    beside: bool = True,
) -> tuple[Segment, Result]:
    """Make one piece of a job that has one output.

    Args:
        report, cancel, limits, cache_bytes, beside: see `pipeline.make`.

    Raises:
        As `pipeline.make`.
    """
    if piece.frames.start > 0:
        # Whether the sound can be had is looked at once, before the first piece is drawn.
        spec = spec.model_copy(update={"audio": None})
    result = make(
        spec, report=report, cancel=cancel, piece=piece, limits=limits, cache_bytes=cache_bytes, beside=beside
    )
    made = result.outputs[0]
    segment = Segment(
        first=piece.frames.start,
        files=piece.files,
        frames=len(piece.frames),
        width=made.width,
        height=made.height,
        encoder=made.encoder,
        seconds=made.seconds,
    )
    return segment, result


def join_segments(
    spec: JobSpec, segments: Sequence[Segment], *, report: Report = silent, cancel: CancelToken | None = None
) -> Result:
    """Make the only output of a job from its pieces, and lay its sound under it.

    It is decoded to its end before it gets its name: every frame of the job is there, and none twice.

    Raises:
        UsageError: pieces are missing, or were encoded in different ways. OutputError, FFmpegError: as
        `VideoJoiner`.
    """
    from depthflow.video.encode import close_together
    from depthflow.video.encoders import choose_encoder
    from depthflow.video.join import PieceFile, VideoJoiner

    started = time.monotonic()
    cancel = cancel or CancelToken()
    cancel.check()
    spec = resolve(spec)
    (plan,) = plan_outputs(spec)
    output, segments = plan.spec, sorted(segments, key=lambda segment: segment.first)
    _check(segments, len(plan.shown))
    first = segments[0]
    clock = StageClock(report, "publish", 1)
    encoder = choose_encoder(plan.format, first.encoder, size=(first.width, first.height))
    with ExitStack() as stack:
        joiners = []
        for number, path in enumerate(plan.paths):
            joiner = VideoJoiner(
                path,
                [PieceFile(segment.files[number], segment.frames) for segment in segments],
                width=first.width,
                height=first.height,
                fps=output.fps,
                format=plan.format,
                encoder=encoder,
                audio=paths.expanded(spec.audio) if spec.audio else None,
                metadata={"comment": embedded(spec, output, plan.format.name)},
                stereo=stereo_of(output.view),
                overwrite=output.overwrite,
                poll=cancel.check,
            )
            stack.callback(joiner.abort)
            joiners.append(joiner)
        for joiner in joiners:
            joiner.finish()
        # Said once more, now that the sound has been read and nothing has its name: whoever compares does it here.
        clock.update(0)
        found = close_together(joiners)
    clock.update(1)
    made = tuple(
        Made(
            path=joiner.path,
            format=plan.format.name,
            frames=facts.frames,
            width=facts.width,
            height=facts.height,
            fps=output.fps,
            bytes=facts.bytes,
            encoder=first.encoder,
            seconds=sum(segment.seconds for segment in segments) + time.monotonic() - started,
        )
        for joiner, facts in zip(joiners, found, strict=True)
    )
    report(Progress("done", len(made), len(made), time.monotonic() - started))
    return Result(spec, made, {"join": clock.seconds}, ())


def _check(segments: Sequence[Segment], frames: int) -> None:
    """Raises UsageError, OutputError: the pieces are not the whole video."""
    at = 0
    for segment in segments:
        if segment.first != at:
            raise OutputError(f"frames {at} to {segment.first - 1} of the video are missing")
        at += segment.frames
    if at != frames:
        raise OutputError(f"the pieces hold {at} frames, and the video has {frames}")
    encoders = sorted({segment.encoder for segment in segments})
    if len(encoders) > 1:
        raise UsageError(
            f"the pieces were encoded in different ways: {', '.join(encoders)}",
            "the workers have different encoders; name one that all of them have, such as software",
        )
