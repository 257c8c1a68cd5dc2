"""The gateway's metrics, in a registry of their own."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Every metric of a process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # processor time, memory and open files
        self.requests = Counter(
            "gateway_requests", "HTTP requests", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "gateway_request_seconds",
            "time to an answer's first byte",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.jobs = Counter(
            "gateway_jobs", "jobs that ended, by state", ["pipeline", "state"], registry=self.registry
        )
        self.job_seconds = Histogram(
            "gateway_job_seconds",
            "time from submitting to the end of a job that succeeded",
            ["pipeline"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.retries = Counter(
            "gateway_retries", "tries that failed and are repeated", ["pipeline"], registry=self.registry
        )
        self.lost_leases = Counter(
            "gateway_lost_leases", "jobs taken over from a silent worker", registry=self.registry
        )
        self.running = Gauge("gateway_running", "jobs that this process runs", registry=self.registry)
        self.queued = Gauge("gateway_queued", "jobs that wait, of all accounts", registry=self.registry)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text form."""
        return generate_latest(self.registry)
