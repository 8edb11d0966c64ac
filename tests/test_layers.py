"""The cut into layers: exact at rest, and behind a near thing there is background, not more of the thing."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio as psnr

from depthflow.render import halo
from depthflow.render.frames import FrameRenderer
from depthflow.render.layers import cut, peel
from depthflow.render.mesh import build_mesh
from depthflow.scene.camera import Camera

SHIFT = 40.0
BOARD = 0.65
PHOTOS = Path(__file__).parent / "photos"


def wall(height=240, width=320, seed=0):
    """Blue-green texture without any red."""
    noise = np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)
    noise = sum(cv2.GaussianBlur(noise, (0, 0), s) * s for s in (1, 3, 9))
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    picture = (40 + noise * 200).astype(np.uint8)
    picture[..., 0] = 0
    return picture


def scene(factor=1):
    """A red square, nearer, before the wall; the depth map is `factor` times smaller than the photo."""
    photo = wall(240 * factor, 320 * factor)
    square = np.s_[80 * factor : 160 * factor, 120 * factor : 200 * factor]
    photo[square] = (230, 20, 30)
    depth = np.full((240, 320), 0.1, np.float32)
    depth[80:160, 120:200] = 0.8
    return photo, depth


def nested(photo=None):
    """A red square before the edge of a green board before the wall: (photo, depth, board, square)."""
    photo = wall(seed=1) if photo is None else photo.copy()
    board, square = np.s_[40:, 60:160], np.s_[100:140, 130:190]
    depth = np.full((240, 320), 0.05, np.float32)
    for where, colour, far in ((board, (40, 200, 60), BOARD), (square, (230, 20, 30), 0.95)):
        photo[where], depth[where] = colour, far
    return photo, depth, board, square


def laid_over(layers):
    picture = np.zeros((*layers.sheets[0].colour.shape[:2], 3))
    for sheet in layers.sheets:
        share = sheet.colour[..., 3:].astype(np.float64) / 255
        picture = sheet.colour[..., :3] + (1 - share) * picture
    return picture


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("blur", [0.0, 1.5, 4.0])
def test_all_layers_over_each_other_are_the_photo(count, factor, blur):
    photo, depth = scene(factor)
    if blur:
        depth = cv2.GaussianBlur(depth, (0, 0), blur)
    layers = peel(photo, depth, SHIFT, count=count)
    assert len(layers.sheets) == min(count, 2), "nothing stands behind the wall"
    assert np.abs(laid_over(layers) - photo).max() <= 1
    for sheet in layers.sheets:
        assert (sheet.colour[..., :3] <= sheet.colour[..., 3:]).all(), "premultiplied"


@pytest.mark.parametrize("count", [2, 3])
def test_noise_of_any_kind_is_exact_at_rest(count):
    rng = np.random.default_rng(3)
    photo = rng.integers(0, 256, (120, 160, 3), np.uint8)
    depth = cv2.GaussianBlur(rng.random((120, 160)).astype(np.float32), (0, 0), 2)
    layers = peel(photo, (depth - depth.min()) / (depth.max() - depth.min()), SHIFT, count=count)
    assert len(layers.sheets) == count
    assert np.abs(laid_over(layers) - photo).max() <= count - 1


@pytest.mark.gl
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("name", ["astronaut", "dandelions", "dogs"])
def test_a_photo_with_soft_edges_is_itself_at_rest(count, name):
    photo = cv2.imread(str(PHOTOS / f"{name}.jpg"))[..., ::-1]
    photo = cv2.resize(photo, None, fx=360 / max(photo.shape), fy=360 / max(photo.shape), interpolation=cv2.INTER_AREA)
    depth = cv2.GaussianBlur(photo[..., 1].astype(np.float32) / 255, (0, 0), 3)
    depth = np.where(depth > 0.5, depth, depth / 4)
    moved = [Camera(x=x, relief=1.0) for x in (-0.15, 0.15)]
    with FrameRenderer(photo, depth, size=photo.shape[1::-1], layers=count) as renderer:
        renderer.prepare(moved)  # cut as for a strong motion, then shown at rest
        rest = renderer.render(Camera(relief=1.0))
    assert np.abs(rest.astype(int) - photo).max() <= 2


def test_what_is_hidden_is_the_rim_of_the_near_thing_as_wide_as_the_motion_reaches():
    hidden = peel(*scene(), SHIFT).disoccluded
    reach = SHIFT * 0.7
    inside = np.zeros_like(hidden)
    inside[80:160, 120:200] = True
    assert not (hidden & ~inside).any()
    row = np.flatnonzero(hidden[120])
    assert row.min() <= 121
    assert row.max() >= 198
    # From either side the reach, and nothing in the middle of a larger thing.
    assert 2 * reach <= len(row) <= 2 * reach + 12


def test_behind_the_near_thing_there_is_wall_and_no_thing():
    photo, depth = scene()
    layers = peel(photo, depth, SHIFT)
    back = layers.sheets[0]
    invented = back.colour[layers.disoccluded][:, :3]
    assert invented[:, 0].mean() < 12, "hardly any red of the square"
    known = np.ones(depth.shape, bool)
    known[70:170, 110:210] = False
    assert np.abs(invented.mean(0) - photo[known].mean(0)).max() < 25
    np.testing.assert_allclose(back.depth[layers.disoccluded], 0.1, atol=0.01)


def test_what_is_invented_has_the_life_of_the_wall():
    photo, depth = scene()
    layers = peel(photo, depth, SHIFT)

    def energy(picture, where):
        rows, cols = np.gradient(picture[..., 1].astype(float))
        return (rows**2 + cols**2)[cv2.erode(where.astype(np.uint8), np.ones((3, 3))).astype(bool)].mean()

    ratio = energy(layers.sheets[0].colour, layers.disoccluded) / energy(wall(), layers.disoccluded)
    assert 0.3 < ratio < 2


def test_what_stands_elsewhere_in_depth_lends_no_colour():
    """Behind the board is wall, although pixels of the board are as near to the hole as any."""
    photo, depth, _, _ = nested()
    layers = peel(photo, depth, SHIFT)
    rim = np.s_[180:230, 145:158]  # of the board, far from the square
    assert layers.disoccluded[rim].all()
    truth = wall(seed=1)[rim].mean((0, 1))
    assert np.abs(layers.sheets[0].colour[rim][..., :3].mean((0, 1)) - truth).max() < 20


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("bright", [-60, 12, 60])
def test_a_halo_goes_with_what_is_near(factor, bright):
    """Photos are sharpened and compressed: a line of another colour runs round a thing, and stayed behind it."""
    photo = np.full((240 * factor, 320 * factor, 3), 150, np.uint8)
    rng = np.random.default_rng(7)
    photo += rng.integers(0, 3, photo.shape, np.uint8)
    near, ring = np.zeros((2, *photo.shape[:2]), bool)
    ring[80 * factor - 2 : 160 * factor + 2, 120 * factor - 2 : 200 * factor + 2] = True
    near[80 * factor : 160 * factor, 120 * factor : 200 * factor] = True
    ring &= ~near
    photo[near], photo[ring] = (230, 20, 30), 150 + bright
    layers = peel(photo, scene()[1], SHIFT)
    assert np.abs(laid_over(layers) - photo).max() <= 1
    back = layers.sheets[0].colour[ring][:, :3].astype(int)
    assert np.abs(back - 151).max() < 7, "it is wall"
    assert (layers.sheets[1].colour[ring][:, 3] > 0).all()


def test_a_busy_wall_has_no_halo():
    photo, depth = scene()
    ((hole, rim, _),) = cut(depth, SHIFT, width=320).holes
    assert len(rim.at) > 800
    taken = halo.with_halo(hole, rim, photo).mask & ~hole.mask
    assert taken.sum() < 0.02 * len(rim.at)
    np.testing.assert_array_equal(halo.with_halo(hole, rim, np.full_like(photo, 90)).mask, hole.mask)


@pytest.mark.parametrize("factor", [1, 1.2, 2, 3])
def test_the_border_of_what_is_invented_takes_no_colour_from_elsewhere(factor):
    """A photo finer than its depth map had a dotted outline of what stood at its top left."""
    width, height = round(320 * factor), round(240 * factor)
    photo = np.full((height, width, 3), 200, np.uint8)
    photo[: height // 3, : width // 3] = 0
    photo[height // 2 :, width // 2 :] = 90
    depth = np.full((240, 320), 0.1, np.float32)
    cv2.ellipse(depth, (240, 180), (50, 40), 0, 0, 360, 0.8, -1)
    photo[cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST) > 0.5] = (230, 20, 30)
    back = peel(photo, depth, SHIFT).sheets[0].colour[height // 2 + 3 :, width // 2 + 3 :, :3]
    wall_again = cv2.resize(depth, (width, height))[height // 2 + 3 :, width // 2 + 3 :] < 0.75
    assert back[wall_again].min() > 60


@pytest.mark.parametrize("count", [2, 3])
def test_the_last_layer_does_not_climb_to_what_hides_it(count):
    """Where it is never seen it goes on as it is beside that: a mesh of it needs no triangles for a cliff."""
    depth = scene()[1]
    cuts = cut(depth, SHIFT, width=320, count=count)
    back, front = cuts.forms[0], cuts.forms[-1]
    np.testing.assert_allclose(back.depth[back.shown], 0.1, atol=0.05)
    assert (back.depth[back.shown] <= front.depth[back.shown] + 1e-6).all(), "nothing of it stands before the front"
    mesh = build_mesh(back.depth, extent=(1.0, 0.75), error=0.01, cared=back.shown)
    assert len(mesh.triangles) < 100  # up the sides of the square it had 430


def test_the_last_layer_is_calm_behind_a_ragged_cut():
    """No two pixels of a network's far side are alike; taken as they are, they give it a triangle for every five."""
    rough = cv2.GaussianBlur(np.random.default_rng(2).standard_normal((240, 320)).astype(np.float32), (0, 0), 1.5)
    depth = scene()[1] + 0.01 * rough / rough.std()
    back = cut(depth, SHIFT, width=320).forms[0]
    mesh = build_mesh(back.depth, extent=(1.0, 0.75), error=0.5 / SHIFT / 2, cared=back.shown)
    assert len(mesh.triangles) < back.shown.sum() / 6


def test_a_shallow_notch_does_not_end_what_a_deep_cut_uncovers():
    """The notch is the nearest far side of its surroundings; these are still looked behind, as far as the wall."""
    photo, depth = scene()
    depth[100:140, 184:192] = 0.6
    layers = peel(photo, depth, SHIFT)
    there = np.s_[115:125, 168:172]
    assert layers.disoccluded[there].all()
    assert layers.sheets[0].depth[there].max() < 0.5


@pytest.mark.parametrize("count", [2, 3])
def test_nothing_is_soft_where_no_layer_is_behind(count):
    """Before a camera that comes close, every slope is a cut, and the photo had pinholes."""
    depth = cv2.GaussianBlur(np.random.default_rng(3).random((200, 300), np.float32), (0, 0), 6)
    depth = (depth - depth.min()) / (depth.max() - depth.min())
    sheets = peel(np.full((200, 300, 3), 255, np.uint8), depth, 400.0, count=count).sheets
    assert len(sheets) == count
    shines = np.zeros(depth.shape, bool)
    for sheet in reversed(sheets):
        shines = (shines & ~sheet.shown) | (sheet.shown & (sheet.colour[..., 3] < 255))
    assert not shines.any()


@pytest.mark.gl
@pytest.mark.parametrize("side", [-1, 1])
def test_what_opens_too_little_for_a_cut_draws_out_no_rim(side):
    photo, depth = scene()
    moved = 4
    x = side * moved * np.tan(np.radians(27.5)) / (0.9 * 0.7 * 160)
    with FrameRenderer(photo, depth, size=(320, 240)) as renderer:
        picture = renderer.render(Camera(x=x, relief=0.9, focus=0.1))
    left = 120 - side * moved
    beside = np.s_[82:158, left + 81 : left + 80 + moved] if side > 0 else np.s_[82:158, left - moved : left - 1]
    assert picture[beside][..., 0].max() < 12, "no red"
    assert picture[82:158, left + 1 : left + 79, 0].min() > 200


def test_a_cut_goes_on_to_where_it_closes_and_none_is_short():
    photo = wall()
    opening = np.linspace(5.2, 9.0, 240, dtype=np.float32)[:, None] / SHIFT
    depth = np.full((240, 320), 0.1, np.float32)
    depth[:, :160] += opening
    (back, _) = peel(photo, depth, SHIFT).sheets
    assert back.shown[:, 158].all()
    depth[:, :160] = np.float32(0.1 + 5.7 / SHIFT)
    assert len(peel(photo, depth, SHIFT).sheets) == 1


def test_no_cut_where_nothing_opens():
    photo = wall()
    slope = np.tile(np.linspace(0, 1, 240, dtype=np.float32)[:, None], (1, 320))
    assert len(peel(photo, slope, SHIFT).sheets) == 1
    assert len(peel(photo, np.full((240, 320), 0.4, np.float32), SHIFT, count=3).sheets) == 1
    _, jump = scene()
    assert len(peel(photo, jump, 2.0).sheets) == 1, "a jump that opens less than two pixels"


def test_a_step_over_the_whole_picture_is_no_trouble():
    depth = np.zeros((60, 80), np.float32)
    depth[:, 40:] = 1.0
    layers = peel(wall(60, 80), depth, 200.0, count=3)
    assert np.abs(laid_over(layers) - wall(60, 80)).max() <= 2


def test_a_third_layer_parts_the_board_behind_the_square_from_the_wall():
    photo, depth, _, _ = nested()
    layers = peel(photo, depth, SHIFT, count=3)
    far, middle, _ = layers.sheets
    # Behind the square: the board as far as its edge at column 160, and the wall beyond.
    rows = np.s_[104:112]
    np.testing.assert_allclose(middle.depth[rows, 140:155], BOARD, atol=0.02)
    assert (middle.colour[rows, 140:155, 3] == 255).all()
    assert (middle.colour[rows, 168:180, 3] == 255).all(), "the wall behind the square is there too"
    np.testing.assert_allclose(middle.depth[rows, 168:180], 0.05, atol=0.02)
    # And behind the board's edge, behind the square: wall once more.
    assert far.colour[rows, 148:156, 1].mean() < 150, "no green of the board"
    np.testing.assert_allclose(far.depth[rows, 148:156], 0.05, atol=0.02)


@pytest.mark.gl
@pytest.mark.parametrize("side", [-1, 1])
def test_two_nested_cuts_both_show_right(side):
    photo, depth, _, _ = nested()
    camera = Camera(y=-side * 0.1, relief=0.9, focus=0.05)  # the wall stays, the rest goes up or down
    pixels = side * 0.1 * 0.9 / np.tan(np.radians(27.5)) * 160
    truth = wall(seed=1)
    for top, bottom, columns, colour, far in (
        (40, 280, np.s_[60:160], (40, 200, 60), BOARD),
        (100, 140, np.s_[130:190], (230, 20, 30), 0.95),
    ):
        shift = round(pixels * (far - 0.05))
        truth[top - shift : bottom - shift, columns] = colour
    seen = np.s_[40:190, 120:165]  # the board beside the square
    errors = []
    for layers in (1, 2, 3):
        with FrameRenderer(photo, depth, size=(320, 240), layers=layers) as renderer:
            errors.append(psnr(truth[seen], renderer.render(camera)[seen]))
    assert errors[2] > errors[0] + 0.5
    assert errors[2] > errors[1] + 1


@pytest.mark.gl
def test_a_small_frame_of_a_fine_depth_map_has_no_dark_specks():
    """White before white: whatever is cut, nothing dark can come to light."""
    rng = np.random.default_rng(8)
    photo = np.full((768, 1024, 3), 250, np.uint8)
    for blur in (0.8, 3.0):
        depth = cv2.GaussianBlur(rng.random((768, 1024)).astype(np.float32), (0, 0), blur)
        depth = (depth - depth.min()) / (depth.max() - depth.min())
        with FrameRenderer(photo, depth, size=(400, 300)) as renderer:
            for x in (-0.2, 0.2):
                assert renderer.render(Camera(x=x, relief=0.9)).min() >= 246


@pytest.mark.gl
@pytest.mark.parametrize("side", [-1, 1])
def test_a_moved_camera_sees_wall_beside_the_square_and_no_smear(side):
    photo, depth = scene()
    camera = Camera(x=side * 0.1, relief=0.9, focus=0.1)  # the wall stays, the square moves
    pictures = []
    for layers in (1, 2):
        with FrameRenderer(photo, depth, size=(320, 240), layers=layers) as renderer:
            pictures.append(renderer.render(camera))
    moved = round(0.1 * 0.9 * 0.7 / np.tan(np.radians(27.5)) * 160)
    truth = wall()
    left = 120 - side * moved
    truth[80:160, left : left + 80] = (230, 20, 30)
    stretched, cut_out = (psnr(truth, picture) for picture in pictures)
    assert cut_out > stretched + 0.5
    assert stretched > 35, "it is wall that is stretched, not the square's rim"
    # The middle of what was uncovered is wall: no red at all.
    middle = left + 80 + moved // 2 if side > 0 else left - moved // 2
    assert pictures[1][100:140, middle - 1 : middle + 2, 0].mean() < 12
    # The square's own edges are as sharp as they were.
    assert pictures[1][120, left + 3 : left + 77, 0].min() > 200
