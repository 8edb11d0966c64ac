"""The pipeline: the same job makes the same frames, whatever the cache holds; several outputs, sound, presets."""

from __future__ import annotations

import io
import math
import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from running import SHORT, depthflow, listing, pixels
from video_samples import psnr, seen

import depthflow.depth.estimator as estimator
import depthflow.video.finish as finish
from depthflow import paths
from depthflow.api import build_spec
from depthflow.errors import FFmpegError, InputError, OutputError, UsageError
from depthflow.jobs.pipeline import make
from depthflow.jobs.spec import JobSpec
from depthflow.progress import Progress
from depthflow.render.frames import FrameRenderer

pytestmark = pytest.mark.gl


def job(photo: Path, *outputs: dict[str, Any], **parts: Any) -> JobSpec:
    """A job of tiny clips; each output is given what it does not say itself."""
    common = {"size": "64x48", "fps": 8, "duration": 0.5, "overwrite": True}
    made = [{**common, **output} for output in outputs or ({"path": str(photo.with_name("clip.mkv"))},)]
    for output in made:
        if output.get("format", "ffv1") == "ffv1" and str(output.get("path", "")).endswith(".mkv"):
            output["format"] = "ffv1"  # lossless: frames are compared exactly
    return JobSpec.parse({"photo": str(photo), "outputs": made, **parts})


def frames(photo: Path, depth_map: Path, **parts: Any) -> np.ndarray:
    """Frames of a job, (N, H, W, 3) uint8, through a lossless file."""
    output = parts.pop("output", {})
    path = photo.with_name("clip.mkv")
    make(job(photo, {"path": str(path), **output}, depth={"file": str(depth_map)}, **parts))
    return pixels(path)


# -- the same again -------------------------------------------------------------------------------------------


def test_the_second_time_depth_comes_from_the_cache_and_every_frame_is_the_same(
    photo: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("DEPTHFLOW_CACHE_DIR", str(cache))
    runs = 0
    real = estimator.estimate

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal runs
        runs += 1
        return real(*args, **kwargs)

    monkeypatch.setattr(estimator, "estimate", counted)
    spec = job(photo)
    made = []
    for _ in range(2):
        make(spec)
        made.append(pixels(photo.with_name("clip.mkv")))
    assert runs == 1
    kept = [file for file in (cache / "depth").rglob("*") if file.is_file()]
    assert len(kept) == 1
    make(spec, cache_bytes=0)
    made.append(pixels(photo.with_name("clip.mkv")))
    assert runs == 2, "0 bytes leave the cache alone"
    kept[0].write_bytes(b"broken on the disk")
    make(spec)
    made.append(pixels(photo.with_name("clip.mkv")))
    assert runs == 3, "a damaged map is made again"
    for again in made[1:]:
        np.testing.assert_array_equal(again, made[0])
    # The same pixels in another file are the same photo.
    with Image.open(photo) as image:
        image.save(photo.with_name("copy.bmp"))
    make(job(photo.with_name("copy.bmp")))
    assert runs == 3


def test_two_processes_make_the_same_frames(photo: Path) -> None:
    for name in ("one", "two"):
        done = depthflow("render", photo, "-o", f"{name}.mp4", *SHORT, "--quiet", cwd=photo.parent)
        assert done.code == 0, done.err
    np.testing.assert_array_equal(*(pixels(photo.with_name(f"{name}.mp4")) for name in ("one", "two")))


def test_a_resolved_job_makes_the_same_without_its_motion_file(photo: Path, depth_map: Path) -> None:
    motion = photo.with_name("mine.toml")
    motion.write_text('relief = 0.9\ncomponents = [{parameter = "x", kind = "sine", amount = 0.1}]')
    spec = job(photo, depth={"file": str(depth_map)}, motion={"name": str(motion)})
    result = make(spec)
    first = pixels(photo.with_name("clip.mkv"))
    motion.unlink()
    again = JobSpec.from_toml(result.spec.to_toml())
    assert again.digest() == result.spec.digest()
    make(again)
    np.testing.assert_array_equal(pixels(photo.with_name("clip.mkv")), first)


def test_the_seed_decides_what_is_random_and_nothing_else(photo: Path, depth_map: Path) -> None:
    shake = photo.with_name("shake.toml")
    shake.write_text('components = [{parameter = "x", kind = "noise", amount = 0.2, cycles = 3}]')
    one, same, other = (frames(photo, depth_map, motion={"name": str(shake)}, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert psnr(one, other) < 40
    calm = [frames(photo, depth_map, motion={"name": "circle"}, seed=seed) for seed in (1, 2)]
    np.testing.assert_array_equal(*calm)


# -- what the parts of a job do to its frames -----------------------------------------------------------------


@pytest.fixture
def plain(photo: Path, depth_map: Path) -> np.ndarray:
    """A pass of eight frames, sideways."""
    return frames(photo, depth_map, motion={"name": "horizontal"}, output={"duration": 1})


def test_phase_starts_later_in_the_same_pass(photo: Path, depth_map: Path, plain: np.ndarray) -> None:
    later = frames(photo, depth_map, motion={"name": "horizontal", "phase": 0.25}, output={"duration": 1})
    np.testing.assert_array_equal(later, np.roll(plain, -2, axis=0))


def test_reverse_plays_the_same_frames_backwards(photo: Path, depth_map: Path, plain: np.ndarray) -> None:
    back = frames(photo, depth_map, motion={"name": "horizontal", "reverse": True}, output={"duration": 1})
    np.testing.assert_array_equal(back, np.roll(plain[::-1], 1, axis=0))


def test_loops_repeat_the_pass(photo: Path, depth_map: Path, plain: np.ndarray) -> None:
    twice = frames(photo, depth_map, motion={"name": "horizontal"}, output={"duration": 1, "loops": 2})
    np.testing.assert_array_equal(twice, np.concatenate((plain, plain)))


def test_strength_and_relief_make_it_move_more(photo: Path, depth_map: Path, plain: np.ndarray) -> None:
    def travel(clip: np.ndarray) -> float:
        return float(np.abs(np.diff(clip.astype(float), axis=0)).mean())

    def clip(strength: float, relief: float = 0.6) -> np.ndarray:
        motion = {"name": "horizontal", "strength": strength}
        return frames(photo, depth_map, motion=motion, camera={"relief": relief}, output={"duration": 1})

    np.testing.assert_array_equal(clip(1), plain)
    assert travel(clip(0)) == 0
    assert 0 < travel(clip(0.3)) < travel(plain) < travel(clip(1, relief=1.5))
    np.testing.assert_array_equal(clip(-1)[2], plain[6])


def test_the_plane_in_focus_stays_and_the_other_goes(photo: Path, depth_map: Path) -> None:
    """The wall at depth 0 fills the corners, the ball's middle is at depth 1."""

    def travel(focus: float) -> tuple[float, float]:
        parts = {"motion": {"name": "horizontal"}, "camera": {"focus": focus}, "render": {"edge": "mirror"}}
        clip = frames(photo, depth_map, **parts, output={"duration": 1}).astype(float)
        moved = np.abs(clip[2] - clip[6]).mean(axis=2)
        return float(moved[:6, :6].mean()), float(moved[24:28, 28:32].mean())

    wall, ball = travel(0.0)
    assert wall < 1 < ball
    wall, ball = travel(1.0)
    assert ball < 3 < wall


@pytest.mark.parametrize(
    ("motion", "said"),
    [
        ({"pivot_x": 0.2}, "turns about itself"),
        ({"pivot_y": 0.2, "pivot": "nearest"}, "finds its own place"),
        ({"pivot_x": 0.2, "pivot": "surface"}, ""),
        ({"pivot_x": 0.2, "pivot": 0.5}, ""),
        ({"pivot": "nearest"}, ""),
    ],
)
def test_a_place_of_a_pivot_without_effect_is_a_note(
    photo: Path, depth_map: Path, motion: dict[str, Any], said: str
) -> None:
    result = make(job(photo, depth={"file": str(depth_map)}, motion={"name": "spin", **motion}))
    assert len(result.notes) == (1 if said else 0)
    assert said in "".join(result.notes)


def test_zoom_enlarges_the_middle(photo: Path, depth_map: Path) -> None:
    def rest(**camera: float) -> np.ndarray:
        output = {"size": "128x96", "duration": 0.1}
        return frames(photo, depth_map, motion={"name": "still"}, camera=camera, output=output)[0]

    with Image.open(photo) as image:
        middle = image.convert("RGB").crop((32, 24, 96, 72)).resize((128, 96), Image.Resampling.BILINEAR)
    assert psnr(rest(zoom=2.0), np.asarray(middle)) > 30
    assert psnr(rest(), np.asarray(middle)) < 20


@pytest.mark.parametrize(
    ("fit", "size", "bars"),
    [("pad", (128, 48), True), ("crop", (128, 48), False), ("fill", (128, 48), False), ("fit", (64, 48), False)],
)
def test_frames_of_another_shape(photo: Path, depth_map: Path, fit: str, size: tuple[int, int], bars: bool) -> None:
    output = {"size": "128x48", "fit": fit, "duration": 0.1}
    (frame,) = frames(photo, depth_map, motion={"name": "still"}, output=output)
    assert frame.shape == (size[1], size[0], 3)
    assert (frame[:, :30].max() == 0) == bars
    assert (frame[:, 98:].max() == 0 if size[0] == 128 else False) == bars


# -- outputs --------------------------------------------------------------------------------------------------


def test_several_outputs_share_one_photo_and_one_depth(photo: Path, depth_map: Path) -> None:
    events: list[Progress] = []
    folder = photo.parent
    spec = job(
        photo,
        {"path": str(folder / "a.mp4"), "fps": 12},
        {"path": str(folder / "b.gif"), "size": "32x24"},
        {"path": str(folder / "c.png"), "duration": 0.01},
        {"path": str(folder / "d"), "format": "jpg", "duration": 0.25},
        depth={"file": str(depth_map)},
    )
    result = make(spec, report=events.append)
    assert [(made.format, made.frames, made.width) for made in result.outputs] == [
        ("mp4", 6, 64), ("gif", 4, 32), ("png", 1, 64), ("jpg", 2, 64),
    ]  # fmt: skip
    assert len(seen(folder / "a.mp4").frames) == 6
    with Image.open(folder / "b.gif") as image:
        assert (image.size, image.n_frames) == ((32, 24), 4)
    with Image.open(folder / "c.png") as image:
        assert image.size == (64, 48)
    assert len(list((folder / "d").iterdir())) == 2
    for stage, times in (("load", 1), ("depth", 1), ("prepare", 4), ("publish", 4)):
        assert sum(event.stage == stage and event.done == 0 for event in events) == times, stage
    assert (events[-1].stage, events[-1].done, events[-1].total) == ("done", 4, 4)


def test_one_wrong_output_is_told_before_any_work(photo: Path, depth_map: Path) -> None:
    before = listing(photo.parent)
    good = {"path": str(photo.with_name("a.mp4"))}
    events: list[Progress] = []
    for bad, error, words in (
        ({"path": str(photo), "format": "apng"}, UsageError, "is the photo itself"),
        ({"path": str(depth_map), "format": "png", "duration": 0.01}, UsageError, "is the depth map itself"),
        ({"path": f"{photo.parent}/./a.mp4"}, UsageError, "two outputs have this path"),
        ({"path": str(photo), "format": "apng", "overwrite": False}, UsageError, "is the photo itself"),
        ({"path": str(depth_map.parent)}, UsageError, "no format"),
        ({"path": str(photo.with_name("b.gif")), "fps": 60}, UsageError, "gif goes up to 50 frames"),
    ):
        with pytest.raises(error, match=words):
            make(job(photo, good, bad, depth={"file": str(depth_map)}), report=events.append)
    assert events == []
    assert listing(photo.parent) == before


def test_two_outputs_beside_the_photo_would_be_one(photo: Path) -> None:
    with pytest.raises(UsageError, match=r"photo\.mp4: two outputs have this path"):
        make(job(photo, {"size": "64x48"}, {"size": "32x24"}))
    assert list(listing(photo.parent)) == ["photo.png"]


def test_a_link_to_the_photo_is_the_photo(photo: Path, depth_map: Path) -> None:
    link = photo.with_name("link.apng")
    link.hardlink_to(photo)
    with pytest.raises(UsageError, match="is the photo itself"):
        make(job(photo, {"path": str(link)}, depth={"file": str(depth_map)}))
    assert link.read_bytes() == photo.read_bytes()


def test_what_is_on_the_gpu_is_freed_when_the_file_cannot_be_made(
    photo: Path, depth_map: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[FrameRenderer] = []
    begin, end = FrameRenderer.__init__, FrameRenderer.close

    def counted_begin(self: FrameRenderer, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        alive.append(self)

    def counted_end(self: FrameRenderer) -> None:
        end(self)
        alive.remove(self)

    monkeypatch.setattr(FrameRenderer, "__init__", counted_begin)
    monkeypatch.setattr(FrameRenderer, "close", counted_end)
    make(job(photo, depth={"file": str(depth_map)}))
    assert alive == []
    with pytest.raises(OutputError):
        make(job(photo, {"path": str(photo / "x.mp4")}, depth={"file": str(depth_map)}))
    assert alive == []


# -- depth, presets, sound ------------------------------------------------------------------------------------


def test_a_depth_map_beside_the_photo_is_found_and_that_is_said(photo: Path, depth_map: Path) -> None:
    given = frames(photo, depth_map, motion={"name": "horizontal"})
    beside = photo.with_name("photo.depth.png")
    beside.write_bytes(depth_map.read_bytes())
    result = make(job(photo, motion={"name": "horizontal"}))
    assert result.notes == (f"depth from {beside}, which lies beside the photo",)
    np.testing.assert_array_equal(pixels(photo.with_name("clip.mkv")), given)


def test_a_photo_from_a_stream(photo: Path, depth_map: Path) -> None:
    given = frames(photo, depth_map)
    spec = job(photo, depth={"file": str(depth_map)}).with_(photo="-")
    make(spec, stdin=io.BytesIO(photo.read_bytes()))
    np.testing.assert_array_equal(pixels(photo.with_name("clip.mkv")), given)


def test_a_preset_lies_over_the_settings_and_under_what_is_given(
    own_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", str(tmp_path))
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "mine.toml").write_text(
        'description = "x"\n[motion]\nname = "zoom"\nstrength = 0.3\n[camera]\nzoom = 1.5\n'
        '[output]\nsize = "square"\nfps = 24\n[layers]\ncount = 1\n'
    )
    monkeypatch.setenv("DEPTHFLOW_OUTPUT_FPS", "50")
    monkeypatch.setenv("DEPTHFLOW_OUTPUT_QUALITY", "31")
    spec = build_spec("p.jpg", preset="mine", motion={"strength": 0.8}, output={"size": None, "fps": 12.0})
    assert spec.preset == "mine"
    assert (spec.motion.name, spec.motion.strength) == ("zoom", 0.8)
    assert (spec.camera.zoom, spec.layers.count) == (1.5, 1)
    (output,) = spec.outputs
    assert (output.size, output.fps, output.quality) == ("square", 12.0, 31)
    # The user's own preset hides one of ours with the same name.
    (tmp_path / "presets" / "vertigo.toml").write_text("[camera]\nzoom = 3.0\n")
    assert build_spec("p.jpg", preset="vertigo").camera.zoom == 3.0
    assert paths.data("config", "presets", "vertigo.toml").is_file()


@pytest.mark.parametrize("fit", ["crop", "pad", "fit", "fill"])
@pytest.mark.parametrize("size", [(2000, 2), (2, 2000)], ids=["long", "high"])
def test_a_photo_like_a_thread(tmp_path: Path, size: tuple[int, int], fit: str) -> None:
    Image.new("RGB", size, (200, 100, 50)).save(tmp_path / "thread.png")
    Image.new("L", size, 128).save(tmp_path / "thread.depth.png")
    for name in ("a.mp4", "a.png"):
        output = {"path": str(tmp_path / name), "size": "96x64", "fit": fit, "poster": 0 if name == "a.png" else None}
        made = make(job(tmp_path / "thread.png", output)).outputs[0]
        assert (made.width, made.height) == ((96, 64) if fit != "fit" else (96, 2) if size[0] > 2 else (2, 64))
    if fit == "pad":
        frame = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
        there = np.abs(frame - (200, 100, 50)).max(axis=2) < 20
        assert there.any(axis=1).sum() == (1 if size[0] > 2 else 64)
        assert there.any(axis=0).sum() == (96 if size[0] > 2 else 1)


@pytest.fixture
def tone(photo: Path) -> Path:
    """A second of 440 Hz."""
    path = photo.with_name("tone.wav")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44100)
        samples = (round(12000 * math.sin(2 * math.pi * 440 * index / 44100)) for index in range(44100))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return path


@pytest.mark.parametrize("seconds", [0.5, 2.0], ids=["cut", "padded"])
def test_sound_lasts_as_long_as_the_pictures(photo: Path, depth_map: Path, tone: Path, seconds: float) -> None:
    out = photo.with_name("loud.mp4")
    output = {"path": str(out), "duration": seconds}
    make(job(photo, output, depth={"file": str(depth_map)}, audio=str(tone)))
    video = seen(out)
    assert len(video.frames) == round(8 * seconds)
    assert video.audio_seconds == pytest.approx(seconds, abs=0.05)


def test_files_in_the_home_folder(photo: Path, depth_map: Path, tone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(photo.parent))
    monkeypatch.setenv("USERPROFILE", str(photo.parent))
    files: dict[str, Any] = {"depth": {"file": str(depth_map)}, "audio": "~/tone.wav"}
    made = make(job(Path("~/photo.png"), {"path": "~/loud.mp4", "duration": 0.25}, **files))
    assert made.outputs[0].path == photo.with_name("loud.mp4")


def test_sound_that_is_none(photo: Path, depth_map: Path, tone: Path) -> None:
    before = listing(photo.parent)
    out = str(photo.with_name("loud.mp4"))
    depth = {"file": str(depth_map)}
    with pytest.raises(InputError, match=r"gone\.wav: no such sound file"):
        make(job(photo, {"path": out}, depth=depth, audio=str(photo.with_name("gone.wav"))))
    with pytest.raises(InputError, match=r"photo\.png: holds no sound"):
        make(job(photo, {"path": out}, depth=depth, audio=str(photo)))
    with pytest.raises(UsageError, match="gif has no sound"):
        make(job(photo, {"path": out.replace("mp4", "gif")}, depth=depth, audio=str(tone)))
    assert listing(photo.parent) == before


def test_a_job_that_nobody_watches_is_decoded_to_its_end(
    tmp_path: Path, photo: Path, depth_map: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that has all its packets and begins well, but with rubbish in its middle, gets no name."""
    real = finish.probe

    def spoiled(file: Path, **how: Any) -> Any:
        data = bytearray(file.read_bytes())
        middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) * 5 // 8
        data[middle : middle + 600] = bytes(600)
        file.write_bytes(data)
        return real(file, **how)

    monkeypatch.setattr(finish, "probe", spoiled)
    spec = job(
        photo,
        {"path": str(tmp_path / "clip.mp4"), "size": "320x240", "duration": 3, "crf": 1},
        depth={"file": str(depth_map)},
    )
    with pytest.raises(FFmpegError, match="cannot be read back"):
        make(spec, decode_all=True)
    assert not (tmp_path / "clip.mp4").exists()
    assert make(spec).outputs[0].frames == 24, "what else is looked at does not see it"


def test_a_zoom_that_is_taken_back_to_hide_the_border_is_said(photo: Path, depth_map: Path) -> None:
    away = {"depth": {"file": str(depth_map)}, "camera": {"zoom": 0.5}}
    assert [
        note
        for note in make(job(photo, **away)).notes
        if "zoomed in 2.1 times, so that the photo's border is hidden" in note
    ]
    assert not make(job(photo, **away, render={"edge": "mirror"})).notes
    assert not make(job(photo, depth={"file": str(depth_map)})).notes
