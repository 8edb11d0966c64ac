"""probe(): true facts of whole files, and a plain error for everything else."""

from __future__ import annotations

import contextlib
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from video_samples import moving, seen, write

from depthflow.errors import InputError
from depthflow.video import probe_images
from depthflow.video.probe import has_sound, probe


def test_a_file_that_others_made(tmp_path: Path) -> None:
    """Made by PyAV: our writer has no part in it."""
    path = tmp_path / "other.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(30000, 1001))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for frame in moving(96, 64, 9):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    facts = probe(path)
    assert (facts.frames, facts.width, facts.height, facts.codec) == (9, 96, 64, "mpeg4")
    assert facts.rate == Fraction(30000, 1001)
    assert facts.color_space is None
    assert facts.duration == pytest.approx(9 * 1001 / 30000)


def test_counting_agrees_with_decoding(tmp_path: Path) -> None:
    kinds = (("mp4", "mp4"), ("hevc10", "mp4"), ("prores", "mov"), ("webm", "webm"), ("av1", "mkv"), ("avif", "avif"))
    for name, suffix in kinds:
        write(tmp_path / f"{name}.{suffix}", moving(64, 64, 11), name)
        counted, begun, decoded = (probe(tmp_path / f"{name}.{suffix}", depth=d) for d in ("count", "begin", "decode"))
        assert counted == begun == decoded, suffix
        assert counted.frames == 11


@pytest.mark.parametrize("name", ["mp4", "webm", "gif", "webp", "apng"])
@pytest.mark.parametrize("part", [0.0, 0.02, 0.6])
def test_truncated_files(tmp_path: Path, name: str, part: float) -> None:
    """Cut off, a file is refused, or has fewer frames: never as many as the whole."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = tmp_path / f"whole.{name}"
    write(whole, [np.roll(noise, i * 3, 0) for i in range(20)], name)
    cut = tmp_path / f"cut.{name}"
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * part)])
    if name not in ("webm", "gif"):
        with pytest.raises(InputError, match=r"cut\.") as error:
            probe(cut)
        assert "\n" not in str(error.value)
        return
    # These two have no length in front: what is there may decode.
    with contextlib.suppress(InputError):
        assert probe(cut).frames < 20


def test_damage_within_a_frame_is_found_by_decoding(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    write(path, [np.roll(noise, i * 3, 0) for i in range(20)])
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 600] = bytes(600)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"clip\.mp4"):
        probe(path)
    assert probe(path, depth="count").frames == 20


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".png", ".avif", ""])
def test_what_is_no_video(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"text{suffix}"
    path.write_text("This is no video, only words.\n" * 20)
    with pytest.raises(InputError, match="text") as error:
        probe(path)
    assert "\n" not in str(error.value)


def test_no_program_is_run_for_what_only_has_an_images_suffix(tmp_path: Path) -> None:
    path = tmp_path / "drawing.png"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    with pytest.raises(InputError, match=r"drawing\.png: is no image that can be read"):
        probe(path)


def test_frames_may_be_larger_than_pillows_own_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "large.png"
    Image.new("L", (40, 30)).save(path)
    for limit in (1000, 100):  # of which one and a half is warned of, and more than two refused
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert probe(path).width == 40
        assert limit == Image.MAX_IMAGE_PIXELS
    assert not recwarn.list
    monkeypatch.setattr(probe_images, "_MOST_PIXELS", 1000)
    with pytest.raises(InputError, match="40x30 pixels are too many"):
        probe(path)


def test_what_is_not_there(tmp_path: Path) -> None:
    for name in ("none.mp4", "none.gif"):
        with pytest.raises(InputError, match="no such file"):
            probe(tmp_path / name)
    with pytest.raises(InputError, match="holds no images"):
        probe(tmp_path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    import wave

    path = tmp_path / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(8000))
    with pytest.raises(InputError, match=r"tone\.wav"):
        probe(path)
    assert has_sound(path)
    write(tmp_path / "mute.mp4", moving(64, 48, 2))
    assert not has_sound(tmp_path / "mute.mp4")


def test_names_that_look_like_options_and_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "clip.mp4", moving(64, 48, 2))
    for name in ("-i.mp4", "a%05d.mp4", "concat:a.mp4", "a b'c.mp4"):
        shutil.copy("clip.mp4", name)
        assert probe(Path(name)).frames == 2


def test_probe_agrees_with_pyav_about_colours(tmp_path: Path) -> None:
    write(tmp_path / "clip.mp4", moving(64, 48, 2))
    facts = probe(tmp_path / "clip.mp4")
    assert seen(tmp_path / "clip.mp4").tags == (6, 1, 1, 1)
    assert (facts.color_space, facts.color_range, facts.color_primaries, facts.color_transfer) == (
        "smpte170m",
        "tv",
        "bt709",
        "bt709",
    )


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are looked up in /proc")
def test_ffmpeg_is_not_left_running(tmp_path: Path) -> None:
    from depthflow.errors import FFmpegError
    from depthflow.video.ffmpeg import ffmpeg_path, run_ffmpeg

    endless = [ffmpeg_path(), "-f", "lavfi", "-re", "-i", "color", "-f", "null", "-"]
    with pytest.raises(FFmpegError, match=r"did not end within 0\.5 s"):
        run_ffmpeg(endless, timeout_s=0.5)
    # Not by `ps`, which a slim system lacks.
    running = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            running.append(process.read_bytes().replace(b"\0", b" "))
    assert not any(b"lavfi -re -i color" in line for line in running)


@pytest.mark.parametrize(
    ("file", "name", "stereo", "found"),
    [
        ("clip.mkv", "ffv1", "left_right", "left_right"),
        ("clip.mkv", "ffv1", "bottom_top", "bottom_top"),
        ("clip.mkv", "ffv1", "anaglyph_cyan_red", "anaglyph_cyan_red"),
        ("clip.webm", "webm", "right_left", "right_left"),
        ("clip.webm", "webm", "anaglyph_cyan_red", None),  # WebM has no word for it
        ("clip.mkv", "mp4", "left_right", "left_right"),
        ("clip.mp4", "mp4", "top_bottom", "top_bottom"),
        ("clip.mp4", "mp4", "left_right", "left_right"),
        ("clip.mp4", "mp4", None, None),
        ("clip.gif", "gif", "left_right", None),
    ],
)
def test_how_two_views_lie_in_a_frame(tmp_path: Path, file: str, name: str, stereo: Any, found: str | None) -> None:
    """Matroska has a field for it, H.264 a message; PyAV reads both without us."""
    path = tmp_path / file
    write(path, moving(64, 48, 3), name, stereo=stereo)
    for depth in ("count", "decode"):
        assert probe(path, depth=depth, first_frame=True).stereo == found
    with av.open(str(path)) as container:
        field = container.streams.video[0].metadata.get("stereo_mode")
        frame = next(container.decode(video=0))
        message = frame.side_data.get("STEREO3D") is not None
    assert field == (None if file.endswith(".mp4") else found)
    assert message == (found is not None and not found.startswith("anaglyph"))
