"""Cuts a photo into layers: what is near, and the backgrounds that show behind its edges. Numbers only, no GL.

Where depth jumps by more than a motion can hide, the picture is cut: its near side ends in a soft edge, its far side
has a gap along the cut, and another layer goes on behind both, with depth and colour invented there from the far
side. With three layers that one is cut again: behind a hand before a body there is more of the body, and behind that
body's edge there is the wall. All layers laid over each other give the photo.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthflow.opencv import cv2
from depthflow.render import halo
from depthflow.render.fill import F32, U8, Fill, Hole, Mask, filled, named

MOST = 3
"""Layers that a photo is cut into at most."""

STRETCH = 2.0
"""A cut is made where neighbouring pixels would be pulled apart by this many pixels."""

JUMP = 5.0
"""... if all of them together open by this many pixels: less is a slope, or noise."""

_SURE = 6.0
"""... and by this many somewhere along it: so that a cut goes on to where it closes, and none is a few pixels long."""

_OPENS = 0.5, 1.0
"""Where neighbouring pixels are pulled apart by less than this many pixels no rim shows, by more than that it does."""
_RAMP = 2
"""Widest soft ramp, in depth pixels, that counts as one jump."""
_BAND = 3
"""Depth pixels by which the near side reaches beyond the cut, under its soft edge and with its halo."""
_GAP = 5
"""Further depth pixels on the far side that the layer behind alone shows: room for a mesh to step over the cut."""
_DEEPER = 0.8, 0.6, 0.4, 0.2
"""Deepest shares of the far sides: where the nearest of all uncovers nothing, the nearest of each share is tried."""
_SHARP = 0.7
"""Opacity that the soft edge gains per pixel of the photo."""
_FAR_OFF = 3.0
"""Largest distance from a cut that is told apart, depth pixels: there the front is opaque."""
_MELT = 3.0, 8.0
"""Sigma of the blur that melts invented depth, next to the far side that lends it and away from it, depth pixels."""
_CALM = 1.5
"""... and of what takes the last steps from it: at the cut each would take a row of small triangles."""
_UNDER = 1
"""Depth pixels round what is uncovered at which the front still has something drawn behind it."""
_SEEN_TO = 8.0
"""Depth pixels round what is uncovered that a layer behind is drawn, ..."""
_DEEPER_BY = 0.1, 0.5
"""... and depth by which it may be deeper than the far side, under which one sees farther then: with two layers, and
with more, which jump more."""
_OUTWARD = 1.0
"""Depth pixels by which a cut lies outside of the jump: hair and blur reach over it, and would stay behind as a rim."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One sheet of a photo; row 0 on top.

    Attributes:
        colour: (H, W, 4) uint8 sRGB, premultiplied by alpha.
        depth: (h, w) float32 in [0, 1].
        shown: (h, w) where it may be seen by a moving camera; what it holds elsewhere does not matter. None is all.
    """

    colour: U8
    depth: F32
    shown: Mask | None = None


@dataclass(frozen=True, slots=True)
class Layers:
    """A photo in layers.

    Attributes:
        sheets: from the farthest to the nearest.
        disoccluded: (h, w) where a layer behind the first has invented colour and depth.
    """

    sheets: tuple[Layer, ...]
    disoccluded: Mask


@dataclass(frozen=True, slots=True)
class Form:
    """A layer without its colours; see `Layer`."""

    depth: F32
    shown: Mask | None = None


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where a photo is cut: the forms of its layers, and all that their colours take besides the photo.

    Attributes:
        forms: from the farthest to the nearest.
        disoccluded: see `Layers`.
        holes: of each cut, the nearest first: what is invented behind it, its rim, and the distance from it.
    """

    forms: tuple[Form, ...]
    disoccluded: Mask
    holes: tuple[tuple[Hole, halo.Rim, F32], ...]

    def colours(self, photo: U8, fill: Fill | None = None) -> Iterator[U8]:
        """The layers' colours, from the farthest to the nearest: (H, W, 4) uint8 sRGB, premultiplied.

        Args:
            photo: (H, W, 3) uint8 sRGB, as wide as the cuts were made for.
            fill: what invents colours; the classical one if None.
        """
        pictures = [photo]
        for hole, rim, _ in self.holes:
            hole = halo.with_halo(hole, rim, pictures[-1])
            pictures.append(filled(pictures[-1], hole, fill or named("classic")))
        yield np.asarray(cv2.cvtColor(pictures[-1], cv2.COLOR_RGB2RGBA), np.uint8)
        for (_, _, distance), behind in zip(reversed(self.holes), reversed(pictures[1:]), strict=True):
            pictures.pop()
            yield _front(pictures[-1], behind, distance)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """One cut: the front, and the depth that goes on behind it where `drawn`, below the ceiling.

    Nothing but what is `hidden` behind the front or lies in its `gap` is ever seen of it.
    """

    front: Form
    hole: Hole
    rim: halo.Rim
    distance: F32
    back_depth: F32
    ceiling: F32
    uncovered: Mask
    drawn: Mask
    hidden: Mask
    gap: Mask


def peel(photo: U8, depth: F32, shift: float, *, count: int = 2, fill: Fill | None = None) -> Layers:
    """A photo in at most `count` layers; fewer where no motion of this size uncovers anything.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        depth: (h, w) float32 in [0, 1], 1 = nearest, h <= H.
        shift: pixels of the depth map that a unit of depth moves on screen at most.
        fill: what invents colours; the classical one if None.
    """
    cuts = cut(depth, shift, width=photo.shape[1], count=count)
    colours = cuts.colours(photo, fill)
    sheets = (Layer(colour, form.depth, form.shown) for colour, form in zip(colours, cuts.forms, strict=True))
    return Layers(tuple(sheets), cuts.disoccluded)


def cut(depth: F32, shift: float, *, width: int, count: int = 2) -> Cuts:
    """Where `peel` cuts a photo; its colours do not matter for that.

    Args:
        depth, shift, count: as of `peel`.
        width: of the photo, pixels.
    """
    forms: list[Form] = []
    holes = []
    seen = drawn = ceiling = pieces = None
    disoccluded = np.zeros(depth.shape, bool)
    for more in range(count - 1, 0, -1):
        deeper = _cut(depth, shift, width, seen=seen, drawn=drawn, ceiling=ceiling, again=more > 1)
        if deeper is None:
            break
        pieces = deeper
        forms.append(pieces.front)
        holes.append((pieces.hole, pieces.rim, pieces.distance))
        depth, ceiling = pieces.back_depth, pieces.ceiling
        seen, drawn = pieces.uncovered, pieces.drawn
        disoccluded |= pieces.hidden
    forms.append(Form(_grown(depth, shift) if pieces is None else _carried_on(pieces), drawn))
    return Cuts(tuple(reversed(forms)), disoccluded, tuple(holes))


def _cut(
    depth: F32,
    shift: float,
    width: int,
    *,
    seen: Mask | None,
    drawn: Mask | None,
    ceiling: F32 | None,
    again: bool,
) -> _Pieces | None:
    """Split a picture of this width in two, or None where nothing opens.

    Args:
        seen: (h, w) where the picture can be seen at all: nothing else is cut.
        drawn: (h, w) where it is drawn.
        ceiling: (h, w) depth that the layer before leaves room for.
        again: the back will be cut too, so its own jumps have to stay jumps.
    """
    near, far, zone = _edges(depth, shift)
    if seen is not None:
        zone &= seen
    if not zone.any():
        return None
    # Ramps become steps: every pixel of a cut belongs to one of its sides.
    sides = depth > (near + far) / 2
    sharp = np.where(zone, np.where(sides, near, far), _grown(depth, shift)).astype(np.float32)
    (from_far, far_of), (from_near, near_of) = _far_and_near(sharp, zone & ~sides, zone & sides, shift)
    far_depth = _look(sharp, far_of)
    near_depth = _look(sharp, near_of)
    step = _threshold(shift)

    # Back: what the near side hides within the reach of the motion is invented from the far side.
    drop = sharp - far_depth
    hidden = _uncovers(drop, from_far, shift)
    behind = near_depth - sharp > step
    # A far side that is itself a near one: the back has room for one of the two cuts beside the other, the larger one;
    # or for the nearer, if the next cut parts the other.
    both = hidden & behind & (from_near <= _BAND + _GAP)
    kept = both if again else both & (near_depth - sharp > drop)
    hidden &= ~kept
    if seen is not None:
        hidden &= seen
    beyond = (drop > step) & ~hidden & ~kept
    pool = ThreadPoolExecutor(1, thread_name_prefix="depthflow-cut")
    carrying = pool.submit(_back_depth, sharp, far_depth, from_far, hidden, beyond, step if again else None)

    # Front: the near side reaches over the cut; beyond it is a gap, which only the back shows. Where the far side
    # itself hides something, the back has no room for it: there the front goes on without a gap.
    behind &= ~hidden
    over = behind & (from_near <= _BAND + _GAP / 2)
    gap = behind & (from_near <= _BAND + _GAP)
    front_depth = np.where(over, near_depth, sharp).astype(np.float32)
    if ceiling is not None:
        front_depth = np.minimum(front_depth, ceiling)
    # At rest nothing stands before what hides it; meshes err, so what is half or wholly hidden keeps away.
    uncovered = _dilated(hidden | gap, _UNDER)
    if seen is not None:
        uncovered &= seen
    distance = _distance(depth, near, far, zone & (sides | ~hidden), gap, from_near)
    distance[~uncovered] = _FAR_OFF  # nothing is drawn behind, so nothing is soft
    half = (distance < _FAR_OFF) & (over | ~gap)
    ceiling = front_depth - step * np.where(hidden, 0.5, np.where(half, 0.25, 0.0)).astype(np.float32)
    with pool:
        back_depth = np.minimum(carrying.result(), ceiling)
    # The gap's rim is half shown between its samples.
    shown = ~_eroded(gap, 1) | (behind & (from_near <= _BAND))
    drawn_behind = _around(uncovered, _SEEN_TO + _DEEPER_BY[again or seen is not None] * shift)
    if drawn is not None:
        shown &= drawn
        drawn_behind &= drawn

    stray = behind & (from_near <= _OUTWARD + 0.5)
    strange = beyond & (from_far < 4 * shift)
    itself = np.arange(depth.size, dtype=np.int32).reshape(depth.shape)
    hole = Hole(hidden | stray, strange, back_depth, np.where(hidden, far_of, itself))
    front = Form(front_depth, shown)
    rim = halo.rim(behind & (from_near <= _BAND), near_of)
    return _Pieces(front, hole, rim, distance, back_depth, ceiling, uncovered, drawn_behind, hidden, gap)


def _threshold(shift: float, opens: float = JUMP) -> float:
    """Smallest jump of depth that opens by so many pixels."""
    return opens / max(shift, 1e-6)


def _disc(radius: int) -> U8:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def _dilated(mask: Mask, radius: int) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), _disc(radius)).astype(bool)


def _around(mask: Mask, radius: float) -> Mask:
    """The mask and what is no farther from it than this; wide ones take no longer than narrow ones."""
    return np.asarray(cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5) <= radius)


def _eroded(mask: Mask, radius: int) -> Mask:
    return cv2.erode(mask.astype(np.uint8), _disc(radius)).astype(bool)


def _edges(depth: F32, shift: float) -> tuple[F32, F32, Mask]:
    """Depth of the near and the far side round each pixel, and where the two are so far apart that it tears.

    Networks draw a jump as a ramp of many pixels: its ends are carried through the ramp, so that every pixel of it
    knows both. Of what tears by JUMP all that is connected is cut, or nothing (hysteresis; Canny: A computational
    approach to edge detection, PAMI 1986).
    """
    steep = (cv2.dilate(depth, _disc(1)) - cv2.erode(depth, _disc(1))) / 2 * shift > STRETCH
    ramp = cv2.dilate(steep.astype(np.uint8), _disc(1)).astype(bool)
    near = far = depth
    for _ in range(_RAMP):
        near = np.where(ramp, cv2.dilate(near, _disc(1)), depth).astype(np.float32)
        far = np.where(ramp, cv2.erode(far, _disc(1)), depth).astype(np.float32)
    torn = ramp & (near - far > _threshold(shift))
    count, pieces = cv2.connectedComponents(torn.view(np.uint8), connectivity=8)
    cut = np.zeros(count, bool)
    cut[pieces[torn & (near - far > _threshold(shift, _SURE))]] = True
    return near, far, cut[pieces]


def _grown(depth: F32, shift: float) -> F32:
    """The depth map with all that is near larger by a pixel, where what is behind it is stretched to its edge.

    Colours change within a pixel or two: of what is stretched, the rim of the near side would be drawn out to a comb.
    """
    near = cv2.dilate(depth, _disc(1))
    low, high = _OPENS
    share = np.clip(((near - depth) * shift - low) / (high - low), 0.0, 1.0)
    return np.asarray(depth + (near - depth) * share, np.float32)


def _nearest(mask: Mask) -> tuple[F32, NDArray[np.int32]]:
    """(h, w) distance to the nearest pixel of the mask, and that pixel's flat index."""
    distance, labels = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    index = np.zeros(int(labels.max()) + 1, np.int32)
    flat = np.flatnonzero(mask)
    index[labels.ravel()[flat]] = flat
    return np.asarray(distance, np.float32), index.take(np.asarray(labels, np.int32))


def _uncovers(drop: F32, from_far: F32, shift: float) -> Mask:
    """Whether the motion may look behind a pixel that stands `drop` before a far side `from_far` pixels away."""
    return np.asarray((drop > _threshold(shift)) & (from_far <= shift * drop + _BAND + 2))


def _far_and_near(
    sharp: F32, far: Mask, near: Mask, shift: float
) -> tuple[tuple[F32, NDArray[np.int32]], tuple[F32, NDArray[np.int32]]]:
    """As `_nearest` of the far sides of all cuts, but where the nearest uncovers nothing, a deeper one that does; and
    `_nearest` of the near sides."""
    depths = np.sort(sharp[far])
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="depthflow-cut") as pool:
        of_near = pool.submit(_nearest, near)
        distance, far_of = _nearest(far)
        if len(depths):
            # No deeper side is nearer than the nearest, and none uncovers more than the deepest: few pixels are left.
            open_still = _uncovers(sharp - depths[0], distance, shift)
            open_still &= ~_uncovers(sharp - _look(sharp, far_of), distance, shift)
            left = np.flatnonzero(open_still)
            masks = [far & (sharp <= depths[int(share * (len(depths) - 1))]) for share in _DEEPER if len(left)]
            for there, of in pool.map(_nearest, masks):
                away, index = there.take(left), of.take(left)
                better = _uncovers(_look(sharp, left) - _look(sharp, index), away, shift)
                at = left[better]
                distance.put(at, away[better])
                far_of.put(at, index[better])
                left = left[~better]
        return (distance, far_of), of_near.result()


def _look(values: F32, index: NDArray[np.integer]) -> F32:
    return np.asarray(values.take(index), np.float32)


def _back_depth(sharp: F32, far_depth: F32, from_far: F32, hidden: Mask, beyond: Mask, step: float | None) -> F32:
    """The far side's depth carried on behind the near side, smoothed there so that rays of depth melt.

    Args:
        from_far: (h, w) pixels to that far side: the farther, the smoother.
        beyond: (h, w) near things beyond the reach: they lend no depth.
        step: jumps of the far side above this stay jumps; None smooths all.
    """
    if step is not None:
        filled_in = np.where(hidden | beyond, far_depth, sharp).astype(np.float32)
        calm = np.asarray(cv2.bilateralFilter(filled_in, 9, step / 2, 3.0), np.float32)
        return np.where(hidden, calm, filled_in).astype(np.float32)
    known = np.where(hidden, far_depth, sharp).astype(np.float32)
    weight = (~beyond).astype(np.float32)
    fine, coarse = (_mean(known, weight, sigma) for sigma in _MELT)
    share = np.clip(from_far / _MELT[1], 0.0, 1.0)
    return np.where(hidden, fine + (coarse - fine) * share, known).astype(np.float32)


def _mean(values: F32, weight: F32, sigma: float) -> F32:
    """Weighted mean of what is around. Of a wide one the half, quarter, ... picture knows enough."""
    height, width = values.shape
    by = 2 ** max(0, int(np.log2(sigma / 2)))
    small = max(1, width // by), max(1, height // by)
    sums, weights = (
        cv2.GaussianBlur(cv2.resize(m, small, interpolation=cv2.INTER_AREA), (0, 0), sigma / by)
        for m in (values * weight, weight)
    )
    mean = sums / np.maximum(weights, 1e-6)
    return np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _carried_on(pieces: _Pieces) -> F32:
    """The back's depth, but where it is never seen carried on smoothly from where it is.

    Else it would climb there to what hides it, and a mesh would follow it: twice as many triangles for nothing.
    """
    depth, needed = pieces.back_depth.copy(), pieces.hidden | pieces.gap
    if needed.any():
        x, y, width, height = cv2.boundingRect((needed | pieces.drawn).view(np.uint8))
        box = slice(y, y + height), slice(x, x + width)
        calm = cv2.GaussianBlur(_look(depth[box], _nearest(needed[box])[1]), (0, 0), _CALM)
        np.minimum(calm, pieces.ceiling[box], out=depth[box])
    return depth


def _distance(depth: F32, near: F32, far: F32, zone: Mask, gap: Mask, from_near: F32) -> F32:
    """Signed distance from the cut in depth pixels, positive on the near side: the ramp's middle is 0."""
    inside = np.where(zone, (depth - far) / np.maximum(near - far, 1e-6), np.where(gap, 0.0, 1.0)).astype(np.float32)
    slope = np.hypot(cv2.Sobel(inside, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(inside, cv2.CV_32F, 0, 1, scale=1 / 8))
    distance = np.where(zone, (inside - 0.5) / np.maximum(slope, 0.05), np.where(gap, 0.5 - from_near, _FAR_OFF))
    return np.clip(distance, -_FAR_OFF, _FAR_OFF).astype(np.float32)


def _front(photo: U8, back: U8, distance: F32) -> U8:
    """The front, premultiplied: soft at the cuts, and with the back behind it exactly the photo.

    Args:
        distance: (h, w) from the cut, see `_distance`.
    """
    height, width = photo.shape[:2]
    scale = width / distance.shape[1]
    texels = cv2.resize(distance + _OUTWARD, (width, height), interpolation=cv2.INTER_LINEAR)
    flat = np.flatnonzero(texels < 0.5 / (_SHARP * scale))
    alpha = np.clip(texels.ravel()[flat] * (scale * _SHARP) + 0.5, 0.0, 1.0)
    colour = photo.reshape(-1, 3)[flat].astype(np.float32)
    behind = back.reshape(-1, 3)[flat].astype(np.float32)
    # front + (1 - alpha) back = photo has a solution within 0 .. alpha 255 only above this alpha.
    with np.errstate(divide="ignore", invalid="ignore"):
        least = np.where(colour < behind, 1 - colour / behind, (colour - behind) / (255 - behind))
    levels = np.rint(np.maximum(alpha, np.nan_to_num(least).max(axis=1)) * 255)
    share = levels[:, None] / 255
    front = cv2.cvtColor(photo, cv2.COLOR_RGB2RGBA)
    pixels = front.reshape(-1, 4)
    solved = np.rint(np.clip(colour - (1 - share) * behind, 0, 255 * share))
    pixels[flat] = np.concatenate([solved, levels[:, None]], axis=1).astype(np.uint8)
    return np.asarray(front, np.uint8)
