"""Ray-cast furnished rooms with exact depth, to teach what no teacher here knows well: close indoor scenes.

Plain geometry (boxes turned about the vertical, spheres, upright cylinders) with photos as wallpaper, so that a
picture on a wall is learnt to be flat and an edge of a table to be sharp. About a third of a second each.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SIZES = ((288, 384), (288, 384), (256, 384), (320, 320), (384, 288))  # height, width
FAR = 1e6
HELD_OUT_FROM = 90_000  # number of the first scene that is never trained on


@dataclass
class Solid:
    """A box, sphere or upright cylinder standing in the room; metres, y up."""

    kind: str
    centre: np.ndarray
    half: np.ndarray  # half sizes; sphere and cylinder: half[0] is the radius
    turn: float = 0.0  # radians about y


def turned(v: np.ndarray, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * v[..., 0] - s * v[..., 2], v[..., 1], s * v[..., 0] + c * v[..., 2]], -1)


def _slabs(o: np.ndarray, d: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave a box about the origin, each (..., 3): distances per axis."""
    inverse = 1 / np.where(np.abs(d) < 1e-6, 1e-6, d)
    a, b = (-half - o) * inverse, (half - o) * inverse
    return np.minimum(a, b), np.maximum(a, b)


def hit(solid: Solid, origin: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First hit of rays (P, 3): distance (P,), normal (P, 3) and surface coordinates (P, 2) in metres."""
    o = turned(origin - solid.centre, -solid.turn)
    d = turned(d, -solid.turn)
    o = np.broadcast_to(o, d.shape)
    if solid.kind == "box":
        near, far = _slabs(o, d, solid.half)
        axis = near.argmax(-1)
        t = near.max(-1)
        t = np.where((t < far.min(-1)) & (t > 1e-3), t, FAR)
        point = o + d * t[:, None]
        normal = np.zeros_like(d)
        rows = np.arange(len(d))
        normal[rows, axis] = -np.sign(d[rows, axis])
        u, v = np.where(axis == 0, 2, 0), np.where(axis == 1, 2, 1)
        uv = np.stack([point[rows, u], point[rows, v]], -1)
    else:
        flat = np.array([1.0, 0.0, 1.0]) if solid.kind == "cylinder" else np.ones(3)
        od, dd, radius = o * flat, d * flat, solid.half[0]
        a, b, c = (dd * dd).sum(-1) + 1e-9, (od * dd).sum(-1), (od * od).sum(-1) - radius**2
        root = b * b - a * c
        t = (-b - np.sqrt(np.maximum(root, 0))) / a
        point = o + d * t[:, None]
        good = (root > 0) & (t > 1e-3)
        normal = point * flat / radius
        if solid.kind == "cylinder":
            good &= np.abs(point[:, 1]) <= solid.half[1]
            lid = np.sign(o[:, 1]) * solid.half[1]  # the end that the camera may look at
            t_lid = (lid - o[:, 1]) / np.where(np.abs(d[:, 1]) < 1e-6, 1e-6, d[:, 1])
            on_lid = ((o + d * t_lid[:, None])[:, [0, 2]] ** 2).sum(-1) < radius**2
            on_lid &= (t_lid > 1e-3) & (~good | (t_lid < t))
            t = np.where(on_lid, t_lid, t)
            normal = np.where(on_lid[:, None], np.sign(lid)[:, None] * np.array([0.0, 1.0, 0.0]), normal)
            good |= on_lid
        t = np.where(good, t, FAR)
        uv = np.stack([np.arctan2(normal[:, 2], normal[:, 0]) * radius, point[:, 1]], -1)
    return t, turned(normal, solid.turn), uv


def furnish(random: np.random.Generator, room: np.ndarray) -> list[Solid]:
    """Tables, shelves, sofas, pictures and small things for a room of half sizes `room`, floor at -room[1]."""
    solids: list[Solid] = []
    floor = -room[1]

    def box(x: float, y: float, z: float, hx: float, hy: float, hz: float, turn: float = 0.0) -> None:
        solids.append(Solid("box", np.array([x, y, z]), np.array([hx, hy, hz]), turn))

    def things(x: float, y: float, z: float, reach: float, count: int, scale: float) -> None:
        for _ in range(count):
            kind = random.choice(["box", "box", "cylinder", "sphere"])
            half = scale * random.uniform(0.3, 1.0, 3)
            half[1] = half[0] if kind == "sphere" else half[1] * 1.5
            dx, dz = random.uniform(-reach, reach, 2)
            place = np.array([x + dx, y + half[1], z + dz])
            solids.append(Solid(str(kind), place, half, random.uniform(0, 3)))

    for _ in range(random.integers(1, 4)):  # tables
        x, z = random.uniform(-0.75, 0.75, 2) * room[[0, 2]]
        hx, hz, height = random.uniform(0.3, 0.9), random.uniform(0.3, 0.6), random.uniform(0.4, 0.9)
        turn = float(random.choice([0, np.pi / 2, random.uniform(0, 3)]))
        box(x, floor + height, z, hx, 0.025, hz, turn)
        for sx in (-0.9, 0.9):
            for sz in (-0.9, 0.9):
                corner = turned(np.array([sx * hx, 0, sz * hz]), turn)
                box(x + corner[0], floor + height / 2, z + corner[2], 0.03, height / 2, 0.03, turn)
        things(x, floor + height + 0.025, z, min(hx, hz) * 0.8, int(random.integers(0, 6)), 0.14)
    for _ in range(random.integers(1, 5)):  # cupboards, beds, sofas along the walls
        side = random.integers(4)
        along = random.uniform(-0.8, 0.8)
        hx, hy, hz = random.uniform(0.3, 1.0), random.uniform(0.2, 1.1), random.uniform(0.2, 0.5)
        turn = (side % 2) * np.pi / 2
        if side % 2:
            x, z = np.sign(side - 2) * (room[0] - hz), along * room[2]
        else:
            x, z = along * room[0], np.sign(side - 1) * (room[2] - hz)
        box(x, floor + hy, z, hx, hy, hz, turn)
        if hy < 0.45:  # a back makes it a sofa or a bed
            back = turned(np.array([0.0, 0, hz * 0.8]), turn)
            box(x + back[0], floor + hy * 2 + 0.2, z + back[2], hx, 0.25, 0.08, turn)
    for _ in range(random.integers(1, 7)):  # pictures, doors, windows: thin on a wall
        side = random.integers(4)
        hx, hy = random.uniform(0.2, 0.8), random.uniform(0.2, 1.0)
        y, along = random.uniform(-0.3, 0.6) * room[1], random.uniform(-0.8, 0.8)
        if side % 2:
            box(np.sign(side - 2) * room[0], y, along * room[2], 0.03, hy, hx)
        else:
            box(along * room[0], y, np.sign(side - 1) * room[2], hx, hy, 0.03)
    things(0, floor, 0, float(room[[0, 2]].min()) * 0.8, int(random.integers(0, 7)), 0.35)
    return solids


def skin(random: np.random.Generator, photos: list[np.ndarray], uv: np.ndarray) -> np.ndarray:
    """Colour (P, 3) in 0..1 for surface coordinates: plain paint, stripes, or a photo repeated."""
    paint = random.uniform(0.15, 0.95) * (1 - random.uniform(0, 0.5) * random.uniform(0, 1, 3))
    choice = random.uniform()
    if choice < 0.35 or not photos:
        return np.broadcast_to(paint, (len(uv), 3))
    if choice < 0.45:
        wave = np.sin(uv @ random.normal(0, 30, 2)) > random.uniform(-0.5, 0.5)
        return paint * np.where(wave, 1.0, random.uniform(0.4, 0.9))[:, None]
    photo = photos[random.integers(len(photos))]
    where = np.clip(uv, -100, 100) * random.uniform(60, 500)
    height, width = photo.shape[:2]
    found = photo[where[:, 1].astype(int) % height, where[:, 0].astype(int) % width].astype(np.float64) / 255
    strength = random.uniform(0.2, 1.0)
    return strength * found + (1 - strength) * paint


def render(random: np.random.Generator, photos: list[np.ndarray], scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """One room: picture (H, W, 3) uint8 and inverse depth in 1/metres (H, W) float32."""
    height, width = (side * scale for side in SIZES[random.integers(len(SIZES))])
    room = np.array([random.uniform(1.2, 4), random.uniform(1.15, 1.7), random.uniform(1.2, 4)])
    solids = furnish(random, room)
    eye = np.array([*(random.uniform(-0.85, 0.85, 3) * room)])
    eye[1] = np.clip(random.uniform(0.4, 1.9) - room[1], -room[1] + 0.2, room[1] - 0.2)
    aim = solids[random.integers(len(solids))].centre if random.uniform() < 0.7 else random.uniform(-0.6, 0.6, 3) * room
    for solid in solids:  # keep a distance from what we stand in
        if np.linalg.norm((solid.centre - eye)[[0, 2]]) < np.linalg.norm(solid.half[[0, 2]]) + 0.1:
            solid.centre = solid.centre + np.array([0.0, -50.0, 0.0])
    forward = (aim - eye) / max(np.linalg.norm(aim - eye), 1e-6)
    forward[1] = np.clip(forward[1], -0.75, 0.35)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 1, 0])
    right /= max(np.linalg.norm(right), 1e-6)
    down = np.cross(forward, right)
    reach = np.tan(np.radians(random.uniform(45, 80)) / 2) / max(height, width) * 2
    ys, xs = np.mgrid[:height, :width]
    across, below = (xs - width / 2 + 0.5) * reach, (ys - height / 2 + 0.5) * reach
    d = (forward + across[..., None] * right + below[..., None] * down).reshape(-1, 3)

    _, leave = _slabs(np.broadcast_to(eye, d.shape), d, room)
    t, axis = leave.min(-1), leave.argmin(-1)
    rows = np.arange(len(d))
    normal = np.zeros_like(d)
    normal[rows, axis] = -np.sign(d[rows, axis])
    point = eye + d * t[:, None]
    uv = np.stack([point[rows, np.where(axis == 0, 2, 0)], point[rows, np.where(axis == 1, 2, 1)]], -1)
    face = axis * 2 + (d[rows, axis] > 0)
    colour = np.zeros_like(d)
    wall_paint = random.integers(1 << 30)
    for which in range(6):
        seed = wall_paint if axis_is_wall(which) and random.uniform() < 0.8 else random.integers(1 << 30)
        here = face == which
        colour[here] = skin(np.random.default_rng(seed), photos, uv[here])
    for solid in solids:
        t_new, n_new, uv_new = hit(solid, eye, d)
        here = t_new < t
        if here.any():
            t = np.where(here, t_new, t)
            normal[here] = n_new[here]
            colour[here] = skin(random, photos, uv_new[here])
    point = eye + d * t[:, None]
    light = np.full(len(d), random.uniform(0.25, 0.6))
    for _ in range(random.integers(1, 3)):
        lamp = random.uniform(-0.8, 0.8, 3) * room
        lamp[1] = room[1] * random.uniform(0.3, 0.95)
        ray = lamp - point
        far = np.linalg.norm(ray, axis=-1)
        ray /= far[:, None]
        shade = np.clip((normal * ray).sum(-1), 0, 1) / (0.6 + 0.25 * far**2)
        if random.uniform() < 0.7:
            start = point + normal * 2e-3
            for solid in solids:
                # `hit` turns rays about one origin; a different origin for each ray is the same arithmetic.
                shade[hit(solid, start, ray)[0] < far] *= 0.15
        light += random.uniform(0.7, 1.6) * shade
    picture = colour * light[:, None] * random.uniform(0.85, 1.15, 3)
    picture = picture / max(np.percentile(picture, random.uniform(93, 99.5)), 1e-3)
    picture = np.clip(picture + random.normal(0, 0.01, picture.shape), 0, 1) ** (1 / 2.0)
    # Rays have length 1 along the viewing axis, so t is depth, not distance.
    disparity = (1 / np.maximum(t, 0.05)).astype(np.float32).reshape(height, width)
    return (picture * 255).astype(np.uint8).reshape(height, width, 3), disparity


def axis_is_wall(face: int) -> bool:
    """Faces 2 and 3 are floor and ceiling; walls mostly share one paint."""
    return face not in (2, 3)


def some_photos(random: np.random.Generator, pool: list[Path], count: int = 8) -> list[np.ndarray]:
    """Pictures (H, W, 3) uint8 of the labelled photos at `pool`, to paint scenes with."""
    photos = []
    for _ in range(count):
        with np.load(pool[random.integers(len(pool))]) as item:
            photos.append(item["image"])
    return photos


def save(path: Path, picture: np.ndarray, disparity: np.ndarray) -> None:
    """One scene in the form of a labelled photo: disparity with median 0 and mean absolute deviation 1."""
    centred = disparity - np.median(disparity)
    disparity = np.clip(centred / max(float(np.abs(centred).mean()), 1e-6), -6, 6)
    temporary = path.with_name(f".{path.name}")
    np.savez(temporary, image=picture, disparity=disparity.astype(np.float16), share=np.float32(0))
    temporary.replace(path)


def _make(task: tuple[int, Path, list[Path], int]) -> None:
    number, out, pool, scale = task
    random = np.random.default_rng(number)
    picture, disparity = render(random, some_photos(random, pool), scale)
    save(out / f"room_{number:05d}.npz", picture, disparity)


def make_scenes(kind: str, make: Callable[[tuple[int, Path, list[Path], int]], None], count: int) -> None:
    """The command line of both kinds of scenes: `count` of them in <cache>/<kind>s, or held-out ones beside."""
    parser = argparse.ArgumentParser(description=f"Ray-cast {kind}s with exact depth.")
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "training")
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--held-out", action="store_true", help="others, twice as large, to validate with")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    out = options.cache / ("held_out" if options.held_out else f"{kind}s")
    out.mkdir(parents=True, exist_ok=True)
    pool = sorted((options.cache / "labels").glob("*.npz"))
    first, scale = (HELD_OUT_FROM, 2) if options.held_out else (0, 1)
    numbers = range(first, first + options.count)
    tasks = [(n, out, pool, scale) for n in numbers if not (out / f"{kind}_{n:05d}.npz").exists()]
    with mp.get_context("spawn").Pool(options.workers) as workers:
        for done, _ in enumerate(workers.imap_unordered(make, tasks), 1):
            if done % 100 == 0:
                print(f"{done} {kind}s", flush=True)


if __name__ == "__main__":
    make_scenes("room", _make, 240)
