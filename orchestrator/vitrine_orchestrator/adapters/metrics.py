"""Metrics of every Python model: requests, failures, seconds, and seconds by stage."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from vitrine_orchestrator.batching.metrics import Figure

if TYPE_CHECKING:  # `denoise` has no cache, and starts faster without its modules
    from vitrine_orchestrator.cache.open_cache import Cache
    from vitrine_orchestrator.cache.statistics import Sizes

logger = logging.getLogger(__name__)


class MetricFamily(NamedTuple):
    """The row of one metric; each has the label `model` in addition to `labels`."""

    name: str
    kind: Literal["COUNTER", "GAUGE"]
    about: str
    labels: tuple[str, ...] = ()


METRIC_FAMILIES = (
    MetricFamily("vitrine_requests_total", "COUNTER", "Requests answered, by outcome", ("outcome",)),
    MetricFamily("vitrine_request_seconds_total", "COUNTER", "Seconds from taking a request to its answer"),
    MetricFamily("vitrine_in_flight", "GAUGE", "Requests being worked on"),
    MetricFamily("vitrine_stage_calls_total", "COUNTER", "Calls of a stage", ("stage", "outcome")),
    MetricFamily("vitrine_stage_seconds_total", "COUNTER", "Seconds in calls of a stage", ("stage",)),
    MetricFamily(
        "vitrine_stage_wait_seconds_total", "COUNTER", "Seconds until a model was loaded", ("stage",)
    ),
    MetricFamily("vitrine_cache_events_total", "COUNTER", "What the cache counted", ("event",)),
    MetricFamily("vitrine_cache_entries", "GAUGE", "Values kept: in memory by category, on disk", ("part",)),
    MetricFamily("vitrine_cache_bytes", "GAUGE", "Bytes kept: in memory by category, on disk", ("part",)),
    MetricFamily(
        "vitrine_sources_total", "COUNTER", "Prepared things, by where they came from", ("kind", "source")
    ),
)


def metric_families(figures: Iterable[Figure]) -> tuple[MetricFamily, ...]:
    """The families of figures; two programs may share one."""
    found = {
        one.name: MetricFamily(one.name, one.kind, one.about, (one.label,) * bool(one.label))
        for one in figures
    }
    return tuple(found.values())


Key = tuple[Any, ...]
"""A family's name, then (label, value) pairs."""


class ModelMetrics:
    """The families of one model's process, on Triton's metrics port; safe to use from several threads.

    Increments of counters are summed here until `publish`: each increment in Triton is a round trip to the
    server, and an event loop would wait for about twelve of them in a request. Gauges are sent immediately,
    between two of the others.
    """

    def __init__(self, pb_utils: Any, model: str, families: Sequence[MetricFamily] = METRIC_FAMILIES) -> None:
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
        """Raise a counter or a gauge by `value`; a counter shows it after the next `publish`."""
        key = (name, *labels.items())
        with self._lock:
            self._pending[key] = self._pending.get(key, 0) + value
        if name in self._gauges:
            self.publish(only=key)

    @property
    def pending(self) -> bool:
        """Whether something was added that Triton has not been sent."""
        return bool(self._pending)

    def publish(self, only: Key | None = None) -> None:
        """Send Triton what was added since the last call, for one metric or for all."""
        with self._lock:
            keys = [only] if only else list(self._pending)
            pending = {key: self._pending.pop(key, 0) for key in keys}
        for key, value in pending.items():
            try:
                with self._publishing:
                    self._report(key, value)
            except Exception:  # Triton's shared memory is full: the next call sends it again
                logger.exception("a metric could not be reported")
                with self._lock:
                    self._pending[key] = self._pending.get(key, 0) + value

    def _report(self, key: Key, value: float) -> None:
        if key not in self._metrics:
            name, *labels = key
            self._metrics[key] = self._families[name].Metric(labels={"model": self.model, **dict(labels)})
        if value:
            self._metrics[key].increment(value)


class CacheMetrics:
    """Publishes how much the counters and sizes of a cache changed since the last call."""

    def __init__(self, cache: Cache, metrics: Metrics) -> None:
        self._cache, self._metrics = cache, metrics
        self._published: dict[tuple[str, str], float] = {}

    def publish(self) -> None:
        """Publish this process's counters and memory sizes; free what other processes invalidated."""
        self._cache.tidy()
        for event, count in self._cache.memo.counters.snapshot().items():
            self._report("vitrine_cache_events_total", "event", event, count)
        self._sizes(self._cache.memory_sizes())

    def publish_disk(self) -> None:
        """Publish the sizes of the disk tier, by a scan: one process of a host calls it, and seldom."""
        self._sizes({"disk": self._cache.disk.sizes()} if self._cache.disk else {})

    def _sizes(self, sizes: Sizes) -> None:
        for part, size in sizes.items():
            self._report("vitrine_cache_entries", "part", part, size["entries"])
            self._report("vitrine_cache_bytes", "part", part, size["bytes"])

    def _report(self, family: str, label: str, value: str, now: float) -> None:
        change = now - self._published.get((family, value), 0)
        if change:
            self._metrics.add(family, change, **{label: value})
            self._published[family, value] = now


class FigureMetrics:
    """Publishes how much the figures of one source changed since the last call. A first value of 0 counts."""

    def __init__(self, figures: Sequence[Figure], source: object, metrics: Metrics) -> None:
        """`source` is the object that the figures read; any thread may read it."""
        self._figures, self._source, self._metrics = figures, source, metrics
        self._published: dict[tuple[str, str], float] = {}

    def publish(self) -> None:
        """Publish the changes."""
        for figure in self._figures:
            for value, now in figure.read(self._source).items():
                key = (figure.name, value)
                change = now - self._published.get(key, 0)
                if change or key not in self._published:  # a gauge at 0 is on the metrics page too
                    self._metrics.add(figure.name, change, **({figure.label: value} if figure.label else {}))
                    self._published[key] = now


class FakeMetrics:
    """Keeps the sums, by name and labels: {("vitrine_requests_total", "done"): 3}."""

    pending = False  # nothing is ever to be sent

    def __init__(self) -> None:
        self.sums: dict[tuple[str, ...], float] = {}

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        """Raise a sum by `value`."""
        key = (name, *labels.values())
        self.sums[key] = self.sums.get(key, 0) + value

    def publish(self) -> None:
        """Does nothing: the sums are read directly."""


Metrics = ModelMetrics | FakeMetrics
