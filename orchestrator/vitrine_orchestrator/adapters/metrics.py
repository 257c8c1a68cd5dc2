"""What every Python model counts on the metrics port: requests, failures, time, time by stage."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from vitrine_orchestrator.batching.metrics import Figure
from vitrine_orchestrator.cache.open_cache import Cache
from vitrine_orchestrator.cache.statistics import Sizes

logger = logging.getLogger(__name__)


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
    Family("vitrine_cache_events_total", "COUNTER", "What the cache counted", ("event",)),
    Family("vitrine_cache_entries", "GAUGE", "Values kept: in memory by category, on disk", ("part",)),
    Family("vitrine_cache_bytes", "GAUGE", "Bytes kept: in memory by category, on disk", ("part",)),
    Family(
        "vitrine_sources_total", "COUNTER", "Prepared things, by where they came from", ("kind", "source")
    ),
)


def families(figures: Iterable[Figure]) -> tuple[Family, ...]:
    """The families of figures; two programs may share one."""
    found = {
        one.name: Family(one.name, one.kind, one.about, (one.label,) * bool(one.label)) for one in figures
    }
    return tuple(found.values())


Key = tuple[Any, ...]
"""A family's name, then (label, value) pairs."""


class ModelMetrics:
    """The families of one model's process, on Triton's metrics port; safe to use from several threads.

    What counters gain is kept here until `publish`: each increment in Triton is a message to the server and
    its answer, for which an event loop would wait some twelve times in a try-on. Gauges are told at once.
    """

    def __init__(self, pb_utils: Any, model: str, families: Sequence[Family] = FAMILIES) -> None:
        """`pb_utils` is triton_python_backend_utils."""
        self.model, self._gauges = model, {family.name for family in families if family.kind == "GAUGE"}
        self._families = {
            family.name: pb_utils.MetricFamily(
                name=family.name, description=family.about, kind=getattr(pb_utils.MetricFamily, family.kind)
            )
            for family in families
        }
        self._metrics: dict[Key, Any] = {}
        self._pending: dict[Key, float] = {}
        self._lock, self._publishing = threading.Lock(), threading.Lock()

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        """Raise a counter, or a gauge, by `value`; a counter's port tells of it after the next `publish`."""
        key = (name, *labels.items())
        with self._lock:
            self._pending[key] = self._pending.get(key, 0) + value
        if name in self._gauges:
            self.publish(only=key)

    def publish(self, only: Key | None = None) -> None:
        """Pass on what was added since the last time, to one metric or to all."""
        with self._publishing:
            with self._lock:
                keys = [only] if only else list(self._pending)
                pending = {key: self._pending.pop(key, 0) for key in keys}
            for key, value in pending.items():
                try:
                    self._tell(key, value)
                except Exception:  # Triton's shared memory is full: the next time tells of it
                    logger.exception("a metric could not be told")
                    with self._lock:
                        self._pending[key] = self._pending.get(key, 0) + value

    def _tell(self, key: Key, value: float) -> None:
        if key not in self._metrics:
            name, *labels = key
            self._metrics[key] = self._families[name].Metric(labels={"model": self.model, **dict(labels)})
        if value:
            self._metrics[key].increment(value)


class CacheMetrics:
    """Tells the metrics port what a cache did since the last time."""

    def __init__(self, cache: Cache, metrics: Metrics) -> None:
        self._cache, self._metrics = cache, metrics
        self._told: dict[tuple[str, str], float] = {}

    def publish(self) -> None:
        """Pass on what this process did, and what its memory holds; free what was invalidated elsewhere."""
        self._cache.tidy()
        for event, count in self._cache.memo.counters.snapshot().items():
            self._tell("vitrine_cache_events_total", "event", event, count)
        self._sizes(self._cache.memory_sizes())

    def publish_disk(self) -> None:
        """Pass on what the folder holds, by a scan: for one process of a host, and seldom."""
        self._sizes({"disk": self._cache.disk.sizes()} if self._cache.disk else {})

    def _sizes(self, sizes: Sizes) -> None:
        for part, size in sizes.items():
            self._tell("vitrine_cache_entries", "part", part, size["entries"])
            self._tell("vitrine_cache_bytes", "part", part, size["bytes"])

    def _tell(self, family: str, label: str, value: str, now: float) -> None:
        change = now - self._told.get((family, value), 0)
        if change:
            self._metrics.add(family, change, **{label: value})
            self._told[family, value] = now


class FigureMetrics:
    """Reports to the metrics port by how much figures of one source changed since the last time."""

    def __init__(self, figures: Sequence[Figure], source: object, metrics: Metrics) -> None:
        """`source` is what the figures read, from any thread."""
        self._figures, self._source, self._metrics = figures, source, metrics
        self._published: dict[tuple[str, str], float] = {}

    def publish(self) -> None:
        """Pass the changes on."""
        for figure in self._figures:
            for value, now in figure.read(self._source).items():
                key = (figure.name, value)
                if change := now - self._published.get(key, 0):
                    self._metrics.add(figure.name, change, **({figure.label: value} if figure.label else {}))
                    self._published[key] = now


class FakeMetrics:
    """Keeps the sums, by name and labels: {("vitrine_requests_total", "done"): 3}."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, ...], float] = {}

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        """Raise a sum by `value`."""
        key = (name, *labels.values())
        self.sums[key] = self.sums.get(key, 0) + value

    def publish(self) -> None:
        """Nobody else is told."""


Metrics = ModelMetrics | FakeMetrics
