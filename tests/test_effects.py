"""Each effect against a numpy reference of its formula, on frames of one photo drawn with it and without."""

import cv2
import numpy as np
import pytest

from depthflow.jobs.effects import effects_of
from depthflow.jobs.effects_spec import EffectsSpec
from depthflow.render.effects import disc_area, discs, grain_offset, grain_tile
from depthflow.render.frames import FrameRenderer
from depthflow.render.painter import Shot
from depthflow.render.yuv import to_yuv
from depthflow.scene.camera import Camera, project
from depthflow.scene.effects import Effects, colour_matrix
from depthflow.scene.parameters import TABLE
from depthflow.scene.views import layout

pytestmark = pytest.mark.gl

SIZE = 160, 96
WIDTH, HEIGHT = SIZE
FLAT = np.full((HEIGHT, WIDTH), 0.35, np.float32)


def photo_of(seed=0):
    noise = np.random.default_rng(seed).random((HEIGHT, WIDTH, 3)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 4)
    return np.ascontiguousarray((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)


PHOTO = photo_of()


def drawn(effects, photo=PHOTO, depth=FLAT, camera=Camera(), values=None, phase=0.0, size=SIZE, **more):  # noqa: B008
    if isinstance(effects, dict):
        effects = effects_of(EffectsSpec.model_validate(effects), size, seed=3)
    with FrameRenderer(photo, depth, size=size, effects=effects, **more) as renderer:
        return renderer.render(Shot((camera,), values or {}, phase))


def grid():
    """Place of the pixels' middles, 0 to 1 across and down."""
    x, y = np.meshgrid((np.arange(WIDTH) + 0.5) / WIDTH, (np.arange(HEIGHT) + 0.5) / HEIGHT)
    return x, y


def levels(colours):
    return np.rint(np.clip(colours, 0, 1) * 255)


def close(frame, expected, most=1.01):
    np.testing.assert_allclose(frame.astype(float), expected, atol=most)


def smoothstep(low, high, value):
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


C = PHOTO / 255.0


def half_diagonals():
    x, y = grid()
    diagonal = np.hypot(WIDTH, HEIGHT)
    return (2 * x - 1) * WIDTH / diagonal, (2 * y - 1) * HEIGHT / diagonal


# -- off ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", ["rgb", "bt709"])
def test_what_is_off_leaves_every_bit_alone(colour):
    camera = Camera(x=0.05, z=0.03)
    depth = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    made = effects_of(EffectsSpec(), SIZE)
    assert not made.active()
    with FrameRenderer(PHOTO, depth, size=SIZE, colour=colour) as renderer:
        plain = next(renderer.raw_frames([camera]))
    with FrameRenderer(PHOTO, depth, size=SIZE, colour=colour, effects=made) as renderer:
        np.testing.assert_array_equal(next(renderer.raw_frames([camera])), plain)


def test_an_effect_that_is_animated_but_at_rest_leaves_the_picture_alone():
    names = frozenset(name for name, row in TABLE.items() if row.group == "effects")
    effects = Effects(animated=names)
    assert len(effects.active()) == 12
    np.testing.assert_array_equal(drawn(effects), drawn(None))


@pytest.mark.parametrize("name", ["vignette", "lens", "fog", "grain", "caption"])
def test_rgb_and_yuv_agree(name):
    spec = {
        "vignette": {"vignette": {"strength": 0.7}},
        "lens": {"lens": {"distortion": 0.2, "aberration": 0.02}, "colour": {"saturation": 1.4}},
        "fog": {"fog": {"density": 2}, "dof": {"aperture": 0.05}},
        "grain": {"grain": {"strength": 0.5}},
        "caption": {"caption": {"text": "Hello", "size": 0.2}, "letterbox": {"amount": 1}},
    }[name]
    depth = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    frame = drawn(spec, depth=depth)
    made = effects_of(EffectsSpec.model_validate(spec), SIZE, seed=3)
    with FrameRenderer(PHOTO, depth, size=SIZE, effects=made, colour="bt709") as renderer:
        packed = next(renderer.raw_frames([Camera()]))
    expected = to_yuv(np.dstack([frame, np.full((HEIGHT, WIDTH), 255, np.uint8)]), "bt709")
    close(packed, expected, most=1)


# -- formulas ----------------------------------------------------------------------------------------------------


def test_vignette():
    x, y = half_diagonals()
    dark = 1 - 0.8 * smoothstep(0.3, 1.05, np.hypot(x, y))
    close(drawn({"vignette": {"strength": 0.8, "start": 0.3}}), levels(C * dark[..., None]))


@pytest.mark.parametrize(
    "values",
    [
        {"exposure": 1.0},
        {"exposure": -2.0},
        {"contrast": 1.5},
        {"saturation": 0.3},
        {"saturation": 2.0},
        {"temperature": 0.8},
        {"sepia": 1.0},
        {"grayscale": 1.0},
        {"gamma": 1.8},
        {"exposure": 0.5, "temperature": -0.4, "saturation": 1.3, "sepia": 0.4, "contrast": 1.2, "gamma": 0.8},
    ],
)
def test_colour(values):
    v = {
        "exposure": 0,
        "temperature": 0,
        "saturation": 1,
        "grayscale": 0,
        "sepia": 0,
        "contrast": 1,
        "gamma": 1,
        **values,
    }
    luma = np.array([0.2126, 0.7152, 0.0722])
    c = C * 2 ** (v["exposure"] / 2.2)
    gains = np.array([2 ** (0.35 * v["temperature"]), 1, 2 ** (-0.35 * v["temperature"])])
    c = c * gains / (luma @ gains)
    c = (c @ luma)[..., None] * (1 - v["saturation"]) + c * v["saturation"]
    c = (c @ luma)[..., None] * v["grayscale"] + c * (1 - v["grayscale"])
    tone = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]) / 1.351
    c = c @ tone.T * v["sepia"] + c * (1 - v["sepia"])
    c = (c - 0.5) * v["contrast"] + 0.5
    c = np.maximum(c, 0) ** (1 / v["gamma"])
    close(drawn({"colour": values}), levels(c))


def test_temperature_keeps_the_luma_of_white_and_saturation_zero_is_grey():
    rest = {name: row.default for name, row in TABLE.items()}
    warm = colour_matrix({**rest, "colour.temperature": 1.0}) @ np.ones(4)
    assert warm @ [0.2126, 0.7152, 0.0722] == pytest.approx(1.0)
    assert warm[0] > 1.1 > 0.9 > warm[2]
    frame = drawn({"colour": {"saturation": 0}}).astype(int)
    assert np.ptp(frame, axis=2).max() <= 1


def test_fog_thickens_with_depth_and_starts_where_it_is_told_to():
    depth = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    camera = Camera(relief=0.8)
    with FrameRenderer(PHOTO, depth, size=SIZE) as renderer:
        renderer.prepare([Camera(x=0.2, relief=0.8), Camera(x=-0.2, relief=0.8)])
        plain = renderer.render(camera) / 255.0
    clear = np.exp(-2.5 * np.maximum(0.7 - depth, 0))[..., None]
    expected = levels(plain * clear + np.array([0x40, 0x80, 0xC0]) / 255 * (1 - clear))
    frame = drawn({"fog": {"density": 2.5, "start": 0.7, "colour": "#4080c0"}}, depth=depth, camera=camera)
    close(frame, expected, most=2)


def test_the_background_behind_a_cut_is_as_foggy_as_it_is_far():
    depth = np.zeros((HEIGHT, WIDTH), np.float32)
    depth[30:70, 50:100] = 1.0
    frame = drawn({"fog": {"density": 20, "start": 0.5, "colour": "white"}}, depth=depth, camera=Camera(x=0.2))
    shown = (frame.min(2) < 250).sum()
    # The near rectangle alone is left, and it is seen a little moved, not larger.
    assert 0.9 < shown / (40 * 50) < 1.1


def test_fade_and_its_times():
    close(drawn({"fade": {"amount": 0.25, "colour": "#ff8000"}}), levels(C * 0.75 + np.array([1, 128 / 255, 0]) * 0.25))
    effects = effects_of(EffectsSpec.model_validate({"fade": {"begin": 1.0, "end": 0.5}}), SIZE)
    amount = effects.timed({}, 20, 5.0)["fade.amount"]
    np.testing.assert_allclose(amount[:6], [1, 0.8, 0.6, 0.4, 0.2, 0], atol=1e-9)
    assert amount[10] == 0
    np.testing.assert_allclose(amount[-3:], [0.2, 0.6, 1.0], atol=1e-9)


def test_letterbox_leaves_open_its_aspect():
    frame = drawn({"letterbox": {"amount": 1, "aspect": 2.5}})
    rows = np.flatnonzero(frame.max(axis=(1, 2)))
    assert (rows[0], rows[-1]) == (16, 79)  # 160 / 2.5 = 64 rows of 96
    np.testing.assert_array_equal(frame[16:80], PHOTO[16:80])
    half = drawn({"letterbox": {"amount": 0.5, "aspect": 2.5}})
    assert np.flatnonzero(half.max(axis=(1, 2)))[0] == 8
    narrow = drawn({"letterbox": {"amount": 1, "aspect": 1.0}})
    columns = np.flatnonzero(narrow.max(axis=(0, 2)))
    assert (columns[0], columns[-1]) == (32, 127)


def test_grain_is_what_its_tile_says_and_differs_between_frames():
    grey = np.full_like(PHOTO, 128)
    spec = {"grain": {"strength": 1.0, "size": 540 / HEIGHT}}  # one grain a pixel
    frame = drawn(spec, grey, phase=0.25)
    noise = frame[..., 0].astype(float) - 128
    assert np.ptp(frame, axis=2).max() == 0
    assert abs(noise.mean()) < 1.5
    # The tile lies between the pixels and is interpolated there.
    dx, dy = grain_offset(3, 0.25)
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5 + dx * 512 - 0.5, np.arange(HEIGHT) + 0.5 + dy * 512 - 0.5)
    tile = np.pad(grain_tile(3).astype(np.float32), ((0, 600), (0, 600)), mode="wrap")
    expected = cv2.remap(tile, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    expected = (expected - 127.5) / 42 * 0.08 * 255
    assert np.abs(noise - expected).max() < 2.5
    np.testing.assert_array_equal(frame, drawn(spec, grey, phase=0.25))
    assert (frame != drawn(spec, grey, phase=0.5)).mean() > 0.8
    assert grain_tile(3).std() == pytest.approx(42, abs=1.5)
    assert (grain_tile(3) != grain_tile(4)).mean() > 0.9


def remapped(scale_of):
    x, y = half_diagonals()
    scale = scale_of(x * x + y * y)
    u, v = (n * scale for n in (grid()[0] * 2 - 1, grid()[1] * 2 - 1))
    u, v = (u + 1) / 2 * WIDTH - 0.5, (v + 1) / 2 * HEIGHT - 0.5
    return cv2.remap(
        PHOTO, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


@pytest.mark.parametrize("k", [0.3, -0.3])
def test_distortion(k):
    expected = remapped(lambda rr: (1 + k * rr) / (1 + max(k, 0)))
    close(drawn({"lens": {"distortion": k}}), expected, most=3)


def test_aberration_parts_red_and_blue_and_keeps_the_middle():
    frame = drawn({"lens": {"aberration": 0.1}})
    expected = np.dstack([remapped(lambda rr, p=p: 1 - 0.1 * p * rr)[..., i] for i, p in enumerate((1, 0.5, 0))])
    close(frame, expected, most=3)
    close(frame[46:50, 78:82], PHOTO[46:50, 78:82], most=3)


def test_the_sweep_is_gone_at_both_ends_and_in_the_middle_between_them():
    spec = {"sweep": {"strength": 1, "width": 0.3, "angle": 0, "colour": "white"}}
    for phase in (0.0, 1.0):
        np.testing.assert_array_equal(drawn(spec, phase=phase), drawn(None))
    x = (grid()[0] - 0.5) * WIDTH / HEIGHT
    band = (1 - smoothstep(0, 1, np.abs(x) / 0.3))[..., None]
    close(drawn(spec, phase=0.5), levels(C + band * (0.15 + 0.85 * C)))
    held = drawn({"sweep": {**spec["sweep"], "position": 0.5}}, phase=0.1)
    np.testing.assert_array_equal(held, drawn(spec, phase=0.5))


# -- with the rest of the renderer ---------------------------------------------------------------------------------


ALL = {
    "vignette": {"strength": 0.5},
    "dof": {"aperture": 0.03},
    "fog": {"density": 1},
    "particles": {"kind": "dust", "amount": 1},
    "caption": {"text": "Hi", "size": 0.2},
}


def test_each_of_several_views_gets_the_effects():
    depth = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    camera = Camera(x=0.02)
    alone = drawn(ALL, depth=depth, camera=camera, phase=0.3)
    made = effects_of(EffectsSpec.model_validate(ALL), SIZE, seed=3)
    places = layout("sbs", SIZE)
    with FrameRenderer(PHOTO, depth, size=SIZE, effects=made, views=places) as renderer:
        pair = renderer.render(Shot((camera, camera), {}, 0.3))
    assert pair.shape == (HEIGHT, 2 * WIDTH, 3)
    np.testing.assert_allclose(pair[:, :WIDTH].astype(int), alone, atol=1)
    np.testing.assert_allclose(pair[:, WIDTH:].astype(int), alone, atol=1)
    half = layout("sbs-half", SIZE)
    with FrameRenderer(PHOTO, depth, size=half.view, effects=made, views=half) as renderer:
        squeezed = renderer.render(Shot((camera, camera), {}, 0.3)).astype(int)
    # Squeezed views are the whole views, half as wide.
    whole = cv2.resize(alone, (WIDTH // 2, HEIGHT), interpolation=cv2.INTER_AREA)
    assert np.abs(squeezed[:, : WIDTH // 2] - whole).mean() < 3


def test_bars_of_padding_stay_black_and_the_picture_between_them_gets_the_effects():
    spec = {"fade": {"amount": 1.0, "colour": "white"}, "vignette": {"strength": 1}}
    frame = drawn(spec, size=(240, 96), fit="pad")
    assert frame[:, :40].max() == 0
    assert frame[:, 200:].max() == 0
    assert frame[:, 40:200].min() == 255


def test_supersampled_effects_look_the_same():
    depth = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    fine = drawn(ALL, depth=depth, supersample=2).astype(int)
    assert np.abs(fine - drawn(ALL, depth=depth)).mean() < 2.5


def test_effects_can_be_changed_between_clips():
    with FrameRenderer(PHOTO, FLAT, size=SIZE, colour="bt709") as renderer:
        plain = next(renderer.raw_frames([Camera()], keep=True))
        renderer.set_effects(effects_of(EffectsSpec.model_validate({"fade": {"amount": 1.0}}), SIZE))
        assert (next(renderer.raw_frames([Camera()]))[..., 0] == 16).all()
        renderer.set_effects(Effects())
        np.testing.assert_array_equal(next(renderer.raw_frames([Camera()])), plain)


# -- depth of field ----------------------------------------------------------------------------------------------


def wall(near, far=0.0):
    """A near half and a far half."""
    depth = np.full((HEIGHT, WIDTH), far, np.float32)
    depth[:, WIDTH // 2 :] = near
    return depth


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("focus", [0.0, 0.5, 1.0])
def test_depth_of_field_leaves_an_even_picture_alone(linear, focus):
    grey = np.full_like(PHOTO, (200, 90, 31))
    frame = drawn({"dof": {"aperture": 0.2, "focus": focus, "linear": linear}}, grey, wall(1.0), Camera(x=0.05))
    assert (frame == grey[0, 0]).all()


@pytest.mark.parametrize("shape", ["disc", "oval", "hexagon"])
@pytest.mark.parametrize("depth", [0.0, 1.0])
def test_a_bright_dot_spreads_as_far_as_the_lens_is_wide_and_keeps_its_light(shape, depth):
    """In linear light, which the blur takes as the square of code values."""
    size = 320, 240
    photo = np.zeros((240, 320, 3), np.uint8)
    photo[118:122, 158:162] = 255
    level = np.full((240, 320), depth, np.float32)
    aperture, camera = 0.09, Camera(focus=0.5, relief=0.6)
    frame = drawn({"dof": {"aperture": aperture, "shape": shape}}, photo, level, camera, size=size)
    light = (frame[..., 0] / 255.0) ** 2
    assert light.sum() == pytest.approx(16, rel=0.06)
    # The camera moved sideways by the aperture sees the dot move by the radius.
    moved = project(Camera(focus=0.5, relief=0.6, x=aperture), np.zeros((1, 2)), np.array([depth]))[0, 0]
    radius = abs(moved) * 160
    assert radius > 5
    y, x = np.nonzero(light > 0.25 * light.max())
    assert (y.mean(), x.mean()) == pytest.approx((119.5, 159.5), abs=0.75)
    wide, high = (np.ptp(x) + 1) / 2, (np.ptp(y) + 1) / 2
    assert high == pytest.approx(radius + 1.5, abs=2)
    assert wide == pytest.approx((radius / 1.6 if shape == "oval" else radius) + 1.5, abs=2.5)


@pytest.mark.parametrize("shape", ["disc", "hexagon"])
@pytest.mark.parametrize("aperture", [0.05, 0.15, 0.3, 0.5])
@pytest.mark.parametrize("depth", [0.0, 1.0])
def test_a_bright_dot_becomes_a_closed_and_even_shape_however_wide_the_lens_is(shape, aperture, depth):
    size = 640, 360
    photo = np.zeros((360, 640, 3), np.uint8)
    photo[172:188, 312:328] = 255
    level = np.full((360, 640), depth, np.float32)
    camera = Camera(focus=0.5, relief=0.6)
    frame = drawn({"dof": {"aperture": aperture, "shape": shape}}, photo, level, camera, size=size)
    moved = project(Camera(focus=0.5, relief=0.6, x=aperture), np.zeros((1, 2)), np.array([depth]))[0, 0]
    radius = abs(moved) * 320
    x, y = np.meshgrid(np.arange(640) - 319.5, np.arange(360) - 179.5)
    rim = np.hypot(x, y)
    if shape == "hexagon":  # a corner to the right
        rim = np.maximum(np.abs(y), np.abs(x) * np.sqrt(0.75) + np.abs(y) / 2) / np.sqrt(0.75)
    # Half the dot, and a texel of the small picture.
    blurry = 8 * np.sqrt(2) + max(8.0, radius / 7)
    light = (frame[..., 0] / 255.0) ** 2
    if radius > 1.2 * blurry:
        inside = light[rim < radius - blurry]
        steps = np.sqrt(inside) * 255
        assert np.ptp(steps) <= 0.05 * steps.mean() + 2
    assert light[rim > radius + blurry].max() < 1e-4


@pytest.mark.parametrize("slanted", [False, True])
@pytest.mark.parametrize("focus", [0.0, 1.0])
@pytest.mark.parametrize("aperture", [0.03, 0.12, 0.4])
def test_blurring_keeps_the_light_of_a_picture(aperture, focus, slanted):
    size = 640, 360
    noise = cv2.GaussianBlur(np.random.default_rng(1).random((360, 640, 3)).astype(np.float32), (0, 0), 3)
    photo = np.ascontiguousarray((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)
    depth = np.tile(np.linspace(0, 1, 640, dtype=np.float32), (360, 1))
    depth = depth if slanted else np.full_like(depth, 1.0 - focus)
    frame = drawn({"dof": {"aperture": aperture, "focus": focus}}, photo, depth, size=size)
    assert ((frame / 255.0) ** 2).sum() == pytest.approx(((photo / 255.0) ** 2).sum(), rel=0.01)


@pytest.mark.parametrize("size", [(640, 360), (1920, 1080), (3840, 2160)])
def test_an_even_picture_stays_even_however_many_levels_share_its_blurs(size):
    grey = np.full((90, 160, 3), (200, 90, 31), np.uint8)
    depth = np.tile(np.linspace(0, 1, 160, dtype=np.float32), (90, 1))
    frame = drawn({"dof": {"aperture": 0.5, "focus": 0.5}}, grey, depth, size=size)
    assert np.abs(frame.astype(int) - grey[0, 0]).max() <= 1


def test_the_shapes_of_a_dot_list_each_texel_once_and_cover_their_area():
    for sides, squeeze in ((0, 1.0), (0, 1.6), (5, 1.0), (6, 1.0)):
        taps = discs(12.0, sides, squeeze)
        assert len(np.unique(taps[:, :2], axis=0)) == len(taps)
        assert taps[0].tolist() == [0, 0, 0]
        assert (np.diff(taps[:, 2]) >= 0).all()
        for radius in (5.0, 12.0):
            texels = np.clip(radius - taps[:, 2] + 0.5, 0, 1).sum()
            assert texels == pytest.approx(disc_area(sides, squeeze) * (radius**2 + 1 / 12), rel=0.015)


def test_nothing_sharp_bleeds_into_a_blurred_background():
    photo = np.full_like(PHOTO, (0, 0, 200))
    photo[:, WIDTH // 2 :] = (255, 0, 0)  # the near half is red and sharp
    frame = drawn({"dof": {"aperture": 0.1, "focus": 1.0}}, photo, wall(1.0))
    assert frame[:, : WIDTH // 2 - 3, 0].max() < 12, "red in the background"
    assert frame[:, WIDTH // 2 + 3 :, 2].max() < 12, "blue over the sharp edge"


def test_a_blurred_foreground_covers_the_sharp_background_softly():
    photo = np.full_like(PHOTO, (0, 0, 200))
    photo[:, WIDTH // 2 :] = (255, 0, 0)
    frame = drawn({"dof": {"aperture": 0.1, "focus": 0.0}}, photo, wall(1.0)).astype(int)
    red = frame[HEIGHT // 2, :, 0]
    assert (np.diff(red) >= -12).all(), "from left to right it only gets more"
    soft = (red > 25) & (red < 230)
    assert 6 <= soft.sum() <= 40
    assert red[: WIDTH // 2 - 25].max() < 10
    assert red[WIDTH // 2 + 25 :].min() > 245


@pytest.mark.parametrize(("inner", "outer", "colour"), [(52, 56, 255), (0, 56, 200), (0, 58, 200)])
def test_the_outline_of_a_blurred_foreground_is_blurred_too(inner, outer, colour):
    """A ring or a disc; the last reaches into the soft edge outside of the thing's depth, which blurs with it."""
    size = 320, 192
    y, x = np.mgrid[:192, :320]
    away = np.hypot(x - 159.5, y - 95.5)
    photo = np.where(((away > inner) & (away < outer))[..., None], colour, 30).astype(np.uint8).repeat(3, axis=2)
    half = cv2.resize((away < 56).astype(np.float32), (160, 96), interpolation=cv2.INTER_AREA)
    depth = np.where(half > 0.5, 0.9, 0.1).astype(np.float32)
    camera = Camera(x=0.15, relief=0.8, focus=0.9)  # the thing stays
    blur = {"dof": {"aperture": 0.06, "focus": 0.1, "linear": False}}
    sharp, blurred = (
        drawn(effects, photo, depth, camera, size=size, edge="mirror")[..., 1].astype(int) for effects in ({}, blur)
    )
    for line in (np.s_[96, 80:140], np.s_[20:75, 160]):
        assert np.abs(np.diff(sharp[line])).max() > 150
        assert np.abs(np.diff(blurred[line])).max() < 20


@pytest.mark.parametrize("aperture", [0.04, 0.1])
def test_no_crumb_stays_sharp_where_a_soft_edge_of_a_blurred_thing_is_in_focus(aperture):
    """Between a near thing and what is behind it depth passes the focus; there lie dark specks of its outline."""
    size = width, height = 640, 384
    x = np.arange(width)
    row = np.interp(x, [316, 324], [0.9, 0.1]).astype(np.float32)
    row[480:] = 0.5  # what really is in focus
    depth = np.tile(row, (height, 1))
    photo = np.full((height, width, 3), 200, np.uint8)
    photo[:, :316] = (240, 120, 40)
    for specks in (np.s_[20:360:24, 319:322], np.s_[20:360:24, 560:563]):
        photo[specks] = 0
    frame = drawn({"dof": {"aperture": aperture, "focus": 0.5}}, photo, depth, size=size, layers=1)[..., 1].astype(int)
    assert np.abs(np.diff(frame[30:350, 540:580], axis=0)).max() > 150, "what is in focus stays sharp"
    beside = frame[30:350, 308:340]
    assert np.abs(np.diff(beside, axis=0)).max() < 40


def test_what_is_in_focus_stays_sharp_and_the_focus_follows_the_camera():
    depth = wall(1.0)
    followed = drawn({"dof": {"aperture": 0.1}}, depth=depth, camera=Camera(focus=1.0))
    np.testing.assert_array_equal(followed, drawn({"dof": {"aperture": 0.1, "focus": 1.0}}, depth=depth))
    np.testing.assert_allclose(followed[:, WIDTH // 2 + 4 :].astype(int), PHOTO[:, WIDTH // 2 + 4 :], atol=2)
    assert np.abs(followed[:, : WIDTH // 2 - 4].astype(int) - PHOTO[:, : WIDTH // 2 - 4]).max() > 20


def test_depth_of_field_looks_alike_at_every_size():
    depth = wall(1.0)
    spec = {"dof": {"aperture": 0.06, "focus": 1.0}}
    large = drawn(spec, depth=depth, size=(640, 384))
    small = drawn(spec, depth=depth, size=(320, 192))
    shrunk = cv2.resize(large, (320, 192), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk[:, :150].astype(int) - small[:, :150]).mean() < 2


# -- particles ---------------------------------------------------------------------------------------------------


SNOW = {"particles": {"kind": "snow", "amount": 1.0, "size": 3.0}}


@pytest.mark.parametrize("kind", ["dust", "snow", "rain", "fireflies"])
def test_particles_hide_behind_what_is_near_and_show_before_what_is_far(kind):
    spec = {"particles": {"kind": kind, "amount": 1.0, "size": 2.0}}
    black = np.zeros_like(PHOTO)
    # Three times as near as the nearest particle can be: relief 10 makes depth 1 stand at 1 / 11.
    depth = wall(1.0)
    camera = Camera(relief=10, focus=0.0)
    made = effects_of(EffectsSpec.model_validate(spec), SIZE, seed=3)
    with FrameRenderer(black, depth, size=SIZE, effects=made, layers=1) as renderer:
        frame = renderer.render(Shot((camera,), {}, 0.3))
    left, right = frame[:, : WIDTH // 2 - 8].astype(int), frame[:, WIDTH // 2 + 8 :].astype(int)
    assert (left.max(2) > 20).sum() > 30
    assert right.max() <= 1


def test_particles_come_round_and_are_the_same_for_the_same_seed():
    black = np.zeros_like(PHOTO)
    first = drawn(SNOW, black, phase=0.0)
    assert (first.max(2) > 20).sum() > 100
    np.testing.assert_allclose(drawn(SNOW, black, phase=1.0).astype(int), first, atol=1)
    np.testing.assert_array_equal(drawn(SNOW, black, phase=0.0), first)
    assert (drawn(SNOW, black, phase=0.5) != first).any(2).sum() > 100
    other = effects_of(EffectsSpec.model_validate(SNOW), SIZE, seed=4)
    assert (drawn(other, black) != first).any(2).sum() > 100


def test_near_particles_move_more_than_far_ones_when_the_camera_moves():
    from depthflow.scene.particles import KINDS, seen, swarm

    them = swarm(KINDS["snow"], 3, 5.0)
    frame = 1.0, 0.6
    still, moved = (seen(them, 0.2, Camera(x=x, relief=0.6), frame, height=1080, amount=1.0) for x in (0.0, 0.1))
    shift = still.centre[:, 0] - moved.centre[:, 0]
    # A point at depth d moves by x relief (d - focus) / tan(fov / 2).
    expected = 0.1 * 0.6 * (them.depth - 0.35) / Camera().ray_scale
    np.testing.assert_allclose(shift, expected, atol=1e-6)


def test_no_particle_appears_in_the_middle_of_the_frame():
    from depthflow.scene.particles import KINDS, seen, swarm

    for kind in KINDS.values():
        them = swarm(kind, 1, 4.0)
        views = [seen(them, phase, Camera(), (1.0, 0.5625), height=1080) for phase in (0.4, 0.401)]
        if len(views[0].centre) != len(views[1].centre):
            continue  # one is too pale to be seen
        step = np.abs(views[1].centre - views[0].centre).max(1)
        inside = (np.abs(views[0].centre) < 1).all(1)
        assert step[inside].max() < 0.05


# -- text and watermark --------------------------------------------------------------------------------------------


def test_a_caption_stands_where_it_should():
    black = np.zeros_like(PHOTO)
    for place, rows, columns in (
        ("bottom", (60, 96), (40, 120)),
        ("top-left", (0, 30), (0, 80)),
        ("right", (30, 66), (80, 160)),
    ):
        frame = drawn({"caption": {"text": "Hello", "size": 0.2, "place": place, "shadow": 0}}, black)
        y, x = np.nonzero(frame.max(2) > 60)
        assert len(y) > 50
        assert rows[0] <= y.min() < y.max() <= rows[1], place
        assert columns[0] <= x.min() < x.max() <= columns[1], place
    # The margin is one of 5 % of the height: the letters' box ends there.
    assert 159 - x.max() == pytest.approx(0.05 * HEIGHT, abs=1.5)


def test_a_caption_lies_within_the_bars_and_appears_in_time():
    black = np.zeros_like(PHOTO)
    boxed = {"caption": {"text": "Hi", "size": 0.2, "shadow": 0}, "letterbox": {"amount": 1, "aspect": 2.5}}
    y, _ = np.nonzero(drawn(boxed, black).max(2) > 60)
    assert y.max() <= 80 - 0.05 * HEIGHT + 1
    spec = {"caption": {"text": "Hi", "begin": 1.0, "end": 3.0, "fade": 0.5, "opacity": 0.8}}
    opacity = effects_of(EffectsSpec.model_validate(spec), SIZE).timed({}, 16, 4.0)["caption.opacity"]
    expected = [0, 0, 0, 0, 0, 0.4, 0.8, 0.8, 0.8, 0.8, 0.4, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(opacity, expected, atol=1e-9)


def test_a_long_caption_is_wrapped():
    spec = EffectsSpec.model_validate({"caption": {"text": "one two three four five six seven", "size": 0.2}})
    pixels = effects_of(spec, SIZE).overlays["caption"].pixels
    assert pixels.shape[1] < WIDTH + 30
    assert pixels.shape[0] > 2 * 0.2 * HEIGHT


def test_a_watermark_has_its_size_place_and_opacity(tmp_path):
    from PIL import Image

    mark = np.zeros((20, 40, 4), np.uint8)
    mark[..., 1] = 255
    mark[:, :20, 3] = 255
    Image.fromarray(mark).save(tmp_path / "mark.png")
    part = {"file": str(tmp_path / "mark.png"), "size": 0.25, "opacity": 0.5, "margin": 0.1, "place": "bottom-right"}
    frame = drawn({"watermark": part}, np.full_like(PHOTO, 100)).astype(int)
    # 40 x 20 pixels whose lower right corner is 10 rows and columns from the frame's; its right half is clear.
    changed = np.argwhere((frame != 100).any(2))
    (top, left), (bottom, right) = changed.min(0), changed.max(0)
    assert (top, bottom) == pytest.approx((66, 85), abs=1)
    assert (left, right) == pytest.approx((110, 129), abs=1)
    assert frame[75, 115].tolist() == pytest.approx([50, 178, 50], abs=1)


def test_particles_are_where_they_are_without_a_lens():
    """A lens draws into smaller pictures before they are drawn."""
    grey = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    depth = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    snow = {"particles": {"kind": "snow", "amount": 1, "size": 3}}
    shares = []
    for effects in (snow, {**snow, "dof": {"aperture": 0.2}}):
        light = np.abs(drawn(effects, grey, depth).astype(float) - 60).mean(2)
        assert light.mean() > 1, "they are seen"
        quarters = light.reshape(2, HEIGHT // 2, 2, WIDTH // 2).mean((1, 3))
        shares.append(quarters / quarters.sum())
    np.testing.assert_allclose(*shares, atol=0.1)


# -- transparent photos --------------------------------------------------------------------------------------------


X = np.arange(WIDTH)
OPACITY = np.tile(np.clip((X - 30) * 255 // 60, 0, 255).astype(np.uint8), (HEIGHT, 1))
"""None on the left, all on the right, a ramp between them."""


def drawn_clear(effects, opacity=OPACITY, photo=PHOTO, depth=FLAT, size=SIZE, phase=0.3, **more):
    """Colour by itself, 0 to 255, and opacity, 0 to 1, of a transparent photo's frame."""
    effects = effects_of(EffectsSpec.model_validate(effects), size, seed=3)
    light = np.rint(photo * (opacity[..., None] / 255.0)).astype(np.uint8)
    grey = opacity[..., None].repeat(3, axis=2)
    with FrameRenderer(light, depth, size=size, effects=effects, opacity=grey, **more) as renderer:
        frame = next(renderer.raw_frames([Shot((Camera(),), {}, phase)], keep=True)).astype(float)
    alpha = frame[..., 3:] / 255
    assert (frame[..., :3] <= frame[..., 3:]).all(), "premultiplied"
    return frame[..., :3] / np.maximum(alpha, 1e-9), alpha


MANY = {
    "vignette": {"strength": 0.5},
    "lens": {"distortion": 0.1, "aberration": 0.02},
    "colour": {"sepia": 0.5, "exposure": 0.3, "gamma": 1.2},
    "fog": {"density": 1.0},
    "sweep": {"strength": 0.5},
    "grain": {"strength": 0.3},
    "particles": {"kind": "fireflies", "amount": 1, "size": 3},
    "letterbox": {"amount": 0.5, "aspect": 2.5},
    "caption": {"text": "Hi", "size": 0.2},
    "fade": {"amount": 0.2, "colour": "#204060"},
}


def test_with_opacity_everywhere_each_effect_is_what_it_is_without():
    depth = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    colour, alpha = drawn_clear(MANY, np.full((HEIGHT, WIDTH), 255, np.uint8), depth=depth)
    assert (alpha == 1).all()
    np.testing.assert_allclose(colour, drawn(MANY, depth=depth, phase=0.3).astype(float), atol=1)


@pytest.mark.parametrize(
    "spec",
    [
        {"colour": {"grayscale": 1.0}},
        {"colour": {"sepia": 1.0, "contrast": 1.3, "gamma": 0.8}},
        {"vignette": {"strength": 0.8}},
        {"fog": {"density": 2.0}},
        {"sweep": {"strength": 1.0}},
        {"grain": {"strength": 0.5}},
        {"fade": {"amount": 0.4, "colour": "#ff8000"}},
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_what_changes_colours_keeps_opacity_and_sees_colours_without_it(spec):
    colour, alpha = drawn_clear(spec)
    np.testing.assert_allclose(alpha[..., 0] * 255, OPACITY, atol=1)
    expected = drawn(spec, phase=0.3).astype(float)
    enough = OPACITY > 100
    # Two roundings, of at most 1 / opacity each, and what the effect makes of the first.
    assert np.abs(colour - expected)[enough].max() < 10
    assert np.abs(colour - expected)[OPACITY == 255].max() <= 1.01


@pytest.mark.parametrize("name", ["caption", "watermark", "letterbox", "snow", "distortion"])
def test_what_lies_over_a_transparent_photo_brings_its_own_opacity(name, tmp_path):
    """Laid on a colour afterwards, it is what the photo on that colour is."""
    from PIL import Image

    Image.fromarray(np.full((20, 40, 4), (255, 0, 0, 160), np.uint8)).save(tmp_path / "mark.png")
    spec = {
        "caption": {"caption": {"text": "Hello", "size": 0.3, "place": "left"}},
        "watermark": {"watermark": {"file": str(tmp_path / "mark.png"), "size": 0.4, "place": "left"}},
        "letterbox": {"letterbox": {"amount": 0.8, "aspect": 2.5}},
        "snow": {"particles": {"kind": "snow", "amount": 1.0, "size": 3.0}},
        "distortion": {"lens": {"distortion": 0.2}},
    }[name]
    colour, alpha = drawn_clear(spec)
    teal = np.array([0, 128, 128])
    share = OPACITY[..., None] / 255.0
    on_teal = np.rint(PHOTO * share + teal * (1 - share)).astype(np.uint8)
    # Snow adds a little light that covers nothing, and where there is nothing that has to cover.
    most = 15 if name == "snow" else 3
    np.testing.assert_allclose(colour * alpha + teal * (1 - alpha), drawn(spec, on_teal, phase=0.3), atol=most)
    if name != "distortion":
        assert alpha[:, :28].max() > 0.5
        assert (alpha[:, :28] == 0).any()


def test_light_shows_where_there_is_nothing():
    nothing = np.zeros((HEIGHT, WIDTH), np.uint8)
    colour, alpha = drawn_clear({"particles": {"kind": "fireflies", "amount": 1, "size": 4}}, nothing)
    assert alpha.max() > 0.5
    assert alpha.min() == 0
    assert colour[alpha[..., 0] > 0.5].max() > 200


def test_bars_of_padding_beside_a_transparent_photo_stay_clear():
    whole = np.full((HEIGHT, WIDTH), 255, np.uint8)
    _, alpha = drawn_clear({"vignette": {"strength": 1}}, whole, size=(240, 96), fit="pad")
    assert alpha[:, :40].max() == alpha[:, 200:].max() == 0
    assert alpha[:, 40:200].min() == 1
