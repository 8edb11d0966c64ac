"""What cannot work is said before any work: no photo is loaded, and nothing is left on the disk."""

from __future__ import annotations

import os
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import LONG, SHORT, depthflow, listing, refused

from depthflow.errors import DepthFlowError, FFmpegError, InputError, OutputError, UsageError
from depthflow.jobs.planning import plan_outputs
from depthflow.jobs.spec import JobSpec
from depthflow.video import ffmpeg
from depthflow.video.formats import FORMATS
from depthflow.video.space import check_space


def plan(photo: Path, output: dict[str, Any] | None = None, **parts: Any) -> tuple[str, ...]:
    """The notes of a job's only plan."""
    common = {"size": "64x48", "fps": 8, "duration": 0.5}
    spec = JobSpec.parse({"photo": str(photo), "outputs": [{**common, **(output or {})}], **parts})
    (found,) = plan_outputs(spec)
    return found.notes


def tone(path: Path, loudness: int, seconds: float = 1.0) -> str:
    samples = (np.sin(np.arange(int(seconds * 8000)) * 0.3) * loudness).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return str(path)


def test_what_can_be_made_leaves_no_trace(photo: Path) -> None:
    before = listing(photo.parent)
    plan(photo)
    plan(photo, {"path": str(photo.parent / "new" / "folder" / "clip.mp4")})
    plan(photo, {"path": str(photo.parent / "frames"), "format": "png"})
    plan(photo, {"path": str(photo.parent / "shots" / "a_%03d.png")})
    assert listing(photo.parent) == before


@pytest.mark.parametrize(
    ("output", "error", "words"),
    [
        ({"path": "PHOTO/x.mp4"}, OutputError, "part of the path is a file"),
        ({"path": "PHOTO/frames", "format": "png"}, OutputError, "part of the path is a file"),
        ({"path": "HERE/a.mp4", "encoder_preset": "hasty"}, UsageError, "preset of libx264 'hasty'"),
        ({"path": "HERE/a.mp4", "crf": 60}, UsageError, "rate factor of 0 to 51, not 60"),
        ({"path": "HERE/a.gif", "fps": 120}, UsageError, "gif goes up to 50 frames a second"),
        ({"path": "HERE/a.mp4", "format": "prores"}, UsageError, r"a \.mp4 file cannot hold prores"),
        ({"path": "HERE/a.mov", "format": "prores", "target_bytes": 9999}, UsageError, "prores cannot be made to fit"),
        ({"path": "HERE/a.png", "poster": 3.0}, UsageError, "3 s is after the end of the clip"),
        ({"path": "HERE/a.mp4", "duration": 3600, "loops": 1000}, UsageError, "28,800,000 frames are more than a clip"),
        ({"path": "HERE/a.png"}, UsageError, "one file cannot hold 4 PNG images"),
        ({"path": "HERE/a.mp4", "encoder": "libx265"}, UsageError, "libx265 does not make mp4 files"),
    ],
)
def test_outputs_that_cannot_be(photo: Path, output: dict[str, Any], error: type[DepthFlowError], words: str) -> None:
    before = listing(photo.parent)
    path = output["path"].replace("PHOTO", str(photo)).replace("HERE", str(photo.parent))
    with pytest.raises(error, match=words) as said:
        plan(photo, {**output, "path": path, "encoder": output.get("encoder", "software")})
    assert said.value.hint
    assert listing(photo.parent) == before


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that refuses even root")
@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_no_device_and_no_pipe_is_replaced(photo: Path) -> None:
    pipe = photo.parent / "pipe.mp4"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match=r"pipe\.mp4: is a device or a pipe"):
        plan(photo, {"path": str(pipe), "overwrite": True})
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["x.mp4", "frames"])
def test_a_folder_that_cannot_be_written_is_told_before_the_photo_is_loaded(photo: Path, name: str) -> None:
    options = () if "." in name else ("--format", "png")
    done = depthflow("render", photo, "-o", f"/proc/self/{name}", *options, *SHORT, cwd=photo.parent)
    refused(done, 4, f"/proc/self/{name}: ")
    assert "Loading photo" not in done.err


def test_sound_that_is_none_is_told_before_the_photo_is_loaded(photo: Path) -> None:
    done = depthflow("render", photo, "--audio", "gone.wav", *LONG, cwd=photo.parent)
    refused(done, 3, "gone.wav: no such sound file")
    assert "Loading photo" not in done.err
    with pytest.raises(InputError, match="holds no sound"):
        plan(photo, audio=str(photo))
    with pytest.raises(UsageError, match="gif has no sound"):
        plan(photo, {"path": str(photo.with_name("a.gif"))}, audio=tone(photo.with_name("loud.wav"), 8000))


def test_sound_that_cannot_be_heard_is_noted(photo: Path) -> None:
    silent = tone(photo.with_name("silent.wav"), 0)
    assert plan(photo, audio=silent) == (f"{silent}: is silent for as long as the video lasts",)
    assert plan(photo, audio=tone(photo.with_name("loud.wav"), 8000)) == ()
    assert plan(photo, audio=tone(photo.with_name("soft.wav"), 30)) == ()


def test_an_encoder_that_this_ffmpeg_lacks(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ffmpeg.encoder_names
    monkeypatch.setattr(ffmpeg, "encoder_names", lambda path: real(path) - {"libx264", "libopenh264"})
    with pytest.raises(FFmpegError, match="no encoder for mp4: this ffmpeg has none of libx264"):
        plan(photo)


def test_a_disk_without_room(tiny_disk: Path) -> None:
    def note(name: str, frames: int, *, again: bool = False) -> str:
        format_ = FORMATS[name]
        return check_space(tiny_disk / "new" / f"a{format_.suffix}", format_, (640, 360), frames, again=again)

    assert note("mp4", 30) == ""
    assert "has only 410 kB left, and such a clip takes about" in note("mp4", 300)
    assert note("png", 1) == ""
    assert "left, and such a clip takes about 9.9 MB" in note("png", 30)
    for name, again in (("gif", False), ("mp4", True)):
        with pytest.raises(OutputError, match="410 kB are free, and it takes at least 1") as error:
            note(name, 30, again=again)
        assert "another disk" in error.value.hint
    (tiny_disk / "fill").write_bytes(bytes(360_000))
    with pytest.raises(OutputError, match="the disk is full"):
        note("mp4", 1)
