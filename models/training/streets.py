"""Ray-cast streets, parks and fields under a sky with exact depth: ground that recedes, and thin upright things.

Houses, cars, people, trees, posts, lamps, railings and fences of the solids of `rooms.py`; photos are their paint and
haze and a sun their light. Knows no labels and no networks. About half a second each.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rooms import FAR, SIZES, Solid, hit, make_scenes, save, skin, some_photos, turned

SUN_SHADE = 0.35  # light that is left in a shadow


def _box(place: tuple[float, float, float], half: tuple[float, float, float], turn: float = 0.0) -> Solid:
    return Solid("box", np.array(place), np.array(half), turn)


def _post(x: float, z: float, radius: float, height: float) -> Solid:
    return Solid("cylinder", np.array([x, height / 2, z]), np.array([radius, height / 2, radius]))


def _ball(place: tuple[float, float, float], radius: float) -> Solid:
    return Solid("sphere", np.array(place), np.full(3, radius))


def _tree(random: np.random.Generator, x: float, z: float) -> list[Solid]:
    height, crown = random.uniform(1.5, 4.5), random.uniform(0.7, 2.2)
    leaves = [
        _ball((x + dx, height + dy, z + dz), crown * random.uniform(0.4, 0.8))
        for dx, dy, dz in random.normal(0, crown * 0.5, (int(random.integers(3, 8)), 3))
    ]
    branches = [_post(x + dx, z, 0.03, height + crown) for dx in random.normal(0, crown * 0.4, random.integers(0, 4))]
    return [
        _post(x, z, random.uniform(0.06, 0.25), height + 0.3),
        *branches,
        *(leaves if random.uniform() < 0.75 else []),
    ]


def _car(random: np.random.Generator, x: float, z: float, turn: float) -> list[Solid]:
    half, cabin = (random.uniform(0.75, 0.95), 0.35, random.uniform(1.7, 2.4)), random.uniform(0.2, 0.9)
    body = _box((x, 0.6, z), half, turn)
    roof = _box((x, 0.95 + cabin / 2, z), (half[0] * 0.85, cabin / 2 + 0.05, half[2] * random.uniform(0.4, 0.9)), turn)
    wheels = []
    for sx in (-0.95, 0.95):
        for sz in (-0.65, 0.65):
            corner = turned(np.array([sx * half[0], 0, sz * half[2]]), turn)
            wheels.append(_ball((x + corner[0], 0.3, z + corner[2]), 0.3))
    return [body, roof, *wheels]


def _person(random: np.random.Generator, x: float, z: float) -> list[Solid]:
    tall = random.uniform(1.1, 1.9)
    legs = [_post(x + dx, z, 0.07, tall * 0.5) for dx in (-0.1, 0.1)]
    trunk = _box((x, tall * 0.66, z), (0.2, tall * 0.19, 0.12), random.uniform(0, 3))
    return [*legs, trunk, _ball((x, tall * 0.93, z), 0.11)]


def _fence(random: np.random.Generator, x: float, z: float, along: bool) -> list[Solid]:
    count, gap, height = int(random.integers(5, 14)), random.uniform(0.15, 1.2), random.uniform(0.7, 1.3)
    at = [(x, z + i * gap) if along else (x + i * gap, z) for i in range(count)]
    posts = [_post(px, pz, random.uniform(0.012, 0.04), height) for px, pz in at]
    half = (count - 1) * gap / 2
    middle = (x, z + half) if along else (x + half, z)
    rails = [
        _box((middle[0], y, middle[1]), (0.02, 0.025, half) if along else (half, 0.025, 0.02))
        for y in (height * 0.95, height * 0.4)
    ]
    return [*posts, *rails]


def populate(random: np.random.Generator) -> list[Solid]:
    """What stands on the ground (y = 0) before a camera near the origin that looks along +z; metres."""
    solids: list[Solid] = []
    town = random.uniform() < 0.6
    street = random.uniform(3, 9)  # half its width
    if town:
        for side in (-1, 1):
            z, setback = random.uniform(-6, 3), random.uniform(0.5, 6)
            while z < random.uniform(25, 90):
                half = (random.uniform(2, 6), random.uniform(1.5, 9), random.uniform(2, 9))
                if random.uniform() < 0.8:
                    solids.append(_box((side * (street + setback + half[0]), half[1], z + half[2]), half))
                z += 2 * half[2] + random.choice([0.0, random.uniform(0.5, 8)])
    else:
        for _ in range(random.integers(0, 5)):  # hills
            radius = random.uniform(60, 300)
            solids.append(_ball((random.uniform(-200, 200), -radius * 0.8, random.uniform(120, 500)), radius))
    for _ in range(random.integers(1, 8)):
        side, z = random.choice([-1, 1]), random.uniform(3, 45)
        solids += _tree(random, float(side * (street * random.uniform(0.7, 1.1))), z)
    for _ in range(random.integers(0, 6) if town else random.integers(0, 2)):
        turn = float(random.choice([0, 0, 0, np.pi / 2, random.uniform(0, 3)]))
        solids += _car(random, random.uniform(-0.9, 0.9) * street, random.uniform(5, 40), turn)
    for _ in range(random.integers(0, 5)):
        solids += _person(random, random.uniform(-0.9, 0.9) * street, random.uniform(2, 18))
    for _ in range(random.integers(0, 7)):  # lamp posts and signs
        x, z, height = random.uniform(-1, 1) * street, random.uniform(2, 30), random.uniform(1.5, 6)
        solids.append(_post(x, z, random.uniform(0.02, 0.07), height))
        if random.uniform() < 0.7:
            solids.append(_box((x, height, z), (random.uniform(0.1, 0.7), random.uniform(0.04, 0.4), 0.02)))
    for _ in range(random.integers(0, 3)):
        solids += _fence(random, random.uniform(-1, 1) * street, random.uniform(2, 14), random.uniform() < 0.5)
    return solids


def _near_rays(solid: Solid, origin: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Indices of the rays (P, 3) from `origin` (3,) or (P, 3) that pass the ball about a solid."""
    reach = solid.half[0] if solid.kind == "sphere" else np.linalg.norm(solid.half)
    to = solid.centre - origin
    along = (to * d).sum(-1) / (d * d).sum(-1)
    passes = ((to - along[:, None] * d) ** 2).sum(-1) < (reach * 1.01) ** 2
    return np.flatnonzero(passes & (along > -reach))


def _clouds(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Soft noise (H, W) in 0..1."""
    total = np.zeros((height, width))
    for cells in (3, 6, 12, 24):
        ys, xs = np.linspace(0, cells, height), np.linspace(0, cells, width)
        grid = random.uniform(0, 1, (cells + 2, cells + 2))
        y, x = ys.astype(int), xs.astype(int)
        fy, fx = (ys - y)[:, None], (xs - x)[None]
        top = grid[y][:, x] * (1 - fx) + grid[y][:, x + 1] * fx
        below = grid[y + 1][:, x] * (1 - fx) + grid[y + 1][:, x + 1] * fx
        total += (top * (1 - fy) + below * fy) * 3 / cells
    return total / total.max()


def _camera(random: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Place (3,) and rays (H * W, 3) of length 1 along the viewing axis."""
    eye = np.array([random.uniform(-2.5, 2.5), random.choice([random.uniform(0.5, 2.2), random.uniform(2, 6)]), 0.0])
    yaw, pitch = random.normal(0, 0.3), random.normal(-0.06, 0.1)
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    right = np.cross(forward, [0, 1, 0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    reach = np.tan(np.radians(random.uniform(35, 85)) / 2) / max(height, width) * 2
    ys, xs = np.mgrid[:height, :width]
    across, below = (xs - width / 2 + 0.5) * reach, (ys - height / 2 + 0.5) * reach
    return eye, (forward + across[..., None] * right + below[..., None] * down).reshape(-1, 3)


def render(random: np.random.Generator, photos: list[np.ndarray], scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """One scene: picture (H, W, 3) uint8 and inverse depth in 1/metres (H, W) float32; the sky is 0."""
    height, width = (side * scale for side in SIZES[random.integers(len(SIZES))])
    eye, d = _camera(random, height, width)
    solids = [s for s in populate(random) if np.linalg.norm((s.centre - eye)[[0, 2]]) > s.half[0] + 0.6]
    t = np.where(d[:, 1] < -1e-4, -eye[1] / np.minimum(d[:, 1], -1e-4), FAR)
    normal = np.tile([0.0, 1.0, 0.0], (len(d), 1))
    ground = t < FAR
    colour = np.zeros_like(d)
    flat = (eye + d * t[:, None])[ground][:, [0, 2]]
    near = np.exp(-t[ground] / 12)[:, None]  # a texture smaller than pixels shows its mean
    skins = skin(random, photos, flat)
    colour[ground] = near * skins + (1 - near) * skins.mean(0)
    if random.uniform() < 0.5:  # a road of another surface
        road = np.abs(flat[:, 0]) < random.uniform(1.5, 4)
        colour[np.flatnonzero(ground)[road]] = random.uniform(0.2, 0.6) * random.uniform(0.9, 1.1, (int(road.sum()), 1))
    for solid in solids:
        rays = _near_rays(solid, eye, d)
        t_new, n_new, uv = hit(solid, eye, d[rays])
        ahead = t_new < t[rays]
        if ahead.any():
            here = rays[ahead]
            t[here], normal[here], colour[here] = t_new[ahead], n_new[ahead], skin(random, photos, uv[ahead])
    seen = t < FAR / 2
    sun = np.array([random.normal(), random.uniform(0.3, 2), random.normal()])
    sun /= np.linalg.norm(sun)
    shade = np.clip((normal * sun).sum(-1), 0, 1)
    if random.uniform() < 0.6:
        start = eye + d * t[:, None] + normal * 5e-3
        towards = np.broadcast_to(sun, d.shape)
        for solid in solids:
            rays = _near_rays(solid, start, towards)
            rays = rays[seen[rays]]
            shaded = hit(solid, start[rays], towards[rays])[0] < FAR / 2
            shade[rays[shaded]] *= SUN_SHADE
    ambient = random.uniform(0.3, 0.8)
    picture = colour * (ambient + (1.2 - ambient) * shade)[:, None]
    zenith = random.uniform(0.3, 0.9) * np.array([random.uniform(0.5, 1), random.uniform(0.7, 1), 1.0])
    horizon = random.uniform(0.6, 1.0) * random.uniform(0.85, 1, 3)
    up = np.clip(d[:, 1] / np.linalg.norm(d, axis=-1) * 2.5, 0, 1)[:, None]
    sky = horizon + (zenith - horizon) * up
    cloud = np.clip(_clouds(random, height, width).reshape(-1, 1) * 2 - random.uniform(0.6, 1.6), 0, 1)
    sky = sky + (random.uniform(0.6, 1) - sky) * cloud
    haze = 1 - np.exp(-np.where(seen, t, 0) / random.choice([40.0, 120.0, 500.0]))[:, None]
    picture = np.where(seen[:, None], picture + (horizon - picture) * haze, sky) * random.uniform(0.9, 1.1, 3)
    picture = picture / max(np.percentile(picture, random.uniform(95, 99.8)), 1e-3)
    picture = np.clip(picture + random.normal(0, 0.01, picture.shape), 0, 1) ** (1 / random.uniform(1.4, 2.2))
    disparity = np.where(seen, 1 / np.maximum(t, 0.3), 0).astype(np.float32)
    return (picture * 255).astype(np.uint8).reshape(height, width, 3), disparity.reshape(height, width)


def _make(task: tuple[int, Path, list[Path], int]) -> None:
    number, out, pool, scale = task
    random = np.random.default_rng([1, number])
    picture, disparity = render(random, some_photos(random, pool), scale)
    save(out / f"street_{number:05d}.npz", picture, disparity)


if __name__ == "__main__":
    make_scenes("street", _make, 130)
