"""What a worker of the engine does: it makes a job, or a piece of one. Dask calls it; it knows no store and no queue.

What it has to say goes to a topic of Dask's event log, which the engine reads:

    {"task": name, "pid": 123, "worker": address, "began": true}
    {"task": name, ..., "progress": {...}, "renderer": what OpenGL calls itself, while it draws}
    {"task": name, ..., "outcome": {"done": {...}} | {"failed": {"error": "...", "kind": "..."}} | {"stopped": true}}
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from depthflow.errors import Cancelled, InputError, SystemError_, UsageError
from depthflow.progress import CancelToken, Progress, Report
from depthflow_daemon.identity import digest_of

if TYPE_CHECKING:
    from depthflow.jobs.pipeline import Result

_SEND_SECONDS = 0.005

_tokens: dict[str, CancelToken] = {}
_guard = threading.Lock()

Say = Callable[..., None]


def work(order: dict[str, Any]) -> None:
    """Do what an order says, and tell its topic what became of it; nothing is raised.

    Args:
        order: "task" names it, "topic" is where to tell; "spec" is the JobSpec, "content" the photo's SHA-256 or
            empty, "digests" that of each other file by its path; what "kind" it is says the rest.
    """
    say = begin(order)
    token = token_of(order["task"])
    try:
        outcome = _outcome(order, token, say)
    finally:
        with _guard:
            _tokens.pop(order["task"], None)
    say(outcome=outcome)


def stop(task: str) -> None:
    """Have a task end between two frames, or at once if it has not begun."""
    token_of(task).cancel()


class Manners(WorkerPlugin):
    """How a worker behaves as a guest of an engine.

    Args:
        topic: of that engine; its tasks' names begin with it.
        local: the worker is a child of the daemon, which alone decides what a Ctrl-C in its terminal means.
    """

    def __init__(self, topic: str, *, local: bool) -> None:
        self.name = topic
        self._local = local

    def setup(self, worker: Any) -> None:
        if self._local:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            # While the first job is on its way here.
            threading.Thread(target=import_module, args=("depthflow.api",), daemon=True).start()

    def teardown(self, worker: Any) -> None:
        """Also when the scheduler is lost: nobody waits for what is being made."""
        with _guard:
            tokens = [token for task, token in _tokens.items() if task.startswith(self.name)]
        for token in tokens:
            token.cancel()


def token_of(task: str) -> CancelToken:
    """Says whether a task is to stop."""
    with _guard:
        return _tokens.setdefault(task, CancelToken())


def begin(order: dict[str, Any]) -> Say:
    """Tell the topic of an order that it has begun; what tells it more."""
    worker, task = get_worker(), order["task"]

    def say(**message: Any) -> None:
        worker.log_event(order["topic"], {"task": task, "pid": os.getpid(), "worker": worker.address, **message})
        known = worker.state.tasks.get(task)
        if known is None or known.state not in ("executing", "long-running"):
            # The daemon is gone, and the scheduler has taken back what it asked for.
            token_of(task).cancel()

    say(began=True)
    # If this process dies of what comes now, the message must be out: Dask collects them for 2 ms.
    sent = threading.Event()
    worker.loop.add_callback(worker.loop.call_later, _SEND_SECONDS, sent.set)
    sent.wait(1.0)
    return say


def report_of(order: dict[str, Any], say: Say) -> Report:
    """What tells the topic of progress."""

    def report(progress: Progress) -> None:
        from depthflow.render.context import opened

        gl = opened() if progress.stage == "render" else None
        say(progress=asdict(progress), **({"renderer": gl.renderer} if gl else {}))

    return report


def _outcome(order: dict[str, Any], token: CancelToken, say: Say) -> dict[str, Any]:
    from depthflow.jobs.spec import JobSpec

    report = _checked(order, report_of(order, say))
    try:
        spec = _placed(JobSpec.parse(order["spec"], source=f"job {order['job']}"))
        _check_contents(order)
        return {"done": _KINDS[order["kind"]](order, spec, report, token)}
    except Cancelled:
        return {"stopped": True}
    except (UsageError, InputError) as error:
        return _failed(error, "permanent")
    except (SystemError_, OSError) as error:
        return _failed(error, "transient")
    except Exception as error:
        return _failed(error, "crash")


def _placed(spec: Any) -> Any:
    """The job, drawn by the GPU that this machine's settings name, or this worker's environment, if it names none."""
    from depthflow.settings import AUTO, load_settings

    device = load_settings().settings.render.gl_device
    if spec.render.gl_device is not None or device == AUTO or spec.render.gl_backend not in ("auto", "egl"):
        return spec
    return spec.model_copy(update={"render": spec.render.model_copy(update={"gl_device": device})})


def _make(order: dict[str, Any], spec: Any, report: Report, token: CancelToken) -> dict[str, Any]:
    """The whole job."""
    from depthflow.api import make_job

    # Nobody looks at it soon: a writer that was killed may leave a shorter video that plays.
    return _told(make_job(spec, report=report, cancel=token, decode_all=True, beside=False))


def _segment(
    order: dict[str, Any], spec: Any, report: Callable[[Progress], None], token: CancelToken
) -> dict[str, Any]:
    """Some frames of its only output."""
    from depthflow.api import make_piece
    from depthflow.jobs.planning import Piece

    piece = Piece(range(order["first"], order["last"]), tuple(map(Path, order["files"])))
    segment, result = make_piece(spec, piece, report=report, cancel=token, beside=False)
    told = {**asdict(segment), "files": order["files"]}
    return {"segment": told, "timings": result.timings, "notes": list(result.notes)}


def _join(order: dict[str, Any], spec: Any, report: Report, token: CancelToken) -> dict[str, Any]:
    """Its only output, from all of its segments."""
    from depthflow.jobs.segments import Segment, join_segments

    segments = [Segment(**{**told, "files": tuple(map(Path, told["files"]))}) for told in order["segments"]]
    return _told(join_segments(spec, segments, report=report, cancel=token))


def _told(result: Result) -> dict[str, Any]:
    facts = {str(made.path): {**asdict(made), "path": str(made.path)} for made in result.outputs}
    return {"facts": facts, "timings": result.timings, "notes": list(result.notes)}


_KINDS: dict[str, Callable[..., dict[str, Any]]] = {"make": _make, "segment": _segment, "join": _join}


def _checked(order: dict[str, Any], report: Report) -> Report:
    """Compares once more when all has been read and nothing has its name yet.

    Frames are drawn by the first "publish 0" of a job or a piece; pieces are joined, and the sound read, by the second.
    """

    def told(progress: Progress) -> None:
        if progress.stage == "publish" and progress.done == 0 and not progress.warning:
            _check_contents(order)
        report(progress)

    return told


def _check_contents(order: dict[str, Any]) -> None:
    """What is rendered is what was queued, byte for byte: the photo, its depth map, its sound.

    Raises:
        InputError: it is not. SystemError_: a file is not there, perhaps with its share.
    """
    contents = {order["spec"]["photo"]: order["content"], **order.get("digests", {})}
    for name, content in contents.items():
        if not content:
            continue
        try:
            found = digest_of(Path(name))
        except FileNotFoundError:
            hint = "if it was deleted, cancel the job; if its share is unmounted, the job is made when it is back"
            raise SystemError_(f"{name}: is not there any more", hint) from None
        if found != content:
            raise InputError(f"{name}: changed after it was queued", "what it is now has a job of its own")


def _failed(error: BaseException, kind: str) -> dict[str, Any]:
    text = str(error) or type(error).__name__
    hint = getattr(error, "hint", "")
    return {"failed": {"error": f"{text} ({hint})" if hint else text, "kind": kind}}
