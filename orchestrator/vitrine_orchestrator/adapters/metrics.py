"""What every Python model counts on the metrics port: requests, failures, time, time by stage."""

from __future__ import annotations

import threading
from typing import Any, Literal, NamedTuple


class Family(NamedTuple):
    """One metric; all carry the label `model`, and the labels named here."""

    name: str
    kind: Literal["COUNTER", "GAUGE"]
    about: str
    labels: tuple[str, ...] = ()


FAMILIES = (
    Family("vitrine_requests_total", "COUNTER", "Requests answered, by outcome", ("outcome",)),
    Family("vitrine_request_seconds_total", "COUNTER", "Seconds from taking a request to its answer"),
    Family("vitrine_in_flight", "GAUGE", "Requests being worked on"),
    Family("vitrine_stage_calls_total", "COUNTER", "Calls of a stage", ("stage", "outcome")),
    Family("vitrine_stage_seconds_total", "COUNTER", "Seconds in calls of a stage", ("stage",)),
    Family(
        "vitrine_sources_total", "COUNTER", "Prepared things, by where they came from", ("kind", "source")
    ),
)


class ModelMetrics:
    """The families of one model's process, on Triton's metrics port; safe to use from several threads."""

    def __init__(self, pb_utils: Any, model: str) -> None:
        """`pb_utils` is triton_python_backend_utils."""
        self.model = model
        self._families = {
            family.name: pb_utils.MetricFamily(
                name=family.name, description=family.about, kind=getattr(pb_utils.MetricFamily, family.kind)
            )
            for family in FAMILIES
        }
        self._metrics: dict[tuple[str, ...], Any] = {}
        self._lock = threading.Lock()

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        """Raise a counter, or a gauge, by `value`."""
        key = (name, *labels.values())
        with self._lock:
            if key not in self._metrics:
                self._metrics[key] = self._families[name].Metric(labels={"model": self.model, **labels})
            self._metrics[key].increment(value)


class FakeMetrics:
    """Keeps the sums, by name and labels: {("vitrine_requests_total", "done"): 3}."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, ...], float] = {}

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        """Raise a sum by `value`."""
        key = (name, *labels.values())
        self.sums[key] = self.sums.get(key, 0) + value


Metrics = ModelMetrics | FakeMetrics
