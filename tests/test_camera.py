"""The camera against a pinhole written out by hand, and against geometry on paper."""

import itertools
import math

import numpy as np
import pytest

from depthflow.scene.camera import Camera, frame_extent, matrix, project

POINTS = np.array([[0.0, 0.0], [0.5, 0.3], [-0.9, 0.6], [1.0, -0.7]])
DEPTHS = np.array([0.0, 0.2, 0.7, 1.0])
GRID = [(p, d) for p, d in itertools.product(POINTS, DEPTHS)]
P = np.array([p for p, _ in GRID])
D = np.array([d for _, d in GRID])


@pytest.mark.parametrize("fov", [20, 55, 110])
@pytest.mark.parametrize("isometric", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(("relief", "focus"), [(0.0, 0.0), (0.6, 0.35), (3.0, 1.0), (1.0, -0.5)])
def test_at_rest_every_point_is_where_the_photo_has_it(fov, isometric, relief, focus):
    camera = Camera(fov=fov, isometric=isometric, relief=relief, focus=focus)
    np.testing.assert_allclose(project(camera, P, D), P, atol=1e-12)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"x": math.nan}, "finite.*x=nan"),
        ({"pivot": math.inf}, "finite.*pivot=inf"),
        ({"zoom": 0.0}, "zoom must be above 0"),
        ({"fov": 0.0}, "fov must be within"),
        ({"fov": 180.0}, "fov must be within"),
    ],
)
def test_what_is_no_camera_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        Camera(**wrong)


def test_a_general_perspective_camera_is_a_pinhole():
    camera = Camera(x=0.1, y=-0.05, z=0.12, yaw=7, pitch=-4, roll=11, zoom=1.3, fov=70, relief=0.8, focus=0.3)
    t = math.tan(math.radians(35))
    a, b, c = np.radians([7, -4, 11])
    # The camera's axes in the world: right turn, then up, then clockwise about the axis.
    forward = np.array([math.sin(a) * math.cos(b), math.sin(b), math.cos(a) * math.cos(b)])
    right0 = np.array([math.cos(a), 0, -math.sin(a)])
    up0 = np.cross(forward, right0)
    right = right0 * math.cos(c) + up0 * math.sin(c)
    up = up0 * math.cos(c) - right0 * math.sin(c)

    def seen(point, position):
        ray = point - position
        return 1.3 / t * np.array([ray @ right, ray @ up]) / (ray @ forward)

    z = 1 / (1 + 0.8 * D)
    world = np.column_stack([P * t * z[:, None], z])
    focus = np.array([0, 0, 1 / (1 + 0.8 * 0.3)])
    shift = seen(focus, np.array([0, 0, 0.12])) - seen(focus, np.array([0.1, -0.05, 0.12]))
    expected = np.array([seen(w, np.array([0.1, -0.05, 0.12])) for w in world]) + shift
    np.testing.assert_allclose(project(camera, P, D), expected, atol=1e-12)


def test_a_sideways_step_moves_by_disparity():
    camera = Camera(x=0.2, relief=0.5, focus=0.4, fov=60)
    moved = project(camera, P, D) - P
    np.testing.assert_allclose(moved[:, 0], -0.2 * 0.5 * (D - 0.4) / math.tan(math.radians(30)), atol=1e-12)
    np.testing.assert_allclose(moved[:, 1], 0, atol=1e-12)


def test_near_moves_against_the_camera_and_far_with_it():
    moved = project(Camera(x=0.1, focus=0.5), np.zeros((2, 2)), np.array([1.0, 0.0]))[:, 0]
    assert moved[0] < 0 < moved[1]


@pytest.mark.parametrize("z", [-0.3, 0.2])
def test_the_focus_plane_stays_still_wherever_the_camera_stands(z):
    depth = np.full(len(POINTS), 0.35)
    still = project(Camera(z=z), POINTS, depth)
    np.testing.assert_allclose(project(Camera(z=z, x=0.2, y=-0.1), POINTS, depth), still, atol=1e-12)


def test_moving_forwards_enlarges_near_things_more():
    seen = project(Camera(z=0.2, relief=1.0), np.array([[0.1, 0], [0.1, 0]]), np.array([0.0, 1.0]))[:, 0]
    np.testing.assert_allclose(seen, [0.1 / (1 - 0.2), 0.1 / (1 - 0.2 * 2)])


def test_turning_right_moves_the_scene_left_and_turning_up_moves_it_down():
    middle, depth = np.zeros((1, 2)), np.array([0.5])
    assert project(Camera(yaw=5), middle, depth)[0, 0] < -0.01
    assert project(Camera(pitch=5), middle, depth)[0, 1] < -0.01


def test_roll_turns_the_picture_about_its_middle():
    seen = project(Camera(roll=90), np.array([[0.4, 0.0]]), np.array([0.2]))
    np.testing.assert_allclose(seen, [[0.0, -0.4]], atol=1e-12)


def test_orbiting_keeps_the_pivot_in_the_middle():
    for yaw, pitch in ((10, 0), (0, -20), (15, 8)):
        seen = project(Camera(yaw=yaw, pitch=pitch, pivot=0.8), np.zeros((1, 2)), np.array([0.8]))
        np.testing.assert_allclose(seen, 0, atol=1e-12)


@pytest.mark.parametrize("dolly", [0.3, 1.5])
def test_a_dolly_zoom_keeps_the_focus_plane_and_changes_the_rest(dolly):
    camera = Camera(dolly=dolly, focus=0.5)
    seen = project(camera, np.array([[0.5, 0.2]] * 3), np.array([0.0, 0.5, 1.0]))[:, 0]
    assert seen[0] > 0.51
    assert seen[1] == pytest.approx(0.5)
    assert seen[2] < 0.49


def test_an_orthographic_camera_has_no_perspective():
    camera = Camera(isometric=1.0, z=0.3, relief=2.0)
    np.testing.assert_allclose(project(camera, P, D), P, atol=1e-12)


def test_depth_order_survives_projection():
    for isometric in (0.0, 0.5, 1.0):
        camera = Camera(isometric=isometric, x=0.1, z=0.1)
        q = 1 + camera.relief * np.linspace(0, 1, 50)
        clip = np.column_stack([np.zeros((50, 2)), np.ones(50), q]) @ matrix(camera).T
        z = clip[:, 2] / clip[:, 3]
        assert (np.diff(z) < 0).all()
        assert (np.abs(z) < 1).all()


@pytest.mark.parametrize(
    ("photo", "frame", "fit", "expected"),
    [
        ((400, 300), (400, 300), "crop", (1, 0.75)),
        ((400, 300), (1920, 1080), "crop", (1, 9 / 16)),
        ((400, 300), (100, 100), "crop", (0.75, 0.75)),
        ((300, 400), (1920, 1080), "crop", (0.75, 0.75 * 9 / 16)),
        ((400, 300), (1920, 1080), "pad", (0.75 * 16 / 9, 0.75)),
        ((400, 300), (100, 100), "pad", (1, 1)),
        ((400, 300), (100, 100), "fill", (1, 0.75)),
    ],
)
def test_what_a_frame_shows_of_the_photo(photo, frame, fit, expected):
    assert frame_extent(photo, frame, fit) == pytest.approx(expected)
