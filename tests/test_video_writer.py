"""VideoWriter: a finished file or nothing, whatever happens; H.264 for the example."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_samples import alive, everything, moving, seen, write

from depthflow.errors import Cancelled, FFmpegError, OutputError, UnknownNameError, UsageError
from depthflow.video import workfile
from depthflow.video.encode import VideoWriter, close_together
from depthflow.video.encoder_table import ENCODERS
from depthflow.video.encoders import choose_encoder
from depthflow.video.formats import FORMATS
from depthflow.video.pipe import FramePipe

MP4, PNG = FORMATS["mp4"], FORMATS["png"]


def writer(path: Path, **more: Any) -> VideoWriter:
    options = {"width": 64, "height": 48, "fps": 30, "format": MP4, "encoder": choose_encoder(MP4, "software")}
    return VideoWriter(path, **{**options, **more})


def fill(target: VideoWriter, count: int = 5) -> None:
    for frame in moving(64, 48, count):
        target.write(frame)


# -- the way it should go ---------------------------------------------------------------------------------


def test_a_closed_writer_leaves_one_whole_file(tmp_path: Path) -> None:
    facts = write(tmp_path / "clip.mp4", moving(64, 48, 12))
    assert everything(tmp_path) == ["clip.mp4"]
    assert (facts.frames, facts.width, facts.height, facts.fps) == (12, 64, 48, 30.0)
    assert facts.path == tmp_path / "clip.mp4"
    assert facts.bytes == (tmp_path / "clip.mp4").stat().st_size
    assert len(seen(tmp_path / "clip.mp4").frames) == 12


def test_leaving_the_block_closes(tmp_path: Path) -> None:
    with writer(tmp_path / "clip.mp4") as target:
        fill(target)
        assert not (tmp_path / "clip.mp4").exists(), "nothing has the final name before the end"
    assert everything(tmp_path) == ["clip.mp4"]
    assert target.close().frames == 5, "closing again gives the facts again"


def test_the_index_is_in_front_for_the_web(tmp_path: Path) -> None:
    write(tmp_path / "clip.mp4", moving(64, 48, 5))
    data = (tmp_path / "clip.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("kind", ["array", "strided", "bytes", "view"])
def test_frames_come_in_many_wrappings(tmp_path: Path, kind: str) -> None:
    frame = moving(64, 48, 1)[0]
    given: Any = {
        "array": frame,
        "strided": np.ascontiguousarray(frame[::-1])[::-1],
        "bytes": frame.tobytes(),
        "view": frame.data,
    }[kind]
    with writer(tmp_path / "clip.mkv", format=FORMATS["ffv1"], encoder=choose_encoder(FORMATS["ffv1"])) as target:
        target.write(given)
    back = seen(tmp_path / "clip.mkv").frames[0].to_ndarray(format="rgb24")
    np.testing.assert_array_equal(back, frame)


def test_missing_folders_are_made_and_odd_names_survive(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a: 100% [b] 'c' – ü.mp4"
    write(path, moving(64, 48, 3))
    assert path.is_file()
    long = tmp_path / ("ü" * 120 + ".mp4")
    write(long, moving(64, 48, 3))
    assert long.is_file()


def test_two_writers_in_one_folder(tmp_path: Path) -> None:
    one, two = writer(tmp_path / "one.mp4"), writer(tmp_path / "two.mp4")
    for frame in moving(64, 48, 6):
        one.write(frame)
        two.write(frame)
    assert (one.close().frames, two.close().frames) == (6, 6)
    assert everything(tmp_path) == ["one.mp4", "two.mp4"]


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("-clip.mp4"), moving(64, 48, 3))
    assert everything(tmp_path) == ["-clip.mp4"]


# -- several files that belong together -------------------------------------------------------------------


def test_two_files_get_their_names_together(tmp_path: Path) -> None:
    pair = [writer(tmp_path / name) for name in ("left.mp4", "right.mp4")]
    for target in pair:
        fill(target)
    pair[0].finish()
    assert not (tmp_path / "left.mp4").exists()
    facts = close_together(pair)
    assert [fact.path.name for fact in facts] == everything(tmp_path) == ["left.mp4", "right.mp4"]
    assert [fact.frames for fact in facts] == [5, 5]


@pytest.mark.parametrize("trouble", ["missing frames", "a taken name"])
def test_if_one_of_two_fails_neither_is_there(tmp_path: Path, trouble: str) -> None:
    pair = [writer(tmp_path / name) for name in ("left.mp4", "right.mp4")]
    fill(pair[0])
    fill(pair[1], 5 if trouble == "a taken name" else 0)
    if trouble == "a taken name":
        (tmp_path / "right.mp4").write_text("somebody was faster")
    with pytest.raises(OutputError, match=r"right\.mp4"):
        close_together(pair)
    assert everything(tmp_path) == (["right.mp4"] if trouble == "a taken name" else [])
    with pytest.raises(ValueError, match="closed"):
        pair[0].close()


def test_image_sequences_side_by_side_in_one_folder(tmp_path: Path) -> None:
    pair = [
        writer(tmp_path / f"view_%03d_{side}.png", format=PNG, encoder=choose_encoder(PNG, "auto"))
        for side in ("left", "right")
    ]
    for target in pair:
        fill(target, 2)
    close_together(pair)
    names = ["view_001_left.png", "view_001_right.png", "view_002_left.png", "view_002_right.png"]
    assert everything(tmp_path) == names


# -- what is refused --------------------------------------------------------------------------------------


def test_what_is_there_stays_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("precious")
    with pytest.raises(OutputError, match="is there already") as error:
        writer(path)
    assert "--overwrite" in error.value.hint
    assert path.read_text() == "precious"
    write(path, moving(64, 48, 3), overwrite=True)
    assert len(seen(path).frames) == 3


def test_what_appears_meanwhile_stays_too(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    target = writer(path)
    fill(target)
    path.write_text("somebody was faster")
    with pytest.raises(OutputError, match="is there already"):
        target.close()
    assert path.read_text() == "somebody was faster"
    assert everything(tmp_path) == ["clip.mp4"]


def test_a_failed_overwrite_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), writer(path, overwrite=True) as target:
        fill(target, 5 // 0)
    assert path.read_text() == "old"
    assert everything(tmp_path) == ["clip.mp4"]


def test_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        writer(tmp_path / "clip.mp4", overwrite=True)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"clip\.mp4: part of the path is a file"):
        writer(tmp_path / "file" / "clip.mp4")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that refuses even root")
def test_a_folder_that_cannot_be_written() -> None:
    with pytest.raises(OutputError, match=r"^/proc/self/clip\.mp4: "):
        writer(Path("/proc/self/clip.mp4"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="no permission"):
            writer(tmp_path / "clip.mp4")
    finally:
        tmp_path.chmod(0o700)


def test_requests_that_cannot_be_met_make_no_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with pytest.raises(UsageError, match="no transparency"):
        writer(path, pixel_format="rgba")
    with pytest.raises(UsageError, match="even width and height: 65x48 becomes 64x48"):
        writer(path, width=65)
    with pytest.raises(UnknownNameError) as error:
        writer(path, preset="veryfats")
    assert "did you mean 'veryfast'" in error.value.hint
    with pytest.raises(UsageError, match="rate factor of 0 to 51, not 63"):
        writer(path, crf=63)
    with pytest.raises(UsageError, match="no place for the text 'colour'"):
        writer(path, metadata={"colour": "red"})
    with pytest.raises(UsageError, match="libx264 makes h264, and webm needs vp9"):
        writer(path.with_suffix(".webm"), format=FORMATS["webm"])
    assert everything(tmp_path) == []


def test_frames_of_another_size_or_kind(tmp_path: Path) -> None:
    target = writer(tmp_path / "clip.mp4")
    for wrong in (
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((64, 48, 3), np.uint8),
        np.zeros((48, 64, 3), np.float32),
        b"short",
    ):
        with pytest.raises(ValueError, match="a frame"):
            target.write(wrong)  # type: ignore[arg-type]
    fill(target)
    assert target.close().frames == 5, "a refused frame does no harm"


def test_too_few_and_too_many_frames(tmp_path: Path) -> None:
    target = writer(tmp_path / "clip.mp4", frames=5)
    fill(target, 4)
    with pytest.raises(OutputError, match="4 frames were written, 5 expected"):
        target.close()
    with writer(tmp_path / "other.mp4", frames=5) as target:
        fill(target, 5)
        with pytest.raises(ValueError, match="all 5 frames"):
            fill(target, 1)
    with pytest.raises(OutputError, match="0 frames"), writer(tmp_path / "none.mp4"):
        pass
    assert everything(tmp_path) == ["other.mp4"]


def test_a_closed_writer_takes_nothing(tmp_path: Path) -> None:
    target = writer(tmp_path / "clip.mp4")
    fill(target)
    target.close()
    with pytest.raises(ValueError, match="closed"):
        fill(target)
    target.abort()
    assert everything(tmp_path) == ["clip.mp4"], "abort after close does nothing"


# -- the way it should not go -----------------------------------------------------------------------------


def test_abort_leaves_nothing(tmp_path: Path) -> None:
    target = writer(tmp_path / "new" / "clip.mp4")
    fill(target, 20)
    pid = target.pid
    assert pid is not None
    assert alive(pid)
    target.abort()
    target.abort()
    assert not alive(pid)
    assert everything(tmp_path) == [], "not even the folder that was made for it"
    assert target.pid is None
    with pytest.raises(ValueError, match="closed"):
        target.close()


def test_an_exception_in_the_block_leaves_nothing(tmp_path: Path) -> None:
    target = writer(tmp_path / "clip.mp4")
    pid = target.pid

    def interrupted() -> None:
        with target:
            fill(target)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert pid is not None
    assert not alive(pid)
    assert everything(tmp_path) == []


def test_a_forgotten_writer_cleans_up(tmp_path: Path) -> None:
    target = writer(tmp_path / "clip.mp4")
    fill(target)
    pid = target.pid
    del target
    gc.collect()
    assert pid is not None
    assert not alive(pid)
    assert everything(tmp_path) == []


def test_abort_from_another_thread_ends_a_waiting_write(tmp_path: Path) -> None:
    # 4000x3000 noise at veryslow: the encoder is far slower than the writer, so a write is surely waiting.
    target = writer(tmp_path / "clip.mp4", width=2000, height=1500, preset="veryslow")
    frame = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), np.uint8)
    raised: list[BaseException] = []

    def feed() -> None:
        try:
            while True:
                target.write(frame)
        except (FFmpegError, ValueError) as error:
            raised.append(error)

    thread = threading.Thread(target=feed)
    thread.start()
    time.sleep(0.5)
    target.abort()
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert raised
    assert everything(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="pipes cannot be waited for there")
def test_waiting_for_an_encoder_can_be_given_up() -> None:
    stalled = [sys.executable, "-c", "import signal; signal.pause()"]
    for work in (lambda pipe: pipe.write(memoryview(bytes(1 << 23))), lambda pipe: pipe.finish()):
        calls: list[None] = []

        def poll(calls: list[None] = calls) -> None:
            calls.append(None)
            if len(calls) == 2:
                raise Cancelled("stopped")

        pipe = FramePipe(stalled, poll)
        with pytest.raises(Cancelled):
            work(pipe)
        pipe.kill()
        assert not alive(pipe.pid)


def test_a_write_that_is_given_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: object, __: memoryview) -> None:
        raise Cancelled("stopped")

    target = writer(tmp_path / "clip.mp4")
    monkeypatch.setattr(FramePipe, "write", stop)
    with pytest.raises(Cancelled):
        fill(target, 1)
    assert everything(tmp_path) == []


def test_an_encoder_that_dies_is_reported_with_its_end(tmp_path: Path) -> None:
    target = writer(tmp_path / "clip.mp4")
    fill(target)
    pid = target.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(FFmpegError, match=r"clip\.mp4: ffmpeg was killed by signal 9"):
        fill(target, 5000)
    assert not alive(pid)
    assert everything(tmp_path) == []


def test_an_encoder_that_dies_before_the_end_is_noticed_by_close(tmp_path: Path) -> None:
    target = writer(tmp_path / "clip.mp4")
    fill(target)
    assert target.pid is not None
    os.kill(target.pid, signal.SIGKILL)
    with pytest.raises(FFmpegError, match="killed by signal 9"):
        target.close()
    assert everything(tmp_path) == []


def test_an_encoder_that_stops_early_but_politely_is_noticed(tmp_path: Path) -> None:
    """SIGTERM makes ffmpeg finish a valid, shorter file; only its frame count tells."""
    target = writer(tmp_path / "clip.mp4")
    fill(target, 30)
    assert target.pid is not None
    time.sleep(0.5)
    os.kill(target.pid, signal.SIGTERM)
    with pytest.raises(FFmpegError):
        target.close()
    assert everything(tmp_path) == []


@pytest.mark.parametrize("verify", ["auto", "decode", "count"])
def test_a_shorter_file_is_never_published(tmp_path: Path, verify: str) -> None:
    target = writer(tmp_path / "clip.mp4", verify=verify)
    fill(target, 10)
    target.written = 11
    with pytest.raises(FFmpegError, match="holds 10 frames, and 11 were written"):
        target.close()
    assert everything(tmp_path) == []


def test_the_log_is_in_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = replace(ENCODERS["libx264"], options={"profile:v": "nonsense"})
    monkeypatch.setitem(ENCODERS, "libx264", odd)
    target = writer(tmp_path / "clip.mp4")
    with pytest.raises(FFmpegError, match="nonsense") as error, target:
        fill(target, 500)
    assert "clip.mp4" in str(error.value)
    assert everything(tmp_path) == []


@pytest.mark.parametrize("name", ["mp4", "webm", "ffv1", "gif", "webp", "png"])
def test_a_full_disk_is_said_so(tiny_disk: Path, name: str) -> None:
    format_ = FORMATS[name]
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    path = tiny_disk / "clip" if format_.kind == "images" else tiny_disk / f"clip{format_.suffix}"

    def make() -> None:
        encoder = choose_encoder(format_, "software")
        with writer(path, width=320, height=240, format=format_, encoder=encoder, quality=100) as target:
            for index in range(40):
                target.write(np.roll(noise, index * 7, axis=1))

    with pytest.raises(OutputError, match=r"clip.*the disk is full") as error:
        make()
    assert "free some space" in error.value.hint
    assert everything(tiny_disk) == []


@pytest.mark.parametrize(("verify", "place"), [("decode", 0.7), ("decode", 0.15), ("auto", 0.15)])
def test_damage_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verify: str, place: float) -> None:
    """As a driver might do: the right number of packets, and rubbish in one of them.

    Where packets are counted only the first frames are decoded.
    """
    real = FramePipe.finish

    def spoiled(pipe: FramePipe) -> None:
        real(pipe)
        (work,) = tmp_path.iterdir()
        data = bytearray(work.read_bytes())
        start = data.index(b"mdat")
        middle = start + round((len(data) - start) * place)
        data[middle : middle + 400] = bytes(400)
        work.write_bytes(data)

    monkeypatch.setattr(FramePipe, "finish", spoiled)
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    target = writer(tmp_path / "clip.mp4", verify=verify)
    for index in range(10):
        target.write(np.roll(noise, index, 0))
    with pytest.raises(FFmpegError, match="cannot be read back"):
        target.close()
    assert everything(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no sessions of this kind")
def test_control_c_in_the_terminal_does_not_reach_ffmpeg(tmp_path: Path) -> None:
    target = writer(tmp_path / "clip.mp4")
    assert target.pid is not None
    assert os.getsid(target.pid) != os.getsid(0)
    target.abort()


# -- work files of the dead -------------------------------------------------------------------------------


def _age(file: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(file, (then, then))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot tell whether a process lives")
def test_work_files_of_dead_processes_are_swept(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = workfile._host()
    names = {
        "dead": f".clip.{host}-{gone.pid}-0a0b0c0d.part.mp4",
        "fresh": f".clip.{host}-{gone.pid}-1a0b0c0d.part.mp4",
        "ours": f".clip.{host}-{os.getpid()}-0a0b0c0d.part.mp4",
        "elsewhere": f".clip.00000000-{gone.pid}-0a0b0c0d.part.mp4",
        "user's": ".clip.part.mp4",
    }
    for name in names.values():
        (tmp_path / name).write_text("")
    for who in ("dead", "ours", "elsewhere", "user's"):
        _age(tmp_path / names[who], workfile.STALE_SECONDS + 60)
    folder = tmp_path / f".frames.{host}-{gone.pid}-0a0b0c0d.part"
    folder.mkdir()
    (folder / "frame_00001.png").write_text("")
    _age(folder, workfile.STALE_SECONDS + 60)
    write(tmp_path / "clip.mp4", moving(64, 48, 2))
    left = sorted([names["fresh"], names["ours"], names["elsewhere"], names["user's"], "clip.mp4"])
    assert everything(tmp_path) == left


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_ffmpeg_ends_when_we_are_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from test_video_writer import writer, fill\n"
        f"target = writer(Path({str(tmp_path / 'clip.mp4')!r})); fill(target, 10)\n"
        "print(target.pid, flush=True); time.sleep(60)"
    )
    here = Path(__file__).resolve().parent
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=here) as ours:
        assert ours.stdout is not None
        pid = int(ours.stdout.readline())
        assert alive(pid)
        ours.kill()
        ours.wait()
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)
    assert not (tmp_path / "clip.mp4").exists()


def test_a_process_that_ends_without_closing_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from test_video_writer import writer, fill\n"
        f"target = writer(Path({str(tmp_path / 'clip.mp4')!r})); fill(target, 10)"
    )
    here = Path(__file__).resolve().parent
    subprocess.run([sys.executable, "-c", script], check=True, cwd=here)
    assert everything(tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_thirty_clips_leak_no_files_and_no_threads(tmp_path: Path) -> None:
    def count() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    write(tmp_path / "warm.mp4", moving(64, 48, 2))
    before = count()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        for index in range(15):
            write(tmp_path / f"{index}.mp4", moving(64, 48, 2), verify="count")
            target = writer(tmp_path / "aborted.mp4")
            fill(target, 2)
            target.abort()
    gc.collect()
    assert count() == before
