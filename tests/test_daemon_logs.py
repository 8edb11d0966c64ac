"""The daemon's log: text, JSON, journal, files that are put aside, floods, and no secrets."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from depthflow_daemon import logs
from depthflow_daemon.config import LogSettings
from depthflow_daemon.logs import Flood, Log, hide, in_journal

from depthflow.errors import OutputError

LOGGER = logging.getLogger("depthflow_daemon.test")


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(logs, "_secrets", set())
    raising = logging.raiseExceptions
    yield
    logging.raiseExceptions = raising


def written(settings: LogSettings) -> tuple[io.StringIO, Log]:
    stream = io.StringIO()
    return stream, Log(settings, stream=stream)


def test_text_is_one_line_an_event_whatever_a_name_holds() -> None:
    stream, log = written(LogSettings())
    with log:
        LOGGER.info("job %d: failed: %s", 3, "two\nlines", extra={"job": 3})
        LOGGER.debug("not told")
        logging.getLogger("some.library").info("not told either")
        logging.getLogger("some.library").warning("told")
    lines = stream.getvalue().splitlines()
    assert [line[20:] for line in lines] == ["INFO job 3: failed: two\\nlines", "WARNING told"]


def test_json_has_what_the_event_is_about() -> None:
    stream, log = written(LogSettings(format="json", level="debug"))
    with log:
        LOGGER.debug("job %d: done", 3, extra={"job": 3, "event": "done", "outputs": ["/a.mp4"]})
        try:
            raise OSError("gone")
        except OSError:
            LOGGER.exception("failed\nbadly")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert {key: first[key] for key in ("level", "message", "job", "event", "outputs", "logger")} == {
        "level": "debug", "message": "job 3: done", "job": 3, "event": "done", "outputs": ["/a.mp4"],
        "logger": "depthflow_daemon.test",
    }  # fmt: skip
    assert first["at"].endswith("+00:00")
    assert "OSError: gone" in second["exception"]


def test_secrets_stand_in_no_line() -> None:
    hush = 'to"ken\\1'
    for form in ("text", "json"):
        stream, log = written(LogSettings(format=form))  # type: ignore[arg-type]
        hide(hush)
        with log:
            LOGGER.warning("refused %r", f"Bearer {hush}", extra={"header": hush})
            try:
                raise ValueError(hush)
            except ValueError:
                LOGGER.exception("oops")
        said = stream.getvalue()
        assert "refused" in said
        assert "ken" not in said
        assert "***" in said


def test_the_same_warning_again_and_again_is_counted() -> None:
    now = [0.0]
    told: list[str] = []
    flood = Flood(lambda record: told.append(record.getMessage()), seconds=60, clock=lambda: now[0])

    def say(level: int, text: str, *args: object) -> bool:
        return flood.filter(logging.LogRecord("x", level, "", 0, text, args, None))

    assert say(logging.ERROR, "disk %s", "full")
    assert [say(logging.ERROR, "disk %s", "full") for _ in range(40)] == [False] * 40
    assert say(logging.ERROR, "disk %s", "gone"), "another message is another thing"
    assert say(logging.INFO, "job"), "events are never counted"
    assert say(logging.INFO, "job")
    now[0] = 59
    assert not say(logging.ERROR, "disk %s", "full")
    assert told == []
    now[0] = 61
    assert say(logging.INFO, "job")
    assert told == ["disk full (and 41 times more)"]
    assert say(logging.ERROR, "disk %s", "full"), "and told again after a while"
    assert not say(logging.ERROR, "disk %s", "full")
    flood.finish()
    assert told[1:] == ["disk full (and 1 times more)"]


def test_a_million_different_errors_do_not_fill_the_memory() -> None:
    flood = Flood(lambda _: None, clock=lambda: 0.0)
    for number in range(5000):
        assert flood.filter(logging.LogRecord("x", logging.ERROR, "", 0, str(number), (), None))
    assert len(flood._told) <= 1000


def test_a_file_is_put_aside_when_it_is_large_and_is_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "d.log"
    with Log(LogSettings(file=file, max_bytes=2000, keep=2)):
        for number in range(200):
            LOGGER.info("line %03d", number)
    files = sorted(path.name for path in file.parent.iterdir())
    assert files == ["d.log", "d.log.1", "d.log.2"]
    assert all(path.stat().st_size <= 2000 for path in file.parent.iterdir())
    assert file.read_text().splitlines()[-1].endswith("INFO line 199")
    if sys.platform != "win32":
        assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OutputError, match="cannot be written"):
        Log(LogSettings(file=file / "below" / "a" / "file"))


@pytest.mark.skipif(sys.platform == "win32", reason="systemd")
def test_in_the_journal_each_line_has_its_priority_and_no_time(tmp_path: Path) -> None:
    """Really with standard error as the stream that JOURNAL_STREAM names."""
    script = (
        "import logging\nfrom depthflow_daemon.config import LogSettings\nfrom depthflow_daemon.logs import Log\n"
        "log = logging.getLogger('depthflow_daemon')\n"
        "with Log(LogSettings()):\n  log.info('a')\n  log.warning('b')\n"
        "  try: 1 / 0\n  except ZeroDivisionError: log.exception('c')\n"
    )
    with (tmp_path / "journal").open("wb") as stream:
        found = os.fstat(stream.fileno())
        for variable, prefix in ((f"{found.st_dev}:{found.st_ino}", "<6>INFO a"), ("1:1", "2")):
            subprocess.run(
                [sys.executable, "-c", script],
                stderr=stream,
                env={**os.environ, "JOURNAL_STREAM": variable},
                check=True,
            )
            lines = (tmp_path / "journal").read_text().splitlines()
            assert lines[0].startswith(prefix)
            if prefix.startswith("<"):
                assert lines[1] == "<4>WARNING b"
                assert all(line.startswith("<3>") for line in lines[2:])
                assert lines[-1] == "<3>ZeroDivisionError: division by zero"
            stream.truncate(0)
            stream.seek(0)


def test_journal_is_known_by_the_stream_itself() -> None:
    assert not in_journal({}, 2)
    assert not in_journal({"JOURNAL_STREAM": "1:2"}, 999)
