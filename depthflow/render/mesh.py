"""An adaptive triangle mesh of a depth map: dense where depth bends, sparse where it is flat. Numbers only, no GL.

The vertices lie on the pixels of the depth map, in squares of TILE cells. Each square is halved along its diagonal,
and a triangle is halved again at the middle of its longest side wherever the depth there differs too much from the
straight line (longest-edge bisection; Evans, Kirkpatrick, Townsend: Right-triangulated irregular networks,
Algorithmica 2001). A vertex takes over the largest error of the vertices that need it, so that neighbours always
agree and no crack opens. Its depth need not be that of its pixel, only near it: see `_refined`. A point of the scene
is seen at a place that is linear in its depth up to the perspective division, so an error in depth times the
motion's reach is an error on screen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthflow.opencv import cv2

TILE = 64
"""Cells of the coarsest squares, a power of two."""

_STEPS = tuple(TILE >> n for n in range(TILE.bit_length() - 1))
"""Sizes of the squares that are halved, coarse to fine."""
_HALVINGS = 2 * len(_STEPS)
"""Times that half a tile can be halved."""
_FEWER = 1.3
"""Error of the first triangles, in allowed errors."""
_STEP = 0.8
"""Part of the way to the middle between the largest differences that a vertex goes: its neighbours go too."""
_ROUNDING = 0.01
"""Texels by which a driver may sample beside the place that a triangle gives."""
_EDGES = {"mirror": cv2.BORDER_REFLECT, "clamp": cv2.BORDER_REPLICATE}


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles over the photo and its margin.

    Attributes:
        positions: (N, 3) float32: x, y in halves of the photo's longer side (y up), depth in [0, 1].
        triangles: (M, 3) uint32 indices of positions.
        error: no depth is farther than this from the map's.
        opaque: the triangles before this number show nothing that is not opaque, see `parted`.
    """

    positions: NDArray[np.float32]
    triangles: NDArray[np.uint32]
    error: float
    opaque: int


def build_mesh(
    depth: NDArray[np.float32],
    *,
    extent: tuple[float, float],
    error: float,
    margin: float = 0.2,
    edge: str = "mirror",
    cared: NDArray[np.bool_] | None = None,
) -> Mesh:
    """Triangulate a depth map; all of it counts as opaque.

    Args:
        depth: (H, W) float32 in [0, 1], row 0 on top, seen as samples in the middle of its pixels.
        extent: half width and half height of the photo, in halves of its longer side.
        error: allowed error of depth; 0 gives the full grid.
        margin: how far the mesh goes on beyond the border, in halves of the longer side, at least.
        edge: "mirror" continues the depth mirrored, "clamp" with its border.
        cared: (H, W) where the error counts; all of it if None. Triangles without any of it are left out.
    """
    height, width = depth.shape
    cell = 2 * extent[0] / width, 2 * extent[1] / height
    left, right = _padding(width, margin / cell[0])
    top, bottom = _padding(height, margin / cell[1])
    grid = _extend(depth, top, bottom, left, right, edge)
    if cared is None:
        triangles, fitted = _refined(grid, None, error)
    else:
        wanted = _extend(cared.view(np.uint8), top, bottom, left, right, edge).view(bool)
        part = _tiles(wanted)
        grid, wanted = np.ascontiguousarray(grid[part]), np.ascontiguousarray(wanted[part])
        top, left = top - part[0].start, left - part[1].start
        triangles, fitted = _refined(grid, wanted, error)
        triangles = triangles[_touched(triangles, wanted)]
    triangles = triangles[np.argsort(_place(triangles, grid.shape[1]), kind="stable")]
    # Only the vertices that are used, in grid order.
    columns = grid.shape[1]
    used = np.zeros(grid.size, bool)
    used[triangles] = True
    index = np.cumsum(used, dtype=np.uint32) - 1
    rows, cols = np.divmod(np.flatnonzero(used), columns)
    positions = np.empty((len(rows), 3), np.float32)
    positions[:, 0] = (cols - left + 0.5) * cell[0] - extent[0]
    positions[:, 1] = extent[1] - (rows - top + 0.5) * cell[1]
    positions[:, 2] = fitted.ravel()[used]
    return Mesh(positions, index[triangles].astype(np.uint32), error, len(triangles))


def parted(mesh: Mesh, picture: NDArray[np.uint8], *, extent: tuple[float, float], edge: str = "mirror") -> Mesh:
    """The mesh as its picture needs it: without the triangles that show nothing, and those that show something that is
    not opaque last, far ones first.

    Args:
        picture: (H, W, 4) uint8, the last channel is alpha; seen with bilinear filtering.
        extent, edge: as of `build_mesh`.
    """
    alpha = cv2.extractChannel(picture, 3)
    if not len(mesh.triangles) or alpha.min() == 255:
        return mesh
    height, width = alpha.shape
    x, y, depth = mesh.positions.T
    columns = _seen_texels(x / extent[0], width, mesh.triangles)
    rows = _seen_texels(-y / extent[1], height, mesh.triangles)
    left, top = max(0, -int(columns[0].min())), max(0, -int(rows[0].min()))
    right, bottom = max(0, int(columns[1].max()) - width), max(0, int(rows[1].max()) - height)
    alpha = _extend(alpha, top, bottom, left, right, edge)
    box = rows[0] + top, rows[1] + top, columns[0] + left, columns[1] + left
    soft, shown = _any(alpha < 255, *box), _any(alpha > 0, *box)
    opaque = mesh.triangles[~soft]
    # Far ones first: what shines through a soft edge is drawn before it.
    last = mesh.triangles[soft & shown]
    last = last[np.argsort(depth[last].sum(1), kind="stable")]
    return Mesh(mesh.positions, np.concatenate([opaque, last]), mesh.error, len(opaque))


def _seen_texels(
    place: NDArray[np.float32], size: int, triangles: NDArray[np.uint32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(M,) each: the first texel that each triangle may show, and the one after the last.

    Args:
        place: of the vertices, -1 to 1 over the picture's `size` texels.
    """
    texel = ((place + 1) / 2 * size - 0.5)[triangles]
    first, last = np.floor(texel.min(1) - _ROUNDING), np.ceil(texel.max(1) + _ROUNDING)
    return first.astype(np.int64), last.astype(np.int64) + 1


def _padding(size: int, margin: float) -> tuple[int, int]:
    """Samples to add before and after, so that the grid has whole tiles and one more sample."""
    least = max(1, int(np.ceil(margin)) + 1)
    total = -(-(size - 1 + 2 * least) // TILE) * TILE + 1
    before = (total - size) // 2
    return before, total - size - before


def _tiles(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of the whole tiles with what is set and the samples next to it."""

    def tiles(first: int, size: int, count: int) -> slice:
        return slice(max(0, first - 1) // TILE * TILE, min(count, -(-(first + size) // TILE) * TILE + 1))

    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return tiles(y, height, mask.shape[0]), tiles(x, width, mask.shape[1])


def _extend(picture: NDArray[Any], top: int, bottom: int, left: int, right: int, edge: str) -> NDArray[Any]:
    border = _EDGES[edge]
    grid = picture
    # A mirror is no larger than the picture: repeat until the margin is full (tiny photos have large margins).
    while top or bottom or left or right:
        height, width = grid.shape
        up, down = min(top, height), min(bottom, height)
        west, east = min(left, width), min(right, width)
        grid = np.asarray(cv2.copyMakeBorder(grid, up, down, west, east, border))
        top, bottom, left, right = top - up, bottom - down, left - west, right - east
    return grid


def _place(triangles: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """(M,): a number by which neighbours in the picture are neighbours in the list (blocks of 16 samples).

    A driver works on a few thousand indices at a time and transforms each of their vertices once. The right angle's
    corner stands for the triangle.
    """
    rows, cols = np.divmod(triangles[:, 2], width)
    return np.asarray((rows // 16) * (width // 16 + 1) + cols // 16)


def _touched(triangles: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(M,): the triangle's bounding box has a sample of the mask."""
    rows, cols = np.divmod(triangles, mask.shape[1])
    return _any(mask, rows.min(1), rows.max(1) + 1, cols.min(1), cols.max(1) + 1)


def _any(
    mask: NDArray[np.bool_],
    top: NDArray[np.int64],
    bottom: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """(M,): whether anything is set in rows top to below bottom, columns left to below right."""
    count = cv2.integral(mask.view(np.uint8))
    return np.asarray(count[bottom, right] - count[top, right] - count[bottom, left] + count[top, left] > 0)


def _refined(
    grid: NDArray[np.float32], cared: NDArray[np.bool_] | None, error: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(M, 3) triangles that are nowhere farther than `error` from the grid, and (H, W) depths of their vertices.

    Vertices on the map leave a bend's error on one side of it; fitted to what they span, half as much. So it begins
    with too few of them. What the triangles make of every sample is worked out, and those that are too far off
    somewhere are halved, until none is.
    """
    errors = _errors(grid, cared)
    if error <= 0:
        return _triangulate(grid, errors, error), grid
    errors /= _FEWER
    errors[::TILE, ::TILE] = np.inf
    depth = _fitted(grid, cared, errors > error, error)
    while True:
        off = np.abs(grid - _interpolated(depth, errors > error)) > error
        if cared is not None:
            off &= cared
        samples = np.flatnonzero(off)
        if not len(samples):
            return _triangulate(grid, errors, error), depth
        depth.ravel()[samples] = grid.ravel()[samples]  # errors as small as roundings end too
        errors.ravel()[_halving(samples, errors > error)] = np.inf
        _raise(errors)


def _fitted(
    grid: NDArray[np.float32], cared: NDArray[np.bool_] | None, active: NDArray[np.bool_], error: float
) -> NDArray[np.float32]:
    """(H, W): the grid, its active vertices moved to where the largest differences above and below come out alike.

    Those stay that help to make what will be halved: it may be a cliff, and does not remain.
    """
    off = grid - _interpolated(grid, active)
    if cared is not None:
        off *= cared
    above, below = _gathered(off, active, np.maximum), _gathered(off, active, np.minimum)
    moved = active & (np.maximum(above, -below) <= _FEWER * error)
    there = np.clip(grid + _STEP / 2 * (above + below), grid.min(), grid.max())
    return np.where(moved, there, grid)


def _gathered(values: NDArray[np.float32], active: NDArray[np.bool_], most: np.ufunc) -> NDArray[np.float32]:
    """(H, W): at the active vertices the largest (or smallest) of the values of all samples that they help to make.

    Each sample that is none of them hands its own to both ends of the line that `_interpolated` puts it on.
    """
    found = values.copy()
    for step in reversed(_STEPS):
        half = step // 2
        for f, a in ((found, active), (found.T, active.T)):
            handed = np.where(a[::step, half::step], 0.0, f[::step, half::step])
            for end in (f[::step, :-step:step], f[::step, step::step]):
                most(end, handed, out=end)
        handed = np.where(_centre(active, step), 0.0, _centre(found, step))
        for ends, here in _diagonals(found, step):
            for end in ends:
                most(end, handed[here], out=end)
    return found


def _halving(samples: NDArray[np.int64], active: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,): the vertex that halves the triangle of the active vertices that holds each sample; flat grid indices."""
    height, width = active.shape
    rows, cols = np.divmod(samples, width)
    # The last row and column belong to the tiles before.
    top = np.minimum(rows // TILE * TILE, height - 1 - TILE)
    left = np.minimum(cols // TILE * TILE, width - 1 - TILE)
    corners = _halves(top, left, width)
    y, x = rows - top, cols - left
    second = np.where(_is_even(top, left), x < y, x + y > TILE)
    a, b, c = np.where(second[:, None], corners[1], corners[0]).T
    flat = active.ravel()
    for _ in range(_HALVINGS):
        middle = (a + b) // 2
        split = flat[middle]
        # The half of the end of the longest side that is nearer.
        from_a, from_b = ((end // width - rows) ** 2 + (end % width - cols) ** 2 for end in (a, b))
        first = from_a <= from_b
        half = np.where(first, c, b), np.where(first, a, c), middle
        a, b, c = (np.where(split, new, old) for new, old in zip(half, (a, b, c), strict=True))
    return np.asarray((a + b) // 2)


def _errors(grid: NDArray[np.float32], cared: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """(H, W): how much is lost in the middle of a side if this vertex, and so all that need it, are left out.

    A vertex has no error of its own where nothing is cared for within the triangles that it would split.
    """
    errors = np.zeros_like(grid)
    wanted = None if cared is None else cared.astype(np.uint8)
    for step in _STEPS:
        half = step // 2
        centres, sides = _centre(errors, step), _sides(errors, step)
        np.abs(_centre(grid, step) - _centre_lines(grid, step), out=centres)
        for target, g in zip(sides, (grid, grid.T), strict=True):
            np.abs(g[::step, half::step] - _middle_lines(g, step), out=target)
        if wanted is not None:
            square = np.ones((2 * half + 1, 2 * half + 1), np.uint8)
            near = cv2.dilate(wanted, square)  # of bytes: a third of the time
            centres *= _centre(near, step)
            for target, weight in zip(sides, _sides(near, step), strict=True):
                target *= weight
    _raise(errors)
    return errors


def _centre(values: NDArray[Any], step: int) -> NDArray[Any]:
    """The centres of the squares of this size, a view."""
    return values[step // 2 :: step, step // 2 :: step]


def _sides(values: NDArray[Any], step: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The middles of the squares' horizontal sides, and those of the vertical ones turned, views."""
    half = step // 2
    return values[::step, half::step], values.T[::step, half::step]


def _raise(errors: NDArray[np.float32]) -> None:
    """Let every vertex take over the largest error of those that need it, in place."""
    for step in reversed(_STEPS):
        half = step // 2
        quarter = half // 2
        for turned in (errors, errors.T) if quarter else ():
            target = turned[::step, half::step]
            # Centres of the half-size squares: up to four touch this vertex, two on either side of the side.
            small = turned[quarter::half, quarter::half]
            pair = np.maximum(small[:, ::2], small[:, 1::2])
            # pair[2k - 1] lies above row k of `target`, pair[2k] below.
            np.maximum(target[:-1], pair[::2], out=target[:-1])
            np.maximum(target[1:], pair[1::2], out=target[1:])
        own = _centre(errors, step)
        horizontal, vertical = _sides(errors, step)
        for needed in (horizontal[:-1], horizontal[1:], vertical.T[:, :-1], vertical.T[:, 1:]):
            np.maximum(own, needed, out=own)


def _interpolated(grid: NDArray[np.float32], active: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(H, W): what the triangles of the active vertices make of every sample.

    Linear within a right triangle is linear from its longest side's ends to its middle, again and again.
    """
    seen = grid.copy()
    for step in _STEPS:
        half = step // 2
        centres = _centre(seen, step)
        np.copyto(centres, _centre_lines(seen, step), where=~_centre(active, step))
        for s, a in ((seen, active), (seen.T, active.T)):
            np.copyto(s[::step, half::step], _middle_lines(s, step), where=~a[::step, half::step])
    return seen


def _middle_lines(grid: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """What the straight line gives in the middle of the squares' horizontal sides."""
    rows = grid[::step]
    return np.asarray((rows[:, :-step:step] + rows[:, step::step]) / 2)


def _centre_lines(grid: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """What the diagonal gives in the centre of the squares; diagonals alternate."""
    lines = np.empty(_centre(grid, step).shape, np.float32)
    for (one, other), here in _diagonals(grid, step):
        np.add(one, other, out=lines[here])
    lines *= 0.5
    return lines


def _diagonals(
    grid: NDArray[Any], step: int
) -> Iterator[tuple[tuple[NDArray[Any], NDArray[Any]], tuple[slice, slice]]]:
    """Both ends of the diagonals of the squares of this size, views, and which of the squares they are of."""
    nw, ne = grid[:-step:step, :-step:step], grid[:-step:step, step::step]
    sw, se = grid[step::step, :-step:step], grid[step::step, step::step]
    for row, column in np.ndindex(2, 2):
        here = slice(row, None, 2), slice(column, None, 2)
        one, other = (nw, se) if row == column else (ne, sw)
        yield (one[here], other[here]), here


def _triangulate(grid: NDArray[np.float32], errors: NDArray[np.float32], error: float) -> NDArray[np.int64]:
    """(M, 3) flat grid indices; the first two corners are the ends of the longest side."""
    height, width = grid.shape
    rows, cols = (n.ravel() for n in np.mgrid[0 : height - 1 : TILE, 0 : width - 1 : TILE])
    current = np.concatenate(_halves(rows, cols, width))
    flat = errors.ravel()
    done = []
    for _ in range(_HALVINGS):
        a, b, c = current.T
        middle = (a + b) // 2
        split = flat[middle] > error
        if error <= 0:
            split[:] = True
        done.append(current[~split])
        a, b, c, middle = a[split], b[split], c[split], middle[split]
        current = np.concatenate([np.stack([c, a, middle], 1), np.stack([b, c, middle], 1)])
    done.append(current)
    return np.concatenate(done)


def _halves(top: NDArray[np.int64], left: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(N, 3) each: the two triangles that each tile is halved into, as of `_triangulate`.

    The diagonal goes from north-west to south-east on even tiles, the other way on odd ones; all triangles turn the
    same way, and the first of two holds the north.
    """
    even = _is_even(top, left)
    nw, ne = top * width + left, top * width + left + TILE
    sw, se = nw + TILE * width, ne + TILE * width
    a, b = np.where(even, nw, sw), np.where(even, se, ne)
    c, d = np.where(even, ne, nw), np.where(even, sw, se)
    return np.stack([a, b, c], 1), np.stack([b, a, d], 1)


def _is_even(top: NDArray[np.int64], left: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray((top + left) // TILE % 2 == 0)
