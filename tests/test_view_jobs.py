"""Views in jobs: what is asked for, what is refused, and which files come of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from running import SHORT, depthflow, job_in, listing, pixels, refused
from video_samples import psnr

import depthflow as package
from depthflow import api
from depthflow.errors import OutputError, UsageError
from depthflow.jobs.library import apply_preset, load_preset
from depthflow.jobs.options import view_part
from depthflow.jobs.pipeline import make
from depthflow.jobs.planning import format_of, output_path
from depthflow.jobs.preview import make_preview
from depthflow.jobs.spec import JobSpec, OutputSpec
from depthflow.jobs.view import fan_of, files_of, name_note, size_note, stereo_of, tag_of
from depthflow.video.formats import FORMATS
from depthflow.video.probe import probe


def job(photo: Path, depth_map: Path, *outputs: dict[str, Any], **parts: Any) -> JobSpec:
    common = {"size": "64x48", "fps": 8, "duration": 0.5, "overwrite": True}
    data = {"photo": str(photo), "depth": {"file": str(depth_map)}, "outputs": [{**common, **o} for o in outputs]}
    return JobSpec.parse({**data, **parts})


def output(**view: Any) -> OutputSpec:
    return OutputSpec.model_validate({"view": view})


# -- what may be asked for ------------------------------------------------------------------------------------


def test_mono_is_the_default_and_every_view_is_another_job() -> None:
    looks = [{}, {"mode": "sbs"}, {"mode": "tb"}, {"mode": "sbs", "separation": 2}, {"mode": "sbs", "swap": True}]
    looks += [{"mode": "anaglyph"}, {"mode": "anaglyph", "anaglyph": "grey"}, {"mode": "quilt", "quilt": "5x9"}]
    specs = [JobSpec.parse({"photo": "a", "outputs": [{"view": look}]}) for look in looks]
    assert len({spec.digest() for spec in specs}) == len(looks)
    assert specs[0].digest() == JobSpec(photo="a").digest()
    assert specs[0].outputs[0].view.mode == "mono"
    for spec in specs:
        assert JobSpec.from_toml(spec.to_toml()) == spec


@pytest.mark.parametrize(
    ("american", "british"), [("half-color", "half-colour"), ("gray", "grey"), ("color", "colour")]
)
def test_both_spellings_are_one_method(american: str, british: str) -> None:
    assert output(mode="anaglyph", anaglyph=american) == output(mode="anaglyph", anaglyph=british)


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ({"mode": "sbss"}, "did you mean 'sbs'"),
        ({"mode": "anaglyph", "anaglyph": "dubios"}, "did you mean 'dubois'"),
        ({"mode": "quilt", "quilt": "portrat"}, "did you mean 'portrait'"),
        ({"mode": "quilt", "quilt": "99x99"}, "2 to 160 views"),
        ({"mode": "sbs", "separation": 60}, "at most 50"),
        ({"mode": "sbs", "separation": -1}, "at least 0"),
        ({"mode": "sbs", "separation": float("nan")}, "finite"),
        ({"mode": "sbs", "separation": "wide"}, "a number is expected"),
        ({"separation": 3}, "'mono' has one"),
        ({"mode": "rgbd", "swap": True}, "'rgbd' has one"),
        ({"mode": "sbs", "anaglyph": "dubois"}, "not 'sbs'"),
        ({"mode": "sbs", "quilt": "8x6"}, "not 'sbs'"),
        ({"mode": "sbs", "eyes": 2}, "known here"),
    ],
)
def test_nonsense_is_refused_and_named(view: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as error:
        JobSpec.parse({"photo": "a", "outputs": [{"view": view}]})
    assert "outputs.0.view" in error.value.message
    assert said in f"{error.value.message} {error.value.hint}"


def test_an_orthographic_camera_has_no_stereo(photo: Path, depth_map: Path) -> None:
    spec = job(photo, depth_map, {"path": "a.mp4", "view": {"mode": "sbs"}}, camera={"isometric": 1.0})
    with pytest.raises(UsageError, match="orthographic"):
        make(spec)


def test_single_options_imply_their_view() -> None:
    for options, mode in (({"anaglyph": "grey"}, "anaglyph"), ({"quilt": "5x9"}, "quilt"), ({"mode": "sbs"}, "sbs")):
        empty = dict.fromkeys(("mode", "separation", "anaglyph", "quilt"))
        part = view_part(**{**empty, **options}, swap=False)
        assert part is not None
        assert part["mode"] == mode
    assert view_part(None, separation=None, anaglyph=None, quilt=None, swap=False) is None


def test_a_preset_s_view_is_refined_or_replaced(tmp_path: Path) -> None:
    file = tmp_path / "eyes.toml"
    file.write_text('[output.view]\nmode = "anaglyph"\nanaglyph = "grey"\nseparation = 2.0')
    spec = api.build_spec("a", preset=str(file), output={"view": {"separation": 4.0}})
    assert spec.outputs[0].view.model_dump(exclude_none=True) == {
        "mode": "anaglyph", "anaglyph": "grey", "separation": 4.0, "swap": False,
    }  # fmt: skip
    spec = api.build_spec("a", preset=str(file), output={"view": {"mode": "sbs"}})
    assert spec.outputs[0].view.model_dump(exclude_none=True) == {"mode": "sbs", "swap": False}
    merged = apply_preset({"photo": "a"}, load_preset(str(file)))
    assert JobSpec.parse(merged).outputs[0].view.mode == "anaglyph"


# -- names, cameras, words for players ------------------------------------------------------------------------


def test_names_of_quilts() -> None:
    def named(quilt: str, **more: Any) -> str:
        return tag_of(OutputSpec.model_validate({"view": {"mode": "quilt", "quilt": quilt}, **more}))

    assert named("portrait") == "_qs8x6a0.75"
    assert named("go") == "_qs11x6a0.5625"
    assert named("16-landscape") == "_qs7x7a1.778"
    assert named("5x9", size="1600x1000") == "_qs5x9a1.6"
    assert named("5x9", size="1080p") == "_qs5x9"  # follows from a photo that nobody has seen yet
    assert named("5x9a1.5", size="1080p") == "_qs5x9a1.5"
    assert tag_of(output(mode="sbs")) == ""
    quilt = output(mode="quilt")
    assert "clip_qs8x6a0.75.mp4" in name_note(Path("clip.mp4"), quilt)
    assert name_note(Path("clip_qs8x6a0.75.mp4"), quilt) == name_note(Path("clip_qs8x6.png"), quilt) == ""
    assert "clip_qs8x6a0.75-poster_qs8x6a0.75.png" in name_note(Path("clip_qs8x6a0.75-poster.png"), quilt)


def test_a_size_that_a_display_overrules_is_told() -> None:
    def note(size: str, **view: Any) -> str:
        return size_note(OutputSpec.model_validate({"size": size, "view": view}))

    assert note("320x180", mode="quilt", quilt="go") == (
        "size 320x180 is not used: the display says that its quilt has 4092x4092; "
        "for views of another size name the grid, 11x6a0.5625"
    )
    assert "3360x3360" in note("4k", mode="quilt")
    assert note("1080p", mode="quilt", quilt="go") == "", "nobody asked for what is the default"
    assert note("320x180", mode="quilt", quilt="8x6") == note("320x180", mode="sbs") == ""


def test_the_grid_ends_the_name() -> None:
    def named(**more: Any) -> str:
        wanted = OutputSpec.model_validate({"view": {"mode": "quilt", "quilt": "go"}, **more})
        return output_path("boats.jpg", wanted, format_of(wanted)).name

    assert named() == "boats_qs11x6a0.5625.mp4"
    assert named(poster=0.0) == "boats-poster_qs11x6a0.5625.png"
    assert named(format="png") == "boats-frames_qs11x6a0.5625"


@pytest.mark.parametrize(
    ("path", "format", "left"),
    [
        ("a/clip.mp4", "mp4", "a/clip_left.mp4"),
        ("a/clip.v2", "png", "a/clip.v2_left"),
        ("frame_%03d.png", "png", "frame_%03d_left.png"),
        ("poster.JPG", "jpg", "poster_left.JPG"),
    ],
)
def test_names_of_a_pair(path: str, format: str, left: str) -> None:  # noqa: A002
    found = files_of(Path(path), output(mode="pair").view, FORMATS[format])
    assert found == (Path(left), Path(left.replace("_left", "_right")))


@pytest.mark.parametrize(
    ("view", "told"),
    [
        ({}, None),
        ({"mode": "sbs"}, "left_right"),
        ({"mode": "sbs-half", "swap": True}, "right_left"),
        ({"mode": "cross"}, "right_left"),
        ({"mode": "tb"}, "top_bottom"),
        ({"mode": "tb-half", "swap": True}, "bottom_top"),
        ({"mode": "anaglyph"}, "anaglyph_cyan_red"),
        ({"mode": "anaglyph", "anaglyph": "green-magenta"}, "anaglyph_green_magenta"),
        ({"mode": "anaglyph", "anaglyph": "amber-blue"}, None),
        ({"mode": "pair"}, None),
        ({"mode": "quilt"}, None),
        ({"mode": "rgbd"}, None),
    ],
)
def test_what_players_are_told(view: dict[str, Any], told: str | None) -> None:
    assert stereo_of(output(**view).view) == told


def test_the_separation_that_nobody_named() -> None:
    assert fan_of(output(mode="sbs").view).separation == 3.0
    assert fan_of(output(mode="quilt", quilt="8x6").view).separation == 10.0
    assert fan_of(output(mode="quilt", quilt="8x6").view).count == 48
    assert fan_of(output(mode="rgbd").view).count == fan_of(output().view).count == 1
    assert fan_of(output(mode="sbs", separation=0).view).separation == 0.0


# -- files ----------------------------------------------------------------------------------------------------


@pytest.mark.gl
def test_a_pair_of_files_holds_the_halves_of_the_side_by_side(photo: Path, depth_map: Path) -> None:
    folder = photo.parent
    outputs = [
        {"path": str(folder / f"{mode}.mkv"), "format": "ffv1", "view": {"mode": mode}} for mode in ("sbs", "pair")
    ]
    result = make(job(photo, depth_map, *outputs))
    assert [made.path.name for made in result.outputs] == ["sbs.mkv", "pair_left.mkv", "pair_right.mkv"]
    assert [(made.width, made.height) for made in result.outputs] == [(128, 48), (64, 48), (64, 48)]
    both = np.split(pixels(folder / "sbs.mkv"), 2, axis=2)
    for half, side in zip(both, ("left", "right"), strict=True):
        np.testing.assert_allclose(half.astype(int), pixels(folder / f"pair_{side}.mkv"), atol=1)
    assert psnr(both[0][0], both[1][0]) < 35


@pytest.mark.gl
@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif", ".png"])
def test_a_pair_in_every_kind_of_format(photo: Path, depth_map: Path, suffix: str) -> None:
    more = {"duration": 0.1} if suffix == ".png" else {}
    path = str(photo.with_name(f"eye{suffix}"))
    result = make(job(photo, depth_map, {"path": path, "view": {"mode": "pair"}, **more}))
    names = {f"eye_{side}{suffix}" for side in ("left", "right")}
    assert set(listing(photo.parent)) == {photo.name, *names}
    assert [made.frames for made in result.outputs] == [1 if more else 4] * 2


@pytest.mark.gl
def test_of_a_pair_no_file_is_written_if_one_name_is_taken(photo: Path, depth_map: Path) -> None:
    photo.with_name("eye_right.mp4").write_text("precious")
    spec = job(
        photo, depth_map, {"path": str(photo.with_name("eye.mp4")), "view": {"mode": "pair"}, "overwrite": False}
    )
    with pytest.raises(OutputError, match=r"eye_right\.mp4: is there already"):
        make(spec)
    assert set(listing(photo.parent)) == {photo.name, "eye_right.mp4"}


@pytest.mark.gl
def test_an_anaglyph_survives_the_video(photo: Path, depth_map: Path) -> None:
    """Drawn as YUV for H.264 and as RGB for FFV1, it is one picture; 4:2:0 blurs its colours, and no more."""
    outputs = [
        {
            "path": str(photo.with_name(name)),
            "format": kind,
            "quality": 95,
            "size": "128x96",
            "view": {"mode": "anaglyph"},
        }
        for name, kind in (("a.mp4", "mp4"), ("a.mkv", "ffv1"))
    ]
    make(job(photo, depth_map, *outputs))
    coded, exact = (pixels(photo.with_name(name)) for name in ("a.mp4", "a.mkv"))
    assert psnr(coded.mean(axis=3), exact.mean(axis=3)) > 34
    assert psnr(coded, exact) > 26


@pytest.mark.gl
def test_depth_beside_the_colour_is_grey_in_a_video(photo: Path, depth_map: Path) -> None:
    path = photo.with_name("d.mp4")
    make(job(photo, depth_map, {"path": str(path), "quality": 95, "view": {"mode": "rgbd"}}))
    colour, grey = np.split(pixels(path).astype(int), 2, axis=2)
    assert np.ptp(grey, axis=3).max() <= 6
    assert np.ptp(colour, axis=3).max() > 60
    assert grey[0, 26, 30, 0] > 220  # the ball's middle
    assert grey[0, 3, 60, 0] < 30  # the wall


@pytest.mark.gl
def test_quilts_get_their_name_and_odd_views_become_even(photo: Path, depth_map: Path) -> None:
    view = {"mode": "quilt", "quilt": "3x2"}
    result = make(job(photo, depth_map, {"view": view, "size": "33x25", "format": "mp4"}))
    (made,) = result.outputs
    assert made.path.name == "photo_qs3x2a1.32.mp4"
    assert (made.width, made.height) == (96, 48)
    assert result.notes == ("mp4 needs views of an even width and height: 99x50 becomes 96x48",)
    assert (
        "Looking Glass"
        in make(job(photo, depth_map, {"view": view, "path": str(photo.with_name("q.png")), "duration": 0.1})).notes[0]
    )


@pytest.mark.gl
@pytest.mark.parametrize("view", [{"mode": "cross"}, {"mode": "sbs", "swap": True}, {"mode": "tb", "swap": True}])
def test_mp4_has_no_word_for_the_right_eye_first(photo: Path, depth_map: Path, view: dict[str, Any]) -> None:
    told = {}
    for name in ("a.mp4", "a.mkv", "a.webm"):
        path = photo.with_name(name)
        make(job(photo, depth_map, {"path": str(path), "view": view, "duration": 0.1}))
        told[path.suffix] = probe(path, depth="count", first_frame=True).stereo
    right = "bottom_top" if view["mode"] == "tb" else "right_left"
    assert told == {".mp4": None, ".mkv": right, ".webm": right}


@pytest.mark.gl
def test_mono_files_have_no_word_of_stereo(photo: Path, depth_map: Path) -> None:
    for view, told in (({}, None), ({"mode": "sbs-half"}, "left_right")):
        path = photo.with_name("clip.mp4")
        make(job(photo, depth_map, {"path": str(path), "view": view}))
        assert probe(path).stereo == told
        with av.open(str(path)) as container:
            assert container.streams.video[0].width == 64


@pytest.mark.gl
def test_a_preview_is_one_small_view(photo: Path, depth_map: Path) -> None:
    spec = job(photo, depth_map, {"view": {"mode": "quilt"}})
    made = make_preview(spec, photo.with_name("look.gif"), side=64)
    with Image.open(made) as image:
        assert image.size == (64, 48)


@pytest.mark.gl
def test_the_python_interface(photo: Path, depth_map: Path) -> None:
    path = photo.with_name("p.mp4")
    result = package.render(
        photo, path, depth=depth_map, size=(64, 48), seconds=0.2, view="tb", separation=5, swap_eyes=True
    )
    assert (result.outputs[0].width, result.outputs[0].height) == (64, 96)
    assert job_in(path)["outputs"][0]["view"] == {"mode": "tb", "separation": 5.0, "swap": True}


@pytest.mark.gl
def test_frames_of_several_views_as_arrays(photo: Path, depth_map: Path) -> None:
    look = {"mode": "sbs", "separation": 5}
    output = {"path": str(photo.with_name("a.mkv")), "format": "ffv1", "view": look}
    make(job(photo, depth_map, output, motion={"name": "circle"}, render={"edge": "zoom"}))
    with package.Renderer(photo, depth_map, size=(64, 48), view=look) as renderer:
        assert renderer.size == (128, 48)
        assert renderer.render().shape == (48, 128, 3)
        frames = np.stack(list(renderer.frames("circle", fps=8, seconds=0.5)))
    np.testing.assert_array_equal(frames, pixels(photo.with_name("a.mkv")))
    with pytest.raises(UsageError, match="view"):
        package.Renderer(photo, depth_map, view="sbss")


# -- the program ----------------------------------------------------------------------------------------------


@pytest.mark.gl
def test_the_command_line(photo: Path, depth_map: Path) -> None:
    folder = photo.parent
    done = depthflow(
        "render", photo, "-o", "a.mkv", "--view", "sbs-half", "--depth", depth_map, *SHORT, "-q", cwd=folder
    )
    assert done.code == 0, done.err
    told = json.loads(depthflow("inspect", "a.mkv", "--json", cwd=folder).out)
    assert (told["stereo"], told["width"]) == ("left_right", 64)
    assert told["job"]["outputs"][0]["view"]["mode"] == "sbs-half"
    assert "sbs-half" in depthflow("inspect", "a.mkv", cwd=folder).out
    refused(depthflow("render", photo, "--view", "cros", cwd=folder), 2, "did you mean 'cross'")


@pytest.mark.gl
def test_a_batch_of_pairs_skips_what_is_there(photo: Path) -> None:
    (photo.parent / "in").mkdir()
    photo.rename(photo.parent / "in" / "photo.png")
    command = ("render", "in", "-o", "out", "--view", "pair", *SHORT)
    first, second = (depthflow(*command, cwd=photo.parent) for _ in range(2))
    assert first.code == second.code == 0, first.err
    assert sorted(file.name for file in (photo.parent / "out").iterdir()) == ["photo_left.mp4", "photo_right.mp4"]
    assert "skipped" in second.err
