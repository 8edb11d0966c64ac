"""What is done to a frame after its layers are drawn: which effects are on, how strong, as numbers. It draws nothing.

Everything is said in parts of the frame, so that an effect looks alike at every size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from depthflow.scene.camera import Camera, magnification
from depthflow.scene.parameters import TABLE

Colour = tuple[float, float, float]
Array = NDArray[np.float64]

LUMA = np.array([0.2126, 0.7152, 0.0722])
"""Weights of red, green and blue in luma (ITU-R BT.709-6)."""

SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
"""The tone that is known by this name; white becomes (1.35, 1.2, 0.94) and is scaled to stay within white."""

WARMTH = 0.35
"""Octaves by which red and blue part at temperature 1, each its own way."""


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """A picture that lies over the frame.

    Attributes:
        pixels: (H, W, 4) uint8, colour premultiplied by opacity, row 0 on top.
        em: pixels of the picture that make a size of 1.
        across: the size is in frame widths, else in frame heights.
        place: where it lies, (0, 0) is the upper left corner of the frame, (1, 1) the lower right one.
        margin: distance from the sides it lies at, frame heights.
        border: transparent pixels round the picture that do not count for its place.
    """

    pixels: NDArray[np.uint8]
    em: float
    across: bool
    place: tuple[float, float]
    margin: float
    border: int = 0

    def rectangle(
        self, size: float, frame: tuple[int, int], bars: tuple[float, float] = (0.0, 0.0)
    ) -> tuple[float, float, float, float]:
        """x, y, width and height of the picture in a frame of (width, height) pixels; x and y are whole numbers.

        Args:
            bars: what is hidden at the sides and at top and bottom, as parts of the frame; it lies between them.
        """
        scale = size * (frame[0] if self.across else frame[1]) / self.em
        height, width = (n * scale for n in self.pixels.shape[:2])
        edge = self.margin * frame[1] - self.border * scale
        edges = [edge + bar * whole for bar, whole in zip(bars, frame, strict=True)]
        x, y = (
            side + at * (whole - own - 2 * side)
            for side, at, whole, own in zip(edges, self.place, frame, (width, height), strict=True)
        )
        return float(round(x)), float(round(y)), width, height


@dataclass(frozen=True, slots=True)
class Particles:
    """Which particles there are, apart from what is animated: see `depthflow.scene.particles`.

    Attributes:
        kind: a name of `particles.KINDS`.
        speed: 1 as usual; rounded so that each comes back to its place at the end of a pass.
    """

    kind: str = "dust"
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Effects:
    """All effects of a clip.

    Attributes:
        values: what the parameters of the group "effects" are without animation, by name. Missing ones have the
            table's default, but "dof.focus" follows the camera's and "sweep.position" the pass.
        animated: names of those that change during the clip.
        seed: of grain and particles.
        seconds: length of a pass.
        bokeh: sides of an out-of-focus highlight's polygon; 0 is a disc.
        squeeze: how much higher than wide the highlight is, as behind an anamorphic lens.
        linear: blur in linear light (as the square of the code values), which lets highlights glow.
        fog, sweep, fade: their colours, 0 to 1.
        sweep_angle: degrees, where the band goes: 0 right, 90 down.
        fades: seconds of fading in at the beginning and out at the end of the clip.
        particles: which ones.
        overlays: "caption" and "watermark".
        shown: for "caption" and "watermark": begin, end (None: the clip's) and fade, seconds.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    animated: frozenset[str] = frozenset()
    seed: int = 0
    seconds: float = 5.0
    bokeh: int = 0
    squeeze: float = 1.0
    linear: bool = True
    fog: Colour = (0.8, 0.84, 0.88)
    sweep: Colour = (1.0, 0.96, 0.88)
    sweep_angle: float = 20.0
    fade: Colour = (0.0, 0.0, 0.0)
    fades: tuple[float, float] = (0.0, 0.0)
    particles: Particles = Particles()
    overlays: Mapping[str, Overlay] = field(default_factory=dict)
    shown: Mapping[str, tuple[float, float | None, float]] = field(default_factory=dict)

    def active(self) -> frozenset[str]:
        """Names of the effects that may change a pixel in some frame of the clip."""
        found = {name for name, gates in _GATES.items() if any(self._opens(gate) for gate in gates)}
        found |= set(self.overlays)
        return frozenset(found | ({"fade"} if any(self.fades) else set()))

    def _opens(self, gate: str) -> bool:
        return gate in self.animated or self.values.get(gate, TABLE[gate].default) != TABLE[gate].default

    def at(self, camera: Camera, animated: Mapping[str, float], phase: float = 0.0) -> dict[str, float]:
        """Every parameter of the group in one frame.

        Args:
            camera: the frame's.
            animated: what is animated, in this frame.
            phase: time within the pass, 0 to below 1.
        """
        follow = {"dof.focus": camera.focus, "sweep.position": phase}
        return {**_DEFAULTS, **follow, **self.values, **{n: v for n, v in animated.items() if n in _DEFAULTS}}

    def timed(self, animated: Mapping[str, Array], frames: int, fps: float) -> dict[str, Array]:
        """What is animated, (frames,) by name, with the fades of picture, text and watermark in it."""
        result = dict(animated)
        seconds = np.arange(frames) / fps
        left = (frames - 1 - np.arange(frames)) / fps
        if any(self.fades):
            ramps = [np.clip(1.0 - t / s, 0, 1) for t, s in zip((seconds, left), self.fades, strict=True) if s > 0]
            result["fade.amount"] = np.maximum.reduce([*ramps, self._track(result, "fade.amount", frames)])
        for name, (begin, end, fade) in self.shown.items():
            gate = f"{name}.opacity"
            ramp = _ramp(seconds - begin, fade)
            if end is not None:
                ramp = np.minimum(ramp, _ramp(end - seconds - 1 / fps, fade))
            result[gate] = self._track(result, gate, frames) * ramp
        return result

    def _track(self, animated: Mapping[str, Array], name: str, frames: int) -> Array:
        value = animated.get(name, self.values.get(name, TABLE[name].default))
        return np.asarray(np.broadcast_to(np.asarray(value, np.float64), (frames,)))


_DEFAULTS = {row.name: row.default for row in TABLE.values() if row.group == "effects"}

_GATES: dict[str, tuple[str, ...]] = {
    "vignette": ("vignette.strength",),
    "dof": ("dof.aperture",),
    "distortion": ("lens.distortion",),
    "aberration": ("lens.aberration",),
    "colour": tuple(name for name in _DEFAULTS if name.startswith("colour.") and name != "colour.gamma"),
    "gamma": ("colour.gamma",),
    "fog": ("fog.density",),
    "particles": ("particles.amount",),
    "sweep": ("sweep.strength",),
    "grain": ("grain.strength",),
    "fade": ("fade.amount",),
    "letterbox": ("letterbox.amount",),
}
"""Parts of the effects pass, and the parameters of which one must differ from its default to make it do anything."""


def _ramp(seconds: Array, fade: float) -> Array:
    """0 before time 0, 1 after the fade."""
    if fade <= 0:
        return np.where(seconds >= -1e-9, 1.0, 0.0)
    return np.clip(seconds / fade, 0.0, 1.0)


def frames_of(values: Mapping[str, Array], count: int) -> list[dict[str, float]]:
    """Arrays of (count,) by name as one dict for each frame."""
    columns = {name: np.asarray(value).tolist() for name, value in values.items()}
    return [{name: column[index] for name, column in columns.items()} for index in range(count)]


def colour_matrix(values: Mapping[str, float]) -> Array:
    """(3, 4): takes (R, G, B, 1), 0 to 1, through all of "colour" but gamma; nothing is cut off in between.

    Exposure multiplies light, which is code values to the power of 2.2. Then temperature, saturation, grayscale,
    sepia and contrast.
    """
    grey = np.outer(np.ones(3), LUMA)
    gains = 2.0 ** (np.array([1.0, 0.0, -1.0]) * WARMTH * values["colour.temperature"])
    result = np.diag(gains / (LUMA @ gains)) * 2.0 ** (values["colour.exposure"] / 2.2)
    for amount, target in (
        (1.0 - values["colour.saturation"], grey),
        (values["colour.grayscale"], grey),
        (values["colour.sepia"], SEPIA / SEPIA.sum(1).max()),
    ):
        result = (np.eye(3) * (1.0 - amount) + target * amount) @ result
    contrast = values["colour.contrast"]
    return np.column_stack([result * contrast, np.full(3, 0.5 * (1.0 - contrast))])


def blur_scale(camera: Camera, aperture: float, frame: tuple[float, float]) -> float:
    """Radius of blur in frame heights per difference of inverse distance to what is in focus.

    A point's disc of blur is what the camera would see it do if it moved over the lens while the plane of focus
    stays still: aperture (1 / z - 1 / z_focus), times what the camera makes of lengths at distance 1.

    Args:
        frame: half width and half height of the frame, halves of the photo's longer side.
    """
    return aperture * magnification(camera) / camera.ray_scale / (2.0 * frame[1])


def inverse_distance(camera: Camera, depth: float) -> float:
    """1 / distance before the camera, as it stands, of what has this depth (0 far, 1 near) straight ahead."""
    return 1.0 / max(1.0 / camera.inverse_depth(depth) - camera.z + camera.dolly, 0.02)


def most_blur(
    effects: Effects, shots: Iterable[tuple[Camera, Mapping[str, float]]], frame: tuple[float, float]
) -> tuple[float, float]:
    """Largest radius of blur in frame heights behind and before the plane of focus, over a clip.

    Args:
        shots: camera and animated values of each frame.
        frame: as in `blur_scale`.
    """
    far = near = 0.0
    for camera, animated in shots:
        values = effects.at(camera, animated)
        scale = blur_scale(camera, values["dof.aperture"], frame)
        focus = inverse_distance(camera, values["dof.focus"])
        far = max(far, scale * (focus - inverse_distance(camera, 0.0)))
        near = max(near, scale * (inverse_distance(camera, 1.0) - focus))
    return far, near


def letterbox(aspect: float, amount: float, frame: tuple[int, int]) -> tuple[float, float]:
    """Width of the bars at the sides and height of those at top and bottom, as parts of the frame."""
    own = frame[0] / frame[1]
    return max(0.0, (1.0 - aspect / own) / 2) * amount, max(0.0, (1.0 - own / aspect) / 2) * amount


def sweep_axis(angle: float, frame: tuple[int, int]) -> tuple[float, float, float]:
    """Direction (x right, y down) of the band of light, and half the frame's length along it, frame heights."""
    x, y = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return x, y, 0.5 * (abs(x) * frame[0] / frame[1] + abs(y))
