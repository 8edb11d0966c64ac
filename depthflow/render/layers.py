"""Cuts a photo into a front layer and the background that shows behind its edges. Numbers only, no GL.

Where depth jumps by more than a motion can hide, the front layer is cut: its near side ends in a soft edge, its far
side has a gap along the cut, and the back layer goes on behind both. The back layer's depth and colour behind the
near side are invented from the far side: the large shapes by pulling and pushing known pixels through a pyramid
(Gortler, Grzeszczuk, Szeliski, Cohen: The Lumigraph, SIGGRAPH 1996, section 3.4.2), the texture by mirroring the far
side at the cut, because smooth colour alone looks like fog. Both layers laid over each other give the photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
Mask = NDArray[np.bool_]

STRETCH = 2.0
"""A cut is made where neighbouring pixels would be pulled apart by this many pixels."""

JUMP = 7.0
"""... if all of them together open by this many pixels: less is a slope, or noise."""

_RAMP = 2
"""Widest soft ramp, in depth pixels, that counts as one jump."""
_BAND = 3
"""Depth pixels by which the front layer's near side reaches beyond the cut, under its soft edge."""
_GAP = 3
"""Further depth pixels on the far side that the back layer alone shows."""
_CLEAR = 4.0
"""Depth pixels beyond the cut where the far side's own colour begins."""
_SHARP = 0.7
"""Opacity that the soft edge gains per pixel of the photo."""
_FAR_OFF = 3.0
_OUTWARD = 1.0
"""Depth pixels by which a cut lies outside of the jump: hair and blur reach over it, and would stay behind as a rim."""
_FINE = 0.003
"""Of the longer side: what is finer counts as texture, what is coarser as shape."""
_SHAPE, _DETAIL = 0.6, 0.85
"""Shares of the mirrored far side in what is invented, of its shapes and of its texture.

Chosen on the Middlebury motorcycle (benchmarks/novel_view.py): more texture looks livelier and errs more, less of it
is fog.
"""


@dataclass(frozen=True, slots=True)
class Layers:
    """Two layers of one photo; everything is row 0 on top.

    Attributes:
        front: (H, W, 4) uint8, colour premultiplied by alpha.
        back: (H, W, 3) uint8; only where `uncovered` is set does it differ from the photo or matter.
        front_depth, back_depth: (h, w) float32 in [0, 1].
        cared: (h, w) where the front layer has anything to show; its depth elsewhere does not matter.
        uncovered: (h, w) where a moving camera may see the back layer.
        disoccluded: (h, w) where colour and depth of the back layer are invented.
    """

    front: U8
    back: U8
    front_depth: F32
    back_depth: F32
    cared: Mask
    uncovered: Mask
    disoccluded: Mask


def cut(photo: U8, depth: F32, shift: float) -> Layers | None:
    """Split a photo, or None where no motion of this size uncovers anything.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        depth: (h, w) float32 in [0, 1], 1 = nearest, h <= H.
        shift: pixels of the depth map that a unit of depth moves on screen at most.
    """
    near, far, zone = _edges(depth, shift)
    if not zone.any():
        return None
    # Ramps become steps: every pixel of a cut belongs to one of its sides.
    sides = depth > (near + far) / 2
    sharp = np.where(zone, np.where(sides, near, far), depth).astype(np.float32)
    near_edge, far_edge = zone & sides, zone & ~sides
    from_far, far_of = _nearest(far_edge)
    from_near, near_of = _nearest(near_edge)
    far_depth = _look(sharp, far_of)
    near_depth = _look(sharp, near_of)
    step = _threshold(shift)

    # Back: what the near side hides within the reach of the motion is invented from the far side.
    drop = sharp - far_depth
    hidden = (drop > step) & (from_far <= shift * drop + _BAND + 2)
    beyond = (drop > step) & ~hidden
    back_depth = _back_depth(sharp, far_depth, hidden, beyond)

    # Front: the near side reaches over the cut; beyond it is a gap, which only the back layer shows. Where the far
    # side itself hides something, the back layer is taken: there the front goes on without a gap.
    behind = (near_depth - sharp > step) & ~hidden
    over = behind & (from_near <= _BAND + _GAP / 2)
    gap = behind & (from_near <= _BAND + _GAP)
    front_depth = np.where(over, near_depth, sharp).astype(np.float32)
    # The gap's rim is half shown between its samples.
    cared = ~cv2.erode(gap.astype(np.uint8), _disc(1)).astype(bool) | (behind & (from_near <= _BAND))
    uncovered = cv2.dilate((hidden | gap).astype(np.uint8), _disc(3)).astype(bool)

    stray = behind & (from_near <= _OUTWARD + 0.5)
    back = _fill(photo, hidden | stray, beyond & (from_far < 4 * shift), far_of)
    front = _front(photo, back, depth, near, far, zone & (sides | ~hidden), gap, from_near)
    return Layers(front, back, front_depth, back_depth, cared, uncovered, hidden)


def _threshold(shift: float) -> float:
    """Smallest jump of depth that counts."""
    return JUMP / max(shift, 1e-6)


def _disc(radius: int) -> U8:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def _edges(depth: F32, shift: float) -> tuple[F32, F32, Mask]:
    """Depth of the near and the far side round each pixel, and where the two are so far apart that it tears.

    Networks draw a jump as a ramp of many pixels: its ends are carried through the ramp, so that every pixel of it
    knows both.
    """
    steep = (cv2.dilate(depth, _disc(1)) - cv2.erode(depth, _disc(1))) / 2 * shift > STRETCH
    ramp = cv2.dilate(steep.astype(np.uint8), _disc(1)).astype(bool)
    near = far = depth
    for _ in range(_RAMP):
        near = np.where(ramp, cv2.dilate(near, _disc(1)), depth).astype(np.float32)
        far = np.where(ramp, cv2.erode(far, _disc(1)), depth).astype(np.float32)
    return near, far, ramp & (near - far > _threshold(shift))


def _nearest(mask: Mask) -> tuple[F32, NDArray[np.int32]]:
    """(h, w) distance to the nearest pixel of the mask, and that pixel's flat index."""
    distance, labels = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    index = np.zeros(int(labels.max()) + 1, np.int32)
    flat = np.flatnonzero(mask)
    index[labels.ravel()[flat]] = flat
    return np.asarray(distance, np.float32), index[labels]


def _look(values: F32, index: NDArray[np.int32]) -> F32:
    return np.asarray(values.ravel()[index], np.float32)


def _back_depth(sharp: F32, far_depth: F32, hidden: Mask, near: Mask) -> F32:
    """The far side's depth carried on behind the near side, smoothed there so that rays of depth melt.

    Args:
        near: (h, w) near things beyond the reach: they lend no depth.
    """
    filled = np.where(hidden, far_depth, sharp).astype(np.float32)
    weight = (~near).astype(np.float32)
    smooth = cv2.GaussianBlur(filled * weight, (0, 0), 3.0) / np.maximum(cv2.GaussianBlur(weight, (0, 0), 3.0), 1e-6)
    return np.where(hidden, smooth, filled).astype(np.float32)


def _fill(photo: U8, hidden: Mask, ignored: Mask, far_of: NDArray[np.int32]) -> U8:
    """The photo with what is hidden invented.

    Args:
        hidden: (h, w) to invent.
        ignored: (h, w) near things that are not to be invented, but must not lend their colour either.
        far_of: (h, w) flat index of the far side's nearest pixel.
    """
    height, width = photo.shape[:2]
    h, w = hidden.shape
    size = (width, height)
    hole = cv2.resize(hidden.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
    lent = (~cv2.dilate((hidden | ignored).astype(np.uint8), _disc(2)).astype(bool)).astype(np.float32)
    if not lent.any():
        lent = np.ones_like(lent)  # near things wherever one looks: better their colour than none
    small = cv2.resize(photo, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32)
    shapes = _at(cv2.resize(_push_pull(small, lent), size, interpolation=cv2.INTER_LINEAR), hole)
    # Mirror at the nearest far pixel; a step further, so that its own soft edge is not taken.
    rows, cols = np.divmod(far_of, w)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    dy, dx = rows - y, cols - x
    further = 1 + _CLEAR / np.maximum(np.hypot(dx, dy), 1e-3)
    map_x, map_y = ((m * further + n).astype(np.float32) for m, n in ((dx, cols), (dy, rows)))
    usable = cv2.remap(lent, map_x, map_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)
    usable = _at(cv2.resize(cv2.GaussianBlur(usable, (0, 0), 2.0), size, interpolation=cv2.INTER_LINEAR), hole)
    scale = width / w
    places = [_at(cv2.resize(m * scale, size, interpolation=cv2.INTER_LINEAR), hole) for m in (map_x, map_y)]
    mirrored = _sample(photo, *places)
    smooth = _sample(cv2.GaussianBlur(photo, (0, 0), max(0.5, _FINE * max(size))), *places)
    invented = shapes + usable[:, None] * (_SHAPE * (smooth - shapes) + _DETAIL * (mirrored - smooth))
    back = photo.copy()
    back[hole] = np.clip(invented + 0.5, 0, 255).astype(np.uint8)
    return back


def _at(values: Any, mask: Mask) -> F32:
    return np.asarray(values[mask], np.float32)


def _sample(image: Any, x: F32, y: F32) -> F32:
    """(N, 3) bilinear samples of an image at N places; beyond the border it goes on mirrored."""
    # OpenCV takes no picture of more than 32767 rows or columns: the list is folded.
    folded = -(-len(x) // 4096) * 4096
    map_x, map_y = (np.pad(m, (0, folded - len(m))).reshape(-1, 4096) for m in (x, y))
    taken = cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(taken.reshape(-1, image.shape[2])[: len(x)], np.float32)


def _push_pull(image: F32, weight: F32) -> F32:
    """Fill where weight is 0 from where it is 1, coarse to fine."""
    height, width = weight.shape
    weighted = image * weight[..., None]
    if min(height, width) <= 2:
        total = max(float(weight.sum()), 1e-6)
        mean = weighted.sum((0, 1)) / total
        return np.where(weight[..., None] > 0, image, mean).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    small_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    small = cv2.resize(weighted, half, interpolation=cv2.INTER_AREA)
    small = small / np.maximum(small_weight, 1e-6)[..., None]
    coarse = _push_pull(small.astype(np.float32), np.minimum(small_weight * 2, 1).astype(np.float32))
    large = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(image * weight[..., None] + large * (1 - weight[..., None]), np.float32)


def _front(photo: U8, back: U8, depth: F32, near: F32, far: F32, zone: Mask, gap: Mask, from_near: F32) -> U8:
    """The front layer, premultiplied: soft at the cuts, and with the back layer behind it exactly the photo."""
    height, width = photo.shape[:2]
    size = (width, height)
    # Distance from the cut in depth pixels, positive on the near side: where the ramp crosses its middle.
    inside = np.where(zone, (depth - far) / np.maximum(near - far, 1e-6), np.where(gap, 0.0, 1.0)).astype(np.float32)
    slope = np.hypot(cv2.Sobel(inside, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(inside, cv2.CV_32F, 0, 1, scale=1 / 8))
    distance = np.where(zone, (inside - 0.5) / np.maximum(slope, 0.05), np.where(gap, 0.5 - from_near, _FAR_OFF))
    distance = np.clip(distance, -_FAR_OFF, _FAR_OFF).astype(np.float32)
    texels = cv2.resize(distance + _OUTWARD, size, interpolation=cv2.INTER_LINEAR) * (width / depth.shape[1])
    alpha = np.clip(texels * _SHARP + 0.5, 0.0, 1.0)
    soft = (alpha < 1) & ((alpha > 0) | (photo != back).any(axis=2))
    colour = photo[soft].astype(np.float32)
    behind = back[soft].astype(np.float32)
    # front + (1 - alpha) back = photo has a solution within 0 .. alpha 255 only above this alpha.
    with np.errstate(divide="ignore", invalid="ignore"):
        least = np.where(colour < behind, 1 - colour / behind, (colour - behind) / (255 - behind))
    alpha[soft] = np.maximum(alpha[soft], np.nan_to_num(least).max(axis=1))
    levels = np.rint(alpha * 255).astype(np.uint8)
    share = levels.astype(np.float32)[..., None] / 255
    front = np.empty((height, width, 4), np.uint8)
    solved = photo.astype(np.float32)
    solved[soft] = np.clip(colour - (1 - share[soft]) * behind, 0, 255 * share[soft])
    front[..., :3] = np.rint(solved)
    front[..., :3][levels == 0] = 0
    front[..., 3] = levels
    return front
