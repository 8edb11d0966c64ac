"""Many renders in one process: what OpenGL holds, memory, open files and threads stay where they were."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from itertools import cycle, islice, pairwise
from pathlib import Path

import gl_scene
import pytest

from depthflow.errors import Cancelled, GLError
from depthflow.jobs.effects import effects_of
from depthflow.jobs.effects_options import from_options
from depthflow.jobs.effects_spec import EffectsSpec
from depthflow.jobs.pipeline import make
from depthflow.jobs.spec import JobSpec
from depthflow.progress import CancelToken, Progress
from depthflow.render import frames
from depthflow.render.context import GLContext, context, second
from depthflow.render.frames import FrameRenderer
from depthflow.render.stage import Stage
from depthflow.scene.anaglyph import TABLE
from depthflow.scene.camera import Camera
from depthflow.scene.views import Fan, layout
from depthflow.video.encode import VideoWriter

pytestmark = [
    pytest.mark.gl,
    pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc"),
]

CLIP = [Camera(x=0.1 * number) for number in range(4)]


@pytest.fixture(autouse=True)
def short_clips_have_a_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "TWIN_FROM", len(CLIP))


MEMORY = 4.0
"""10^6 bytes that the memory of a process may grow by; what one of these renders holds is about 0.4."""


def gl_objects() -> dict[str, int]:
    """Of the process's context, by kind, and of the second one if there is one."""
    found = Counter(_gl_objects(context()))
    if context().info.software:
        with contextlib.suppress(GLError):
            found.update(_gl_objects(second()))
    return dict(found)


def _gl_objects(gl: GLContext) -> dict[str, int]:
    from depthflow.render import gl_raw

    def count() -> dict[str, int]:
        gl.flush()
        return gl_raw.objects()

    gl.info  # noqa: B018 - raises if there is none
    return gl.run(count)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def memory() -> float:
    """Of this process, 10^6 bytes, without what the heap keeps for later."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # a C library that is not GNU's
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def holds_nothing(renders: list[Callable[[], None]], warm_up: int, times: int) -> None:
    """Do them in turn, and find that the last `times` of them left nothing behind, nor as many before these.

    What leaks makes the memory grow as much each time. A heap that thousands of other tests have left in pieces grows
    now and then; so the smaller growth counts.
    """

    def done(count: int) -> tuple[tuple[dict[str, int], int, int], float]:
        for render in islice(cycle(renders), count):
            render()
        finished()  # the program that was used last stays until another one is
        gc.collect()
        return (gl_objects(), open_files(), threading.active_count()), memory()

    left = [done(count) for count in (warm_up, times, times)]
    (before, *after), held = zip(*left, strict=True)
    assert after == [before, before]
    assert min(later - earlier for earlier, later in pairwise(held)) < MEMORY


def renderer(*, ring: bool | None = None, twin: bool = False) -> FrameRenderer:
    return FrameRenderer(gl_scene.photo(), gl_scene.depth(), size=gl_scene.SIZE, colour="bt709", ring=ring, twin=twin)


def finished() -> None:
    with renderer() as drawer:
        assert len(list(drawer.raw_frames(CLIP, keep=True))) == len(CLIP)


def with_an_anaglyph() -> None:
    places = layout("anaglyph", gl_scene.SIZE)
    with FrameRenderer(
        gl_scene.photo(), gl_scene.depth(), size=places.view, views=places, anaglyph=TABLE["dubois"]
    ) as drawer:
        assert drawer.render(drawer.shots(CLIP[1:2], Fan(2, 3.0))[0]).any()


def with_depth_beside_it() -> None:
    places = layout("rgbd", gl_scene.SIZE)
    with FrameRenderer(gl_scene.photo(), gl_scene.depth(), size=places.view, views=places) as drawer:
        assert drawer.render(CLIP[1]).any()


def in_two_sizes_of_mesh() -> None:
    with renderer() as drawer:
        drawer.render(CLIP[1])
        drawer.render(CLIP[3])  # moves farther: mesh and textures are made anew


def with_effects() -> None:
    drawer = FrameRenderer(
        gl_scene.photo(), gl_scene.depth(), size=gl_scene.SIZE, effects=gl_scene.effects(), ring=True
    )
    with drawer:
        assert len(list(drawer.frames(CLIP))) == len(CLIP)


def with_effects_that_change() -> None:
    # Names of one effect of each kind, and text: every program and texture there is.
    asked = from_options(["dof", "fog", "lens", "snow", "grain", "vignette", "caption.text=Hi"])
    effects = effects_of(EffectsSpec.model_validate(asked), gl_scene.SIZE)
    with FrameRenderer(gl_scene.photo(), gl_scene.depth(), size=gl_scene.SIZE, effects=effects) as drawer:
        drawer.render(CLIP[1])
        drawer.render(Camera(focus=1.5))  # farther out of focus: the blur is made anew
        drawer.set_effects(effects_of(EffectsSpec(), gl_scene.SIZE))
        drawer.render(CLIP[1])


def by_two_contexts() -> None:
    with renderer(twin=True) as drawer:
        for number, _ in enumerate(drawer.raw_frames(CLIP * 2)):
            if number == 0 and drawer._twin is not None:
                drawer._twin.result()


def never_closed_by_two_contexts() -> None:
    drawer = renderer(twin=True)
    assert len(list(drawer.raw_frames(CLIP * 2))) == 2 * len(CLIP)


def left_while_the_second_context_begins() -> None:
    with renderer(twin=True) as drawer:
        next(drawer.raw_frames(CLIP))


def left_in_the_middle() -> None:
    with renderer() as drawer:
        next(iter(drawer.raw_frames(CLIP)))


def left_with_frames_on_their_way() -> None:
    with renderer(ring=True) as drawer:
        next(iter(drawer.raw_frames(CLIP)))


def never_closed_with_frames_on_their_way() -> None:
    next(renderer(ring=True).raw_frames(CLIP))


def never_closed() -> None:
    renderer().render(CLIP[1])


WAYS = [
    finished,
    in_two_sizes_of_mesh,
    with_an_anaglyph,
    with_depth_beside_it,
    with_effects,
    with_effects_that_change,
    by_two_contexts,
    left_while_the_second_context_begins,
    never_closed_by_two_contexts,
    left_in_the_middle,
    left_with_frames_on_their_way,
    never_closed,
    never_closed_with_frames_on_their_way,
]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A render that fails on the render thread while the second frame is drawn."""
    real, drawn = Stage.draw, 0

    def draw(*args: object, **more: object) -> None:
        nonlocal drawn
        drawn += 1
        if drawn == 2:
            raise MemoryError("as a driver says it")
        real(*args, **more)  # type: ignore[arg-type]

    def failing() -> None:
        nonlocal drawn
        drawn = 0
        with monkeypatch.context() as patch, renderer() as drawer:
            patch.setattr(Stage, "draw", draw)
            with pytest.raises(MemoryError, match="as a driver says it"):
                list(drawer.raw_frames(CLIP))

    return failing


def test_renderers_leave_nothing_behind(failing: Callable[[], None]) -> None:
    holds_nothing([*WAYS, failing], 14, 28)


def test_the_count_sees_what_is_alive() -> None:
    gc.collect()
    before = gl_objects()
    with renderer() as drawer:
        list(drawer.raw_frames(CLIP))
        alive = gl_objects()
    more = {kind: count - before[kind] for kind, count in alive.items()}
    # A target and two layers; the fringe has indices of its own.
    assert more["textures"] == 3
    assert more["buffers"] >= 4
    assert (more["framebuffers"], more["renderbuffers"]) == (1, 1)
    assert gl_objects() == before


@pytest.fixture
def jobs(photo: Path, depth_map: Path, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Whole jobs: one is made, one is cancelled and one fails between two frames."""
    output = {"path": str(photo.with_name("clip.mp4")), "size": "64x48", "fps": 8, "duration": 0.5, "overwrite": True}
    spec = JobSpec.parse({"photo": str(photo), "depth": {"file": str(depth_map)}, "outputs": [output]})

    def made() -> None:
        make(spec)

    def cancelled() -> None:
        token = CancelToken()

        def report(event: Progress) -> None:
            if event.stage == "render":
                token.cancel()  # noticed when the first frame is there

        with pytest.raises(Cancelled):
            make(spec, report=report, cancel=token)

    def failed() -> None:
        written = 0

        def write(*_: object) -> None:
            nonlocal written
            written += 1
            if written == 2:
                raise OSError("no space")

        with monkeypatch.context() as patch:
            patch.setattr(VideoWriter, "write", write)
            with pytest.raises(OSError, match="no space"):
                make(spec)

    return [made, cancelled, failed]


def test_jobs_leave_nothing_behind(jobs: list[Callable[[], None]]) -> None:
    holds_nothing(jobs, 3, 6)


@pytest.mark.soak
def test_five_hundred_renders(jobs: list[Callable[[], None]], failing: Callable[[], None]) -> None:
    holds_nothing([*jobs, *WAYS, failing], 40, 250)
