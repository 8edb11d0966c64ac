"""The adaptive mesh: it covers everything, has no cracks, and keeps its promise about depth."""

import cv2
import numpy as np
import pytest

from depthflow.render.mesh import TILE, _errors, _halving, _padding, _triangulate, build_mesh, parted


def smooth_scene(height=150, width=230, seed=0):
    rng = np.random.default_rng(seed)
    depth = cv2.GaussianBlur(rng.random((height, width)).astype(np.float32), (0, 0), 12)
    depth = (depth - depth.min()) / (depth.max() - depth.min()) * 0.6
    depth[40:90, 60:140] += 0.4
    return depth


def interpolated(mesh, depth, extent):
    """Depth that the triangles give at the map's pixels, by barycentric coordinates; NaN where none lies."""
    height, width = depth.shape
    cell = np.array([2 * extent[0] / width, 2 * extent[1] / height])
    xy = mesh.positions[:, :2].astype(np.float64)
    pixel = np.column_stack([(xy[:, 0] + extent[0]) / cell[0] - 0.5, (extent[1] - xy[:, 1]) / cell[1] - 0.5])
    result = np.full(depth.shape, np.nan)
    for a, b, c in mesh.triangles:
        corners = pixel[[a, b, c]]
        low = np.maximum(np.floor(corners.min(0)), 0).astype(int)
        high = np.minimum(np.ceil(corners.max(0)), [width - 1, height - 1]).astype(int)
        if (high < low).any():
            continue
        x, y = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
        m = np.array([corners[1] - corners[0], corners[2] - corners[0]]).T
        uv = np.linalg.solve(m, np.stack([x.ravel() - corners[0, 0], y.ravel() - corners[0, 1]]))
        inside = (uv.min(0) >= -1e-3) & (uv.sum(0) <= 1 + 1e-3)
        z = mesh.positions[[a, b, c], 2].astype(np.float64)
        values = z[0] + uv[0] * (z[1] - z[0]) + uv[1] * (z[2] - z[0])
        result[y.ravel()[inside], x.ravel()[inside]] = values[inside]
    return result


@pytest.mark.parametrize("error", [1e-9, 0.003, 0.02, 0.1])
def test_depth_between_the_vertices_stays_near_the_map(error):
    depth, extent = smooth_scene(), (1.0, 150 / 230)
    mesh = build_mesh(depth, extent=extent, error=error, margin=0.1)
    off = np.abs(interpolated(mesh, depth, extent) - depth)
    assert not np.isnan(off).any()
    assert off.max() <= error + 1e-5
    assert depth.min() <= mesh.positions[:, 2].min() <= mesh.positions[:, 2].max() <= depth.max()


def test_errors_of_nested_triangles_do_not_add_up():
    rng = np.random.default_rng(4)
    depth = cv2.GaussianBlur(rng.random((128, 128)).astype(np.float32), (0, 0), 2)
    mesh = build_mesh(depth, extent=(1.0, 1.0), error=0.02, margin=0.1)
    assert np.abs(interpolated(mesh, depth, (1.0, 1.0)) - depth).max() <= 0.02 + 1e-5
    assert len(mesh.triangles) < 2 * 128 * 128 / 2


def test_vertices_are_fitted_to_what_they_span():
    """Vertices on the map would leave all of a bowl's error on its inner side, and twice as many triangles."""
    y, x = np.mgrid[-1:1:257j, -1:1:257j]
    bowl, error = (0.5 * (x**2 + y**2)).astype(np.float32), 0.002
    mesh = build_mesh(bowl, extent=(1.0, 1.0), error=error, margin=0.02)
    off = interpolated(mesh, bowl, (1.0, 1.0)) - bowl
    assert -error - 1e-5 <= off.min() < -0.3 * error
    assert 0.3 * error < off.max() <= error + 1e-5


def test_what_is_flat_beside_a_step_stays_as_it_is():
    depth = np.full((200, 200), 0.25, np.float32)
    depth[:, 90:] = 0.274
    mesh = build_mesh(depth, extent=(1.0, 1.0), error=0.01, margin=0.02)
    assert set(np.unique(mesh.positions[:, 2])) == {np.float32(0.25), np.float32(0.274)}


def test_what_is_halved_is_the_triangle_that_holds_the_sample():
    rng = np.random.default_rng(2)
    height, width = TILE + 1, 3 * TILE + 1
    grid = cv2.GaussianBlur(rng.random((height, width)).astype(np.float32), (0, 0), 3)
    errors, error = _errors(grid), 0.05
    triangles = _triangulate(grid, errors, error)
    middles = (triangles[:, 0] + triangles[:, 1]) // 2
    at = np.stack(np.divmod(triangles, width), axis=-1)
    for sample in rng.choice(grid.size, 200, replace=False):
        from_here = at - np.divmod(sample, width)
        after = np.roll(from_here, -1, axis=1)
        turns = from_here[..., 0] * after[..., 1] - from_here[..., 1] * after[..., 0]
        holding = (turns >= 0).all(axis=1) | (turns <= 0).all(axis=1)
        assert _halving(np.array([sample]), errors > error)[0] in middles[holding]


def test_error_zero_is_the_whole_grid():
    depth = smooth_scene(50, 70)
    mesh = build_mesh(depth, extent=(1.0, 50 / 70), error=0, margin=0.02)
    np.testing.assert_allclose(interpolated(mesh, depth, (1.0, 50 / 70)), depth, atol=1e-5)


@pytest.mark.parametrize("shape", [(150, 230), (64, 64), (65, 129), (1, 1), (1, 300), (300, 2), (7, 5)])
@pytest.mark.parametrize("error", [0.0, 0.01])
def test_no_cracks_and_full_cover(shape, error):
    depth = np.random.default_rng(1).random(shape).astype(np.float32)
    longer = max(shape)
    extent = shape[1] / longer, shape[0] / longer
    mesh = build_mesh(depth, extent=extent, error=error, margin=0.2)
    xy = mesh.positions[:, :2].astype(np.float64)
    low, high = xy.min(0), xy.max(0)
    assert (low <= -np.array(extent) - 0.19).all()
    assert (high >= np.array(extent) + 0.19).all()
    a, b, c = (xy[mesh.triangles[:, i]] for i in range(3))
    area = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    assert (area > 0).all() or (area < 0).all()
    assert abs(area.sum()) == pytest.approx(np.prod(high - low), rel=1e-5)
    # Every side belongs to two triangles, or lies on the outer border.
    sides = np.sort(np.concatenate([mesh.triangles[:, [i, (i + 1) % 3]] for i in range(3)]).astype(np.int64), axis=1)
    sides, uses = np.unique(sides, axis=0, return_counts=True)
    assert uses.max() <= 2
    ends = xy[sides[uses == 1]]
    outer = [(np.abs(ends[:, :, k] - edge[k]) < 1e-6).all(axis=1) for k in (0, 1) for edge in (low, high)]
    assert np.any(outer, axis=0).all()


def test_flat_depth_needs_next_to_no_triangles():
    flat = build_mesh(np.full((600, 800), 0.3, np.float32), extent=(1.0, 0.75), error=0.001)
    bumpy = build_mesh(smooth_scene(600, 800), extent=(1.0, 0.75), error=0.001)
    assert len(flat.triangles) < 1000 < len(bumpy.triangles)


def test_the_margin_goes_on_mirrored_or_clamped():
    depth = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    for edge, beyond in (("mirror", 1 - 10 / 63), ("clamp", 1.0)):
        mesh = build_mesh(depth, extent=(1, 1), error=0, margin=0.5, edge=edge)
        x = 1 + 2 / 64 * 10.5  # the middle of the eleventh pixel beyond the border
        found = mesh.positions[np.abs(mesh.positions[:, 0] - x) < 1e-4, 2]
        assert found == pytest.approx(beyond, abs=1e-5)


def test_neighbours_in_the_picture_are_neighbours_in_the_list():
    """A driver that takes 4096 indices at a time transforms a vertex anew in each piece that has it."""
    mesh = build_mesh(smooth_scene(600, 800), extent=(1.0, 0.75), error=0.001)
    indices = mesh.triangles.ravel()
    work = sum(len(np.unique(indices[begin : begin + 4096])) for begin in range(0, len(indices), 4096))
    assert work < 1.3 * len(mesh.positions)


@pytest.mark.parametrize("on_border", [(False, False), (False, True), (True, False), (True, True)])
def test_what_is_cared_for_is_covered_to_its_neighbours(on_border):
    """The cells round a sample show it, also where a sample on the border of a tile is all that is cared for."""
    depth, extent = smooth_scene(), (1.0, 150 / 230)
    sample = tuple(
        TILE - _padding(size, 0.1 * 230 / 2)[0] if border else 70
        for size, border in zip(depth.shape, on_border, strict=True)
    )
    cared = np.zeros(depth.shape, bool)
    cared[sample] = True
    whole = build_mesh(depth, extent=extent, error=0.01, margin=0.1)
    mesh = build_mesh(depth, extent=extent, error=0.01, margin=0.1, cared=cared)
    assert len(mesh.triangles) < len(whole.triangles) / 10
    covered = ~np.isnan(interpolated(mesh, depth, extent))
    around = tuple(slice(max(0, at - 1), at + 2) for at in sample)
    assert covered[around].all()
    assert np.abs(interpolated(mesh, depth, extent) - depth)[sample] <= 0.01 + 1e-5


def test_what_a_picture_shows_decides_how_a_triangle_is_drawn():
    depth, extent = smooth_scene(), (1.0, 150 / 230)
    picture = np.full((300, 460, 4), 255, np.uint8)
    picture[:, :12, 3] = 0  # the margin mirrors it
    picture[100:200, 200:300, 3] = 0
    picture[150:152, 300:310, 3] = 128
    mesh = build_mesh(depth, extent=extent, error=0.004, margin=0.1)
    parts = parted(mesh, picture, extent=extent)
    alpha = cv2.copyMakeBorder(picture[..., 3], 200, 200, 200, 200, cv2.BORDER_REFLECT)
    scale = np.array([230, -230])
    texels = (mesh.positions[:, :2] * scale + (230, 150) - 0.5 + 200)[mesh.triangles]
    low, high = np.floor(texels.min(1)).astype(int), np.ceil(texels.max(1)).astype(int)
    seen = [alpha[y : b + 1, x : a + 1] for (x, y), (a, b) in zip(low, high, strict=True)]
    rows = {tuple(triangle): (part.min(), part.max()) for triangle, part in zip(mesh.triangles, seen, strict=True)}
    opaque, soft = parts.triangles[: parts.opaque], parts.triangles[parts.opaque :]
    assert {tuple(t) for t in opaque} == {t for t, (least, _) in rows.items() if least == 255}
    assert {tuple(t) for t in soft} == {t for t, (least, most) in rows.items() if least < 255 and most > 0}
    assert min(len(opaque), len(soft), len(mesh.triangles) - len(parts.triangles)) > 50
    assert (np.diff(parts.positions[soft, 2].sum(1)) >= 0).all(), "far ones first"


def test_an_opaque_picture_leaves_the_mesh_as_it_is():
    mesh = build_mesh(smooth_scene(), extent=(1.0, 150 / 230), error=0.01)
    assert parted(mesh, np.full((30, 46, 4), 255, np.uint8), extent=(1.0, 150 / 230)) is mesh
    assert mesh.opaque == len(mesh.triangles)


def test_a_picture_that_is_never_seen_has_no_triangles():
    nothing = np.zeros((150, 230), bool)
    mesh = build_mesh(smooth_scene(), extent=(1.0, 150 / 230), error=0.01, cared=nothing)
    assert not len(parted(mesh, np.zeros((30, 46, 4), np.uint8), extent=(1.0, 150 / 230)).triangles)
