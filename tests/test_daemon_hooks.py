"""Hooks: programs and addresses are told of events, and nothing they do or fail to do holds anything up."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from depthflow_daemon import hooks, logs
from depthflow_daemon.config import HookSettings, WebhookSettings
from depthflow_daemon.hooks import Happening, Hooks, secret_of, shown, signature

from depthflow.errors import UsageError

JOB = {"job": 7, "state": "done", "source": "/in/a b\n$(x).jpg", "outputs": ["/out/a.mp4", "/out/a.gif"], "error": ""}
WRITE = "import os, sys, json; json.dump([sys.argv[1:], dict(os.environ)], open({!r}, 'w'))"


@pytest.fixture(autouse=True)
def _fast_and_forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(logs, "_secrets", set())


def python(script: str, *args: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script, *args)


def test_a_program_gets_its_arguments_as_they_are_and_the_rest_by_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHFLOW_TOKEN", "secret")
    monkeypatch.setenv("HOOK_KEY", "secret")
    monkeypatch.setenv("PYTHONSAFEPATH", "of the workers")
    file = str(tmp_path / "told.json")
    webhook = WebhookSettings(url="http://127.0.0.1:1", events=("folder-drained",), secret_env="HOOK_KEY")  # noqa: S106
    hook = Hooks(HookSettings(after_job=python(WRITE.format(file), "$HOME; rm *", ""), webhooks=(webhook,)))
    hook.tell(Happening("before-job", JOB))
    hook.tell(Happening("after-job", JOB))
    hook.close(30)
    arguments, environment = json.loads(Path(file).read_text())
    assert arguments == ["$HOME; rm *", ""], "no shell"
    assert environment["DEPTHFLOW_EVENT"] == "after-job"
    assert environment["DEPTHFLOW_JOB"] == "7"
    assert environment["DEPTHFLOW_SOURCE"] == JOB["source"]
    assert environment["DEPTHFLOW_OUTPUTS"] == "/out/a.mp4\n/out/a.gif"
    assert environment["DEPTHFLOW_ERROR"] == ""
    assert not {"DEPTHFLOW_TOKEN", "HOOK_KEY"} & set(environment)
    assert environment["PYTHONSAFEPATH"] != "of the workers", "else a script does not find the modules beside it"


def test_what_fails_is_logged_and_the_next_one_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = str(tmp_path / "told.json")
    hook = Hooks(
        HookSettings(
            before_job=("/nowhere/program",),
            after_job=python("import sys; print('no disk'); sys.exit(3)"),
            folder_drained=python(WRITE.format(file)),
        )
    )
    for event in ("before-job", "after-job", "folder-drained"):
        hook.tell(Happening(event, {}))  # type: ignore[arg-type]
    hook.close(30)
    assert Path(file).exists()
    assert "/nowhere/program cannot be started: [Errno 2]" in caplog.text
    assert "exit code 3: no disk" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fifo = tmp_path / "life"
    os.mkfifo(fifo)
    # The child holds the pipe open as long as it lives.
    child = f"import time; f = open({str(fifo)!r}, 'w'); f.write('x'); f.flush(); time.sleep(600)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    hook = Hooks(HookSettings(after_job=python(script), seconds=2.0))
    hook.tell(Happening("after-job", {}))
    with fifo.open() as life:
        assert life.read() == "x", "it ends: the grandchild is gone"
    hook.close(30)
    assert "ended after 2 s" in caplog.text


def test_telling_never_waits_and_an_overfull_queue_loses_the_oldest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hooks, "QUEUE_LENGTH", 3)
    told: list[int] = []
    begun, go = threading.Event(), threading.Event()

    class Slow:
        def __call__(self, happening: Happening) -> None:
            begun.set()
            go.wait(30)
            told.append(happening.data["n"])

        def stop(self) -> None: ...

    line = hooks._Queue(Slow(), "slow")  # type: ignore[arg-type]
    line.put(Happening("after-job", {"n": 0}))
    assert begun.wait(30)
    for n in range(1, 10):
        line.put(Happening("after-job", {"n": n}))
    go.set()
    line.finish()
    line.stop(30)
    assert told == [0, 7, 8, 9]
    assert "cannot keep up" in caplog.text


# -- webhooks ------------------------------------------------------------------------------------------------------


@dataclass
class Receiver:
    """A web server on loopback that answers as it is told to, and keeps what it got."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    found = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(found.answers.pop(0) if found.answers else 204)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/hook?key=hush"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def webhook(receiver: Receiver, **more: object) -> Hooks:
    return Hooks(HookSettings(webhooks=(WebhookSettings.model_validate({"url": receiver.url, **more}),)))


def test_a_webhook_is_posted_and_signed(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\nsecond line\n")
    hook = webhook(receiver, secret_file=tmp_path / "secret")
    hook.tell(Happening("before-job", JOB))
    hook.tell(Happening("after-job", JOB, at=1_800_000_000.25))
    hook.close(30)
    ((headers, body),) = receiver.got
    assert json.loads(body) == {"event": "after-job", "at": "2027-01-15T08:00:00.250+00:00", **JOB}
    stamp = headers["x-depthflow-timestamp"]
    assert abs(time.time() - int(stamp)) < 60
    digest = hmac.new(b"s3cret", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["x-depthflow-signature"] == f"sha256={digest}"
    assert headers["x-depthflow-event"] == "after-job"
    assert headers["content-type"] == "application/json"


def test_a_webhook_that_is_not_taken_is_sent_again_and_given_up_in_the_end(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [503, 500, 204, *([502] * 3), 204]
    hook = webhook(receiver, retries=2)
    hook.tell(Happening("after-job", {"job": 1}))
    hook.tell(Happening("after-job", {"job": 2}))
    hook.tell(Happening("after-job", {"job": 3}))
    hook.close(30)
    assert [json.loads(body)["job"] for _, body in receiver.got] == [1, 1, 1, 2, 2, 2, 3]
    deliveries = [headers["x-depthflow-delivery"] for headers, _ in receiver.got]
    assert len(set(deliveries[:3])) == 1, "the receiver can see that it is the same one"
    assert len(set(deliveries)) == 3
    assert "after-job was not told: HTTP 502" in caplog.text
    assert "hush" not in caplog.text


def test_what_would_be_refused_again_is_not_sent_again(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.answers = [410, 204]
    hook = webhook(receiver)
    hook.tell(Happening("after-job", {"job": 1}))
    hook.close(30)
    assert len(receiver.got) == 1
    assert "HTTP 410" in caplog.text


def test_an_address_where_nobody_listens_holds_nobody_up_at_the_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(hooks, "BACKOFF_SECONDS", 3600.0)
    monkeypatch.setattr(hooks, "BACKOFF_MAX_SECONDS", 3600.0)
    gone = WebhookSettings(url="http://127.0.0.1:1/")
    hook = Hooks(HookSettings(webhooks=(gone,)))
    for n in range(5):
        hook.tell(Happening("after-job", {"job": n}))
    hook.close(0.2)
    assert "events were not told before the end" in caplog.text
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("webhook")]


def test_a_secret_is_wanted_where_one_is_named_and_stands_in_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def settings(**more: object) -> WebhookSettings:
        return WebhookSettings.model_validate({"url": "https://u:p@example.org:8443/h?k=v", **more})

    assert secret_of(settings()) == ""
    named = WebhookSettings(url="https://example.org", secret_env="HOOK")  # noqa: S106
    assert secret_of(named, {"HOOK": "hush hush"}) == "hush hush"
    wrong: list[Callable[[], object]] = [
        lambda: secret_of(named, {}),
        lambda: secret_of(settings(secret_file=tmp_path / "none")),
    ]
    for each in wrong:
        with pytest.raises(UsageError) as caught:
            each()
        assert "u:p" not in str(caught.value) + caught.value.hint
    assert shown("https://u:p@example.org:8443/h?k=v") == "https://example.org:8443/h"
    line = logs.TextLines().format(logging.LogRecord("x", logging.ERROR, "", 0, "got %s", ("hush hush",), None))
    assert line.endswith("ERROR got ***")


def test_signatures_are_hmac_sha256() -> None:
    # Worked out with: printf '17.{}' | openssl dgst -sha256 -hmac key
    assert signature("key", "17", b"{}") == EXPECTED


EXPECTED = "e66392eac42eafc68c35a01c712811e016386c12456975fc3af80c9268568e3a"
