"""JobSpec: one frozen, versioned description of what to make. It makes nothing and reads no photo."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import tomli_w
from pydantic import (
    Field,
    TypeAdapter,
    field_validator,
    model_validator,
)

from depthflow.errors import UsageError
from depthflow.jobs.colours import check_colour
from depthflow.jobs.effects_spec import EffectsSpec
from depthflow.jobs.part import Part
from depthflow.jobs.problems import checked
from depthflow.jobs.sizes import check_size
from depthflow.render.fill import check_name
from depthflow.scene.anaglyph import Method
from depthflow.scene.component import Component
from depthflow.scene.easing import easing
from depthflow.scene.keys import Track
from depthflow.scene.motion import Motion, check_pivot
from depthflow.scene.parameters import TABLE
from depthflow.scene.timeline import Timeline
from depthflow.scene.views import LEFT_AND_RIGHT, Mode, quilt
from depthflow.toml_file import parse_toml, read_text

Provider = Literal["auto", "cpu", "cuda", "tensorrt", "rocm", "migraphx", "coreml", "directml", "openvino"]
GLBackend = Literal["auto", "egl", "osmesa", "glfw"]
Format = Literal[
    "mp4",
    "hevc",
    "hevc10",
    "av1",
    "webm",
    "prores",
    "prores4444",
    "ffv1",
    "gif",
    "webp",
    "apng",
    "avif",
    "png",
    "jpg",
]

_MAX_BYTES = 1 << 22
"""Of a job file."""


class DepthSpec(Part):
    """Where the depth comes from, a file if one is given, else a network; and what is made of it."""

    model: str = "builtin"
    """Name in the model registry, or the path of an .onnx file."""
    fallback: Literal["none", "builtin"] = "none"
    """What to do about a model that is not on this computer: stop and say how to get it, or take the built-in one."""
    file: str | None = None
    """Depth map of the photo (PNG, TIFF, EXR, NPY, PFM); it wins over the model."""
    invert: bool = False
    """The depth map's small values are near."""
    stretch: bool = False
    """A depth map of another shape than the photo is stretched over it; else it is an error."""
    embedded: bool = True
    """The depth map that a phone put into a portrait photo is used instead of a network."""
    provider: Provider = "auto"
    """ONNX Runtime execution provider."""
    network_size: Annotated[int, Field(ge=32, le=8192)] | None = None
    """Pixels of the side that the network's rule names, more is sharper and slower; None takes the network's own."""
    tiles: Annotated[int, Field(ge=1, le=8)] = 1
    """The network looks at the photo once more in parts, this many along its longer side, for finer detail."""
    flip: bool = False
    """Average with the depth of the mirrored photo: a little steadier, twice the time. Networks that do so themselves
    are not asked to do it twice."""
    percentile: Annotated[float, Field(ge=0, le=20)] = 0.5
    """Percent of the pixels that may be cut off at each end when depth is spread over 0 to 1."""
    far: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Depth (0 far, 1 near) that becomes 0; what is farther is as far as this."""
    near: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Depth that becomes 1; what is nearer is as near as this."""
    gamma: Annotated[float, Field(ge=0.1, le=10)] = 1.0
    """Exponent of the depth map: above 1 the middle goes away, below 1 it comes nearer."""

    @model_validator(mode="after")
    def _far_is_behind_near(self) -> Self:
        if self.far >= self.near:
            raise ValueError(f"far ({self.far:g}) must be less than near ({self.near:g})")
        return self


class MotionSpec(Part):
    """How the camera moves: a named motion, or its components and tracks themselves."""

    name: str = "orbital"
    """A motion of the library, or the path of a motion file."""
    components: tuple[Component, ...] | None = None
    """What adds up to the motion; filled from the named motion when the job is resolved."""
    tracks: tuple[Track, ...] | None = None
    """Keyframes of the motion, over one round; filled like the components."""
    one_way: bool = False
    """The components given here end elsewhere than they begin; a named motion says it itself."""
    loop: bool | None = None
    """The end of a pass meets its beginning (a one-way motion then goes there and back), or does not; None leaves
    it to the motion."""
    strength: Annotated[float, Field(ge=-10, le=10)] = 1.0
    """Scales the whole motion; 0 stands still."""
    phase: Annotated[float, Field(ge=-1000, le=1000)] = 0.0
    """Start this many rounds into the motion."""
    cycles: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Rounds of the motion in one pass; whole numbers close."""
    period: Annotated[float, Field(gt=0, le=3600)] | None = None
    """Seconds of one round, instead of cycles."""
    hold: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """Seconds at the end of a pass in which the camera stands still."""
    reverse: bool = False
    """Play the motion backwards."""
    easing: str | None = None
    """Curve of time over one round (CSS names, ease-out-cubic and the like, spring); None leaves it to the motion."""
    pivot: float | str | None = None
    """Depth that yaw, pitch and roll turn about, "nearest" (the nearest thing) or "surface" (the photo's depth at
    pivot_x, pivot_y); None leaves it to the motion."""
    pivot_x: Annotated[float, Field(ge=-10, le=10)] | None = None
    """Place of the pivot right of the photo's middle, halves of its longer side."""
    pivot_y: Annotated[float, Field(ge=-10, le=10)] | None = None
    """Place of the pivot above the photo's middle, halves of its longer side."""

    @field_validator("easing")
    @classmethod
    def _easing_is_known(cls, value: str | None) -> str | None:
        if value is not None:
            easing(value)
        return value

    @field_validator("pivot")
    @classmethod
    def _pivot_is_a_place(cls, value: float | str | None) -> float | str | None:
        check_pivot(value)
        return value

    @field_validator("tracks")
    @classmethod
    def _tracks_need_no_seconds(cls, value: tuple[Track, ...] | None) -> tuple[Track, ...] | None:
        for track in value or ():
            track.laid(None)
        return value

    @model_validator(mode="after")
    def _one_length_of_a_round(self) -> Self:
        if self.period is not None and self.cycles != 1.0:
            raise ValueError("cycles and period say the same thing twice; give one of them")
        return self


class CameraSpec(Part):
    """How deep the scene is and how the resting camera sees it."""

    relief: Annotated[float, Field(ge=0, le=10)] | None = None
    """Nearest inverse depth is 1 + relief, the farthest 1; None takes what the motion suggests."""
    focus: Annotated[float, Field(ge=-10, le=10)] = 0.35
    """Depth (0 far, 1 near) of the plane that stays still on screen while the camera translates."""
    zoom: Annotated[float, Field(gt=0.01, le=100)] = 1.0
    """Magnification of the resting camera; 1 shows the photo as it is."""
    fov: Annotated[float, Field(ge=1, le=150)] = 55.0
    """Field of view across the photo's longer side, degrees."""
    isometric: Annotated[float, Field(ge=0, le=1)] = 0.0
    """0 is a perspective camera, 1 an orthographic one."""


class LayersSpec(Part):
    """How the photo is cut into layers."""

    count: Annotated[int, Field(ge=1, le=3)] = 2
    """2 shows an invented background where depth jumps, 3 cuts that once more (a hand before a body before a wall);
    1 stretches one sheet over all."""
    fill: Annotated[str, Field(min_length=1, max_length=100)] = "classic"
    """What invents the background: classic, or the name of an installed or registered fill."""

    @field_validator("fill")
    @classmethod
    def _fill_is_known(cls, value: str) -> str:
        check_name(value)
        return value


class RenderSpec(Part):
    """How frames are drawn."""

    gl_backend: GLBackend = "auto"
    """Where the OpenGL context comes from."""
    gl_device: Annotated[int, Field(ge=0, le=31)] | None = None
    """Number of the GPU among EGL's devices, as `depthflow doctor` lists them; None takes the best."""
    edge: Literal["zoom", "mirror", "clamp"] = "zoom"
    """The border of the photo: zoom in as far as hides it (four times at most, whatever zoom the camera has), or
    continue the photo mirrored or clamped, by its longer side each way."""
    supersample: Annotated[float, Field(ge=1, le=4)] = 1.0
    """Frames are drawn this many times larger, then averaged down."""
    background: str | None = None
    """Colour behind a transparent photo (white, #ffcc00, rgb(1, 2, 3)); None keeps the transparency where the format
    has it, and is white elsewhere."""

    @field_validator("background")
    @classmethod
    def _background_is_a_colour(cls, value: str | None) -> str | None:
        return None if value is None else check_colour(value)


class ViewSpec(Part):
    """How many views of the scene a frame holds, and how they lie in it."""

    mode: Mode = "mono"
    """mono; sbs, tb (two eyes side by side or above each other, -half squeezed into one frame); cross (eyes exchanged,
    for squinting); pair (two files); anaglyph (coloured glasses); quilt (Looking Glass); rgbd (depth beside it)."""
    separation: Annotated[float, Field(ge=0, le=50)] | None = None
    """How much farther the nearest plane moves than the farthest between the first and the last view, per cent of the
    frame's width; None is 3 for two eyes and 10 for a quilt."""
    anaglyph: Method | None = None
    """How both eyes' colours mix, if the mode is anaglyph; None is dubois, for red and cyan glasses."""
    quilt: Annotated[str, Field(max_length=40)] | None = None
    """Grid of a quilt: COLUMNSxROWS, or the display's name; None is portrait."""
    swap: bool = False
    """Exchange the eyes."""

    @field_validator("anaglyph", mode="before")
    @classmethod
    def _either_spelling(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return re.sub(r"\bcolor\b", "colour", value.replace("gray", "grey").replace("optimized", "optimised"))

    @field_validator("quilt")
    @classmethod
    def _quilt_is_known(cls, value: str | None) -> str | None:
        if value is not None:
            quilt(value)
        return value

    @model_validator(mode="after")
    def _belongs_to_the_mode(self) -> Self:
        for name in ("anaglyph", "quilt"):
            if getattr(self, name) is not None and self.mode != name:
                raise UsageError(f"{name} is for the mode {name!r}, not {self.mode!r}", "leave one of them out")
        if self.mode not in (*LEFT_AND_RIGHT, "quilt"):
            for name in ("separation", "swap"):
                if getattr(self, name):
                    raise UsageError(
                        f"{name} is for several views, and {self.mode!r} has one",
                        "choose a mode such as sbs, tb, anaglyph, pair or quilt",
                    )
        return self


class OutputSpec(Part):
    """One file to make."""

    path: str | None = None
    """Where it goes; None puts it beside the photo."""
    format: Format | None = None
    """None takes it from the path's suffix, else mp4."""
    size: Annotated[str, Field(max_length=20)] = "1080p"
    """WIDTHxHEIGHT, WIDTHx, xHEIGHT, 1080p (the shorter side), or a name such as 4k, square, story; of one view, where
    the file is a row, a column or a grid of whole views."""
    fit: Literal["crop", "pad", "fit", "fill"] = "crop"
    """When the aspect ratios differ: cut off, add bars, shrink the frame, or stretch."""
    fps: Annotated[float, Field(gt=0, le=480)] = 30.0
    """Frames per second."""
    duration: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Seconds of one pass of the motion."""
    loops: Annotated[int, Field(ge=1, le=1000)] = 1
    """Passes of the motion in the file."""
    quality: Annotated[int, Field(ge=0, le=100)] = 75
    """0 to 100; turned into the encoder's own scale unless crf is given."""
    crf: Annotated[int, Field(ge=0, le=63)] | None = None
    """The encoder's constant rate factor."""
    bitrate: Annotated[int, Field(ge=1000, le=10**9)] | None = None
    """Bits a second of the pictures on average, instead of a quality: the file comes just below it."""
    target_bytes: Annotated[int, Field(ge=1, le=2**53)] | None = None
    """Bytes that the file must not exceed; where it would, it comes just below."""
    poster: Annotated[float, Field(ge=0, le=3600000)] | None = None
    """Make one still instead of the clip: its frame at this second."""
    encoder: Annotated[str, Field(max_length=40)] = "auto"
    """auto, software, or a name such as nvenc or libx264."""
    encoder_preset: Annotated[str, Field(max_length=40)] | None = None
    """The encoder's speed preset, such as veryfast."""
    view: ViewSpec = ViewSpec()
    """Several views of the scene: stereo, a quilt, depth beside the colour."""
    overwrite: bool = False
    """Replace a file that is already there."""

    @field_validator("size")
    @classmethod
    def _size_is_known(cls, value: str) -> str:
        return check_size(value)

    @model_validator(mode="after")
    def _one_measure_of_quality(self) -> Self:
        if self.crf is not None and self.bitrate is not None:
            raise UsageError("crf and bitrate say two things about the quality", "give one of them")
        return self

    @property
    def frames(self) -> int:
        """Frames of the clip: duration x fps of one pass, rounded, times loops; at least one."""
        return max(1, round(self.duration * self.fps)) * self.loops

    @property
    def shown(self) -> range:
        """The frames of the clip that are made: all, or the one of the poster.

        Raises:
            UsageError: the clip is over by then.
        """
        if self.poster is None:
            return range(self.frames)
        # A frame is shown from its own time to that of the next; the last one is also what the end shows.
        index = int(self.poster * self.fps + 1e-6)
        if self.poster > self.frames / self.fps + 1e-6:
            raise UsageError(
                f"poster: {self.poster:g} s is after the end of the clip, which lasts {self.frames / self.fps:g} s",
                "choose an earlier second, or a longer duration",
            )
        index = min(index, self.frames - 1)
        return range(index, index + 1)


class JobSpec(Part):
    """Everything that decides what comes out; the same spec, photo and version give the same frames."""

    version: Literal[1] = 1
    photo: str
    """Path, http(s) URL, or - for standard input."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """Seeds everything that is random."""
    preset: str | None = None
    """The preset this was made from; a note, its values are already in the other parts."""
    depth: DepthSpec = DepthSpec()
    motion: MotionSpec = MotionSpec()
    camera: CameraSpec = CameraSpec()
    layers: LayersSpec = LayersSpec()
    render: RenderSpec = RenderSpec()
    effects: EffectsSpec = EffectsSpec()
    timeline: Timeline | None = None
    """Keyframes and formulas over the clip, on top of the motion."""
    outputs: Annotated[tuple[OutputSpec, ...], Field(min_length=1, max_length=16)] = (OutputSpec(),)
    audio: str | None = None
    """Sound file to lay under the video."""

    @model_validator(mode="after")
    def _outputs_differ(self) -> Self:
        paths = [o.path for o in self.outputs if o.path is not None]
        if len(set(paths)) != len(paths):
            raise ValueError("two outputs have the same path")
        return self

    @model_validator(mode="after")
    def _timeline_fits(self) -> Self:
        if self.timeline is not None:
            for output in self.outputs:
                try:
                    self.timeline.terms(output.frames // output.loops, output.loops, output.fps)
                except ValueError as error:
                    raise ValueError(f"timeline: {error}") from None
        return self

    # -- to and from text ---------------------------------------------------------------------------------

    @classmethod
    def parse(cls, data: dict[str, Any], *, source: str = "job") -> JobSpec:
        """Build from plain data.

        Raises:
            UsageError: names `source`, the key, what is allowed and the nearest known key.
        """
        return checked(cls.model_validate, data, cls, source)

    @classmethod
    def from_toml(cls, text: str, *, source: str = "job") -> JobSpec:
        return cls.parse(parse_toml(text, source), source=source)

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "job") -> JobSpec:
        try:
            data = json.loads(text)
        except RecursionError:
            raise UsageError(f"{source}: not valid JSON: nested too deep") from None
        except ValueError as error:
            raise UsageError(f"{source}: not valid JSON: {error}") from None
        if not isinstance(data, dict):
            raise UsageError(f"{source}: a JSON object is expected, not {type(data).__name__}")
        return cls.parse(data, source=source)

    def to_dict(self) -> dict[str, Any]:
        """Plain data without the keys that are None (TOML has no null; None is every such key's default)."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_toml(self) -> str:
        return tomli_w.dumps(self.to_dict())

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    # -- identity -----------------------------------------------------------------------------------------

    def canonical(self) -> str:
        """One text for all specs that make the same thing: JSON, keys sorted, defaults written out.

        Left out: the preset's name (its values are here), whether old files may be replaced, and where it is drawn.
        """
        data = self.to_dict()
        data.pop("preset", None)
        for key in ("gl_backend", "gl_device"):
            data["render"].pop(key, None)
        for output in data["outputs"]:
            output.pop("overwrite", None)
        return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def digest(self) -> str:
        """SHA-256 of the canonical form, 64 hex digits; names of files need not be text."""
        return hashlib.sha256(self.canonical().encode(errors="surrogateescape")).hexdigest()

    def only(self, output: OutputSpec) -> JobSpec:
        """The job with this one output."""
        return self.model_copy(update={"outputs": (output,)})

    def shareable(self) -> JobSpec:
        """The job without the folders of this computer: what is written into a video that others will see.

        Files keep their names, an address loses its query, and outputs lose their places.
        """
        audio = None if self.audio is None else PurePath(self.audio).name
        depth = self.depth.model_copy(
            update={
                "model": PurePath(self.depth.model).name,
                "file": None if self.depth.file is None else PurePath(self.depth.file).name,
            }
        )
        motion = self.motion.model_copy(update={"name": PurePath(self.motion.name).name})
        effects = self.effects.without_folders()
        preset = None if self.preset is None else PurePath(self.preset).name
        outputs = tuple(output.model_copy(update={"path": None}) for output in self.outputs)
        photo = PurePath(urlsplit(self.photo).path if "://" in self.photo else self.photo).name or "photo"
        return self.model_copy(
            update={
                "photo": photo,
                "audio": audio,
                "depth": depth,
                "motion": motion,
                "effects": effects,
                "preset": preset,
                "outputs": outputs,
            }
        )

    def with_(self, **parts: Any) -> JobSpec:
        """A copy with some top-level parts replaced, validated again."""
        return JobSpec.model_validate({**self.model_dump(), **parts})


def json_schema() -> dict[str, Any]:
    """The published JSON schema of a JobSpec (docs/jobspec.schema.json is this, written out)."""
    return _schema(JobSpec, "DepthFlow job")


def timeline_schema() -> dict[str, Any]:
    """The published JSON schema of a timeline file (docs/timeline.schema.json)."""
    return _schema(Timeline, "DepthFlow timeline")


def motion_schema() -> dict[str, Any]:
    """The published JSON schema of a motion file (docs/motion.schema.json)."""
    return _schema(Motion, "DepthFlow motion")


def _schema(model: Any, title: str) -> dict[str, Any]:
    schema: dict[str, Any] = TypeAdapter(model).json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = title
    rows = "; ".join(f"{row.name}: {row.text} ({row.unit or 'ratio'}, {row.span})" for row in TABLE.values())
    for name in ("Component", "Track"):
        field = schema["$defs"][name]["properties"]["parameter"]
        field |= {"enum": list(TABLE), "description": f"What it changes. {rows}."}
    return schema


def load_spec(path: Path) -> JobSpec:
    """Read a .toml or .json job file.

    Raises:
        UsageError: it cannot be read, or is no job; names the file, the key and what is allowed.
    """
    text = read_text(path, max_bytes=_MAX_BYTES, what="job file")
    parse = JobSpec.from_json if path.suffix.lower() == ".json" else JobSpec.from_toml
    return parse(text, source=str(path))
