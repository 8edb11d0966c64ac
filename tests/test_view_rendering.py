"""Several views as drawn: measured on pixels, against single frames and against numpy."""

import cv2
import numpy as np
import pytest

from depthflow.render.frames import FrameRenderer
from depthflow.render.painter import Shot
from depthflow.render.yuv import to_yuv
from depthflow.scene.anaglyph import METHODS, TABLE
from depthflow.scene.camera import Camera
from depthflow.scene.effects import Effects
from depthflow.scene.views import Fan, Quilt, layout

pytestmark = pytest.mark.gl

SIZE = (320, 240)


def noise(seed=0, height=240, width=320):
    rng = np.random.default_rng(seed)
    soft = cv2.GaussianBlur(rng.random((height, width, 3)).astype(np.float32), (0, 0), 2)
    soft = (soft - soft.min()) / (soft.max() - soft.min())
    return np.ascontiguousarray((soft * 255).astype(np.uint8))


@pytest.fixture(scope="module")
def planes():
    """A near square before a far wall."""
    depth = np.zeros((240, 320), np.float32)
    depth[70:170, 110:210] = 1.0
    return noise(), depth


def shoot(photo, depth, places, camera, fan, **options):
    """One frame of several views."""
    with FrameRenderer(photo, depth, size=places.view, views=places, edge="clamp", **options) as renderer:
        return next(renderer.frames(renderer.shots([camera], fan)))


def cut_out(frame, rect):
    x, y, width, height = rect
    return frame[y : y + height, x : x + width]


def single(photo, depth, camera, clip, size=SIZE):
    """A view rendered alone, as fine as the clip asks for."""
    with FrameRenderer(photo, depth, size=size, edge="clamp") as renderer:
        renderer.prepare(clip)
        return renderer.render(camera)


def disparity(left, right, row, col, half=14, search=24):
    """How much farther left the patch of the left view lies in the right one: pixels, to a tenth."""
    scale = 10
    patch = left[row - half : row + half, col - half : col + half]
    strip = right[row - half : row + half, col - half - search : col + half + search]
    patch, strip = (cv2.resize(p, None, fx=scale, fy=1, interpolation=cv2.INTER_CUBIC) for p in (patch, strip))
    found = cv2.minMaxLoc(cv2.matchTemplate(strip, patch, cv2.TM_SQDIFF))[2][0]
    return search - found / scale


@pytest.mark.parametrize("separation", [3.0, 6.0])
@pytest.mark.parametrize("focus", [0.0, 0.4, 1.0])
def test_planes_lie_as_far_apart_as_asked(planes, separation, focus):
    places = layout("sbs", SIZE)
    frame = shoot(*planes, places, Camera(focus=focus), Fan(2, separation))
    left, right = (cut_out(frame, rect) for rect in places.viewports)
    near, far = disparity(left, right, 120, 160), disparity(left, right, 30, 60)
    assert near - far == pytest.approx(separation / 100 * SIZE[0], abs=0.4)
    # Their share follows from the focus plane, which has none.
    assert near == pytest.approx((1 - focus) * separation / 100 * SIZE[0], abs=0.4)
    assert far == pytest.approx(-focus * separation / 100 * SIZE[0], abs=0.4)


def test_each_eye_sees_more_of_the_wall_on_its_own_side():
    """A white square before a black wall with a red stripe left of it and a green one right of it."""
    photo = np.zeros((240, 320, 3), np.uint8)
    photo[:, 100:110, 0] = 255
    photo[:, 210:220, 1] = 255
    depth = np.zeros((240, 320), np.float32)
    photo[70:170, 110:210], depth[70:170, 110:210] = 255, 1.0
    places = layout("sbs", SIZE)
    frame = shoot(photo, depth, places, Camera(focus=0.5), Fan(2, 5.0), layers=1)
    left, right = (cut_out(frame, rect)[110:130].astype(int) for rect in places.viewports)

    def stripe(view, channel):
        return int((view[..., channel] - view[..., 2]).clip(0).sum())

    assert stripe(left, 0) > 1.15 * stripe(right, 0)
    assert stripe(right, 1) > 1.15 * stripe(left, 1)


@pytest.mark.parametrize("mode", ["sbs", "tb", "cross", "pair"])
def test_views_are_the_frames_that_their_cameras_see(planes, mode):
    places = layout(mode, SIZE)
    camera, fan = Camera(x=0.03, yaw=4, relief=0.8), Fan(2, 4.0)
    frame = shoot(*planes, places, camera, fan)
    assert frame.shape == (places.canvas[1], places.canvas[0], 3)
    views = fan.cameras(camera, 2.0)
    for view, rect in zip(views, places.viewports, strict=True):
        np.testing.assert_allclose(cut_out(frame, rect).astype(int), single(*planes, view, views), atol=1)


def test_cross_eyed_is_the_swap_of_side_by_side(planes):
    camera, fan = Camera(), Fan(2, 4.0)
    parallel, cross, swapped = (
        shoot(*planes, layout(mode, SIZE, swap=swap), camera, fan)
        for mode, swap in (("sbs", False), ("cross", False), ("sbs", True))
    )
    np.testing.assert_array_equal(cross, np.hstack(np.hsplit(parallel, 2)[::-1]))
    np.testing.assert_array_equal(cross, swapped)


@pytest.mark.parametrize(("mode", "axis"), [("sbs-half", 1), ("tb-half", 0)])
def test_half_modes_squeeze_the_same_views(planes, mode, axis):
    camera, fan = Camera(relief=0.8), Fan(2, 4.0)
    half = shoot(*planes, layout(mode, SIZE), camera, fan)
    full = shoot(*planes, layout(mode.removesuffix("-half"), SIZE), camera, fan)
    assert half.shape == (SIZE[1], SIZE[0], 3)
    squeezed = cv2.resize(full, SIZE, interpolation=cv2.INTER_AREA)
    assert np.abs(half.astype(int) - squeezed).mean() < 2.0
    # One view lies where the other would not fit.
    assert np.abs(half.astype(int) - np.flip(squeezed, axis)).mean() > 10


def test_half_modes_average_what_they_squeeze():
    """Stripes one pixel wide are grey in a picture of half the width."""
    photo = np.zeros((96, 320, 3), np.uint8)
    photo[:, ::2] = 255
    places = layout("sbs-half", (320, 96))
    frame = shoot(photo, np.zeros((96, 320), np.float32), places, Camera(relief=0.0), Fan(2, 3.0))
    assert frame[:, 4:-4].astype(int).std() < 3
    assert frame.mean() == pytest.approx(127.5, abs=2)


def test_a_quilt_s_views_lie_in_order_and_are_those_of_their_cameras(planes):
    places = layout("quilt", (64, 48), grid=Quilt(3, 2))
    camera, fan = Camera(focus=0.2), Fan(6, 9.0)
    frame = shoot(*planes, places, camera, fan)
    assert frame.shape == (96, 192, 3)
    views = fan.cameras(camera, 2.0)
    clip = [views[0], views[-1]]
    for view, (x, y) in zip(views, [(0, 48), (64, 48), (128, 48), (0, 0), (64, 0), (128, 0)], strict=True):
        alone = single(*planes, view, clip, (64, 48))
        np.testing.assert_allclose(frame[y : y + 48, x : x + 64].astype(int), alone, atol=1)


def test_a_squeezed_quilt_shows_the_display_s_aspect(planes):
    """Tiles of 40x40 for a display of 2:1: a circle is half as wide as it is high."""
    photo = np.zeros((100, 200, 3), np.uint8)
    cv2.circle(photo, (100, 50), 30, (255, 255, 255), -1)
    places = layout("quilt", (40, 40), grid=Quilt(2, 1, aspect=2.0))
    assert places.view == (80, 40)
    frame = shoot(photo, np.zeros((100, 200), np.float32), places, Camera(relief=0.0), Fan(2, 0.0))
    seen = frame[:, :40, 0] > 127
    assert seen.any(axis=0).sum() == pytest.approx(12, abs=1)
    assert seen.any(axis=1).sum() == pytest.approx(24, abs=1)


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("mode", ["sbs", "sbs-half", "tb-half", "anaglyph", "rgbd"])
def test_odd_sizes_and_bars(planes, mode, fit):
    places = layout(mode, (101, 75))
    photo = np.full((240, 320, 3), 200, np.uint8)
    frame = shoot(photo, planes[1], places, Camera(), Fan(len(places.viewports), 2.0), fit=fit, anaglyph=mixed(mode))
    assert frame.shape == (places.frame[1], places.frame[0], 3)


def mixed(mode):
    return TABLE["dubois"] if mode == "anaglyph" else None


def test_no_view_looks_beyond_the_border():
    """With edge="zoom" one zoom hides the border in every view of every frame."""
    photo = noise()
    depth = np.tile(np.linspace(0, 1, 320, dtype=np.float32), (240, 1))
    white = np.zeros_like(photo)
    white[[0, -1]] = white[:, [0, -1]] = 255
    clip = [Camera(x=0.1 * np.cos(a), yaw=3 * np.sin(a), pivot=0.5, focus=0.9) for a in np.linspace(0, 6, 7)]
    fan = Fan(2, 8.0)
    places = layout("sbs", SIZE)
    with FrameRenderer(photo, depth, size=SIZE) as renderer:
        alone, both = renderer.framed(clip), renderer.framed(clip, fan)
    assert both[0].zoom > alone[0].zoom
    assert len({camera.zoom for camera in both}) == 1
    with FrameRenderer(white, depth, size=SIZE, views=places, edge="clamp") as rim:
        seen = [frame.max(axis=2) > 200 for frame in rim.frames(rim.shots(both, fan))]
        loose = [frame.max(axis=2) > 200 for frame in rim.frames(rim.shots(alone, fan))]
    views = [half[3:-3, 3:-3] for frame in seen for half in np.hsplit(frame, 2)]
    assert max(int(view.sum()) for view in views) == 0
    assert max(int(half[3:-3, 3:-3].sum()) for frame in loose for half in np.hsplit(frame, 2)) > 100
    # The separation is that of the magnified picture.
    first, last = fan.cameras(both[0], 2.0)
    assert first.x - last.x == pytest.approx(
        (fan.cameras(clip[0], 2.0)[0].x - fan.cameras(clip[0], 2.0)[1].x) / both[0].zoom, rel=1e-6
    )


# -- with effects ---------------------------------------------------------------------------------------------

LOOK = Effects({"vignette.strength": 0.8, "colour.saturation": 0.3, "fog.density": 1.0})


@pytest.mark.parametrize("mode", ["sbs", "tb"])
def test_effects_are_those_of_single_frames(planes, mode):
    places, camera, fan = layout(mode, SIZE), Camera(relief=0.8), Fan(2, 4.0)
    frame = shoot(*planes, places, camera, fan, effects=LOOK)
    views = fan.cameras(camera, 2.0)
    for view, rect in zip(views, places.viewports, strict=True):
        with FrameRenderer(*planes, size=SIZE, edge="clamp", effects=LOOK) as renderer:
            renderer.prepare(views)
            alone = renderer.render(view)
        np.testing.assert_allclose(cut_out(frame, rect).astype(int), alone, atol=2)
    assert np.abs(frame.astype(int) - shoot(*planes, places, camera, fan)).mean() > 10


def test_effects_come_before_the_squeeze(planes):
    photo = np.random.default_rng(7).integers(0, 256, (240, 320, 3), np.uint8)
    camera, fan = Camera(relief=0.8), Fan(2, 4.0)
    half, full = (shoot(photo, planes[1], layout(m, SIZE), camera, fan, effects=LOOK) for m in ("sbs-half", "sbs"))
    squeezed = cv2.resize(full, SIZE, interpolation=cv2.INTER_AREA)
    assert np.abs(half.astype(int) - squeezed).mean() < 0.6


def test_effects_come_before_the_glasses(planes):
    camera, fan, mix = Camera(), Fan(2, 4.0), TABLE["dubois"]
    pair = layout("pair", SIZE)
    both = shoot(*planes, pair, camera, fan, effects=LOOK)
    seen = shoot(*planes, layout("anaglyph", SIZE), camera, fan, effects=LOOK, anaglyph=mix)
    expected = reference(*(cut_out(both, rect) for rect in pair.viewports), mix)
    assert np.abs(seen - expected).max() <= 1.5


def test_effects_leave_depth_alone(planes):
    places, camera = layout("rgbd", SIZE), Camera(x=0.05)
    plain, styled = (shoot(*planes, places, camera, Fan(), **more) for more in ({}, {"effects": LOOK}))
    np.testing.assert_array_equal(cut_out(plain, places.depth), cut_out(styled, places.depth))
    assert np.abs(plain[:, :320].astype(int) - styled[:, :320]).mean() > 10


# -- anaglyph -------------------------------------------------------------------------------------------------


def reference(left, right, mix):
    """The anaglyph in floating point."""

    def light(value):
        return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)

    left, right = left / 255.0, right / 255.0
    if mix.linear:
        left, right = light(left), light(right)
    both = np.clip(left @ np.array(mix.left).T + right @ np.array(mix.right).T, 0, 1)
    if mix.linear:
        both = np.where(both <= 0.0031308, both * 12.92, 1.055 * both ** (1 / 2.4) - 0.055)
    both[..., 0] **= 1 / mix.gamma
    return both * 255


@pytest.mark.parametrize("method", METHODS)
def test_an_anaglyph_is_the_published_mix_of_both_views(planes, method):
    camera, fan = Camera(), Fan(2, 4.0)
    photo = planes[0].copy()
    photo[:60] = np.random.default_rng(3).integers(0, 256, (60, 320, 3))  # saturated colours too
    pair = layout("pair", SIZE)
    both = shoot(photo, planes[1], pair, camera, fan)
    left, right = (cut_out(both, rect) for rect in pair.viewports)
    mix = TABLE[method]
    seen = shoot(photo, planes[1], layout("anaglyph", SIZE), camera, fan, anaglyph=mix)
    off = np.abs(seen - reference(left, right, mix))
    assert off.max() <= 1.5
    assert np.abs(seen - reference(right, left, mix)).mean() > 3


@pytest.mark.parametrize("method", [method for method in METHODS if method != "optimised"])
def test_grey_stays_grey(method):
    """Every row of weights adds up to one, as the glasses ask for."""
    total = np.array(TABLE[method].left).sum(axis=1) + np.array(TABLE[method].right).sum(axis=1)
    np.testing.assert_allclose(total, 1, atol=0.002)


def test_equal_grey_views_make_a_grey_anaglyph():
    photo = np.repeat(np.tile(np.arange(256, dtype=np.uint8), (64, 1))[..., None], 3, axis=2)
    depth = np.zeros((64, 256), np.float32)
    frame = shoot(photo, depth, layout("anaglyph", (256, 64)), Camera(relief=0), Fan(2, 3.0), anaglyph=TABLE["dubois"])
    np.testing.assert_allclose(frame.astype(int), photo, atol=1)


def test_an_anaglyph_drawn_as_yuv_is_that_of_rgb(planes):
    places, camera, fan = layout("anaglyph", SIZE), Camera(), Fan(2, 4.0)
    rgb = shoot(*planes, places, camera, fan, anaglyph=TABLE["dubois"])
    with FrameRenderer(
        *planes, size=SIZE, views=places, edge="clamp", anaglyph=TABLE["dubois"], colour="smpte170m"
    ) as renderer:
        yuv = next(renderer.raw_frames(renderer.shots([camera], fan)))
    expected = to_yuv(np.dstack([rgb, np.full((240, 320), 255, np.uint8)]), "smpte170m")
    np.testing.assert_allclose(yuv.astype(int), expected, atol=2)


# -- depth beside the colour ----------------------------------------------------------------------------------


def test_depth_shows_the_moved_picture_with_near_in_white(planes):
    photo, depth = planes
    depth = depth * 0.8 + 0.1
    places, camera = layout("rgbd", SIZE), Camera(x=0.08, focus=0.0)
    frame = shoot(photo, depth, places, camera, Fan())
    colour, grey = np.hsplit(frame, 2)
    np.testing.assert_allclose(colour.astype(int), single(photo, depth, camera, [camera]), atol=1)
    assert (grey == grey[..., :1]).all()
    assert set(np.unique(grey)) <= {25, 26, 229, 230}
    # The near square moved to the left, and its depth with it.
    rows, cols = np.nonzero(grey[..., 0] > 127)
    moved = round(0.08 * 0.6 * 0.9 / np.tan(np.radians(27.5)) * 160)
    assert abs(cols.min() - (110 - moved)) <= 2
    assert abs(cols.max() - (209 - moved)) <= 2
    assert (rows.min(), rows.max()) == pytest.approx((70, 169), abs=2)


def test_depth_shows_no_facets_where_nothing_moves():
    """A camera that stands still needs hardly any triangles, but depth that is looked at does."""
    depth = cv2.GaussianBlur(np.random.default_rng(5).random((192, 256)).astype(np.float32), (0, 0), 12)
    depth = (depth - depth.min()) / (depth.max() - depth.min())
    places = layout("rgbd", (256, 192))
    grey = cut_out(shoot(noise(1, 192, 256), depth, places, Camera(), Fan()), places.depth)[..., 0]
    assert np.abs(grey - depth * 255).max() <= 3


def test_depth_is_linear_and_whole():
    """A ramp from far to near keeps its values, in RGB and in YUV, squeezed or not."""
    depth = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (64, 1))
    photo = noise(1, 64, 256)
    for mode in ("rgbd", "rgbd-half"):
        places = layout(mode, (256, 64))
        grey = cut_out(shoot(photo, depth, places, Camera(), Fan()), places.depth)[..., 0]
        expected = np.interp(np.linspace(0.5, 255.5, grey.shape[1]), np.arange(256) + 0.5, np.arange(256))
        assert np.abs(grey - expected).max() <= 4
        with FrameRenderer(photo, depth, size=(256, 64), views=places, colour="bt709", edge="clamp") as renderer:
            raw = cut_out(next(renderer.raw_frames([Shot((Camera(),))])), places.depth)
        assert np.abs(raw[..., 0] - (16 + grey.astype(float) * 219 / 255)).max() <= 1
        assert np.abs(raw[..., 1:3].astype(int) - 128).max() <= 1
