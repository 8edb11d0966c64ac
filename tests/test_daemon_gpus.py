"""One worker a GPU: which GPUs there are for workers, and that each worker process is told of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from depthflow_daemon import gpus as gpus_module
from depthflow_daemon.config import EngineSettings
from depthflow_daemon.engine import Engine
from depthflow_daemon.gpus import Gpu, find_gpus, least_busy
from depthflow_daemon.own_cluster import worker_count
from depthflow_daemon.records import Job
from depthflow_daemon.store import Store

TWO = (Gpu(gl=1, cuda=0), Gpu(gl=0, cuda=1))
"""As EGL and CUDA may count the same two."""


# -- which there are -------------------------------------------------------------------------------------------------


def test_a_machine_without_traces_of_a_gpu_is_not_asked() -> None:
    assert find_gpus(lambda: pytest.fail("asked"), list) == ()


def test_gpus_without_cuda_count_where_none_has_it() -> None:
    assert find_gpus(lambda: [Gpu(gl=0), *TWO], lambda: ["NVIDIA", "Intel"]) == TWO
    assert find_gpus(lambda: [Gpu(gl=0), Gpu(gl=1)], lambda: ["AMD"]) == (Gpu(gl=0), Gpu(gl=1))


@pytest.mark.parametrize(
    ("allowed", "left"), [("1", TWO[1:]), ("1, 0", TWO), ("", ()), ("-1", ()), ("GPU-8f3a", ()), ("7", ())]
)
def test_cuda_visible_devices_is_heeded(monkeypatch: pytest.MonkeyPatch, allowed: str, left: Sequence[Gpu]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    assert find_gpus(lambda: TWO, lambda: ["NVIDIA"]) == tuple(left)


def test_a_gpu_that_the_user_named_is_everybodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHFLOW_RENDER_GL_DEVICE", "1")
    assert find_gpus(lambda: TWO, lambda: ["NVIDIA"]) == ()


def test_this_machines_devices_are_asked_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What draws by the CPU is no GPU; else it depends on the machine, and agrees with what EGL says here."""
    from depthflow.errors import GLError
    from depthflow.render.devices import list_devices

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    try:
        known = [device.index for device in list_devices() if not device.software]
    except (GLError, OSError):
        known = []
    assert [gpu.gl for gpu in gpus_module._asked()] == known


def test_drivers_that_hang_or_crash_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for body in ("#!/bin/sh\nkill -SEGV $$\n", "#!/bin/sh\nexec sleep 60\n", "#!/bin/sh\necho no json\n"):
        (tmp_path / "python").write_text(body)
        (tmp_path / "python").chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        monkeypatch.setattr(gpus_module, "PROBE_SECONDS", 0.5)
        assert find_gpus(traces=lambda: ["NVIDIA"]) == ()
    assert caplog.text.count("the GPUs cannot be listed") == 3


def test_workers_are_shared_out_evenly() -> None:
    assert least_busy(TWO, []) == TWO[0]
    assert least_busy(TWO, [TWO[0]]) == TWO[1]
    assert least_busy(TWO, [TWO[0], TWO[1], TWO[0]]) == TWO[1]
    assert worker_count(EngineSettings(), ()) == 1
    assert worker_count(EngineSettings(), TWO) == 2
    assert worker_count(EngineSettings(workers=5), TWO) == 5


# -- what workers are told ---------------------------------------------------------------------------------------------


def tell(order: dict[str, Any]) -> None:
    """A worker's work: say where it is, once all are there, or die."""
    from depthflow_daemon import worker

    say = worker.begin(order)
    if "die" in order["spec"] and not Path(order["spec"]["die"]).exists():
        Path(order["spec"]["die"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    names = ("DEPTHFLOW_RENDER_GL_DEVICE", "CUDA_VISIBLE_DEVICES")
    room = Path(order["spec"]["room"])
    (room / str(os.getpid())).write_text(json.dumps([os.environ.get(name) for name in names]))
    while len(list(room.iterdir())) < order["spec"]["all"]:
        time.sleep(0.02)
    say(outcome={"done": {"facts": {}}})


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., list[list[str]]]]:
    """Let an engine with these GPUs make so many jobs at once; what their workers were told."""
    stores: list[Store] = []
    engines: list[Engine] = []

    def make(gpus: Sequence[Gpu], jobs: int, *, die: bool = False, **settings: Any) -> list[list[str]]:
        room = tmp_path / "room"
        room.mkdir()
        ended = threading.Semaphore(0)

        def told(job: Job) -> None:
            if job.state == "done":
                ended.release()
            else:
                stores[0].retry(job.id)

        stores.append(Store(tmp_path / "q.db"))
        engines.append(
            Engine(
                stores[0],
                EngineSettings(**settings),
                ended=told,
                work=tell,
                gpus=lambda: gpus,
            )
        )
        for number in range(jobs):
            spec = {"room": str(room), "all": jobs, **({"die": str(tmp_path / "died")} if die and not number else {})}
            stores[0].add(str(number), json.dumps(spec), source="/in/a.jpg")
        engines[0].start()
        for _ in range(jobs):
            assert ended.acquire(timeout=120)
        return sorted(json.loads(file.read_text()) for file in room.iterdir())

    yield make
    for engine in engines:
        engine.close(0)
    for store in stores:
        store.close()


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def test_each_worker_has_a_gpu_to_itself(made: Callable[..., list[list[str]]]) -> None:
    assert made(TWO, 2) == [["0", "1"], ["1", "0"]]


def test_a_worker_that_is_replaced_keeps_its_gpu(made: Callable[..., list[list[str]]]) -> None:
    assert made(TWO, 2, die=True) == [["0", "1"], ["1", "0"]]


def test_more_workers_than_gpus_share_them(made: Callable[..., list[list[str]]]) -> None:
    assert made(TWO, 3, workers=3) == [["0", "1"], ["1", "0"], ["1", "0"]]


def test_without_gpus_nothing_is_told(made: Callable[..., list[list[str]]]) -> None:
    assert made((), 1) == [[None, None]]


@pytest.mark.skipif(sys.platform != "linux", reason="EGL")
def test_what_a_worker_is_told_is_what_it_draws_with(tmp_path: Path, photo: Path, depth_map: Path) -> None:
    """The job names no GPU; the worker is told of one that does not exist, and says so."""
    output = {"path": str(tmp_path / "a.mp4"), "size": "64x48", "fps": 4, "duration": 1}
    spec = {"photo": str(photo), "depth": {"file": str(depth_map)}, "outputs": [output]}
    over = threading.Event()
    with Store(tmp_path / "q.db") as store:
        job = store.add("k", json.dumps(spec), source=str(photo), outputs=[output["path"]])
        engine = Engine(store, ended=lambda _: over.set(), gpus=lambda: [Gpu(gl=31)])
        engine.start()
        assert over.wait(120)
        engine.close(0)
        assert "there is no GL device 31" in (store.get(job.id).error or "")
