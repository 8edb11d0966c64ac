"""Several views against geometry on paper: where they lie, and what the cameras of two eyes see."""

from pathlib import Path

import numpy as np
import pytest

from depthflow.scene.anaglyph import METHODS
from depthflow.scene.camera import Camera, matrix, project
from depthflow.scene.views import DEVICES, MODES, Fan, Quilt, beside, layout, quilt

CAMERAS = [
    Camera(),
    Camera(x=0.1, y=-0.05, relief=1.2, focus=0.8, fov=30),
    Camera(z=0.2, dolly=0.3, zoom=1.7, isometric=0.4),
    Camera(yaw=12, pitch=-7, roll=25, pivot=0.5, shift_x=0.1, shift_y=-0.2),
    Camera(scroll_x=0.3, roll=-90),
]


def on_axis(camera, depth):
    """Where the scene's axis is seen at a depth, (2,) in halves of the photo's longer side."""
    return project(camera, np.zeros((1, 2)), np.array([depth]))[0]


# -- cameras --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_nearest_and_the_farthest_plane_are_as_far_apart_as_asked(camera):
    left, right = Fan(2, 3.0).cameras(camera, 2.0)
    far, near = (on_axis(left, depth) - on_axis(right, depth) for depth in (0.0, 1.0))
    np.testing.assert_allclose(near - far, (0.03 * 2.0, 0), atol=1e-9)


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_focus_plane_lies_in_the_screen(camera):
    for view in Fan(5, 8.0).cameras(camera, 2.0):
        np.testing.assert_allclose(on_axis(view, camera.focus), on_axis(camera, camera.focus), atol=1e-9)


@pytest.mark.parametrize("camera", CAMERAS)
def test_no_camera_is_toed_in(camera):
    """Parallel cameras see the same height and the same distance for every point: no keystone, no tilt."""
    points = np.random.default_rng(0).uniform(-0.8, 0.8, (40, 2))
    depth = np.random.default_rng(1).uniform(0, 1, 40)
    left, right = (project(view, points, depth) for view in Fan(2, 5.0).cameras(camera, 2.0))
    np.testing.assert_allclose(left[:, 1], right[:, 1], atol=1e-9)
    assert np.abs(left[:, 0] - right[:, 0]).max() > 0.01
    for view in Fan(2, 5.0).cameras(camera, 2.0):
        assert (view.yaw, view.pitch, view.roll) == (camera.yaw, camera.pitch, camera.roll)
        np.testing.assert_allclose(matrix(view)[3], matrix(camera)[3], atol=1e-9)


def test_on_paper_a_pair_of_cameras_gives_the_textbook_disparity():
    """Disparity of parallel cameras: offset * (q - q of the focus) / tan(fov / 2), q the inverse distance."""
    camera = Camera(relief=0.8, focus=0.25, fov=90)
    left, right = beside(camera, -0.02), beside(camera, 0.02)
    for depth in (0.0, 0.25, 1.0):
        disparity = on_axis(left, depth)[0] - on_axis(right, depth)[0]
        assert disparity == pytest.approx(0.04 * 0.8 * (depth - 0.25))


def test_the_left_camera_sees_near_things_farther_to_the_right():
    left, right = Fan(2, 3.0).cameras(Camera(focus=0.5), 2.0)
    assert left.x < 0 < right.x
    assert on_axis(left, 1.0)[0] > on_axis(right, 1.0)[0]
    assert on_axis(left, 0.0)[0] < on_axis(right, 0.0)[0]


def test_the_views_of_a_fan_are_evenly_spread():
    views = Fan(9, 10.0).cameras(Camera(focus=0.5), 2.0)
    places = [on_axis(view, 1.0)[0] for view in views]
    np.testing.assert_allclose(np.diff(places), np.diff(places)[0])
    assert views[4].x == pytest.approx(0)
    assert Fan(9, 10.0).outer([Camera(focus=0.5)], 2.0) == [views[0], views[8]]


@pytest.mark.parametrize("camera", [Camera(relief=0.0), Camera(isometric=1.0)])
def test_what_has_no_parallax_gives_equal_views(camera):
    left, right = Fan(2, 3.0).cameras(camera, 2.0)
    np.testing.assert_allclose(matrix(left), matrix(right))


def test_one_view_is_the_camera_itself():
    camera = Camera(x=0.1)
    assert Fan().cameras(camera, 2.0) == (camera,)
    assert Fan().outer([camera], 2.0) == [camera]


# -- layouts --------------------------------------------------------------------------------------------------

HD = (1920, 1080)


@pytest.mark.parametrize(
    ("mode", "view", "canvas", "rects"),
    [
        ("mono", HD, HD, [(0, 0, 1920, 1080)]),
        ("sbs", HD, (3840, 1080), [(0, 0, 1920, 1080), (1920, 0, 1920, 1080)]),
        ("sbs-half", HD, HD, [(0, 0, 960, 1080), (960, 0, 960, 1080)]),
        ("tb", HD, (1920, 2160), [(0, 0, 1920, 1080), (0, 1080, 1920, 1080)]),
        ("tb-half", HD, HD, [(0, 0, 1920, 540), (0, 540, 1920, 540)]),
        ("cross", HD, (3840, 1080), [(1920, 0, 1920, 1080), (0, 0, 1920, 1080)]),
        ("pair", HD, (1920, 2160), [(0, 0, 1920, 1080), (0, 1080, 1920, 1080)]),
        ("anaglyph", HD, (1920, 2160), [(0, 0, 1920, 1080), (0, 1080, 1920, 1080)]),
        ("rgbd", HD, (3840, 1080), [(0, 0, 1920, 1080)]),
        ("rgbd-half", HD, HD, [(0, 0, 960, 1080)]),
    ],
)
def test_where_the_views_lie(mode, view, canvas, rects):
    found = layout(mode, HD)
    assert (found.view, found.canvas, list(found.viewports)) == (view, canvas, rects)
    assert found.frame == (HD if mode == "anaglyph" else canvas)
    swapped = layout(mode, HD, swap=True)
    assert swapped.viewports == found.viewports[::-1]
    assert (found.depth is None) == (not mode.startswith("rgbd"))


def test_depth_lies_to_the_right_of_the_colour():
    assert layout("rgbd", HD).depth == (1920, 0, 1920, 1080)
    assert layout("rgbd-half", HD).depth == (960, 0, 960, 1080)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "quilt"])
@pytest.mark.parametrize("size", [(101, 75), (7, 9), (3, 3)])
def test_views_are_even_where_the_format_asks_for_it(mode, size):
    """A chroma sample that belongs to two views would bleed from one into the other."""
    found = layout(mode, size, multiple=(2, 2))
    for x, y, width, height in (*found.viewports, *([found.depth] if found.depth else [])):
        assert not any(n % 2 for n in (x, y, width, height))
        assert width >= 2
        assert height >= 2
        assert x + width <= found.canvas[0]
        assert y + height <= found.canvas[1]


def test_a_quilt_begins_at_the_bottom_left():
    found = layout("quilt", (40, 30), grid=Quilt(3, 2))
    assert found.canvas == (120, 60)
    assert [rect[:2] for rect in found.viewports] == [(0, 30), (40, 30), (80, 30), (0, 0), (40, 0), (80, 0)]
    assert found.view == (40, 30)


@pytest.mark.parametrize("device", DEVICES)
def test_a_display_s_quilt_has_its_size_and_shows_its_aspect(device):
    grid = DEVICES[device]
    found = layout("quilt", HD, grid=grid)
    for side in (0, 1):
        assert 0 <= grid.size[side] - found.canvas[side] < max(grid.columns, grid.rows)
    assert len(found.viewports) == grid.columns * grid.rows
    assert found.view[0] / found.view[1] == pytest.approx(grid.aspect, rel=0.005)
    # Squeezed at most in one direction, and never enlarged.
    _, _, width, height = found.viewports[0]
    assert found.view[0] == width or found.view[1] == height
    assert found.view[0] >= width
    assert found.view[1] >= height
    even = layout("quilt", HD, grid=grid, multiple=(2, 2))
    assert not any(n % 2 for rect in even.viewports for n in rect)


def test_quilts_are_understood_by_name_and_by_grid():
    assert quilt("Portrait") == DEVICES["portrait"]
    assert quilt("5x9") == Quilt(5, 9)
    assert quilt("8x6a0.75") == Quilt(8, 6, aspect=0.75)
    for wrong, said in (
        ("portrai", "did you mean 'portrait'"),
        ("1x1", "2 to"),
        ("20x20", "2 to"),
        ("8x6a99", "aspect"),
        ("", "unknown"),
    ):
        with pytest.raises(ValueError, match=said):
            quilt(wrong)


def test_the_page_about_stereo_names_everything():
    page = (Path(__file__).parents[1] / "docs" / "stereo.md").read_text(encoding="utf-8")
    for name in (*MODES, *METHODS, *DEVICES):
        assert f"`{name}`" in page
    for name, device in DEVICES.items():
        row = next(line for line in page.splitlines() if line.startswith("| `") and f"`{name}`" in line)
        assert f"{device.columns}x{device.rows}" in row
        assert f"{device.size[0]}x{device.size[1]}" in row
        assert f"{device.aspect:.4g}" in row
