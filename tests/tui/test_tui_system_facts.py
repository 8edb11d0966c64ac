"""What the System and Models screens show, as plain data, and the processes that they run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fakes import some_jobs, system
from system_data import LOG, REPORT
from test_models_pull import COMMIT, Hub, here, hub, network, parts, place  # noqa: F401

from depthflow.client.models import Model
from depthflow.errors import Cancelled, DownloadError, SystemError_
from depthflow.progress import CancelToken
from depthflow.settings import KEYS, load_settings, set_value
from depthflow.tui import commands, model_list
from depthflow.tui.commands import Result
from depthflow.tui.model_list import Fetched, Speed
from depthflow.tui.system import doctor, entries, overview
from depthflow.tui.system.log_lines import LogBook
from depthflow.tui.units import bar, size, span


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "?"), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_700_000, "9.7 MB"), (99_960_000, "100.0 MB"),
     (389e6, "389 MB"), (80e9, "80.0 GB"), (2.5e12, "2.5 TB")],
)  # fmt: skip
def test_sizes(count: float | None, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7200, "2 h"), (90061, "1 d 1 h")]
)
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_bar_is_as_long_as_it_is_said_to_be() -> None:
    for share in (-1, 0, 0.01, 0.33, 0.5, 0.999, 1, 2):
        assert len(bar(share, 10)) == 10
    assert (bar(0, 4), bar(0.5, 4), bar(1, 4), bar(0.53125, 4)) == ("░░░░", "██░░", "████", "██▏░")


def test_the_daemon_in_rows() -> None:
    now = system(some_jobs(), renderer="Mesa", disk_free_bytes=5_000_000_000, paused=True, encoders=["png"])
    rows = dict(overview.daemon_rows(now, "/run/s", private=True))
    assert (rows["state"], rows["up"], rows["address"]) == ("paused", "2 h", "/run/s")
    assert "ends with this window" in rows["process"]
    rows = dict(overview.machine_rows(now))
    assert (rows["renderer"], rows["disk free"], rows["encoders"]) == ("Mesa", "5.0 GB", "png")
    assert rows["workers"] == "1, 1 busy, 512 MB"
    assert dict(overview.job_rows(now))["failed"] == 1
    assert overview.state(system(draining=True, paused=True)) == "draining"
    assert dict(overview.machine_rows(system(workers=[])))["renderer"] == overview.NOT_YET


def test_the_doctors_findings_are_told_as_they_are() -> None:
    python, onnx, ffmpeg = doctor.findings(REPORT)
    assert (python.summary, python.status) == ("3.12.1, 64", "ok")
    assert onnx.summary == "ONNX Runtime is not installed"
    assert onnx.facts == (("packages", "none"), ("version", "unknown"))
    assert ffmpeg.mend == "pip install imageio-ffmpeg"
    found = doctor.encoders(REPORT)
    assert [(e.name, e.kind, e.works) for e in found[:2]] == [
        ("h264_nvenc", "hardware", True),
        ("libx264", "software", True),
    ]
    assert (found[-1].name, found[-1].works, found[-1].why) == ("hevc_nvenc", False, "No capable devices found")
    assert doctor.ffmpeg_line(REPORT).startswith("ffmpeg 7.1 (system)")
    assert (doctor.findings({}), doctor.encoders({}), doctor.ffmpeg_line({})) == ([], [], "")


def test_log_lines_of_both_formats_are_read_and_filtered() -> None:
    book = LogBook()
    lines = [book.put(text) for text in LOG]
    assert [line.level for line in lines] == ["info", "debug", "warning", "error", "error", "info"]
    assert lines[2].text.startswith("photos/[x].jpg")
    assert (lines[5].at, lines[5].text) == ("2026-11-26 11:59:30", "job 2 is done")
    book.level = "warning"
    assert book.shown() == lines[2:5]
    book.level, book.wanted = "debug", "JOB"
    assert book.shown() == [lines[3], lines[5]]
    assert book.put("{ not json").text == "{ not json"
    small = LogBook(kept=3)
    for text in LOG:
        small.put(text)
    assert len(small) == 3


# -- settings ------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", str(tmp_path))
    return tmp_path / "depthflow.toml"


def test_every_setting_has_a_row_with_its_origin(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.write_text("[output]\nfps = 60\n", encoding="utf-8")
    monkeypatch.setenv("DEPTHFLOW_OUTPUT_SIZE", "720p")
    rows = {entry.key: entry for entry in entries.read_entries()}
    assert tuple(rows) == KEYS
    fps, side = rows["output.fps"], rows["output.size"]
    assert (fps.value, fps.default, fps.origin, fps.changed) == ("60.0", "30.0", "file", True)
    assert (side.value, side.origin) == ('"720p"', "DEPTHFLOW_OUTPUT_SIZE")
    assert entries.overruled("output.size") == "DEPTHFLOW_OUTPUT_SIZE"
    assert entries.overruled("output.fps") == ""
    assert not rows["motion.name"].changed
    assert all(row.text for row in rows.values())
    assert rows["output.fps"].allowed == "a number above 0 to 480"
    assert rows["output.fit"].allowed == "crop, pad, fit, fill"
    assert rows["render.gl_device"].allowed == "auto or a whole number from 0 to 31"
    assert rows["output.overwrite"].allowed == "true or false"


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [("output.fps", "60", ""), ("output.fps", "999", "480"), ("output.fps", "many", "number"),
     ("output.fit", "corp", "did you mean 'crop'"), ("output.overwrite", "perhaps", "bool"),
     ("output.size", "720p", ""), ("output.size", "wide", "size"), ("output.encoder_preset", "8", ""),
     ("camera.focus", "", "number"), ("output.size", '"720p"\nfps = 3', "size")],
)  # fmt: skip
def test_what_is_typed_is_judged_at_once(key: str, text: str, words: str, settings: Path) -> None:
    problem = entries.wrong(key, text)
    assert bool(problem) == bool(words)
    assert words in problem
    assert not settings.exists(), "to look is not to write"


def test_what_is_offered_for_editing_is_understood_again(settings: Path) -> None:
    for entry_ in entries.read_entries():
        set_value(entry_.key, entries.as_typed(entry_.value))
        assert load_settings().value(entry_.key) == load_settings(user_file=Path("/dev/null")).value(entry_.key)


def test_settings_are_found_by_words(settings: Path) -> None:
    rows = entries.read_entries()
    assert [row.key for row in entries.matching(rows, "FRAMES second")] == ["output.fps"]
    assert entries.matching(rows, "") == rows
    assert entries.matching(rows, "no such thing") == []


# -- networks ------------------------------------------------------------------------------------------------------


def test_speed_is_that_of_the_last_seconds() -> None:
    now = 0.0
    speed = Speed(lambda: now)
    assert speed.at("a", 0) == 0.0
    for step in range(1, 11):
        now = float(step)
        fast = speed.at("a", step * 100)
    assert fast == pytest.approx(100.0)
    now = 11.0
    assert speed.at("a", 5000) == pytest.approx((5000 - 800) / 3)
    assert speed.at("b", 10) == 0.0, "another file begins anew"


def test_how_far_a_download_is() -> None:
    fetched = Fetched("a", 25, 100, 5.0)
    assert (fetched.share, fetched.seconds_left) == (0.25, 15.0)
    assert (Fetched("a", 25, None, 5.0).share, Fetched("a", 25, 100, 0.0).seconds_left) == (None, None)


def test_networks_of_this_machine_and_of_another() -> None:
    rows, default = model_list.local_rows()
    builtin = rows[0]
    assert (builtin.name, builtin.here, default) == ("builtin", True, "builtin")
    assert builtin.get == ""
    assert any(row.fetched_from_hub and row.get and not row.here for row in rows)
    row = model_list.remote_row(Model(name="far", source="huggingface", here=False, commercial_use="no", get="pull it"))
    assert (row.name, row.needs_consent, row.get) == ("far", True, "pull it")


def test_a_network_is_fetched_and_removed_again(hub: Hub, here: Any, place: Path) -> None:  # noqa: F811
    told: list[Fetched] = []
    model_list.fetch("distant", told.append, CancelToken())
    assert (told[-1].done, told[-1].total) == (len(hub.body), len(hub.body))
    assert here().available()
    assert here().hub.revision == COMMIT, "what was fetched is written down"
    assert model_list.remove("distant") >= len(hub.body)
    assert not here().available()


def test_a_fetch_that_was_stopped_goes_on(hub: Hub, here: Any, place: Path) -> None:  # noqa: F811
    token = CancelToken()

    def stop(fetched: Fetched) -> None:
        token.cancel()

    with pytest.raises(Cancelled):
        model_list.fetch("distant", stop, token)
    kept = parts(place)[0].stat().st_size
    assert 0 < kept < len(hub.body)
    hub.gets.clear()
    model_list.fetch("distant", lambda _: None, CancelToken())
    assert hub.gets == [f"bytes={kept}-"]
    assert here().available()


def test_a_hub_that_fails_is_an_error_of_ours(hub: Hub, here: Any) -> None:  # noqa: F811
    hub.broken = True
    with pytest.raises(DownloadError):
        model_list.fetch("distant", lambda _: None, CancelToken())


def test_the_default_is_written_into_the_settings(settings: Path) -> None:
    model_list.choose("builtin")
    assert 'model = "builtin"' in settings.read_text(encoding="utf-8")


# -- processes -----------------------------------------------------------------------------------------------------


async def test_a_command_is_run_to_its_end() -> None:
    result = await commands.run("config", "path")
    assert result.code == 0
    assert result.stdout.strip().endswith("depthflow.toml")
    result = await commands.run("config", "show", "no.such.key")
    assert result.code == 2
    assert "no.such.key" in str(result.trouble)
    with pytest.raises(SystemError_):
        result.data()


def test_what_a_command_says_becomes_an_error() -> None:
    trouble = Result(4, "", "warning: x\nerror: it is broken\n  hint: mend it\n").trouble
    assert (trouble.message, trouble.hint) == ("it is broken", "mend it")
    assert Result(4, "", "").trouble.message == "the command ended with 4"


async def test_a_log_is_followed_and_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHFLOW_STATE_DIR", str(tmp_path))
    log = tmp_path / "depthflowd.log"
    log.write_text("one\ntwo\n", encoding="utf-8")
    seen = []
    async with asyncio.timeout(60):
        follower = commands.lines("daemon", "logs", "-n", "1", "-f")
        async for line in follower:
            seen.append(line)
            if line == "three":
                break
            with log.open("a", encoding="utf-8") as stream:
                stream.write("three\n")
        await follower.aclose()  # type: ignore[attr-defined]
    assert seen == ["two", "three"]


async def test_a_log_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHFLOW_STATE_DIR", str(tmp_path))
    with pytest.raises(SystemError_, match=r"depthflowd\.log"):
        async for _ in commands.lines("daemon", "logs", "-f"):
            pass
