"""The daemon in a few rows of words. It asks nobody."""

from __future__ import annotations

from depthflow.client.models import System, Worker
from depthflow.tui.units import size, span

Row = tuple[str, str]
NOT_YET = "not known until a job was drawn"


def state(system: System) -> str:
    """One word for the queue."""
    return "draining" if system.draining else "paused" if system.paused else "running"


def daemon_rows(system: System, address: str, *, private: bool) -> list[Row]:
    """Who answers."""
    kind = "private: it ends with this window" if private else "runs by itself"
    return [
        ("state", state(system)),
        ("version", system.version),
        ("process", f"{system.pid}, {kind}"),
        ("up", span(system.uptime_seconds)),
        ("address", address),
        ("roots", "\n".join(system.roots) or "none: photos are sent"),
    ]


def machine_rows(system: System) -> list[Row]:
    """What draws, and how much room there is."""
    memory = sum(worker.memory_bytes or 0 for worker in system.workers)
    busy = sum(worker.state == "busy" for worker in system.workers)
    return [
        ("renderer", system.renderer or NOT_YET),
        ("workers", f"{len(system.workers)}, {busy} busy, {size(memory)}" if system.workers else "none now"),
        ("engine", f"{system.engine.get('state', '?')}, {system.engine.get('address', '?')}"),
        ("restarts", str(system.engine.get("restarts", 0))),
        ("disk free", size(system.disk_free_bytes)),
        ("encoders", ", ".join(system.encoders) or "not tried yet: Encoders"),
    ]


def job_rows(system: System) -> list[tuple[str, int]]:
    """(state, how many), those that can still happen first."""
    return [(name, system.jobs[name]) for name in system.jobs]


def limit_rows(system: System) -> list[Row]:
    """What the daemon accepts."""
    limits = system.limits
    return [
        ("upload", size(limits.upload_bytes)),
        ("photo", f"{limits.pixels / 1e6:.0f} megapixels"),
        ("frames", f"{limits.frames:,}"),
        ("requests", f"{limits.requests_per_second:g}/s"),
    ]


def worker_cells(worker: Worker) -> tuple[str, str, str, str, str]:
    """name, state, job, process, memory."""
    job = f"#{worker.job}" if worker.job is not None else "-"
    return worker.name, worker.state, job, str(worker.pid or "?"), size(worker.memory_bytes)
