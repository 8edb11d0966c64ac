"""depthflowd as people run it: started, asked, told, killed, started again; by hand and by systemd."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from depthflow_daemon.background import follow
from depthflow_daemon.config import DaemonSettings
from depthflow_daemon.service import Bell, Service
from depthflow_daemon.store import Store
from depthflow_daemon.vitals import PATIENCE_SECONDS, Vitals
from houses import SETTINGS, House
from running import environment, pixels, wait_for_end

from depthflow.client import Client
from depthflow.errors import DepthFlowError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

SHORT = {"outputs": [{"size": "64x48", "fps": 8, "duration": 0.5}]}
LONG = {"outputs": [{"size": "64x48", "fps": 30, "duration": 1200}]}


def drop(photo: Path, depth_map: Path, place: Path) -> None:
    shutil.copy(depth_map, place.with_suffix(".depth.png"))
    shutil.copy(photo, place)


@pytest.mark.gl
@pytest.mark.slow
def test_a_whole_life(house: House, photo: Path, depth_map: Path) -> None:
    """A photo dropped, a job sent, followed to their ends; killed in the midst of one, and done after all."""
    pid = house.start()
    again = house.does("start")
    assert (again.code, f"process {pid}" in again.err) == (4, True)
    with house.client() as client:
        seen: list[str] = []
        listening = threading.Event()

        def listen() -> None:
            for event in client.events():
                listening.set()
                what = f"{event.job.source.rpartition('/')[2]} {event.what}" if event.kind == "state" else event.kind
                seen.append(what)
                if "cat.png done" in seen and "sent done" in seen:
                    return

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        # The stream tells of what comes after it has begun; something small shows that it has.
        while not listening.wait(0.1):
            client.pause()
            client.resume()
        drop(photo, depth_map, house.root / "in" / "cat.png")
        sent = client.submit(photo.read_bytes(), spec={**SHORT, "motion": {"name": "zoom"}}, name="sent")
        detail = client.wait(sent.id)
        assert detail.state == "done", detail
        listener.join(60)
        assert not listener.is_alive(), seen
        assert "progress" in seen
        assert seen.index("cat.png added") < seen.index("cat.png started") < seen.index("cat.png done")
        assert pixels(house.root / "out" / "cat.mp4").shape == (4, 48, 64, 3)
        assert pixels(Path(detail.outputs[0].path)).shape[0] == 4

        status = house.does("status")
        assert status.code == 0
        assert f"process {pid}" in status.out
        assert "2 done" in status.out
        assert f"folder   drop: {house.root / 'in'} -> {house.root / 'out'}" in status.out
        facts = json.loads(house.does("status", "--json").out)
        assert (facts["running"], facts["answers"], facts["folders"][0]["name"]) == (True, True, "drop")

        long = client.submit(photo.read_bytes(), spec=LONG, name="long")
        for event in client.events(long.id):
            if event.kind == "progress" and event.progress.stage == "render":
                break
    os.kill(pid, signal.SIGKILL)
    wait_for_end(pid)
    assert house.does("status").code == 3
    second = house.start()
    assert second != pid
    house.until(f"job {long.id}: queued: the daemon ended while this was running")
    with house.client() as client:
        while client.job(long.id).state != "running":
            time.sleep(0.05)
        client.cancel(long.id)
        assert client.wait(long.id).state == "cancelled"
    assert house.does("stop").code == 0
    assert not psutil.pid_exists(second)
    assert [line for line in house.log().splitlines() if " ERROR " in line] == []
    assert list((house.root / "out").glob(".*")) == []


@pytest.mark.gl
def test_stop_now_gives_running_jobs_back(house: House, photo: Path) -> None:
    house.start()
    with house.client() as client:
        job = client.submit(photo.read_bytes(), spec=LONG, name="long")
        for event in client.events(job.id):
            if event.kind == "progress":
                break
    done = house.does("stop", "--now")
    assert (done.code, done.out.endswith("has ended\n")) == (0, True), done
    with Store(house.root / "state" / "depthflowd.db") as store:
        found = store.get(job.id)
        assert (found.state, found.crashes, found.orphaned) == ("queued", 0, 0)
    assert house.does("stop").out == "no daemon runs\n"


def test_drained_it_ends_by_itself_and_keeps_the_queue(house: House, photo: Path) -> None:
    pid = house.start()
    with house.client() as client:
        job = client.submit(photo.read_bytes(), spec=SHORT, hold=True)
    process = psutil.Process(pid)
    done = house.does("drain")
    assert done.code == 0, done.err
    process.wait(60)
    with Store(house.root / "state" / "depthflowd.db") as store:
        assert store.get(job.id).state == "queued"
    refused = house.does("drain")
    assert refused.code != 0
    assert "Traceback" not in refused.err


@pytest.mark.parametrize(
    ("settings", "env", "said"),
    [
        ('[api]\nlisten = "127.0.0.1:0"', {}, "needs a token"),
        ('[[hooks.webhooks]]\nurl = "http://x"\nsecret_file = "none"', {}, "none: cannot be read: No such file"),
        ('[api]\nlisten = "127.0.0.1:0"\ntoken_file = "in/.empty"', {}, ".empty: its first line is empty"),
        ("[engine]\nworkers = 0", {}, "engine.workers: no number of workers"),
        ('store = "in"', {}, "in: "),
        ("", {"DEPTHFLOW_SOCKET": "in"}, "lies there already and is no socket"),
    ],
)
def test_a_daemon_that_cannot_start_says_why(house: House, settings: str, env: dict[str, str], said: str) -> None:
    house.file.write_text(settings)
    (house.root / "in" / ".empty").write_text(" \n")
    done = house.does("start", **{key: str(house.root / value) for key, value in env.items()})
    assert done.code in (2, 4), done
    assert said in done.err, done.err + house.log()
    assert "Traceback" not in done.err
    assert house.does("status").code == 3 if "workers" not in settings else True


def test_folders_are_read_again_and_a_mistake_changes_nothing(house: House) -> None:
    house.start()
    house.file.write_text(SETTINGS.replace("drop", "other").replace('"in"', '"in2"'))
    assert house.does("reload").code == 0
    house.until("folders read again: 1 watched")
    with house.client() as client:
        assert [(folder.name, folder.there) for folder in client.folders()] == [("other", False)]
        assert str(house.root / "in2") in client.system().roots
    house.file.write_text("[folders\n")
    os.kill(json.loads(_status_of_broken(house)), signal.SIGHUP)
    house.until("the settings are not taken: ")
    with house.client() as client:
        assert [folder.name for folder in client.folders()] == ["other"]
        client.drain()


def _status_of_broken(house: House) -> str:
    return (house.root / "state" / "depthflowd.db.lock").read_text()


def test_status_names_photos_that_wait_for_somebody(house: House, photo: Path) -> None:
    place = house.root / "in"
    for name in ("a", "b", "c", "d"):
        (place / f"{name}.toml").write_text("colour = 1")
        shutil.copy(photo, place / f"{name}.png")
    house.start()
    house.until("d.png' waits: ")
    status = house.does("status").out
    assert f"\n         a.png waits: {place / 'a.toml'}: colour: unknown key" in status
    assert "d.png" not in status
    assert "\n         1 more wait for such reasons" in status
    (folder,) = json.loads(house.does("status", "--json").out)["folders"]
    assert [kept["photo"] for kept in folder["kept"]] == ["a.png", "b.png", "c.png", "d.png"]
    for name in ("a", "b", "c", "d"):
        (place / f"{name}.png").unlink()
    assert "waits" not in house.does("status").out
    assert house.does("stop").code == 0


def test_the_log_is_shown(house: House) -> None:
    missing = house.does("logs")
    assert missing.code == 4
    (house.root / "state").mkdir()
    (house.root / "state" / "depthflowd.log").write_text("a\nb\nc\n")
    assert house.does("logs", "-n", "2").out == "b\nc\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_over_tcp_a_token_opens_it_and_stands_nowhere(house: House, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = "hush-0123456789-abcdefghij"  # noqa: S105
    (house.root / "token").write_text(token + "\n")
    (house.root / "token").chmod(0o644)
    house.file.write_text(
        SETTINGS + f'[api]\nsocket = "none"\nlisten = "{host}:{port}"\ntoken_file = "token"\n[logs]\nlevel = "debug"\n'
    )
    house.start()
    status = house.does("status")
    assert status.code == 0, status.err
    assert f"http://127.0.0.1:{port}" in status.out
    with Client(f"http://127.0.0.1:{port}", token="wrong" + token) as stranger:
        with pytest.raises(DepthFlowError, match="token"):
            stranger.system()
        assert stranger.health().status == "ok", "that is no secret"
    assert house.does("stop").code == 0
    assert "token: other users can open it" in house.log()
    for file in (house.root / "state").rglob("*"):
        assert not file.is_file() or token.encode() not in file.read_bytes(), file


def test_a_log_is_followed_over_its_being_put_aside(tmp_path: Path) -> None:
    file = tmp_path / "d.log"
    file.write_text("a\nb\n")
    lines = follow(file, lines=1, go_on=True)
    assert next(lines) == "b\n"
    with file.open("a") as stream:
        stream.write("c\n")
    assert next(lines) == "c\n"
    file.rename(tmp_path / "d.log.1")
    file.write_text("d\n")
    assert next(lines) == "d\n"
    lines.close()


def test_the_last_lines_before_a_log_is_put_aside_are_shown(tmp_path: Path) -> None:
    class Rotating(type(Path())):  # type: ignore[misc]
        """Is written to and put aside just behind the look that found nothing new."""

        def stat(self, **asked: Any) -> os.stat_result:
            if not (aside := Path(f"{self}.1")).exists():
                with self.open("a") as stream:
                    stream.write("late\n")
                self.rename(aside)
                self.write_text("new\n")
            return Path(self).stat(**asked)

    file = Rotating(tmp_path / "d.log")
    file.write_text("first\n")
    lines = follow(file, lines=5, go_on=True)
    assert next(lines) == "first\n"
    assert next(lines) == "late\n"
    assert next(lines) == "new\n"
    lines.close()


@pytest.mark.slow
def test_a_daemon_that_hangs_does_not_answer(house: House) -> None:
    """Its process is there, and that is all: people and orchestrators are told so."""
    pid = house.start()
    os.kill(pid, signal.SIGSTOP)
    try:
        done = house.does("status", "--json")
        assert done.code == 4, done
        facts = json.loads(done.out)
        assert (facts["running"], facts["pid"], facts["answers"]) == (True, pid, False)
        assert "error: " in done.err
    finally:
        os.kill(pid, signal.SIGCONT)
    assert house.does("status").code == 0


# -- systemd -------------------------------------------------------------------------------------------------------


class Systemd:
    """Listens in systemd's place."""

    def __init__(self, place: Path) -> None:
        self.name = str(place)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.name)
        self.socket.settimeout(60)
        self.heard: list[str] = []

    def until(self, right: Callable[[str], bool]) -> str:
        while True:
            text = self.socket.recv(4096).decode()
            self.heard.append(text)
            if right(text):
                return text

    def now(self) -> list[str]:
        """What it hears without waiting."""
        self.socket.setblocking(False)
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                self.socket.settimeout(60)
                return found


@pytest.fixture
def systemd(house: House) -> Iterator[Systemd]:
    place = house.socket.with_suffix(".notify")
    made = Systemd(place)
    yield made
    made.socket.close()
    place.unlink()


def test_systemd_hears_of_every_stage_of_a_life(house: House, systemd: Systemd) -> None:
    command = [sys.executable, "-m", "depthflow_daemon", "--config", str(house.file)]
    env = environment(**house.env, NOTIFY_SOCKET=systemd.name, WATCHDOG_USEC="400000")
    with subprocess.Popen(command, cwd=house.root, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            systemd.until(lambda text: text == "READY=1")
            with house.client() as client:
                assert client.health().status == "ok", "ready means that it answers"
            assert systemd.until(lambda text: text.startswith("STATUS=")) == (
                "STATUS=0 running, 0 queued, 0 waiting, 0 done, 0 failed"
            )
            for _ in range(3):
                systemd.until(lambda text: text == "WATCHDOG=1")
            process.send_signal(signal.SIGHUP)
            systemd.until(lambda text: text.startswith("RELOADING=1\nMONOTONIC_USEC="))
            systemd.until(lambda text: text == "READY=1")
            process.send_signal(signal.SIGTERM)
            systemd.until(lambda text: text == "STOPPING=1")
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert "READY=1" not in systemd.now()


def test_a_part_that_stands_still_is_not_told_to_be_alive(
    tmp_path: Path, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.name)
    service = Service(DaemonSettings())
    turns, now = {"engine": 0, "journal": 0}, [0.0]
    vitals = Vitals(lambda: now[0], engine=lambda: turns["engine"], journal=lambda: turns["journal"], api=None)
    with Store(tmp_path / "q.db") as store:
        service._look(store, vitals)
        turns.update(engine=1, journal=1)
        service._look(store, vitals)
        assert systemd.now() == ["WATCHDOG=1", "STATUS=0 running, 0 queued, 0 waiting, 0 done, 0 failed", "WATCHDOG=1"]
        # The next look may come before any part can have gone round.
        service._look(store, vitals)
        assert systemd.now() == ["WATCHDOG=1"]
        now[0] += PATIENCE_SECONDS
        turns.update(journal=2)
        service._look(store, vitals)
        assert systemd.now() == ["STATUS=engine: standing still"]
        now[0] += PATIENCE_SECONDS
        turns.update(engine=2)
        service._look(store, vitals)
        assert systemd.now() == ["STATUS=journal: standing still"]
        turns.update(engine=9, journal=9)
        service._look(store, vitals)
        assert systemd.now() == ["WATCHDOG=1", "STATUS=0 running, 0 queued, 0 waiting, 0 done, 0 failed"]


def test_a_bell_rings_once_for_all_who_rang_before() -> None:
    bell = Bell()
    assert not bell.wait(0)
    bell.ring()
    bell.ring()
    assert bell.wait(0)
    assert not bell.wait(0)


@pytest.mark.parametrize("system", [False, True])
def test_the_unit_is_what_systemd_takes(house: House, system: bool) -> None:
    odd = house.root / 'a "b" 100% $x'
    odd.mkdir()
    (odd / "d.toml").write_text(SETTINGS)
    args = ["--system", "--user", "root"] if system else []
    done = house.does("install", "--print", "--config", str(odd / "d.toml"), *args)
    assert done.code == 0, done.err
    unit = house.root / "depthflowd.service"
    unit.write_text(done.out)
    lines = done.out.splitlines()
    assert "Type=notify" in lines
    assert "TimeoutStopSec=90" in lines
    assert any(line.startswith("WatchdogSec=") for line in lines)
    command = next(line for line in lines if line.startswith("ExecStart="))
    assert command.endswith('--config "' + str(house.root) + '/a \\"b\\" 100%% $$x/d.toml"')
    if system:
        assert "User=root" in lines
        assert f'ReadWritePaths=-"{house.root}/a \\"b\\" 100%% $$x/out"' in lines
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        assert not os.environ.get("CI"), "systemd-analyze is needed in CI"
        pytest.skip("no systemd-analyze")
    checked = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True)
    complaints = [line for line in checked.stderr.splitlines() if "depthflowd" in line]
    assert complaints == [], "systemd passes over what it does not know, and says so"


def test_install_writes_the_unit_and_says_how_to_go_on(house: House) -> None:
    done = house.does("install", XDG_CONFIG_HOME=str(house.root / "config"))
    assert done.code == 0, done.err
    assert "systemctl --user enable --now depthflowd.service" in done.out
    unit = (house.root / "config" / "systemd" / "user" / "depthflowd.service").read_text()
    assert f"--config {house.file}" in unit
    assert "WantedBy=default.target" in unit
    house.file.unlink()
    refused = house.does("install", "--system", "--print")
    assert refused.code == 2
    assert "depthflow daemon config > /etc/depthflow/depthflowd.toml" in refused.err
