"""The Python interface as its users see it: one call for a file, a Renderer for frames."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import listing, processes_with
from skimage import data
from video_samples import psnr, seen

import depthflow
from depthflow import api
from depthflow.api import Camera, Result
from depthflow.errors import (
    Cancelled,
    DepthError,
    DepthFlowError,
    GLError,
    OutputError,
    PhotoError,
    UnknownNameError,
    UsageError,
)
from depthflow.progress import CancelToken, Progress

pytestmark = pytest.mark.gl

SMALL = {"size": (64, 48), "fps": 8, "seconds": 0.5}


@pytest.fixture
def pixels(photo: Path) -> np.ndarray:
    with Image.open(photo) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture
def ball() -> np.ndarray:
    """Depth of a ball before a far wall, for that photo."""
    y, x = np.mgrid[0:96, 0:128]
    return np.clip(1.2 - np.hypot(x - 60, y - 52) / 40, 0, 1).astype(np.float32)


# -- render ---------------------------------------------------------------------------------------------------


def test_render_in_one_call_tells_what_is_in_the_file(photo: Path) -> None:
    out = photo.parent / "out.mp4"
    result = depthflow.render(str(photo), out, motion="orbital", size=(80, 60), fps=12.5, seconds=0.4, loops=2)
    assert isinstance(result, Result)
    (made,) = result.outputs
    video = seen(out)
    assert (made.frames, made.width, made.height) == (10, 80, 60)
    assert (len(video.frames), video.frames[0].width, video.frames[0].height) == (10, 80, 60)
    assert (made.fps, video.rate) == (12.5, Fraction(25, 2))
    assert (made.path, made.bytes) == (out, out.stat().st_size)
    assert (made.format, made.encoder, video.codec, video.pixel_format) == ("mp4", "libx264", "h264", "yuv420p")
    assert set(result.timings) == {"load", "depth", "prepare", "render", "publish"}
    assert all(seconds >= 0 for seconds in result.timings.values())
    assert result.notes == ()
    job = json.loads(result.spec.shareable().canonical())
    job["outputs"][0]["format"] = "mp4"  # the suffix is gone from it, so the format is named
    assert json.loads(video.metadata["comment"].removeprefix("DepthFlow ")) == job


def test_without_an_output_it_lies_beside_the_photo_and_the_suffix_is_the_formats(photo: Path, depth_map: Path) -> None:
    result = depthflow.render(photo, depth=depth_map, format="webp", **SMALL)
    assert result.outputs[0].path == photo.with_suffix(".webp")
    with Image.open(photo.with_suffix(".webp")) as image:
        assert (image.size, image.n_frames) == ((64, 48), 4)


def test_events_come_in_order_with_the_right_totals(photo: Path, depth_map: Path) -> None:
    events: list[Progress] = []
    threads = set()

    def report(progress: Progress) -> None:
        events.append(progress)
        threads.add(threading.get_ident())

    options = {**SMALL, "size": (65, 49)}
    result = depthflow.render(photo, photo.parent / "x.mp4", depth=depth_map, report=report, **options)
    warnings = [event for event in events if event.warning]
    assert [event.note for event in warnings] == ["mp4 needs an even width and height: 65x49 becomes 64x48"]
    assert result.notes == ("mp4 needs an even width and height: 65x49 becomes 64x48",)
    events = [event for event in events if not event.warning]
    stages = list(dict.fromkeys(event.stage for event in events))
    assert stages == ["load", "depth", "prepare", "render", "publish", "done"]
    for stage in stages[:-1]:
        total = 4 if stage == "render" else 1
        of_stage = [event for event in events if event.stage == stage]
        assert {event.total for event in of_stage} == {total}, stage
        done = [event.done for event in of_stage]
        assert (done[0], done[-1]) == (0, total), stage
        assert done == sorted(done), stage
    assert (events[-1].done, events[-1].total) == (1, 1)
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("stage", ["load", "depth", "prepare", "render", "publish"])
def test_a_cancelled_render_leaves_nothing(photo: Path, depth_map: Path, stage: str) -> None:
    cancel = CancelToken()
    seen_after: list[Progress] = []

    def report(progress: Progress) -> None:
        if cancel.cancelled:
            seen_after.append(progress)
        if progress.stage == stage and (stage != "render" or progress.done):
            cancel.cancel()

    out = photo.parent / "new" / "x.mp4"
    seconds = 0.5 if stage == "publish" else 60
    options = {"size": (64, 48), "fps": 30, "seconds": seconds, "report": report, "cancel": cancel}
    with pytest.raises(Cancelled):
        depthflow.render(photo, out, depth=depth_map, **options)
    # Asked within a stage, it may still say that this stage is done and the next begins.
    assert len(seen_after) <= 2
    assert list(listing(photo.parent)) == ["photo.png"]
    assert processes_with(str(photo.parent)) == []


def test_a_report_that_fails_fails_the_render_and_leaves_nothing(photo: Path, depth_map: Path) -> None:
    def report(progress: Progress) -> None:
        if progress.stage == "render" and progress.done:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        depthflow.render(photo, photo.parent / "x.mp4", depth=depth_map, report=report, **SMALL)
    assert list(listing(photo.parent)) == ["photo.png"]


def test_errors_are_of_one_tree_and_of_the_builtin_kind(photo: Path, depth_map: Path) -> None:
    with pytest.raises(UnknownNameError) as unknown:
        depthflow.render(photo, motion="obital")
    assert isinstance(unknown.value, DepthFlowError)
    assert isinstance(unknown.value, ValueError)
    assert unknown.value.hint.startswith("did you mean 'orbital'?")
    with pytest.raises(PhotoError, match=r"gone\.jpg is not there") as gone:
        depthflow.render(photo.parent / "gone.jpg", depth=depth_map, **SMALL)
    assert isinstance(gone.value, ValueError)
    (photo.parent / "x.mp4").touch()
    with pytest.raises(OSError, match="is there already"):
        depthflow.render(photo, photo.parent / "x.mp4", depth=depth_map, overwrite=False, **SMALL)
    assert depthflow.DepthFlowError is DepthFlowError


EVERYTHING = {
    "motion": "push-in",
    "strength": 0.5,
    "reverse": True,
    "phase": 0.25,
    "cycles": 2,
    "easing": "ease-out",
    "hold": 0.1,
    "loop": True,
    "pivot": "surface",
    "pivot_x": 0.2,
    "pivot_y": -0.1,
    "timeline": {"tracks": [{"parameter": "zoom", "keys": [{"at": "0s", "value": 1}, {"at": "100%", "value": 1.2}]}]},
    "relief": 0.4,
    "focus": 0.6,
    "zoom": 1.1,
    "fov": 40,
    "isometric": 0.5,
    "layers": 3,
    "fill": "classic",
    "edge": "mirror",
    "supersample": 1.5,
    "seed": 7,
}


def test_every_option_reaches_the_job(photo: Path, depth_map: Path) -> None:
    given = {**SMALL, **EVERYTHING, "swap_eyes": True, "view": "sbs", "audio": "a.wav", "bitrate": "300k"}
    spec = depthflow.job(photo, "x.mp4", depth=depth_map, max_size="20k", **given)
    motion = {name: value for name, value in EVERYTHING.items() if hasattr(spec.motion, name)}
    assert {name: getattr(spec.motion, name) for name in motion} == motion
    assert spec.motion.name == "push-in"
    for name in ("relief", "focus", "zoom", "fov", "isometric"):
        assert getattr(spec.camera, name) == EVERYTHING[name]
    assert (spec.layers.count, spec.layers.fill) == (3, "classic")
    assert (spec.render.edge, spec.render.supersample, spec.seed, spec.audio) == ("mirror", 1.5, 7, "a.wav")
    assert spec.timeline is not None
    assert spec.timeline.parameters() == ("zoom",)
    (output,) = spec.outputs
    assert (output.path, output.size, output.fps, output.duration) == ("x.mp4", "64x48", 8, 0.5)
    assert (output.bitrate, output.target_bytes, output.view.mode, output.view.swap) == (300_000, 20_000, "sbs", True)
    # Each option changes the job that it is alone in.
    plain = depthflow.job(photo).canonical()
    alone = {**given, "max_size": "1MB", "target_bytes": 9, "depth": depth_map, "invert_depth": True, "motion": "zoom"}
    for name, value in alone.items():
        if name not in ("pivot_x", "pivot_y", "fill", "swap_eyes"):
            assert depthflow.job(photo, **{name: value}).canonical() != plain, name


def test_render_makes_the_job_that_job_describes(photo: Path, depth_map: Path) -> None:
    out = photo.parent / "out.png"
    options = {**SMALL, "poster": 0.25, "reverse": True, "phase": 0.1, "layers": 1, "depth": depth_map}
    spec = depthflow.job(photo, out, effects="vignette", **options)
    assert depthflow.JobSpec.from_toml(spec.to_toml()) == spec
    by_job = depthflow.make_job(spec)
    first = out.read_bytes()
    by_options = depthflow.render(photo, out, effects={"vignette": True}, **options)
    assert by_job.spec == by_options.spec
    assert out.read_bytes() == first


def test_the_signature_is_whole_and_what_is_not_in_it_is_refused(photo: Path) -> None:
    shown = inspect.signature(api.render).parameters
    assert list(shown)[:2] == ["photo", "output"]
    assert {*EVERYTHING, "size", "seconds", "effects", "overwrite", "report", "cancel"} <= set(shown)
    assert (shown["reverse"].default, shown["reverse"].annotation) == (None, "bool | None")
    for name in depthflow.RenderOptions.__annotations__:
        assert re.search(rf"\b{name}\b[^:]*:", api.render.__doc__ or ""), f"{name} is not documented"
    with pytest.raises(
        TypeError, match=r"render.. got an unexpected keyword argument 'revers'; did you mean 'reverse'"
    ):
        depthflow.render(photo, revers=True)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_size": "20 apples"}, "'20 apples' is not a size in bytes"),
        ({"max_size": "1M", "target_bytes": 5}, "the same thing"),
        ({"max_size": 0}, "target_bytes"),
        ({"bitrate": "fast"}, "'fast' is not a bit rate"),
        ({"effects": {"vignette": 3}}, "vignette: True or a table is expected"),
        ({"effects": {"caption": 3}}, "caption: text or a table is expected"),
        ({"effects": ["vignet"]}, "unknown effect 'vignet'"),
        ({"effects": 3}, "names, or a table by name, are expected"),
        ({"effects": [3]}, "names, or a table by name, are expected"),
        ({"effects": {3: True}}, "unknown effect '3'"),
        ({"effects": "caption"}, "^effect caption: what should it show"),
        ({"timeline": "gone.toml"}, "gone.toml: there is no such timeline file"),
        ({"timeline": {"track": []}}, "timeline.track: unknown key"),
    ],
)
def test_an_option_that_cannot_be_understood_is_refused(photo: Path, options: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        depthflow.render(photo, **options)


def test_the_users_limits_hold(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHFLOW_LIMITS_MAX_PHOTO_PIXELS", str(128 * 96 - 1))
    with pytest.raises(PhotoError, match="limit"):
        depthflow.render(photo, **SMALL)
    with pytest.raises(PhotoError, match="limit"):
        depthflow.Renderer(photo)
    with pytest.raises(PhotoError, match="limit"):
        depthflow.estimate_depth(photo)


def test_who_keeps_no_cache_gets_none(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHFLOW_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DEPTHFLOW_CACHE_DEPTH_MEGABYTES", "0")
    depthflow.estimate_depth(photo)
    assert not list((tmp_path / "cache").rglob("*.npz"))
    assert not (tmp_path / "cache" / "depth").exists()


# -- depth ----------------------------------------------------------------------------------------------------


def test_estimated_depth_is_the_same_from_a_file_and_from_its_pixels(photo: Path, pixels: np.ndarray) -> None:
    depth = depthflow.estimate_depth(photo)
    assert (depth.shape, depth.dtype) == ((96, 128), np.float32)
    assert 0 <= depth.min() < 0.2
    assert 0.8 < depth.max() <= 1
    np.testing.assert_array_equal(depth, depthflow.estimate_depth(pixels))


def test_estimated_depth_of_a_large_photo_has_working_size() -> None:
    large = np.ascontiguousarray(np.repeat(np.repeat(data.astronaut()[:256], 3, axis=0), 3, axis=1))
    assert depthflow.estimate_depth(large).shape == (512, 1024)


def test_depth_takes_the_options_of_a_job(photo: Path) -> None:
    plain = depthflow.estimate_depth(photo)
    np.testing.assert_allclose(depthflow.estimate_depth(photo, gamma=2.0), plain**2, atol=1e-5)
    assert np.abs(depthflow.estimate_depth(photo, network_size=256) - plain).max() > 1e-3
    with pytest.raises(depthflow.errors.UsageError, match=r"depth\.tiles: input should be less than or equal to 8"):
        depthflow.estimate_depth(photo, tiles=9)
    with pytest.raises(depthflow.errors.UsageError, match="gama"):
        depthflow.estimate_depth(photo, gama=2.0)


# -- Renderer -------------------------------------------------------------------------------------------------


def test_frames_have_the_number_shape_and_type_that_were_asked_for(photo: Path, ball: np.ndarray) -> None:
    with depthflow.Renderer(photo, ball, size=(60, 44)) as renderer:
        frames = list(renderer.frames("orbital", fps=10, seconds=0.5, loops=2))
        assert len(frames) == 10
        assert {frame.shape for frame in frames} == {(44, 60, 3)}
        assert {frame.dtype for frame in frames} == {np.dtype(np.uint8)}
        assert len({id(frame) for frame in frames}) == 10, "each frame has memory of its own"
        np.testing.assert_array_equal(frames[:5], frames[5:])
        assert [frame.shape for frame in renderer.frames(fps=10, seconds=0.01)] == [(44, 60, 3)], "at least one"


def test_at_rest_the_photo_itself_is_shown(photo: Path, pixels: np.ndarray, ball: np.ndarray) -> None:
    with depthflow.Renderer(photo, ball, size="photo") as renderer:
        still = renderer.render()
        assert still.shape == pixels.shape
        assert psnr(still, pixels) >= 40
        moved = renderer.render(Camera(x=0.3))
    assert psnr(moved, pixels) < 30, "and another camera shows something else"


@pytest.mark.parametrize("motion", ["orbital", "horizontal", "vertical", "circle", "dolly", "zoom"])
def test_loops_close(photo: Path, ball: np.ndarray, motion: str) -> None:
    with depthflow.Renderer(photo, ball, size=(96, 72)) as renderer:
        frames = np.stack(list(renderer.frames(motion, fps=16, seconds=1))).astype(float)
    steps = np.abs(frames - np.roll(frames, 1, axis=0)).mean(axis=(1, 2, 3))
    assert steps[1:].max() > 0.5, "it moves"
    assert steps[0] <= 1.5 * steps[1:].max(), "from the last frame to the first is a step like the others"
    assert steps[0] >= 0.3 * steps[1:].min(), "and no frame is shown twice"


def test_a_still_motion_does_not_move(photo: Path, ball: np.ndarray) -> None:
    with depthflow.Renderer(photo, ball, size=(64, 48)) as renderer:
        one, two, three = renderer.frames("still", fps=3, seconds=1)
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
        flat = list(renderer.frames("orbital", fps=4, seconds=1, strength=0))
        np.testing.assert_array_equal(flat[0], flat[2])


def test_frames_take_what_render_takes(photo: Path, ball: np.ndarray) -> None:
    clip = {"fps": 8, "seconds": 1}
    with depthflow.Renderer(photo, ball, size=(64, 48)) as renderer:
        plain = list(renderer.frames("push-in", **clip))

        def differs(**options: object) -> bool:
            frames = list(renderer.frames("push-in", **clip, **options))  # type: ignore[arg-type]
            return len(frames) == 8 and any(psnr(a, b) < 45 for a, b in zip(frames, plain, strict=True))

        back = list(renderer.frames("push-in", reverse=True, **clip))
        assert min(psnr(a, b) for a, b in zip(back, plain[::-1], strict=True)) > 40
        held = list(renderer.frames("push-in", hold=0.5, **clip))
        np.testing.assert_array_equal(held[4], held[7])
        for name in ("phase", "cycles", "easing", "loop", "relief", "isometric"):
            assert differs(**{name: EVERYTHING[name]}), name
        assert differs(fov=20)
        assert differs(period=0.5)
        turn = {"components": [{"parameter": "yaw", "kind": "set", "amount": 4.0}]}
        assert differs(timeline=turn)
        near, far = (next(renderer.frames("still", timeline=turn, pivot=p, **clip)) for p in (1.0, 0.0))
        assert psnr(near, far) < 40
        # A timeline moves effects too.
        dark = {"tracks": [{"parameter": "fade.amount", "keys": [{"at": 0, "value": 0}, {"at": "100%", "value": 1}]}]}
        faded = list(renderer.frames("still", timeline=dark, **clip))
        assert faded[0].mean() > 20
        assert faded[-1].max() == 0
        with pytest.raises(UsageError, match="hold"):
            renderer.frames(hold=2.0, **clip)


def test_cameras_of_ones_own(photo: Path, ball: np.ndarray) -> None:
    cameras = [Camera(x=x) for x in (-0.05, 0.0, 0.05)]
    with depthflow.Renderer(photo, ball, size=(64, 48)) as renderer:
        frames = list(renderer.frames(cameras=cameras))
        assert len(frames) == 3
        assert psnr(frames[1], renderer.render()) > 45
        assert psnr(frames[0], frames[2]) < 35


def test_depth_comes_as_array_as_file_or_from_the_network(photo: Path, depth_map: Path, ball: np.ndarray) -> None:
    def moved(depth: object, **more: object) -> np.ndarray:
        with depthflow.Renderer(photo, depth, size=(64, 48), **more) as renderer:  # type: ignore[arg-type]
            return renderer.render(Camera(x=0.15))

    array = moved(ball)
    assert psnr(moved(depth_map), array) > 40
    np.testing.assert_array_equal(moved(ball.tolist()), array)
    assert psnr(moved(1 - ball, invert_depth=True), array) > 45
    assert psnr(moved(1 - ball), array) < 35
    assert psnr(moved(None), array) < 40


def test_depth_options_reach_the_job_and_arguments_of_their_own_win(photo: Path, depth_map: Path) -> None:
    options = {
        "tiles": 2,
        "far": 0.2,
        "near": 0.9,
        "gamma": 1.5,
        "embedded": False,
        "invert": False,
        "file": "none.png",
    }
    out = photo.parent / "out.png"
    made = depthflow.render(
        photo, out, depth=depth_map, invert_depth=True, depth_options=options, poster=0, size=(32, 24)
    )
    depth = made.spec.depth
    assert (depth.tiles, depth.far, depth.near, depth.gamma, depth.embedded) == (2, 0.2, 0.9, 1.5, False)
    assert (depth.invert, depth.file) == (True, str(depth_map))


@pytest.mark.parametrize("call", ["render", "Renderer", "export_layers"])
@pytest.mark.parametrize(("options", "reason"), [({"tiles": 9}, r"depth\.tiles"), ({"gama": 2.0}, "gama")])
def test_a_wrong_depth_option_is_refused_by_name(call: str, options: dict, reason: str, photo: Path) -> None:
    target = () if call == "Renderer" else (photo.parent / "out",)
    with pytest.raises(UsageError, match=reason):
        getattr(depthflow, call)(photo, *target, depth_options=options)
    assert not (photo.parent / "out").exists()


def test_depth_options_change_a_renderers_depth(photo: Path, ball: np.ndarray) -> None:
    with (
        depthflow.Renderer(photo, size=(32, 24)) as plain,
        depthflow.Renderer(photo, size=(32, 24), depth_options={"gamma": 2.0}) as toned,
    ):
        np.testing.assert_allclose(toned.depth, plain.depth**2, atol=1e-5)
    with pytest.raises(UsageError, match="array"):
        depthflow.Renderer(photo, ball, depth_options={"gamma": 2.0})


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"layers": 0}, "layers.count"),
        ({"layers": 4}, "layers.count"),
        ({"edge": "miror"}, "render.edge"),
        ({"supersample": 0}, "render.supersample"),
        ({"supersample": float("nan")}, "render.supersample"),
    ],
)
def test_a_wrong_option_of_a_renderer_is_refused(photo: Path, ball: np.ndarray, wrong: dict, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        depthflow.Renderer(photo, ball, **wrong)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("odd", [{"z": 1.0}, {"z": 5.0}, {"dolly": -1.0}, {"yaw": 90.0}, {"x": 1e6}, {"zoom": 1e-6}])
def test_cameras_where_no_camera_should_be_draw_something(photo: Path, ball: np.ndarray, odd: dict[str, float]) -> None:
    camera = depthflow.Camera(**odd)
    with depthflow.Renderer(photo, ball, size=(64, 48)) as renderer:
        assert renderer.render(camera).shape == next(renderer.frames(cameras=[camera])).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("depth", "reason"),
    [
        (np.full((96, 128), np.nan), "NaN"),
        (np.full((96, 128), np.inf), "infinite"),
        (np.full((96, 128), 1.5), "within 0 and 1"),
        (np.full((96, 128), -0.1), "within 0 and 1"),
        (np.zeros((96, 128, 3)), "shape"),
        (np.zeros((0, 0)), "shape"),
        (np.zeros((96, 96)), "not the shape of the photo, 128x96"),
    ],
    ids=["NaN", "infinite", "too large", "negative", "in colour", "empty", "square"],
)
def test_depth_arrays_that_cannot_be_meant(photo: Path, depth: np.ndarray, reason: str) -> None:
    with pytest.raises(DepthError, match=reason):
        depthflow.Renderer(photo, depth)


def test_a_photo_of_memory_is_not_mistaken_for_a_file(
    pixels: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (128, 96), 255).save("array.depth.png")
    with depthflow.Renderer(pixels, size=(64, 48)) as renderer:
        assert renderer.depth.min() < 0.5


def test_a_closed_renderer_says_so(photo: Path, ball: np.ndarray) -> None:
    renderer = depthflow.Renderer(photo, ball, size=(64, 48))
    renderer.close()
    renderer.close()
    with pytest.raises(GLError, match="closed"):
        renderer.render()


def test_renderers_work_from_several_threads(photo: Path, ball: np.ndarray) -> None:
    frames: dict[float, np.ndarray] = {}

    def draw(x: float) -> None:
        with depthflow.Renderer(photo, ball, size=(64, 48)) as renderer:
            frames[x] = renderer.render(Camera(x=x))

    threads = [threading.Thread(target=draw, args=(x,)) for x in (0.0, 0.1, 0.2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = dict(frames)
    for x in together:
        draw(x)
        np.testing.assert_array_equal(frames[x], together[x])


# -- the package ----------------------------------------------------------------------------------------------


def test_the_package_is_typed_and_its_names_are_there() -> None:
    assert (Path(depthflow.__file__).parent / "py.typed").is_file()
    assert set(dir(depthflow)) >= {"render", "Renderer", "estimate_depth", "JobSpec", "DepthFlowError", "__version__"}
    for name in depthflow.__all__:
        assert getattr(depthflow, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'rendr'"):
        depthflow.rendr  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("before", ["", "import depthflow.render.context", "from depthflow.api import Camera"])
def test_render_can_be_called_whatever_was_imported_before(before: str, tmp_path: Path) -> None:
    """The folder depthflow/render has the name of the function and must not hide it."""
    script = f"""
import depthflow
{before}
for attempt in range(3):
    try:
        depthflow.render("gone.png")
    except depthflow.DepthFlowError as error:
        print(error)
from depthflow import render
from depthflow.render.context import context
try:
    render("gone.png")
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("gone.png is not there\n" * 4, "")


def test_what_is_there_is_replaced_unless_told_otherwise(photo: Path, depth_map: Path) -> None:
    out = photo.parent / "x.mp4"
    shutil.copy(photo, out)
    with pytest.raises(OutputError, match="is there already"):
        depthflow.render(photo, out, depth=depth_map, overwrite=False, **SMALL)
    assert out.read_bytes() == photo.read_bytes()
    depthflow.render(photo, out, depth=depth_map, **SMALL)
    assert len(seen(out).frames) == 4
