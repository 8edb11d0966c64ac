"""The engine with real Dask workers, which do as the tests' jobs tell them: end well, fail, die, hang, be stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from depthflow_daemon import cluster as cluster_module
from depthflow_daemon import engine as engine_module
from depthflow_daemon.cluster import Cluster, Seat
from depthflow_daemon.config import EngineSettings
from depthflow_daemon.engine import Engine
from depthflow_daemon.orphans import end_orphans
from depthflow_daemon.own_cluster import HEARTBEAT_SECONDS, OwnCluster
from depthflow_daemon.records import Job
from depthflow_daemon.store import Store
from running import environment, pixels

from depthflow.errors import StoreError
from depthflow.video.ffmpeg import ffmpeg_path
from depthflow.video.workfile import WorkPlace

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def obey(order: dict[str, Any]) -> None:
    """A worker's work: whatever stands in the job's spec."""
    import signal
    import threading
    from pathlib import Path

    from depthflow_daemon import worker

    say = worker.begin(order)
    spec = order["spec"]
    if "progress" in spec:
        say(progress=spec["progress"])
    if "hog" in spec:
        held = b"x" * spec["hog"]
        threading.Event().wait(30)
        assert held
    if "kill" in spec:
        os.kill(os.getpid(), getattr(signal, spec["kill"]))
    if "exit" in spec:
        os._exit(spec["exit"])
    if "raise" in spec:
        raise ValueError(spec["raise"])
    if "wait" in spec:
        token, pause = worker.token_of(order["task"]), threading.Event()
        while not (spec["wait"] == "politely" and token.cancelled):
            pause.wait(0.02)
            if "progress" in spec:
                say(progress=spec["progress"])
        if "touch" in spec:
            Path(spec["touch"]).touch()
        say(outcome={"stopped": True})
    if "outcome" in spec:
        say(outcome=spec["outcome"])


def pace(dask_worker: Any) -> float:
    """Milliseconds between two heartbeats of a worker."""
    return float(dask_worker.periodic_callbacks["heartbeat"].callback_time)


class Shop:
    """A store, an engine, and what the engine tells."""

    def __init__(self, path: Path, **settings: Any) -> None:
        self.store = Store(path / "q.db")
        self.events: list[tuple[int, dict[str, Any]]] = []
        self._ended: dict[int, threading.Event] = {}
        self.moved = threading.Event()
        self.engine = Engine(
            self.store, EngineSettings(**settings), ended=self._note, progress=self._progress, work=obey
        )

    def job(self, **spec: Any) -> int:
        outputs = spec.get("outputs", ())
        job = self.store.add(str(time.monotonic_ns()), json.dumps(spec), source="/in/a.jpg", outputs=outputs)
        self._ended[job.id] = threading.Event()
        self.engine.wake()
        return job.id

    def end_of(self, job: int) -> Job:
        assert self._ended[job].wait(120), "nothing became of the job"
        self._ended[job].clear()
        return self.store.get(job)

    def _note(self, job: Job) -> None:
        self._ended[job.id].set()

    def _progress(self, job: int, event: dict[str, Any]) -> None:
        self.events.append((job, event))
        self.moved.set()


@pytest.fixture
def shops(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    opened: list[Shop] = []

    def start(**settings: Any) -> Shop:
        shop = Shop(tmp_path, **settings)
        opened.append(shop)
        shop.engine.start()
        return shop

    yield start
    for shop in opened:
        shop.engine.close(0)
        shop.store.close()


def until(true: Callable[[], Any], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_that_was_taken_and_that_nobody_has_is_queued_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    lost = shop.job()
    taken = shop.store.take("nobody", lease_seconds=0.0)
    assert taken is not None
    assert taken.id == lost
    shop.engine.start()
    try:
        assert shop.end_of(lost).error == "nothing heard of worker nobody"
        assert shop.store.get(lost).state == "waiting"
    finally:
        shop.engine.close(0)
        shop.store.close()


def test_a_worker_that_loses_its_task_while_it_is_listed_is_no_fault(tmp_path: Path) -> None:
    class Fleeting:
        """A task whose seat is given up as soon as it was looked at."""

        seen = 0

        @property
        def seat(self) -> Seat | None:
            self.seen += 1
            return Seat("tls://here", "0", 0, 7) if self.seen == 1 else None

    shop = Shop(tmp_path)
    running: Any = SimpleNamespace(job=SimpleNamespace(id=5))
    running.tasks = running.live = [Fleeting()]
    shop.engine._jobs = [running]
    shop.engine._seats = {"tls://here": Seat("tls://here", "0", 0, 7)}
    assert [worker["job"] for worker in shop.engine.workers()] == [5]
    shop.store.close()


def test_what_a_worker_says_or_suffers_reaches_the_store(shops: Callable[..., Shop]) -> None:
    shop = shops()
    assert shop.engine.facts()["state"] == "stopped", "nothing is started before there is work"
    done = shop.job(progress={"stage": "render", "done": 1}, outcome={"done": {"facts": {"/a.mp4": {"frames": 3}}}})
    full = shop.job(outcome={"failed": {"error": "disk full", "kind": "transient"}})
    none = shop.job(outcome={"failed": {"error": "no photo", "kind": "permanent"}})
    mute = shop.job()
    bug = shop.job(**{"raise": "a bug"})
    segv = shop.job(kill="SIGSEGV")
    left = shop.job(exit=3)
    last = shop.job(outcome={"done": {"facts": {}}})
    assert shop.end_of(done).state == "done"
    assert shop.events == [(done, {"stage": "render", "done": 1})]
    assert shop.store.outputs(done)[0].facts == {"frames": 3}
    job = shop.end_of(full)
    assert (job.state, job.retries, job.error) == ("waiting", 1, "disk full")
    job = shop.end_of(none)
    assert (job.state, job.error) == ("failed", "no photo")
    assert shop.end_of(mute).error == "the worker told nothing"
    assert (job := shop.end_of(bug)).crashes == 1
    assert job.error == "ValueError: a bug"
    job = shop.end_of(segv)
    assert (job.state, job.crashes, job.error) == ("waiting", 1, "the worker died (signal 11)")
    assert shop.end_of(left).error == "the worker died (exit code 3)"
    assert shop.end_of(last).state == "done", "a dead worker is replaced"
    # Dask has no setting for it, so that another version may not heed it.
    client: Any = shop.engine._cluster and shop.engine._cluster._client
    until(lambda: set(client.run(pace).values()) == {1000 * HEARTBEAT_SECONDS})


def test_a_worker_that_takes_too_much_memory_is_ended_and_that_is_said(shops: Callable[..., Shop]) -> None:
    shop = shops(memory_limit="400MB")
    job = shop.end_of(shop.job(hog=600 * 2**20))
    assert (job.crashes, job.error) == (1, "the worker died (it took more memory than it may)")


def test_jobs_do_not_wait_for_workers_that_do_not_come(
    shops: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_START_SECONDS", 0.5)
    monkeypatch.setattr(OwnCluster, "grow", lambda *_: None)
    shop = shops()
    job = shop.end_of(shop.job())
    assert (job.state, job.crashes) == ("queued", 0)


def test_running_jobs_are_stopped_and_those_that_do_not_listen_are_ended(
    shops: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "GRACE_SECONDS", 0.2)
    shop = shops(workers=2)
    polite, deaf = (
        shop.job(wait="politely", progress={"stage": "render"}),
        shop.job(wait="for ever", progress={"stage": "render"}),
    )
    until(lambda: len({job for job, _ in shop.events}) == 2)
    assert sorted((worker["job"], worker["state"]) for worker in shop.engine.workers()) == [
        (polite, "busy"),
        (deaf, "busy"),
    ]
    until(lambda: all(worker["pid"] for worker in shop.engine.workers()))
    (pid,) = (worker["pid"] for worker in shop.engine.workers() if worker["job"] == polite)
    for job in (polite, deaf):
        shop.store.cancel(job)
    assert shop.end_of(polite).state == "cancelled"
    assert shop.end_of(deaf).state == "cancelled"
    assert pid in [worker["pid"] for worker in shop.engine.workers()], "who listens is not ended"


def test_a_closing_engine_gives_back_what_runs(shops: Callable[..., Shop]) -> None:
    shop = shops()
    job = shop.job(wait="politely", progress={"stage": "render"})
    assert shop.moved.wait(120)
    shop.engine.close(0)
    found = shop.store.get(job)
    assert (found.state, found.crashes, found.orphaned) == ("queued", 0, 0)


@pytest.mark.parametrize("end", ["closed", "cancelled"])
def test_what_was_done_before_it_could_be_stopped_is_done(shops: Callable[..., Shop], end: str) -> None:
    """Its file has its name by then: the job must not be made again, nor be called cancelled."""
    shop = shops()
    job = shop.job(wait="politely", progress={"stage": "render"}, outcome={"done": {}})
    assert shop.moved.wait(120)
    shop.store.cancel(job) if end == "cancelled" else shop.engine.close(0)
    assert shop.end_of(job).state == "done"


def test_a_store_that_failed_is_asked_again_without_anybody_telling(
    shops: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever queued the job woke the engine while it was not to be taken."""
    monkeypatch.setattr(engine_module, "_SLEEP_SECONDS", 3600.0)
    monkeypatch.setattr(engine_module, "_STORE_SECONDS", 0.2)
    shop = shops()
    real, failed = shop.store.take, threading.Event()

    def take(worker: str) -> Job | None:
        if not failed.is_set():
            failed.set()
            raise StoreError("the disk is full")
        return real(worker)

    monkeypatch.setattr(shop.store, "take", take)
    assert shop.end_of(shop.job(outcome={"done": {}})).state == "done"
    assert failed.is_set()


def test_workers_are_started_before_the_job_that_is_expected(shops: Callable[..., Shop]) -> None:
    shop = shops()
    shop.engine.expect()
    until(lambda: any(worker["pid"] for worker in shop.engine.workers()))
    (worker,) = shop.engine.workers()
    assert (worker["state"], worker["job"]) == ("idle", None)
    assert worker["memory_bytes"] > 10**7
    shop.end_of(shop.job(outcome={"done": {}}))
    assert [w["pid"] for w in shop.engine.workers()] == [worker["pid"]]


def test_workers_end_when_there_is_nothing_to_do(shops: Callable[..., Shop]) -> None:
    shop = shops(idle_seconds=1)
    shop.end_of(shop.job(outcome={"done": {}}))
    (pid,) = (worker["pid"] for worker in shop.engine.workers())
    until(lambda: shop.engine.facts()["state"] == "stopped")
    until(lambda: not Path(f"/proc/{pid}").exists())
    assert shop.engine.workers() == []
    assert shop.end_of(shop.job(outcome={"done": {}})).state == "done", "and are started again"


def test_nobody_else_can_use_the_workers() -> None:
    import httpx
    from distributed import Client, Security

    cluster = OwnCluster(EngineSettings(), None, lambda _: None, lambda *_: None)
    cluster.open()
    try:
        cluster.grow(1)
        until(cluster.seats)
        (seat,) = cluster.seats().values()
        scheduler = cluster._dask.scheduler_address
        assert scheduler.startswith("tls://127.0.0.1:")
        for address in (scheduler, seat.address):
            for security in (None, Security.temporary()):
                plain = address.replace("tls://", "tcp://") if security is None else address
                with pytest.raises(OSError, match=r"Timed out|TLS|tls|closed|certificate"):
                    Client(plain, security=security, timeout=1, set_as_default=False)
        ports = list(cluster._dask.scheduler.services.values())
        assert [httpx.get(f"http://127.0.0.1:{service.port}/status").status_code for service in ports] == [404]
    finally:
        cluster.close()


def test_what_a_worker_left_after_its_end_goes_with_its_jobs_next_attempt(
    shops: Callable[..., Shop], tmp_path: Path
) -> None:
    """Its encoder was only starting when the worker died, and made its file when all had been cleared up."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    shop = shops()
    out = tmp_path / "out"
    job = shop.job(outputs=[str(out / "a.mp4")], exit=3)
    assert shop.end_of(job).state == "waiting"
    mine = WorkPlace(out / "a.mp4").path
    left = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-"))
    left.touch()
    shop.store.retry(job)
    shop.engine.wake()
    shop.end_of(job)
    until(lambda: not left.exists(), 10)
    assert mine.exists(), "what a living process writes stays"


# -- a scheduler elsewhere -------------------------------------------------------------------------------------------


TLS_OPTIONS = {"tls-ca-file": "tls_ca", "tls-cert": "tls_cert", "tls-key": "tls_key"}


class Farm:
    """A scheduler and workers as processes of their own, as they would run on other machines, encrypted."""

    def __init__(self, folder: Path, workers: int) -> None:
        from distributed import Security

        self.processes: list[subprocess.Popen[bytes]] = []
        self.file = folder / "scheduler.json"
        made: Any = Security.temporary()
        self.settings: dict[str, Any] = {
            "tls_ca": folder / "ca.pem",
            "tls_cert": folder / "cert.pem",
            "tls_key": folder / "key.pem",
        }
        self.settings["tls_ca"].write_text(made.tls_ca_file)
        self.settings["tls_cert"].write_text(made.tls_client_cert)
        self.settings["tls_key"].write_text(made.tls_client_key)
        self._begin("0", workers)

    def _begin(self, port: str, workers: int) -> None:
        self._start("scheduler", "--host=tls://127.0.0.1", f"--port={port}", f"--scheduler-file={self.file}")
        until(self.file.exists)
        until(lambda: self.file.read_text().endswith("}"))
        self.settings["address"] = json.loads(self.file.read_text())["address"]
        for number in range(workers):
            own = "--no-nanny", "--nthreads=1", f"--local-directory={self.file.parent}", f"--name=host{number}"
            self._start("worker", self.settings["address"], *own)

    def _start(self, kind: str, *args: str) -> None:
        tls = [f"--{option}={self.settings[key]}" for option, key in TLS_OPTIONS.items()]
        self.processes.append(
            subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{kind}", *args, *tls, "--no-dashboard"],
                # As a task's code is on all machines of a farm.
                env=environment(PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), *sys.path])),
                stderr=subprocess.DEVNULL,
                cwd=self.file.parent,
            )
        )

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def begin_anew(self, workers: int) -> None:
        """As when the machine with the scheduler was started again, at the same address."""
        self.end()
        self.processes.clear()
        self.file.unlink()
        self._begin(self.settings["address"].rpartition(":")[2], workers)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    farm = Farm(tmp_path, 2)
    yield farm
    farm.end()


def test_a_farm_loses_a_worker_and_then_its_scheduler(
    farm: Farm, shops: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = shops(**farm.settings)
    one, two = (
        shop.job(wait="politely", progress={"stage": "render"}),
        shop.job(wait="politely", progress={"stage": "render"}),
    )
    until(lambda: len({job for job, _ in shop.events}) == 2)
    busy = {worker["job"]: worker["name"] for worker in shop.engine.workers()}
    assert sorted(busy) == [one, two]
    farm.processes[1 + int(busy[one][-1])].kill()
    job = shop.end_of(one)
    assert (job.state, job.crashes) == ("waiting", 1)
    assert shop.store.get(two).state == "running", "the other worker goes on"
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 1.0)
    farm.processes[0].kill()
    job = shop.end_of(two)
    assert (job.state, job.crashes, job.orphaned) == ("queued", 0, 0), "nobody is to blame"
    assert shop.engine.facts()["state"] == "stopped"


def test_a_scheduler_that_was_started_anew_meanwhile_costs_no_job(farm: Farm, shops: Callable[..., Shop]) -> None:
    """Dask's client connects to it again by itself, and would never hear what its workers tell."""
    shop = shops(**farm.settings, idle_seconds=3600)
    assert shop.end_of(shop.job(outcome={"done": {}})).state == "done"
    cluster = shop.engine._cluster
    assert cluster is not None
    farm.begin_anew(1)
    until(lambda: cluster._client.status == "running" and len(cluster._identity()["workers"]) == 1)
    job = shop.end_of(shop.job(outcome={"done": {}}))
    assert (job.state, job.crashes, job.orphaned) == ("done", 0, 0)


def test_workers_stop_when_nobody_wants_their_results(farm: Farm, tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []
    clusters = [Cluster(EngineSettings(**farm.settings), obey, said.append, lambda *_: None) for _ in range(2)]
    for cluster in clusters:
        cluster.open()
    until(lambda: len(clusters[0].seats()) == 2)
    seats = clusters[0].seats().values()
    for cluster, seat in zip(clusters, seats, strict=True):
        spec = {"wait": "politely", "progress": {}, "touch": str(tmp_path / cluster.topic)}
        cluster.submit(f"{cluster.topic}-1", {"spec": spec}, seat)
    until(lambda: len({message["task"] for message in said}) == 2)
    # As when the daemon is killed: the connection ends without a word.
    clusters[0]._client.close()
    until((tmp_path / clusters[0].topic).exists)
    assert not (tmp_path / clusters[1].topic).exists(), "another daemon's tasks go on"
    clusters[1].close()
    until((tmp_path / clusters[1].topic).exists)
    clusters[0].close()


# -- encoders of workers that are gone -------------------------------------------------------------------------------


def test_an_encoder_is_ended_whose_worker_is_gone_and_no_other(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine = WorkPlace(tmp_path / "a.mp4").path
    theirs = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-"))
    # As a second pass does, which reads no pipe: it would go on for a minute.
    command = [ffmpeg_path(), "-re", "-f", "lavfi", "-i", "testsrc=duration=60", "-y"]
    encoders = [
        subprocess.Popen([*command, str(file)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for file in (mine, theirs)
    ]
    try:
        until(lambda: "ffmpeg" in Path(f"/proc/{encoders[1].pid}/comm").read_text())
        assert end_orphans() == [encoders[1].pid]
        assert encoders[1].wait(10) == -signal.SIGKILL
        assert encoders[0].poll() is None
    finally:
        for encoder in encoders:
            encoder.kill()
            encoder.wait()


# -- long videos in pieces, by real workers --------------------------------------------------------------------------


def dawdle(order: dict[str, Any]) -> None:
    """The real work, but the first worker that gets the third piece dies of it, with its encoder running."""
    import os
    import signal
    from pathlib import Path

    from depthflow_daemon import worker

    once = Path(order["spec"]["photo"]).with_name("died")
    if order["kind"] == "segment" and order["first"] == 8 and not once.exists():
        real = worker.report_of

        def kill(order: dict[str, Any], say: Any) -> Any:
            report = real(order, say)

            def told(progress: Any) -> None:
                report(progress)
                if progress.stage == "render":
                    once.touch()
                    os.kill(os.getpid(), signal.SIGKILL)

            return told

        worker.report_of = kill
    worker.work(order)


@pytest.mark.gl
def test_a_long_video_is_made_in_pieces_and_a_lost_worker_costs_one_of_them(
    tmp_path: Path, photo: Path, depth_map: Path
) -> None:
    out = tmp_path / "out" / "a\nb.mp4"
    video = {"path": str(out), "size": "64x48", "fps": 4, "duration": 4}
    spec = {"photo": str(photo), "depth": {"file": str(depth_map)}, "outputs": [video, {**video, "path": f"{out}.gif"}]}
    settings = EngineSettings(workers=2, segment_seconds=1)
    over = threading.Event()
    told: list[dict[str, Any]] = []
    with Store(tmp_path / "q.db") as store:
        job = store.add("k", json.dumps(spec), source=str(photo), outputs=[str(out), f"{out}.gif"])
        engine = Engine(
            store, settings, ended=lambda _: over.set(), progress=lambda _, event: told.append(event), work=dawdle
        )
        engine.start()
        assert over.wait(120)
        engine.close(0)
        assert engine.facts()["renderer"], "told by the workers that drew"
        assert engine.facts()["restarts"] == 1
        found = store.get(job.id)
        assert (found.state, found.attempt, found.crashes, found.error) == ("done", 1, 0, None)
        facts = {output.path: output.facts for output in store.outputs(job.id)}
        assert {path: known and known["frames"] for path, known in facts.items()} == {str(out): 16, f"{out}.gif": 16}
        assert store.attempts(job.id)[0].timings["join"] > 0
    assert (photo.parent / "died").exists()
    assert sorted(file.name for file in out.parent.iterdir()) == [out.name, f"{out.name}.gif"], "no piece is left"
    assert pixels(out).shape == (16, 48, 64, 3)
    done = [event["done"] for event in told if event["stage"] == "render"]
    assert max(done) <= 32
    assert {event["total"] for event in told if event["stage"] == "render"} == {32}


@pytest.mark.gl
def test_a_job_that_is_stopped_leaves_no_piece(tmp_path: Path, photo: Path, depth_map: Path) -> None:
    out = tmp_path / "out" / "a.mp4"
    spec = {
        "photo": str(photo),
        "depth": {"file": str(depth_map)},
        "outputs": [{"path": str(out), "size": "64x48", "fps": 30, "duration": 600}],
    }
    moved, over = threading.Event(), threading.Event()
    with Store(tmp_path / "q.db") as store:
        job = store.add("k", json.dumps(spec), source=str(photo), outputs=[str(out)])
        engine = Engine(
            store,
            EngineSettings(workers=2, segment_seconds=10),
            ended=lambda _: over.set(),
            progress=lambda _, event: moved.set() if event["stage"] == "render" and event["done"] else None,
        )
        engine.start()
        assert moved.wait(120)
        assert list(out.parent.glob(".*.part/.0-*"))
        store.cancel(job.id)
        assert over.wait(120)
        assert store.get(job.id).state == "cancelled"
        assert not out.parent.exists(), "a folder that was made for it goes too"
        engine.close(0)
