"""Which photos show the inside of a building, as looked through by eye, and more views of them; knows no networks."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

LIST = Path(__file__).with_name("interiors.txt")
SHARES = {"room": 0.8, "near": 0.4}
"""How much of a label's order of depth is the indoor teacher's: it knows rooms seen from 1 to 10 metres."""
VIEWS = {"room": 3, "near": 1}
"""Further views of each listed photo: there are few, and the indoor teacher sees each view afresh."""
VIEW_SIDE = 352  # pixels of a view's longer side
SMALLEST = 160  # pixels of a view's shorter side: below this a photo is too small to be cut


def listed(path: Path = LIST) -> dict[str, str]:
    """Photo's name -> `room` (floor, walls or furniture fill it) or `near` (indoors, but things at hand fill it)."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, _, names = line.partition("#")[0].partition(":")
        for name in names.split():
            found[name] = kind.strip()
    return found


def view(photo: Image.Image, name: str) -> Image.Image:
    """What a camera that is turned, tilted and nearer might have seen: a random part of the photo, by the name."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    width, height = photo.size
    part = random.uniform(0.55, 0.9)
    aspect = random.choice([4 / 3, 4 / 3, 1.0, 3 / 2]) if width >= height else random.choice([3 / 4, 1.0, 4 / 3])
    h = min(height, width / aspect) * part
    h, w = max(h, min(SMALLEST, height, width / aspect)), max(h, min(SMALLEST, height, width / aspect)) * aspect
    left, top = random.uniform(0, width - w), random.uniform(0, height - h)
    middle = np.array([left + w / 2, top + h / 2])
    corners = np.array([[-w, -h], [-w, h], [w, h], [w, -h]]) / 2
    roll = np.radians(random.normal(0, 3))
    corners = corners @ np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    corners *= 1 + random.uniform(-0.06, 0.06, (4, 1))  # a little perspective
    corners = np.clip(corners + middle, 0, [width - 1, height - 1])
    if random.uniform() < 0.5:
        corners = corners[[3, 2, 1, 0]]  # its mirror image
    scale = VIEW_SIDE / max(w, h)
    size = (round(w * scale), round(h * scale))
    return photo.transform(size, Image.Transform.QUAD, corners.ravel().tolist(), Image.Resampling.BICUBIC)
