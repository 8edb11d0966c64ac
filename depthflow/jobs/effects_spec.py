"""The effects of a JobSpec: one part each, all off unless asked for. The ranges stand in scene/parameters.py."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from depthflow.jobs.colours import check_colour
from depthflow.jobs.part import Part, animated
from depthflow.scene.parameters import TABLE

Place = Literal[
    "top-left", "top", "top-right", "left", "centre", "right", "bottom-left", "bottom", "bottom-right"
]  # fmt: skip
Seconds = Annotated[float, Field(ge=0, le=3600)]


ColourText = Annotated[str, AfterValidator(check_colour), Field(validate_default=True)]


def corner(place: Place) -> tuple[float, float]:
    """Where a place lies, (0, 0) the upper left corner of the frame and (1, 1) the lower right one."""
    index = get_args(Place).index(place)
    return index % 3 / 2, index // 3 / 2


class VignetteSpec(Part):
    """Corners that get darker."""

    strength: float = animated("vignette.strength")
    start: float = animated("vignette.start")


class DofSpec(Part):
    """Depth of field: what is before and behind the plane of focus is blurred."""

    aperture: float = animated("dof.aperture")
    focus: float | None = animated("dof.focus", default=None)
    shape: Literal["disc", "oval", "pentagon", "hexagon", "octagon"] = "disc"
    """What becomes of points of light out of focus."""
    linear: bool = True
    """Blur light instead of code values, so that highlights glow."""


class LensSpec(Part):
    """A lens that is not quite perfect."""

    distortion: float = animated("lens.distortion")
    aberration: float = animated("lens.aberration")


class ColourSpec(Part):
    """Grading, in the order of the keys but for gamma, which comes last."""

    exposure: float = animated("colour.exposure")
    temperature: float = animated("colour.temperature")
    saturation: float = animated("colour.saturation")
    grayscale: float = animated("colour.grayscale")
    sepia: float = animated("colour.sepia")
    contrast: float = animated("colour.contrast")
    gamma: float = animated("colour.gamma")


class FogSpec(Part):
    """Fog that hides what is far."""

    density: float = animated("fog.density")
    start: float = animated("fog.start")
    colour: ColourText = "#c8d2dc"
    """Of the fog."""


class ParticlesSpec(Part):
    """Something in the air, at all depths of the scene."""

    kind: Literal["dust", "snow", "rain", "fireflies"] = "dust"
    """What it is."""
    amount: float = animated("particles.amount")
    size: float = animated("particles.size")
    opacity: float = animated("particles.opacity")
    speed: Annotated[float, Field(ge=0, le=20)] = 1.0
    """How fast it moves, 1 as usual; rounded so that the end of a pass meets its beginning."""


class SweepSpec(Part):
    """A band of light that crosses the frame, once a pass."""

    strength: float = animated("sweep.strength")
    position: float | None = animated("sweep.position", default=None)
    width: float = animated("sweep.width")
    angle: Annotated[float, Field(ge=-360, le=360)] = 20.0
    """Where it goes, degrees: 0 right, 90 down."""
    colour: ColourText = "#fff5e0"
    """Of the light."""


class GrainSpec(Part):
    """Film grain, another in every frame of a pass."""

    strength: float = animated("grain.strength")
    size: float = animated("grain.size")


class FadeSpec(Part):
    """Fades in and out."""

    begin: Seconds = 0.0
    """Seconds of fading in at the beginning of the clip."""
    end: Seconds = 0.0
    """Seconds of fading out at its end."""
    amount: float = animated("fade.amount")
    colour: ColourText = "black"
    """What it fades from and to."""


class LetterboxSpec(Part):
    """Black bars that leave open another aspect ratio."""

    amount: float = animated("letterbox.amount")
    aspect: float = animated("letterbox.aspect")


class _Laid(Part):
    margin: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """Distance from the sides of the frame, frame heights."""
    begin: Seconds = 0.0
    """Seconds of the clip at which it appears."""
    end: Seconds | None = None
    """Seconds of the clip at which it is gone; None stays to the end."""
    fade: Seconds = 0.0
    """Seconds that it takes to appear and to go."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.end is not None and self.end <= self.begin:
            raise ValueError(f"end must be later than begin, {self.begin:g} s, not {self.end:g} s")
        return self


class CaptionSpec(_Laid):
    """A line or lines of text."""

    text: Annotated[str, Field(max_length=500)] = ""
    """What it says; empty shows none. Line breaks are kept; what does not fit into the frame is made smaller."""
    size: float = animated("caption.size")
    opacity: float = animated("caption.opacity")
    font: str | None = None
    """A TrueType or OpenType file; None takes the one that ships (Latin, Greek, Cyrillic), or one of this computer."""
    colour: ColourText = "white"
    """Of the letters."""
    shadow: Annotated[float, Field(ge=0, le=1)] = 0.6
    """A soft dark edge, so that it can be read on anything; 0 is none."""
    place: Place = "bottom"
    """Where it stands."""


class WatermarkSpec(_Laid):
    """A picture over the frame."""

    file: str | None = None
    """An image file, with or without transparency."""
    size: float = animated("watermark.size")
    opacity: float = animated("watermark.opacity")
    place: Place = "bottom-right"
    """Where it lies."""


class EffectsSpec(Part):
    """What is done to the frames after they are drawn; everything is off by default, and what is off costs nothing."""

    vignette: VignetteSpec = VignetteSpec()
    dof: DofSpec = DofSpec()
    lens: LensSpec = LensSpec()
    colour: ColourSpec = ColourSpec()
    fog: FogSpec = FogSpec()
    particles: ParticlesSpec = ParticlesSpec()
    sweep: SweepSpec = SweepSpec()
    grain: GrainSpec = GrainSpec()
    fade: FadeSpec = FadeSpec()
    letterbox: LetterboxSpec = LetterboxSpec()
    caption: CaptionSpec = CaptionSpec()
    watermark: WatermarkSpec = WatermarkSpec()

    def values(self) -> dict[str, float]:
        """The numbers that can be animated, by parameter; those that follow something else are left out."""
        rows = ((row.name, *row.name.split(".")) for row in TABLE.values() if row.group == "effects")
        found: dict[str, Any] = {name: getattr(getattr(self, part), key) for name, part, key in rows}
        return {name: value for name, value in found.items() if value is not None}

    def without_folders(self) -> EffectsSpec:
        """Its files by their names alone."""
        font, file = (
            None if path is None else PurePath(path).name for path in (self.caption.font, self.watermark.file)
        )
        caption = self.caption.model_copy(update={"font": font})
        return self.model_copy(
            update={"caption": caption, "watermark": self.watermark.model_copy(update={"file": file})}
        )


SUGGESTED: dict[str, dict[str, Any]] = {
    "vignette": {"vignette.strength": 0.5},
    "dof": {"dof.aperture": 0.025},
    "lens": {"lens.aberration": 0.004, "lens.distortion": 0.03},
    "aberration": {"lens.aberration": 0.005},
    "barrel": {"lens.distortion": 0.12},
    "pincushion": {"lens.distortion": -0.12},
    "colour": {"colour.contrast": 1.08, "colour.saturation": 1.1},
    "warm": {"colour.temperature": 0.3},
    "cool": {"colour.temperature": -0.3},
    "sepia": {"colour.sepia": 0.8},
    "grayscale": {"colour.grayscale": 1.0},
    "fog": {"fog.density": 1.6},
    "particles": {"particles.kind": "dust", "particles.amount": 0.6},
    "dust": {"particles.kind": "dust", "particles.amount": 0.6},
    "snow": {"particles.kind": "snow", "particles.amount": 0.6},
    "rain": {"particles.kind": "rain", "particles.amount": 0.6},
    "fireflies": {"particles.kind": "fireflies", "particles.amount": 0.6},
    "sweep": {"sweep.strength": 0.5},
    "grain": {"grain.strength": 0.3},
    "fade": {"fade.begin": 0.7, "fade.end": 0.7},
    "letterbox": {"letterbox.amount": 1.0},
}
"""What `--effect NAME` alone means: an amount that suits most photos."""
