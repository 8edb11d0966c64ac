"""Renders that are stopped: by Ctrl-C, by signals, by a kill. Nothing half-made may stay, and no ffmpeg."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from running import COMMAND, LONG, SHORT, environment, listing, pixels, processes_with, wait_until_gone

from depthflow.cli import render
from depthflow.video.ffmpeg import ffmpeg_path

pytestmark = [
    pytest.mark.gl,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

Event = dict[str, Any]


def frames_flow(event: Event) -> bool:
    """Frames have reached ffmpeg."""
    return event.get("stage") == "render" and event["done"] > 0


def all_is_drawn(event: Event) -> bool:
    """Nothing is left to do but for ffmpeg."""
    return event.get("stage") == "publish"


@contextmanager
def running(
    *args: str | Path, cwd: Path, until: Callable[[Event], bool], **env: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The program in the middle of its work: the body runs as soon as it has said what `until` waits for."""
    command = [COMMAND, "render", *map(str, args), "--json"]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=cwd, env=environment(**env), **pipes) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if until(json.loads(line)):
                break
        else:
            assert process.stderr is not None
            pytest.fail(f"it ended too early: {process.stderr.read().decode()}")
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Exit code and standard error, read to its end."""
    _, err = process.communicate(timeout=60)
    return process.returncode, err.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_stops_it_and_nothing_is_left(photo: Path, depth_map: Path, number: signal.Signals) -> None:
    folder = photo.parent
    with running(photo, "-o", "new/long.mp4", "--depth", depth_map, *LONG, cwd=folder, until=frames_flow) as process:
        assert len(processes_with(str(folder / "new"))) == 1, "ffmpeg writes there"
        assert [name for name in listing(folder) if ".part." in name], "into a hidden file"
        process.send_signal(number)
        assert ended(process) == (130, "stopped; nothing half-written is left\n")
    assert list(listing(folder)) == ["photo.png"]
    assert processes_with(str(folder)) == []


def test_impatience_changes_nothing(photo: Path, depth_map: Path) -> None:
    folder = photo.parent
    with running(photo, "-o", "long.mp4", "--depth", depth_map, *LONG, cwd=folder, until=frames_flow) as process:
        for _ in range(3):
            process.send_signal(signal.SIGINT)
        code, err = ended(process)
    assert code == 130
    assert "Traceback" not in err
    assert list(listing(folder)) == ["photo.png"]
    assert processes_with(str(folder)) == []


def test_only_who_asks_again_later_interrupts_a_long_step(monkeypatch: pytest.MonkeyPatch) -> None:
    with render.cancelling() as token:
        signal.raise_signal(signal.SIGINT)
        assert token.cancelled
        signal.raise_signal(signal.SIGINT)
        monkeypatch.setattr(render, "PATIENCE_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_stops_between_stages_too(photo: Path) -> None:
    def depth_begins(event: Event) -> bool:
        return event.get("stage") == "depth"

    with running(photo, "-o", "long.mp4", *LONG, cwd=photo.parent, until=depth_begins) as process:
        process.send_signal(signal.SIGINT)
        assert ended(process) == (130, "stopped; nothing half-written is left\n")
    assert list(listing(photo.parent)) == ["photo.png"]


def test_an_old_file_survives_a_stopped_overwrite(photo: Path, depth_map: Path) -> None:
    old = photo.with_name("long.mp4")
    old.write_text("from yesterday")
    more = ("-o", old, "--overwrite", "--depth", depth_map)
    with running(photo, *more, *LONG, cwd=photo.parent, until=frames_flow) as process:
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 130
    assert old.read_text() == "from yesterday"
    assert sorted(listing(photo.parent)) == ["long.mp4", "photo.png"]


def test_in_a_batch_what_is_done_stays(photo: Path, depth_map: Path) -> None:
    folder = photo.parent
    for name in ("1.png", "2.png", "3.png"):
        shutil.copy(photo, folder / name)
        shutil.copy(depth_map, folder / f"{name}.depth.png")

    def second_flows(event: Event) -> bool:
        return event["photo"] == "2.png" and frames_flow(event)

    options = ("--size", "64x48", "--fps", "30", "--duration", "15")
    with running("1.png", "2.png", "3.png", "-o", "out", *options, cwd=folder, until=second_flows) as process:
        process.send_signal(signal.SIGINT)
        assert ended(process)[0] == 130
    assert list(listing(folder / "out")) == ["1.mp4"]
    assert len(pixels(folder / "out" / "1.mp4")) == 450
    assert processes_with(str(folder)) == []


def test_killed_outright_it_leaves_no_file_of_that_name_and_no_ffmpeg(photo: Path, depth_map: Path) -> None:
    folder = photo.parent
    with running(photo, "-o", "long.mp4", "--depth", depth_map, *LONG, cwd=folder, until=frames_flow) as process:
        ffmpeg = [pid for pid in processes_with(str(folder)) if pid != process.pid]
        assert len(ffmpeg) == 1
        process.kill()
        assert ended(process)[0] == -signal.SIGKILL
    wait_until_gone(str(folder))
    assert not (folder / "long.mp4").exists()
    # Nobody could clear away the hidden file; it is swept when it has grown old.
    assert all(name.startswith(".long.") and ".part." in name for name in listing(folder) if name != "photo.png")


@pytest.mark.parametrize(("clip", "until"), [(SHORT, all_is_drawn), (LONG, frames_flow)], ids=["at the end", "amid"])
def test_an_encoder_that_takes_nothing_holds_nobody_up(
    photo: Path, depth_map: Path, clip: tuple[str, ...], until: Callable[[Event], bool]
) -> None:
    folder = photo.parent
    (folder / "new").mkdir()
    os.mkfifo(folder / "fifo")  # nobody ever writes into it
    script = folder / "ffmpeg"
    script.write_text(f"""#!/bin/sh
case "$*" in *rawvideo*new/*) cat {shlex.quote(str(folder / "fifo"))} ;; esac
exec {shlex.quote(ffmpeg_path())} "$@"
""")
    script.chmod(0o755)
    more = ("-o", "new/clip.mp4", "--depth", depth_map, "--encoder", "libx264", *clip)
    with running(photo, *more, cwd=folder, until=until, DEPTHFLOW_FFMPEG=str(script)) as process:
        process.send_signal(signal.SIGINT)
        assert ended(process) == (130, "stopped; nothing half-written is left\n")
    assert processes_with(str(folder)) == []
    assert list(listing(folder / "new")) == []


def test_when_ffmpeg_is_killed_the_reason_is_told(photo: Path, depth_map: Path) -> None:
    folder = photo.parent
    with running(photo, "-o", "long.mp4", "--depth", depth_map, *LONG, cwd=folder, until=frames_flow) as process:
        (ffmpeg,) = [pid for pid in processes_with(str(folder)) if pid != process.pid]
        os.kill(ffmpeg, signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 4
    error = json.loads(out.splitlines()[-1])
    assert error["event"] == "error"
    assert error["kind"] == "FFmpegError"
    assert error["message"].endswith("long.mp4: ffmpeg was killed by signal 9: it said nothing")
    assert err == b""
    assert list(listing(folder)) == ["photo.png"]
