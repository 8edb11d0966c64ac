"""What comes out besides a plain video: stills, sequences, transparency, limits, and the job of a video made again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from running import SHORT, depthflow, job_in, listing, pixels, refused
from video_samples import psnr, seen

import depthflow as depthflow_package
from depthflow.errors import Cancelled, OutputError, UsageError
from depthflow.images import load_photo
from depthflow.jobs.embedded import job_of, template
from depthflow.jobs.pipeline import make
from depthflow.jobs.spec import JobSpec
from depthflow.jobs.transparency import colour_and_opacity, put_together
from depthflow.progress import CancelToken, Progress

pytestmark = pytest.mark.gl

Pixels = NDArray[np.uint8]


def job(photo: Path, depth_map: Path, output: dict[str, Any], **parts: Any) -> JobSpec:
    """A job of one tiny clip."""
    common = {"size": "64x48", "fps": 8, "duration": 0.5}
    depth = {"file": str(depth_map)}
    return JobSpec.parse({"photo": str(photo), "depth": depth, "outputs": [{**common, **output}], **parts})


# -- the job of a video made again ----------------------------------------------------------------------------


@pytest.fixture
def video(photo: Path, depth_map: Path) -> Path:
    """A lossless clip beside its photo and its depth map, with a preset and a seed."""
    shutil.copy(depth_map, photo.with_name("ball.png"))
    done = depthflow(
        "render", photo.name, "-o", "first.mkv", "--format", "ffv1", "--depth", "ball.png", *SHORT,
        "--preset", "vertigo", "--motion", "handheld", "--strength", "2", "--seed", "7", "--quiet", cwd=photo.parent,
    )  # fmt: skip
    assert done.code == 0, done.err
    return photo.with_name("first.mkv")


def test_a_video_is_made_again_frame_by_frame(video: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = depthflow("render", "--like", video, "-o", elsewhere / "again.mkv", "--quiet", cwd=elsewhere)
    assert done.code == 0, done.err
    np.testing.assert_array_equal(pixels(elsewhere / "again.mkv"), pixels(video))
    assert job_in(elsewhere / "again.mkv") == job_in(video)


def test_with_another_photo_and_other_options(video: Path, photo: Path) -> None:
    with Image.open(photo) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photo.with_name("other.png"))
    again = ("render", "--like", video.name, "other.png", "--quiet")
    done = depthflow(*again, "-o", "other.mp4", "--motion", "horizontal", "--fps", "4", cwd=photo.parent)
    assert done.code == 0, done.err
    first, other = job_in(video), job_in(photo.with_name("other.mp4"))
    assert other["photo"] == "other.png"
    assert other["motion"]["name"] == "horizontal"
    assert other["motion"]["strength"] == 2
    assert other["motion"]["components"] != first["motion"]["components"]
    (one,), (two,) = first["outputs"], other["outputs"]
    assert two == one | {"format": "mp4", "fps": 4}
    assert [other[part] for part in ("camera", "seed", "layers")] == [
        first[part] for part in ("camera", "seed", "layers")
    ]


def test_a_rate_takes_the_place_of_the_quality(photo: Path, depth_map: Path) -> None:
    common = ("--depth", depth_map, *SHORT, "--quiet")
    assert depthflow("render", photo, "-o", "a.mp4", "--crf", "30", *common, cwd=photo.parent).code == 0
    again = ("render", "--like", "a.mp4", "-o", "b.mp4", "--depth", depth_map)
    assert depthflow(*again, "--bitrate", "200k", cwd=photo.parent).code == 0
    (output,) = job_in(photo.with_name("b.mp4"))["outputs"]
    assert output["bitrate"] == 200_000
    assert "crf" not in output


def test_videos_that_cannot_be_made_again(video: Path, photo: Path) -> None:
    cwd = photo.parent
    photo.unlink()
    done = depthflow("render", "--like", video.name, cwd=cwd)
    refused(done, 3, "its photo, photo.png, is neither beside it nor in the current folder", "--like FILE PHOTO")
    Image.new("RGB", (8, 8)).save(cwd / "plain.png")
    refused(depthflow("render", "--like", "plain.png", cwd=cwd), 3, "plain.png: carries no job")
    refused(depthflow("render", "--like", "gone.mp4", cwd=cwd), 3, "gone.mp4: no such file")
    (cwd / "text.mp4").write_text("la la la")
    refused(depthflow("render", "--like", "text.mp4", cwd=cwd), 3, "text.mp4")
    refused(depthflow("render", cwd=cwd), 2, "no photo is named")


def test_a_job_of_another_version(video: Path, tmp_path: Path) -> None:
    data = job_in(video) | {"version": 2}
    from depthflow.jobs.embedded import read_embedded

    assert read_embedded({"comment": "holiday"}, video) is None
    assert read_embedded({"comment": f"DepthFlow {json.dumps(job_in(video))}"}, video) is not None
    for text in (json.dumps(data), json.dumps(job_in(video) | {"warp": 1}), "{", "[" * 200_000):
        with pytest.raises(ValueError, match=r"first\.mkv") as error:
            read_embedded({"comment": f"DepthFlow {text}"}, video)
        assert "another version" in error.value.hint  # type: ignore[attr-defined]


def test_a_strangers_video_reaches_no_file_elsewhere(
    video: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from depthflow.jobs import embedded
    from depthflow.jobs.spec import JobSpec

    secret = tmp_path_factory.mktemp("elsewhere") / "secret.png"
    secret.touch()
    ways = (str(secret), os.path.relpath(secret, video.parent), "..", "-")
    for photo in ways:
        spec = JobSpec.parse({"photo": photo})
        monkeypatch.setattr(embedded, "job_of", lambda _, spec=spec: spec)
        with pytest.raises(ValueError, match="is neither beside it nor in the current folder"):
            embedded.template(video, {"depth": {}, "motion": {}, "output": {}}, photo=None, audio=False)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm"])
def test_every_container_that_has_a_place_carries_the_job(photo: Path, depth_map: Path, name: str) -> None:
    path = photo.with_name(name)
    make(job(photo, depth_map, {"path": str(path)}))
    found = job_in(path)
    assert found["photo"] == "photo.png"
    (output,) = found["outputs"]
    assert output["format"] == {"a.mov": "prores", "a.webm": "webm"}.get(name, "mp4")
    assert "path" not in output


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("one.gif", {}), ("one.webp", {}), ("one.apng", {}), ("one.avif", {}), ("one", {"format": "png"}),
        ("one_%02d.jpg", {}), ("one.png", {"poster": 0.25}), ("one.jpg", {"poster": 0.25}),
        ("one.webp", {"poster": 0.25}), ("one.avif", {"poster": 0.25}),
    ],
)  # fmt: skip
def test_animations_and_images_carry_it_too(photo: Path, depth_map: Path, name: str, more: dict[str, Any]) -> None:
    folder = photo.parent
    shutil.copy(depth_map, folder / "ball.png")
    make(job(photo, folder / "ball.png", {**more, "path": str(folder / name)}, motion={"name": "horizontal"}))
    result = folder / name.replace("%02d", "01")
    if result.is_dir():
        (result / "frame_00099.png").write_text("somebody else's, and no image")
        assert job_of(result).photo == "photo.png"
        (result / "frame_00099.png").unlink()
    spec = job_of(result)
    assert (spec.photo, spec.depth.file, spec.motion.name) == ("photo.png", "ball.png", "horizontal")
    parts: dict[str, dict[str, Any]] = {"depth": {}, "motion": {}, "output": {}}
    data = template(result, parts, photo=None, audio=False)
    data["outputs"][0]["path"] = str(folder / name.replace("one", "two"))
    make(JobSpec.parse(data))
    found = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    first = {name: data for name, data in found.items() if name.startswith("one")}
    assert first
    assert first == {name.replace("two", "one"): data for name, data in found.items() if name.startswith("two")}
    assert not any(str(folder).encode() in data for data in first.values())


def test_a_sequence_is_made_again_into_another_folder(photo: Path, depth_map: Path) -> None:
    make(job(photo, depth_map, {"path": str(photo.with_name("one")), "format": "png"}))
    again = ("render", "--like", "one", "--depth", depth_map, "-q")
    assert depthflow(*again, "-o", "two", cwd=photo.parent).code == 0
    assert listing(photo.with_name("one")) == listing(photo.with_name("two"))
    assert depthflow(*again, "-o", "clip.mp4", cwd=photo.parent).code == 0


def test_a_still_knows_its_clip(photo: Path, depth_map: Path) -> None:
    still = photo.with_name("still.png")
    make(job(photo, depth_map, {"path": str(still), "poster": 0.25}))
    again = ("render", "--like", still, "--depth", depth_map, "-q")
    assert depthflow(*again, "-o", "clip.mp4", cwd=photo.parent).code == 0
    assert len(pixels(photo.with_name("clip.mp4"))) == 4
    assert depthflow(*again, "-o", "still.webp", cwd=photo.parent).code == 0
    with Image.open(photo.with_name("still.webp")) as image:
        assert getattr(image, "n_frames", 1) == 1


def test_of_several_outputs_each_video_carries_its_own(photo: Path, depth_map: Path) -> None:
    spec = job(photo, depth_map, {"path": str(photo.with_name("a.mp4"))})
    second = spec.outputs[0].model_copy(update={"path": str(photo.with_name("b.webm")), "fps": 4.0})
    make(spec.model_copy(update={"outputs": (*spec.outputs, second)}))
    for name, fps in (("a.mp4", 8), ("b.webm", 4)):
        assert [output["fps"] for output in job_in(photo.with_name(name))["outputs"]] == [fps]


# -- limits ---------------------------------------------------------------------------------------------------


def test_a_limit_and_a_bit_rate_from_the_command_line(photo: Path, depth_map: Path) -> None:
    common = ("--depth", depth_map, "--size", "128x96", "--fps", "12", "--duration", "1", "--json")
    free = depthflow("render", photo, "-o", "free.mp4", *common, cwd=photo.parent).event("done")["outputs"][0]["bytes"]
    limit = 5000 + (free - 5000) // 2
    done = depthflow("render", photo, "-o", "small.mp4", "--max-size", str(limit), *common, cwd=photo.parent)
    assert 0.9 * limit < done.event("done")["outputs"][0]["bytes"] <= limit
    assert done.event("done")["notes"][0].startswith("small.mp4: to fit, crf ")
    done = depthflow("render", photo, "-o", "even.mp4", "--bitrate", "200k", *common, cwd=photo.parent)
    assert 0.9 * 25_000 < done.event("done")["outputs"][0]["bytes"] <= 25_000
    refused(depthflow("render", photo, "--max-size", "8XB", cwd=photo.parent), 2, "'8XB' is not a size", "8MB")
    refused(depthflow("render", photo, "-o", "x.png", "--poster", "0", "--max-size", "1MB", cwd=photo.parent), 2, "png")
    refused(depthflow("render", photo, "--crf", "20", "--bitrate", "1M", cwd=photo.parent), 2, "crf and bitrate")


# -- stills ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("second", "index"), [(0, 0), (0.125, 1), (0.2, 1), (0.99, 7), (1.0, 7)])
def test_a_poster_is_the_frame_of_its_second(photo: Path, depth_map: Path, second: float, index: int) -> None:
    clip, poster = photo.with_name("clip.mkv"), photo.with_name("poster.png")
    motion = {"name": "horizontal"}
    make(job(photo, depth_map, {"path": str(clip), "format": "ffv1", "duration": 1}, motion=motion))
    made = make(job(photo, depth_map, {"path": str(poster), "poster": second, "duration": 1}, motion=motion))
    assert [output.frames for output in made.outputs] == [1]
    with Image.open(poster) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels(clip)[index])


def test_posters_from_the_command_line(photo: Path, depth_map: Path) -> None:
    common = ("--depth", depth_map, *SHORT)
    done = depthflow("render", photo, "--poster", "0.2", *common, cwd=photo.parent)
    assert done.code == 0, done.err
    assert done.out.startswith(f"{photo.with_name('photo-poster.png')}: 64x48, a still, ")
    for name in ("still.jpg", "still.webp", "still.avif"):
        done = depthflow("render", photo, "-o", name, "--poster", "0", *common, cwd=photo.parent)
        assert done.code == 0, done.err
        assert load_photo(str(photo.with_name(name))).size == (64, 48)
    refused(depthflow("render", photo, "--poster", "7", *common, cwd=photo.parent), 2, "7 s is after the end", "0.5 s")
    refused(depthflow("render", photo, "-o", "x.mp4", "--poster", "0", cwd=photo.parent), 2, "mp4 a video", "png")
    refused(depthflow("render", photo, "-o", "x.png", *common, cwd=photo.parent), 2, "x.png: one file", "--poster")


def test_percent_signs_in_the_photos_name(photo: Path, depth_map: Path) -> None:
    for name in ("100%", "a%d"):
        odd = photo.with_name(f"{name}.png")
        shutil.copy(photo, odd)
        for output in ({"poster": 0.0}, {"poster": 0.0, "path": str(photo.parent / "d%d" / f"{name}.png")}):
            (made,) = make(job(odd, depth_map, output)).outputs
            assert made.path.is_file()
        (made,) = make(job(odd, depth_map, {"format": "png"})).outputs
        assert made.path == photo.with_name(f"{name}-frames")
        assert list(listing(made.path)) == [f"frame_0000{number}.png" for number in (1, 2, 3, 4)]


# -- sequences ------------------------------------------------------------------------------------------------


def test_a_sequence_again_and_over_itself(photo: Path, depth_map: Path) -> None:
    folder = photo.with_name("frames")
    spec = job(photo, depth_map, {"path": str(folder), "format": "png"})
    make(spec)
    assert list(listing(folder)) == [f"frame_0000{n}.png" for n in (1, 2, 3, 4)]
    events: list[Progress] = []
    with pytest.raises(OutputError, match=r"frame_0000\d\.png: is there already"):
        make(spec, report=events.append)
    assert events == [], "it is told before any work"
    shorter = job(photo, depth_map, {"path": str(folder), "format": "png", "duration": 0.25, "overwrite": True})
    make(shorter)
    assert list(listing(folder)) == ["frame_00001.png", "frame_00002.png"]
    make(job(photo, depth_map, {"path": str(folder / "shot_%03d.jpg")}))
    assert list(listing(folder)) == [
        "frame_00001.png", "frame_00002.png", "shot_001.jpg", "shot_002.jpg", "shot_003.jpg", "shot_004.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize("target", ["frames", "there/shot_%02d.png"])
def test_a_stopped_sequence_leaves_no_half_folder(photo: Path, depth_map: Path, target: str) -> None:
    photo.with_name("there").mkdir()
    before = listing(photo.parent)
    token = CancelToken()

    def stop(progress: Progress) -> None:
        if progress.stage == "render":
            token.cancel()

    with pytest.raises(Cancelled):
        make(job(photo, depth_map, {"path": str(photo.parent / target), "format": "png"}), report=stop, cancel=token)
    assert listing(photo.parent) == before


def test_the_same_command_again_does_not_nest_its_folder(photo: Path, depth_map: Path) -> None:
    again = ("render", photo, "-o", "frames", "--format", "png", "--depth", depth_map, *SHORT)
    assert depthflow(*again, cwd=photo.parent).code == 0
    refused(depthflow(*again, cwd=photo.parent), 4, "frame_0000", "is there already")
    assert depthflow(*again, "--overwrite", cwd=photo.parent).code == 0
    assert list(listing(photo.with_name("frames"))) == [f"frame_0000{n}.png" for n in (1, 2, 3, 4)]


# -- transparency ---------------------------------------------------------------------------------------------


@pytest.fixture
def cut_out(photo: Path) -> Path:
    """The photo, transparent but for a round middle with a soft rim; what is transparent is bright green."""
    y, x = np.mgrid[0:96, 0:128]
    alpha = np.clip((36 - np.hypot(x - 64, y - 48)) * 64, 0, 255).astype(np.uint8)
    with Image.open(photo) as image:
        colour = np.where(alpha[:, :, None] > 0, np.asarray(image.convert("RGB")), (0, 255, 0)).astype(np.uint8)
    Image.fromarray(np.dstack((colour, alpha))).save(photo)
    return photo


def _frames(path: Path) -> Iterator[Pixels]:
    if path.suffix in (".webp", ".apng", ".avif", ".gif", ".png"):
        with Image.open(path) as image:
            for index in range(getattr(image, "n_frames", 1)):
                image.seek(index)
                yield np.asarray(image.convert("RGBA"))
    else:
        for frame in seen(path, "libvpx-vp9" if path.suffix == ".webm" else None).frames:
            yield frame.to_ndarray(format="rgba")


@pytest.mark.parametrize(
    ("name", "near"),
    [("a.webm", 10), ("a.mov", 6), ("a.mkv", 2), ("a.webp", 12), ("a.apng", 2), ("a.avif", 12), ("a.png", 2)],
)
def test_transparency_is_kept(cut_out: Path, depth_map: Path, name: str, near: int) -> None:
    """At rest the frame is the photo: its opacity everywhere, its colours where it is opaque."""
    path = cut_out.with_name(name)
    formats = {".mov": "prores4444", ".mkv": "ffv1"}
    output: dict[str, Any] = {"path": str(path), "size": "128x96", "quality": 95, "duration": 0.25}
    output |= {"format": formats[path.suffix]} if path.suffix in formats else {}
    output |= {"poster": 0.0} if name == "a.png" else {}
    result = make(job(cut_out, depth_map, output, motion={"name": "still"}))
    assert result.notes == ()
    truth = np.asarray(Image.open(cut_out)).astype(int)
    frames = list(_frames(path))
    assert frames
    for frame in frames:
        np.testing.assert_allclose(frame[..., 3].astype(int), truth[..., 3], atol=near + 4)
        inside = np.hypot(*(np.mgrid[0:96, 0:128] - np.array([48, 64])[:, None, None])) < 30
        assert np.abs(frame[inside][:, :3].astype(int) - truth[inside][:, :3]).mean() < near
        rim = (truth[..., 3] > 0) & (truth[..., 3] < 255)
        green = frame[rim][:, 1].astype(int) - frame[rim][:, [0, 2]].max(axis=1)
        assert np.median(green) < 30, "nothing of what is transparent shines through"


def test_transparency_moves_with_what_is_opaque(cut_out: Path, depth_map: Path) -> None:
    """Over white, the transparent clip is the clip of the photo over white: layers and soft edges are kept too."""
    parts = {"motion": {"name": "horizontal", "strength": 2.0}, "render": {"edge": "mirror"}}
    size = {"size": "128x96", "duration": 0.5}
    clear, white = cut_out.with_name("clear.mkv"), cut_out.with_name("white.mkv")
    make(job(cut_out, depth_map, {"path": str(clear), "format": "ffv1", **size}, **parts))
    parts["render"] |= {"background": "#ffffff"}
    make(job(cut_out, depth_map, {"path": str(white), "format": "ffv1", **size}, **parts))
    moved = list(_frames(clear))
    assert len({frame[..., 3].tobytes() for frame in moved}) > 2, "its outline moves"
    for frame, truth in zip(moved, pixels(white), strict=True):
        share = frame[..., 3:] / 255.0
        assert psnr(np.rint(frame[..., :3] * share + 255 * (1 - share)).astype(np.uint8), truth) > 40


def test_where_no_transparency_is_kept_a_colour_lies_behind_and_that_is_said(cut_out: Path, depth_map: Path) -> None:
    path = cut_out.with_name("a.mp4")
    rest = {"path": str(path), "size": "128x96", "duration": 0.25, "overwrite": True, "quality": 95}
    result = make(job(cut_out, depth_map, rest, motion={"name": "still"}))
    assert result.notes == ("the transparent photo lies on #ffffff, because mp4 keeps no transparency",)
    np.testing.assert_allclose(pixels(path)[0][4:20, 4:20].astype(int), 255, atol=3)
    teal = {"render": {"background": "teal"}, "motion": {"name": "still"}}
    result = make(job(cut_out, depth_map, rest, **teal))
    assert result.notes == ("the transparent photo lies on #008080",)
    corner = pixels(path)[0][4:20, 4:20].astype(int)
    assert np.abs(corner - (0, 128, 128)).max() <= 4
    webm = {**rest, "path": str(cut_out.with_name("b.webm"))}
    make(job(cut_out, depth_map, webm, **teal))
    assert seen(cut_out.with_name("b.webm"), "libvpx-vp9").frames[0].format.name == "yuv420p", "opaque as asked for"
    with pytest.raises(UsageError, match="'tael' is not a colour"):
        job(cut_out, depth_map, {}, render={"background": "tael"})


def test_bars_beside_a_transparent_photo_are_transparent(cut_out: Path, depth_map: Path) -> None:
    path = cut_out.with_name("a.png")
    make(job(cut_out, depth_map, {"path": str(path), "size": "96x48", "fit": "pad", "poster": 0}))
    frame = np.asarray(Image.open(path))
    assert frame[:, :14, 3].max() == frame[:, -14:, 3].max() == 0
    assert frame[24, 48, 3] == 255


def test_depth_layers_and_the_renderer_see_no_colour_that_is_transparent(cut_out: Path, depth_map: Path) -> None:
    with depthflow_package.Renderer(cut_out, depth_map, size="photo") as renderer:
        np.testing.assert_allclose(renderer.render()[:8, :8].astype(int), 255, atol=2)
    white = cut_out.with_name("white.png")
    Image.fromarray(load_photo(str(cut_out)).over().pixels).save(white)
    maps = [depthflow_package.estimate_depth(path) for path in (cut_out, white)]
    np.testing.assert_array_equal(*maps)


def test_colour_and_opacity_put_together_are_the_photo() -> None:
    rng = np.random.default_rng(3)
    clear = rng.integers(0, 256, (20, 30, 4), dtype=np.uint8)
    clear[:5, :, 3] = 0
    photo = load_photo(_png(clear))
    back = put_together(*colour_and_opacity(photo))
    np.testing.assert_array_equal(back[..., 3], clear[..., 3])
    firm = clear[..., 3] > 127
    assert np.abs(back[firm][:, :3].astype(int) - clear[firm][:, :3]).max() <= 1


def _png(pixels: Pixels) -> bytes:
    import io

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
