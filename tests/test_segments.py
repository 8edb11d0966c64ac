"""Videos in pieces: joined without encoding, they are the video that is made in one piece, frame by frame."""

from __future__ import annotations

import wave
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from running import pixels
from video_samples import everything, moving, psnr, seen, write

from depthflow.errors import Cancelled, FFmpegError, InputError, OutputError, UsageError
from depthflow.jobs.pipeline import make
from depthflow.jobs.planning import Piece
from depthflow.jobs.segments import Segment, join_segments, make_segment, places_of, runs
from depthflow.jobs.spec import JobSpec, OutputSpec
from depthflow.progress import CancelToken, Progress
from depthflow.video.encoders import choose_encoder
from depthflow.video.formats import FORMATS
from depthflow.video.join import PieceFile, VideoJoiner

CUTS = ((0, 11), (11, 24), (24, 40))


# -- which frames ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "length", "fps", "lengths"),
    [
        (10.0, 19.9, 30, [597]),
        (10.0, 20.0, 30, [300, 300]),
        (10.0, 35.0, 30, [350, 350, 350]),
        (1.0, 2.5, 7.3, [9, 9]),
        (0.0, 600.0, 30, [18000]),
    ],
)
def test_pieces_are_about_equal_and_none_is_shorter_than_asked(
    seconds: float, length: float, fps: float, lengths: list[int]
) -> None:
    found = runs(OutputSpec(path="a.mp4", duration=length, fps=fps), seconds)
    assert [len(run) for run in found] == lengths
    assert [number for run in found for number in run] == list(range(sum(lengths)))


@pytest.mark.parametrize(
    "output",
    [
        {"path": "a.gif"},
        {"path": "a.webp"},
        {"path": "a.apng"},
        {"path": "a.avif"},
        {"format": "png"},
        {"path": "a.jpg", "poster": 1.0},
        {"path": "a.mp4", "target_bytes": 10**6},
        {"path": "a.mp4", "bitrate": 10**6},
    ],
)
def test_what_holds_together_is_not_cut(output: dict[str, Any]) -> None:
    assert len(runs(OutputSpec(**{"duration": 100.0, **output}), 1.0)) == 1


# -- joining ---------------------------------------------------------------------------------------------------------


def joiner(path: Path, pieces: list[PieceFile], name: str = "mp4", *, alpha: bool = False, **more: Any) -> VideoJoiner:
    encoder = choose_encoder(FORMATS[name], "software", alpha=alpha)
    given = {"width": 64, "height": 48, "fps": 30, **more}
    return VideoJoiner(path, pieces, format=FORMATS[name], encoder=encoder, **given)


def pieces_of(folder: Path, frames: list[Any], suffix: str, name: str, **more: Any) -> list[PieceFile]:
    (folder / "pieces").mkdir(parents=True)
    made = []
    for first, last in CUTS:
        made.append(PieceFile(folder / "pieces" / f"0-{first:05d}{suffix}", last - first))
        write(made[-1].path, frames[first:last], name, **more)
    return made


def clock(path: Path) -> list[tuple[Fraction, Fraction | None]]:
    """Presentation and decoding time of every packet."""
    with av.open(str(path)) as container:
        found = []
        for packet in container.demux(video=0):
            if packet.size and packet.pts is not None and packet.time_base is not None:
                dts = None if packet.dts is None else packet.dts * packet.time_base
                found.append((packet.pts * packet.time_base, dts))
        return found


@pytest.mark.parametrize(
    ("name", "suffix", "alpha"),
    [
        ("mp4", ".mp4", False),
        ("mp4", ".mkv", False),
        ("hevc", ".mp4", False),
        ("hevc10", ".mov", False),
        ("av1", ".mp4", False),
        ("webm", ".webm", True),
        ("prores4444", ".mov", True),
        ("ffv1", ".mkv", True),
    ],
)
def test_joined_pieces_are_the_video(tmp_path: Path, name: str, suffix: str, alpha: bool) -> None:
    frames: list[Any] = moving(64, 48, CUTS[-1][1])
    if alpha:
        frames = [np.dstack([frame, frame[::-1, :, 0]]) for frame in frames]
    more: dict[str, Any] = {"fps": 23.976, "quality": 95, "pixel_format": "rgba" if alpha else "rgb24"}
    one, joined = tmp_path / f"one{suffix}", tmp_path / f"joined{suffix}"
    write(one, frames, name, **more)
    facts = joiner(joined, pieces_of(tmp_path, frames, suffix, name, **more), name, alpha=alpha, fps=23.976).close()
    assert facts.frames == len(frames)
    decoder = "libvpx-vp9" if name == "webm" else None
    whole, put_together = seen(one, decoder), seen(joined, decoder)
    assert (put_together.codec, put_together.tag, put_together.pixel_format) == (
        whole.codec, whole.tag, whole.pixel_format
    )  # fmt: skip
    assert put_together.tags == whole.tags
    assert put_together.rate == whole.rate
    if alpha:
        assert "a" in put_together.pixel_format
    for expected, found in zip(whole.frames, put_together.frames, strict=True):
        assert psnr(found.to_ndarray(format="rgb24"), expected.to_ndarray(format="rgb24")) > 30
    # No frame is another's: neighbours differ by far more than their coding does.
    for (number, found), original in zip(enumerate(put_together.frames), frames, strict=True):
        nearest = [psnr(found.to_ndarray(format="rgb24"), frames[n][..., :3]) for n in range(len(frames))]
        assert int(np.argmax(nearest)) == number, original.shape
    shown, wanted = (sorted(pts for pts, _ in clock(path)) for path in (joined, one))
    # A Matroska clock counts milliseconds, and half of one may be rounded either way.
    assert max(abs(a - b) for a, b in zip(shown, wanted, strict=True)) <= Fraction(1, 1000)
    decoded = [dts for _, dts in clock(joined) if dts is not None]
    assert all(a < b for a, b in pairwise(decoded)), "decoding times rise"


def test_pieces_that_do_not_fit_leave_nothing(tmp_path: Path) -> None:
    pieces = pieces_of(tmp_path, moving(64, 48, CUTS[-1][1]), ".mp4", "mp4")
    before = everything(tmp_path)
    with pytest.raises(FFmpegError, match="holds 40 frames, and 41"):
        joiner(tmp_path / "a.mp4", [*pieces[:2], PieceFile(pieces[2].path, 17)]).close()
    data = pieces[1].path.read_bytes()
    pieces[1].path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(FFmpegError):
        joiner(tmp_path / "a.mp4", pieces).close()
    pieces[1].path.unlink()
    with pytest.raises(FFmpegError, match=r"a\.mp4: "):
        joiner(tmp_path / "a.mp4", pieces).close()
    assert set(before) - set(everything(tmp_path)) == {"pieces/0-00011.mp4"}
    assert set(everything(tmp_path)) <= set(before)


# -- jobs ------------------------------------------------------------------------------------------------------------


def job(photo: Path, depth_map: Path, path: Path, **parts: Any) -> JobSpec:
    output = {"path": str(path), "size": "64x48", "fps": 8, "duration": 1.5, **parts.pop("output", {})}
    return JobSpec.parse({"photo": str(photo), "depth": {"file": str(depth_map)}, "outputs": [output], **parts})


def made_in_pieces(spec: JobSpec, folder: Path, seconds: float = 0.5) -> list[Segment]:
    folder.mkdir()
    (output,) = spec.outputs
    segments = []
    for run in runs(output, seconds):
        files = tuple(folder / f"{n}-{run.start:03d}{p.suffix}" for n, p in enumerate(places_of(spec, output)))
        segments.append(make_segment(spec, Piece(run, files))[0])
    return segments


@pytest.mark.gl
def test_a_job_in_pieces_is_the_job_in_one(photo: Path, depth_map: Path, tmp_path: Path) -> None:
    parts: dict[str, Any] = {
        "output": {"format": "ffv1", "loops": 2},
        "motion": {"name": "orbital"},
        "effects": {"grain": {"strength": 0.3}, "fade": {"begin": 0.5, "end": 0.5}, "particles": {"amount": 0.5}},
    }
    one, cut = tmp_path / "one.mkv", tmp_path / "cut.mkv"
    make(job(photo, depth_map, one, **parts))
    spec = job(photo, depth_map, cut, **parts)
    segments = made_in_pieces(spec, tmp_path / "work")
    assert [segment.frames for segment in segments] == [4, 4, 4, 4, 4, 4]
    (made,) = join_segments(spec, segments[::-1]).outputs
    assert (made.frames, made.width, made.height, made.format) == (24, 64, 48, "ffv1")
    assert made.bytes == cut.stat().st_size
    # Without loss: what is drawn in a piece is what is drawn in the whole.
    assert np.array_equal(pixels(cut), pixels(one))
    assert "orbital" in seen(cut).metadata["COMMENT"]


@pytest.mark.gl
def test_sound_is_laid_once_under_the_whole(photo: Path, depth_map: Path, tmp_path: Path) -> None:
    sound = tmp_path / "tone.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((10000 * np.sin(np.arange(8000 * 3) / 3)).astype("<i2").tobytes())
    spec = job(photo, depth_map, tmp_path / "a.mp4", audio=str(sound))
    with pytest.raises(InputError, match="no such sound file"):
        make_segment(spec.model_copy(update={"audio": "gone.wav"}), Piece(range(4), (tmp_path / "b.mp4",)))
    segments = made_in_pieces(spec, tmp_path / "work")
    assert [seen(segment.files[0]).audio_seconds for segment in segments] == [None] * 3

    def look(progress: Progress) -> None:
        named.append((tmp_path / "a.mp4").exists())
        read.append([seen(file).audio_seconds for file in tmp_path.glob(".a.*.part.mp4") if file.stat().st_size])

    named: list[bool] = []
    read: list[list[float | None]] = []
    join_segments(spec, segments, report=look)
    # Who compares the sound with what was queued does so when nothing has been read, and when all has.
    assert named == [False, False, True, True]
    assert read == [[], [pytest.approx(1.5, abs=0.06)], [], []]
    result = seen(tmp_path / "a.mp4")
    assert result.audio_seconds == pytest.approx(1.5, abs=0.06)
    assert len(result.frames) == 12


@pytest.mark.gl
def test_a_pair_of_files_is_joined_and_published_together(photo: Path, depth_map: Path, tmp_path: Path) -> None:
    spec = job(photo, depth_map, tmp_path / "a.mp4", output={"view": {"mode": "pair"}})
    segments = made_in_pieces(spec, tmp_path / "work")
    made = join_segments(spec, segments).outputs
    assert len({file.path for file in made}) == 2
    assert [pixels(file.path).shape for file in made] == [(12, 48, 64, 3)] * 2
    left, right = (pixels(file.path)[0] for file in made)
    assert psnr(left, right) < 40, "two views"


@pytest.mark.gl
def test_what_is_not_the_whole_video_is_refused(photo: Path, depth_map: Path, tmp_path: Path) -> None:
    spec = job(photo, depth_map, tmp_path / "a.mp4")
    segments = made_in_pieces(spec, tmp_path / "work")
    with pytest.raises(OutputError, match="frames 4 to 7 of the video are missing"):
        join_segments(spec, [segments[0], segments[2]])
    with pytest.raises(OutputError, match="hold 8 frames, and the video has 12"):
        join_segments(spec, segments[:2])
    other = Segment(**{**{name: getattr(segments[2], name) for name in Segment.__slots__}, "encoder": "h264_nvenc"})
    with pytest.raises(UsageError, match="in different ways: h264_nvenc, libx264"):
        join_segments(spec, [*segments[:2], other])
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        join_segments(spec, segments, cancel=token)
    assert not (tmp_path / "a.mp4").exists()
    (tmp_path / "a.mp4").write_text("somebody's")
    with pytest.raises(OutputError, match="is there already"):
        join_segments(spec, segments)
    assert [name for name in everything(tmp_path) if name.startswith(".")] == []
