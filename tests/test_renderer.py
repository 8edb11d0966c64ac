"""Rendered frames against the photo, against geometry on paper, and against a real second photo."""

import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from running import without
from skimage import data
from skimage.metrics import peak_signal_noise_ratio as psnr
from skimage.metrics import structural_similarity

from depthflow.errors import GLError
from depthflow.images import load_photo
from depthflow.jobs import pipeline
from depthflow.jobs.spec import JobSpec
from depthflow.render import painter
from depthflow.render.context import context
from depthflow.render.frames import FrameRenderer
from depthflow.scene.camera import Camera

pytestmark = pytest.mark.gl


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(data.astronaut()[:384])  # 512 x 384


@pytest.fixture(scope="module")
def bumpy():
    rng = np.random.default_rng(5)
    depth = cv2.GaussianBlur(rng.random((192, 256)).astype(np.float32), (0, 0), 9)
    depth = (depth - depth.min()) / (depth.max() - depth.min())
    depth[60:120, 80:150] = 1.0
    return depth


def textured(height=240, width=320):
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.random((height, width, 3)).astype(np.float32), (0, 0), 3)
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    return np.ascontiguousarray((noise * 255).astype(np.uint8))


@pytest.mark.parametrize("isometric", [0.0, 0.6])
def test_the_resting_camera_shows_the_photo(photo, bumpy, isometric):
    with FrameRenderer(photo, bumpy, size=(512, 384)) as renderer:
        # The mesh is made fine, as for a moving clip: a coarse one would make this too easy.
        renderer.prepare([Camera(x=0.1), Camera(x=-0.1)])
        frame = renderer.render(Camera(relief=1.2, isometric=isometric))
    assert frame.shape == (384, 512, 3)
    assert psnr(photo, frame) >= 40
    assert np.abs(frame.astype(int) - photo).max() <= 2


def test_an_impulse_keeps_its_height_at_rest():
    photo = np.zeros((120, 160, 3), np.uint8)
    photo[60, 80] = 255
    with FrameRenderer(photo, np.full((120, 160), 0.5, np.float32), size=(160, 120)) as renderer:
        assert renderer.render(Camera())[60, 80].min() >= 0.95 * 255


def test_a_wall_moves_as_geometry_says():
    """A plane at one depth moves by x * relief * (d - focus) / tan(fov / 2) half-frames: here 8 whole pixels left."""
    photo, depth = textured(), np.full((240, 320), 0.75, np.float32)
    camera = Camera(relief=0.8, focus=0.25, fov=90)
    shift = 8
    camera = Camera(relief=0.8, focus=0.25, fov=90, x=shift / 160 / (0.8 * 0.5))
    with FrameRenderer(photo, depth, size=(320, 240)) as renderer:
        frame = renderer.render(camera)
        up = renderer.render(Camera(relief=0.8, focus=0.25, fov=90, y=camera.x))
    assert psnr(photo[:, shift:], frame[:, :-shift]) >= 40
    # The camera goes up, so the wall goes down.
    assert psnr(photo[:-shift], up[shift:]) >= 40


def test_a_wall_grows_as_the_camera_comes_nearer():
    photo, depth = textured(), np.full((240, 320), 0.5, np.float32)
    q = 1 + 0.6 * 0.5
    with FrameRenderer(photo, depth, size=(320, 240)) as renderer:
        frame = renderer.render(Camera(z=0.5 / q))  # half way: twice as large
    middle = cv2.resize(photo[60:180, 80:240], (320, 240), interpolation=cv2.INTER_LINEAR)
    assert psnr(middle, frame) >= 40


def moved_by(before, after, around, search=25):
    """Horizontal movement, in pixels, of the patch round (row, column)."""
    row, col = around
    patch = before[row - 15 : row + 15, col - 15 : col + 15]
    strip = after[row - 15 : row + 15, col - 15 - search : col + 15 + search]
    return int(cv2.minMaxLoc(cv2.matchTemplate(strip, patch, cv2.TM_SQDIFF))[2][0]) - search


def test_near_moves_more_than_far_and_the_right_way():
    photo = textured()
    depth = np.zeros((240, 320), np.float32)
    depth[70:170, 110:210] = 1.0
    with FrameRenderer(photo, depth, size=(320, 240)) as renderer:
        right = renderer.render(Camera(x=0.08, focus=0.25))
    near, far = moved_by(photo, right, (120, 160)), moved_by(photo, right, (30, 60))
    assert near < -5  # the camera goes right, near things go left
    assert far > 1  # and what is beyond the focus plane goes right
    assert abs(near) > 2 * abs(far)


def test_near_things_hide_far_ones():
    photo = np.zeros((100, 200, 3), np.uint8)
    photo[:, :100] = (255, 0, 0)
    photo[:, 100:] = (0, 0, 255)
    depth = np.zeros((100, 200), np.float32)
    depth[:, :100] = 1.0
    with FrameRenderer(photo, depth, size=(200, 100), edge="clamp") as renderer:
        left = renderer.render(Camera(x=-0.2, focus=0.0))  # the near red moves right, over the blue
    assert tuple(left[50, 110]) == (255, 0, 0)


def test_frames_are_those_of_single_cameras(photo, bumpy):
    cameras = [Camera(x=0.1 * np.sin(i)) for i in range(5)]
    with FrameRenderer(photo, bumpy, size=(320, 240)) as renderer:
        frames = list(renderer.frames(cameras))
        assert len(frames) == 5
        for camera, frame in zip(cameras, frames, strict=True):
            np.testing.assert_array_equal(renderer.render(camera), frame)


def test_a_clip_can_be_left_in_the_middle(photo, bumpy):
    with FrameRenderer(photo, bumpy, size=(64, 48)) as renderer:
        for number, _ in enumerate(renderer.frames([Camera(x=0.01 * i) for i in range(50)])):
            if number == 3:
                break
        assert renderer.render(Camera()).shape == (48, 64, 3)


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (301, 203)])
def test_crop_keeps_the_aspect_ratio(photo, bumpy, size):
    with FrameRenderer(photo, bumpy, size=size) as renderer:
        frame = renderer.render(Camera())
    width, height = size
    aspect, own = width / height, 512 / 384
    wide, high = (512, round(512 / aspect)) if aspect > own else (round(384 * aspect), 384)
    top, left = (384 - high) // 2, (512 - wide) // 2
    expected = cv2.resize(photo[top : top + high, left : left + wide], size, interpolation=cv2.INTER_AREA)
    assert psnr(expected, frame) >= 24


def test_pad_shows_all_between_black_bars(photo, bumpy):
    with FrameRenderer(photo, bumpy, size=(800, 384), fit="pad") as renderer:
        frame = renderer.render(Camera())
        moved = renderer.render(Camera(x=0.1))
    np.testing.assert_allclose(frame[:, 144:656].astype(int), photo, atol=2)
    for picture in (frame, moved):
        assert picture[:, :144].max() == 0
        assert picture[:, 656:].max() == 0


@pytest.mark.parametrize(("shape", "line"), [((1, 500), np.s_[23]), ((500, 1), np.s_[:, 31])])
def test_a_padded_photo_that_is_thinner_than_a_pixel_is_a_line(shape, line):
    photo = np.full((*shape, 3), 200, np.uint8)
    with FrameRenderer(photo, np.zeros(shape, np.float32), size=(64, 48), fit="pad") as renderer:
        frame = renderer.render(Camera())
    assert (frame[line] == 200).all()
    frame[line] = 0
    assert not frame.any()


@pytest.mark.parametrize(
    "turned",
    [{}, {"zoom": 2, "shift_x": -1.2}, {"zoom": 2, "yaw": 15}, {"zoom": 0.3, "scroll_y": 0.2}, {"z": 0.12, "x": 0.2}],
)
def test_a_scrolling_photo_goes_on_wherever_the_camera_looks(turned):
    photo = np.full((90, 160, 3), 200, np.uint8)
    cameras = [Camera(scroll_x=scroll, **turned) for scroll in np.linspace(0.1, 2, 9)]
    with FrameRenderer(photo, np.full((90, 160), 0.5, np.float32), size=(64, 36)) as renderer:
        for frame in renderer.frames(cameras):
            assert (frame == 200).all()


@pytest.mark.parametrize("edge", ["mirror", "clamp"])
def test_the_photo_goes_on_by_its_longer_side(edge):
    photo = np.full((60, 100, 3), 200, np.uint8)
    with FrameRenderer(photo, np.full((60, 100), 0.5, np.float32), size=(96, 54), edge=edge) as renderer:
        assert (renderer.render(Camera(zoom=0.36)) == 200).all()


def test_hiding_the_edge_shows_nothing_but_the_photo():
    photo = textured()
    depth = np.tile(np.linspace(0, 1, 320, dtype=np.float32), (240, 1))
    cameras = [Camera(x=0.15 * np.cos(a), y=0.1 * np.sin(a)) for a in np.linspace(0, 6, 20)]
    with FrameRenderer(photo, depth, size=(320, 240), edge="zoom") as renderer:
        framed = renderer.framed(cameras)
        zoom = framed[0].zoom
        assert {c.zoom for c in framed} == {zoom}
        assert 1.05 < zoom < 2
        # A black photo with a white rim: clamped, everything outside of it is white.
        white = np.zeros_like(photo)
        white[[0, -1]] = 255
        white[:, [0, -1]] = 255
        with FrameRenderer(white, depth, size=(320, 240), edge="clamp") as rim:
            seen = [frame.max(axis=2) > 200 for frame in rim.frames(framed)]
            loose = [frame.max(axis=2) > 200 for frame in rim.frames(cameras)]
    # The rim itself, one pixel of the photo, may touch the frame's border; more of it may not.
    assert max(int(s[3:-3, 3:-3].sum()) for s in seen) == 0
    assert max(int(s[3:-3, 3:-3].sum()) for s in loose) > 500


def test_a_large_photo_is_averaged_down_not_picked_from(bumpy):
    """Stripes one pixel wide, at a fifth of their size, are grey; picking pixels would give stripes again."""
    photo = np.zeros((960, 1280, 3), np.uint8)
    photo[:, ::2] = 255
    with FrameRenderer(photo, bumpy, size=(256, 192)) as renderer:
        frame = renderer.render(Camera(x=0.02))[10:-10, 10:-10]
    assert frame.mean() == pytest.approx(127.5, abs=8)
    # The average of five stripes, two or three of them white, is off by up to a tenth; picking gives 127.
    assert frame.std() < 26


def test_twelve_megapixels_of_fine_texture_do_not_shimmer():
    """Fine detail from frame to frame: no more of it than if frames nine times as large were averaged down."""
    rng = np.random.default_rng(6)
    photo = cv2.cvtColor(rng.integers(0, 256, (3000, 4000), np.uint8), cv2.COLOR_GRAY2RGB)
    photo[::3] //= 2
    cameras = [Camera(x=0.001 * step, focus=0.0) for step in range(3)]
    energy = []
    for supersample in (1, 3):
        with FrameRenderer(photo, np.full((30, 40), 0.5, np.float32), size=(1280, 720), supersample=supersample) as r:
            frames = [frame[..., 1].astype(np.float32) for frame in r.frames(cameras)]
        steps = [after - before for before, after in pairwise(frames)]
        energy.append(np.mean([(step - cv2.GaussianBlur(step, (0, 0), 2)) ** 2 for step in steps]))
    assert energy[1] > 1, "something moves"
    assert energy[0] <= 1.25 * energy[1]


def test_supersampling_gives_the_asked_size(photo, bumpy):
    with FrameRenderer(photo, bumpy, size=(256, 192), supersample=2) as renderer:
        frame = renderer.render(Camera())
    expected = cv2.resize(photo, (256, 192), interpolation=cv2.INTER_AREA)
    assert frame.shape == (192, 256, 3)
    assert psnr(expected, frame) >= 38


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (300, 2), (5, 5)])
def test_tiny_photos_render(shape):
    photo = np.full((*shape, 3), 200, np.uint8)
    with FrameRenderer(photo, np.full(shape, 0.5, np.float32), size=(64, 64)) as renderer:
        frame = renderer.render(Camera(x=0.1, z=0.1))
    assert (frame == 200).all()


def test_any_thread_may_render(photo, bumpy):
    results = []
    with FrameRenderer(photo, bumpy, size=(128, 96)) as renderer:
        alone = renderer.render(Camera(x=0.05))
        threads = [threading.Thread(target=lambda: results.append(renderer.render(Camera(x=0.05)))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 4
    for frame in results:
        np.testing.assert_array_equal(frame, alone)


def test_a_closed_renderer_says_so(photo, bumpy):
    renderer = FrameRenderer(photo, bumpy, size=(64, 48))
    renderer.close()
    renderer.close()
    with pytest.raises(GLError, match="closed"):
        renderer.render(Camera())


def test_too_large_a_frame_is_refused(photo, bumpy):
    side = context().info.max_side
    with pytest.raises(GLError, match="larger than"):
        FrameRenderer(photo, bumpy, size=(side + 2, 2))


def test_no_font_library_is_needed():
    """vispy looks for fontconfig while it is imported, and a slim system has none."""
    code = without("fontconfig") + "from depthflow.render.context import context; print(context().info.renderer)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == context().info.renderer


@pytest.mark.parametrize(("layers", "decibels", "similarity"), [(1, 22.0, 0.87), (2, 24.0, 0.885)])
def test_a_real_second_photo_is_met(layers, decibels, similarity):
    """Middlebury motorcycle: the right photo predicted from the left one and its disparity.

    The measured reference of a stretched mesh on this pair is 22.1 dB and SSIM 0.871.
    """
    left, right, disparity = data.stereo_motorcycle()
    good = np.isfinite(disparity) & (disparity > 0)
    holes = (~good).astype(np.uint8)
    nearest = cv2.distanceTransformWithLabels(holes, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1]
    table = np.zeros(nearest.max() + 1, np.float32)
    table[nearest[good]] = disparity[good]
    disparity = table[nearest]
    low, high = float(disparity.min()), float(disparity.max())
    depth = (disparity - low) / (high - low)
    width = left.shape[1]
    rest = Camera(relief=0.6)
    # A pixel moves by x * relief * (d - focus) / ray_scale half-widths, which has to be its disparity.
    camera = Camera(relief=0.6, focus=-low / (high - low), x=(high - low) * 2 / width * rest.ray_scale / rest.relief)
    with FrameRenderer(left, depth, size=(width, left.shape[0]), layers=layers) as renderer:
        seen = renderer.render(camera)
    inner = np.s_[:, 70:-70]
    assert psnr(right[inner], seen[inner]) >= decibels
    _, ssim = structural_similarity(right, seen, channel_axis=2, full=True)
    assert ssim[inner].mean() >= similarity


@pytest.mark.parametrize(
    ("name", "motion", "strength", "layers"),
    [("dogs", "orbital", 2.0, 3), ("dogs", "horizontal", 1.0, 2), ("astronaut", "arc", 2.0, 2)],
)
def test_no_place_shows_nothing(name, motion, strength, layers, monkeypatch):
    """What the front leaves open the layer behind fills, also where it is deeper than the far side."""
    monkeypatch.setitem(painter.BLACK, "rgb", (1.0, 0.0, 1.0))
    path = str(Path(__file__).parent / "photos" / f"{name}.jpg")
    job = {"photo": path, "motion": {"name": motion, "strength": strength}, "outputs": [{"fps": 8, "duration": 2}]}
    spec = pipeline.resolve(JobSpec.parse(job))
    taken = load_photo(path)
    depth = pipeline.depth_of(taken, spec.depth, cache_bytes=0)
    with FrameRenderer(taken.pixels, depth, size=(960, 540), layers=layers) as drawer:
        clip = drawer.framed(pipeline.cameras_of(spec, spec.outputs[0], depth))
        nothing = [int((frame == (255, 0, 255)).all(axis=2).sum()) for frame in drawer.frames(clip)]
    assert sum(nothing) == 0, nothing
