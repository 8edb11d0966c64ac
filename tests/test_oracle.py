"""The renderer against the ray-casting oracle: same pictures away from cuts, and no more restless in motion."""

import cv2
import numpy as np
import pytest
from raycaster import cast
from scipy import ndimage
from skimage import data
from skimage.metrics import peak_signal_noise_ratio as psnr

from depthflow.render.frames import FrameRenderer
from depthflow.render.layers import peel
from depthflow.scene import framing
from depthflow.scene.camera import Camera, photo_extent

pytestmark = pytest.mark.gl

SIZE = 480, 324
CAMERAS = {
    "x": {"x": 0.08},
    "y": {"y": -0.06},
    "z": {"z": 0.1},
    "yaw": {"yaw": 3.0, "pivot": 0.35},
    "pitch": {"pitch": 2.0},
    "roll": {"roll": 4.0, "x": 0.03},
    "dolly": {"dolly": 0.4},
    "isometric": {"isometric": 0.7, "x": 0.05},
    "all": {"x": -0.05, "y": 0.04, "z": 0.05, "yaw": 1.0, "roll": 2.0, "zoom": 1.1},
}
RELIEF = 0.6


@pytest.fixture(scope="module")
def scene():
    """A real photo and its measured depth: the Middlebury motorcycle, made smaller."""
    photo, _, disparity = data.stereo_motorcycle()
    unknown = ~(np.isfinite(disparity) & (disparity > 0))
    disparity = disparity[tuple(ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True))]
    photo = cv2.resize(photo, SIZE, interpolation=cv2.INTER_AREA)
    depth = cv2.resize(disparity.astype(np.float32), SIZE, interpolation=cv2.INTER_AREA)
    return photo, (depth - depth.min()) / (depth.max() - depth.min())


def layers_of(scene, cameras, count=2):
    photo, depth = scene
    extent = photo_extent(SIZE)
    return peel(photo, depth, framing.reach(cameras, extent) * SIZE[0] / (2 * extent[0]), count=count)


def oracle(layers, camera, **more):
    extent = photo_extent(SIZE)
    return cast(layers, camera, extent=extent, frame=extent, size=SIZE, **more)


def away_from_cuts(layers, view):
    """(H, W): nothing but the front layer is near, and none of its soft edges."""
    front = layers.sheets[-1]
    edges = cv2.dilate((front.colour[..., 3] < 255).astype(np.uint8), np.ones((9, 9)))
    touched = cv2.remap(edges, view.place, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT) > 0
    off = touched | (view.layer != len(layers.sheets) - 1)
    return ~cv2.dilate(off.astype(np.uint8), np.ones((5, 5))).astype(bool)


def test_the_oracle_at_rest_sees_the_photo(scene):
    camera = Camera(relief=RELIEF)
    view = oracle(layers_of(scene, [Camera(x=0.08, relief=RELIEF)]), camera, steps=60)
    assert np.abs(view.picture - scene[0]).max() <= 1.5


@pytest.mark.parametrize("name", CAMERAS)
def test_away_from_cuts_the_renderer_sees_what_rays_see(scene, name):
    camera = Camera(relief=RELIEF, **CAMERAS[name])
    layers = layers_of(scene, [camera])
    view = oracle(layers, camera)
    with FrameRenderer(*scene, size=SIZE, edge="mirror") as renderer:
        frame = renderer.render(camera)
    calm = away_from_cuts(layers, view)
    assert calm.mean() > 0.5
    assert psnr(view.picture[calm], frame[calm].astype(np.float32), data_range=255) >= 40


SLOW = {
    "right": [Camera(relief=RELIEF, x=0.04 + 0.0006 * step, y=0.0003 * step) for step in range(4)],
    "left": [Camera(relief=RELIEF, x=-0.05 - 0.0006 * step, y=-0.02 + 0.0003 * step) for step in range(4)],
}


@pytest.mark.parametrize("way", SLOW)
def test_nothing_pops_in_a_slow_motion(scene, way):
    """Second differences in time: what flickers or jumps has large ones, what slides has those of its picture."""
    cameras = SLOW[way]
    layers = layers_of(scene, cameras, 3)
    truth = np.stack([np.rint(oracle(layers, camera).picture) for camera in cameras])  # frames have whole levels too
    with FrameRenderer(*scene, size=SIZE, edge="mirror", layers=3) as renderer:
        seen = np.stack([frame.astype(np.float32) for frame in renderer.frames(cameras)])
    ours, rays = (np.sort(np.abs(np.diff(pictures, 2, axis=0)).max(axis=-1), axis=None) for pictures in (seen, truth))
    # All over, and nowhere at once: the worst hundredth, thousandth and ten thousandth of the pixels.
    for share in (1, 0.01, 0.001, 0.0001):
        worst = slice(-round(ours.size * share), None)
        assert ours[worst].mean() <= 1.5 * rays[worst].mean(), share
