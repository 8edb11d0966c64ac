"""Every output format, really encoded and decoded again by PyAV and Pillow; and what is refused beforehand."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from video_samples import (
    COLOURS,
    everything,
    moving,
    patch_colours,
    patches,
    psnr,
    seen,
    to_rgb,
    write,
)

from depthflow.errors import Cancelled, InputError, OutputError, UnknownNameError, UsageError
from depthflow.jobs import spec
from depthflow.video.colour import exact_rate, matrix_for
from depthflow.video.encode import VideoWriter
from depthflow.video.encoder_table import ENCODERS
from depthflow.video.encoders import choose_encoder
from depthflow.video.fit import Scale, search
from depthflow.video.formats import FORMATS, check_output, even_size, format_for, numbered
from depthflow.video.probe import probe

TRUTH = np.array(COLOURS)
YUV = ("mp4", "hevc", "hevc10", "av1", "webm", "prores", "prores4444")
BT709, BT601, LIMITED = 1, 6, 1


def test_the_table_is_the_jobs_list() -> None:
    assert tuple(FORMATS) == spec.Format.__args__  # type: ignore[attr-defined]
    assert {codec for row in ENCODERS.values() for codec in row.codecs} == {f.codec for f in FORMATS.values()}


# -- videos -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "suffix", "codec", "pixels", "tag"),
    [
        ("mp4", ".mp4", "h264", "yuv420p", "avc1"),
        ("mp4", ".mov", "h264", "yuv420p", "avc1"),
        ("mp4", ".mkv", "h264", "yuv420p", None),
        ("hevc", ".mp4", "hevc", "yuv420p", "hvc1"),
        ("hevc10", ".mp4", "hevc", "yuv420p10le", "hvc1"),
        ("av1", ".mp4", "libdav1d", "yuv420p", "av01"),
        ("webm", ".webm", "vp9", "yuv420p", None),
        ("prores", ".mov", "prores", "yuv422p10le", "apch"),
        ("prores4444", ".mov", "prores", "yuv444p12le", "ap4h"),
        ("ffv1", ".mkv", "ffv1", "bgr0", None),
    ],
)
def test_a_small_clip(tmp_path: Path, name: str, suffix: str, codec: str, pixels: str, tag: str | None) -> None:
    path = tmp_path / f"clip{suffix}"
    frames = moving(64, 48, 7)
    facts = write(path, frames, name, fps=25, quality=90)
    found = seen(path)
    assert len(found.frames) == 7
    assert (found.frames[0].width, found.frames[0].height) == (64, 48)
    assert found.rate == 25
    assert (found.codec, found.pixel_format) == (codec, pixels)
    assert tag is None or found.tag == tag
    if "yuv" in pixels:
        assert found.tags == (BT601, LIMITED, BT709, BT709)
        assert psnr(to_rgb(found.frames[3]), frames[3]) > 27, "it is this frame, in its place"
    assert replace(facts, metadata={}) == replace(probe(path, depth="decode"), metadata={})
    assert (facts.frames, facts.rate) == (7, Fraction(25))
    assert facts.duration == pytest.approx(0.28)
    assert facts.pixel_format == pixels
    assert not facts.has_audio


@pytest.mark.parametrize("name", YUV)
def test_colours_of_a_small_video(tmp_path: Path, name: str) -> None:
    """320x180 is below HD: BT.601. The bars decode as they were, by the formula of the standard."""
    path = tmp_path / f"bars{FORMATS[name].suffix}"
    write(path, [patches(320, 176)] * 3, name, quality=95)
    found = seen(path)
    assert found.tags == (BT601, LIMITED, BT709, BT709)
    np.testing.assert_allclose(patch_colours(to_rgb(found.frames[-1])), TRUTH, atol=3)


@pytest.mark.parametrize("name", ["mp4", "hevc", "prores"])
def test_colours_of_an_hd_video(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"bars{FORMATS[name].suffix}"
    facts = write(path, [patches(1280, 720)] * 3, name, quality=95)
    found = seen(path)
    assert found.tags == (BT709, LIMITED, BT709, BT709)
    np.testing.assert_allclose(patch_colours(to_rgb(found.frames[-1])), TRUTH, atol=3)
    assert facts.color_space == facts.color_primaries == facts.color_transfer == "bt709"
    assert facts.color_range == "tv"


def test_grey_stays_grey(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    write(tmp_path / "ramp.mp4", [ramp] * 2, quality=100)
    decoded = to_rgb(seen(tmp_path / "ramp.mp4").frames[-1]).astype(int)
    assert np.ptp(decoded, axis=2).max() <= 2, "no tint"
    np.testing.assert_allclose(decoded[32].mean(-1), np.arange(256), atol=2)


def _yuv(colour: tuple[int, int, int], width: int, height: int, kr: float, kb: float) -> np.ndarray[Any, Any]:
    red, green, blue = (value / 255 for value in colour)
    y = kr * red + (1 - kr - kb) * green + kb * blue
    planes = (16 + 219 * y, 128 + 224 * (blue - y) / (2 - 2 * kb), 128 + 224 * (red - y) / (2 - 2 * kr))
    frame = np.empty((height * 3 // 2, width), np.uint8)
    frame[:height] = round(planes[0])
    flat = frame[height:].reshape(-1)
    flat[: flat.size // 2], flat[flat.size // 2 :] = round(planes[1]), round(planes[2])
    return frame


@pytest.mark.parametrize("name", ["mp4", "hevc10", "webm", "prores", "ffv1", "gif", "png", "jpg"])
@pytest.mark.parametrize("packing", ["yuv420p", "nv12"])
def test_yuv_frames_pass_with_their_colour(tmp_path: Path, name: str, packing: str) -> None:
    """Packed on the GPU by BT.601 below HD: no second conversion, and the right one where RGB is wanted."""
    colour, width, height = (200, 60, 30), 64, 48
    frame = _yuv(colour, width, height, 0.299, 0.114)
    if packing == "nv12":
        chroma = frame[height:].reshape(2, -1)
        frame = np.vstack((frame[:height], chroma.T.reshape(height // 2, width)))
    format_ = FORMATS[name]
    path = tmp_path / ("clip" if format_.kind == "images" else f"clip{format_.suffix}")
    write(path, [frame] * 3, name, pixel_format=packing, quality=95)
    if format_.kind == "images":
        rgb = np.asarray(Image.open(path / f"frame_00003{format_.suffix}").convert("RGB"))
    elif name == "gif":
        rgb = np.asarray(Image.open(path).convert("RGB"))
    else:
        rgb = to_rgb(seen(path).frames[-1])
    np.testing.assert_allclose(rgb[24, 32].astype(int), colour, atol=3)


def test_a_yuv_frame_goes_through_ffv1_untouched(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(16, 236, (72, 64), np.uint8)
    write(tmp_path / "clip.mkv", [noise] * 2, "ffv1", pixel_format="yuv420p")
    np.testing.assert_array_equal(seen(tmp_path / "clip.mkv").frames[1].to_ndarray(), noise)


def test_ffv1_is_lossless(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (47, 63, 3), np.uint8)
    write(tmp_path / "clip.mkv", [noise] * 2, "ffv1")
    np.testing.assert_array_equal(seen(tmp_path / "clip.mkv").frames[1].to_ndarray(format="rgb24"), noise)


@pytest.mark.parametrize(("name", "decoder"), [("webm", "libvpx-vp9"), ("prores4444", None), ("ffv1", None)])
def test_transparency_of_videos(tmp_path: Path, name: str, decoder: str | None) -> None:
    frame = patches(64, 48, 4)
    frame[:24, :, 3] = 100
    path = tmp_path / f"clip{FORMATS[name].suffix}"
    write(path, [frame] * 3, name, pixel_format="rgba", quality=95)
    decoded = seen(path, decoder).frames
    assert len(decoded) == 3
    if name == "ffv1":
        alpha = decoded[1].to_ndarray(format="rgba")[..., 3].astype(float)
    else:
        plane = decoded[1].planes[3]
        kind, top = ("<u2", 4095) if "12" in decoded[1].format.name else ("u1", 255)
        raw = np.frombuffer(bytes(plane), kind).reshape(plane.height, -1)
        alpha = raw[:, : plane.width] * 255.0 / top
    np.testing.assert_allclose(alpha[8:16, 8:56], 100, atol=3)
    np.testing.assert_allclose(alpha[32:40, 8:56], 255, atol=3)


# -- rates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mp4", "webm", "prores", "av1"])
@pytest.mark.parametrize(
    ("fps", "exact"),
    [
        (23.976, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (12.5, Fraction(25, 2)),
        (60, Fraction(60)),
        (7.3, Fraction(73, 10)),
    ],
)
def test_fractional_rates(tmp_path: Path, name: str, fps: float, exact: Fraction) -> None:
    path = tmp_path / f"clip{FORMATS[name].suffix}"
    facts = write(path, moving(64, 64, 10), name, fps=fps)
    found = seen(path)
    # WebM counts in milliseconds: there PyAV can only average.
    assert float(found.rate) == pytest.approx(float(exact), rel=0.005 if name == "webm" else 1e-9)
    assert facts.rate == exact
    assert facts.frames == len(found.frames) == 10
    times = [frame.time for frame in found.frames]
    np.testing.assert_allclose(np.diff(times), 1 / float(exact), atol=0.0011)


def test_rates_that_people_write() -> None:
    assert exact_rate(59.94) == Fraction(60000, 1001)
    assert exact_rate(23.98) == exact_rate(23.976) == Fraction(24000, 1001)
    assert exact_rate(24) == exact_rate(24.0) == 24
    assert exact_rate(Fraction(30000, 1001)) == Fraction(30000, 1001)
    assert exact_rate(29.9) == Fraction(299, 10)


# -- sound and words --------------------------------------------------------------------------------------


def _tone(path: Path, seconds: float) -> Path:
    import wave

    samples = (np.sin(np.arange(int(seconds * 8000)) * 0.3) * 8000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


@pytest.mark.parametrize("name", ["mp4", "webm", "prores", "ffv1"])
@pytest.mark.parametrize("seconds", [0.3, 5.0])
def test_sound_is_padded_and_cut_to_the_video(tmp_path: Path, name: str, seconds: float) -> None:
    audio = _tone(tmp_path / "tone 1.wav", seconds)
    path = tmp_path / f"clip{FORMATS[name].suffix}"
    facts = write(path, moving(64, 48, 60), name, audio=audio)
    assert facts.has_audio
    assert facts.frames == 60
    heard = seen(path).audio_seconds
    assert heard is not None
    assert heard == pytest.approx(2.0, abs=0.06)


def test_bad_sound_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such sound file"):
        write(tmp_path / "clip.mp4", moving(64, 48, 2), audio=tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("la la la")
    with pytest.raises(InputError, match="holds no sound"):
        write(tmp_path / "clip.mp4", moving(64, 48, 2), audio=tmp_path / "text.wav")
    with pytest.raises(ValueError, match="number of frames must be given"):
        write(tmp_path / "clip.mp4", moving(64, 48, 2), audio=tmp_path / "text.wav", count=None)
    with pytest.raises(UsageError, match="gif has no sound"):
        write(tmp_path / "clip.gif", moving(64, 48, 2), "gif", audio=tmp_path / "text.wav")
    assert everything(tmp_path) == ["text.wav"]


@pytest.mark.parametrize("name", ["mp4", "webm", "prores", "ffv1"])
def test_texts_come_back(tmp_path: Path, name: str) -> None:
    texts = {"comment": "a=b; c\\d # e\nsecond line", "title": "Übung — 'quoted' 100%", "description": "[x]=1"}
    path = tmp_path / f"clip{FORMATS[name].suffix}"
    write(path, moving(64, 48, 2), name, metadata=texts)
    assert {key: probe(path).metadata[key] for key in texts} == texts
    found = {key.lower(): value for key, value in seen(path).metadata.items()}
    assert {key: found[key] for key in texts} == texts


# -- animations -------------------------------------------------------------------------------------------


def _animation(path: Path) -> tuple[list[np.ndarray[Any, Any]], list[int], int | None]:
    with Image.open(path) as image:
        frames, times = [], []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGBA")))
            times.append(round(image.info.get("duration", 0)))
        return frames, times, image.info.get("loop")


@pytest.mark.parametrize(("name", "floor"), [("gif", 25), ("webp", 30), ("apng", 99), ("avif", 30)])
def test_animations(tmp_path: Path, name: str, floor: float) -> None:
    path = tmp_path / f"clip{FORMATS[name].suffix}"
    given = moving(96, 64, 6)
    facts = write(path, given, name, fps=20, quality=90)
    frames, times, loop = _animation(path)
    assert len(frames) == facts.frames == 6
    assert all(psnr(frame[..., :3], truth) > floor for frame, truth in zip(frames, given, strict=True))
    if name == "avif":
        assert facts.rate == 20
        assert (facts.color_space, facts.color_range) == ("smpte170m", "tv")
    else:
        assert times == [50] * 6
        assert loop == 0, "it plays for ever"
        assert facts.duration == pytest.approx(0.3)


def test_animated_png_may_be_called_png(tmp_path: Path) -> None:
    write(tmp_path / "clip.png", moving(64, 48, 3), "apng")
    assert len(_animation(tmp_path / "clip.png")[0]) == 3


@pytest.mark.parametrize("name", ["gif", "webp", "apng"])
def test_frames_that_are_equal_may_become_one_but_last_as_long(tmp_path: Path, name: str) -> None:
    still = moving(64, 48, 4)
    path = tmp_path / f"clip{FORMATS[name].suffix}"
    facts = write(path, [still[0], still[1], *[still[2]] * 10, still[3]], name, fps=20)
    _, times, _ = _animation(path)
    assert sum(times) == pytest.approx(650, abs=60)
    assert facts.duration == pytest.approx(0.65, abs=0.06)


def test_gif_keeps_a_gradient(tmp_path: Path) -> None:
    """A fixed palette (the web's 216 colours, dithered) reaches 22 dB here; one made for the clip far more."""
    y, x = np.mgrid[0:128, 0:192]
    sky = np.stack((90 + x // 3, 120 + y // 2, 200 - y // 4), -1).astype(np.uint8)
    write(tmp_path / "sky.gif", [np.roll(sky, 2 * i, 0) for i in range(4)], "gif", fps=10)
    frames, _, _ = _animation(tmp_path / "sky.gif")
    assert psnr(frames[0][..., :3], sky) > 36
    web = sky.copy()
    web = np.asarray(Image.fromarray(web).convert("P", palette=Image.Palette.WEB).convert("RGB"))
    assert psnr(web, sky) < 28


def test_names_that_look_like_patterns(tmp_path: Path) -> None:
    for name, suffix in (("gif", ".gif"), ("mp4", ".mp4"), ("webp", ".webp"), ("apng", ".apng"), ("avif", ".avif")):
        write(tmp_path / f"a%d 100%{suffix}", moving(64, 48, 3), name)
    assert len(everything(tmp_path)) == 5


@pytest.mark.parametrize("name", ["gif", "webp", "apng"])
def test_transparency_of_animations(tmp_path: Path, name: str) -> None:
    frames = [patches(64, 48, 4) for _ in range(3)]
    for index, frame in enumerate(frames):
        frame[: 8 + 4 * index, :, 3] = 0
    path = tmp_path / f"clip{FORMATS[name].suffix}"
    write(path, frames, name, fps=10, pixel_format="rgba", quality=95)
    for decoded, given in zip(_animation(path)[0], frames, strict=True):
        np.testing.assert_array_equal(decoded[..., 3], given[..., 3])
        np.testing.assert_allclose(patch_colours(decoded)[:, :3], TRUTH, atol=12 if name == "webp" else 4)


@pytest.mark.parametrize("limit", [None, 2500])
def test_transparent_avif(tmp_path: Path, limit: int | None) -> None:
    """Colour and opacity are two films in one file; a viewer has to put them together, frame by frame."""
    frames = [patches(96, 64, 4) for _ in range(5)]
    for index, frame in enumerate(frames):
        frame[..., 3] = np.clip(np.arange(96) * 3 - 20 * index, 0, 255)
    path = tmp_path / "clip.avif"
    facts = write(path, frames, "avif", fps=10, pixel_format="rgba", quality=90, target_bytes=limit)
    assert (facts.frames, facts.rate, facts.color_range) == (5, 10, "tv")
    decoded, times, _ = _animation(path)
    assert times == [100] * 5
    for got, given in zip(decoded, frames, strict=True):
        np.testing.assert_allclose(got[..., 3], given[..., 3], atol=6 if limit is None else 20)
        visible = given[..., 3] > 32
        assert psnr(got[visible][:, :3], given[visible][:, :3]) > (25 if limit is None else 18)
    assert limit is None or path.stat().st_size <= limit


def test_lossless_webp_at_full_quality(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    write(tmp_path / "clip.webp", [noise, noise[::-1].copy()], "webp", quality=100)
    np.testing.assert_array_equal(_animation(tmp_path / "clip.webp")[0][1][..., :3], noise[::-1])


# -- limits on the size -----------------------------------------------------------------------------------


def _lively(count: int = 12) -> list[np.ndarray[Any, Any]]:
    """Frames that take some bits."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    return [np.roll(noise, 3 * index, 1) // 2 + frame // 2 for index, frame in enumerate(moving(128, 96, count))]


@pytest.mark.parametrize("name", ["mp4", "hevc", "av1", "webm", "gif", "webp"])
def test_a_file_is_made_to_fit(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"clip{FORMATS[name].suffix}"
    free = write(path, _lively(), name)
    # A GIF first gives up colours and frames, in steps; only its size can be chosen freely.
    for limit in (free.bytes // 8,) if name == "gif" else (free.bytes // 2, free.bytes // 3):
        facts = write(path, _lively(), name, target_bytes=limit, overwrite=True)
        assert path.stat().st_size == facts.bytes
        assert 0.9 * limit < facts.bytes <= limit
        assert facts.duration == pytest.approx(0.4, abs=0.034)
        assert facts.frames == 12 or name == "gif"
        assert everything(tmp_path) == [path.name]
    roomy = write(path, _lively(), name, target_bytes=2 * free.bytes, overwrite=True)
    assert roomy.bytes == free.bytes, "a limit that does not bind changes nothing"


@pytest.mark.parametrize("name", ["mp4", "hevc", "av1", "webm"])
@pytest.mark.parametrize("bitrate", [150_000, 400_000])
def test_a_bit_rate_is_the_average(tmp_path: Path, name: str, bitrate: int) -> None:
    path = tmp_path / f"clip{FORMATS[name].suffix}"
    facts = write(path, _lively(30), name, bitrate=bitrate)
    assert 0.9 * bitrate < facts.bytes * 8 / facts.duration <= bitrate


def test_a_search_ends_where_files_hardly_shrink() -> None:
    scale = Scale(start=20, best=2, worst=100, step=1, slope=0.05)
    slow = search(lambda value: round(10_000 - 40 * value), scale, 6500, fill=False)
    assert 0.95 * 6500 < slow.size <= 6500
    bent = search(lambda value: 100 if value > 95 else round(10_000 - 80 * value), scale, 4000, fill=False)
    assert 0.95 * 4000 < bent.size <= 4000
    assert search(lambda value: 100 if value == 100 else 10_000, scale, 200, fill=False).size == 100
    assert search(lambda _: 10_000, scale, 200, fill=False).size == 10_000


def test_openh264_keeps_to_limits_too(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    free = write(path, _lively(30), encoder="libopenh264").bytes
    # Its steps are whole numbers, each 12 % or so.
    fitted = write(path, _lively(30), encoder="libopenh264", target_bytes=free // 2, overwrite=True)
    assert 0.8 * (free // 2) < fitted.bytes <= free // 2
    rated = write(path, _lively(30), encoder="libopenh264", bitrate=400_000, overwrite=True)
    assert 0.8 * 400_000 < rated.bytes * 8 / rated.duration <= 400_000


def test_what_a_limit_costs_is_told(tmp_path: Path) -> None:
    def note(name: str, **limits: Any) -> str:
        format_ = FORMATS[name]
        writer = VideoWriter(
            tmp_path / f"clip{format_.suffix}",
            width=128, height=96, fps=30, format=format_, encoder=choose_encoder(format_, "software"),
            overwrite=True, **limits,
        )  # fmt: skip
        with writer:
            for frame in _lively():
                writer.write(frame)
        return writer.note

    assert re.fullmatch(r"to fit, crf 2\d(\.\d)? was taken instead of 20", note("mp4", target_bytes=15_000))
    assert note("mp4", target_bytes=10**7) == note("mp4") == ""
    assert re.fullmatch(r"its best quality needs only \d+% of the bit rate", note("mp4", bitrate=10**8))
    free = write(tmp_path / "free.gif", _lively(), "gif").bytes
    assert note("gif", target_bytes=int(free * 0.85)) == "to fit, the GIF has only 64 colours"
    assert note("gif", target_bytes=int(free * 0.5)) == "to fit, the GIF has only 64 colours and 15 frames a second"
    small = note("gif", target_bytes=free // 8)
    assert re.fullmatch(r"to fit, the GIF has only 64 colours and 15 frames a second and \d+x\d+ pixels", small)


def test_a_search_for_a_size_can_be_stopped(tmp_path: Path) -> None:
    calls = 0

    def poll() -> None:
        nonlocal calls
        calls += 1
        raise Cancelled("stopped")

    noise = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    for name in ("mp4", "gif"):
        format_ = FORMATS[name]
        writer = VideoWriter(
            tmp_path / f"clip{format_.suffix}",
            width=1280, height=720, fps=30, format=format_, encoder=choose_encoder(format_, "software"),
            target_bytes=10_000, poll=poll,
        )  # fmt: skip
        for index in range(8):
            writer.write(np.roll(noise, index, 1))
        with pytest.raises(Cancelled):
            writer.close()
        assert everything(tmp_path) == []
    assert calls == 2


def test_a_limit_that_cannot_be_met(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be made to fit 700 bytes") as error:
        write(tmp_path / "clip.mp4", moving(64, 48, 10), target_bytes=700)
    assert "smaller" in error.value.hint
    assert everything(tmp_path) == []


# -- images -----------------------------------------------------------------------------------------------


def test_a_folder_of_png_images(tmp_path: Path) -> None:
    given = moving(65, 47, 4)
    facts = write(tmp_path / "frames", given, "png")
    assert everything(tmp_path / "frames") == [f"frame_0000{n}.png" for n in (1, 2, 3, 4)]
    assert (facts.frames, facts.fps, facts.width, facts.height) == (4, 30, 65, 47)
    for index, truth in enumerate(given):
        file = tmp_path / "frames" / f"frame_0000{index + 1}.png"
        assert file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        np.testing.assert_array_equal(np.asarray(Image.open(file)), truth)
    assert everything(tmp_path)[0] == "frames", "no work folder is left"


def test_a_pattern_of_jpg_images(tmp_path: Path) -> None:
    path = tmp_path / "shot 50%%_%03d.jpg"
    write(path, [patches(128, 64)] * 2, "jpg", quality=95)
    assert everything(tmp_path) == ["shot 50%_001.jpg", "shot 50%_002.jpg"]
    with Image.open(tmp_path / "shot 50%_002.jpg") as image:
        assert image.format == "JPEG"
        np.testing.assert_allclose(patch_colours(np.asarray(image)), TRUTH, atol=3)


@pytest.mark.parametrize("name", ["100%", "a%d", "%", "50%%d_%2d"])
def test_percent_signs_in_names_that_are_no_patterns(tmp_path: Path, name: str) -> None:
    still = tmp_path / "d%d" / f"{name}.png"
    assert write(still, [patches(64, 48)], "png", still=True).path == still
    write(tmp_path / name, [patches(64, 48)] * 2, "png")
    folder = [name, f"{name}/frame_00001.png", f"{name}/frame_00002.png"]
    assert everything(tmp_path) == sorted(["d%d", f"d%d/{name}.png", *folder])


def test_what_a_pattern_is() -> None:
    assert numbered("a_%05d.png") == ("a_", 5, ".png")
    assert numbered("50%%_%d%%.png") == ("50%_", 1, "%.png")
    assert not any(map(numbered, ("a.png", "50%.png", "%%05d.png", "%d_%d.png", "50%_%d.png", "%s_%d")))


def test_transparent_png_images(tmp_path: Path) -> None:
    frame = patches(64, 48, 4)
    frame[:9, :, 3] = 77
    write(tmp_path / "f_%d.png", [frame], "png", pixel_format="rgba")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "f_1.png")), frame)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("quality", [75, 100])
def test_webp_with_a_clear_side_is_clear_there(tmp_path: Path, quality: int, count: int) -> None:
    frames = [patches(64, 48, 4) for _ in range(count)]
    for index, frame in enumerate(frames):
        frame[:20, :, 3] = 0
        frame[20:, :, 0] = 40 * index
    path = tmp_path / "a.webp"
    write(path, frames, "webp", pixel_format="rgba", quality=quality)
    with Image.open(path) as image:
        for index in range(count):
            image.seek(index)
            np.testing.assert_array_equal(np.asarray(image.convert("RGBA"))[..., 3], frames[index][..., 3])


@pytest.mark.parametrize("name", ["png", "jpg"])
def test_a_single_poster(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"poster{FORMATS[name].suffix}"
    facts = write(path, [patches(64, 48)], name, quality=95)
    assert everything(tmp_path) == [path.name]
    assert (facts.path, facts.frames) == (path, 1)
    np.testing.assert_allclose(patch_colours(np.asarray(Image.open(path))), TRUTH, atol=4)
    with pytest.raises(OutputError, match="is there already"):
        write(path, [patches(64, 48)], name)
    write(path, [patches(32, 48)], name, overwrite=True)
    assert Image.open(path).size == (32, 48)


def test_images_replace_only_their_like(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    write(folder, moving(64, 48, 5), "png")
    (folder / "notes.txt").write_text("mine")
    (folder / "frame_final.png").write_text("mine too")
    with pytest.raises(OutputError, match="is there already"):
        write(folder, moving(64, 48, 3), "png")
    write(folder, moving(64, 48, 3), "png", overwrite=True)
    numbered = [f"frame_0000{n}.png" for n in (1, 2, 3)]
    assert everything(folder) == sorted([*numbered, "frame_final.png", "notes.txt"])
    (folder / "frame_00005.png").write_text("not of that sequence, which has no fourth image")
    (folder / "frame_00099.png").write_text("nor this")
    write(folder, moving(64, 48, 2), "png", overwrite=True)
    mine = ["frame_00005.png", "frame_00099.png", "frame_final.png", "notes.txt"]
    assert everything(folder) == ["frame_00001.png", "frame_00002.png", *mine]
    write(folder, moving(64, 48, 2), "jpg")
    assert len(everything(folder)) == 8
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        write(tmp_path / "file", moving(64, 48, 2), "png")


# -- asked beforehand -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        (None, None, "mp4"),
        ("a.mp4", None, "mp4"),
        ("a.MP4", None, "mp4"),
        ("a.mkv", None, "mp4"),
        ("a.mov", None, "prores"),
        ("a.mov", "mp4", "mp4"),
        ("a.gif", None, "gif"),
        ("a_%05d.png", None, "png"),
        ("a.jpeg", None, "jpg"),
        ("frames", "png", "png"),
        ("a.mp4", "hevc10", "hevc10"),
        ("a.webp", None, "webp"),
        ("a.avif", None, "avif"),
        ("a.png", "apng", "apng"),
        ("a.v2", "mp4", "mp4"),
    ],
)
def test_the_format_of_a_name(path: str | None, name: str | None, expected: str) -> None:
    assert format_for(path, name).name == expected


@pytest.mark.parametrize(
    ("path", "name", "message"),
    [
        ("a.xyz", None, "suffix '.xyz' is not known"),
        ("a", None, "the name has no suffix"),
        ("a.mp4", "gif", "a .mp4 file cannot hold gif"),
        ("a.mp4", "prores", "a .mp4 file cannot hold prores"),
        ("a.gif", "mp4", "a .gif file cannot hold mp4"),
        ("a.png", "mp4", "a .png file cannot hold mp4"),
    ],
)
def test_names_that_contradict(path: str, name: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        format_for(path, name)
    assert error.value.hint


def test_unknown_formats_get_a_suggestion() -> None:
    with pytest.raises(UnknownNameError) as error:
        format_for("a.mov", "prores444")
    assert "did you mean 'prores4444'" in error.value.hint


@pytest.mark.parametrize(
    ("name", "request_", "message"),
    [
        ("mp4", {"alpha": True}, "mp4 keeps no transparency"),
        ("gif", {"audio": True}, "gif has no sound"),
        ("prores", {"crf": 20}, "prores has no constant rate factor"),
        ("mp4", {"width": 101, "height": 50}, "even width and height: 101x50 becomes 100x50"),
        ("prores", {"width": 101, "height": 51}, "even width: 101x51 becomes 100x51"),
        ("webp", {"width": 16384, "height": 50}, "webp ends at 16383"),
        ("gif", {"fps": 60}, "gif goes up to 50 frames a second"),
        ("mp4", {"fps": 0}, "this is 0"),
        ("png", {"path": "a.png", "frames": 3}, "one file cannot hold 3 PNG images"),
        ("png", {"path": "a_%d_%d.png", "frames": 3}, "one %05d"),
        ("png", {"target_bytes": 1000}, "png cannot be made to fit a size"),
        ("prores", {"target_bytes": 1000}, "prores cannot be made to fit a size"),
        ("gif", {"bitrate": 1000}, "gif has no bit rate"),
        ("ffv1", {"bitrate": 1000}, "ffv1 has no bit rate"),
    ],
)
def test_what_cannot_be_is_said_beforehand(name: str, request_: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_output(FORMATS[name], **request_)


def test_what_can_be_passes() -> None:
    check_output(FORMATS["webm"], width=100, height=50, fps=29.97, alpha=True, crf=30, audio=True)
    check_output(FORMATS["png"], path="a_%05d.png", frames=100, width=101, height=51)
    check_output(FORMATS["png"], path="a.png", frames=1)


def test_even_sizes() -> None:
    assert even_size(1280, 720, FORMATS["mp4"]) == ((1280, 720), "")
    assert even_size(853, 481, FORMATS["mp4"])[0] == (852, 480)
    assert even_size(853, 481, FORMATS["prores"])[0] == (852, 481)
    assert even_size(853, 481, FORMATS["gif"]) == ((853, 481), "")
    assert even_size(1, 1, FORMATS["mp4"])[0] == (2, 2)
    assert "853x481 becomes 852x480" in even_size(853, 481, FORMATS["mp4"])[1]


def test_the_matrix_changes_at_hd() -> None:
    assert (matrix_for(719), matrix_for(720)) == ("smpte170m", "bt709")
