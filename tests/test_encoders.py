"""Which ffmpeg, which encoder, and with which numbers; hardware by files that pretend and by real trials."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import pytest
from video_samples import moving, seen, write

from depthflow import processors
from depthflow.errors import FFmpegError, UnknownNameError, UsageError
from depthflow.video import devices, ffmpeg, probing
from depthflow.video.command import Frames, Target, encode_command
from depthflow.video.encoder_table import ENCODERS, FAMILIES
from depthflow.video.encoders import choose_encoder, working_encoders
from depthflow.video.formats import FORMATS
from depthflow.video.probing import EncoderInfo

MP4 = FORMATS["mp4"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPTHFLOW_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "encoders.json"


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every trial that is made; here h264_nvenc works, and everything else fails."""
    made: list[tuple[str, str]] = []

    def trial(name: str, codec: str, path: str, names: frozenset[str]) -> EncoderInfo:
        made.append((name, codec))
        works = name == "h264_nvenc"
        return EncoderInfo(name, codec, True, works, "" if works else "no such device")

    monkeypatch.setattr(probing, "_try", trial)
    return made


def _present(monkeypatch: pytest.MonkeyPatch, *families: str) -> None:
    monkeypatch.setattr(devices, "families_present", lambda: families)


# -- choosing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_has_a_software_encoder_here(name: str) -> None:
    choice = choose_encoder(FORMATS[name], "software")
    assert not choice.hardware
    assert choice.note == ""
    assert choice.codec == FORMATS[name].codec
    assert choice.name in ffmpeg.encoder_names(choice.ffmpeg)


def test_software_and_its_names_try_nothing(trials: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    _present(monkeypatch, "nvenc", "vaapi")
    assert choose_encoder(MP4, "software").name == "libx264"
    assert choose_encoder(MP4, "libx264").name == "libx264"
    assert choose_encoder(MP4, " LibOpenH264 ").name == "libopenh264"
    assert trials == []


def test_auto_tries_nothing_where_no_device_is(trials: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    _present(monkeypatch)
    assert choose_encoder(MP4).name == "libx264"
    assert trials == []


def test_auto_takes_hardware_that_works(trials: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    _present(monkeypatch, "nvenc")
    choice = choose_encoder(MP4, "auto", size=(1920, 1080))
    assert (choice.name, choice.hardware, choice.note) == ("h264_nvenc", True, "")
    assert trials == [("h264_nvenc", "h264")]
    choose_encoder(MP4, "auto")
    assert len(trials) == 1, "it is remembered"


def test_auto_goes_back_to_software_and_says_so(trials: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    _present(monkeypatch, "nvenc")
    choice = choose_encoder(FORMATS["hevc"], "auto")
    assert choice.name == "libx265"
    assert choice.note == "libx265 is used: there is hardware, but it does not encode here (hevc_nvenc: no such device)"
    assert trials == [("hevc_nvenc", "hevc")]
    assert choose_encoder(FORMATS["hevc"], "auto", size=(64, 48)).note == "", "what was not tried has not failed"
    assert choose_encoder(FORMATS["gif"], "auto").note == ""


@pytest.mark.parametrize("size", [(64, 48), (5000, 2000)])
def test_hardware_is_left_alone_where_it_cannot_be_relied_on(
    trials: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    _present(monkeypatch, "nvenc")
    assert choose_encoder(MP4, "auto", size=size).name == "libx264"
    choice = choose_encoder(MP4, "nvenc", size=size)
    assert choice.name == "libx264"
    assert f"not {size[0]}x{size[1]}" in choice.note
    assert trials == []


def test_hardware_that_is_not_there_is_said_so_whatever_the_size(
    trials: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _present(monkeypatch)
    choice = choose_encoder(MP4, "vaapi", size=(64, 48))
    assert choice.note == "libx264 is used instead of vaapi (h264_vaapi: no such device)"
    assert trials == [("h264_vaapi", "h264")]
    choice = choose_encoder(MP4, "nvenc", size=(64, 48))
    assert (choice.name, choice.hardware) == ("libx264", False), "it is there after all, but not for that size"
    assert "not 64x48" in choice.note


def test_what_was_asked_for_and_does_not_work_is_noted(
    trials: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = choose_encoder(MP4, "vaapi")
    assert choice.name == "libx264"
    assert choice.note == "libx264 is used instead of vaapi (h264_vaapi: no such device)"
    choice = choose_encoder(FORMATS["hevc"], "hevc_nvenc")
    assert choice.note == "libx265 is used instead of hevc_nvenc (hevc_nvenc: no such device)"
    choice = choose_encoder(FORMATS["gif"], "nvenc")
    assert (choice.name, choice.note) == ("gif", "gif is used instead of nvenc (no nvenc encoder makes gif)")


def test_transparent_avif_is_made_by_an_encoder_that_takes_grey_pictures() -> None:
    assert choose_encoder(FORMATS["avif"]).name == "libsvtav1"
    assert choose_encoder(FORMATS["avif"], alpha=True).name == "libaom-av1"
    asked = choose_encoder(FORMATS["avif"], "libsvtav1", alpha=True)
    assert asked.name == "libaom-av1"
    assert asked.note == "libaom-av1 is used instead of libsvtav1 (libsvtav1: it keeps no transparency)"
    with pytest.raises(UnknownNameError, match="preset of libaom-av1"):
        ENCODERS[asked.name].speed("12")  # SVT-AV1 has such a one


def test_transparency_is_for_software(trials: list[tuple[str, str]]) -> None:
    choice = choose_encoder(FORMATS["webm"], "auto", alpha=True)
    assert choice.name == "libvpx-vp9"
    assert trials == []


def test_unknown_encoders_get_a_suggestion() -> None:
    with pytest.raises(UnknownNameError) as error:
        choose_encoder(MP4, "lbx264")
    assert "did you mean 'libx264'" in error.value.hint
    assert all(family in error.value.hint for family in FAMILIES)


def test_an_encoder_of_another_codec() -> None:
    with pytest.raises(UsageError, match="libx264 does not make webm files") as error:
        choose_encoder(FORMATS["webm"], "libx264")
    assert "libvpx-vp9" in error.value.hint


@pytest.mark.parametrize("name", ["libopenh264", "libaom-av1"])
def test_the_second_choices_encode_too(tmp_path: Path, name: str) -> None:
    format_ = "mp4" if name == "libopenh264" else "av1"
    facts = write(tmp_path / "clip.mp4", moving(128, 96, 4), format_, encoder=name)
    assert facts.frames == len(seen(tmp_path / "clip.mp4").frames) == 4


# -- trials -----------------------------------------------------------------------------------------------


def test_trials_are_real_and_remembered(own_cache: Path) -> None:
    infos = working_encoders()
    found = {(info.name, info.codec): info for info in infos}
    assert set(found) == {(row.name, codec) for row in ENCODERS.values() for codec in row.codecs}
    assert found["libx264", "h264"].works
    assert found["libx265", "hevc10"].works
    assert all(info.works == (info.reason == "") for info in infos)
    assert all("\n" not in info.reason and len(info.reason) <= 200 for info in infos)
    if not devices.device_nodes() and sys.platform == "linux":
        assert not any(info.works for info in infos if info.hardware)
    assert len(json.loads(own_cache.read_text())["encoders"]) == len(infos)
    start = time.monotonic()
    assert working_encoders() == infos
    assert time.monotonic() - start < 0.05


@pytest.mark.parametrize("damage", ["", "{", '{"key": 1}', "[]", '{"key": "x", "encoders": [{"name": 1}]}'])
def test_a_damaged_memory_is_no_harm(own_cache: Path, trials: list[tuple[str, str]], damage: str) -> None:
    own_cache.parent.mkdir()
    own_cache.write_text(damage)
    assert probing.probe_one("h264_nvenc", "h264", ffmpeg.ffmpeg_path()).works
    assert json.loads(own_cache.read_text())["encoders"][0]["name"] == "h264_nvenc"


def test_a_memory_that_cannot_be_written_is_no_harm(
    tmp_path: Path, trials: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DEPTHFLOW_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert probing.probe_one("h264_nvenc", "h264", ffmpeg.ffmpeg_path()).works


def test_another_device_means_new_trials(trials: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    path = ffmpeg.ffmpeg_path()
    probing.probe_one("h264_nvenc", "h264", path)
    monkeypatch.setattr(probing, "device_nodes", lambda: ["/dev/nvidia0"])
    probing.probe_one("h264_nvenc", "h264", path)
    assert len(trials) == 2


def test_an_encoder_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = _program(tmp_path / "slow", "exec sleep 30")
    monkeypatch.setattr(probing, "TRIAL_SECONDS", 0.3)
    info = probing._try("libx264", "h264", slow, frozenset({"libx264"}))
    assert not info.works
    assert "did not end within 0.3 s" in info.reason


# -- which ffmpeg -----------------------------------------------------------------------------------------


def _program(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


posix = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts stand in for ffmpeg")


@posix
def test_the_order_of_ffmpegs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DEPTHFLOW_FFMPEG", "IMAGEIO_FFMPEG_EXE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(ffmpeg, "_bundled", lambda: "/bundled/ffmpeg")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ffmpeg.ffmpeg_paths() == ["/bundled/ffmpeg"]
    system = _program(tmp_path / "ffmpeg", "exit 0")
    assert ffmpeg.ffmpeg_paths() == [system, "/bundled/ffmpeg"]
    other = _program(tmp_path / "other", "exit 0")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", other)
    assert ffmpeg.ffmpeg_paths() == [other]
    third = _program(tmp_path / "third", "exit 0")
    monkeypatch.setenv("DEPTHFLOW_FFMPEG", third)
    assert ffmpeg.ffmpeg_path() == third
    monkeypatch.setenv("DEPTHFLOW_FFMPEG", str(tmp_path / "none"))
    with pytest.raises(FFmpegError, match=r"DEPTHFLOW_FFMPEG is .*none"):
        ffmpeg.ffmpeg_path()


def test_no_ffmpeg_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DEPTHFLOW_FFMPEG", "IMAGEIO_FFMPEG_EXE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(ffmpeg, "_bundled", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FFmpegError, match="ffmpeg is not installed") as error:
        ffmpeg.ffmpeg_path()
    assert "pip install imageio-ffmpeg" in error.value.hint


def test_the_version_is_read() -> None:
    assert int(ffmpeg.ffmpeg_version(ffmpeg.ffmpeg_path()).split(".")[0]) >= 4


@posix
def test_encoders_that_are_being_listed_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = "Encoders:\\n ------\\n V..... libmine  Mine"
    fake = _program(tmp_path / "fake", f"echo asked >> {tmp_path}/asked; printf '{table}\\n'")
    monkeypatch.setenv("DEPTHFLOW_FFMPEG", fake)
    ffmpeg.warm()
    assert ffmpeg.encoder_names(fake) == {"libmine"}
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "ffmpeg-warm"] or [None]
    if thread is not None:
        thread.join()
    assert (tmp_path / "asked").read_text() == "asked\n"


@posix
def test_an_ffmpeg_that_does_not_run_is_said_by_who_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHFLOW_FFMPEG", str(tmp_path / "none"))
    ffmpeg.warm()
    with pytest.raises(FFmpegError, match="no program"):
        ffmpeg.ffmpeg_path()


@posix
def test_a_program_that_is_no_ffmpeg(tmp_path: Path) -> None:
    fake = _program(tmp_path / "fake", "echo nonsense >&2; exit 3")
    with pytest.raises(FFmpegError, match="does not run: nonsense"):
        ffmpeg.ffmpeg_version(fake)
    with pytest.raises(FFmpegError, match="does not run"):
        ffmpeg.encoder_names(fake)
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(FFmpegError, match="cannot be started"):
        ffmpeg.run_ffmpeg([str(tmp_path / "text"), "-version"])


@posix
def test_a_system_ffmpeg_without_x264_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some distributions build it: the static one that has x264 is used, and nobody need know."""
    poor = _program(tmp_path / "ffmpeg", "echo ' ------'; echo ' V..... gif GIF'")
    real = ffmpeg.ffmpeg_path()
    monkeypatch.setattr(ffmpeg, "ffmpeg_paths", lambda: [poor, real])
    assert choose_encoder(MP4, "software").ffmpeg == real
    assert choose_encoder(FORMATS["gif"]).ffmpeg == poor
    monkeypatch.setattr(ffmpeg, "ffmpeg_paths", lambda: [poor])
    with pytest.raises(FFmpegError, match="no encoder for mp4: this ffmpeg has none of libx264"):
        choose_encoder(MP4)


# -- numbers ----------------------------------------------------------------------------------------------


def test_quality_to_rate_factor() -> None:
    x264 = ENCODERS["libx264"]
    assert [x264.level(q) for q in (0, 25, 50, 75, 100)] == [40, 33, 26, 20, 12]
    assert x264.rate(75, None) == {"crf": "20"}
    assert x264.rate(75, 17) == {"crf": "17"}
    with pytest.raises(UsageError, match="rate factor of 0 to 51, not 60"):
        x264.rate(75, 60)


@pytest.mark.parametrize("name", [row.name for row in ENCODERS.values() if row.knob])
def test_better_quality_never_asks_for_less(name: str) -> None:
    row = ENCODERS[name]
    levels = [row.level(quality) for quality in range(101)]
    assert levels in (sorted(levels), sorted(levels, reverse=True))
    assert len(set(levels)) > 8


def test_better_quality_makes_larger_files(tmp_path: Path) -> None:
    for name in ("mp4", "hevc", "av1", "webm", "webp", "jpg"):
        sizes = []
        for quality in (10, 50, 90):
            format_ = FORMATS[name]
            path = tmp_path / f"{name}{quality}{'' if format_.kind == 'images' else format_.suffix}"
            sizes.append(write(path, moving(128, 96, 4), name, quality=quality).bytes)
        assert sizes[0] < sizes[1] < sizes[2], name


def test_openh264_heeds_the_quality_and_the_rate_factor(tmp_path: Path) -> None:
    def size(**more: int) -> int:
        path = tmp_path / "clip.mp4"
        return write(path, moving(128, 96, 6), encoder="libopenh264", overwrite=True, **more).bytes

    sizes = [size(quality=quality) for quality in (1, 20, 50, 75, 95)]
    assert sorted(set(sizes)) == sizes
    assert size(crf=45) < size(crf=25) < size(crf=0)


def test_presets() -> None:
    assert ENCODERS["libx264"].speed(None) == {"preset": "veryfast"}
    assert ENCODERS["libx264"].speed("slow") == {"preset": "slow"}
    assert ENCODERS["libsvtav1"].speed("10") == {"preset": "10"}
    with pytest.raises(UnknownNameError):
        ENCODERS["libx265"].speed("quick")
    with pytest.raises(UsageError, match="are numbers, not 'slow'"):
        ENCODERS["libsvtav1"].speed("slow")
    with pytest.raises(UsageError, match="gif has no presets"):
        ENCODERS["gif"].speed("slow")


@pytest.mark.parametrize("row", ENCODERS.values(), ids=lambda row: row.name)
def test_every_row_knows_only_options_that_its_encoder_has(row: object) -> None:
    """ffmpeg's own help tells; it needs no device for that."""
    from depthflow.video.encoder_table import Encoder

    assert isinstance(row, Encoder)
    path = ffmpeg.ffmpeg_path()
    if row.name not in ffmpeg.encoder_names(path):
        pytest.skip("this ffmpeg was built without it")
    told = ffmpeg.run_ffmpeg([path, "-hide_banner", "-h", f"encoder={row.name}"], timeout_s=20).stdout
    common = {"q:v", "b:v", "global_quality", "qmin", "qmax", "level", "slices"}
    for option in {row.knob, *row.options, *row.steady, *row.speed(None)} - {"", *common}:
        assert f" -{option} " in told, option


def test_help_and_import_start_no_process(tmp_path: Path) -> None:
    """Importing the package neither looks for ffmpeg nor tries anything, and pulls in no Pillow."""
    script = (
        "import subprocess, sys\n"
        "def no(*a, **k): raise SystemExit('a process was started')\n"
        "subprocess.Popen = no\n"
        "import depthflow.video.encode, depthflow.video.encoders\n"
        "assert 'PIL' not in sys.modules and 'imageio_ffmpeg' not in sys.modules"
    )
    root = Path(__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-c", script], check=True, cwd=root, env={**os.environ})


@pytest.mark.parametrize(
    ("name", "preset", "cores", "threads"),
    [
        ("libx264", "slow", 2, "6"),
        ("libx264", "veryslow", 1, "3"),
        ("libx264", "slow", 8, None),
        ("libx264", "veryfast", 2, None),
        ("libx264", None, 2, None),
        ("libx265", "slow", 2, None),
    ],
)
def test_x264_has_more_threads_where_they_would_idle(
    name: str, preset: str | None, cores: int, threads: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processors, "usable", lambda: cores)
    frames = Frames("yuv420p", 64, 64, Fraction(30), "bt709")
    format_ = FORMATS["hevc" if name == "libx265" else "mp4"]
    target = Target(tmp_path / "a.mp4", ".mp4", format_, ENCODERS[name], preset=preset)
    command = encode_command("ffmpeg", frames, target)
    assert (command[command.index("-threads") + 1] if "-threads" in command else None) == threads


def test_a_container_has_its_share_of_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    told = tmp_path / "cpu.max"
    monkeypatch.setattr(processors, "_QUOTA", told)
    for words, count in (("250000 100000", 2), ("10000 100000", 1), ("max 100000", 16), ("", 16)):
        told.write_text(words)
        assert processors.usable() == count
    told.unlink()
    assert processors.usable() == 16
