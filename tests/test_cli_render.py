"""`depthflow render` from end to end: processes, real files, and the results read back by PyAV."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import COMMAND, LONG, SHORT, depthflow, environment, job_in, listing, pixels, refused
from video_samples import psnr, seen

pytestmark = pytest.mark.gl


# -- one photo ------------------------------------------------------------------------------------------------


def test_a_photo_becomes_a_video_beside_it_and_lines_tell_how(photo: Path) -> None:
    done = depthflow("render", photo.name, *SHORT, cwd=photo.parent)
    assert done.code == 0, done.err
    assert sorted(listing(photo.parent)) == ["photo.mp4", "photo.png"]
    video = seen(photo.with_suffix(".mp4"))
    assert len(video.frames) == 4
    assert {(frame.width, frame.height) for frame in video.frames} == {(64, 48)}
    assert (video.rate, video.codec, video.pixel_format, video.tag) == (Fraction(8), "h264", "yuv420p", "avc1")
    assert video.tags == (6, 1, 1, 1), "BT.601 matrix below 720 lines, limited range, BT.709 primaries and transfer"
    size = photo.with_suffix(".mp4").stat().st_size
    assert done.out.startswith(f"photo.mp4: 64x48, 4 frames at 8/s, {size / 1e3:.0f} kB, libx264")
    assert done.out.count("\n") == 1
    lines = done.err.splitlines()
    assert lines[0] == "photo.png"
    stages = ["Loading photo", "Estimating depth", "Building mesh", "Rendering: 0 %", "Checking file"]
    assert [line.strip() for line in lines if line.strip() in stages] == stages
    assert any(line.startswith("  Rendering: 100 %, ") and line.endswith(" frames/s") for line in lines)
    assert "\x1b" not in done.out + done.err
    assert "\r" not in done.out + done.err


def test_the_gpu_that_was_asked_for_or_none(photo: Path, depth_map: Path) -> None:
    arguments = ("render", photo, "--depth", depth_map, "-o", "clip.mp4", *SHORT)
    done = depthflow(*arguments, "--gl-device", "31", cwd=photo.parent)
    refused(done, 4, "there is no GL device 31", "depthflow doctor")
    refused(depthflow(*arguments, "--gl-device", "-1", cwd=photo.parent), 2, "render.gl_device", "0")
    assert list(listing(photo.parent)) == ["photo.png"]


def test_every_documented_option_reaches_the_job_and_the_file(photo: Path, depth_map: Path) -> None:
    motion = photo.parent / "shake.toml"
    motion.write_text('components = [{parameter = "x", kind = "noise", amount = 0.1, cycles = 3}]')
    done = depthflow(
        "render", photo, "-o", "clip.mov", "--format", "mp4", "--size", "144x720", "--fps", "12.5",
        "--duration", "0.24", "--loops", "2", "--crf", "33", "--quality", "60", "--encoder-preset", "ultrafast",
        "--encoder", "libx264", "--preset", "vertigo", "--motion", "shake.toml", "--strength", "0.5",
        "--relief", "0.9", "--focus", "0.1", "--zoom", "1.25", "--model", "builtin", "--depth", depth_map,
        "--invert-depth", "--seed", "7", "--gl-backend", "auto", "--provider", "cpu", "--fit", "fill",
        "--easing", "ease-in", "--phase", "0.25", "--reverse", "--no-overwrite", "--json",
        "--fov", "40", "--isometric", "0.5", "--pivot", "surface", "--pivot-x", "0.2", "--pivot-y", "-0.1",
        cwd=photo.parent,
    )  # fmt: skip
    assert done.code == 0, done.err
    video = seen(photo.with_name("clip.mov"))
    assert len(video.frames) == 6, "0.24 s at 12.5 frames/s are 3, twice"
    assert (video.frames[0].width, video.frames[0].height) == (144, 720)
    assert (video.rate, video.codec, video.pixel_format) == (Fraction(25, 2), "h264", "yuv420p")
    assert video.tags == (1, 1, 1, 1), "the BT.709 matrix from 720 lines up"
    assert "mov" in video.container
    # What x264 was told stands in the stream.
    data = photo.with_name("clip.mov").read_bytes()
    assert b"crf=33.0" in data
    assert b"subme=0 " in data, "the preset ultrafast"
    job = job_in(photo.with_name("clip.mov"))
    assert job["seed"] == 7
    expected = {
        "depth": {"model": "builtin", "file": depth_map.name, "invert": True, "provider": "cpu"},
        "motion": {"name": "shake.toml", "strength": 0.5, "phase": 0.25, "reverse": True, "easing": "ease-in"},
        "camera": {"relief": 0.9, "focus": 0.1, "zoom": 1.25, "fov": 40, "isometric": 0.5},
    }
    expected["motion"] |= {"pivot": "surface", "pivot_x": 0.2, "pivot_y": -0.1}
    for part, values in expected.items():
        assert {key: job[part][key] for key in values} == values
    assert job["render"].keys() & {"gl_backend", "gl_device"} == set(), "where it was drawn is nobody's business"
    assert [component["kind"] for component in job["motion"]["components"]] == ["noise"], "the file is written out"
    values = {
        "format": "mp4", "size": "144x720", "fit": "fill", "fps": 12.5, "duration": 0.24,
        "loops": 2, "quality": 60, "crf": 33, "encoder": "libx264", "encoder_preset": "ultrafast",
    }  # fmt: skip
    (output,) = job["outputs"]
    assert {key: output[key] for key in values} == values
    assert done.event("done")["outputs"][0]["encoder"] == "libx264"


def test_two_of_what_does_not_add_up_are_refused(photo: Path) -> None:
    for twice in (("--motion", "zoom", "--motion", "spin"), ("--loop", "--once"), ("-o", "a.mp4", "--output", "b.mp4")):
        done = depthflow("render", photo.name, *twice, "--print-job", cwd=photo.parent)
        refused(done, 2, "can be given only once", twice[-1] if len(twice) == 2 else twice[-2])
    again = ("--fps", "5", "--effect", "fog", "--fps", "6", "--effect", "grain")
    done = depthflow("render", photo.name, *again, "--print-job", cwd=photo.parent)
    assert (done.code, "fps = 6.0" in done.out) == (0, True), "of other options the last one counts"


def test_an_option_wins_over_the_preset_and_the_preset_over_the_settings(photo: Path, depth_map: Path) -> None:
    (photo.parent / "mine.toml").write_text("[output]\nfps = 5\nduration = 0.4\n[camera]\nzoom = 2.0\n")
    done = depthflow(
        "render", photo, "--depth", depth_map, "--preset", "mine.toml", "--fps", "10", "--json",
        cwd=photo.parent, DEPTHFLOW_OUTPUT_DURATION="9", DEPTHFLOW_OUTPUT_SIZE="64x48",
    )  # fmt: skip
    assert done.code == 0, done.err
    made = done.event("done")["outputs"][0]
    assert (made["frames"], made["fps"], made["width"], made["height"]) == (4, 10.0, 64, 48)
    assert job_in(photo.with_suffix(".mp4"))["camera"]["zoom"] == 2.0


def test_a_lines_size_keeps_the_photos_shape(photo: Path, depth_map: Path) -> None:
    one = ("--fps", "1", "--duration", "1")
    done = depthflow("render", photo, "--depth", depth_map, "--size", "48p", *one, "--json", cwd=photo.parent)
    assert done.code == 0, done.err
    (frame,) = seen(photo.with_suffix(".mp4")).frames
    assert (frame.width, frame.height) == (64, 48)


def test_inverted_depth_is_the_inverted_map(photo: Path, depth_map: Path) -> None:
    with Image.open(depth_map) as image:
        inverted = 65535 - np.asarray(image)
    Image.fromarray(inverted.astype(np.uint16)).save(photo.parent / "inverted.png")
    options = (*SHORT, "--motion", "horizontal", "--quality", "95")
    cwd = photo.parent
    runs = {
        "straight": ("--depth", depth_map),
        "twice": ("--depth", "inverted.png", "--invert-depth"),
        "wrong": ("--depth", depth_map, "--invert-depth"),
    }
    frames = {}
    for name, more in runs.items():
        done = depthflow("render", photo, "-o", f"{name}.mp4", *options, *more, "--quiet", cwd=cwd)
        assert done.code == 0, done.err
        frames[name] = pixels(cwd / f"{name}.mp4")
    np.testing.assert_array_equal(frames["straight"], frames["twice"])
    assert psnr(frames["straight"], frames["wrong"]) < 30


def test_quiet_prints_nothing_at_all(photo: Path) -> None:
    done = depthflow("render", photo, *SHORT, "--size", "65x49", "--quiet", cwd=photo.parent)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert len(pixels(photo.with_suffix(".mp4"))) == 4


# -- where photos come from, where results go -----------------------------------------------------------------


@pytest.fixture
def album(tmp_path: Path, photo: Path, depth_map: Path) -> Path:
    """A folder with two cats of one name, a folder below, a broken photo, and depth maps that save the time."""
    folder = tmp_path / "album"
    (folder / "sea" / "deep").mkdir(parents=True)
    with Image.open(photo) as image:
        for name in ("cat.jpg", "cat.png", "sea/boat.webp", "sea/deep/fish.bmp"):
            image.save(folder / name, quality=90)
            shutil.copy(depth_map, folder / f"{name}.depth.png")
    (folder / "sea" / "torn.jpg").write_bytes((folder / "cat.jpg").read_bytes()[:700])
    (folder / "notes.txt").write_text("no photo, and not taken for one")
    return folder


def test_a_folder_is_mirrored_and_what_is_broken_does_not_stop_the_rest(album: Path) -> None:
    before = listing(album)
    done = depthflow("render", album, "--recursive", "-o", "out", *SHORT, cwd=album.parent)
    assert done.code == 5
    made = [name for name in listing(album.parent / "out") if name.endswith(".mp4")]
    assert made == ["cat-jpg.mp4", "cat-png.mp4", "sea/boat.mp4", "sea/deep/fish.mp4"]
    assert sorted(listing(album.parent / "out")) == sorted([*made, "sea", "sea/deep"]), "and nothing else"
    assert listing(album) == before
    for name in made:
        assert len(pixels(album.parent / "out" / name)) == 4
    lines = done.err.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 2
    assert "torn.jpg is a broken JPEG" in errors[0]
    assert errors[1] == "error: 1 of 5 photos failed, the others are done"
    assert lines[lines.index(errors[0]) + 1].startswith("  hint: ")
    assert f"{album / 'cat.jpg'} (1 of 5)" in lines
    assert done.out.count("64x48, 4 frames") == 4


def test_without_recursive_only_the_top_and_results_that_are_there_are_skipped(album: Path) -> None:
    (album / "cat-jpg.mp4").write_text("from yesterday")
    done = depthflow("render", album, *SHORT, "--json", cwd=album.parent)
    assert done.code == 0, done.err
    assert (album / "cat-jpg.mp4").read_text() == "from yesterday"
    assert len(pixels(album / "cat-png.mp4")) == 4
    assert not list((album / "sea").glob("*.mp4"))
    skipped = done.event("skipped")
    assert skipped == {
        "event": "skipped",
        "photo": str(album / "cat.jpg"),
        "output": str(album / "cat-jpg.mp4"),
    }
    assert [event["photo"] for event in done.events if event["event"] == "done"] == [str(album / "cat.png")]


def test_several_photos_and_one_that_is_missing(photo: Path, depth_map: Path) -> None:
    shutil.copy(photo, photo.with_name("other.png"))
    for name in ("photo.png", "other.png"):
        shutil.copy(depth_map, photo.with_name(f"{name}.depth.png"))
    names = ("photo.png", "mising.png", "other.png", "photo.png")
    done = depthflow("render", *names, "-o", "new/folder", *SHORT, "--json", cwd=photo.parent)
    assert done.code == 5, done.err
    assert sorted(listing(photo.parent / "new")) == ["folder", "folder/other.mp4", "folder/photo.mp4"]
    begun = [(event["photo"], event["number"], event["total"]) for event in done.events if event["event"] == "begin"]
    assert begun == [("photo.png", 1, 3), ("mising.png", 2, 3), ("other.png", 3, 3)], "each photo once"
    error = done.event("error")
    assert error["photo"] == "mising.png"
    assert (error["kind"], error["exit_code"]) == ("PhotoError", 3)
    assert error["message"] == "mising.png is not there"


def test_when_all_fail_for_one_reason_the_exit_code_is_that_reasons(photo: Path) -> None:
    done = depthflow("render", "a.png", "b.png", *SHORT, cwd=photo.parent)
    assert done.code == 3
    assert done.err.splitlines()[-1] == "error: none of the 2 photos could be made"
    assert sorted(listing(photo.parent)) == ["photo.png"]


def test_a_photo_from_standard_input(photo: Path) -> None:
    done = depthflow("render", "-", *SHORT, cwd=photo.parent, data=photo.read_bytes())
    assert done.code == 0, done.err
    assert len(pixels(photo.parent / "photo.mp4")) == 4
    done = depthflow("render", "-", "-o", "x.mp4", *SHORT, cwd=photo.parent, data=b"")
    refused(done, 3, "standard input is empty")
    assert not (photo.parent / "x.mp4").exists()


@pytest.fixture
def server(photo: Path) -> Iterator[str]:
    """The address of a web server on this machine that has the photo."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.startswith("/album/my%20cat.png")
            body = photo.read_bytes() if found else b"not here"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()
        thread.join()


def test_a_photo_from_an_address(photo: Path, server: str) -> None:
    cwd = photo.parent / "here"
    cwd.mkdir()
    done = depthflow("render", f"{server}/album/my%20cat.png?token=secret", *SHORT, cwd=cwd)
    assert done.code == 0, done.err
    assert list(listing(cwd)) == ["my cat.mp4"]
    assert len(pixels(cwd / "my cat.mp4")) == 4
    refused(depthflow("render", f"{server}/album/dog.png", *SHORT, cwd=cwd), 3, "127.0.0.1", "404")
    assert done.err.splitlines()[0].endswith("/…/my%20cat.png")
    secret = f"{server.replace('://', '://me:secret@')}/dog.png?token=secret"
    several = depthflow("render", secret, secret.replace("dog", "cat"), *SHORT, cwd=cwd)
    assert "secret" not in done.err + several.out + several.err
    assert list(listing(cwd)) == ["my cat.mp4"]


def test_an_output_in_a_folder_that_is_there_and_in_one_that_is_not(photo: Path, depth_map: Path) -> None:
    (photo.parent / "there").mkdir()
    common = ("--depth", depth_map, *SHORT, "--quiet")
    for target, expected in (
        (("-o", "there"), "there/photo.mp4"),
        (("-o", "not/yet/"), "not/yet/photo.mp4"),
        (("-o", "new/clip.gif"), "new/clip.gif"),
        (("--format", "jpg"), "photo-frames"),
    ):
        done = depthflow("render", photo, *target, *common, cwd=photo.parent)
        assert done.code == 0, done.err
        assert (photo.parent / expected).exists(), expected
    assert len(listing(photo.parent / "photo-frames")) == 4


def test_what_is_there_stays_unless_overwrite_is_given(photo: Path, depth_map: Path) -> None:
    video = photo.with_suffix(".mp4")
    video.write_text("precious")
    common = ("render", photo, "--depth", depth_map, *SHORT)
    cwd = photo.parent
    before = listing(cwd)
    for more, env in (((), {}), (("--no-overwrite",), {"DEPTHFLOW_OUTPUT_OVERWRITE": "true"})):
        done = depthflow(*common, *more, cwd=cwd, **env)
        refused(done, 4, "photo.mp4: is there already", "--overwrite")
        assert "Loading photo" not in done.err, "it is told before any work"
        assert listing(cwd) == before
    assert video.read_text() == "precious"
    done = depthflow(*common, "--overwrite", cwd=cwd)
    assert done.code == 0, done.err
    assert len(pixels(video)) == 4


# -- for programs ---------------------------------------------------------------------------------------------


def test_json_lines_have_the_agreed_keys(photo: Path) -> None:
    done = depthflow("render", photo.name, *SHORT, "--size", "65x49", "--json", cwd=photo.parent)
    assert (done.code, done.err) == (0, "")
    keys = {
        "begin": {"number", "total"},
        "progress": {"stage", "done", "total", "seconds", "rate"},
        "warning": {"stage", "message"},
        "done": {"outputs", "timings", "notes", "job"},
    }
    for event in done.events:
        assert set(event) == {"event", "photo", *keys[event["event"]]}, event
        assert event["photo"] == "photo.png"
    assert [event["event"] for event in done.events if event["event"] != "progress"] == ["begin", "warning", "done"]
    stages = [event["stage"] for event in done.events if event["event"] == "progress"]
    assert list(dict.fromkeys(stages)) == ["load", "depth", "prepare", "render", "publish", "done"]
    frames = [event for event in done.events if event.get("stage") == "render"]
    assert (frames[0]["done"], frames[-1]["done"], frames[-1]["total"]) == (0, 4, 4)
    assert done.event("warning")["message"] == "mp4 needs an even width and height: 65x49 becomes 64x48"
    end = done.event("done")
    assert end["notes"] == ["mp4 needs an even width and height: 65x49 becomes 64x48"]
    assert len(end["job"]) == 64
    assert set(end["timings"]) == {"load", "depth", "prepare", "render", "publish"}
    (made,) = end["outputs"]
    assert made | {"seconds": 0} == {
        "path": "photo.mp4", "format": "mp4", "frames": 4, "width": 64, "height": 48, "fps": 8.0,
        "bytes": photo.with_suffix(".mp4").stat().st_size, "encoder": "libx264", "seconds": 0,
    }  # fmt: skip


def test_an_error_is_a_json_line_too(photo: Path) -> None:
    done = depthflow("render", "none.png", *SHORT, "--json", cwd=photo.parent)
    assert done.code == 3
    error = done.event("error")
    assert set(error) == {"event", "photo", "kind", "message", "hint", "exit_code"}
    assert (error["photo"], error["kind"], error["exit_code"]) == ("none.png", "PhotoError", 3)
    assert "Traceback" not in done.err


def test_a_printed_job_makes_the_same_when_it_is_fed_back(photo: Path) -> None:
    options = (*SHORT, "--motion", "circle", "--strength", "0.7", "--seed", "3", "--encoder", "software")
    cwd = photo.parent
    assert depthflow("render", photo, "-o", "straight.mkv", *options, "--quiet", cwd=cwd).code == 0
    printed = depthflow("render", photo, "-o", "job.mkv", *options, "--print-job", cwd=cwd)
    assert (printed.code, printed.err) == (0, "")
    assert not (cwd / "job.mkv").exists()
    made = depthflow("make", "-", "--json", cwd=cwd, data=printed.out.encode())
    assert made.code == 0, made.err
    np.testing.assert_array_equal(pixels(cwd / "job.mkv"), pixels(cwd / "straight.mkv"))
    (cwd / "job.toml").write_text(printed.out)
    refused(depthflow("make", "job.toml", cwd=cwd), 4, "job.mkv: is there already")


def test_a_job_file_in_json_with_a_slip_in_it(photo: Path) -> None:
    job = {"photo": str(photo), "outputs": [{"path": "x.mp4", "duratoin": 3}]}
    (photo.parent / "job.json").write_text(json.dumps(job))
    done = depthflow("make", "job.json", cwd=photo.parent)
    refused(done, 2, "job.json: outputs.0.duratoin: unknown key", "did you mean 'duration'?")
    done = depthflow("make", "-", cwd=photo.parent, data=b"{}")
    assert done.code == 2
    assert "standard input: photo: " in done.err


def test_printing_jobs_of_several_photos_is_refused(album: Path) -> None:
    done = depthflow("render", album, "--print-job", cwd=album.parent)
    refused(done, 2, "--print-job is for one photo, and these are 2")


def test_a_reader_that_goes_away_ends_it_without_a_half_file(photo: Path) -> None:
    command = [COMMAND, "render", str(photo), *LONG, "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=photo.parent, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b'"begin"' in process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=60) not in (0, 120), "it is not done"
    assert b"Traceback" not in err
    assert list(listing(photo.parent)) == ["photo.png"]
