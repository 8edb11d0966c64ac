"""Particles in the air of the scene: where each is at a time, and what a camera sees of it. Pure numbers, no drawing.

A particle has a home in the room before the camera: a place in the photo and a depth, like a pixel of the photo, so
that the camera's matrix moves it as it moves the photo. It falls a whole number of rooms and sways a whole number of
times in a pass, so that the end of the pass meets its beginning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthflow.scene.camera import Camera, clip_depth, magnification, matrix, unprojection_scale

Array = NDArray[np.float64]

ROOM = 1.3
"""The room is this much wider and higher than the frame at rest, so that none comes or goes in sight."""

_CLOSE = 0.12, 0.3
"""Distances to the camera between which particles appear: what is closer would fill the frame."""

_LEAST = 0.6
"""Smallest radius in pixels; what is smaller gets paler instead, so that it does not flicker."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of particles looks and moves.

    Attributes:
        most: how many there are at amount 1.
        depths: range of depth, 0 far, 1 near; they may be nearer than the nearest thing.
        radius: smallest and largest at distance 1, frame heights.
        rarity: how rare the large ones are; 0 spreads them evenly.
        fall: room heights a second, slowest and fastest.
        sway: how far to the sides and up and down, frame heights; sways a second.
        streak: length as part of a second's fall; 0 is round.
        slant: to the right for each length fallen.
        colour: 0 to 1. opacity: of the brightest.
        covers: how far it hides what is behind; 0 only adds light.
        glow: how far the light falls off from the middle; 0 is an even disc.
        twinkle: times a second; 0 shines evenly.
    """

    most: int
    depths: tuple[float, float]
    radius: tuple[float, float]
    rarity: float
    fall: tuple[float, float]
    sway: tuple[float, float, float]
    colour: tuple[float, float, float]
    opacity: float
    covers: float
    streak: float = 0.0
    slant: float = 0.0
    glow: float = 0.0
    twinkle: float = 0.0


KINDS: dict[str, Kind] = {
    "dust": Kind(
        most=1400, depths=(0.0, 1.5), radius=(0.0009, 0.009), rarity=4.0, fall=(0.0, 0.0), sway=(0.05, 0.04, 0.12),
        colour=(1.0, 0.93, 0.8), opacity=0.6, covers=0.1, glow=0.8, twinkle=0.25,
    ),
    "snow": Kind(
        most=2400, depths=(-0.1, 1.6), radius=(0.0011, 0.0034), rarity=1.2, fall=(0.06, 0.14), sway=(0.03, 0.0, 0.25),
        colour=(0.97, 0.98, 1.0), opacity=0.85, covers=0.9, glow=0.45,
    ),
    "rain": Kind(
        most=2600, depths=(-0.1, 1.6), radius=(0.0005, 0.0009), rarity=0.5, fall=(1.1, 1.6), sway=(0.0, 0.0, 0.0),
        colour=(0.82, 0.87, 0.95), opacity=0.26, covers=0.35, streak=0.035, slant=0.12, glow=0.3,
    ),
    "fireflies": Kind(
        most=260, depths=(0.0, 1.3), radius=(0.006, 0.02), rarity=1.5, fall=(0.0, 0.0), sway=(0.12, 0.08, 0.1),
        colour=(0.95, 1.0, 0.42), opacity=0.95, covers=0.0, glow=3.0, twinkle=0.4,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Swarm:
    """All particles of a clip at home; made once.

    Attributes:
        kind: how they look and move.
        place: (N, 2) within -1 .. 1 of the room, right and down.
        depth: (N,) 0 far, 1 near.
        radius: (N,) at distance 1, frame heights.
        falls: (N,) whole rooms a pass.
        sways: (N, 2) whole sways a pass, to the sides and up and down; phases: (N, 3) of them and of the twinkling.
        twinkles: (N,) whole times a pass.
        seconds: of a pass.
    """

    kind: Kind
    place: Array
    depth: Array
    radius: Array
    falls: Array
    sways: Array
    phases: Array
    twinkles: Array
    seconds: float


def swarm(kind: Kind, seed: int, seconds: float, speed: float = 1.0) -> Swarm:
    """All particles of a kind; the same seed gives the same ones.

    Args:
        seconds: length of a pass.
        speed: 1 as usual.
    """
    count = kind.most
    random = np.random.default_rng((seed, count))
    depth = random.uniform(*kind.depths, count)
    low, high = kind.radius
    radius = low + (high - low) * random.random(count) ** (1.0 + kind.rarity)
    rate = speed * seconds
    fall = np.round(random.uniform(*kind.fall, count) * rate)
    if max(kind.fall) * speed > 0:
        fall = np.maximum(fall, 1.0)
    sways = np.round(kind.sway[2] * rate * random.uniform(0.6, 1.6, (count, 2)))
    if speed > 0:
        sways = np.maximum(sways, 1.0)
    twinkles = np.maximum(np.round(kind.twinkle * rate * random.uniform(0.6, 1.6, count)), 1.0 if speed > 0 else 0.0)
    place = random.uniform(-1.0, 1.0, (count, 2))
    return Swarm(kind, place, depth, radius, fall, sways, random.random((count, 3)), twinkles, seconds)


@dataclass(frozen=True, slots=True)
class Seen:
    """Particles as a camera sees them, one row each.

    Attributes:
        centre: (N, 2) -1 .. 1 across and down the frame.
        along, across: (N, 2) half axes of each in the same unit.
        depth: (N,) on screen, -1 .. 1.
        opacity: (N,) 0 .. 1.
        glow: (N,) how far its light falls off from the middle.
    """

    centre: Array
    along: Array
    across: Array
    depth: Array
    opacity: Array
    glow: Array


def seen(
    them: Swarm,
    phase: float,
    camera: Camera,
    frame: tuple[float, float],
    *,
    height: float,
    room: float = 1.0,
    amount: float = 1.0,
    size: float = 1.0,
    opacity: float = 1.0,
    blur: tuple[float, float] = (0.0, 1.0),
) -> Seen:
    """What a camera sees of the particles at a time.

    Args:
        phase: time within the pass; 1 is the same as 0.
        frame: half width and half height of the frame at rest, halves of the photo's longer side.
        height: of the frame in pixels.
        room: how much more than at rest the clip's cameras see.
        amount: the first of them, as a part of all; the last one fades.
        size, opacity: factors.
        blur: radius in frame heights per difference of inverse distance, and the inverse distance in focus.
    """
    kind = them.kind
    count = min(len(them.depth), math.ceil(amount * len(them.depth)))
    few = slice(0, count)
    bright = np.clip(amount * len(them.depth) - np.arange(count), 0.0, 1.0)
    half = np.asarray(frame) * ROOM * room
    unit = 2.0 * frame[1]  # a frame height in halves of the photo's longer side
    angles = math.tau * (them.phases[few] + phase * np.column_stack([them.sways[few], them.twinkles[few]]))
    fallen = (them.place[few, 1] + 1.0) / 2 + them.falls[few] * phase
    down = (fallen - np.floor(fallen)) * 2.0 - 1.0
    sway = np.sin(angles[:, :2]) * np.array(kind.sway[:2]) * unit
    # What is slanted comes in further left the higher it is; the room's sides meet.
    right = (them.place[few, 0] * half[0] + kind.slant * down * half[1]) / half[0]
    x = ((right + 1.0) % 2.0 - 1.0) * half[0] + sway[:, 0]
    y = -down * half[1] + sway[:, 1]
    # A streak is what the particle passes in a part of a second; all of it keeps the particle's depth.
    speed = them.falls[few] / them.seconds * 2 * half[1]
    tail = np.column_stack([-kind.slant * speed, speed]) * kind.streak
    heads, distance, depth = _projected(camera, np.column_stack([x, y]), them.depth[few], frame)
    tails = _projected(camera, np.column_stack([x, y]) + tail, them.depth[few], frame)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1.0 / distance
    scale = magnification(camera) * inverse
    sharp = them.radius[few] * size * scale
    wide = np.hypot(sharp, blur[0] * (inverse - blur[1]))
    wide = np.maximum(wide, _LEAST / height)
    # Light is spread, not made: a wider particle is paler.
    pale = np.where(kind.streak > 0, sharp / wide, (sharp / wide) ** 2)
    shine = 1.0 if not kind.twinkle else 0.55 + 0.45 * np.sin(angles[:, 2])
    appear = np.clip((distance - _CLOSE[0]) / (_CLOSE[1] - _CLOSE[0]), 0.0, 1.0)
    alpha = bright * kind.opacity * opacity * pale * shine * appear
    along, across = _axes(heads, tails, wide, frame)
    kept = (appear > 0) & (alpha > 1e-3) & np.isfinite(heads).all(1) & np.isfinite(tails).all(1)
    # What is out of focus is an even disc.
    glow = kind.glow * (np.minimum(sharp / wide, 1.0)) ** 2
    parts = ((heads + tails) / 2, along, across, depth, alpha, glow)
    return Seen(*(part[kept] for part in parts))


def _projected(camera: Camera, places: Array, depths: Array, frame: tuple[float, float]) -> tuple[Array, Array, Array]:
    """Place on screen (N, 2) across and down, distance (N,) before the camera, depth (N,) on screen."""
    q = np.maximum(1.0 + camera.relief * depths, 0.05)
    c0, c1 = unprojection_scale(camera)
    rays = places * camera.ray_scale * (c0 + c1 * q)[:, None]
    clip = np.column_stack([rays, np.ones_like(q), q]) @ matrix(camera).T
    behind = clip[:, 3] <= 1e-6
    w = np.where(behind, 1.0, clip[:, 3])
    a, b, c, e = clip_depth(camera)
    depth = clip[:, 2] / w
    distance = (depth * e - b) / (a - depth * c)
    distance[behind] = -1.0
    return clip[:, :2] / w[:, None] / np.asarray(frame) * np.array([1.0, -1.0]), distance, depth


def _axes(heads: Array, tails: Array, radius: Array, frame: tuple[float, float]) -> tuple[Array, Array]:
    """Half axes (N, 2) of the rectangles that hold the particles with their tails."""
    aspect = frame[0] / frame[1]
    to_heights = np.array([aspect / 2, 0.5])
    line = (heads - tails) / 2 * to_heights
    length = np.hypot(*line.T)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        direction = np.where(length > 1e-9, line / length, np.array([0.0, 1.0]))
    along = direction * (length + radius[:, None])
    across = np.column_stack([-direction[:, 1], direction[:, 0]]) * radius[:, None]
    return along / to_heights, across / to_heights
