"""Makes of a job's effects what a renderer draws: numbers, and pictures of text and watermark. It draws no frames."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from depthflow.errors import PhotoError
from depthflow.images import load_photo
from depthflow.jobs.colours import rgb
from depthflow.jobs.effects_spec import CaptionSpec, EffectsSpec, WatermarkSpec, corner
from depthflow.jobs.fonts import font_for
from depthflow.opencv import cv2
from depthflow.scene.effects import Colour, Effects, Overlay, Particles, frames_of, letterbox

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

    from depthflow.jobs.spec import JobSpec
    from depthflow.render.painter import Shot

Size = tuple[int, int]
Pixels = NDArray[np.uint8]

_SHAPES = {"disc": (0, 1.0), "oval": (0, 1.6), "pentagon": (5, 1.0), "hexagon": (6, 1.0), "octagon": (8, 1.0)}
"""Sides, and how much higher than wide."""

_SHADOW = 0.12
"""Softness of the text's dark edge, letter heights."""

_MOST_TEXT = 2000
"""Tallest letters that are drawn, pixels; larger ones are enlarged from these."""


def effects_of(
    spec: EffectsSpec,
    size: Size,
    *,
    seed: int = 0,
    seconds: float = 5.0,
    animated: Mapping[str, NDArray[np.float64]] | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> Effects:
    """The effects of a clip.

    Args:
        size: (width, height) of a view in pixels, for which text and watermark are made.
        seed: of grain and particles.
        seconds: length of a pass.
        animated: parameters that change during the clip, by name.
        warn: told what is not as asked for: another font, a caption that would not fit.

    Raises:
        UsageError, InputError: as in `check_files`.
    """
    sides, squeeze = _SHAPES[spec.dof.shape]
    effects = Effects(
        values=spec.values(),
        animated=frozenset(animated or ()),
        seed=seed,
        seconds=seconds,
        bokeh=sides,
        squeeze=squeeze,
        linear=spec.dof.linear,
        fog=_colour(spec.fog.colour),
        sweep=_colour(spec.sweep.colour),
        sweep_angle=spec.sweep.angle,
        fade=_colour(spec.fade.colour),
        fades=(spec.fade.begin, spec.fade.end),
        particles=Particles(spec.particles.kind, spec.particles.speed),
    )
    moved = animated or {}

    def largest(name: str, value: float) -> float:
        return float(max([value, *moved.get(name, ())]))

    bars = letterbox(spec.letterbox.aspect, largest("letterbox.amount", spec.letterbox.amount), size)
    made = {
        "caption": _caption(spec.caption, size, largest("caption.size", spec.caption.size), bars, warn),
        "watermark": _watermark(spec.watermark, size, largest("watermark.size", spec.watermark.size)),
    }
    parts = {"caption": spec.caption, "watermark": spec.watermark}
    return replace(
        effects,
        overlays={name: overlay for name, overlay in made.items() if overlay is not None},
        shown={
            name: (parts[name].begin, parts[name].end, parts[name].fade) for name, it in made.items() if it is not None
        },
    )


def check_files(spec: EffectsSpec) -> None:
    """Look at everything that effects read from elsewhere, before any work.

    Raises:
        UsageError: a font that is none, or that lacks letters of the text.
        PhotoError: a watermark that is no picture.
    """
    effects_of(spec, (64, 64))


def active_effects(spec: JobSpec) -> frozenset[str]:
    """The effects that a job, resolved, asks for or animates; names as of `Effects.active`."""
    moved = {component.parameter for component in spec.motion.components or ()}
    moved |= {track.parameter for track in spec.motion.tracks or ()}
    moved |= set(spec.timeline.parameters() if spec.timeline else ())
    return replace(effects_of(spec.effects, (64, 64)), animated=frozenset(moved)).active()


_NEEDS = {
    "vignette": "strength",
    "dof": "aperture",
    "fog": "density",
    "particles": "amount",
    "sweep": "strength",
    "grain": "strength",
    "letterbox": "amount",
    "caption": "text",
    "watermark": "file",
}
"""Keys without which an effect does nothing."""


def effect_notes(spec: JobSpec) -> list[str]:
    """What is asked of effects that do nothing, lines for people.

    Args:
        spec: resolved.
    """
    asked = {}
    for part, needed in _NEEDS.items():
        values = getattr(spec.effects, part)
        usual = type(values).model_validate(type(values)().model_dump())  # colours as they are read
        chosen = [key for key in type(values).model_fields if getattr(values, key) != getattr(usual, key)]
        if chosen and needed not in chosen:
            asked[part] = f"effects: {part}.{chosen[0]} has no effect without {part}.{needed}"
    idle = asked.keys() - (active_effects(spec) if asked else ())
    return [note for part, note in asked.items() if part in idle]


def moving(
    shots: Iterable[Shot], effects: Effects, animated: Mapping[str, NDArray[np.float64]], *, passes: int, fps: float
) -> list[Shot]:
    """The shots of a clip with what is animated, the fades, and their time in it.

    Args:
        animated: (frames,) arrays by parameter.
        passes: how often the clip repeats itself.
        fps: frames per second.
    """
    clip = list(shots)
    frames = max(1, len(clip) // passes)
    values = frames_of(effects.timed(animated, len(clip), fps), len(clip))
    return [
        replace(shot, values=v, phase=i % frames / frames) for i, (shot, v) in enumerate(zip(clip, values, strict=True))
    ]


def _colour(text: str) -> Colour:
    red, green, blue = rgb(text)
    return red / 255, green / 255, blue / 255


# -- text ------------------------------------------------------------------------------------------------------


def _caption(
    spec: CaptionSpec, size: Size, largest: float, bars: tuple[float, float], warn: Callable[[str], None]
) -> Overlay | None:
    if not spec.text.strip():
        return None
    asked = unicodedata.normalize("NFC", spec.text)
    height = max(1, min(_MOST_TEXT, round(largest * size[1])))
    align = ("left", "center", "right")[round(2 * corner(spec.place)[0])]
    # What the bars leave open, less the margin where there is room for one.
    wide, high = (
        max(n * (1 - 2 * bar) - 2 * spec.margin * size[1], n * (1 - 2 * bar) / 4)
        for n, bar in zip(size, bars, strict=True)
    )
    scale = height / (largest * size[1])  # of the pixels here to those of the frame
    used, font, text = _fitted(asked, height, spec.font, align, wide * scale, high * scale, warn)
    if used < height:
        warn(
            f"caption: it does not fit into the frame at size {largest:g} and is drawn at {largest * used / height:.2g}"
        )
    border = round(2.5 * _SHADOW * used) + 1
    letters = _letters(text, font, align, border)
    red, green, blue = _colour(spec.colour)
    pixels = np.zeros((*letters.shape, 4), np.float32)
    shade = cv2.GaussianBlur(letters, (0, 0), max(0.5, _SHADOW * used)) * 1.8
    shade = np.minimum(shade, 1.0) * spec.shadow
    pixels[..., :3] = letters[..., None] * np.array([red, green, blue], np.float32)
    pixels[..., 3] = letters + shade * (1.0 - letters)
    return Overlay(
        np.asarray(np.rint(pixels * 255), np.uint8), float(height), False, corner(spec.place), spec.margin, border
    )


def _fitted(
    asked: str, height: int, file: str | None, align: str, wide: float, high: float, warn: Callable[[str], None]
) -> tuple[int, FreeTypeFont, str]:
    """Height of a line, not above the one given, at which the wrapped text fits; its font; and the text."""
    font = font_for(asked, height, file, warn=warn)
    while True:
        text = "\n".join(_wrapped(line, font, wide) for line in asked.splitlines())
        left, top, right, bottom = _box(text, font, align)
        # Letters reach a little beyond the width that they count for.
        over = max((right - left) / (wide + 0.1 * height), (bottom - top) / (high + 0.1 * height))
        if over <= 1 or height == 1:
            return height, font, text
        # In smaller letters the lines also hold more, so that less may do than it looks like.
        height = max(1, min(height - 1, int(height / min(over, 1.1))))
        font = font.font_variant(size=height)


def _wrapped(line: str, font: FreeTypeFont, wide: float) -> str:
    """The line with breaks where it would be wider than this."""
    lines = [""]
    for word in line.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and font.getlength(longer) > wide:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def _letters(text: str, font: FreeTypeFont, align: str, border: int) -> NDArray[np.float32]:
    """Coverage of the letters, 0 to 1, with a border of nothing."""
    from PIL import Image, ImageDraw

    left, top, right, bottom = _box(text, font, align)
    image = Image.new("L", (round(right - left) + 2 * border, round(bottom - top) + 2 * border))
    ImageDraw.Draw(image).multiline_text((border - left, border - top), text, 255, font, align=align)
    return np.asarray(np.asarray(image, np.float32) / 255, np.float32)


def _box(text: str, font: FreeTypeFont, align: Any) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the letters, pixels."""
    from PIL import Image, ImageDraw

    return ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox((0, 0), text, font, align=align)


# -- watermark -------------------------------------------------------------------------------------------------


def _watermark(spec: WatermarkSpec, size: Size, largest: float) -> Overlay | None:
    if spec.file is None:
        return None
    try:
        picture = load_photo(Path(spec.file))  # a path, which is no address
    except PhotoError as error:
        raise PhotoError(f"effects.watermark.file: {error.message}", error.hint) from None
    alpha = np.full(picture.pixels.shape[:2], 255, np.uint8) if picture.alpha is None else picture.alpha
    share = alpha[..., None].astype(np.float32) / 255
    pixels = np.concatenate([picture.pixels * share, share * 255], axis=2)
    height, width = alpha.shape
    shown = max(1, round(largest * size[0]))
    if shown < width:
        # No finer than it is shown, or it would shimmer.
        small = shown, max(1, round(height * shown / width))
        pixels = np.asarray(cv2.resize(pixels, small, interpolation=cv2.INTER_AREA), np.float32)
    pixels = np.asarray(np.rint(pixels), np.uint8)
    return Overlay(pixels, float(pixels.shape[1]), True, corner(spec.place), spec.margin)
