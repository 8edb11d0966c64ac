"""Frames drawn a strip at a time: what each strip may show is found, and the frame is that drawn as a whole."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from depthflow.render import backends, context, strips
from depthflow.render.frames import FrameRenderer
from depthflow.render.stage import Stage
from depthflow.scene.camera import Camera, frame_extent, matrix, photo_extent, project, unprojection_scale
from depthflow.scene.views import Fan, layout

SIZE = (320, 250)
PHOTO = (400, 300)
EXTENT = photo_extent(PHOTO)
FRAME = frame_extent(PHOTO, SIZE)

MOVED = {
    "at rest": Camera(),
    "aside": Camera(x=0.2, y=-0.15),
    "near": Camera(z=0.4, dolly=0.1),
    "far off": Camera(z=-2.0),
    "turned": Camera(pitch=7.0, yaw=-11.0, roll=25.0),
    "isometric": Camera(y=0.3, isometric=0.7),
    "deep": Camera(y=0.2, relief=1.5, focus=0.3),
}


def uniforms(camera: Camera, sign: float = 1.0, offset: float = 0.0) -> dict[str, Any]:
    return {
        "camera": tuple(matrix(camera).T.ravel().tolist()),
        "frame_extent": FRAME,
        "ray_scale": camera.ray_scale,
        "relief": camera.relief,
        "unprojection": unprojection_scale(camera),
        "copy_sign": (1.0, sign),
        "copy_offset": (0.0, offset),
    }


@pytest.fixture(scope="module")
def mesh() -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Triangles of all sizes, here and there."""
    random = np.random.default_rng(3)
    middles = random.uniform((-1, -0.75, 0), (1, 0.75, 1), (500, 1, 3))
    corners = middles + random.normal(0, 1, (500, 3, 3)) * random.choice([0.01, 0.05, 0.2], (500, 1, 1))
    corners[..., 2] = corners[..., 2].clip(0, 1)
    return corners.reshape(-1, 3).astype(np.float32), np.arange(1500, dtype=np.uint32).reshape(-1, 3)


@pytest.mark.parametrize(("sign", "offset"), [(1.0, 0.0), (-1.0, 1.5)])
@pytest.mark.parametrize("name", MOVED)
def test_no_triangle_is_left_out_of_a_strip_that_shows_it(
    mesh: tuple[NDArray[np.float32], NDArray[np.uint32]], name: str, sign: float, offset: float
) -> None:
    (positions, triangles), camera = mesh, MOVED[name]
    stands = positions[:, :2] * (1, sign) + (0, offset)
    height = 1080
    rows = (1 - project(camera, stands, positions[:, 2])[:, 1] / FRAME[1]) / 2 * height
    bands = strips.Bands(positions, triangles)
    seen = bands.seen(uniforms(camera, sign, offset), (0, 0, 1920, height))
    drawn = 0
    for top in range(0, height, 192):
        found = bands.triangles(*bands.between(*seen, top, top + 192))
        shown = (rows[triangles].min(1) < top + 192) & (rows[triangles].max(1) >= top)
        assert shown.sum() == len(set(found[:, 0].tolist()) & set(triangles[shown, 0].tolist()))
        assert (np.diff(found[:, 0].astype(int)) > 0).all(), "in their order"
        drawn += len(found)
    assert drawn < 5 * len(triangles), "of six strips"


def test_a_viewport_below_others(mesh: tuple[NDArray[np.float32], NDArray[np.uint32]]) -> None:
    bands = strips.Bands(*mesh)
    above = bands.seen(uniforms(Camera()), (0, 0, 100, 100))
    below = bands.seen(uniforms(Camera()), (0, 300, 100, 100))
    np.testing.assert_allclose(below, np.add(above, 300))
    assert bands.between(*below, 0, 200) == (0, 0)


def test_what_reaches_behind_the_camera_may_be_seen_anywhere(
    mesh: tuple[NDArray[np.float32], NDArray[np.uint32]],
) -> None:
    bands = strips.Bands(*mesh)
    first, last = bands.seen(uniforms(Camera(z=0.999, relief=3.0)), (0, 0, 100, 100))
    assert (first == -np.inf).any()
    assert ((first == -np.inf) == (last == np.inf)).all()


@pytest.mark.parametrize(
    ("size", "rows"),
    [((1920, 1080), 192), ((3840, 2160), 128), ((7680, 4320), 64), ((1280, 720), 320), ((640, 360), 0)],
)
def test_strips_have_about_the_same_size(size: tuple[int, int], rows: int) -> None:
    assert strips.rows(*size) == rows
    assert rows % strips.TILE == 0


# -- drawn ------------------------------------------------------------------------------------------------------


@pytest.fixture
def in_strips(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    if not context.context().info.software:
        pytest.skip("a GPU draws")
    monkeypatch.setattr(backends, "cores", lambda: 2)
    monkeypatch.setattr(strips, "PIXELS", 1)
    return monkeypatch


def photo() -> NDArray[np.uint8]:
    coarse = np.random.default_rng(1).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, PHOTO, interpolation=cv2.INTER_CUBIC), np.uint8)


def depth() -> NDArray[np.float32]:
    """A ball and a bar before a floor that rises."""
    rows, columns = np.mgrid[0:300, 0:400]
    found = rows / 600
    ball = 60**2 - (rows - 110) ** 2 - (columns - 140) ** 2
    found = np.where(ball > 0, 0.6 + np.sqrt(np.maximum(ball, 0)) / 200, found)
    found[180:200, 60:360] = 1.0
    return found.astype(np.float32)


WAYS: dict[str, dict[str, Any]] = {
    "rgb": {},
    "packed": {"colour": "bt709", "pack": True},
    "one layer": {"layers": 1},
    "three layers": {"layers": 3},
    "padded": {"fit": "pad", "size": (320, 400)},
    "side by side": {"views": layout("sbs", SIZE)},
    "top and bottom": {"views": layout("tb", SIZE)},
    "rgbd": {"views": layout("rgbd", SIZE)},
}
CLIP = [*MOVED.values(), *(Camera(scroll_y=0.15 * n, scroll_x=0.1 * n, y=0.05) for n in range(1, 8))]


@pytest.mark.gl
@pytest.mark.parametrize("way", WAYS)
def test_a_frame_of_strips_is_the_frame(way: str, in_strips: pytest.MonkeyPatch) -> None:
    more = {"edge": "mirror", "size": SIZE, **WAYS[way]}
    fan = Fan(2, 4.0) if way in ("side by side", "top and bottom") else Fan()
    drawn, heights = [], []
    real = Stage.draw

    def draw(self: Stage, view: Any, *, rows: tuple[int, int] | None = None, **options: Any) -> None:
        heights.append(rows)
        real(self, view, rows=rows, **options)

    in_strips.setattr(Stage, "draw", draw)
    for pixels in (1, 10**9):
        in_strips.setattr(strips, "PIXELS", pixels)
        with FrameRenderer(photo(), depth(), **more) as renderer:
            drawn.append(np.array(list(renderer.raw_frames(renderer.shots(CLIP, fan), keep=True)), np.int16))
    assert {rows[1] - rows[0] if rows else 0 for rows in heights} == {0, 64}
    off = np.abs(np.subtract(*drawn))
    # A triangle's edge may pass on the other side of a pixel's middle: 1/256 of a pixel is all that drivers heed.
    assert np.count_nonzero(off > 2) < 1e-4 * off.size
    assert off.mean() < 0.01


@pytest.mark.gl
def test_shaders_are_compiled_while_meshes_are_made(in_strips: pytest.MonkeyPatch) -> None:
    real, drawn = Stage.draw, []

    def draw(self: Stage, *args: Any, **options: Any) -> None:
        drawn.append(options)
        real(self, *args, **options)

    in_strips.setattr(Stage, "draw", draw)
    with FrameRenderer(photo(), depth(), size=SIZE):
        context.context().run(lambda: None)  # behind what was begun
        assert len(drawn) == 1


@pytest.mark.gl
def test_effects_that_come_and_go(in_strips: pytest.MonkeyPatch) -> None:
    from depthflow.jobs.effects import effects_of
    from depthflow.jobs.effects_spec import EffectsSpec
    from depthflow.scene.effects import Effects

    fog = effects_of(EffectsSpec.model_validate({"fog": {"density": 0.5}}), SIZE)
    camera = Camera(x=0.05)
    with FrameRenderer(photo(), depth(), size=SIZE) as renderer:
        plain = renderer.render(camera)
        renderer.set_effects(fog)
        fogged = renderer.render(camera)
        renderer.set_effects(Effects())
        np.testing.assert_array_equal(renderer.render(camera), plain)
    assert np.abs(plain.astype(int) - fogged).mean() > 5


@pytest.mark.gl
def test_a_long_scroll_keeps_few_buffers(in_strips: pytest.MonkeyPatch) -> None:
    from depthflow.render import gl_raw, stage

    in_strips.setattr(stage, "_MOST_BUFFERS", 8)
    gl = context.context()
    with FrameRenderer(photo(), depth(), size=SIZE) as renderer:
        clip = [Camera(scroll_y=math.sin(n) + n / 7) for n in range(60)]
        renderer.prepare(clip)
        counts = [gl.run(gl_raw.objects)["buffers"] for _ in renderer.raw_frames(clip)]
    assert max(counts[20:]) <= max(counts[:20])


def test_a_photo_that_is_one_row_of_triangles() -> None:
    positions = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    bands = strips.Bands(positions, np.array([[0, 1, 2]], np.uint32))
    seen = bands.seen(uniforms(Camera(y=0.1)), (0, 0, 64, 64))
    assert len(bands.triangles(*bands.between(*seen, 0, 64))) == 1
