"""The library of presets, their previews, where a pivot is found, and that docs/motions.md says what the files say."""

import itertools
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from depthflow.api import build_spec
from depthflow.api import job as job_of
from depthflow.cli import app
from depthflow.cli.presets import markdown, rows
from depthflow.errors import UsageError
from depthflow.jobs.animation import animation_of, motion_notes, timing_of
from depthflow.jobs.library import apply_preset, load_motion, load_preset, load_timeline, motion_of, names, resolve
from depthflow.jobs.pivot import find_place
from depthflow.jobs.spec import JobSpec
from depthflow.scene.parameters import TABLE
from depthflow.video.probe import probe

DOC = Path(__file__).parent.parent / "docs" / "motions.md"
PRESETS = sorted(names("presets"))


def spec_of(name, **more):
    return resolve(JobSpec.parse(apply_preset({"photo": "x", **more}, load_preset(name))))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_describes_itself_suggests_a_relief_and_moves_within_limits(name):
    preset = load_preset(name)
    assert 20 <= len(preset.description) <= 110
    spec = JobSpec.parse(apply_preset({"photo": "x"}, preset))
    assert spec.camera.relief is not None
    assert motion_notes(resolve(spec)) == []
    cameras = animation_of(resolve(spec), spec.outputs[0]).cameras
    assert len(cameras) == spec.outputs[0].frames
    assert len(set(cameras)) > 20
    assert max(c.z - c.dolly for c in cameras) < 0.8 / (1 + spec.camera.relief)


def test_there_is_something_for_everybody():
    assert len(PRESETS) >= 12
    held = spec_of("reveal")
    last = animation_of(held, held.outputs[0]).cameras[-61:]
    assert len(set(last)) == 1, "two seconds at 30 frames a second of standing still"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_that_loops_has_no_seam(name):
    (row,) = [row for row in rows("presets") if row["name"] == name]
    spec = spec_of(name)
    cameras = animation_of(spec, spec.outputs[0]).cameras

    def step(a, b):
        return abs(b.x - a.x) + abs(b.z - a.z) + abs(b.yaw - a.yaw) / 60

    steps = [step(a, b) for a, b in itertools.pairwise(cameras)]
    seam = step(cameras[-1], cameras[0])
    assert (seam <= 1.2 * max(steps) + 1e-9) == row["loop"]


def test_a_preset_may_name_a_timeline_that_lies_beside_it(tmp_path):
    (tmp_path / "moves.toml").write_text('[[tracks]]\nparameter = "x"\nkeys = [{ at = 0, value = 0.1 }]\n')
    preset = tmp_path / "p.toml"
    preset.write_text('timeline = "moves.toml"\n[motion]\nname = "still"\n')
    spec = JobSpec.parse(apply_preset({"photo": "x"}, load_preset(str(preset))))
    assert spec.timeline == load_timeline(tmp_path / "moves.toml")
    preset.write_text('timeline = "gone.toml"\n')
    with pytest.raises(UsageError, match=r"gone\.toml"):
        load_preset(str(preset))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[camera]\nrelief = "deep"', ["camera.relief", "a number is expected", "'deep'"]),
        ("[camera]\nrelief = 99", ["camera.relief", "at most 10"]),
        ("[camera]\nrelief = nan", ["camera.relief", "finite"]),
        ("[camera]\nrelief = true", ["camera.relief", "a number is expected"]),
        ("[camera]\nreleif = 1", ["camera.releif", "did you mean 'relief'"]),
        ("[motion]\nreverse = 'yes'", ["motion.reverse", "true or false is expected"]),
        ("[motion]\nperiod = 2\ncycles = 3", ["cycles and period"]),
        ("[motion]\npivot = 'neerest'", ["motion.pivot", "did you mean 'nearest'"]),
        ("[motion]\nhold = -1", ["motion.hold", "at least 0"]),
        ("[[timeline.tracks]]\nparameter = 'fcus'\nkeys = [{at = 0, value = 1}]", ["timeline.tracks.0", "'focus'"]),
        ("[outputs]", ["outputs", "output"]),
        ('[output]\nfps = "30"', ["p.toml: output.fps: a number is expected"]),
        ("[output]\nfps = 900", ["p.toml: output.fps: ", "at most 480"]),
        ('[motion]\nname = "obital"', ["p.toml: motion.name: unknown motion 'obital'", "did you mean 'orbital'"]),
        ('[motion]\nname = "gone.toml"', ["p.toml: motion.name: gone.toml: there is no such motion file"]),
        ("[motion]\ncomponents = 3", ["p.toml: motion.components: a list is expected (got 3)"]),
        ("[motion]\npivot = nan", ["motion.pivot: a finite number is expected"]),
        (
            "[[timeline.tracks]]\nparameter = 'x'\nkeys = [{at = '1s', value = 1}, {at = '0s', value = 1}]",
            ["p.toml: timeline: track 'x', key 1"],
        ),
    ],
)
def test_a_preset_is_refused_with_file_key_and_way_out(tmp_path, text, words):
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_preset(str(path))
    for word in [str(path), *words]:
        assert word in f"{caught.value.message} {caught.value.hint}"


def test_a_preset_is_no_motion_and_the_other_way_round():
    for load, name, words in ((load_motion, "documentary", "preset, not a motion"), (load_preset, "spin", "motion")):
        with pytest.raises(UsageError, match=rf"'{name}' is a {words}") as caught:
            load(name)
        assert name in caught.value.hint


def test_what_is_wrong_with_the_time_of_a_key_is_told_of_its_file(tmp_path):
    file, preset = tmp_path / "moves.toml", tmp_path / "p.toml"
    file.write_text("[[tracks]]\nparameter = 'x'\nkeys = [{ at = '-4s', value = 0 }, { at = '100%', value = 0.1 }]\n")
    short = {"output": {"duration": 2.0}}
    for text in (f"[timeline]\n{file.read_text().replace('tracks', 'timeline.tracks')}", 'timeline = "moves.toml"\n'):
        preset.write_text(text)
        told = preset if "[timeline]" in text else file
        with pytest.raises(UsageError) as caught:
            build_spec("x", preset=str(preset), **short)
        assert caught.value.message.startswith(f"{told}: timeline: track 'x', key 0: at '-4s' lies before")
    with pytest.raises(UsageError) as caught:
        job_of("x", timeline=file, seconds=2)
    assert caught.value.message.startswith(f"{file}: timeline: track 'x', key 0")
    # What is wrong with the rest is not.
    with pytest.raises(UsageError, match=r"^options: camera\.relief"):
        job_of("x", timeline=file, relief=99)


# -- timing of a job -------------------------------------------------------------------------------------------


def job(motion, **output):
    outputs = [{"fps": 10.0, "duration": 6.0, **output}]
    return JobSpec.parse({"photo": "x", "motion": motion, "outputs": outputs})


def test_hold_period_and_loop_of_a_job():
    spec = job({"name": "push-in", "hold": 2.0})
    timing = timing_of(spec, spec.outputs[0])
    assert (timing.frames, timing.hold, timing.cycles) == (60, 20, 1.0)
    assert timing_of(job({"period": 1.5}), spec.outputs[0]).cycles == 4.0
    assert timing_of(job({"period": 1.0, "hold": 2.0}), spec.outputs[0]).cycles == 4.0
    with pytest.raises(UsageError, match=r"motion\.hold: 6 s leaves no time"):
        timing_of(job({"hold": 6.0}), spec.outputs[0])


def test_a_one_way_motion_that_must_loop_stays_so_when_its_job_is_written_out():
    spec = job({"name": "push-in", "loop": True})
    once = resolve(spec)
    assert resolve(once) == once
    assert once.motion.one_way
    for same in (spec, once, JobSpec.from_toml(once.to_toml())):
        cameras = animation_of(same, same.outputs[0]).cameras
        assert [c.z for c in cameras[1:30]] == pytest.approx([c.z for c in cameras[:30:-1]])


# -- the place that a camera turns about -----------------------------------------------------------------------


def scene(*things, ground=False):
    """Depth 0.2 with rectangles (left, top, right, bottom, depth) in a photo of 300 x 200."""
    depth = np.full((200, 300), 0.2, np.float32)
    if ground:
        depth[120:] = np.linspace(0.3, 1.0, 80, dtype=np.float32)[:, None]
    for left, top, right, bottom, near in things:
        depth[top:bottom, left:right] = near
    return depth


def test_the_nearest_thing_is_found_in_its_middle():
    place = find_place("nearest", scene((180, 40, 240, 100, 0.9), (20, 60, 60, 140, 0.5)), 0, 0)
    # Middle of the rectangle, halves of the longer side: (210 / 300) * 2 - 1, (1 - 70 / 200 * 2) * 200 / 300.
    assert (place.x, place.y) == pytest.approx((0.4, 0.2), abs=0.03)
    assert place.depth == pytest.approx(0.9, abs=0.01)


def test_of_two_equally_near_things_the_larger_one_counts_and_not_the_place_between_them():
    place = find_place("nearest", scene((20, 50, 120, 150, 0.9), (220, 80, 250, 110, 0.9)), 0, 0)
    assert (place.x, place.y) == pytest.approx((-0.53, 0.0), abs=0.06)


def test_a_thing_in_the_middle_counts_for_more_than_the_ground_at_the_border():
    place = find_place("nearest", scene((120, 60, 180, 130, 1.0), ground=True), 0, 0)
    assert abs(place.x) < 0.1
    assert place.y > -0.3


def test_the_surface_at_a_place():
    depth = scene((180, 40, 240, 100, 0.9))
    assert find_place("surface", depth, 0.4, 0.2).depth == pytest.approx(0.9)
    assert find_place("surface", depth, -0.4, 0.2).depth == pytest.approx(0.2)
    assert find_place("surface", depth, 9.0, 9.0).depth == pytest.approx(0.2)
    assert find_place("surface", None, 0.1, 0.2).depth == 1.0
    flat = find_place("nearest", np.zeros((10, 20), np.float32), 0, 0)
    assert (flat.x, flat.y, flat.depth) == pytest.approx((0, 0, 0))


def test_a_job_turns_about_the_nearest_thing_of_its_photo():
    spec = resolve(job({"name": "rotation-nearest"}))
    assert spec.motion.pivot == "nearest"
    camera = animation_of(spec, spec.outputs[0], scene((180, 40, 240, 100, 0.9))).cameras[7]
    assert (camera.pivot, camera.pivot_x, camera.pivot_y) == pytest.approx((0.9, 0.4, 0.2), abs=0.03)


# -- command line ----------------------------------------------------------------------------------------------


def run(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_lists():
    found = json.loads(run("motions", "list", "--json"))
    assert [row["name"] for row in found] == sorted(names("motions"))
    assert all(row["description"] and row["relief"] > 0 for row in found)
    assert "push-in" in run("motions", "list")
    assert "vertigo" in run("presets", "list")
    assert tomllib.loads(run("presets", "show", "vertigo"))["motion"]["name"] == "dolly"
    assert json.loads(run("motions", "schema"))["title"] == "DepthFlow motion"
    assert json.loads(run("motions", "schema", "--timeline"))["title"] == "DepthFlow timeline"


@pytest.fixture
def photo(tmp_path):
    rows_, columns = np.mgrid[0:90, 0:120]
    pixels = np.stack([columns * 2, rows_ * 2, 255 - columns], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    depth = np.zeros((90, 120), np.uint16)
    depth[30:60, 40:80] = 60000
    Image.fromarray(depth).save(tmp_path / "photo.depth.png")
    return tmp_path / "photo.png"


@pytest.mark.gl
def test_a_contact_sheet(photo, tmp_path):
    sheet = tmp_path / "sheet.png"
    run("motions", "preview", "horizontal", "--photo", photo, "-o", sheet, "--side", 64)
    pixels = np.asarray(Image.open(sheet).convert("RGB"), float)
    # Four columns and three rows of 64 x 48, four pixels of white between them.
    assert pixels.shape == (3 * 48 + 2 * 4, 4 * 64 + 3 * 4, 3)
    frames = [pixels[52 * r : 52 * r + 48, 68 * c : 68 * c + 64] for r in range(3) for c in range(4)]
    assert (pixels[:, 64:68] == 255).all()
    # Frame 3 of 12 is a quarter round on, at the far right; frame 6 is back in the middle, where frame 0 began.
    assert np.abs(frames[3] - frames[0]).mean() > 1
    assert np.abs(frames[6] - frames[0]).mean() < 0.5
    result = CliRunner().invoke(app, ["motions", "preview", "still", "--photo", str(photo), "-o", str(sheet)])
    assert "is there already" in str(result.exception)


def test_where_a_contact_sheet_cannot_go_is_said_before_anything_is_drawn(photo, tmp_path, monkeypatch):
    monkeypatch.setattr("depthflow.jobs.preview.make", lambda *_, **__: pytest.fail("something was drawn"))
    sheet = photo / "sheet.png"
    result = CliRunner().invoke(app, ["motions", "preview", "still", "--photo", str(photo), "-o", str(sheet)])
    assert "part of the path is a file" in str(result.exception)


@pytest.mark.gl
def test_a_contact_sheet_makes_its_folder(photo, tmp_path):
    sheet = tmp_path / "new" / "sheet.png"
    run("motions", "preview", "still", "--photo", photo, "-o", sheet, "--side", 32)
    assert sorted(file.name for file in sheet.parent.iterdir()) == ["sheet.png"]


@pytest.mark.gl
def test_a_moving_preview(photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("presets", "preview", "settle", "--photo", photo, "--side", 64).strip() == "settle.gif"
    facts = probe(tmp_path / "settle.gif")
    assert (facts.frames, facts.width, facts.height) == (60, 64, 48)


# -- the page in docs ------------------------------------------------------------------------------------------


def parameter_table():
    lines = ["| parameter | unit | range | at rest | what it does |", "|---|---|---|---|---|"]
    lines += [
        f"| `{r.name}` | {r.unit or 'ratio'} | {r.span} | {r.default:g} | {r.text} |"
        for r in TABLE.values()
        if r.group != "effects"
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("part", ["motions", "presets", "parameters"])
def test_the_page_shows_what_the_files_say(part):
    wanted = parameter_table() if part == "parameters" else markdown(part)
    found = re.search(rf"<!-- {part} -->\n(.*?)<!-- /{part} -->", DOC.read_text(), re.DOTALL)
    assert found[1].strip() == wanted, "write it again: depthflow motions|presets list --markdown"


def test_the_examples_of_the_page_work(tmp_path):
    blocks = re.findall(r"```toml\n# (\w+)\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert {kind for kind, _ in blocks} == {"job", "motion", "timeline"}
    assert len(blocks) == DOC.read_text().count("```toml")
    for kind, text in blocks:
        path = tmp_path / f"{kind}.toml"
        path.write_text(text)
        if kind == "motion":
            assert load_motion(str(path)).components
        elif kind == "timeline":
            timeline = json.loads(JobSpec(photo="x", timeline=load_timeline(path)).to_json())["timeline"]
            spec = JobSpec.parse({"photo": "x", "timeline": timeline, "outputs": [{"duration": 6}]})
            assert len(set(animation_of(spec, spec.outputs[0]).cameras)) > 100
        else:
            spec = JobSpec.from_toml(text)
            assert motion_of(spec).description
            assert animation_of(spec, spec.outputs[0]).cameras
