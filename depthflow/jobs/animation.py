"""What a job's motion and timeline make of every frame: cameras, and the values of layers and effects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from depthflow.errors import UsageError
from depthflow.jobs.library import motion_of
from depthflow.jobs.pivot import find_place
from depthflow.jobs.spec import JobSpec, OutputSpec
from depthflow.scene import evaluate
from depthflow.scene.camera import Camera
from depthflow.scene.keys import Laid, Track
from depthflow.scene.motion import Motion, Timing, closes, rounds, values
from depthflow.scene.timeline import Timeline

MOST_FRAMES = 2_000_000
"""Of a clip: the numbers of each take 1 kB of memory; 18 hours at 30 frames a second."""


@dataclass(frozen=True, slots=True)
class Animation:
    """One output's clip as numbers.

    Attributes:
        cameras: one per frame, without the zoom that hides the photo's border.
        values: (frames,) arrays of the animated parameters that belong to no camera, by name; what is not here
            keeps the value that the job gives it.
    """

    cameras: list[Camera]
    values: dict[str, NDArray[np.float64]]


def rest_camera(spec: JobSpec) -> Camera:
    """The camera before any motion."""
    camera = spec.camera
    relief = camera.relief if camera.relief is not None else motion_of(spec).relief
    return Camera(relief=relief, focus=camera.focus, zoom=camera.zoom, fov=camera.fov, isometric=camera.isometric)


def timing_of(spec: JobSpec, output: OutputSpec) -> Timing:
    """How the job's motion lies over an output's frames."""
    asked = spec.motion
    if output.frames > MOST_FRAMES:
        raise UsageError(
            f"output: {output.frames:,} frames are more than a clip may have, {MOST_FRAMES:,}",
            "fewer loops, a shorter output.duration, or a lower output.fps",
        )
    frames = output.frames // output.loops
    hold = round(asked.hold * output.fps)
    if hold >= frames:
        raise UsageError(
            f"motion.hold: {asked.hold:g} s leaves no time for the motion in {output.duration:g} s",
            "a longer output.duration, or a shorter hold",
        )
    cycles = asked.cycles
    if asked.period is not None:
        cycles = rounds((frames - hold) / output.fps, asked.period)
    return Timing(frames, output.loops, asked.phase, asked.reverse, cycles, asked.loop, hold)


def animation_of(
    spec: JobSpec,
    output: OutputSpec,
    depth: NDArray[np.float32] | None = None,
) -> Animation:
    """Every frame of an output as numbers.

    Args:
        depth: (h, w) in [0, 1], 1 = nearest; decides where the pivots "nearest" and "surface" are.

    Raises:
        UsageError: a hold or keys that do not fit into the clip.
    """
    motion = _placed(motion_of(spec), depth)
    timing = timing_of(spec, output)
    frames = timing.frames * timing.loops
    resting, strength = rest_camera(spec), spec.motion.strength
    rest = {"dof.focus": resting.focus, **spec.effects.values()}
    found = values(motion, resting, timing.times(motion), strength=strength, seed=spec.seed, others=rest)
    if spec.timeline is not None:
        for name, value in rest.items():
            if name in spec.timeline.parameters():
                found.setdefault(name, np.asarray(value, np.float64))
        try:
            spec.timeline.apply(found, timing.frames, timing.loops, output.fps, seed=spec.seed)
        except ValueError as error:
            raise UsageError(f"timeline: {error}") from None
    found = evaluate.limited(found)
    others = {n: np.array(np.broadcast_to(v, (frames,))) for n, v in found.items() if n not in evaluate.CAMERA}
    return Animation(evaluate.cameras(found, frames), others)


def motion_notes(spec: JobSpec) -> list[str]:
    """What of the motion and the timeline has no effect or not the one that is meant, lines for people.

    Args:
        spec: resolved.
    """
    notes = [*_jumps(spec), *_pivot_notes(spec), *_replaced("motion", spec.motion.tracks or ())]
    if spec.timeline is not None:
        notes += _replaced("timeline", spec.timeline.tracks)
        for output in spec.outputs:
            notes += _late(spec.timeline, output)
    return list(dict.fromkeys(notes))


def _jumps(spec: JobSpec) -> Iterator[str]:
    motion = motion_of(spec)
    loops = motion.loop and spec.motion.loop is not False
    if loops and not closes(motion, strength=spec.motion.strength, seed=spec.seed):
        yield (
            "the motion counts as one that loops, but does not end where it begins: it jumps; with loop = false in its "
            "file it goes one way, or there and back where the clip loops"
        )


def _replaced(where: str, tracks: Sequence[Track]) -> Iterator[str]:
    setting = [track.parameter for track in tracks if track.mode == "set"]
    for name in dict.fromkeys(setting):
        if setting.count(name) > 1:
            yield f"{where}: {setting.count(name)} tracks set {name!r}, and the last one replaces the others"


def _late(timeline: Timeline, output: OutputSpec) -> Iterator[str]:
    terms = timeline.terms(output.frames // output.loops, output.loops, output.fps)
    seconds = output.frames / output.fps / (output.loops if timeline.loop else 1)
    for track, laid in zip(timeline.tracks, terms[len(timeline.components) :], strict=True):
        assert isinstance(laid, Laid)  # noqa: S101 - what a track becomes
        for index in np.flatnonzero(laid.times > 1 + 1e-9):
            at = track.keys[index].at
            yield (
                f"timeline: track {track.parameter!r}, key {index}: at {at!r} is after the end, "
                f"which is at {seconds:g} s"
            )


def _pivot_notes(spec: JobSpec) -> list[str]:
    motion = motion_of(spec)
    moved = {term.parameter for term in motion.terms()} | set(spec.timeline.parameters() if spec.timeline else ())
    if not (motion.pivot_x or motion.pivot_y) or "pivot" in moved:
        return []
    if motion.pivot is None:
        return ['pivot_x and pivot_y have no effect: the camera turns about itself; set pivot, such as "surface"']
    if motion.pivot == "nearest":
        return ['pivot_x and pivot_y have no effect: the pivot "nearest" finds its own place; "surface" takes theirs']
    return []


def _placed(motion: Motion, depth: NDArray[np.float32] | None) -> Motion:
    """The motion with its pivot as a depth and a place."""
    if not isinstance(motion.pivot, str):
        return motion
    place = find_place(motion.pivot, depth, motion.pivot_x, motion.pivot_y)
    return replace(motion, pivot=place.depth, pivot_x=place.x, pivot_y=place.y)
