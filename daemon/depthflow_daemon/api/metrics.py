"""What Prometheus reads: the queue as it is, and what was made since the daemon began."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from depthflow_daemon.core import Core
from depthflow_daemon.records import FINAL, Job

# Else every counter has a second line with the time at which it was made.
disable_created_metrics()  # type: ignore[no-untyped-call]
router = APIRouter(tags=["system"])


class Metrics:
    """Numbers of one daemon; nothing is shared with another one in the same process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._ended = Counter("depthflow_jobs_ended", "Jobs that have ended.", ["state"], registry=self.registry)
        self._frames = Counter("depthflow_frames", "Frames in finished files.", registry=self.registry)
        self._bytes = Counter("depthflow_output_bytes", "Bytes of finished files.", registry=self.registry)
        self._seconds = Counter(
            "depthflow_stage_seconds", "Seconds that finished jobs took, by stage.", ["stage"], registry=self.registry
        )
        self.requests = Counter(
            "depthflow_http_requests", "Answered requests.", ["method", "status"], registry=self.registry
        )
        self.registry.register(self)
        core.hub.on_end(self.ended)

    def ended(self, job: Job) -> None:
        """Count what a job came to."""
        if job.state not in FINAL:
            return
        self._ended.labels(job.state).inc()
        if job.state != "done":
            return
        for output in self._core.store.outputs(job.id):
            facts = output.facts or {}
            self._frames.inc(facts.get("frames", 0))
            self._bytes.inc(facts.get("bytes", 0))
        for attempt in self._core.store.attempts(job.id)[-1:]:
            for stage, seconds in attempt.timings.items():
                self._seconds.labels(stage).inc(max(0.0, seconds))

    def collect(self) -> Iterator[Metric]:
        """What is read afresh each time."""
        core = self._core
        jobs = GaugeMetricFamily("depthflow_jobs", "Jobs by state.", labels=["state"])
        counts = core.store.counts()
        for state, count in counts.items():
            jobs.add_metric([state], count)
        yield jobs
        depth = counts["queued"] + counts["waiting"]
        yield GaugeMetricFamily("depthflow_queue_depth", "Jobs that are still to begin.", value=depth)
        yield GaugeMetricFamily("depthflow_queue_paused", "1 if no job may begin.", value=core.store.paused)
        workers = GaugeMetricFamily("depthflow_workers", "Worker processes by state.", labels=["state"])
        states = [str(worker.get("state", "")) for worker in core.engine.workers()]
        for name in sorted(set(states)):
            workers.add_metric([name], states.count(name))
        yield workers
        yield CounterMetricFamily(
            "depthflow_worker_restarts",
            "Workers that had to be replaced.",
            value=float(core.engine.facts().get("restarts", 0)),
        )
        yield GaugeMetricFamily("depthflow_event_streams", "Open streams of events.", value=core.hub.listeners)
        yield GaugeMetricFamily("depthflow_start_time_seconds", "When the daemon began.", value=core.started_at)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Numbers in the text format of Prometheus."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
