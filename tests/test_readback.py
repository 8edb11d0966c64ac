"""Frames that come through pixel-pack buffers against frames that are read at once."""

from __future__ import annotations

import itertools

import gl_scene
import numpy as np
import pytest
from numpy.typing import NDArray

from depthflow.errors import GLError
from depthflow.render.frames import FrameRenderer
from depthflow.render.stage import Stage
from depthflow.scene.camera import Camera

pytestmark = pytest.mark.gl

CLIP = [Camera(x=0.01 * number) for number in range(9)]


def renderer(size: tuple[int, int] = gl_scene.SIZE, *, ring: bool = True, supersample: float = 1.0) -> FrameRenderer:
    return FrameRenderer(gl_scene.photo(), gl_scene.depth(), size=size, ring=ring, supersample=supersample)


@pytest.fixture(scope="module")
def direct() -> list[NDArray[np.uint8]]:
    with renderer(ring=False) as drawer:
        frames = list(drawer.frames(CLIP))
    assert len({frame.tobytes() for frame in frames}) == len(CLIP), "each can be told from the others"
    return frames


def test_the_same_frames_in_the_same_order(direct: list[NDArray[np.uint8]]) -> None:
    with renderer() as drawer:
        np.testing.assert_array_equal(list(drawer.frames(CLIP)), direct)
        # Memory that is used again, looked at before the next frame is asked for.
        again = [frame[..., :3].copy() for frame in drawer.raw_frames(CLIP)]
    np.testing.assert_array_equal(again, direct)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_clips_shorter_than_the_ring(count: int) -> None:
    clip = CLIP[:count]
    with renderer() as drawer, renderer(ring=False) as plain:
        frames = list(drawer.frames(clip))
        np.testing.assert_array_equal(frames, list(plain.frames(clip)))
    assert len(frames) == count


@pytest.mark.parametrize(("size", "supersample"), [((33, 31), 1.0), ((2, 70), 1.0), ((64, 48), 2.0)])
def test_odd_sizes_and_supersampling(size: tuple[int, int], supersample: float) -> None:
    with (
        renderer(size, supersample=supersample) as drawer,
        renderer(size, ring=False, supersample=supersample) as plain,
    ):
        np.testing.assert_array_equal(list(drawer.frames(CLIP[:4])), list(plain.frames(CLIP[:4])))


def test_two_clips_of_one_renderer_in_turns(direct: list[NDArray[np.uint8]]) -> None:
    with renderer() as drawer:
        drawer.prepare(CLIP)
        turns = zip(drawer.frames(CLIP), drawer.frames(CLIP[::-1]), strict=True)
        for number, (forth, back) in enumerate(turns):
            np.testing.assert_array_equal(forth, direct[number])
            np.testing.assert_array_equal(back, direct[-1 - number])


def test_a_clip_that_is_left_gives_its_buffers_back(direct: list[NDArray[np.uint8]]) -> None:
    with renderer() as drawer:
        drawer.prepare(CLIP)
        for _ in range(5):
            assert len(list(itertools.islice(drawer.frames(CLIP), 3))) == 3
        assert len(drawer._painter.readback._buffers) == len(drawer._painter.readback._spare) == 2
        np.testing.assert_array_equal(list(drawer.frames(CLIP)), direct)


def test_a_renderer_that_is_closed_while_frames_are_on_their_way() -> None:
    drawer = renderer()
    frames = drawer.frames(CLIP)
    next(frames)
    drawer.close()
    with pytest.raises(GLError, match="closed"):
        list(frames)


def test_an_error_on_the_render_thread(direct: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch) -> None:
    real, drawn = Stage.draw, itertools.count()

    def draw(*args: object, **more: object) -> None:
        if next(drawn) == 4:
            raise MemoryError("as a driver says it")
        real(*args, **more)  # type: ignore[arg-type]

    with renderer() as drawer:
        drawer.prepare(CLIP)
        frames = drawer.frames(CLIP)
        with monkeypatch.context() as patch:
            patch.setattr(Stage, "draw", draw)
            for expected in direct[:4]:
                np.testing.assert_array_equal(next(frames), expected)
            with pytest.raises(MemoryError, match="as a driver says it"):
                next(frames)
        np.testing.assert_array_equal(list(drawer.frames(CLIP)), direct)
        assert len(drawer._painter.readback._buffers) == len(drawer._painter.readback._spare)


def test_a_gpu_that_hangs(direct: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch) -> None:
    from OpenGL.raw.GL.VERSION import GL_3_2

    with renderer() as drawer:
        with monkeypatch.context() as patch:
            patch.setattr(GL_3_2, "glClientWaitSync", lambda *_: GL_3_2.GL_TIMEOUT_EXPIRED)
            with pytest.raises(GLError, match="did not give a frame back") as caught:
                list(drawer.frames(CLIP))
            assert "reset" in caught.value.hint
        np.testing.assert_array_equal(list(drawer.frames(CLIP)), direct)
