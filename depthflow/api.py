"""The Python interface: `render` makes a file in one call, `Renderer` yields frames as arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depthflow.errors import DepthError, UsageError
from depthflow.images import Limits, Photo, load_photo, open_photo
from depthflow.jobs.animation import animation_of
from depthflow.jobs.depth import depth_of
from depthflow.jobs.effects import effects_of, moving
from depthflow.jobs.effects_options import from_given
from depthflow.jobs.library import Preset, apply_preset, load_preset, parse_job
from depthflow.jobs.options import (
    Effects,
    RenderOptions,
    Size,
    Source,
    depth_part,
    parts_of,
    size_text,
    text_of,
    timeline_file_of,
    timeline_part,
    with_options,
)
from depthflow.jobs.pipeline import Made, Result, make
from depthflow.jobs.planning import Piece
from depthflow.jobs.sizes import Fit
from depthflow.jobs.spec import DepthSpec, JobSpec, Provider
from depthflow.jobs.view import fan_of, layout_of, mix_of
from depthflow.progress import CancelToken, Report, silent
from depthflow.render.fill import Fill, named
from depthflow.render.frames import Edge, FrameRenderer
from depthflow.scene.camera import Camera
from depthflow.settings import Settings, job_base, load_settings

if TYPE_CHECKING:
    from depthflow.jobs.segments import Segment

__all__ = [
    "Camera",
    "Made",
    "RenderOptions",
    "Renderer",
    "Result",
    "estimate_depth",
    "export_layers",
    "job",
    "make_job",
    "render",
]


@with_options
def render(
    photo: Source,
    output: Source | None = None,
    *,
    report: Report = silent,
    cancel: CancelToken | None = None,
    **options: Unpack[RenderOptions],
) -> Result:
    """Make one photo into a parallax video.

    Whatever is None comes from the preset, then from the user's settings.

    Args:
        photo: path or http(s) URL.
        output: path of the file; None puts it beside the photo.
        preset, motion: a name of the library, or the path of a TOML file.
        strength: scales the motion, -10 to 10; 1 is as the motion is written, 0 stands still.
        reverse: play the motion backwards.
        phase: start this many rounds into the motion, -1000 to 1000.
        cycles: rounds of the motion in one pass, up to 1000; whole numbers close.
        period: seconds of one round, up to 3600, instead of cycles.
        easing: curve of time over one round: "linear", "ease-in-out", "cubic-bezier(...)" (docs/motions.md).
        hold: seconds at the end of a pass in which the camera stands still.
        loop: True ends where it begins, False where it gets to.
        pivot: what the camera turns about: a depth (0 far, 1 near), "nearest" or "surface".
        pivot_x, pivot_y: place of the pivot right of and above the photo's middle, -10 to 10 halves of its longer side.
        timeline: keyframes and formulas over the clip: a TOML file, or the same as plain data, such as
            {"tracks": [{"parameter": "zoom", "keys": [{"at": "0s", "value": 1}, {"at": "100%", "value": 1.2}]}]}.
        relief: nearest inverse depth is 1 + relief times the farthest, 0 to 10; 0 is flat.
        focus: depth (0 far, 1 near) of the plane that stays still on screen.
        zoom: magnification of the resting camera, above 0.01 to 100.
        fov: field of view across the photo's longer side, degrees.
        isometric: 0 is a perspective camera, 1 an orthographic one.
        layers: 2 shows an invented background where depth jumps, 3 one more behind; 1 stretches one sheet.
        fill: what invents the background, by name.
        edge: the photo's border: "zoom" hides it, "mirror" and "clamp" continue the photo.
        supersample: frames are drawn this many times larger, 1 to 4, and averaged down.
        size: "1080p", "4k", "1920x1080" or (width, height) in pixels.
        fit: "crop", "pad", "fit" or "fill", when the photo has another aspect ratio.
        fps: frames per second, up to 480.
        seconds: length of one pass of the motion, up to 3600.
        loops: passes of the motion in the file, 1 to 1000.
        format: such as "mp4"; None takes it from the output's suffix.
        quality: 0 to 100. crf: the encoder's own scale instead.
        encoder: "auto", "software" or a name. encoder_preset: its speed preset.
        view: "sbs", "tb", "sbs-half", "tb-half", "cross", "pair", "anaglyph", "quilt", "rgbd" or "rgbd-half".
        separation: how far apart nearest and farthest plane lie between the eyes, per cent of the frame's width.
        anaglyph: "dubois", "green-magenta" and so on. quilt: "8x6" or a display's name. Each implies its view.
        swap_eyes: exchange the eyes.
        bitrate: bits a second on average instead of a quality: a number, or "6M", "800k".
        max_size: the file must not become larger: bytes, or "8MB", "700k". target_bytes: the job's name for it.
        poster: make one still, the frame at this second, instead of the clip.
        background: colour behind a transparent photo; None keeps the transparency where the format has it.
        audio: sound file to lay under the video.
        model: depth network by name or .onnx path. depth: a depth map's file instead. invert_depth: its small values
            are near.
        depth_options: further keys of a job's `depth`, such as {"tiles": 2, "far": 0.1, "gamma": 1.5} (docs/depth.md).
        provider: ONNX Runtime execution provider.
        gl_backend: "auto", "egl", "osmesa" or "glfw". gl_device: number of the GPU, as `depthflow doctor` lists them.
        effects: names, for usual amounts, or values of one's own: "vignette", ["vignette", "grain.strength=0.2"], or
            {"vignette": True, "fog": {"density": 2}, "grain.strength": 0.2, "caption": "Hello"} (docs/effects.md).
        seed: of everything random, 0 to 2**32 - 1.
        overwrite: replace a file that is there.
        report: called with Progress events.
        cancel: stops the work between two frames.

    Returns:
        What was made: files with their facts, seconds per stage, notes.

    Raises:
        UsageError, InputError, SystemError_, Cancelled: see `depthflow.errors`; no half-written file is left.
    """
    return make_job(_job(photo, output, options, "render()"), report=report, cancel=cancel)


@with_options
def job(photo: Source, output: Source | None = None, **options: Unpack[RenderOptions]) -> JobSpec:
    """The job that `render` would make of the same arguments, for `make_job`, a file (`to_toml`) or the daemon.

    Raises:
        UsageError: an option that is not allowed.
    """
    return _job(photo, output, options, "job()")


def _job(photo: Source, output: Source | None, options: RenderOptions, what: str) -> JobSpec:
    parts = parts_of({"overwrite": True, **options}, what=what)
    parts["output"]["path"] = text_of(output)
    timeline, audio = options.get("timeline"), options.get("audio")
    spec = build_spec(
        fspath(photo),
        preset=options.get("preset"),
        seed=options.get("seed"),
        timeline_file=timeline_file_of(timeline),
        **parts,
    )
    return spec if audio is None else spec.with_(audio=fspath(audio))


def make_job(
    spec: JobSpec,
    *,
    report: Report = silent,
    cancel: CancelToken | None = None,
    decode_all: bool = False,
    beside: bool = True,
) -> Result:
    """Make every output of a job, with the limits and the cache of the user's settings.

    Args:
        report: called with Progress events.
        cancel: stops the work between two frames.
        decode_all: decode every video to its end before it gets its name.
        beside: look for a depth map beside the photo, if the job names none.

    Returns, raises:
        As `render`.
    """
    settings = load_settings().settings
    return make(
        spec,
        report=report,
        cancel=cancel,
        limits=_limits(settings),
        cache_bytes=_cache_bytes(settings),
        decode_all=decode_all,
        beside=beside,
    )


def make_piece(
    spec: JobSpec, piece: Piece, *, report: Report = silent, cancel: CancelToken | None = None, beside: bool = True
) -> tuple[Segment, Result]:
    """`segments.make_segment` with the limits and the cache of the user's settings."""
    from depthflow.jobs.segments import make_segment

    settings = load_settings().settings
    return make_segment(
        spec,
        piece,
        report=report,
        cancel=cancel,
        limits=_limits(settings),
        cache_bytes=_cache_bytes(settings),
        beside=beside,
    )


def _depth_of(photo: Photo, spec: DepthSpec) -> NDArray[np.float32]:
    return depth_of(photo, spec, cache_bytes=_cache_bytes(load_settings().settings))


def _cache_bytes(settings: Settings) -> int:
    return round(settings.cache.depth_megabytes * 1e6)


def _limits(settings: Settings) -> Limits:
    return Limits(max_bytes=settings.limits.max_photo_bytes, max_pixels=settings.limits.max_photo_pixels)


def build_spec(
    photo: str,
    *,
    preset: str | None = None,
    seed: int | None = None,
    base: dict[str, Any] | None = None,
    timeline_file: str | None = None,
    **parts: dict[str, Any],
) -> JobSpec:
    """A JobSpec from the settings, a preset on top, and what is given here (not None) on top of that.

    Args:
        base: a job as plain data that takes the place of the settings.
        timeline_file: the file that the timeline among the parts comes from, for messages.
        parts: depth, motion, camera, layers, render, effects, output, each a dict of that part's keys.
    """
    job: dict[str, Any] = {**(job_base(load_settings().settings) if base is None else base), "photo": photo}
    if preset is not None:
        found = load_preset(preset)
        job = apply_preset(job, found)
        if "timeline" in found.parts and "timeline" not in parts:
            timeline_file = str(found.timeline_path or found.path)
    given = {name: {k: v for k, v in values.items() if v is not None} for name, values in parts.items()}
    named = job.get("preset")
    job = apply_preset(job, Preset("", "", given, Path()))
    job["preset"] = named
    if seed is not None:
        job["seed"] = seed
    return parse_job(job, source="options", timeline_source=timeline_file)


def estimate_depth(
    photo: Source | ArrayLike | Photo, *, model: str = "builtin", provider: Provider = "auto", **options: Any
) -> NDArray[np.float32]:
    """Depth of a photo at working size, edges aligned with the picture's.

    Args:
        photo: path, URL, or (H, W, 3) uint8 sRGB.
        options: further keys of a job's `depth`, such as tiles=2, flip=True, embedded=False (docs/depth.md).

    Returns:
        (h, w) float32 in [0, 1], 1 = nearest, linear in inverse depth; longest side at most 1024.

    Raises:
        UsageError: an option that is not known, or out of range. InputError: the photo or the depth cannot be used.
    """
    job = {"photo": "-", "depth": {"model": model, "provider": provider, **options}}
    return _depth_of(_photo(photo), JobSpec.parse(job, source="estimate_depth()").depth)


def export_layers(
    photo: Source,
    folder: Source,
    *,
    layers: int | None = None,
    fill: str | None = None,
    motion: str | None = None,
    strength: float | None = None,
    relief: float | None = None,
    fov: float | None = None,
    preset: str | None = None,
    model: str | None = None,
    depth: Source | None = None,
    depth_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    warn: Callable[[str], None] = lambda _: None,
    cancel: CancelToken | None = None,
) -> list[Path]:
    """Save the layers that a photo is cut into: PNG, NPZ and glTF (docs/layers.md). It needs no OpenGL.

    Whatever is None comes from the preset, then from the user's settings.

    Args:
        photo: path or http(s) URL.
        folder: where the files go.
        layers: 1 to 3; fewer come out where the motion uncovers nothing.
        fill: what invents the background, by name.
        motion, strength: how far these reach decides where the photo is cut, and how far the background goes on.
        relief, fov: of the camera that took the photo; the 3D scene has them.
        model, depth, depth_options: as in `render`.
        warn: told what is not as asked for.

    Returns:
        The files.

    Raises:
        UsageError, InputError, SystemError_, Cancelled: see `depthflow.errors`; nothing half-written is left.
    """
    from depthflow.jobs.layers import export_layers

    settings = load_settings().settings
    spec = build_spec(
        fspath(photo),
        preset=preset,
        depth=depth_part(depth_options, model=model, file=text_of(depth)),
        motion={"name": motion, "strength": strength},
        camera={"relief": relief, "fov": fov},
        layers={"count": layers, "fill": fill},
    )
    return export_layers(
        spec,
        Path(folder),
        overwrite=overwrite,
        warn=warn,
        cancel=cancel,
        limits=_limits(settings),
        cache_bytes=_cache_bytes(settings),
    )


def _photo(photo: Source | ArrayLike | Photo) -> Photo:
    """The photo, opaque: what is transparent lies on white."""
    if isinstance(photo, Photo):
        return photo.over()
    if isinstance(photo, str | PathLike):
        return load_photo(fspath(photo), limits=_limits(load_settings().settings)).over()
    return open_photo(np.asarray(photo)).over()


class Renderer:
    """Renders one photo into numpy frames; photo, depth, mesh and textures stay ready between calls.

        with depthflow.Renderer("photo.jpg", size=(1280, 720)) as renderer:
            for frame in renderer.frames(motion="orbital", fps=30, seconds=2):
                ...                                   # (720, 1280, 3) uint8 sRGB, row 0 on top
            still = renderer.render(depthflow.Camera(x=0.1))

    Frames have three channels: a transparent photo lies on white. (`render` makes files that keep transparency.)

    Args:
        photo: path, URL, or (H, W, 3) uint8 sRGB.
        depth: (h, w) array in [0, 1] with 1 = nearest, a depth map's file, or None to estimate it.
        size: as in `render`; "photo" gives frames of the photo's own size.
        fit, edge: what to do with another aspect ratio, and with the photo's border.
        layers: 2 cuts the photo where depth jumps and shows an invented background there, 3 cuts that once more;
            1 stretches one sheet.
        fill: what invents that background: a name, or a function (docs/layers.md).
        supersample: frames are drawn this many times larger, 1 to 4, and averaged down.
        view: several views in each frame, a mode of docs/stereo.md or its settings, such as
            {"mode": "sbs", "separation": 2}; a pair comes as two views above each other.
        effects: as in `render`.
        model, provider, invert_depth, depth_options, gl_backend, gl_device: as in `render`; of the depth options none
            is for a depth that is given as an array.

    Raises:
        InputError: the photo or the depth cannot be used. GLError: no OpenGL.
    """

    def __init__(
        self,
        photo: Source | ArrayLike,
        depth: Source | ArrayLike | None = None,
        *,
        size: Size = "1080p",
        fit: Fit = "crop",
        edge: Edge = "zoom",
        layers: int = 2,
        fill: str | Fill = "classic",
        supersample: float = 1.0,
        view: str | Mapping[str, Any] = "mono",
        effects: Effects | None = None,
        model: str = "builtin",
        provider: Provider = "auto",
        invert_depth: bool = False,
        depth_options: Mapping[str, Any] | None = None,
        gl_backend: Literal["auto", "egl", "osmesa", "glfw"] = "auto",
        gl_device: int | None = None,
    ) -> None:
        self.photo = _photo(photo)
        if depth is None or isinstance(depth, str | PathLike):
            part = depth_part(
                depth_options, model=model, file=text_of(depth), invert=invert_depth or None, provider=provider
            )
            job = JobSpec.parse({"photo": "-", "depth": part}, source="Renderer()")
            self.depth = _depth_of(self.photo, job.depth)
        else:
            if depth_options:
                raise UsageError("depth_options are not for a depth given as an array", "change the array itself")
            self.depth = _checked_depth(np.asarray(depth, np.float32), self.photo.size, invert_depth)
        look = {"mode": view} if isinstance(view, str) else dict(view)
        output = {"size": size_text(size), "fit": fit, "view": look}
        asked = {
            "photo": "-",
            "layers": {"count": layers},
            "render": {"edge": edge, "supersample": supersample},
            "effects": from_given(effects),
            "outputs": [output],
        }
        job = JobSpec.parse(asked, source="Renderer()")
        (places, _), self._fan = layout_of(job.outputs[0], self.photo.size), fan_of(job.outputs[0].view)
        self.size = places.frame
        self._view, self._effects = places.view, job.effects
        self._drawer = FrameRenderer(
            self.photo.pixels,
            self.depth,
            size=places.view,
            views=places,
            anaglyph=mix_of(job.outputs[0].view),
            fit=fit,
            edge=edge,
            layers=layers,
            fill=named(fill) if isinstance(fill, str) else fill,
            supersample=supersample,
            effects=effects_of(self._effects, self._view),
            twin=True,
            gl_backend=gl_backend,
            gl_device=gl_device,
        )

    def render(self, camera: Camera | None = None) -> NDArray[np.uint8]:
        """One frame, (height, width, 3) uint8 sRGB, row 0 on top; the resting camera shows the photo itself."""
        (shot,) = self._drawer.shots([camera or Camera()], self._fan)
        return self._drawer.render(shot)

    def frames(
        self,
        motion: str = "orbital",
        *,
        fps: float = 30.0,
        seconds: float = 5.0,
        loops: int = 1,
        strength: float = 1.0,
        reverse: bool = False,
        phase: float = 0.0,
        cycles: float = 1.0,
        period: float | None = None,
        easing: str | None = None,
        hold: float = 0.0,
        loop: bool | None = None,
        pivot: float | str | None = None,
        pivot_x: float | None = None,
        pivot_y: float | None = None,
        timeline: Source | Mapping[str, Any] | None = None,
        relief: float | None = None,
        focus: float = 0.35,
        zoom: float = 1.0,
        fov: float = 55.0,
        isometric: float = 0.0,
        seed: int = 0,
        cameras: Iterable[Camera] | None = None,
    ) -> Iterator[NDArray[np.uint8]]:
        """Frames of a motion, or of the cameras given, each (height, width, 3) uint8 sRGB, row 0 on top.

        Cameras that are given are used as they are; a motion is zoomed in as far as hides the photo's border,
        if the renderer was made with edge="zoom".

        Args:
            motion: a name of the library, or the path of a TOML file.
            fps: frames per second. seconds: length of one pass. loops: passes.
            strength, reverse, phase, cycles, period, easing, hold, loop, pivot, pivot_x, pivot_y, timeline, relief,
                focus, zoom, fov, isometric: as in `render`; None leaves it to the motion.
            seed: of everything random.

        Raises:
            UsageError: what is not allowed, or does not fit into the clip.
        """
        clip: Iterable[Camera]
        values: Mapping[str, NDArray[np.float64]] = {}
        if cameras is None:
            job = {
                "photo": "-",
                "seed": seed,
                "motion": {
                    "name": motion,
                    "strength": strength,
                    "reverse": reverse,
                    "phase": phase,
                    "cycles": cycles,
                    "period": period,
                    "easing": easing,
                    "hold": hold,
                    "loop": loop,
                    "pivot": pivot,
                    "pivot_x": pivot_x,
                    "pivot_y": pivot_y,
                },
                "camera": {"relief": relief, "focus": focus, "zoom": zoom, "fov": fov, "isometric": isometric},
                "timeline": timeline_part(timeline),
                "outputs": [{"fps": fps, "duration": seconds, "loops": loops}],
            }
            spec = parse_job(job, source="frames()", timeline_source=timeline_file_of(timeline))
            spec = spec.model_copy(update={"effects": self._effects})
            animation = animation_of(spec, spec.outputs[0], self.depth)
            clip, values = self._drawer.framed(animation.cameras, self._fan), animation.values
        else:
            clip = cameras
        made = effects_of(self._effects, self._view, seed=seed, seconds=seconds, animated=values)
        self._drawer.set_effects(made)
        shots = self._drawer.shots(clip, self._fan)
        return self._drawer.frames(moving(shots, made, values, passes=loops, fps=fps))

    def close(self) -> None:
        """Free what is on the GPU."""
        self._drawer.close()

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _checked_depth(depth: NDArray[np.float32], photo: tuple[int, int], invert: bool) -> NDArray[np.float32]:
    if depth.ndim != 2 or not depth.size:
        raise DepthError(f"depth must be an array of shape (h, w), not {depth.shape}")
    if not np.isfinite(depth).all():
        raise DepthError("depth has NaN or infinite values", "fill them before")
    if depth.min() < 0 or depth.max() > 1:
        raise DepthError(f"depth must be within 0 and 1, not {depth.min():g} to {depth.max():g}")
    if abs(depth.shape[1] * photo[1] / (depth.shape[0] * photo[0]) - 1) > max(0.02, 1 / min(depth.shape)):
        height, width = depth.shape
        raise DepthError(f"depth is {width}x{height}, not the shape of the photo, {photo[0]}x{photo[1]}")
    return 1.0 - depth if invert else depth
