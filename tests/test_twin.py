"""Two contexts that share the frames of a clip: the same frames in the same order, and every way it can fail."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gl_scene
import numpy as np
import pytest
from numpy.typing import NDArray

from depthflow.api import Renderer
from depthflow.errors import Cancelled, GLError
from depthflow.jobs import pipeline
from depthflow.jobs.effects import effects_of
from depthflow.jobs.effects_spec import EffectsSpec
from depthflow.jobs.spec import JobSpec
from depthflow.progress import CancelToken
from depthflow.render import backends, context, frames
from depthflow.render.context import GLContext
from depthflow.render.frames import FrameRenderer
from depthflow.render.painter import Painter
from depthflow.render.stage import Stage
from depthflow.scene.anaglyph import TABLE
from depthflow.scene.camera import Camera
from depthflow.scene.effects import Effects
from depthflow.scene.views import Fan, layout
from depthflow.video.encode import VideoWriter

pytestmark = pytest.mark.gl

CLIP = [Camera(x=0.01 * number, focus=0.05 * number) for number in range(12)]


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    if not context.context().info.software:
        pytest.skip("a GPU draws")
    monkeypatch.setattr(backends, "cores", lambda: 2)
    monkeypatch.setattr(frames, "TWIN_FROM", 8)


@pytest.fixture
def drew(monkeypatch: pytest.MonkeyPatch) -> Counter[Painter]:
    """How many frames each painter drew."""
    real, count = Painter.take, Counter[Painter]()

    def take(self: Painter, *args: Any) -> NDArray[np.uint8]:
        count[self] += 1
        return real(self, *args)

    monkeypatch.setattr(Painter, "take", take)
    return count


def renderer(*, twin: bool = True, **more: Any) -> FrameRenderer:
    return FrameRenderer(gl_scene.photo(), gl_scene.depth(), size=more.pop("size", gl_scene.SIZE), twin=twin, **more)


def drawn(drawer: FrameRenderer, clip: list[Any]) -> Iterator[NDArray[np.uint8]]:
    """Copies of raw frames; the second context has begun before the second of them is asked for."""
    for number, frame in enumerate(drawer.raw_frames(clip)):
        if number == 0 and drawer._twin is not None:
            drawer._twin.exception()
        yield frame.copy()


def effects() -> Effects:
    return gl_scene.effects()


WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "packed": {"colour": "bt709", "pack": True},
    "supersampled": {"supersample": 1.5},
    "supersampled, packed": {"supersample": 1.5, "colour": "bt709", "pack": True},
    "three layers": {"layers": 3, "edge": "mirror"},
    "effects": {"effects": effects},
    "rgbd": {"views": layout("rgbd", gl_scene.SIZE)},
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_frames_in_the_same_order(way: str, drew: Counter[Painter]) -> None:
    more = {name: value() if callable(value) else value for name, value in WAYS[way].items()}
    if "views" in more:
        more["size"] = more["views"].view
    with renderer(twin=False, **more) as alone:
        alone.prepare(CLIP)
        wanted = [frame.copy() for frame in alone.raw_frames(CLIP)]
    drew.clear()
    with renderer(**more) as drawer:
        drawer.prepare(CLIP)
        np.testing.assert_array_equal(list(drawn(drawer, CLIP)), wanted)
        np.testing.assert_array_equal(list(drawn(drawer, CLIP)), wanted)
    assert sum(drew.values()) == 2 * len(CLIP)
    assert min(drew.values()) >= 4, "both had a good share"
    assert len(drew) == 2


def test_an_anaglyph() -> None:
    places = layout("anaglyph", gl_scene.SIZE)
    made = []
    for twin in (False, True):
        with renderer(twin=twin, size=places.view, views=places, anaglyph=TABLE["dubois"]) as drawer:
            made.append(list(drawn(drawer, drawer.shots(CLIP, Fan(2, 3.0)))))
    np.testing.assert_array_equal(*made)


def test_a_mesh_made_anew_and_effects_that_change(drew: Counter[Painter]) -> None:
    far = [Camera(x=0.3 + 0.01 * number, scroll_x=0.2) for number in range(8)]
    fog = effects_of(EffectsSpec.model_validate({"fog": {"density": 0.5}}), gl_scene.SIZE)
    dof = effects_of(EffectsSpec.model_validate({"dof": {"aperture": 0.05}}), gl_scene.SIZE)
    blurred = [Camera(focus=1.5 - 0.1 * number) for number in range(8)]
    made = []
    for twin in (False, True):
        with renderer(twin=twin) as drawer:
            made.append([*drawn(drawer, CLIP), *drawn(drawer, far)])
            for changed in (fog, dof, Effects()):
                drawer.set_effects(changed)
                made[-1] += [*drawn(drawer, CLIP), *drawn(drawer, blurred)]
    np.testing.assert_array_equal(*made)
    assert len(drew) == 3
    assert min(drew.values()) > 10


def test_a_twin_that_begins_late_is_prepared_for_all_that_was(drew: Counter[Painter]) -> None:
    dof = effects_of(EffectsSpec.model_validate({"dof": {"aperture": 0.05}}), gl_scene.SIZE)
    far = [Camera(focus=2.0, zoom=0.7, x=0.3)]
    made = []
    for twin in (False, True):
        with renderer(twin=twin, effects=dof) as drawer:
            drawer.render(far[0])
            made.append(list(drawn(drawer, CLIP)))
    np.testing.assert_array_equal(*made)
    assert len(drew) == 3


def test_it_begins_after_the_first_frame_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[threading.Thread] = []
    real = frames._twin_of

    def twin_of(*args: Any) -> Painter:
        begun.append(threading.current_thread())
        return real(*args)

    monkeypatch.setattr(frames, "_twin_of", twin_of)
    with renderer() as drawer:
        drawer.render(CLIP[0])
        clip = drawer.raw_frames(CLIP)
        assert drawer._twin is None
        next(clip)
        assert drawer._twin is not None
        list(clip)
        list(drawer.raw_frames(CLIP))
        drawer._twin.result()
    assert len(begun) == 1
    assert begun[0] is not threading.current_thread()


@pytest.mark.parametrize("way", ["a job", "Renderer"])
@pytest.mark.parametrize("length", [8, 7])
def test_clips_that_are_long_enough(
    way: str, length: int, photo: Path, depth_map: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[GLContext] = []

    def twin_of(_: Painter, gl: GLContext, *__: Any) -> Painter:
        begun.append(gl)
        raise GLError("as if there were none")

    monkeypatch.setattr(frames, "_twin_of", twin_of)
    if way == "a job":
        output = {"path": str(photo.with_name("clip.mp4")), "size": "64x48", "fps": 8, "duration": length / 8}
        job = {"photo": str(photo), "depth": {"file": str(depth_map)}, "outputs": [output]}
        (made,) = pipeline.make(JobSpec.parse(job)).outputs
        assert made.frames == length
    else:
        with Renderer(photo, depth_map, size=(64, 48)) as drawer:
            assert len(list(drawer.frames(fps=8, seconds=length / 8))) == length
    assert begun == [context.second()] * (length >= frames.TWIN_FROM)


@pytest.mark.parametrize("why", ["one core", "a GPU", "a ring", "not asked for"])
def test_where_there_is_none(why: str, monkeypatch: pytest.MonkeyPatch, drew: Counter[Painter]) -> None:
    if why == "one core":
        monkeypatch.setattr(backends, "cores", lambda: 1)
    if why == "a GPU":
        info = context.context().info
        real = GLContext.info.fget
        assert real is not None
        hardware = type(info)(info.backend, info.renderer, info.vendor, info.version, False, info.max_side)
        monkeypatch.setattr(GLContext, "info", property(lambda _: hardware))
    with renderer(twin=why != "not asked for", ring=True if why == "a ring" else None) as drawer:
        assert len(list(drawn(drawer, CLIP))) == len(CLIP)
        assert drawer._twin is None
    assert len(drew) == 1


@pytest.mark.parametrize("why", ["none opens", "another driver", "the shaders do not compile"])
def test_a_second_context_that_fails_is_not_missed(
    why: str, monkeypatch: pytest.MonkeyPatch, drew: Counter[Painter]
) -> None:
    monkeypatch.setattr(context, "_second", None)
    if why == "none opens":

        def open_beside(_: backends.Opened) -> backends.Opened:
            raise GLError("as if there were none")

        monkeypatch.setattr(backends, "open_beside", open_beside)
    elif why == "another driver":
        first, real = context.context(), GLContext.info.fget
        assert real is not None

        def info(self: GLContext) -> Any:
            found = real(self)
            return found if self is first else type(found)(found.backend, "a GPU", "", "", False, found.max_side)

        monkeypatch.setattr(GLContext, "info", property(info))
    else:
        real_init = Painter.__init__

        def init(self: Painter, gl: GLContext, *args: Any) -> None:
            if gl is not context.context():
                raise GLError("as a driver says it")
            real_init(self, gl, *args)

        monkeypatch.setattr(Painter, "__init__", init)
    with renderer(twin=False) as alone:
        wanted = list(drawn(alone, CLIP))
    for _ in range(2):  # the next one in this process neither
        with renderer() as drawer:
            np.testing.assert_array_equal(list(drawn(drawer, CLIP)), wanted)
            assert drawer._twin is not None
            assert isinstance(drawer._twin.exception(), GLError)
    assert len(drew) == 3, "one of each renderer"
    assert context._second is not None
    context._second.give_up()


def test_an_error_while_the_second_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    real, first = Stage.draw, context.context()

    def draw(self: Stage, *args: Any, **more: Any) -> None:
        if threading.get_ident() != first._thread:
            raise MemoryError("as a driver says it")
        real(self, *args, **more)

    with renderer() as drawer:
        wanted = list(drawn(drawer, CLIP))
        with monkeypatch.context() as patch:
            patch.setattr(Stage, "draw", draw)
            with pytest.raises(MemoryError, match="as a driver says it"):
                list(drawn(drawer, CLIP))
        np.testing.assert_array_equal(list(drawn(drawer, CLIP)), wanted)


def test_a_clip_that_is_left_and_a_renderer_that_is_closed() -> None:
    with renderer() as drawer:
        wanted = list(drawn(drawer, CLIP))
        for _ in range(4):
            assert len(list(itertools.islice(drawn(drawer, CLIP), 3))) == 3
        turns = list(zip(drawn(drawer, CLIP), drawn(drawer, CLIP[::-1]), strict=True))
        np.testing.assert_array_equal([forth for forth, _ in turns], wanted)
        np.testing.assert_array_equal([back for _, back in turns], wanted[::-1])
        clip = drawn(drawer, CLIP)
        next(clip)
    with pytest.raises(GLError, match="closed"):
        list(clip)


def test_closed_before_the_second_context_has_begun() -> None:
    for _ in range(3):
        with renderer() as drawer:
            next(drawer.raw_frames(CLIP))
    with pytest.raises(GLError, match="closed"):
        drawer.render(CLIP[0])


def test_other_threads_find_gloo_as_it_was() -> None:
    with renderer() as drawer:
        list(drawn(drawer, CLIP))
        second = context.second()
    from vispy.gloo import get_current_canvas

    first = context.context()
    canvases = first.run(get_current_canvas), second.run(get_current_canvas), get_current_canvas()
    assert canvases[0] is canvases[2], "what is current is so for all other threads"
    assert canvases[1] is not canvases[0]


class TestJobs:
    @pytest.fixture
    def spec(self, photo: Path, depth_map: Path) -> JobSpec:
        output = {"path": str(photo.with_name("clip.mp4")), "size": "64x48", "fps": 24, "duration": len(CLIP) / 24}
        return JobSpec.parse({"photo": str(photo), "depth": {"file": str(depth_map)}, "outputs": [output]})

    def test_cancelled_in_the_middle(self, spec: JobSpec, monkeypatch: pytest.MonkeyPatch) -> None:
        token = CancelToken()
        real = VideoWriter.write

        def write(self: VideoWriter, frame: NDArray[np.uint8]) -> None:
            real(self, frame)
            if self.written == 5:
                token.cancel()

        with monkeypatch.context() as patch:
            patch.setattr(VideoWriter, "write", write)
            with pytest.raises(Cancelled):
                pipeline.make(spec, cancel=token)
        assert not Path(spec.outputs[0].path or "").exists()
        assert pipeline.make(spec).outputs[0].frames == len(CLIP)
